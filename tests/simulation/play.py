"""One run from its beginning to its end, by one process after the other, with one fault or two in particular."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import create, drive
from dns_cutover.engine.state import RunState
from dns_cutover.errors import CutoverError
from dns_cutover.providers.rfc2136.update import Question
from dns_cutover.records import RRset
from dns_cutover.runbook.model import Runbook
from tests.simulation.plans import variant_of
from tests.simulation.world import NEVER, RUN, World


def begin(w: World) -> None:
    """The first entry, which no fault hits: without it there is no run."""
    crash_at, w.crash_at = w.crash_at, -1
    step(w, create(RUN, ev.Created(w.now, w.plan.json, w.plan.sha256, "sim"), w.ports("p0")))
    w.calls, w.crash_at = 0, crash_at


def play(
    w: World,
    *,
    restarts: int = 5,
    limit: float = 400_000.0,
    foreign_at: Mapping[float, tuple[Question, RRset | None]] | None = None,
    book: Runbook | None = None,
) -> RunState:
    """Run to the end, starting a new process after each crash. Steering: a hold is answered by a rollback."""
    if book is not None:
        w.plan = variant_of("given", book)
    for when, (question, rrset) in (foreign_at or {}).items():
        w.at(when, lambda q=question, r=rrset: w.foreign(q, r))  # type: ignore[misc]
    begin(w)
    for attempt in range(1, restarts + 1):
        state = w.state()
        assert state is not None
        if state.final:
            return state
        if state.hold is not None and state.back is None and attempt > 1:
            w.append(ev.Command(w.now, "rollback", "sim"))
            state = w.state()
            assert state is not None
        w.dead = False
        # A driver that stands back (LockHeld) is followed by the next one, as a crash is.
        with contextlib.suppress(CutoverError):
            step(w, drive(state, w.ports(f"p{attempt}")), limit)
        w.crash_at = -1
        w.advance(30)
    state = w.state()
    assert state is not None
    return state


def step(w: World, coroutine: Any, limit: float = 400_000.0) -> Any:
    """Drive one coroutine; it vanishes where the world says so."""
    w.horizon = NEVER
    while True:
        try:
            seconds = coroutine.send(None)
        except StopIteration as done:
            return done.value
        if w.dead:
            coroutine.close()
            return None
        _sleep(w, seconds)
        if w.now >= limit:
            state = w.state()
            raise AssertionError(f"hangs in {state.step.id if state and state.step else state}")


def _sleep(w: World, seconds: float) -> None:
    """A waiting driver looks into the journal each two seconds: it is woken by what others write there."""
    end, length = w.now + seconds, len(w.journal)
    while w.queue and w.queue[0][0] < end and len(w.journal) == length:
        w.advance(w.queue[0][0] - w.now)
    if len(w.journal) != length:
        end = min(end, w.now + 2.0)
    w.advance(end - w.now)
