"""Taking back a run that has succeeded: for how long, and how much of it. Pure."""

from __future__ import annotations

from dns_cutover.engine.rollback import undone_stages, way_back
from dns_cutover.engine.state import RunState
from dns_cutover.timing.words import duration


def kept_until(s: RunState) -> float | None:
    """Until when (seconds UTC) a run that is over may be taken back; None if not at all."""
    if not s.final or s.outcome != "succeeded":
        return None
    policy = s.book.rollback
    end = s.ended + policy.keep_for
    return end if policy.until is None else min(end, policy.until)


def why_not(s: RunState, now: float, stage: str = "") -> str:
    """Why a run that is over cannot be taken back at `now` (seconds UTC), in one sentence; empty if it can."""
    until = kept_until(s)
    policy = s.book.rollback
    if until is None:
        return "Only a run that succeeded can be taken back."
    if policy.until is not None and now > policy.until:
        return "The way back has ended: rollback.until of its plan has passed."
    if now > until:
        return f"The way back was kept for {duration(policy.keep_for)} after the end (rollback.keep_for), no longer."
    last = len(s.book.steps)
    open_stages = undone_stages(s.book, s.done, last)
    if stage and stage not in open_stages:
        return f"Stage {stage} cannot be taken back: {', '.join(open_stages) or 'none'} can."
    if not open_stages:
        return "All its stages are past their commit point (commit: after)."
    if not way_back(s.book, s.done, last, stage=stage):
        return "It only added names and values, which stay in place (rollback: {additive: keep})."
    return ""
