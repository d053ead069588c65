"""What commands do to a run's state: a part of the fold. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState, changed, with_items, without
from dns_cutover.runbook.model import StepKind

_ANEW = (StepKind.CONVERGE, StepKind.PREFLIGHT, StepKind.CONFIRM, StepKind.APPLY)  # steps whose deadline begins again


def commanded(s: RunState, event: ev.Command) -> RunState:
    """Somebody steers the run."""
    match event.verb:
        case "pause":
            if s.back is not None or s.outcome:
                return s
            return changed(s, hold=ev.Held(event.ts, "", "paused", f"paused by {event.by}"))
        case "resume" | "retry":
            held = s.hold is not None
            late = {s.step.stage} if s.hold is not None and s.hold.kind == "until" and s.step is not None else set()
            return changed(
                s,
                hold=None,
                denied=None,
                lock_lost=None if s.hold is not None and s.hold.kind == "lock" else s.lock_lost,
                late=s.late | late,
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
            if s.outcome == "succeeded" and turns_back(s, event):
                return changed(s, asked=event, outcome=None, why="")
            return s if s.back is not None or s.outcome else changed(s, asked=event, hold=None)
        case "unlock":
            # It was taken away on purpose: the next write takes the lock again, instead of missing this one.
            return changed(s, tokens=without(s.tokens, {z for z, t in s.tokens.items() if t.op == event.subject}))
        case "confirm" | "decline" | "undone" | "waive":
            return _told(s, event)
        case _:
            assert_never(event.verb)


def turns_back(s: RunState, command: ev.Command | None) -> bool:
    """Whether a run that has done everything is to go back before it is over: giving locks back may take long."""
    asked = command is not None and command.verb in ("abort", "rollback")
    return asked and s.back is None and not s.final


def _told(s: RunState, event: ev.Command) -> RunState:
    """What people say of a confirmation; the last word counts. What was said of another runbook counts for nothing."""
    if event.runbook and event.runbook != s.sha256:
        return s
    said = {event.subject}
    if event.verb == "waive":
        return changed(s, waived=s.waived | said)
    s = changed(s, confirmed=without(s.confirmed, said), declined=s.declined - said, undone=s.undone - said)
    match event.verb:
        case "decline":
            return changed(s, declined=s.declined | said)
        case "undone":
            return changed(s, undone=s.undone | said)
        case _:
            return changed(s, confirmed=with_items(s.confirmed, [(event.subject, event)]))


def _resumed(s: RunState, ts: float) -> float:
    """Deadlines start anew after a hold; the end of a bake or wait does not move."""
    return ts if s.hold is not None and s.step is not None and s.step.kind in _ANEW else s.since
