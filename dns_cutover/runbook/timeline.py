"""When each step of a runbook begins and ends if nobody is late, and for how long old answers may live. Pure.

The same arithmetic as the engine's: two agreeing rounds after each write, then the longest life of what was replaced,
per RRset. All offsets are in seconds from the start of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.records import RRsetKey
from dns_cutover.runbook.changes import StageChange, stage_changes
from dns_cutover.runbook.model import Exposure, Runbook, Step, StepKind
from dns_cutover.runbook.window import step_starts
from dns_cutover.timing.words import duration

QUEUES_S = 5 * 86400.0  # for how long senders keep mail at least (RFC 5321 section 4.5.4.1)


@dataclass(frozen=True, slots=True)
class Moment:
    """One step on the time line, in seconds from the start, if nobody is late and every wait is at its longest.

    `skipped`: of the two places of a lowering it is the one that is not used.
    """

    step: Step
    start: float
    end: float
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class StageTail:
    """Worst cases of one stage in seconds, counted from the write: after the change, and after taking it back.

    `why` says what decides the first, `rollback_why` what decides the second.
    """

    stage: str
    after_change_s: float
    after_rollback_s: float
    why: str
    rollback_why: str


@dataclass(frozen=True, slots=True)
class OldSide:
    """The old side may be switched off `after_s` seconds after the start, at the earliest; `reason` is for people."""

    after_s: float
    reason: str


@dataclass(slots=True)
class _Clock:
    """What the engine's state keeps of times while it goes through the steps. `lowered`: lowerings that came early."""

    book: Runbook
    began: float | None
    now: float = 0.0
    stage_ended: float = 0.0
    written: float = 0.0
    dead: dict[RRsetKey, float] = field(default_factory=dict)
    lowered: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    windows: Mapping[str, Step] = field(init=False)

    def __post_init__(self) -> None:
        self.windows = {s.stage: s for s in self.book.steps if s.kind is StepKind.WINDOW and not s.lead}

    def dead_at(self, keys: Iterable[RRsetKey]) -> float:
        return max((self.dead.get(key, 0.0) for key in keys), default=0.0)

    def opening(self, step: Step) -> float:
        """When the step lets its stage go on; without a date every window is open, and nothing is frozen."""
        if self.began is None:
            return self.now
        return max(self.now, step_starts(self.book, step, self.began + self.now) - self.began)

    def copy(self) -> _Clock:
        """Another one that goes on from here."""
        return replace(self, dead=dict(self.dead), lowered=set(self.lowered), begun=set(self.begun))

    def skips(self, step: Step) -> bool:
        """Whether the step is the place of a lowering that is not used."""
        return (step.ahead and ahead_of(step) not in self.lowered) or (step.unless in self.lowered)

    def take(self, step: Step) -> Moment:
        """Go through the step."""
        start = self.now
        if self.skips(step):
            return Moment(step, start, start, skipped=True)
        if step.kind is StepKind.APPLY and step.edits:
            # A longer life of one of the RRsets, and a window that has closed meanwhile, hold the first message.
            self.now = max(self.now, self.dead_at(e.key for e in step.edits))
            window = self.windows.get(step.stage)
            if window is not None and step.stage not in self.begun:
                self.now = self.opening(window)
            self.begun.add(step.stage)
            start = self.written = self.now
        _advance(self, step)
        return Moment(step, start, self.now)


def ahead_of(step: Step) -> str:
    """What the steps of one lowering ahead have in common, as `unless` names it."""
    return f"{step.stage}/lower_ttl_ahead"


def timeline(book: Runbook, now: float | None = None) -> tuple[Moment, ...]:
    """When each step begins and ends. Confirmations come at once.

    `now`: when the run would start (seconds UTC), for windows and freezes; None takes every window as open. Raises
    ValueError for a stage that never may start.
    """
    clock = _Clock(book, now)
    out = []
    for n, step in enumerate(book.steps):
        if step.kind is StepKind.LOWER_TTL and step.ahead and _gains(clock, n):
            clock.lowered.add(ahead_of(step))
        out.append(clock.take(step))
    return tuple(out)


def gains(book: Runbook, n: int, now: float, stage_ended: float, dead: Mapping[RRsetKey, float]) -> bool:
    """Whether the stage of step `n`, a lowering ahead, starts earlier if its TTLs are lowered now and not at their own
    place. Times in seconds UTC.
    """
    clock = _Clock(book, now, 0.0, stage_ended - now, dead={key: until - now for key, until in dead.items()})
    return _gains(clock, n)


def _gains(clock: _Clock, n: int) -> bool:
    early, late = clock.copy(), clock.copy()
    early.lowered.add(ahead_of(clock.book.steps[n]))
    return _start_of(early, n) < _start_of(late, n)


def _start_of(clock: _Clock, n: int) -> float:
    """When the stage of step `n` changes its records, from there on; 0 if it never does: then nothing is gained."""
    stage = clock.book.steps[n].stage
    moments = map(clock.take, clock.book.steps[n:])
    return next((m.start for m in moments if m.step.stage == stage and m.step.kind is StepKind.APPLY), 0.0)


