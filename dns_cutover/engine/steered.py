"""What commands do to a run's state: a part of the fold. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState, changed, without
from dns_cutover.runbook.model import StepKind


def commanded(s: RunState, event: ev.Command) -> RunState:
    """Somebody steers the run."""
    match event.verb:
        case "pause":
            if s.back is not None or s.outcome:
                return s
            return changed(s, hold=ev.Held(event.ts, "", "paused", f"paused by {event.by}"))
        case "resume" | "retry":
            held = s.hold is not None
            return changed(
                s,
                hold=None,
                denied=None,
                lock_lost=None if s.hold is not None and s.hold.kind == "lock" else s.lock_lost,
                misses=0,
                since=_resumed(s, event.ts),
                rounds=s.rounds if s.rounds >= 2 else 0,
                looked=s.looked if s.rounds >= 2 else 0.0,
                # What failed is asked anew: a resume means that somebody has looked at it.
                gates=MappingProxyType({}) if held else s.gates,
                probed=MappingProxyType({}) if held else s.probed,
            )
        case "keep" if s.back is not None and not s.outcome:
            return changed(s, asked=event)
        case "abort" | "rollback" | "keep":
            # The undo list is made when nothing is in flight: `decide` starts the rollback later.
            return s if s.back is not None or s.outcome else changed(s, asked=event, hold=None)
        case "confirm":
            return changed(s, confirmed=s.confirmed | {event.subject})
        case "decline":
            return changed(s, declined=event.subject)
        case "unlock":
            # It was taken away on purpose: the next write takes the lock again, instead of missing this one.
            return changed(s, tokens=without(s.tokens, {z for z, t in s.tokens.items() if t.op == event.subject}))
        case _:
            assert_never(event.verb)


def _resumed(s: RunState, ts: float) -> float:
    """Deadlines start anew after a hold; the end of a bake or wait does not move."""
    looking = s.step is not None and s.step.kind in (StepKind.CONVERGE, StepKind.PREFLIGHT, StepKind.APPLY)
    return ts if s.hold is not None and looking else s.since
