"""Time as an argument. Everything that needs the time is given a Clock; nothing else reads one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Seconds since 1970 UTC, and sleeping until such a time."""

    def now(self) -> float:
        """The present, in seconds since 1970 UTC. Never goes backwards within one process."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return at `when` or later; at once if it has passed."""
        ...


APART = 2.0  # seconds between two clocks of one machine that their slewing does not explain


def steady() -> float:
    """Seconds since some moment, by a clock that nobody can set and that goes on while the machine is asleep.

    Linux stops CLOCK_MONOTONIC in a suspend, and has CLOCK_BOOTTIME (clock_gettime(2)); elsewhere CLOCK_MONOTONIC goes
    on, as POSIX has it, though Python's own `time.monotonic` may be another clock.
    """
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


class SystemClock:
    """The wall clock at creation, continued by a steady clock: a clock set back or forth later is ignored, and a
    machine that was asleep knows how long.

    `bound` puts the provider's signed clock in its place, before the first decision: the clock that all machines share.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = steady) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._base = self._apart = wall() - elapsed()

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        return self._base + self._elapsed()

    def bound(self, offset: float) -> None:
        """Take over the provider's clock, which is signed; `offset` is its time minus ours, in seconds.

        In both directions: a clock ahead would cut waits short, and a slow one would journal times that another
        machine, or this one once it is set right, takes for longer ago than they are.
        """
        self._apart = self._wall() - self._elapsed()
        self._base = self._apart + offset

    def disturbed(self) -> bool:
        """Whether the machine's clocks came apart since `bound`: somebody set one, or both stood still for a while, as
        those of a virtual machine do that is moved.
        """
        return abs(self._wall() - self._elapsed() - self._apart) > APART

    async def sleep_until(self, when: float) -> None:
        """Sleep in short naps: a suspended machine wakes to the right time."""
        while (left := when - self.now()) > 0:
            await asyncio.sleep(min(left, 5.0))
