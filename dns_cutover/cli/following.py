"""Watching a run that somebody else drives: its journal is read again and again, and nothing is ever written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns_cutover.clock import Clock
    from dns_cutover.engine.ports import Watcher
    from dns_cutover.engine.state import RunState
    from dns_cutover.store.interface import Store

PAUSE_S = 1.0


async def replay(run_id: str, store: Store, watcher: Watcher | None) -> RunState:
    """Tell `watcher`, if there is one, every event that there is. Raises Unavailable where the store is gone."""
    from dns_cutover.engine.driver import load_events
    from dns_cutover.engine.events import Created
    from dns_cutover.engine.fold import evolve, start

    first, *rest = await load_events(run_id, store)
    assert isinstance(first, Created)  # the run was found by it
    state = start(run_id, first)
    if watcher is not None:
        watcher.event(state, first)
    for event in rest:
        state = evolve(state, event)
        if watcher is not None:
            watcher.event(state, event)
    return state


async def follow(run_id: str, store: Store, watcher: Watcher, clock: Clock, *, past: bool = True) -> RunState:
    """Tell `watcher` every event of the run until the run is over; `past`: those that there are already, too.

    Raises Unavailable where the store is gone.
    """
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.decide import decide
    from dns_cutover.engine.fold import evolve
    from dns_cutover.engine.journal import from_envelope

    state = await replay(run_id, store, watcher if past else None)
    while not state.final:
        action = decide(state, clock.now())
        if isinstance(action, Wait):
            watcher.waiting(state, action)
        await asyncio.sleep(PAUSE_S)
        for envelope in await store.load(run_id, state.seq):
            event = from_envelope(envelope)
            state = evolve(state, event)
            watcher.event(state, event)
    return state
