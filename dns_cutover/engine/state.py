"""Run state as the fold of its events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar, assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.rollback import Written, way_back
from dns_cutover.probes.gate import GateState, observe
from dns_cutover.probes.interface import ProbeResult, ProbeSpec
from dns_cutover.providers.interface import Token
from dns_cutover.records import RRsetKey
from dns_cutover.runbook.codec import parse_runbook
from dns_cutover.runbook.model import Runbook, Step, StepKind

K = TypeVar("K")
V = TypeVar("V")


def _empty() -> Mapping[str, Token]:
    return MappingProxyType({})


def _with(mapping: Mapping[K, V], items: Iterable[tuple[K, V]]) -> Mapping[K, V]:
    return MappingProxyType({**mapping, **dict(items)})


def _except(mapping: Mapping[K, V], keys: Collection[K]) -> Mapping[K, V]:
    return MappingProxyType({k: v for k, v in mapping.items() if k not in keys})


def _without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    return _except(mapping, (key,))


@dataclass(frozen=True, slots=True)
class RunState:
    """All that decisions depend on. Times are seconds UTC.

    `i` is the current forward step, `bi` the current step of the way back once `back` is set. `since` is when the
    current step became current, `rounds` how many agreeing authoritative rounds it has seen, `looked` when the last
    round was. `dead` is until when caches may hold what was replaced, `serials` from which zone serial on the
    history of an RRset is not yet known, `longer` how long (seconds) caches keep a version of it that had a longer TTL
    than the plan knew. `left` stays foreign after a rollback; `unproven` says that a step of the way back could not be
    verified.
    """

    run_id: str
    book: Runbook
    sha256: str = ""
    started: float = 0.0
    seq: int = 0
    runner: str = ""
    i: int = 0
    back: tuple[Step, ...] | None = None
    bi: int = 0
    since: float = 0.0
    rounds: int = 0
    looked: float = 0.0
    trouble: tuple[ev.ServerTrouble, ...] = ()
    servers: int = 0
    tokens: Mapping[str, Token] = field(default_factory=_empty)
    pending: ev.Intent | None = None
    burns: tuple[Token, ...] = ()
    done: tuple[Written, ...] = ()
    stage_ended: float = 0.0
    dead: Mapping[RRsetKey, float] = field(default_factory=lambda: MappingProxyType({}))
    serials: Mapping[RRsetKey, int] = field(default_factory=lambda: MappingProxyType({}))
    longer: Mapping[RRsetKey, float] = field(default_factory=lambda: MappingProxyType({}))
    resolvers: ev.Resolvers | None = None
    gates: Mapping[str, GateState] = field(default_factory=lambda: MappingProxyType({}))
    probed: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    hold: ev.Held | None = None
    cause: ev.RollbackStarted | None = None
    asked: ev.Command | None = None
    denied: ev.Denied | None = None
    missed: ev.Missed | None = None
    missed_since: float = 0.0
    misses: int = 0
    lock_lost: ev.LockLost | None = None
    foreign: tuple[ev.Foreign, ...] = ()
    left: tuple[ev.Foreign, ...] = ()
    unproven: bool = False
    confirmed: frozenset[str] = frozenset()
    declined: str = ""
    exposed_since: float | None = None
    outcome: ev.Outcome | None = None
    why: str = ""
    final: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the direction in which the run goes."""
        return self.book.steps if self.back is None else self.back

    @property
    def index(self) -> int:
        """The position in `steps`."""
        return self.i if self.back is None else self.bi

    @property
    def step(self) -> Step | None:
        """The current step, None when all are done."""
        return self.steps[self.index] if self.index < len(self.steps) else None


def probe_specs(book: Runbook) -> Mapping[str, ProbeSpec]:
    """All probes of a runbook by name."""
    return {spec.name: spec for step in book.steps for spec in step.probes}


def start(run_id: str, first: ev.Created) -> RunState:
    """The state after the first event. Raises BadRunbook."""
    book = parse_runbook(first.runbook)
    serials = {edit.key: book.zone(edit.key.zone).serial for step in book.steps for edit in step.edits}
    return RunState(
        run_id,
        book,
        sha256=first.sha256,
        started=first.ts,
        seq=1,
        since=first.ts,
        stage_ended=first.ts,
        serials=MappingProxyType(serials),
    )


