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
    """The wall clock at creation, continued by the monotonic clock: a clock set back or forth later is ignored.

    `bound` puts the provider's signed clock in its place, before the first decision: the clock that all machines share.
    """

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        return self._base + time.monotonic()

    def bound(self, offset: float) -> None:
        """Take over the provider's clock, which is signed; `offset` is its time minus ours, in seconds.

        In both directions: a clock ahead would cut waits short, and a slow one would journal times that another
        machine, or this one once it is set right, takes for longer ago than they are.
        """
        self._base = time.time() + offset - time.monotonic()

    async def sleep_until(self, when: float) -> None:
        """Sleep in short naps: a suspended machine wakes to the right time."""
        while (left := when - self.now()) > 0:
            await asyncio.sleep(min(left, 5.0))
