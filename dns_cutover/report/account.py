"""What happened in a run, worked out of its journal once for every format of the report. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dns_cutover.engine import events as ev
from dns_cutover.engine.fold import evolve, start
from dns_cutover.engine.observe import found_there
from dns_cutover.engine.rollback import kept
from dns_cutover.engine.state import RunState
from dns_cutover.report.narrate import Line, narrate
from dns_cutover.runbook.model import StepKind
from dns_cutover.runbook.timeline import tails

OLD_ANSWERS = frozenset({"pending", "stale", "violator"})  # evidence that somebody may still get the old answer


@dataclass(frozen=True, slots=True)
class StageAccount:
    """One stage that was applied, in seconds UTC and seconds.

    `published`: when every server had it. `predicted_s` is the tail that the model allows, `seen_s` how long after the
    change the last resolver still gave the old answer (None: no resolver was asked, or none had it). `taken_back`: when
    every server had the old version again; `back_predicted_s` and `back_seen_s` are the same for the way back.
    """

    name: str
    applied: float
    published: float | None = None
    predicted_s: float = 0.0
    seen_s: float | None = None
    taken_back: float | None = None
    back_sent: float | None = None
    back_predicted_s: float = 0.0
    back_dead: float | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """From when on users could meet the fault, and until when at the latest (None: it is not over). `why` says how the
    end follows.
    """

    begin: float
    end: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Account:
    """A run as it was. `first_sign` is the first result of a probe, or look, that was bad; `decided` when the run
    decided to go back, or to stand still, and `repaired` when every server had what was there before the last stage.
    """

    state: RunState
    began: float
    ended: float | None
    stages: tuple[StageAccount, ...]
    lines: tuple[tuple[float, Line], ...]
    commands: tuple[ev.Command, ...]
    held: tuple[tuple[float, float | None, str], ...]
    first_sign: tuple[float, str] | None = None
    decided: tuple[float, str] | None = None
    repaired: float | None = None
    impact: Impact | None = None
    interruptions: int = 0
    actions: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What was met so far."""

    s: RunState
    stages: dict[str, StageAccount]
    lines: list[tuple[float, Line]]
    commands: list[ev.Command]
    held: list[tuple[float, float | None, str]]
    probes: list[tuple[float, str]]
    looks: list[tuple[float, str]]
    runners: list[str]
    decided: tuple[float, str] | None = None
    finished: float | None = None


def account(run_id: str, events: Sequence[ev.Event]) -> Account:
    """The account of a run from all its events, the first one `Created`. Raises ValueError, BadRunbook."""
    first = events[0] if events else None
    if not isinstance(first, ev.Created):
        raise ValueError(f"the journal of run {run_id} does not begin with its runbook")
    reading = _Reading(start(run_id, first), {}, [], [], [], [], [], [])
    _tell(reading, first)
    for event in events[1:]:
        before = reading.s
        reading.s = evolve(before, event)
        _read(reading, before, event)
        _tell(reading, event)
    return _made(reading, first.ts)


def _tell(reading: _Reading, event: ev.Event) -> None:
    line = narrate(reading.s, event)
    if line is not None:
        reading.lines.append((event.ts, line))


def _read(r: _Reading, before: RunState, event: ev.Event) -> None:
    if before.hold is not None and r.s.hold is None and r.held:
        begun, _, why = r.held[-1]
        r.held[-1] = (begun, event.ts, why)
    match event:
        case ev.Claimed():
            r.runners.append(event.runner)
        case ev.Applied():
            _applied(r, before, event)
        case ev.Observed():
            _observed(r, before, event)
        case ev.Probed() if event.verdict != "success" and _exposed(before) and _is_health(before, event.probe):
            r.probes.append((event.ts, f"{event.probe}: {event.detail}" if event.detail else event.probe))
        case ev.Resolvers():
            _resolvers(r, before, event)
        case ev.StepDone():
            _done(r, before, event)
        case ev.Held():
            r.held.append((event.ts, None, event.why))
            r.decided = r.decided or (event.ts, f"the run stood still: {event.why}")
        case ev.RollbackStarted():
            r.decided = (event.ts, f"the run went back: {event.why}")
        case ev.Command():
            r.commands.append(event)
        case ev.Finished():
            r.finished = event.ts
        case _:
            pass


def _exposed(s: RunState) -> bool:
    return s.back is None and any(w.kind is StepKind.APPLY for w in s.done)


def _is_health(s: RunState, probe: str) -> bool:
    return any(p.name == probe and p.role == "health" and not p.report_only for x in s.book.steps for p in x.probes)


def _replace(r: _Reading, stage: str, **fields: float | None) -> None:
    if stage in r.stages:
        r.stages[stage] = replace(r.stages[stage], **fields)  # type: ignore[arg-type] # names of StageAccount