def fold(run_id: str, events: Iterable[ev.Event]) -> RunState:
    """The state of a run from all its events, the first one `Created`. Raises BadRunbook, ValueError."""
    iterator = iter(events)
    first = next(iterator, None)
    if not isinstance(first, ev.Created):
        raise ValueError(f"the journal of run {run_id} does not begin with its runbook")
    state = start(run_id, first)
    for event in iterator:
        state = evolve(state, event)
    return state


def evolve(s: RunState, event: ev.Event) -> RunState:
    """The state after one more event. Total: every event is accepted in every state."""
    s = replace(s, seq=s.seq + 1)
    match event:
        case ev.Created():
            return s
        case ev.Claimed():
            # Time in which nobody tried does not count against a deadline.
            return replace(s, runner=event.runner, missed_since=event.ts)
        case ev.Intent():
            return replace(s, pending=event, burns=())
        case ev.Burning():
            return replace(s, burns=(*s.burns, event.next))
        case ev.Applied():
            return _applied(s, event)
        case ev.NotApplied():
            tokens = _set_token(s.tokens, s.pending.zone, event.token) if s.pending else s.tokens
            s = replace(s, pending=None, burns=(), tokens=tokens)
            return s if event.reason in ("unreachable", "refused") else replace(s, misses=0)
        case ev.LockLost():
            return _lock_lost(s, event)
        case ev.Conflicted():
            return _conflicted(s, event)
        case ev.Denied():
            if s.back is not None or s.outcome is not None or s.hold is not None:
                # On the way back, and while the lock is given back, it is asked again, ever more slowly.
                missed = ev.Missed(event.ts, event.step, event.what, event.why, event.hints)
                since = event.ts if not s.misses else s.missed_since
                return replace(s, denied=event, missed=missed, misses=s.misses + 1, missed_since=since)
            held = ev.Held(event.ts, event.step, "refused", event.what)
            return replace(s, denied=event, hold=held, misses=0)
        case ev.Missed():
            since = event.ts if not s.misses else s.missed_since
            return replace(s, missed=event, misses=s.misses + 1, missed_since=since)
        case ev.Observed():
            return _observed(s, event)
        case ev.Extended():
            return _extended(s, event)
        case ev.Resolvers():
            return replace(s, resolvers=event)
        case ev.Probed():
            return _probed(s, event)
        case ev.StepDone():
            if not event.proven and s.step is not None:
                # Nobody saw the last server change: the tail counts from now, at the earliest.
                s = _begin_tail(replace(s, unproven=True), s.step, event.ts)
            if s.step is not None and s.step.kind is StepKind.PREFLIGHT:
                s = _outlive(s, s.step)
            return _advance(s, event.ts)
        case ev.Held():
            return replace(s, hold=event)
        case ev.RollbackStarted():
            back = way_back(s.book, s.done, s.i)
            return replace(
                s,
                back=back,
                bi=0,
                cause=event,
                asked=None,
                hold=None,
                since=event.ts,
                rounds=0,
                looked=0.0,
                trouble=(),
                resolvers=None,
                misses=0,
            )
        case ev.Command():
            return _commanded(s, event)
        case ev.Finishing():
            return replace(s, outcome=event.outcome, why=event.why, hold=None)
        case ev.Finished():
            return replace(s, outcome=event.outcome, final=True, tokens=_empty())
        case _:
            assert_never(event)


def _set_token(tokens: Mapping[str, Token], zone: str, token: Token | None) -> Mapping[str, Token]:
    return _without(tokens, zone) if token is None else _with(tokens, [(zone, token)])


def _advance(s: RunState, ts: float) -> RunState:
    step = s.step
    ended = ts if step is not None and step.kind is StepKind.BAKE else s.stage_ended
    exposed = None if step is not None and step.kind is StepKind.BAKE else s.exposed_since
    s = replace(s, since=ts, rounds=0, looked=0.0, trouble=(), resolvers=None, misses=0)
    s = replace(s, stage_ended=ended, exposed_since=exposed)
    return replace(s, i=s.i + 1) if s.back is None else replace(s, bi=s.bi + 1)


