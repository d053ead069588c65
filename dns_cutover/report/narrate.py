"""Each event in words: a level, a tag and one sentence. The same words on the terminal and in plain lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.observe import found_there
from dns_cutover.engine.starting import LOWERED, NOT_YET
from dns_cutover.engine.state import RunState
from dns_cutover.records import Change
from dns_cutover.report.words import plural, utc
from dns_cutover.runbook.model import WRITES, StepKind

Level = Literal["INFO", "OK", "WARN", "FAIL", "UNDO", "NEED", "DONE"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log. `mark` is a name of `words.MARKS`, `tag` the kind of step, `text` unescaped."""

    level: Level
    mark: str
    tag: str
    text: str


def narrate(s: RunState, event: ev.Event) -> Line | None:
    """The line for `event`, `s` being the state after it; None for events that people need not see."""
    match event:
        case ev.Created():
            return Line("INFO", "proved", "start", f"runbook {event.sha256[:12]}, by {event.by}")
        case ev.Claimed() | ev.Intent() | ev.Resolvers() | ev.Finishing() | ev.Told():
            return None
        case ev.Burning():
            return Line("WARN", "mind", "lock", "a reply is missing: making that message impossible first")
        case ev.Applied():
            return _applied(s, event)
        case ev.NotApplied():
            return _not_applied(event)
        case ev.LockLost():
            zone = s.book.zone(event.zone).name
            if not event.holder:
                return Line("WARN", "mind", "lock", f"the lock of {zone} is gone: somebody removed it")
            until = f"until {utc(event.until)}, lock id {event.op}" if event.op else f"until {utc(event.until)}"
            return Line("WARN", "mind", "lock", f"the lock of {zone} is held by run {event.holder} {until}")
        case ev.Conflicted():
            return Line("FAIL", "failed", "conflict", _foreign(s, event.foreign))
        case ev.Denied():
            return Line("FAIL", "failed", "refused", f"{event.what} {event.why}".strip())
        case ev.Missed():
            return Line("WARN", "mind", "provider", f"{event.what} {event.why}".strip())
        case ev.Observed():
            if not event.trouble or s.rounds:
                return None
            t = event.trouble[0]
            return Line("INFO", "mind", _tag(event.step), f"{t.server} {t.address} {t.detail}")
        case ev.Extended():
            text = f"{s.book.label(event.key)} was published with TTL {event.ttl} meanwhile: waiting again"
            return Line("WARN", "mind", "wait_ttl", text)
        case ev.Probed():
            if event.verdict == "success":
                return None
            gate = s.gates.get(event.probe)
            row = gate.consecutive_failures if gate else 0
            return Line(
                "WARN", "mind", _tag(event.step), f"{event.probe}: {event.verdict}, {row} in a row: {event.detail}"
            )
        case ev.StepDone():
            quiet = event.step.endswith(("preflight", "_ttl/converge")) or event.proof in (LOWERED, NOT_YET)
            mark = "proved" if event.proven else "failed"
            return (
                None
                if quiet and event.proven
                else Line("OK" if event.proven else "FAIL", mark, _tag(event.step), event.proof)
            )
        case ev.Held():
            return Line("NEED", "mind", "hold", event.why)
        case ev.RollbackStarted():
            return Line("FAIL", "failed", _tag(event.step), f"{event.why}: rolling back")
        case ev.Command():
            return Line(
                "INFO", "mind", event.verb, f"asked for by {event.by}{' ' + event.subject if event.subject else ''}"
            )
        case ev.Reopened():
            return Line("FAIL", "failed", "rollback", f"{event.by} takes the run back after its end")
        case ev.Finished():
            return Line("DONE", "proved" if event.outcome == "succeeded" else "mind", event.outcome, s.why)
        case _:
            assert_never(event)


def _tag(step: str) -> str:
    """`switch/apply` -> `switch: apply`; the last part says the kind."""
    return step.replace("/", ": ", 1)


def _applied(s: RunState, event: ev.Applied) -> Line | None:
    written = next((w for w in reversed(s.done) if w.step == event.step), None)
    if event.step.startswith("undo:"):
        step = next((x for x in s.back or () if x.id == event.step), None)
        # Where the run is still at that step, it was the lock that was taken or prolonged.
        if step is None or step.kind not in WRITES or (s.step is not None and s.step.id == event.step):
            return None
        what = ", ".join(s.book.label(e.key) for e in step.edits) or "nothing"
        done = "TTL restored" if step.kind is StepKind.RESTORE_TTL else "put back"
        return Line("UNDO", "undone", _tag(event.step), f"{what}: {done} in one message{_serial(event)}")
    if written is None or s.pending is not None:
        return None
    if not written.changes:
        return None
    text = "; ".join(change_words(s, c) for c in written.changes[:4])
    more = f"; and {len(written.changes) - 4} more" if len(written.changes) > 4 else ""
    if event.ignored:
        return Line("FAIL", "failed", _tag(event.step), f"the server ignored {plural(len(event.ignored), 'change')}")
    return Line("OK", "proved", _tag(event.step), f"{text}{more}, one message{_serial(event)}")


def _serial(event: ev.Applied) -> str:
    """Where serials say nothing there is none; a provider may have a name for the change instead."""
    if event.serial:
        return f", serial {event.serial}"
    return f", change {event.change}" if event.change else ""


def change_words(s: RunState, change: Change) -> str:
    """`@ MX: 3600 -> 60 s`, or old and new values."""
    label = s.book.label(change.key)
    if change.before is not None and change.before.same_data(change.after) and change.after is not None:
        return f"{label}: {change.before.ttl} -> {change.after.ttl} s"
    return f"{label}: {_values(change.before)} -> {_values(change.after)}"


def _values(rrset: object) -> str:
    return "absent" if rrset is None else ", ".join(getattr(rrset, "values", ()))


def _not_applied(event: ev.NotApplied) -> Line | None:
    match event.reason:
        case "moved":
            return Line("INFO", "mind", _tag(event.step), "the zone changed elsewhere meanwhile: reading again")
        case "burned":
            return Line("INFO", "mind", _tag(event.step), "that message was not applied and cannot be any more")
        case "unreachable" | "conflict" | "refused":
            return None  # the event that follows says it
        case _:
            assert_never(event.reason)


def _foreign(s: RunState, foreign: tuple[ev.Foreign, ...]) -> str:
    first = foreign[0]
    more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
    return (
        f"{s.book.label(first.key)} was changed by somebody else: expected {first.expected}, "
        f"found {found_there(first)}{more}; nothing was written"
    )
