"""Run state as the fold of a run's events: what each of them does to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.fate import applied, claimed, conflicted, denied, lock_lost, missed, not_applied
from dns_cutover.engine.rollback import way_back
from dns_cutover.engine.seen import begin_tail, extended, observed, outlive, probed
from dns_cutover.engine.state import NO_TOKENS, RunState, advance, changed, with_items
from dns_cutover.engine.steered import commanded, turns_back
from dns_cutover.runbook.codec import parse_runbook
from dns_cutover.runbook.model import StepKind


def start(run_id: str, first: ev.Created) -> RunState:
    """The state after the first event. Raises BadRunbook."""
    book = parse_runbook(first.runbook)
    serials = {edit.key: book.zone(edit.key.zone).serial for step in book.steps for edit in step.edits}
    return RunState(
        run_id,
        book,
        sha256=first.sha256,
        started=first.ts,
        seq=1,
        since=first.ts,
        stage_ended=first.ts,
        serials=MappingProxyType(serials),
    )


def fold(run_id: str, events: Iterable[ev.Event]) -> RunState:
    """The state of a run from all its events, the first one `Created`. Raises BadRunbook, ValueError."""
    iterator = iter(events)
    first = next(iterator, None)
    if not isinstance(first, ev.Created):
        raise ValueError(f"the journal of run {run_id} does not begin with its runbook")
    state = start(run_id, first)
    for event in iterator:
        state = evolve(state, event)
    return state


def evolve(s: RunState, event: ev.Event) -> RunState:
    """The state after one more event. Total: every event is accepted in every state."""
    s = changed(s, seq=s.seq + 1)
    match event:
        case ev.Created():
            return s
        case ev.Claimed():
            return claimed(s, event)
        case ev.Intent():
            return changed(s, pending=event, burns=())
        case ev.Burning():
            return changed(s, burns=(*s.burns, event.next))
        case ev.Applied():
            return applied(s, event)
        case ev.NotApplied():
            return not_applied(s, event)
        case ev.LockLost():
            return lock_lost(s, event)
        case ev.Conflicted():
            return conflicted(s, event)
        case ev.Denied():
            return denied(s, event)
        case ev.Missed():
            return missed(s, event)
        case ev.Observed():
            return observed(s, event)
        case ev.Extended():
            return extended(s, event)
        case ev.Resolvers():
            return changed(s, resolvers=event)
        case ev.Probed():
            return probed(s, event)
        case ev.StepDone():
            if not event.proven and s.step is not None:
                # Nobody saw the last server change: the tail counts from now, at the earliest.
                s = begin_tail(changed(s, unproven=True), s.step, event.ts)
            if s.step is not None and s.step.kind is StepKind.PREFLIGHT:
                s = outlive(s, s.step)
            return advance(s, event.ts)
        case ev.Held():
            # What the server ignored was no person's wish: the hold answers it.
            heard = s.asked is not None and s.asked.subject == "ignored"
            return changed(s, hold=event, asked=None if heard else s.asked)
        case ev.RollbackStarted():
            back = way_back(s.book, s.done, s.i, stage=event.stage)
            return changed(
                s,
                back=back,
                bi=0,
                cause=event,
                asked=None,
                hold=None,
                since=event.ts,
                rounds=0,
                looked=0.0,
                trouble=(),
                resolvers=None,
                longer=MappingProxyType({}),  # what lived longer lives again
                misses=0,
            )
        case ev.Command():
            return commanded(s, event)
        case ev.Told():
            upto = max(event.upto, s.told.get(event.target, event.upto))
            return changed(s, told=with_items(s.told, [(event.target, upto)]))
        case ev.Finishing():
            if event.outcome == "succeeded" and turns_back(s, s.asked):
                return s  # who asked was a moment earlier
            return changed(s, outcome=event.outcome, why=event.why, hold=None)
        case ev.Finished():
            return changed(s, outcome=event.outcome, final=True, tokens=NO_TOKENS, ended=event.ts)
        case ev.Reopened():
            if not s.final or s.outcome != "succeeded":
                return s
            asked = ev.Command(event.ts, "rollback", event.by, stage=event.stage)
            return changed(s, outcome=None, why="", final=False, asked=asked, since=event.ts, misses=0, lock_lost=None)
        case _:
            assert_never(event)