def _applied(s: RunState, event: ev.Applied) -> RunState:
    intent, step = s.pending, s.step
    if intent is None:
        return s
    s = replace(
        s,
        pending=None,
        burns=(),
        misses=0,
        lock_lost=None,
        tokens=_set_token(s.tokens, intent.zone, intent.next),
    )
    if intent.purpose not in ("write", "undo"):
        return s
    took = tuple(c for c in intent.changes if c.key not in event.ignored)
    # Not from the serial that was found afterwards: a message whose reply was missed may have been applied long before.
    s = replace(s, serials=_with(s.serials, ((c.key, intent.serial) for c in intent.changes)))
    if step is None or step.id != intent.step:
        return s
    if intent.purpose == "undo":
        return _advance(replace(s, unproven=s.unproven or bool(event.ignored)), event.ts)
    written = Written(step.id, step.kind, step.stage, step.edits, took, step.exposures)
    s = replace(s, done=(*s.done, written))
    if step.kind is StepKind.APPLY:
        s = replace(s, longer=_except(s.longer, {c.key for c in took}))
        kept = {n: g for n, g in s.gates.items() if n not in {p.name for p in step.probes if p.role == "health"}}
        s = replace(s, gates=MappingProxyType(kept), probed=MappingProxyType({}), exposed_since=event.ts)
    if event.ignored:
        asked = ev.Command(event.ts, "rollback", "the server ignored part of a message", "ignored")
        return replace(s, asked=asked)
    return _advance(s, event.ts)


def _extended(s: RunState, event: ev.Extended) -> RunState:
    """A version with a longer TTL was published meanwhile. Some server may serve it still: before the stage's first
    message the servers are looked at again, and the wait begins when all of them have stopped.
    """
    lifetime = event.until - event.ts
    s = replace(
        s,
        dead=_with(s.dead, [(event.key, max(event.until, s.dead.get(event.key, 0.0)))]),
        longer=_with(s.longer, [(event.key, max(lifetime, s.longer.get(event.key, 0.0)))]),
        serials=_with(s.serials, [(event.key, event.serial)]),
    )
    step = s.step
    if step is None or s.back is not None or step.kind is not StepKind.APPLY:
        return s
    if any(w.stage == step.stage and w.kind is StepKind.APPLY for w in s.done):
        return s  # what the preflight expects is half changed by now
    before = [n for n in range(s.i) if s.book.steps[n].kind is StepKind.PREFLIGHT]
    if not before:
        return s  # a runbook that was made by hand
    return replace(s, i=before[-1], since=event.ts, rounds=0, looked=0.0, trouble=(), resolvers=None)


def _outlive(s: RunState, step: Step) -> RunState:
    """All servers were seen without the longer-lived version: from then on its last copies are dying."""
    bounds = {z.ref: z.guarantees.propagation_bound for z in s.book.zones}
    edits = {e.key for e in step.edits}
    until = ((k, s.looked + bounds.get(k.zone, 0.0) + t) for k, t in s.longer.items() if k in edits)
    dead = _with(s.dead, ((key, max(t, s.dead.get(key, 0.0))) for key, t in until))
    return replace(s, dead=dead, longer=_except(s.longer, edits))


def _lock_lost(s: RunState, event: ev.LockLost) -> RunState:
    intent, step = s.pending, s.step
    s = replace(s, pending=None, burns=(), tokens=_without(s.tokens, event.zone), lock_lost=event, misses=0)
    if intent is None or step is None or step.id != intent.step or not event.took:
        return s
    took = tuple(c for c in intent.changes if c.key in event.took)
    complete = len(took) == sum(c.before != c.after for c in intent.changes)
    if intent.purpose == "write":
        s = replace(s, done=(*s.done, Written(step.id, step.kind, step.stage, step.edits, took, step.exposures)))
        if step.kind is StepKind.APPLY:
            s = replace(s, exposed_since=event.ts)
    return _advance(s, event.ts) if complete else s


