"""A virtual world for the engine: clocks, a primary, secondaries, probes, a store; coroutines are stepped by hand.

The provider's real decision code runs on a virtual transport. No asyncio: a driver may vanish at any call.
"""

from __future__ import annotations

import heapq
import itertools
import random
import types
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from dns_cutover.clock import SystemClock
from dns_cutover.engine import driver
from dns_cutover.engine import events as ev
from dns_cutover.engine import fold as folding
from dns_cutover.engine.journal import from_envelope, to_envelope
from dns_cutover.engine.ports import Ports
from dns_cutover.engine.state import RunState
from dns_cutover.errors import Unavailable
from dns_cutover.lookup.interface import (
    AuthoritativeRound,
    Endpoint,
    Evidence,
    Expectation,
    ResolverRound,
    ResolverRow,
    ServerView,
)
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.providers.interface import Refused, Token, Unreachable
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider, guarantees
from dns_cutover.providers.rfc2136.update import Answers, Question, UpdateReply, UpdateSpec
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.store.interface import Envelope
from tests.simulation import server
from tests.simulation.plans import BASE, LOCK, MAIL, SERVERS, SOA, ZONE, Variant

RUN = "r"
NEVER = float("inf")
Span = tuple[float, float]
UNORDERED = replace(guarantees(), serial="none")


@types.coroutine
def pause(seconds: float) -> Generator[float, None, None]:
    """Let the scheduler go on; the caller is resumed `seconds` later."""
    yield seconds


@dataclass
class Chances:
    """How often what happens, per call, while chaos lasts."""

    kill: float = 0.0
    lost: float = 0.0  # the message never arrives
    mute: float = 0.0  # it does, and the reply gets lost
    late: float = 0.0  # it arrives later
    unreachable: float = 0.0
    slow: float = 0.0  # it takes its time, but arrives
    store: float = 0.0
    probe_error: float = 0.0
    probe_failure: float = 0.0
    resolver: float = 0.0  # a cache says something else, or nothing
    freeze: float = 0.0  # the machine stands still while it looks
    relapse: float = 0.0  # a secondary is found back at an older zone
    race: float = 0.0  # somebody else's write just before one of ours arrives


@dataclass
class Fault:
    """What happens to one update: lost (never arrives), mute (applied, the reply is lost), zombie (applied later)."""

    kind: str
    delay: float = 0.0


@dataclass
class Secondary:
    """What it served, from when on; how late transfers come; when it does not answer, or serves an older zone."""

    lag: float
    log: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    absent: list[Span] = field(default_factory=list)
    relapsed: int | None = None  # the older version that it serves for a while
    seen: list[tuple[float, int, frozenset[Question]]] = field(
        default_factory=list
    )  # when we asked what of an older one


