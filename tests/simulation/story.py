"""The story of a seed: a random plan in a random world, and what others do there."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from dns_cutover.engine import events as ev
from dns_cutover.providers.interface import Token
from dns_cutover.providers.rfc2136.update import Question
from dns_cutover.records import RRset
from dns_cutover.runbook.model import StepKind
from tests.simulation import plans, server
from tests.simulation.invariants import Judged
from tests.simulation.plans import KEEP, LOCK, STAGES, ZONE
from tests.simulation.world import NEVER, Chances, Secondary, Span

START = 1000.0
STEERING: tuple[ev.Verb, ...] = ("pause", "resume", "retry", "rollback", "abort", "keep", "confirm", "decline")
RIVAL = "rival"
VALUES = {"A": "192.0.2.66", "CNAME": "x.test.", "MX": "10 third.test.", "TXT": '"third"', "NS": "ns9.third.test."}


@dataclass
class Story(Judged):
    """How it is driven: by `supervisors` that start a process again, or by a cron that starts one each `tick` s."""

    supervisors: int = 1
    tick: float = 0.0
    answers: int = 0  # of the operator
    patience: float = 0.0  # until when the operator waits for what the last one does
    asleep_until: float = 0.0  # the machine is suspended
    doom: float = NEVER  # when whatever runs there is killed

    def foreign_write(self) -> None:
        """Somebody else writes: another value, a longer TTL that may be put back, one value more, something beside it,
        or a deletion."""
        q = self.rng.choice((*self.plan.names, KEEP))
        old = self.zone.get(q)
        # Without the SOA as a condition, or without a history, a TTL that is raised and put back goes unseen.
        sees = self.ordered and self.ixfr
        ttl = ("ttl", "ttl") if sees else ("value",)
        kind = self.rng.choice(("value", *ttl, "add", "gone", "same", "beside"))
        self.say(f"foreign {kind} at {q}")
        state = self.state()
        pending = state.pending.changes if state is not None and state.pending is not None else ()
        # What others change while the fate of a message about it is open looks as if the server had ignored the
        # message: the run lets go of it, and whatever is put there later is theirs.
        ours = q not in self.foreign_keys and all((c.key.owner, c.key.rdtype) != q for c in pending)
        crowded = {t for o, t in self.zone if o == q[0]} - {q[1]}
        if old is None and (crowded and (q[1] == "CNAME" or "CNAME" in crowded)):
            kind = "same"  # no server takes that
        match kind:
            case "value":
                seconds = self.rng.choice((30, 60, 7200)) if sees or old is None else old.ttl
                self.foreign(q, RRset(seconds, (VALUES[q[1]],)))
            case "ttl" if old is not None:
                self.foreign(q, old.with_ttl(self.rng.choice((7200, 600))))
                if self.rng.random() < 0.7:
                    self.at(self.now + self.rng.choice((1.0, 50.0, 2000.0)), lambda: self._put_back(q, old, ours))
            case "add" if old is not None and q[1] == "TXT":
                self.foreign(q, RRset(old.ttl, tuple(sorted({*old.values, '"theirs"'}))))
            case "gone" if old is not None and q != (ZONE, "NS"):
                self.foreign(q, None)
            case "beside" if q[0] != ZONE:
                there = {t for o, t in self.zone if o == q[0]}
                if "CNAME" not in there:
                    # Of types that nobody has heard of a message cannot say that they must not be there.
                    self.foreign((q[0], self.rng.choice(("TXT", "TYPE65280"))), RRset(300, ('"beside"',)))
            case _:
                self.publish(dict(self.zone))

    def _put_back(self, q: Question, old: RRset, ours: bool) -> None:
        now = self.zone.get(q)
        if now is None or now.values != old.values:
            return
        self.say(f"foreign: {q} is put back")
        self.foreign(q, old)
        state = self.state()
        # After the end of the run it is somebody else's matter, whatever it looks like.
        if ours and state is not None and not state.final:
            self.foreign_keys.discard(q)

    def rival(self) -> None:
        """Another run takes the zone's lock if it is free, or its time is over; it gives it back, or dies with it."""
        found = self.zone.get(LOCK)
        token = Token.parse(found.values[0].strip('"')) if found is not None else None
        if token is not None and (token.run == RIVAL or token.until > self.now):
            return
        self.unlocked = self.unlocked or token is not None
        self.say("a rival takes the lock")
        mine = Token(RIVAL, 1, f"op{next(self.numbers)}", int(self.now + self.rng.choice((60, 900))))
        self._put_lock(mine)
        if self.rng.random() < 0.7:
            self.at(self.now + self.rng.choice((5.0, 200.0, 1500.0)), lambda: self._give_back(mine))

    def _put_lock(self, token: Token | None) -> None:
        zone = dict(self.zone)
        zone.pop(LOCK, None)
        if token is not None:
            zone[LOCK] = RRset(60, (f'"{token.text()}"',))
        self.publish(zone)

    def _give_back(self, mine: Token) -> None:
        found = self.zone.get(LOCK)
        if found is not None and found.values == (f'"{mine.text()}"',):
            self.say("the rival gives it back")
            self._put_lock(None)

    def unlock(self) -> None:
        """Somebody takes the lock away."""
        if LOCK in self.zone:
            self.say("the lock is taken away")
            self.unlocked = True
            self._put_lock(None)

    def relapse(self) -> None:
        """A secondary goes back to an older zone, until the next transfer or for a while."""
        secondary = self.rng.choice(self.secondaries)
        number = secondary.log[-1][1]
        if number and secondary.relapsed is None:
            secondary.relapsed = old = self.rng.randrange(number)
            self.say(f"a secondary goes back to version {old}")
            self.at(self.now + self.rng.choice((10.0, 120.0, 400.0)), lambda: self.transfer(secondary, 0))

    def steer(self, verb: ev.Verb, by: str = "somebody") -> None:
        state = self.state()
        if state is None or state.final:
            return
        subject = ""
        if verb in ("confirm", "decline"):
            items = [s.confirm.id for s in self.plan.book.steps if s.confirm is not None]
            if not items:
                return
            step = state.step
            subject = step.confirm.id if step is not None and step.confirm is not None else self.rng.choice(items)
        self.say(f"{by} says {verb} {subject}")
        self.append(ev.Command(self.now, verb, by, subject))

    def jump(self) -> None:
        """Somebody sets the machine's clock, or it sleeps, or it is a virtual one that is moved."""
        match self.rng.choice(("set", "asleep", "frozen")):
            case "set":
                self.skew = self.rng.choice((-7200.0, -90.0, 0.0, 90.0, 7200.0))
                self.say(f"the machine's clock is off by {self.skew:g} s")
            case "asleep":
                self._stop("asleep", self.rng.choice((20.0, 400.0, 5000.0)))
            case _:
                self.freeze()

    def freeze(self) -> None:
        """Both clocks stand still, and the wall clock is set right on waking, as hypervisors do. (If it were not,
        nothing on the machine could tell.)"""
        lasts = self.rng.choice((20.0, 400.0, 5000.0))
        self._stop("frozen", lasts)
        self.stopped += lasts
        self.skew -= lasts
        right = self.skew + lasts
        self.at(self.asleep_until, lambda: setattr(self, "skew", right))
        if self.rng.random() < 0.5:
            self.doom = self.asleep_until + self.rng.uniform(20, 300)

    def _stop(self, how: str, lasts: float) -> None:
        self.say(f"the machine is {how} for {lasts:g} s")
        self.asleep_until = self.now + lasts
        self.horizon = 0.0

    def operate(self) -> None:
        """Everything is well again; a person answers what stands: at first by going on, then by going back."""
        state = self.state()
        if state is None or state.final or self.now < self.patience:
            return
        step = state.step
        if state.hold is not None and state.asked is None:
            self.patience = self.now + 300
            self.answers += 1
            self.steer("resume" if self.answers < 3 else "rollback" if self.answers < 7 else "keep", "operator")
        elif (
            state.asked is None
            and step is not None
            and step.kind is StepKind.CONFIRM
            and step.confirm is not None
            and step.confirm.id not in state.confirmed
        ):
            self.patience = self.now + 300
            self.steer("confirm", "operator")


