"""A clock that runs faster than the world, shared by the lab and the engine: an hour of TTL passes in seconds."""

from __future__ import annotations

import asyncio
import time


class ScaledClock:
    """Lab seconds since 1970 UTC, `factor` of them per real second, beginning at `start` (default: now)."""

    def __init__(self, factor: float = 1.0, start: float | None = None) -> None:
        self.factor = factor
        self._zero = time.monotonic()
        self._start = time.time() if start is None else start

    def now(self) -> float:
        """Lab time."""
        return self._start + (time.monotonic() - self._zero) * self.factor

    def bound(self, offset: float) -> None:
        """The lab's servers sign with real time, so that their offset says nothing about lab time."""

    async def sleep_until(self, when: float) -> None:
        """Sleep until lab time `when`."""
        while (left := when - self.now()) > 0:
            await asyncio.sleep(left / self.factor)