def _advance(clock: _Clock, step: Step) -> None:
    """What the step does to the time."""
    match step.kind:
        case StepKind.CONVERGE if step.edits:
            clock.now += step.gate.round_gap
            for x in step.exposures:
                until = clock.now + propagation_bound(clock.book, x.key) + x.old_s
                clock.dead[x.key] = max(until, clock.dead.get(x.key, 0.0))
            if step.resolvers:
                clock.now = max(clock.now, clock.dead_at(x.key for x in step.exposures))
        case StepKind.WAIT_TTL:
            clock.now = max(clock.now, clock.dead_at(x.key for x in step.exposures))
        case StepKind.WAIT:
            clock.now = max(clock.now, clock.stage_ended + step.seconds)
        case StepKind.WINDOW:
            clock.now = clock.opening(step)
        case StepKind.BAKE:
            clock.now = max(clock.now + step.seconds, clock.written + probes_pass(step.probes))
            clock.stage_ended = clock.now
        case _:
            pass


def probes_pass(probes: Iterable[ProbeSpec]) -> float:
    """Seconds from the write until every probe that decides has passed as often as it must, at the earliest."""
    return max(
        (
            p.initial_delay + (max(1, p.consecutive_successes) - 1) * p.interval
            for p in probes
            if p.role == "health" and not p.report_only
        ),
        default=0.0,
    )


def propagation_bound(book: Runbook, key: RRsetKey) -> float:
    """D of the provider that serves the RRset (seconds)."""
    return book.zone(key.zone).guarantees.propagation_bound


def finish_after(book: Runbook, now: float | None = None) -> float:
    """Seconds from the start to the earliest finish."""
    return max((m.end for m in timeline(book, now)), default=0.0)


def tails(book: Runbook) -> tuple[StageTail, ...]:
    """Worst cases of each stage that writes, in the order of the stages."""
    out = []
    for stage in book.stages:
        exposures = [x for s in book.steps if s.kind is StepKind.APPLY and s.stage == stage.name for x in s.exposures]
        if not exposures:
            continue
        worst, back = _longest(book, exposures), _longest(book, exposures, undo=True)
        out.append(
            StageTail(
                stage.name,
                propagation_bound(book, worst.key) + worst.old_s,
                propagation_bound(book, back.key) + back.undo_s,
                f"{book.label(worst.key)}: {worst.old_why}",
                f"{book.label(back.key)}: {back.undo_why}",
            )
        )
    return tuple(out)


def _longest(book: Runbook, exposures: Iterable[Exposure], *, undo: bool = False) -> Exposure:
    return max(exposures, key=lambda x: propagation_bound(book, x.key) + (x.undo_s if undo else x.old_s))


def old_side_off(book: Runbook, now: float | None = None) -> float:
    """Seconds from the start until the old side may be switched off: every old answer dead, and the way back over.

    And then only when its traffic is zero: open connections and mail queues outlive DNS.
    """
    return old_side(book, now).after_s


def old_side(book: Runbook, now: float | None = None) -> OldSide:
    """When the old side may be switched off, and what decides it."""
    moments = timeline(book, now)
    ended = {m.step.stage: m.end for m in moments if m.step.kind is StepKind.CONVERGE and m.step.resolvers}
    finish = max((m.end for m in moments), default=0.0)
    end = finish + kept_for(book, now + finish if now is not None else None)
    over = "the way back over"
    if end > finish:
        over = f"the way back over, {duration(end - finish)} after the run (rollback.keep_for, rollback.until)"
    out = OldSide(
        end, f"every old answer is dead and {over}; open connections outlive DNS: wait until its traffic is zero"
    )
    for change in stage_changes(book):
        if change.removed and change.after is not None and _is_mail(change):
            dead = ended.get(change.stage, 0.0)
            if dead + QUEUES_S > out.after_s:
                out = OldSide(
                    dead + QUEUES_S,
                    "mail on its way still needs the old hosts and keys: senders retry for 5 days "
                    "(RFC 5321 section 4.5.4.1)",
                )
    return out


def kept_for(book: Runbook, finish: float | None) -> float:
    """For how long (seconds) the run may still be taken back by command once it has succeeded, at `finish` (seconds
    UTC); without a date rollback.until is taken to be late enough. 0 where its last stage closes the way back.
    """
    if book.stages and book.stages[-1].commit == "after":
        return 0.0
    policy = book.rollback
    if policy.until is None or finish is None:
        return policy.keep_for
    return max(0.0, min(policy.keep_for, policy.until - finish))


def _is_mail(change: StageChange) -> bool:
    """Whether mail that is queued depends on what was there before: its hosts, its senders, its keys."""
    spf = change.key.rdtype in ("TXT", "SPF") and any(v.startswith('"v=spf1') for v in change.removed)
    return change.key.rdtype == "MX" or "._domainkey." in change.key.owner or spf