def _spans(rng: random.Random, end: float, most: int, longest: float) -> list[Span]:
    starts = [rng.uniform(START, end) for _ in range(rng.randint(0, most))]
    return [(a, min(end, a + rng.expovariate(1 / longest))) for a in starts]


def story(seed: int) -> Story:
    """The world of a seed. Each kind of trouble is absent in most stories, so that each is seen alone as well."""
    rng = random.Random(seed)
    name = rng.choice(("mail", "mail", *STAGES))
    # One thing or two are wanted otherwise than usually.
    policy = rng.choice((0, rng.randrange(len(plans.POLICIES)), rng.randrange(len(plans.POLICIES))))
    calm = START + rng.choice((200.0, 4200.0, 5500.0, 9000.0))
    if name == "long":
        calm += rng.choice((0.0, 18_000.0))
    some: Callable[..., float] = lambda *ps: rng.choice((0.0, 0.0, *ps))  # noqa: E731
    chances = Chances(
        kill=some(0.002, 0.02, 0.06),
        lost=some(0.05, 0.3),
        mute=some(0.05, 0.3),
        late=some(0.05, 0.3),
        unreachable=some(0.01, 0.2),
        slow=some(0.05),
        store=some(0.01, 0.1),
        probe_error=some(0.05, 0.5),
        probe_failure=some(0.02, 0.3),
        resolver=some(0.02, 0.3),
        freeze=rng.choice((0.0, 0.0, 0.0, 0.0, 0.02)),
        relapse=rng.choice((0.0, 0.0, 0.0, 0.03)),
        race=rng.choice((0.0, 0.0, 0.1, 0.5)),
    )
    w = Story(rng, plans.variant(name, policy), rng.choice(server.MANNERS), chances, calm)
    w.ordered, w.ixfr = rng.random() < 0.75, rng.random() < 0.8
    w.secondaries = [Secondary(rng.choice((0.2, 0.2, 3.0, 40.0))) for _ in range(rng.choice((1, 1, 2)))]
    w.supervisors = rng.choice((1, 1, 1, 2))
    w.tick = rng.choice((0.0, 0.0, 0.0, 60.0, 300.0, 900.0))
    w.skew = rng.choice((0.0, 0.0, -7200.0, -90.0, 90.0, 7200.0))
    for secondary in w.secondaries:
        if rng.random() < 0.3:
            secondary.absent = _spans(rng, calm, 3, 300)
    if rng.random() < 0.3:
        w.outages, w.only_ours = _spans(rng, calm, 3, 300), rng.random() < 0.5
    if rng.random() < 0.35:
        w.failing = [(rng.uniform(START, 7000), rng.choice((4000.0, 7000.0, 1e9)))]
    if rng.random() < 0.06:
        owner = rng.choice(w.plan.names)[0]  # all of a name: an alias and data take each other's place
        w.ignoring = frozenset(q for q in w.plan.names if q[0] == owner)
    if rng.random() < 0.1:
        w.old_failing = _spans(rng, calm, 2, 1000)
    _happenings(w, rng, calm)
    return w


def _happenings(w: Story, rng: random.Random, calm: float) -> None:
    def often(counts: tuple[int, ...], action: Callable[[], object]) -> None:
        for _ in range(rng.choice(counts)):
            w.at(rng.uniform(START, calm), action)

    for _ in range(rng.choice((0, 0, 0, 1, 2, 6))):
        # Most of them before the first stage: what comes later is seen by fewer.
        w.at(rng.uniform(START, min(calm, rng.choice((5500.0, 30_000.0)))), w.foreign_write)
    often((0, 0, 1, 4), lambda: w.steer(rng.choice(STEERING)))
    often((0, 0, 1, 2), w.jump)
    often((0, 0, 0, 1, 3), w.rival)
    often((0, 0, 0, 0, 1), w.unlock)
    often((0, 0, 0, 1, 3), w.relapse)