def _applied(r: _Reading, before: RunState, event: ev.Applied) -> None:
    intent, step = before.pending, before.step
    if intent is None or step is None or step.kind is not StepKind.APPLY:
        return
    if intent.purpose == "write" and step.stage not in r.stages:
        # What was seen of an older stage was no sign: this one began after it.
        r.probes.clear()
        r.looks.clear()
        predicted = {t.stage: t for t in tails(before.book)}.get(step.stage)
        r.stages[step.stage] = StageAccount(
            step.stage,
            intent.ts,
            predicted_s=predicted.after_change_s if predicted is not None else 0.0,
            back_predicted_s=predicted.after_rollback_s if predicted is not None else 0.0,
        )
    elif intent.purpose == "undo":
        _replace(r, step.stage, back_sent=intent.ts)


def _observed(r: _Reading, before: RunState, event: ev.Observed) -> None:
    step = before.step
    if event.trouble and _exposed(before):
        r.looks.append((event.ts, f"{event.trouble[0].server} {event.trouble[0].detail}"))
    if step is None or step.kind is not StepKind.CONVERGE or r.s.rounds != 2 or step.stage not in r.stages:
        return
    # The second agreeing round is when the last server is known to have it.
    if before.back is not None:
        _replace(r, step.stage, taken_back=event.ts)
    elif r.stages[step.stage].published is None:
        _replace(r, step.stage, published=event.ts)


def _resolvers(r: _Reading, before: RunState, event: ev.Resolvers) -> None:
    step = before.step
    if step is None or step.stage not in r.stages:
        return
    if any(n for name, n in event.counts if name in OLD_ANSWERS):
        _replace(r, step.stage, seen_s=event.ts - r.stages[step.stage].applied)


def _done(r: _Reading, before: RunState, event: ev.StepDone) -> None:
    step = before.step
    if step is None or not event.proven:
        return
    if step.kind is StepKind.WAIT_TTL and before.back is not None:
        _replace(r, step.stage, back_dead=event.ts)


def _made(r: _Reading, began: float) -> Account:
    s, stages = r.s, tuple(r.stages.values())
    decided = r.decided if s.outcome != "succeeded" or r.held or s.back is not None else None
    repaired = stages[-1].taken_back if stages and decided is not None else None
    return Account(
        s,
        began,
        r.finished,
        stages,
        tuple(r.lines),
        tuple(r.commands),
        tuple(r.held),
        next(iter((*r.probes, *r.looks)), None) if decided is not None else None,
        decided,
        repaired,
        _impact(s, stages, decided),
        max(0, len(r.runners) - 1),
        _actions(s, stages),
    )


def _impact(s: RunState, stages: Sequence[StageAccount], decided: tuple[float, str] | None) -> Impact | None:
    """Nothing was wrong for users, as far as the run saw, unless it went back or stood still."""
    if decided is None or not stages:
        return None
    begin = stages[-1].applied
    last = stages[-1]
    if last.back_sent is None or s.outcome == "rollback_failed":
        return Impact(begin, None, "what was changed is, as a whole or in part, still there")
    end = last.back_dead if last.back_dead is not None else last.back_sent + last.back_predicted_s
    return Impact(begin, end, "the last cached copy of the new version is dead by then at the latest")


def _actions(s: RunState, stages: Sequence[StageAccount]) -> tuple[str, ...]:
    """What is left to do, as far as the journal shows it."""
    out = []
    for f in s.left:
        out.append(f"{s.book.label(f.key)} is not ours any more: {found_there(f)}; decide what it should be")
    if s.unproven:
        out.append("a server could not be seen with what was put back: look at every authoritative server")
    applied = [w for w in s.done if w.kind is StepKind.APPLY]
    if s.outcome == "rolled_back":
        stays = kept(s.book, applied)
        names = [s.book.label(e.key) for w in applied for e in w.edits if stays(e)]
        if names:
            stayed = ", ".join(names[:10])
            out.append(f"{stayed} stayed, since it only adds: remove it, or keep it for the next attempt")
    lowered = any(w.kind is StepKind.LOWER_TTL for w in s.done)
    if lowered and (s.outcome in ("aborted", "conflict") or s.book.rollback.after == "keep_low_ttl") and s.outcome:
        out.append("TTLs are still low: restore them")
    never = [x.name for x in s.book.stages if x.name not in {w.stage for w in applied}]
    if never and s.final and s.outcome != "succeeded":
        out.append(f"not done: {', '.join(never)}")
    if s.outcome in ("rolled_back", "rollback_failed") and stages:
        out.append(f"find out why {stages[-1].name} had to be taken back, before it is tried again")
    return tuple(out)
