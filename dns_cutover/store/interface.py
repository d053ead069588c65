"""Stores keep opaque envelopes in order; they know nothing of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_RUN_ID = 64  # characters
RESERVED = ":"  # no run's id has it: journals whose name does are kept beside the runs, and are not listed as such


@dataclass(frozen=True, slots=True)
class Envelope:
    """One journal entry: `seq` counts from 0 within the run, `ts` is seconds UTC, `body` one JSON object."""

    run_id: str
    seq: int
    ts: float
    body: str


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run in a store: how many envelopes it has and when the first and last were written (seconds UTC)."""

    run_id: str
    length: int
    created: float
    updated: float


class Store(Protocol):
    """Append-only journals with compare-and-swap on the sequence number."""

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        """Store the envelopes durably if the run has exactly `envelopes[0].seq` entries; else store none, return False.

        Raises Unavailable when it cannot be written (full, read-only, gone).
        """
        ...

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        """The run's envelopes with seq >= start, in order; empty for an unknown run."""
        ...

    async def last(self, run_id: str) -> Envelope | None:
        """The run's last envelope; None for an unknown run."""
        ...

    async def runs(self) -> tuple[RunEntry, ...]:
        """All runs, newest first, without journals whose name is RESERVED."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
