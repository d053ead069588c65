"""A virtual world for the engine: clock, primary, lagging secondary, probes, faults; coroutines are stepped by hand.

The provider's real decision code runs on a virtual transport. No asyncio: a driver may vanish at any call.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import types
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import create, drive
from dns_cutover.engine.fold import fold
from dns_cutover.engine.journal import from_envelope
from dns_cutover.engine.ports import Ports
from dns_cutover.engine.state import RunState
from dns_cutover.errors import CutoverError
from dns_cutover.lookup.interface import (
    AuthoritativeRound,
    Endpoint,
    Evidence,
    Expectation,
    ResolverRound,
    ResolverRow,
    ServerView,
)
from dns_cutover.plan.loader import parse_plan
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.providers.interface import Token, Unreachable
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider, guarantees
from dns_cutover.providers.rfc2136.size import partition_changes
from dns_cutover.providers.rfc2136.update import Answers, EditOp, Question, UpdateReply, UpdateSpec
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.compiling import LiveFacts
from dns_cutover.runbook.model import Runbook, ZoneInfo
from dns_cutover.store.interface import Envelope
from dns_cutover.timing.exposure import NameContext

ZONE = "example.test."
LOCK = (f"_dns-cutover.{ZONE}", "TXT")
PLAN = b"""
version: 1
name: sim
zone: example.test
provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: {env: X}}}
ttl: {lower_to: 30s}
propagation: {deadline: 15m, round_gap: 21s, on_deadline: {wrong: rollback, unreachable: rollback}}
rollback: {additive: remove}
stages:
  - name: one
    changes:
      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.9]}
      - {name: nm1, type: CNAME, from: absent, to: nm1.new.test.}
    bake: 2m
  - name: two
    changes:
      - {name: "@", type: MX, from: [10 old.test.], to: [10 new.test.], ttl: 300}
      - {name: "@", type: TXT, remove: [old], add: [both]}
    unchanged: [keep/A]
    probes: [{type: tcp, name: p, target: x, port: 25, interval: 10s}]
    bake: 5m
