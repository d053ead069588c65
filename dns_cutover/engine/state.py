"""Run state: what decisions depend on. It is made by `fold` from a run's events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from dns_cutover.engine import events as ev
from dns_cutover.engine.rollback import Written
from dns_cutover.probes.gate import GateState
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.providers.interface import Token
from dns_cutover.records import RRsetKey
from dns_cutover.runbook.model import Runbook, Step, StepKind

__all__ = ["NO_TOKENS", "RunState", "advance", "changed", "probe_specs", "with_items", "without"]

K = TypeVar("K")
V = TypeVar("V")
NO_TOKENS: Mapping[str, Token] = MappingProxyType({})


def with_items(mapping: Mapping[K, V], items: Iterable[tuple[K, V]]) -> Mapping[K, V]:
    """The mapping with these items put in."""
    return MappingProxyType({**mapping, **dict(items)})


def without(mapping: Mapping[K, V], keys: Collection[K]) -> Mapping[K, V]:
    """The mapping without these keys."""
    return MappingProxyType({k: v for k, v in mapping.items() if k not in keys})


@dataclass(frozen=True)  # no slots: `changed` copies a dictionary
class RunState:
    """All that decisions depend on. Times are seconds UTC.

    `i` is the current forward step, `bi` the current step of the way back once `back` is set. `since` is when the
    current step became current, `rounds` how many agreeing authoritative rounds it has seen, `looked` when the last
    round was. `dead` is until when caches may hold what was replaced, `serials` from which zone serial on the
    history of an RRset is not yet known, `longer` how long (seconds) caches keep a version of it that had a longer TTL
    than the plan knew. `moved` messages in a row, the last one at `moved_at`, were not applied because the zone had
    changed since it was read. `confirmed`, `declined`, `undone` and `waived` are what people said of confirmations;
    `late` are stages that somebody lets start although their way back ends too early. `left` stays foreign after a
    rollback; `unproven` says that a step of the way back could not be verified, `ignored` are RRsets that the server
    did not take back although it took the message. `ended` is when the run was over. `told` is up to which event each
    of the runbook's `notify` was told, `changes` what its provider calls the last write to a zone.
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
    tokens: Mapping[str, Token] = field(default_factory=lambda: NO_TOKENS)
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
    moved: int = 0
    moved_at: float = 0.0
    lock_lost: ev.LockLost | None = None
    foreign: tuple[ev.Foreign, ...] = ()
    left: tuple[ev.Foreign, ...] = ()
    unproven: bool = False
    ignored: tuple[RRsetKey, ...] = ()
    changes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    confirmed: Mapping[str, ev.Command] = field(default_factory=lambda: MappingProxyType({}))
    declined: frozenset[str] = frozenset()
    undone: frozenset[str] = frozenset()
    waived: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    exposed_since: float | None = None
    outcome: ev.Outcome | None = None
    why: str = ""
    final: bool = False
    told: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    ended: float = 0.0

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
        steps, n = (self.book.steps, self.i) if self.back is None else (self.back, self.bi)
        return steps[n] if n < len(steps) else None


if TYPE_CHECKING:
    from dataclasses import replace as changed  # type checkers know its arguments
else:

    def changed(s: RunState, **fields: object) -> RunState:
        """The state with other values in some fields.

        A journal of a long run is thousands of events, each of which changes two or three of these fields:
        `dataclasses.replace`, which goes through all of them one by one, takes ten times as long.
        """
        new = object.__new__(RunState)
        new.__dict__.update(s.__dict__)
        new.__dict__.update(fields)
        return new


def probe_specs(book: Runbook) -> Mapping[str, ProbeSpec]:
    """All probes of a runbook by name."""
    return {spec.name: spec for step in book.steps for spec in step.probes}


def advance(s: RunState, ts: float) -> RunState:
    """The current step is done; the next one is current from `ts` on."""
    step = s.step
    ended = ts if step is not None and step.kind is StepKind.BAKE else s.stage_ended
    exposed = None if step is not None and step.kind is StepKind.BAKE else s.exposed_since
    s = changed(s, since=ts, rounds=0, looked=0.0, trouble=(), resolvers=None, misses=0)
    s = changed(s, stage_ended=ended, exposed_since=exposed)
    return changed(s, i=s.i + 1) if s.back is None else changed(s, bi=s.bi + 1)
