"""A store in memory, for tests and simulations. Same contract as the others."""

from __future__ import annotations

from collections.abc import Sequence

from dns_cutover.store.envelopes import checked
from dns_cutover.store.interface import RESERVED, Envelope, RunEntry


class MemoryStore:
    """Implements `store.interface.Store`; gone with the process."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Envelope]] = {}

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        """See the interface. Raises ValueError for envelopes that are not consecutive."""
        rows = checked(envelopes)
        if len(self._runs.get(rows[0].run_id, ())) != rows[0].seq:
            return False
        self._runs.setdefault(rows[0].run_id, []).extend(rows)
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        """See the interface."""
        return tuple(self._runs.get(run_id, [])[max(start, 0) :])

    async def last(self, run_id: str) -> Envelope | None:
        """See the interface."""
        return self._runs[run_id][-1] if run_id in self._runs else None

    async def runs(self) -> tuple[RunEntry, ...]:
        """See the interface."""
        runs = ((i, r) for i, r in self._runs.items() if RESERVED not in i)
        entries = [RunEntry(i, len(r), min(e.ts for e in r), max(e.ts for e in r)) for i, r in runs]
        return tuple(sorted(entries, key=lambda e: (-e.created, e.run_id)))

    async def close(self) -> None:
        """Nothing to give back: what was appended can still be loaded."""