@dataclass
class World:
    """One zone, its servers, one run, and everything that can go wrong there."""

    rng: random.Random
    plan: Variant = MAIL
    manner: server.Manner = "bind"
    chances: Chances = field(default_factory=Chances)
    calm: float = 0.0  # from when on everything is well again
    now: float = 1000.0
    calls: int = 0
    fuse: float = NEVER  # at which call the scheduler must be asked
    horizon: float = 0.0  # and from when on: until then nobody else's turn comes
    slept: bool = False
    queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    # the zone
    versions: list[server.Zone] = field(default_factory=lambda: [dict(BASE)])
    served: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    secondaries: list[Secondary] = field(default_factory=lambda: [Secondary(3.0)])
    ordered: bool = True  # whether serials are, so that the SOA can be required as well
    ixfr: bool = True  # whether the server tells what was published before
    outages: list[Span] = field(default_factory=list)  # the primary does not answer
    only_ours: bool = False  # the outages are those of our way to it: it is there for others
    ignoring: frozenset[Question] = frozenset()  # what the server silently leaves as it is, while chaos lasts
    foreign_keys: set[Question] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)  # operation ids that the server applied
    effects: dict[str, frozenset[Question]] = field(default_factory=dict)  # what each of them changed
    # what each process saw of older versions, and has not stored yet
    glimpsed: dict[str, list[tuple[Secondary, tuple[float, int, frozenset[Question]]]]] = field(default_factory=dict)
    # one update in particular
    crash_at: int = -1
    fault_at: int = -1
    fault: Fault = field(default_factory=lambda: Fault("mute"))
    updates: int = 0
    dead: bool = False
    refuse_until: float = 0.0  # it takes no updates
    denies: bool = False  # it answers nothing
    # the machine, the service, the store
    skew: float = 0.0  # of the wall clock
    stopped: float = 0.0  # seconds that the counting clock has missed
    broken: bool = False
    failing: list[Span] = field(default_factory=list)  # the new service does not work
    old_failing: list[Span] = field(default_factory=list)  # the old one does not
    journal: list[Envelope] = field(default_factory=list)
    folded: RunState | None = None
    evolved: dict[int, tuple[RunState, ev.Event, RunState]] = field(default_factory=dict)
    stores: Callable[[], Any] | None = None  # a real store, if not the list above
    problems: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    # -- time ---------------------------------------------------------------------------------------------------

    @property
    def chaos(self) -> bool:
        return self.now < self.calm

    def chance(self, p: float) -> bool:
        return p > 0.0 and self.now < self.calm and self.rng.random() < p

    def during(self, spans: Sequence[Span]) -> bool:
        return bool(spans) and any(a <= self.now < b for a, b in spans)

    def at(self, when: float, action: Callable[[], object]) -> None:
        heapq.heappush(self.queue, (when, next(self.numbers), lambda: _ignore(action())))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.queue and self.queue[0][0] <= end:
            when, _, action = heapq.heappop(self.queue)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, end)

    async def point(self, seconds: float = 0.01) -> None:
        """Every call of a port passes here, before and after its effect: a place to die, and for others to act."""
        self.calls += 1
        if self.calls == self.crash_at:
            self.dead = True
        elif self.now + seconds < self.horizon and self.calls < self.fuse:
            self.advance(seconds)
            return
        await pause(seconds)

    def say(self, text: str) -> None:
        self.said.append(f"{self.now:9.1f} {text}")

    # -- the zone -----------------------------------------------------------------------------------------------

    @property
    def zone(self) -> server.Zone:
        return self.versions[-1]

    def serial(self, version: Mapping[Question, RRset]) -> int:
        return int(version[SOA].values[0].split()[2])

    def publish(self, zone: server.Zone) -> None:
        fields = zone[SOA].values[0].split()
        fields[2] = str(int(fields[2]) + 1)
        zone[SOA] = RRset(zone[SOA].ttl, (" ".join(fields),))
        self.versions.append(zone)
        number = len(self.versions) - 1
        self.served.append((self.now, number))
        for secondary in self.secondaries:
            self.at(self.now + secondary.lag, lambda s=secondary: self.transfer(s, number))

    def transfer(self, secondary: Secondary, number: int) -> None:
        secondary.relapsed = None
        if number > secondary.log[-1][1]:
            secondary.log.append((self.now, number))

    def foreign(self, question: Question, rrset: RRset | None) -> None:
        """Somebody else writes. What cannot stand beside an alias, or an alias beside anything, no server takes."""
        zone = dict(self.zone)
        zone.pop(question, None)
        beside = {t for o, t in zone if o == question[0]}
        if rrset is not None and ("CNAME" in beside or (beside and question[1] == "CNAME")):
            return
        if rrset is not None:
            zone[question] = rrset
        self.foreign_keys.add(question)
        self.publish(zone)

    def process(self, spec: UpdateSpec) -> str:
        """The server takes a message, or refuses it."""
        before = self.zone
        rcode, after = server.process(before, ZONE, spec, self.manner)
        if self.ignoring and self.chaos and after is not before:
            after = {q: r for q, r in after.items() if q not in self.ignoring}
            after |= {q: before[q] for q in self.ignoring if q in before}
        if after is not before:
            self.judge_write(before, after)
            self.publish(after)
        if rcode == "NOERROR":
            self._note(spec, frozenset(q for q in {*before, *after} if before.get(q) != after.get(q)))
        return rcode

    def _note(self, spec: UpdateSpec, changed: frozenset[Question]) -> None:
        """Whose operation was applied: its id is in the lock, or pending while the lock is given back."""
        added = [e for e in spec.edits if (e.owner, e.rdtype) == LOCK and e.kind == "add"]
        token = Token.parse(added[0].values[0].strip('"')) if added else None
        if token is not None:
            self.taken.add(token.op)
            self.effects[token.op] = changed
        elif any(e.kind == "clear" and (e.owner, e.rdtype) == LOCK for e in spec.edits):
            pending = self.folded.pending if self.folded is not None else None
            if pending is not None and pending.next is None:
                self.taken.add(pending.op)

    def foreign_write(self) -> None:
        """Somebody else writes something."""

    def freeze(self) -> None:
        """The machine stands still for a while."""

    def relapse(self) -> None:
        """A secondary goes back to an older zone."""

    # -- what must never happen (invariants.py) -----------------------------------------------------------------

    def judge_write(self, before: server.Zone, after: server.Zone) -> None:
        """Called with what a message of ours makes of the zone."""

    def witness(self, before: RunState, event: ev.Event, after: RunState) -> None:
        """Called with every event that was stored."""

    # -- the journal --------------------------------------------------------------------------------------------

    def state(self) -> RunState | None:
        """Folded from where it was left."""
        if self.folded is None and self.journal:
            self.folded = folding.fold(RUN, [_event(self.journal[0])])
        while self.folded is not None and self.folded.seq < len(self.journal):
            event = _event(self.journal[self.folded.seq])
            before = self.folded
            self.folded = self.evolve(before, event)
            self.witness(before, event, self.folded)
        return self.folded

    def evolve(self, s: RunState, event: ev.Event) -> RunState:
        """The engine's, which is pure: what the driver has worked out need not be worked out again."""
        known = self.evolved.get(id(event))
        if known is not None and known[0] is s and known[1] is event:
            return known[2]
        if len(self.evolved) > 20:
            self.evolved.clear()
        after = folding.evolve(s, event)
        self.evolved[id(event)] = (s, event, after)
        return after

    def append(self, event: ev.Event) -> None:
        """Somebody else's entry."""
        state = self.state()
        assert state is not None
        self.journal.append(driver.to_envelope(RUN, state.seq, event))
        self.state()

    def events(self) -> list[ev.Event]:
        return [_event(e) for e in self.journal]

    @contextmanager
    def quick(self) -> Iterator[None]:
        """Events are kept as they are, without becoming JSON and back; each is folded once, for world and driver."""
        book, json = self.plan.book, self.plan.json
        real = folding.parse_runbook
        with (
            patch.object(driver, "to_envelope", _kept),
            patch.object(driver, "from_envelope", _event),
            patch.object(driver, "evolve", self.evolve),
            patch.object(folding, "parse_runbook", lambda text: book if text is json else real(text)),
        ):
            yield

    # -- ports --------------------------------------------------------------------------------------------------

    def ports(self, runner: str) -> Ports:
        provider = Rfc2136Provider("default", ZONE, Transport(self), lambda: self.now + self.skew)
        if not self.ordered:
            provider.guarantees = UNORDERED
        counter = itertools.count()
        store = Store(self) if self.stores is None else self.stores()
        return Ports(
            store,
            {"default": provider},
            Lookup(self, runner),
            Prober(self),
            MachineClock(self),
            lambda: f"{runner}{next(counter):x}",
            runner,
            poll=1e9,  # the scheduler wakes whoever has something to hear
        )


