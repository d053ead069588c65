"""When each step of a runbook begins and ends if a run started at a given time: windows included. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dns_cutover.runbook.model import Runbook, Step, StepKind
from dns_cutover.runbook.window import window_opens


@dataclass(frozen=True, slots=True)
class Moment:
    """One step, in seconds UTC, if nobody is late and every wait for a TTL is at its longest."""

    step: Step
    start: float
    end: float


def course(book: Runbook, now: float) -> tuple[Moment, ...]:
    """The earliest course of a run that starts at `now` (seconds UTC)."""
    out = []
    at = dead = baked = now
    bound = max((z.guarantees.propagation_bound for z in book.zones), default=0.0)
    for step in book.steps:
        start = at
        match step.kind:
            case StepKind.CONVERGE:
                tail = bound + max((x.old_s for x in step.exposures), default=0.0)
                dead = at + step.gate.round_gap + tail
                at += step.gate.round_gap + (tail if step.resolvers else 0.0)
            case StepKind.WAIT_TTL:
                at = max(at, dead)
            case StepKind.WAIT:
                at = max(at, baked + step.seconds)
            case StepKind.WINDOW:
                assert step.window is not None
                at = window_opens(step.window, at)
            case StepKind.BAKE:
                at = baked = at + step.seconds
            case StepKind.LOWER_TTL | StepKind.CONFIRM | StepKind.PREFLIGHT | StepKind.APPLY | StepKind.RESTORE_TTL:
                pass
        out.append(Moment(step, start, at))
    return tuple(out)
