"""A clock that runs faster than the world, shared by the lab and the engine: an hour of TTL passes in seconds."""

from __future__ import annotations

import asyncio
import time

NAP = 5.0  # real seconds; a suspended machine wakes to the right time


class ScaledClock:
    """Lab seconds since 1970 UTC, `factor` of them per real second, beginning at `start` (default: now).

    Lab time follows the monotonic clock: a wall clock set back or forth is ignored.
    """

    def __init__(self, factor: float = 1.0, start: float | None = None) -> None:
        if factor <= 0:
            raise ValueError("lab time must go forward: the factor is above 0")
        self.factor = factor
        self._zero = time.monotonic()
        self._start = time.time() if start is None else start

    def now(self) -> float:
        """Lab time."""
        return self._start + (time.monotonic() - self._zero) * self.factor

    def bound(self, offset: float) -> None:
        """Nothing: the lab's servers sign with real time, so that their offset says nothing about lab time."""

    def disturbed(self) -> bool:
        """Never: nobody sets lab time."""
        return False

    async def sleep_until(self, when: float) -> None:
        """Return at lab time `when` or later, as soon as the event loop can; at once if it has passed."""
        while (left := when - self.now()) > 0:
            await asyncio.sleep(min(left / self.factor, NAP))