def _conflicted(s: RunState, event: ev.Conflicted) -> RunState:
    if s.back is None:
        hold = ev.Held(event.ts, event.step, "conflict", "somebody else changed records of this run")
        return replace(s, foreign=event.foreign, hold=hold)
    # On the way back a foreign value stays, and what is back already needs no writing; the rest is taken back.
    gone = {f.key for f in event.foreign}
    alien = tuple(f for f in event.foreign if not f.done)
    aliens = {f.key for f in alien}
    back = tuple(
        replace(
            step,
            edits=tuple(e for e in step.edits if e.key not in (gone if n == s.bi else aliens)),
            exposures=tuple(x for x in step.exposures if x.key not in aliens),
        )
        if n >= s.bi
        else step
        for n, step in enumerate(s.back)
    )
    return replace(s, back=back, left=(*s.left, *alien))


def _observed(s: RunState, event: ev.Observed) -> RunState:
    step = s.step
    s = replace(s, looked=event.ts, trouble=event.trouble, servers=event.servers, misses=0)
    if event.trouble or step is None or step.id != event.step:
        return replace(s, rounds=0)
    s = replace(s, rounds=s.rounds + 1)
    if step.kind is StepKind.CONVERGE and s.rounds == 2:
        # The second agreeing round is when the last server is known to have stopped serving the old version.
        s = _begin_tail(s, step, event.ts)
    return s


def _begin_tail(s: RunState, step: Step, ts: float) -> RunState:
    bounds = {z.ref: z.guarantees.propagation_bound for z in s.book.zones}
    # What was lowered may have had a longer TTL for a while than the plan knew.
    longer = s.longer if not step.resolvers and s.back is None else {}
    until = ((x.key, ts + bounds.get(x.key.zone, 0.0) + max(x.old_s, longer.get(x.key, 0.0))) for x in step.exposures)
    dead = _with(s.dead, ((key, max(t, s.dead.get(key, 0.0))) for key, t in until))
    return replace(s, dead=dead, longer=_except(s.longer, {x.key for x in step.exposures}))


def _probed(s: RunState, event: ev.Probed) -> RunState:
    spec = probe_specs(s.book).get(event.probe)
    if spec is None:
        return s
    result = ProbeResult(event.probe, event.verdict, event.ts, event.latency, event.detail)
    gate = observe(s.gates.get(event.probe, GateState()), result, spec)
    return replace(s, gates=_with(s.gates, [(event.probe, gate)]), probed=_with(s.probed, [(event.probe, event.ts)]))


def _commanded(s: RunState, event: ev.Command) -> RunState:
    match event.verb:
        case "pause":
            if s.back is not None or s.outcome:
                return s
            return replace(s, hold=ev.Held(event.ts, "", "paused", f"paused by {event.by}"))
        case "resume" | "retry":
            held = s.hold is not None
            return replace(
                s,
                hold=None,
                denied=None,
                misses=0,
                since=_resumed(s, event.ts),
                rounds=s.rounds if s.rounds >= 2 else 0,
                looked=s.looked if s.rounds >= 2 else 0.0,
                # What failed is asked anew: a resume means that somebody has looked at it.
                gates=MappingProxyType({}) if held else s.gates,
                probed=MappingProxyType({}) if held else s.probed,
            )
        case "keep" if s.back is not None and not s.outcome:
            return replace(s, asked=event)
        case "abort" | "rollback" | "keep":
            # The undo list is made when nothing is in flight: `decide` starts the rollback later.
            return s if s.back is not None or s.outcome else replace(s, asked=event, hold=None)
        case "confirm":
            return replace(s, confirmed=s.confirmed | {event.subject})
        case "decline":
            return replace(s, declined=event.subject)
        case _:
            assert_never(event.verb)


def _resumed(s: RunState, ts: float) -> float:
    """Deadlines start anew after a hold; the end of a bake or wait does not move."""
    step = s.step
    return (
        ts
        if s.hold is not None and step is not None and step.kind in (StepKind.CONVERGE, StepKind.PREFLIGHT)
        else s.since
    )
