"""One seed, one story: a random plan in a random world with random faults, and what must hold whatever happens.

A story has a time of chaos, in which processes are killed at any call, replies are lost, messages come late, others
write, secondaries lag and vanish, clocks are wrong, people steer, and stores fail. Then everything is well again, an
operator answers what still stands, and the run must come to an end that is one of those it promises.

    python -m tests.simulation.seeds 1234        replays one seed, with its story
    python -m tests.simulation.seeds --count N [FIRST]   runs N seeds
"""

from __future__ import annotations

import collections
import concurrent.futures
import os
import random
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import create, drive
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.engine.journal import from_envelope, to_envelope
from dns_cutover.engine.ports import Ports
from dns_cutover.engine.state import RunState
from dns_cutover.errors import CutoverError, Unavailable
from dns_cutover.lookup.interface import AuthoritativeRound, ServerView
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.providers.interface import Token, Unreachable
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
from dns_cutover.providers.rfc2136.update import Answers, Question, UpdateReply, UpdateSpec
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.model import Runbook
from tests.simulation import world
from tests.simulation.world import AFTER, BASE, LOCK, NAMES, ZONE, Clock, Lookup, Prober, Store, Transport, World

F = 60.0  # what clients add
LOW = 30
POLL = 45.0  # a waiting driver looks for commands this often: seconds are cheap here, looks are not
OPERATOR = ("resume", "retry", "rollback")
STEERING: tuple[ev.Verb, ...] = ("pause", "resume", "retry", "rollback", "abort", "keep")
MOST_TURNS = 40_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled plan, and whether what it only adds is taken back as well."""

    book: Runbook
    json: str
    sha256: str


@cache
def plans() -> tuple[Plan, ...]:
    """Variants of the plan: what a rollback takes back, what becomes of a deadline, and where the commit point is."""
    base, out = world.BOOK, []
    for commit in ("never", "before", "after"):
        for wrong in ("rollback", "pause"):
            for inconclusive in ("pause", "rollback"):
                stages = (replace(base.stages[0], commit="after" if commit == "after" else "never"),
                          replace(base.stages[1], commit=commit if commit != "after" else "never"))  # fmt: skip
                gate = {"wrong": wrong, "unreachable": wrong, "on_inconclusive": inconclusive}
                steps = tuple(replace(s, gate=replace(s.gate, **gate)) for s in base.steps)
                book = replace(base, stages=stages, steps=steps)
                out.append(Plan(book, runbook_json(book), runbook_sha256(book)))
    return tuple(out)


@dataclass
class Chances:
    """How often what happens, per call, while chaos lasts; times in seconds."""

    kill: float = 0.0
    lost: float = 0.0
    mute: float = 0.0
    late: float = 0.0
    unreachable: float = 0.0
    store: float = 0.0
    probe_error: float = 0.0
    probe_failure: float = 0.0
    race: float = 0.0  # somebody else's write just before one of ours arrives


@dataclass
class Story(World):
    """The world of one seed."""

    plan: Plan = field(default_factory=lambda: plans()[0])
    chances: Chances = field(default_factory=Chances)
    calm: float = 0.0  # from when on everything is well again
    absent: list[tuple[float, float]] = field(default_factory=list)  # the secondary does not answer
    outages: list[tuple[float, float]] = field(default_factory=list)  # the primary does not answer
    failing: list[tuple[float, float]] = field(default_factory=list)  # the new service does not work
    said: list[str] = field(default_factory=list)
    ordered: bool = True  # whether serials are, so that the SOA can be required as well
    ever_foreign: set[Question] = field(default_factory=set)  # were somebody else's at some time
    answers: int = 0  # of the operator
    patience: float = 0.0  # until when the operator waits for what the last one does
    folded: RunState | None = None
    taken: set[str] = field(default_factory=set)  # operation ids that the server applied

    def say(self, text: str) -> None:
        self.said.append(f"{self.now:9.1f} {text}")

    @property
    def chaos(self) -> bool:
        return self.now < self.calm

    def chance(self, p: float) -> bool:
        return self.chaos and self.rng.random() < p

    def during(self, spans: list[tuple[float, float]]) -> bool:
        return any(a <= self.now < b for a, b in spans)

    def state(self) -> RunState | None:
        """As World has it, but folded only from where it was left."""
        if self.folded is None and self.journal:
            self.folded = fold("r", [from_envelope(self.journal[0])])
        while self.folded is not None and self.folded.seq < len(self.journal):
            event = from_envelope(self.journal[self.folded.seq])
            self._witness(self.folded, event)
            self.folded = evolve(self.folded, event)
        return self.folded

    def _witness(self, before: RunState, event: ev.Event) -> None:
        """The journal says applied only if the server has it, and not applied only if it never will."""
        match event:
            case ev.Applied() if event.op not in self.taken:
                self.problems.append(f"the journal has {event.op} as applied, the server has not")
            case ev.NotApplied() if event.op in self.taken:
                self.problems.append(f"the journal has {event.op} as not applied ({event.reason}), the server has")
            case _:
                pass

    def process(self, spec: UpdateSpec) -> str:
        rcode = super().process(spec)
        if rcode == "NOERROR":
            held = [p for p in spec.prereqs if (p.owner, p.rdtype) == LOCK and p.kind == "exists"]
            added = [e for e in spec.edits if (e.owner, e.rdtype) == LOCK and e.kind == "add"]
            token = Token.parse(added[0].values[0].strip('"')) if added else None
            if token is not None:
                self.taken.add(token.op)
            elif held:
                pending = self.folded.pending if self.folded is not None else None
                if pending is not None and pending.next is None:
                    self.taken.add(pending.op)
        return rcode

    def _judge(self, before: Mapping[Question, RRset], after: Mapping[Question, RRset]) -> None:
        changed = {q for q in {*before, *after} if before.get(q) != after.get(q) and q[1] != "SOA" and q != LOCK}
        state = self.state()
        if not changed:
            return
        if before.get(LOCK) is None:
            self.problems.append("a write without holding the lock")
        pending = state.pending if state is not None and not state.final else None
        if state is None or pending is None:
            self.problems.append("a write that the journal does not have as pending")
            return
        meant = {(c.key.owner, c.key.rdtype): c for c in pending.changes}
        for q in changed:
            change, old, new = meant.get(q), before.get(q), after.get(q)
            if change is None or old != change.before or new != change.after:
                self.problems.append(f"{q} became {new} from {old}; the journal means {change}")
                continue
            if old is not None and new is None and q in BASE:
                self.problems.append(f"a gap: {q}")
            if old is not None and new is not None and old.values != new.values and state.back is None:
                self._outlived(q, old)

    def _outlived(self, q: Question, old: RRset) -> None:
        """No answer of the old values with a longer TTL than the lowered one may be alive anywhere."""
        for log in (self.served, self.secondary):
            for n, (_, version) in enumerate(log):
                rrset = self.versions[version].get(q)
                if rrset is None or rrset.values != old.values or rrset.ttl <= max(LOW, 0):
                    continue
                last = log[n + 1][0] if n + 1 < len(log) else self.now
                if self.now < last + rrset.ttl + F - 1e-6:
                    self.problems.append(f"{q} changed at {self.now:.1f}; TTL {rrset.ttl} was served until {last:.1f}")

    def ports(self, runner: str) -> Ports:
        clock = Clock(self)
        provider = Rfc2136Provider("default", ZONE, FaultyTransport(self), lambda: self.now + self.skew)
        provider.guarantees = replace(provider.guarantees, serial="ordered" if self.ordered else "none")
        counter = iter(range(10**9))
        ids = lambda: f"{runner}{next(counter):x}"  # noqa: E731
        return Ports(
            FaultyStore(self),
            {"default": provider},
            FaultyLookup(self),
            FaultyProber(self),
            clock,
            ids,
            runner,
            poll=POLL,
        )


class FaultyTransport(Transport):
    """Replies get lost, messages too, and some come late."""

    w: Story

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        w = self.w
        await w.point()
        if w.during(w.outages):
            raise Unreachable("nobody there", maybe_applied=False)
        w.updates += 1
        if w.chance(w.chances.race):
            _foreign(w)
        for kind, p in (("lost", w.chances.lost), ("mute", w.chances.mute), ("late", w.chances.late)):
            if w.chance(p):
                w.say(f"update {w.updates}: {kind}")
                if kind == "mute":
                    w.process(spec)
                elif kind == "late":
                    delay = w.rng.choice((0.5, 3.0, 15.0, 90.0, 1500.0, 6000.0))
                    w.at(w.now + delay, lambda: world._ignore(w.process(spec)))
                await w.point(10)
                raise Unreachable("no reply", maybe_applied=True)
        rcode = w.process(spec)
        await w.point()
        return UpdateReply(rcode, w.now)

    async def query(self, questions: Collection[Question]) -> Answers:
        await self.w.point()
        if self.w.during(self.w.outages) or self.w.chance(self.w.chances.unreachable):
            raise Unreachable("nobody there", maybe_applied=False)
        found = Answers({q: self.w.zone.get(q) for q in questions}, self.w.now)
        await self.w.point()
        return found


class FaultyStore(Store):
    """A full disk, or a connection that breaks after the commit."""

    w: Story

    async def append(self, envelopes: Any) -> bool:
        w = self.w
        await w.point()
        if w.chance(w.chances.store):
            if w.rng.random() < 0.5 and len(w.journal) == envelopes[0].seq:
                w.journal.extend(envelopes)
            w.say("the store fails")
            raise Unavailable("the store cannot be used")
        if len(w.journal) != envelopes[0].seq:
            return False
        w.journal.extend(envelopes)
        w.state()
        await w.point()
        return True


class FaultyLookup(Lookup):
    """The secondary vanishes now and then."""

    w: Story

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        self.w.secondary_dead = self.w.during(self.w.absent)
        looked = await super().authoritative(keys)
        if not self.w.during(self.w.outages):
            return looked
        first = looked.views[0]
        gone = ServerView(first.zone, first.server, {}, None, "no answer in 3 tries")
        return AuthoritativeRound(looked.at, (gone, *looked.views[1:]))


class FaultyProber(Prober):
    """The new service fails at times; and now and then a probe blinks, or cannot tell."""

    w: Story

    async def ask(self, probes: Collection[ProbeSpec]) -> tuple[ProbeResult, ...]:
        w = self.w
        await w.point()
        live = w.zone.get((ZONE, "MX"), BASE[ZONE, "MX"]).values == ("10 new.test.",)
        out = []
        for p in probes:
            verdict = Verdict.FAILURE if live and w.during(w.failing) else Verdict.SUCCESS
            if w.chance(w.chances.probe_error):
                verdict = Verdict.ERROR
            elif w.chance(w.chances.probe_failure):
                verdict = Verdict.FAILURE
            out.append(ProbeResult(p.name, verdict, w.now, 0.01, ""))
        return tuple(out)


# -- making a story ----------------------------------------------------------------------------------------------


def _spans(rng: random.Random, end: float, most: int, longest: float) -> list[tuple[float, float]]:
    starts = [rng.uniform(1000, end) for _ in range(rng.randint(0, most))]
    return [(a, min(end, a + rng.expovariate(1 / longest))) for a in starts]


def story(seed: int) -> Story:
    """The world of a seed. Each kind of trouble is absent in most stories, so that each is seen alone as well."""
    rng = random.Random(seed)
    calm = 1000 + rng.choice((200.0, 4200.0, 5500.0, 9000.0))
    some: Callable[..., float] = lambda *ps: rng.choice((0.0, 0.0, *ps))  # noqa: E731
    chances = Chances(
        kill=some(0.002, 0.02, 0.1),
        lost=some(0.05, 0.3),
        mute=some(0.05, 0.3),
        late=some(0.05, 0.3),
        unreachable=some(0.01, 0.2),
        store=some(0.01, 0.1),
        probe_error=some(0.05, 0.5),
        probe_failure=some(0.02, 0.3),
    )
    w = Story(rng, lag=rng.choice((0.2, 3.0, 40.0)), plan=rng.choice(plans()), chances=chances, calm=calm)
    w.ordered = rng.random() < 0.75
    w.chances.race = some(0.05, 0.3) if rng.random() < 0.5 else 0.0
    if rng.random() < 0.3:
        w.absent = _spans(rng, calm, 3, 600)
    if rng.random() < 0.3:
        w.outages = _spans(rng, calm, 3, 600)
    if rng.random() < 0.4:
        w.failing = [(rng.uniform(1000, 7000), rng.choice((4000.0, 7000.0, 1e9)))]
    for _ in range(rng.choice((0, 0, 0, 1, 2, 6))):
        w.at(rng.uniform(1000, calm), lambda: _foreign(w))
    for _ in range(rng.choice((0, 0, 1, 4))):
        w.at(rng.uniform(1000, calm), lambda: _steer(w, rng.choice(STEERING)))
    for _ in range(rng.choice((0, 0, 1, 2))):
        w.at(rng.uniform(1000, calm), lambda: _jump(w))
    return w


def _foreign(w: Story) -> None:
    """Somebody else writes: another value, a longer TTL that may be put back, a value more, or a deletion."""
    q = w.rng.choice((*NAMES, (f"keep.{ZONE}", "A")))
    old = w.zone.get(q)
    # Without the SOA as a condition a TTL that changes between reading and writing goes unseen, as DESIGN says.
    kind = w.rng.choice(("value", "ttl" if w.ordered else "value", "add", "gone", "same"))
    w.say(f"foreign {kind} at {q}")
    state = w.state()
    pending = state.pending.changes if state is not None and state.pending is not None else ()
    # What others change while the fate of a message about it is open looks as if the server had ignored the message:
    # the run lets go of it, and whatever is put there later is theirs.
    ours = q not in w.foreign_keys and all((c.key.owner, c.key.rdtype) != q for c in pending)
    w.ever_foreign.add(q)
    match kind:
        case "value":
            value = {"A": "192.0.2.66", "CNAME": "x.test.", "MX": "10 third.test.", "TXT": '"third"'}[q[1]]
            w.foreign(q, RRset(w.rng.choice((30, 60, 7200)) if w.ordered or old is None else old.ttl, (value,)))
        case "ttl" if old is not None:
            w.foreign(q, old.with_ttl(w.rng.choice((7200, 600))))
            if w.rng.random() < 0.7:
                w.at(w.now + w.rng.choice((1.0, 50.0, 2000.0)), lambda: _put_back(w, q, old, ours))
        case "add" if old is not None and q[1] == "TXT":
            w.foreign(q, RRset(old.ttl, tuple(sorted({*old.values, '"theirs"'}))))
        case "gone" if old is not None:
            w.foreign(q, None)
        case _:
            w.publish(dict(w.zone))


def _put_back(w: Story, q: Question, old: RRset, ours: bool) -> None:
    now = w.zone.get(q)
    if now is not None and now.values == old.values:
        w.say(f"foreign: {q} is put back")
        w.foreign(q, old)
        state = w.state()
        # After the end of the run it is somebody else's matter, whatever it looks like.
        if ours and state is not None and not state.final:
            w.foreign_keys.discard(q)


def _steer(w: Story, verb: ev.Verb) -> None:
    state = w.state()
    if state is not None and not state.final:
        w.say(f"somebody says {verb}")
        w.journal.append(to_envelope("r", state.seq, ev.Command(w.now, verb, "somebody")))


def _jump(w: Story) -> None:
    w.skew = w.rng.choice((-7200.0, -90.0, 0.0, 90.0, 7200.0))
    w.say(f"the machine's clock is off by {w.skew:g} s")


# -- telling it ---------------------------------------------------------------------------------------------------


@dataclass
class Process:
    """One driver: its coroutine and when it goes on."""

    coroutine: Any
    due: float


def tell(w: Story) -> RunState:
    """Until the run is over. Raises AssertionError with what went wrong."""
    rng = w.rng
    step_to_end(w, create("r", ev.Created(w.now, w.plan.json, w.plan.sha256, "sim"), _quiet(w)))
    processes: list[Process] = []
    numbers = iter(range(1, 10**6))
    restart = w.now
    for _ in range(MOST_TURNS):
        state = w.state()
        assert state is not None
        if state.final and not processes:
            return state
        if not processes or (w.chaos and len(processes) < 2 and rng.random() < 0.001):
            if not processes:
                w.advance(max(0.01, restart - w.now))
                state = w.state()
                assert state is not None
                if state.final:
                    continue
            number = next(numbers)
            w.say(f"process {number} begins")
            state = w.state()
            assert state is not None
            processes.append(Process(drive(state, w.ports(f"p{number}")), w.now))
        if not w.chaos:
            _operate(w)
        current = min(processes, key=lambda p: p.due)
        w.advance(max(0.0, current.due - w.now))
        if w.chance(w.chances.kill):
            w.say("killed")
            current.coroutine.close()
            processes.remove(current)
            restart = w.now + rng.choice((0.1, 5.0, 700.0))
            continue
        try:
            current.due = w.now + current.coroutine.send(None)
        except StopIteration:
            processes.remove(current)
            restart = w.now + (60.0 if w.chaos else 5.0)
        except CutoverError as exc:
            w.say(f"ends: {exc}")
            processes.remove(current)
            restart = w.now + 5.0
    state = w.state()
    assert state is not None
    raise AssertionError(f"it does not end: {state.step.id if state.step else 'at its end'}")


def _quiet(w: Story) -> Ports:
    """Ports for the first entry, which no fault may hit: without it there is no run."""
    return World.ports(w, "p0")


def step_to_end(w: Story, coroutine: Any) -> None:
    while True:
        try:
            w.advance(coroutine.send(None))
        except StopIteration:
            return


def _operate(w: Story) -> None:
    """Everything is well again; a person answers what stands: at first by going on, then by going back."""
    state = w.state()
    if state is None or state.hold is None or state.asked is not None or w.now < w.patience:
        return
    w.patience = w.now + 300
    w.answers += 1
    verb: ev.Verb = "resume" if w.answers < 3 else "rollback" if w.answers < 7 else "keep"
    w.say(f"somebody says {verb} (operator)")
    w.journal.append(to_envelope("r", state.seq, ev.Command(w.now, verb, "operator")))


def judge(w: Story, state: RunState) -> list[str]:
    """What is wrong with the end of a story."""
    w.advance(20_000)  # what is still under way arrives
    w.state()
    problems = list(w.problems)
    if LOCK in w.zone:
        problems.append("the lock was left behind")
    outcome = state.outcome
    kept = any("says keep" in line for line in w.said)
    # What was somebody else's for a while is left alone by a rollback at that time.
    theirs = w.ever_foreign if outcome == "rollback_failed" else w.foreign_keys
    mine = [q for q in NAMES if q not in theirs]
    committed = any(s.commit != "never" for s in w.plan.book.stages)
    if outcome == "succeeded":
        problems += [f"{q} is {w.zone.get(q)}" for q in mine if not _is(w, q, AFTER.get(q))]
    elif not kept and not committed:
        problems += [f"{outcome}: {q} is {w.zone.get(q)}" for q in mine if not _is(w, q, BASE.get(q))]
    if outcome == "rollback_failed" and not w.ever_foreign and not state.unproven and not kept:
        problems.append("rollback_failed without a foreign value and without an unreachable server")
    return problems


def _is(w: Story, q: Question, wanted: RRset | None) -> bool:
    found = w.zone.get(q)
    if q[1] == "TXT" and found is not None and wanted is not None and '"theirs"' in found.values:
        return {*found.values} - {'"theirs"'} == {*wanted.values} and found.ttl == wanted.ttl
    return found == wanted


def check(seed: int) -> tuple[str, list[str]]:
    """The outcome of a seed, and what is wrong with it."""
    w = story(seed)
    try:
        state = tell(w)
    except AssertionError as exc:
        return "none", [str(exc), *w.problems]
    return str(state.outcome), judge(w, state)


def _share(numbers: range) -> tuple[collections.Counter[str], dict[int, list[str]], float]:
    """One process's share: outcomes, what went wrong by seed, and seconds of CPU."""
    began, outcomes, bad = time.process_time(), collections.Counter[str](), {}
    for seed in numbers:
        outcome, problems = check(seed)
        outcomes[outcome] += 1
        if problems:
            bad[seed] = problems
    return outcomes, bad, time.process_time() - began


