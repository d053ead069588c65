"""Runs from a file into a store: everything is looked at before anything is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns_cutover.engine.state import RunState
    from dns_cutover.store.interface import Store
    from dns_cutover.store.portable import Journal


@dataclass(frozen=True, slots=True)
class Imported:
    """One run: its state as the file has it, how many entries were added, and how many the store has beyond them."""

    state: RunState
    added: int
    ahead: int


async def import_runs(store: Store, journals: Sequence[Journal]) -> tuple[Imported, ...]:
    """Add what the store lacks. Raises BadRuns, StaleRunbook (another run of that id is there), LockHeld, Unavailable.

    All runs are compared first; then each is appended at once, so that none of them is ever half there. Done again, it
    adds what is missing and nothing twice.
    """
    from dns_cutover.errors import LockHeld, StaleRunbook
    from dns_cutover.store.portable import missing

    states = [_state(journal) for journal in journals]
    rest = []
    for journal in journals:
        there = await store.load(journal.run_id)
        lacking = missing(there, journal)
        if lacking is None:
            raise StaleRunbook(
                f"the store has a run {journal.run_id} already, and it is another one. Nothing was imported",
                "Their journals differ: the run went on in both stores, or two runs have the same id by chance.",
                (f"dns-cutover events {journal.run_id}   what this store has", "name another store with --store"),
            )
        rest.append((lacking, max(0, len(there) - len(journal.envelopes))))
    for journal, (lacking, _) in zip(journals, rest, strict=True):
        if lacking and not await store.append(lacking):
            raise LockHeld(
                f"run {journal.run_id} went on in the store meanwhile",
                "Somebody drives it there.",
                ("run the same command again: what is there already is not imported twice",),
            )
    return tuple(Imported(s, len(lacking), ahead) for s, (lacking, ahead) in zip(states, rest, strict=True))


def _state(journal: Journal) -> RunState:
    """The run as the file has it, if it is one that this version can go on with. Raises BadRuns."""
    from dns_cutover.engine.events import Created
    from dns_cutover.engine.fold import evolve, start
    from dns_cutover.engine.journal import from_envelope
    from dns_cutover.runbook.codec import BadRunbook, journaled_runbook
    from dns_cutover.store.portable import BadRuns

    state: RunState | None = None
    for line, envelope in enumerate(journal.envelopes, journal.line):
        try:
            own = _own(envelope.body)
            event = from_envelope(envelope)
        except (ValueError, TypeError, AttributeError, RecursionError):
            newer = ("use the version of dns-cutover that exported it, or a newer one",)
            raise BadRuns(line, "this version does not know such an event", newer) from None
        if own != (journal.run_id, envelope.seq):
            raise BadRuns(line, f"its body is not that of entry {envelope.seq} of run {journal.run_id}")
        if state is not None and not isinstance(event, Created):
            state = evolve(state, event)
            continue
        if state is not None or not isinstance(event, Created):
            raise BadRuns(line, "a run begins with its runbook, once")
        try:
            journaled_runbook(event.runbook, event.sha256)
        except BadRunbook as exc:
            raise BadRuns(line, f"its runbook makes no sense: {exc.why or exc}") from None
        state = start(journal.run_id, event)
    assert state is not None  # a journal has an entry
    return state


def _own(body: str) -> tuple[object, object]:
    import json

    data = json.loads(body)
    return data.get("run_id"), data.get("seq")
