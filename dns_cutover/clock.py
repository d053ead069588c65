"""Time as an argument. Everything that needs the time is given a Clock; nothing else reads one."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since 1970 UTC, and sleeping until such a time."""

    def now(self) -> float:
        """The present, in seconds since 1970 UTC. Never goes backwards within one process."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return at `when` or later; at once if it has passed."""
        ...


class SystemClock:
    """The wall clock at creation, continued by the monotonic clock: a clock set back or forth is ignored.

    `offset` (provider's clock minus ours, seconds) bounds it: the earlier of the two clocks counts, so that no wait
    is cut short by a runner whose clock is ahead.
    """

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        return self._base + time.monotonic()

    def bound(self, offset: float) -> None:
        """Take the provider's clock as the later bound; `offset` is its time minus ours, in seconds."""
        self._base = min(self._base, time.time() + offset - time.monotonic())

    async def sleep_until(self, when: float) -> None:
        """Sleep in short naps: a suspended machine wakes to the right time."""
        while (left := when - self.now()) > 0:
            await asyncio.sleep(min(left, 5.0))
