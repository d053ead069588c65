"""A store in memory, for tests and simulations. Same contract as the others."""

from __future__ import annotations

from collections.abc import Sequence

from dns_cutover.store.interface import Envelope, RunEntry


class MemoryStore:
    """Implements `store.interface.Store`; gone with the process."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Envelope]] = {}

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        """See the interface."""
        run = self._runs.setdefault(envelopes[0].run_id, [])
        if len(run) != envelopes[0].seq:
            return False
        run.extend(envelopes)
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        """See the interface."""
        return tuple(self._runs.get(run_id, [])[start:])

    async def runs(self) -> tuple[RunEntry, ...]:
        """See the interface."""
        entries = [RunEntry(i, len(r), r[0].ts, r[-1].ts) for i, r in self._runs.items() if r]
        return tuple(sorted(entries, key=lambda e: e.created, reverse=True))

    async def close(self) -> None:
        """Nothing to give back."""
