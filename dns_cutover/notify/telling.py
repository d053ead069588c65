"""From the journal's events to what people are told. Pure: the same journal gives the same notifications, wherever it
is read; so a runner that takes over knows what the one before it had to tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState
from dns_cutover.notify.interface import Notification, Severity
from dns_cutover.plan.notify_models import Kind
from dns_cutover.report.narrate import narrate
from dns_cutover.runbook.model import Step, StepKind

MAX_TEXT = 500  # characters: details come from servers and have no end
_GO_ON = frozenset({"resume", "retry"})
_ENDS: dict[str, tuple[str, Severity]] = {
    "succeeded": ("has succeeded", "info"),
    "rolled_back": ("was rolled back, and that is verified", "warning"),
    "rollback_failed": ("could not be rolled back: a person is needed now", "critical"),
    "aborted": ("was aborted", "warning"),
    "declined": ("was declined", "warning"),
    "conflict": ("ended at a conflict", "error"),
}


def tell(before: RunState | None, event: ev.Event, after: RunState) -> Iterator[Notification]:
    """What `event` means to people; `before` is None for the first event, `after` is the state with it."""
    if before is None:
        by = event.by if isinstance(event, ev.Created) else ""
        yield _make(after, event.ts, "started", "info", "has started", f"by {by}, runbook {after.sha256[:12]}")
        return
    if isinstance(event, ev.Applied | ev.StepDone) and (line := narrate(after, event)) is not None:
        severity: Severity = "warning" if line.level in ("FAIL", "WARN") else "info"
        yield _make(
            after, event.ts, "step", severity, _step_words(event.step), line.text, step=_by_id(before, event.step)
        )
    if isinstance(event, ev.RollbackStarted):
        asked = event.cause == "command"
        yield _make(
            after,
            event.ts,
            "rollback",
            "warning" if asked else "critical",
            "is rolling back",
            event.why,
            (_status(after),),
            step=_by_id(before, event.step),
        )
    if after.hold is not None and before.hold is None:
        yield _held(after, event.ts, after.hold)
    if before.hold is not None and after.hold is None and isinstance(event, ev.Command) and event.verb in _GO_ON:
        yield _make(after, event.ts, "resumed", "info", "goes on", f"{event.verb} by {event.by}")
    if (wanted := _awaits(after)) is not None and wanted is not _awaits(before) and wanted.confirm is not None:
        item = wanted.confirm
        yield _make(
            after,
            event.ts,
            "confirm",
            "warning",
            f"waits for {item.who} to confirm {item.id}",
            item.says,
            ((f"dns-cutover confirm {after.run_id} {item.id} --by NAME", "the stage goes on"), _status(after)),
        )
    if isinstance(event, ev.Finished):
        words, severity = _ends(event.outcome)
        yield _make(after, event.ts, "end", severity, words, after.why, (_status(after),), outcome=event.outcome)


def _ends(outcome: str) -> tuple[str, Severity]:
    return _ENDS.get(outcome, (f"has ended: {outcome}", "warning"))


def _held(s: RunState, ts: float, hold: ev.Held) -> Notification:
    by_person = hold.kind == "paused" and hold.why.startswith("paused by ")
    unblock = (
        (f"dns-cutover resume {s.run_id}", "go on"),
        (f"dns-cutover rollback {s.run_id}", "put everything back"),
        _status(s),
    )
    why = hold.why
    if hold.kind == "conflict" and s.foreign:
        first = s.foreign[0]
        why = f"somebody else changed {s.book.label(first.key)}: nothing was overwritten"
    return _make(s, ts, "hold", "info" if by_person else "error", "stands still and needs a person", why, unblock)


def _awaits(s: RunState) -> Step | None:
    """The step, while the run waits for a person to confirm."""
    step = s.step
    if step is None or step.kind is not StepKind.CONFIRM or step.confirm is None or s.back is not None or s.outcome:
        return None
    return step if step.confirm.by == "person" and step.confirm.id not in s.confirmed else None


def _by_id(s: RunState, step: str) -> Step | None:
    return next((x for x in s.steps if x.id == step), None)


def _step_words(step: str) -> str:
    return f"has done {step.replace('/', ' ').replace('_', ' ')}"


def _status(s: RunState) -> tuple[str, str]:
    return f"dns-cutover status {s.run_id}", "where it stands"


def _make(
    s: RunState,
    ts: float,
    kind: Kind,
    severity: Severity,
    words: str,
    why: str,
    unblock: tuple[tuple[str, str], ...] = (),
    *,
    step: Step | None = None,
    outcome: str = "",
) -> Notification:
    step = step or s.step
    seq = s.seq - 1
    return Notification(
        id=f"{s.run_id}-{s.sha256[:8]}-{seq}-{kind}",
        kind=kind,
        severity=severity,
        run_id=s.run_id,
        seq=seq,
        at=ts,
        plan=s.book.plan,
        runbook_sha256=s.sha256,
        zones=tuple(z.name.rstrip(".") or "." for z in s.book.zones),
        stage=step.stage if step is not None else "",
        step=step.id if step is not None else "",
        summary=_cut(f"{s.book.plan} (run {s.run_id}) {words}"),
        why=_cut(why),
        outcome=outcome,
        unblock=unblock,
    )


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