def _ignore(_: object) -> None:
    return None


def _kept(run_id: str, seq: int, event: ev.Event) -> Envelope:
    body: Any = event
    return Envelope(run_id, seq, event.ts, body)


def _event(envelope: Envelope) -> ev.Event:
    body: Any = envelope.body
    return from_envelope(envelope) if isinstance(body, str) else body


# The driver's own, whatever it is patched with.
assert driver.to_envelope is to_envelope


@dataclass
class Transport:
    """The way to the primary: messages and replies get lost, and some come late."""

    w: World

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        w = self.w
        await w.point()
        if w.during(w.outages):
            raise Unreachable("nobody there", maybe_applied=False)
        if w.chance(w.chances.slow):
            await w.point(w.rng.choice((20.0, 100.0)))
        w.updates += 1
        if w.chance(w.chances.race):
            w.foreign_write()
        fault = self._fault()
        if fault is not None:
            w.say(f"update {w.updates}: {fault.kind}")
            if fault.kind == "mute":
                w.process(spec)
            elif fault.kind == "zombie":
                w.at(w.now + fault.delay, lambda: w.process(spec))
            await w.point(10)
            raise Unreachable("no reply", maybe_applied=True)
        rcode = "REFUSED" if w.now < w.refuse_until else w.process(spec)
        await w.point()
        return UpdateReply(rcode, w.now)

    def _fault(self) -> Fault | None:
        w = self.w
        if w.updates == w.fault_at:
            return w.fault
        for kind, p in (("lost", w.chances.lost), ("mute", w.chances.mute), ("zombie", w.chances.late)):
            if w.chance(p):
                return Fault(kind, w.rng.choice((0.5, 3.0, 15.0, 90.0, 1500.0, 6000.0)))
        return None

    async def query(self, questions: Collection[Question]) -> Answers:
        w = self.w
        await w.point()
        if w.denies:
            raise Refused("the key is not known")
        if w.during(w.outages) or w.chance(w.chances.unreachable):
            raise Unreachable("nobody there", maybe_applied=False)
        zone = w.zone
        found = Answers({q: zone.get(q) for q in questions}, w.now)
        await w.point()
        return found

    async def history(self, since_serial: int) -> Mapping[Question, int] | None:
        w = self.w
        await w.point()
        if not w.ixfr:
            return None
        out: dict[Question, int] = {}
        for old, new in itertools.pairwise(w.versions):
            if w.serial(old) >= since_serial:
                for q, rrset in new.items():
                    if old.get(q) != rrset:
                        out[q] = max(out.get(q, 0), rrset.ttl)
        return out


