"""Where a run stands: one document for the terminal, for plain lines and for JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dns_cutover.engine.actions import Wait
from dns_cutover.engine.observe import describe, found_there
from dns_cutover.engine.reopening import kept_until, why_not
from dns_cutover.engine.rollback import kept
from dns_cutover.engine.rollback import way_back as undoing
from dns_cutover.engine.state import RunState
from dns_cutover.engine.watching import may_roll_back
from dns_cutover.providers.interface import Token
from dns_cutover.report.by_hand import left_over
from dns_cutover.report.words import utc
from dns_cutover.runbook.model import Confirm, Step, StepKind

SCHEMA = "dns-cutover/status/1"
LIST_SCHEMA = "dns-cutover/status-list/1"

# Word on the terminal and its style, by what the run waits for.
_WAIT_WORDS = {
    "ttl": ("WAITING", "cyan"),
    "wait": ("WAITING", "cyan"),
    "window": ("WAITING", "cyan"),
    "provider": ("WAITING", "cyan"),
    "lock": ("WAITING", "cyan"),
    "confirm": ("NEEDS YOU", "yellow"),
    "convergence": ("CONVERGING", "cyan"),
    "bake": ("BAKING", "cyan"),
    "paused": ("PAUSED", "yellow"),
    "conflict": ("CONFLICT", "yellow"),
}
_OUTCOME_WORDS = {
    "succeeded": ("SUCCEEDED", "green"),
    "rolled_back": ("ROLLED BACK", "yellow"),
    "rollback_failed": ("ROLLBACK FAILED", "red"),
    "aborted": ("ABORTED", "yellow"),
    "declined": ("ABORTED", "yellow"),
    "conflict": ("CONFLICT", "yellow"),
    "refused": ("REFUSED", "red"),
    "unreachable": ("UNREACHABLE", "red"),
    "locked": ("LOCKED", "yellow"),
}

EXIT_CODES = {
    "succeeded": 0,
    "rolled_back": 6,
    "rollback_failed": 7,
    "aborted": 8,
    "declined": 8,
    "conflict": 4,
    "refused": 1,
    "unreachable": 1,
    "locked": 5,
}


@dataclass(frozen=True, slots=True)
class WayBack:
    """Whether and how the run can go back; `tail_s` is the worst case in seconds.

    `automatic`: whether a failure takes it back by itself; `why_not`: why not. `until`: when the way back ends (seconds
    UTC), None: no such time.
    """

    possible: bool
    helps: bool
    tail_s: float
    command: str
    automatic: bool = True
    why_not: str = ""
    until: float | None = None


def run_state(s: RunState, wait: Wait | None) -> str:
    """The state of DESIGN section 7: running, waiting, paused, conflict, rolling_back, or the outcome."""
    if s.outcome is not None:
        return s.outcome
    if s.back is not None:
        return "rolling_back"
    if wait is None:
        return "running" if s.runner else "pending"
    if wait.kind in ("paused", "conflict"):
        return wait.kind
    return "waiting"


def headline(s: RunState, wait: Wait | None) -> tuple[str, str]:
    """The word on the terminal and its style."""
    if s.outcome is not None and (s.final or s.outcome != "succeeded"):
        return _OUTCOME_WORDS[s.outcome]
    if s.back is not None:
        return "ROLLING BACK", "red"
    if s.hold is not None and s.hold.kind == "violators":
        return "HOLDING", "yellow"
    if wait is not None:
        return _WAIT_WORDS[wait.kind]
    return "APPLYING", "cyan"


def way_back(s: RunState, now: float = 0.0) -> WayBack:
    """The way back as it is at `now` (seconds UTC)."""
    live = [w for w in s.done if w.kind is StepKind.APPLY]
    stays = kept(s.book, live)
    additive = {e.key for w in live for e in w.edits if stays(e)}
    tails = [x.undo_s for w in live for x in w.exposures if x.key not in additive]
    command = f"dns-cutover rollback {s.run_id}"
    failing = [
        n for n, g in s.gates.items() if _is_way_back(s, n) and g.last is not None and g.last.verdict != "success"
    ]
    if s.final:
        why = why_not(s, now)
        # TTLs have been restored: what takes it back now is as slow as they are.
        undo = () if why else undoing(s.book, s.done, len(s.book.steps))
        tail = max((x.old_s for step in undo for x in step.exposures), default=0.0)
        return WayBack(not why, True, tail, command, automatic=False, why_not=why, until=kept_until(s))
    automatic, reason = may_roll_back(s, now)
    tail = max(tails, default=0.0)
    return WayBack(s.back is None, not failing, tail, command, automatic, reason, s.book.rollback.until)


def _is_way_back(s: RunState, name: str) -> bool:
    return any(p.name == name and p.role == "way_back" for step in s.book.steps for p in step.probes)


def steps_line(s: RunState) -> list[tuple[str, str]]:
    """(mark name, text) per group of steps: done ones folded, the present one by name, stages to come."""
    names: list[tuple[str, str]] = []
    done = 0
    for n, step in enumerate(s.steps):
        if step.kind is StepKind.CONVERGE and step.id.endswith("_ttl/converge"):
            continue
        if n < s.index:
            done += 1
        elif n == s.index:
            names.append(("now", step_label(step)))
        elif not any(text == (step.stage or step.id) for _, text in names) and step.kind in (
            StepKind.APPLY,
            StepKind.RESTORE_TTL,
        ):
            text = "restore" if step.kind is StepKind.RESTORE_TTL else step.stage
            if ("later", text) not in names:
                names.append(("later", text))
    head = [("undone" if s.back is not None else "proved", f"{done} done")] if done else []
    return head + names


def step_label(step: Step) -> str:
    """`switch: bake`, `lower ttl`."""
    kind = step.kind.value.replace("_", " ")
    return (
        f"{step.stage}: {kind}" if step.stage and step.kind not in (StepKind.LOWER_TTL, StepKind.RESTORE_TTL) else kind
    )


def step_state(s: RunState, n: int) -> str:
    """The state of step `n` of the forward direction, in DESIGN section 7's words."""
    step = s.book.steps[n]
    if s.back is not None and any(w.step == step.id and w.kind is StepKind.APPLY for w in s.done):
        return "reverted"
    if n < s.i:
        return "succeeded"
    if n > s.i or s.back is not None:
        return "skipped" if s.final else "pending"
    match step.kind:
        case StepKind.CONVERGE | StepKind.PREFLIGHT:
            return "verifying"
        case StepKind.BAKE:
            return "baking"
        case StepKind.LOWER_TTL | StepKind.APPLY | StepKind.RESTORE_TTL:
            return "applying"
        case _:
            return "waiting"