"""
BASE: dict[Question, RRset] = {
    (ZONE, "SOA"): RRset(3600, ("ns.example.test. host.example.test. 1 7200 900 1209600 300",)),
    (f"www.{ZONE}", "A"): RRset(3600, ("192.0.2.1",)),
    (ZONE, "MX"): RRset(300, ("10 old.test.",)),
    (ZONE, "TXT"): RRset(600, ('"old"', '"verification"')),
    (f"keep.{ZONE}", "A"): RRset(600, ("192.0.2.5",)),
}
AFTER: dict[Question, RRset | None] = {
    (f"www.{ZONE}", "A"): RRset(3600, ("192.0.2.9",)),
    (f"nm1.{ZONE}", "CNAME"): RRset(3600, ("nm1.new.test.",)),
    (ZONE, "MX"): RRset(300, ("10 new.test.",)),
    (ZONE, "TXT"): RRset(600, ('"both"', '"verification"')),
}
NAMES = tuple(AFTER)


class Crash(BaseException):
    """kill -9 at this very call."""


@types.coroutine
def pause(seconds: float) -> Generator[float, None, None]:
    yield seconds


def runbook(plan: bytes = PLAN) -> Runbook:
    """The plan compiled against the base zone."""
    loaded = parse_plan(plan, "sim.yaml", {})
    soa = BASE[ZONE, "SOA"]
    info = ZoneInfo(
        "default", ZONE, {"type": "rfc2136"}, {}, (Endpoint("ns1", "192.0.2.1"), Endpoint("ns2", "192.0.2.2")),
        soa.values[0], soa.ttl, 1, 300, guarantees(),
    )  # fmt: skip
    keys = [RRsetKey("default", o, t) for o, t in (*NAMES, (f"keep.{ZONE}", "A"))]
    facts = LiveFacts(
        (info,),
        {k: BASE.get((k.owner, k.rdtype)) for k in keys},
        {k: NameContext(300) for k in keys},
    )
    return compile_runbook(loaded.plan, loaded.sha256, facts, {"default": partition_changes})


@dataclass
class Fault:
    """What happens to one update: lost (never arrives), mute (applied, the reply is lost), zombie (applied later)."""

    kind: str
    delay: float = 0.0


@dataclass
class World:
    """One zone, its servers, and everything that can go wrong there."""

    rng: random.Random
    broken: bool = False
    lag: float = 3.0
    crash_at: int = -1
    fault_at: int = -1
    fault: Fault = field(default_factory=lambda: Fault("mute"))
    foreign_at: Mapping[float, tuple[Question, RRset | None]] = field(default_factory=dict)
    now: float = 1000.0
    calls: int = 0
    updates: int = 0
    versions: list[dict[Question, RRset]] = field(default_factory=lambda: [dict(BASE)])
    served: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    secondary: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    foreign_keys: set[Question] = field(default_factory=set)
    applied_ops: list[str] = field(default_factory=list)
    journal: list[Envelope] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dead: bool = False
    refuse_until: float = 0.0
    down: tuple[float, float] = (0.0, 0.0)
    skew: float = 0.0
    secondary_dead: bool = False

    # -- time ---------------------------------------------------------------------------------------------------

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (when, len(self.queue) + self.calls * 1000, action))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.queue and self.queue[0][0] <= end:
            when, _, action = heapq.heappop(self.queue)
            self.now = max(self.now, when)
            action()
        self.now = end

    async def point(self, seconds: float = 0.01) -> None:
        """Every call of a port passes here, before and after its effect."""
        self.calls += 1
        if self.calls == self.crash_at:
            self.dead = True
        await pause(seconds)

    def reachable(self) -> None:
        if self.down[0] <= self.now < self.down[1]:
            raise Unreachable("nobody there", maybe_applied=False)

    # -- the zone -----------------------------------------------------------------------------------------------

    @property
    def zone(self) -> dict[Question, RRset]:
        return self.versions[-1]

    def serial(self, version: Mapping[Question, RRset] | None = None) -> int:
        return int((version or self.zone)[ZONE, "SOA"].values[0].split()[2])

    def publish(self, zone: dict[Question, RRset]) -> None:
        fields = zone[ZONE, "SOA"].values[0].split()
        fields[2] = str(int(fields[2]) + 1)
        zone[ZONE, "SOA"] = RRset(3600, (" ".join(fields),))
        self.versions.append(zone)
        number = len(self.versions) - 1
        self.served.append((self.now, number))
        self.at(self.now + self.lag, lambda: self.secondary.append((self.now, number)))

    def foreign(self, question: Question, rrset: RRset | None) -> None:
        zone = dict(self.zone)
        zone.pop(question, None)
        if rrset is not None:
            zone[question] = rrset
        self.foreign_keys.add(question)
        self.publish(zone)

    def process(self, spec: UpdateSpec) -> str:
        """The server: prerequisites, then all or nothing."""
        zone = self.zone
        for p in spec.prereqs:
            there = {t for o, t in zone if o == p.owner}
            found = zone.get((p.owner, p.rdtype))
            if p.kind == "unused" and there:
                return "YXDOMAIN"
            if p.kind == "absent" and found is not None:
                return "YXRRSET"
            if p.kind == "exists" and (found is None or found.values != p.values):
                return "NXRRSET"
        work = dict(zone)
        for op in spec.edits:
            self._apply(work, op)
        if work != zone:
            self._judge(zone, work)
            self.publish(work)
        return "NOERROR"

    @staticmethod
    def _apply(work: dict[Question, RRset], op: EditOp) -> None:
        key = (op.owner, op.rdtype)
        old = work.get(key)
        match op.kind:
            case "clear":
                work.pop(key, None)
            case "delete":
                rest = tuple(v for v in (old.values if old else ()) if v not in op.values)
                work.pop(key, None)
                if rest and old is not None:
                    work[key] = RRset(old.ttl, rest)
            case "add":
                values = tuple(sorted({*(old.values if old else ()), *op.values}))
                work[key] = RRset(op.ttl, values)

    # -- what must never happen ---------------------------------------------------------------------------------

    def _judge(self, before: Mapping[Question, RRset], after: Mapping[Question, RRset]) -> None:
        token = _token(before.get(LOCK)) or _token(after.get(LOCK))
        changed = {q for q in {*before, *after} if before.get(q) != after.get(q) and q[1] != "SOA" and q != LOCK}
        state = self.state()
        if changed and (before.get(LOCK) is None or token is None):
            self.problems.append("a write without holding the lock")
        if changed and (state is None or state.pending is None or state.final):
            self.problems.append("a write that the journal does not have as pending")
        for q in changed:
            old = before.get(q)
            if q in self.foreign_keys and old is not None and q != (ZONE, "TXT"):
                self.problems.append(f"a foreign value was overwritten: {q}")
            if old is not None and after.get(q) is None and q in BASE:
                self.problems.append(f"a gap: {q}")
            base = BASE.get(q)
            new = after.get(q)
            if base and old and new and new.values != old.values and old.values == base.values and base.ttl > 30:
                last = max(t for log in (self.served, self.secondary) for t in self._last_high(log, q, base))
                if self.now < last + base.ttl + 60 and state is not None and state.back is None:
                    self.problems.append(f"changed while a cache may hold the old TTL: {q}")

    def _last_high(self, log: list[tuple[float, int]], q: Question, base: RRset) -> list[float]:
        out = [0.0]
        for n, (_, version) in enumerate(log):
            rrset = self.versions[version].get(q)
            if rrset is not None and rrset.ttl == base.ttl and rrset.values == base.values:
                out.append(log[n + 1][0] if n + 1 < len(log) else self.now)
        return out

    def state(self) -> RunState | None:
        return fold("r", [from_envelope(e) for e in self.journal]) if self.journal else None

    def events(self) -> list[ev.Event]:
        return [from_envelope(e) for e in self.journal]

    # -- ports --------------------------------------------------------------------------------------------------

    def ports(self, runner: str) -> Ports:
        provider = Rfc2136Provider("default", ZONE, Transport(self), lambda: self.now + self.skew)
        counter = iter(range(10**9))
        ids = lambda: f"{runner}{next(counter):x}"  # noqa: E731
        return Ports(Store(self), {"default": provider}, Lookup(self), Prober(self), Clock(self), ids, runner)


def _token(rrset: RRset | None) -> Token | None:
    return Token.parse(rrset.values[0].strip('"')) if rrset is not None else None


@dataclass
class Transport:
    w: World

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        w = self.w
        await w.point()
        w.reachable()
        w.updates += 1
        if w.updates == w.fault_at:
            if w.fault.kind == "mute":
                w.process(spec)
            elif w.fault.kind == "zombie":
                w.at(w.now + w.fault.delay, lambda: _ignore(w.process(spec)))
            await w.point(10)
            raise Unreachable("no reply", maybe_applied=True)
        rcode = "REFUSED" if w.now < w.refuse_until else w.process(spec)
        await w.point()
        return UpdateReply(rcode, w.now)

    async def query(self, questions: Collection[Question]) -> Answers:
        await self.w.point()
        self.w.reachable()
        return Answers({q: self.w.zone.get(q) for q in questions}, self.w.now)

    async def history(self, since_serial: int) -> Mapping[Question, int] | None:
        await self.w.point()
        out: dict[Question, int] = {}
        versions = self.w.versions
        for old, new in itertools.pairwise(versions):
            if self.w.serial(old) >= since_serial:
                for q, rrset in new.items():
                    if old.get(q) != rrset:
                        out[q] = max(out.get(q, 0), rrset.ttl)
        return out


def _ignore(_: object) -> None:
    return None


@dataclass
class Store:
    w: World

    async def append(self, envelopes: Any) -> bool:
        w = self.w
        await w.point()
        if w.dead or len(w.journal) != envelopes[0].seq:
            return False
        w.journal.extend(envelopes)
        await w.point()
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        await pause(0.01)
        return tuple(self.w.journal[start:])

    async def runs(self) -> tuple[Any, ...]:
        return ()

    async def close(self) -> None:
        return None


@dataclass
class Clock:
    """A process takes the wall clock as it finds it, and counts by itself from then on."""

    w: World

    offset: float = 0.0

    def __post_init__(self) -> None:
        self.offset = self.w.skew

    def now(self) -> float:
        return self.w.now + self.offset

    def bound(self, offset: float) -> None:
        self.offset = self.w.skew + offset

    async def sleep_until(self, when: float) -> None:
        await pause(max(0.01, when - self.now()))  # not a place to die: the same as before the next call


@dataclass
class Lookup:
    w: World

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        await self.w.point()
        views = []
        for name, log in (("ns1", self.w.served), ("ns2", self.w.secondary)):
            if name == "ns2" and self.w.secondary_dead:
                views.append(ServerView("default", Endpoint(name, "192.0.2.1"), {}, None, "no answer in 3 tries"))
                continue
            zone = self.w.versions[log[-1][1]]
            rrsets = {k: zone.get((k.owner, k.rdtype)) for k in keys}
            views.append(ServerView("default", Endpoint(name, "192.0.2.1"), rrsets, self.w.serial(zone)))
        return AuthoritativeRound(self.w.now, tuple(views))

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        await self.w.point()
        due = max((x.dead_at for x in expectations), default=0.0)
        rows = tuple(
            ResolverRow(Endpoint("cache", "192.0.2.3"), x.key, Evidence.WITNESSED, at=self.w.now) for x in expectations
        )
        return ResolverRound(self.w.now, rows, due if due > self.w.now else float("inf"))

    baseline = resolvers


@dataclass
class Prober:
    w: World

    async def ask(self, probes: Collection[ProbeSpec]) -> tuple[ProbeResult, ...]:
        await self.w.point()
        live = self.w.zone.get((ZONE, "MX"), BASE[ZONE, "MX"]).values == ("10 new.test.",)
        verdict = Verdict.FAILURE if self.w.broken and live else Verdict.SUCCESS
        return tuple(ProbeResult(p.name, verdict, self.w.now, 0.01, "") for p in probes)


# -- running ----------------------------------------------------------------------------------------------------

BOOK = runbook()


def play(w: World, *, restarts: int = 5, limit: float = 400_000.0, book: Runbook = BOOK) -> RunState:
    """Run to the end, starting a new process after each crash. Steering: a hold is answered by a rollback."""
    for when, (question, rrset) in w.foreign_at.items():
        w.at(when, lambda q=question, r=rrset: w.foreign(q, r))
    first = ev.Created(w.now, runbook_json(book), runbook_sha256(book), "sim")
    crash_at, w.crash_at = w.crash_at, -1
    step(w, create("r", first, w.ports("p0")))
    w.calls, w.crash_at = 0, crash_at
    for attempt in range(1, restarts + 1):
        state = w.state()
        assert state is not None
        if state.final:
            return state
        if state.hold is not None and state.back is None and attempt > 1:
            command = ev.Command(w.now, "rollback", "sim")
            from dns_cutover.engine.journal import to_envelope

            w.journal.append(to_envelope("r", state.seq, command))
            state = w.state()
            assert state is not None
        w.dead = False
        # A driver that stands back (LockHeld) is followed by the next one, as a crash is.
        with contextlib.suppress(CutoverError):
            step(w, drive(state, w.ports(f"p{attempt}")), limit)
        w.crash_at = -1
        w.advance(30)
    state = w.state()
    assert state is not None
    return state


def step(w: World, coroutine: Any, limit: float = 400_000.0) -> Any:
    """Drive one coroutine; it vanishes where the world says so."""
    while True:
        try:
            seconds = coroutine.send(None)
        except StopIteration as done:
            return done.value
        if w.dead:
            coroutine.close()
            return None
        w.advance(seconds)
        if w.now >= limit:
            state = w.state()
            raise AssertionError(f"hangs in {state.step.id if state and state.step else state}")