def _count(count: int, first: int) -> int:
    jobs = os.cpu_count() or 1
    shares = [range(n, min(n + 250, first + count)) for n in range(first, first + count, 250)]
    outcomes, bad, cpu, began = collections.Counter[str](), 0, 0.0, time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for told, wrong, spent in pool.map(_share, shares):
            outcomes += told
            cpu += spent
            for seed, problems in wrong.items():
                bad += 1
                print(f"seed {seed}: {problems[0]}   replay: python -m tests.simulation.seeds {seed}", flush=True)
    rate, each = count / (time.monotonic() - began), cpu / count * 1000
    print(f"{count} seeds, {bad} bad, {rate:.0f} a second on {jobs} cores, {each:.1f} ms of CPU each")
    print(", ".join(f"{outcome} {n}" for outcome, n in outcomes.most_common()))
    return 1 if bad else 0


def _replay(seed: int) -> int:
    w = story(seed)
    try:
        state = tell(w)
        print(state.outcome, state.why)
        print("\n".join(judge(w, state)))
    finally:
        lines = [(float(line.split()[0]), line) for line in w.said]
        lines += [(e.ts, f"{e.ts:9.1f}    {str(from_envelope(e))[:230]}") for e in w.journal[1:]]
        for _, line in sorted(lines, key=lambda item: item[0]):
            print(line)
    return 0


def _main(arguments: list[str]) -> int:
    if arguments[:1] == ["--count"]:
        return _count(int(arguments[1]), int((arguments[2:] or ["0"])[0]))
    return _replay(int(arguments[0]))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