@dataclass
class Store:
    """In memory, with a disk that is full at times, and a connection that breaks after the commit."""

    w: World

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        w = self.w
        await w.point()
        fits = not w.dead and len(w.journal) == envelopes[0].seq
        if w.chance(w.chances.store):
            if fits and w.rng.random() < 0.5:
                w.journal.extend(envelopes)
                w.state()
            w.say("the store fails")
            raise Unavailable("the store cannot be used")
        if not fits:
            return False
        w.journal.extend(envelopes)
        w.state()
        await w.point()
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        if self.w.chance(self.w.chances.store / 8):
            raise Unavailable("the store cannot be used")
        return tuple(self.w.journal[start:])

    async def runs(self) -> tuple[Any, ...]:
        return ()

    async def close(self) -> None:
        return None


class MachineClock(SystemClock):
    """The real one, on the machine's two clocks: one that somebody sets, and one that counts but may stand still."""

    def __init__(self, w: World) -> None:
        self.w = w
        super().__init__(lambda: w.now + w.skew, lambda: w.now - w.stopped)

    async def sleep_until(self, when: float) -> None:
        """Not a place to die: the same as before the next call."""
        self.w.slept = True
        await pause(max(0.01, when - self.now()))


@dataclass
class Lookup:
    """All authoritative servers, and two caches."""

    w: World
    runner: str = ""

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        w = self.w
        await w.point()
        if w.chance(w.chances.relapse):
            w.relapse()
        if w.chance(w.chances.freeze):
            w.freeze()
            await w.point()
        views = []
        for n in range(len(w.secondaries) + 1):
            endpoint = Endpoint(SERVERS[n], f"192.0.2.{n + 1}")
            secondary = w.secondaries[n - 1] if n else None
            if w.during(secondary.absent if secondary is not None else () if w.only_ours else w.outages):
                views.append(ServerView("default", endpoint, {}, None, "no answer in 3 tries"))
                continue
            version = w.served[-1][1]
            if secondary is not None:
                version = secondary.log[-1][1] if secondary.relapsed is None else secondary.relapsed
                if secondary.relapsed is not None:
                    asked = frozenset((k.owner, k.rdtype) for k in keys)
                    w.glimpsed.setdefault(self.runner, []).append((secondary, (w.now, version, asked)))
            zone = w.versions[version]
            views.append(
                ServerView("default", endpoint, {k: zone.get((k.owner, k.rdtype)) for k in keys}, w.serial(zone))
            )
        await w.point()
        return AuthoritativeRound(w.now, tuple(views))

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        w = self.w
        await w.point()
        due = max((x.dead_at for x in expectations), default=0.0)
        rows = []
        for n, x in itertools.product((8, 9), expectations):
            evidence = Evidence.WITNESSED
            if w.chance(w.chances.resolver):
                evidence = w.rng.choice((Evidence.VIOLATOR, Evidence.ERROR, Evidence.STALE))
            rows.append(ResolverRow(Endpoint(f"cache{n}", f"192.0.2.{n}"), x.key, evidence, at=w.now))
        await w.point()
        return ResolverRound(w.now, tuple(rows), due if due > w.now else NEVER)

    baseline = resolvers


@dataclass
class Prober:
    """The new service fails at times; now and then a probe blinks, or cannot tell."""

    w: World

    async def ask(self, probes: Collection[ProbeSpec]) -> tuple[ProbeResult, ...]:
        w = self.w
        await w.point()
        live = any(q in w.zone and w.zone[q].values == values for q, values in w.plan.service)
        out = []
        for p in probes:
            bad = w.during(w.old_failing) if p.role == "way_back" else live and (w.broken or w.during(w.failing))
            verdict = Verdict.FAILURE if bad else Verdict.SUCCESS
            if w.chance(w.chances.probe_error):
                verdict = Verdict.ERROR
            elif w.chance(w.chances.probe_failure):
                verdict = Verdict.FAILURE
            out.append(ProbeResult(p.name, verdict, w.now, 0.01, ""))
        await w.point()
        return tuple(out)
