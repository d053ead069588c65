"""A run reserves the owner names that it touches for as long as it lives, within its store (DESIGN section 7)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from dns_cutover.errors import LockHeld

if TYPE_CHECKING:
    from dns_cutover.engine.state import RunState
    from dns_cutover.runbook.model import Runbook
    from dns_cutover.store.interface import Store

# The reserved journal whose last entry lists the runs that hold their names: who appends the next one has them.
REGISTER = "names:"


async def refuse_overlap(store: Store, book: Runbook) -> None:
    """Before a run is made and anybody is asked: no living run has one of its names. Raises LockHeld."""
    await _living(store, book, "", await _listed(store))


async def reserve(store: Store, state: RunState, now: float) -> None:
    """Before a run is driven for the first time. Of two that were made at once, one gets the names they share; the
    other one is ended. Raises LockHeld, Unavailable.
    """
    from dns_cutover.store.interface import Envelope

    while True:
        entry = await store.last(REGISTER)
        listed = _runs(entry.body) if entry is not None else frozenset()
        if state.run_id in listed:
            return
        try:
            living = await _living(store, state.book, state.run_id, listed)
        except LockHeld as exc:
            await _end(store, state, exc.what, now)
            raise
        body = json.dumps({"runs": [*living, state.run_id]}, separators=(",", ":"))
        if await store.append([Envelope(REGISTER, entry.seq + 1 if entry is not None else 0, now, body)]):
            return


async def _listed(store: Store) -> frozenset[str]:
    entry = await store.last(REGISTER)
    return _runs(entry.body) if entry is not None else frozenset()


def _runs(body: str) -> frozenset[str]:
    return frozenset(json.loads(body)["runs"])


async def _living(store: Store, book: Runbook, own: str, listed: Collection[str]) -> list[str]:
    """The other runs that hold their names: listed ones, and all that were driven. Raises LockHeld for a common one.

    One that was only just made has nothing yet: it will find this one in the list.
    """
    from dns_cutover.engine.driver import load_events
    from dns_cutover.engine.fold import fold
    from dns_cutover.engine.journal import from_envelope

    wanted, living = _names(book), []
    for entry in await store.runs():
        if entry.run_id == own:
            continue
        last = await store.last(entry.run_id)
        if last is None or from_envelope(last).type == "finished":
            continue
        other = fold(entry.run_id, await load_events(entry.run_id, store))
        if other.final or (not other.runner and entry.run_id not in listed):
            continue
        if both := wanted & _names(other.book):
            raise _held(other, *min(both))
        living.append(entry.run_id)
    return living


def _names(book: Runbook) -> set[tuple[str, str]]:
    """(zone name, owner name) of everything that the runbook writes, or asserts to be unchanged."""
    names = {z.ref: z.name for z in book.zones}
    return {(names[e.key.zone], e.key.owner) for s in book.steps for e in s.edits}


def _held(other: RunState, zone: str, owner: str) -> LockHeld:
    return LockHeld(
        f"run {other.run_id} ({other.book.plan}) has {owner} of {zone} in its hands. Nothing was written",
        "Two runs on one name could overwrite each other's records.",
        (
            f"dns-cutover status {other.run_id}      where it stands",
            f"dns-cutover resume {other.run_id}      if it was left behind",
            f"dns-cutover rollback {other.run_id}    put everything back",
        ),
    )


async def _end(store: Store, state: RunState, why: str, now: float) -> None:
    """It must not be taken for a run that waits to be driven."""
    from dns_cutover.engine.events import Event, Finished, Finishing
    from dns_cutover.engine.journal import to_envelope

    events: tuple[Event, ...] = (Finishing(now, "locked", why), Finished(now, "locked"))
    await store.append([to_envelope(state.run_id, state.seq + n, e) for n, e in enumerate(events)])
