"""When each step of a runbook begins and ends if nobody is late, and for how long old answers may live. Pure.

The same arithmetic as the engine's: two agreeing rounds after each write, then the longest life of what was replaced,
per RRset. All offsets are in seconds from the start of the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dns_cutover.records import RRsetKey
from dns_cutover.runbook.changes import StageChange, stage_changes
from dns_cutover.runbook.model import Exposure, Runbook, Step, StepKind
from dns_cutover.runbook.window import window_opens

QUEUES_S = 5 * 86400.0  # for how long senders keep mail at least (RFC 5321 section 4.5.4.1)


@dataclass(frozen=True, slots=True)
class Moment:
    """One step on the time line, in seconds from the start, if nobody is late and every wait is at its longest."""

    step: Step
    start: float
    end: float


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
    """What the engine's state keeps of times while it goes through the steps."""

    book: Runbook
    began: float | None
    now: float = 0.0
    stage_ended: float = 0.0
    written: float = 0.0
    dead: dict[RRsetKey, float] = field(default_factory=dict)

    def dead_at(self, keys: Iterable[RRsetKey]) -> float:
        return max((self.dead.get(key, 0.0) for key in keys), default=0.0)

    def opening(self, step: Step) -> float:
        """The first moment from now on at which the step's window is open; without a date every window is open."""
        if step.window is None or self.began is None:
            return self.now
        return max(self.now, window_opens(step.window, self.began + self.now) - self.began)


def timeline(book: Runbook, now: float | None = None) -> tuple[Moment, ...]:
    """When each step begins and ends. Confirmations come at once.

    `now`: when the run would start (seconds UTC), for windows; None takes every window as open. Raises ValueError for
    a window that never opens.
    """
    clock = _Clock(book, now)
    windows = {s.stage: s for s in book.steps if s.window is not None}
    begun: set[str] = set()
    out = []
    for step in book.steps:
        start = clock.now
        if step.kind is StepKind.APPLY and step.edits:
            # A longer life of one of the RRsets, and a window that has closed meanwhile, hold the first message.
            clock.now = max(clock.now, clock.dead_at(e.key for e in step.edits))
            if step.stage in windows and step.stage not in begun:
                clock.now = clock.opening(windows[step.stage])
            begun.add(step.stage)
            start = clock.written = clock.now
        _advance(clock, step)
        out.append(Moment(step, start, clock.now))
    return tuple(out)


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
            clock.now = max(clock.now + step.seconds, _probes_pass(clock, step))
            clock.stage_ended = clock.now
        case _:
            pass


def _probes_pass(clock: _Clock, step: Step) -> float:
    """The earliest moment at which every probe that decides has passed as often as it must."""
    return max(
        (
            clock.written + p.initial_delay + (max(1, p.consecutive_successes) - 1) * p.interval
            for p in step.probes
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
    out = OldSide(
        max((m.end for m in moments), default=0.0),
        "every old answer is dead and the way back over; open connections outlive DNS: wait until its traffic is zero",
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


def _is_mail(change: StageChange) -> bool:
    """Whether mail that is queued depends on what was there before: its hosts, its senders, its keys."""
    spf = change.key.rdtype in ("TXT", "SPF") and any(v.startswith('"v=spf1') for v in change.removed)
    return change.key.rdtype == "MX" or "._domainkey." in change.key.owner or spf