def unlock_of(s: RunState, token: Token) -> str:
    """The command that takes a lock of this run away."""
    return f"dns-cutover unlock {s.run_id} {token.op}"


def status_document(s: RunState, wait: Wait | None, now: float = 0.0) -> dict[str, Any]:
    """`dns-cutover status --format json`. `now`: seconds UTC."""
    back = way_back(s, now)
    exposed = None
    if s.exposed_since is not None:
        exposed = {"since": utc(s.exposed_since), "worst_s": round(back.tail_s, 3)}
    waiting = None
    if wait is not None:
        waiting = {
            "reason": wait.kind,
            "why": wait.why,
            "until": utc(wait.deadline) if wait.deadline is not None else None,
            "unblock": [{"command": c, "effect": e} for c, e in wait.unblock],
        }
    return {
        "schema": SCHEMA,
        "run_id": s.run_id,
        "plan": s.book.plan,
        "runbook_sha256": s.sha256,
        "state": run_state(s, wait),
        "why": s.why,
        "waiting": waiting,
        "steps": [
            {"id": step.id, "kind": step.kind.value, "stage": step.stage, "state": step_state(s, n)}
            for n, step in enumerate(s.book.steps)
        ],
        "rollback": {
            "possible": back.possible,
            "helps": back.helps,
            "tail_s": round(back.tail_s, 3),
            "command": back.command,
            "automatic": back.automatic,
            "why_not": back.why_not,
            "until": utc(back.until) if back.until is not None else None,
        },
        "confirmations": [_confirmation(s, c) for step in s.book.steps if (c := step.confirm) is not None],
        "exposed": exposed,
        "locks": [
            {"zone": s.book.zone(ref).name, "lock_id": t.op, "until": utc(t.until), "unlock": unlock_of(s, t)}
            for ref, t in s.tokens.items()
        ],
        "left": _left(s),
    }


def _left(s: RunState) -> list[dict[str, Any]]:
    """What a rollback could not take back: what this run had left there, what is there, and what should be."""
    targets = {c.key: c.after for m in left_over(s) for c in m.changes}
    return [
        {
            "record": s.book.label(f.key),
            "expected": f.expected,
            "found": found_there(f),
            "should_be": describe(targets.get(f.key, f.found)),
        }
        for f in s.left
    ]


def _confirmation(s: RunState, c: Confirm) -> dict[str, Any]:
    """What was said of it last; `valid_until`: for approvals that expire."""
    said = s.confirmed.get(c.id)
    state = "confirmed" if said is not None else "declined" if c.id in s.declined else "open"
    if c.id in s.undone or c.id in s.waived:
        state = "undone" if c.id in s.undone else "waived"
    until = said.ts + c.valid_for if said is not None and c.valid_for is not None else None
    return {
        "id": c.id,
        "who": c.who,
        "says": c.says,
        "by": c.by,
        "undo": c.undo,
        "state": state,
        "confirmed_by": said.by if said is not None else None,
        "confirmed_at": utc(said.ts) if said is not None else None,
        "runbook_sha256": said.runbook or None if said is not None else None,
        "host": said.host if said is not None else None,
        "user": said.user if said is not None else None,
        "origin": said.origin if said is not None else None,
        "valid_until": utc(until) if until is not None else None,
    }
