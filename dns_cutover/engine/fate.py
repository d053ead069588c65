"""What became of messages, and whose the records are then: the part of the fold about writing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from dns_cutover.engine import events as ev
from dns_cutover.engine.rollback import Written
from dns_cutover.engine.state import RunState, advance, changed, with_items, without
from dns_cutover.providers.interface import Token
from dns_cutover.runbook.model import StepKind

SAME_ABSENCE = 600.0  # seconds between two misses of one absence: it is tried every half minute, and a call takes long


def _set_token(tokens: Mapping[str, Token], zone: str, token: Token | None) -> Mapping[str, Token]:
    return without(tokens, (zone,)) if token is None else with_items(tokens, [(zone, token)])


def applied(s: RunState, event: ev.Applied) -> RunState:
    """The pending message was applied, perhaps not all of it."""
    intent, step = s.pending, s.step
    if intent is None:
        return s
    s = changed(
        s,
        pending=None,
        burns=(),
        misses=0,
        moved=0,
        lock_lost=None,
        tokens=_set_token(s.tokens, intent.zone, intent.next),
    )
    if intent.purpose not in ("write", "undo"):
        return s
    took = tuple(c for c in intent.changes if c.key not in event.ignored)
    s = changed(s, changes=with_items(s.changes, [(intent.zone, event.change)]))
    # Not from the serial that was found afterwards: a message whose reply was missed may have been applied long before.
    s = changed(s, serials=with_items(s.serials, ((c.key, intent.serial) for c in intent.changes)))
    if step is None or step.id != intent.step:
        return s
    if intent.purpose == "undo":
        ignored = (*s.ignored, *event.ignored)
        return advance(changed(s, unproven=s.unproven or bool(event.ignored), ignored=ignored), event.ts)
    written = Written(step.id, step.kind, step.stage, step.edits, took, step.exposures)
    s = changed(s, done=(*s.done, written))
    if step.kind is StepKind.APPLY:
        s = changed(s, longer=without(s.longer, {c.key for c in took}))
        kept = {n: g for n, g in s.gates.items() if n not in {p.name for p in step.probes if p.role == "health"}}
        s = changed(s, gates=MappingProxyType(kept), probed=MappingProxyType({}), exposed_since=event.ts)
    if event.ignored:
        asked = ev.Command(event.ts, "rollback", "the server ignored part of a message", "ignored")
        return changed(s, asked=asked)
    return advance(s, event.ts)


def not_applied(s: RunState, event: ev.NotApplied) -> RunState:
    """The pending message was not applied and never will be."""
    tokens = _set_token(s.tokens, s.pending.zone, event.token) if s.pending else s.tokens
    s = changed(s, pending=None, burns=(), tokens=tokens)
    s = changed(s, moved=s.moved + 1, moved_at=event.ts) if event.reason == "moved" else changed(s, moved=0)
    return s if event.reason in ("unreachable", "refused") else changed(s, misses=0)


def lock_lost(s: RunState, event: ev.LockLost) -> RunState:
    """The lock is somebody else's; what the pending message had changed by then is ours all the same."""
    intent, step = s.pending, s.step
    s = changed(s, pending=None, burns=(), tokens=without(s.tokens, (event.zone,)), lock_lost=event, misses=0)
    if intent is None or step is None or step.id != intent.step or not event.took:
        return s
    s = changed(s, changes=with_items(s.changes, [(intent.zone, "")]))
    took = tuple(c for c in intent.changes if c.key in event.took)
    complete = len(took) == sum(c.before != c.after for c in intent.changes)
    if intent.purpose == "write":
        s = changed(s, done=(*s.done, Written(step.id, step.kind, step.stage, step.edits, took, step.exposures)))
        if step.kind is StepKind.APPLY:
            s = changed(s, exposed_since=event.ts)
    return advance(s, event.ts) if complete else s


def conflicted(s: RunState, event: ev.Conflicted) -> RunState:
    """Others changed records: forward the run stands still, on the way back it leaves theirs alone."""
    if s.back is None:
        hold = ev.Held(event.ts, event.step, "conflict", "somebody else changed records of this run")
        return changed(s, foreign=event.foreign, hold=hold)
    # On the way back a foreign value stays, and what is back already needs no writing; the rest is taken back.
    gone = {f.key for f in event.foreign}
    alien = tuple(f for f in event.foreign if not f.done)
    aliens = {f.key for f in alien}
    back = tuple(
        replace(
            step,
            edits=tuple(e for e in step.edits if e.key not in (gone if n == s.bi else aliens)),
            exposures=tuple(x for x in step.exposures if x.key not in aliens),
        )
        if n >= s.bi
        else step
        for n, step in enumerate(s.back)
    )
    return changed(s, back=back, left=(*s.left, *alien))


def denied(s: RunState, event: ev.Denied) -> RunState:
    """The provider will not take it."""
    if s.back is not None or s.outcome is not None or s.hold is not None:
        # On the way back, and while the lock is given back, it is asked again, ever more slowly.
        return missed(changed(s, denied=event), ev.Missed(event.ts, event.step, event.what, event.why, event.hints))
    held = ev.Held(event.ts, event.step, "refused", event.what)
    return changed(s, denied=event, hold=held, misses=0)


def claimed(s: RunState, event: ev.Claimed) -> RunState:
    """Another process drives. Time in which nobody tried does not count against a deadline; a provider that is missed
    by a tick every few minutes is away all the time.
    """
    away = s.misses > 0 and s.missed is not None and event.ts - s.missed.ts < SAME_ABSENCE
    return changed(s, runner=event.runner, missed_since=s.missed_since if away else event.ts)


def missed(s: RunState, event: ev.Missed) -> RunState:
    """The provider did not answer. What was missed long ago, and answered since, is no beginning of it: a provider that
    stays away is asked again and again.
    """
    again = s.misses > 0 and s.missed is not None and event.ts - s.missed.ts < SAME_ABSENCE
    since = s.missed_since if again else event.ts
    return changed(s, missed=event, misses=s.misses + 1, missed_since=since)
