"""Lab time that passes while nothing else happens: packets take none of it, and hours of waiting take no real time.

With a clock that is merely faster, what a busy machine adds to a message counts a few hundred times.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
QUIET = 0.001  # real seconds without a packet after which nothing is under way: on loopback none takes as long


class SteppingClock:
    """Lab seconds since 1970 UTC, from `start` (default: now) on. Its time stands still until `step`."""

    def __init__(self, start: float | None = None) -> None:
        self._now = time.time() if start is None else start
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        """Lab time."""
        return self._now

    def bound(self, offset: float) -> None:
        """Nothing: the lab's servers sign with real time, so that their offset says nothing about lab time."""

    def disturbed(self) -> bool:
        """Never: nobody sets lab time."""
        return False

    async def sleep_until(self, when: float) -> None:
        """Return once it is `when`; at once if that has passed."""
        if when <= self._now:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (when, self._count, done))
        await done

    def step(self) -> bool:
        """Make it the time at which the next of those who wait goes on, and let it; False: nobody waits."""
        while self._waiting:
            when, _, done = heapq.heappop(self._waiting)
            if not done.done():
                self._now = max(self._now, when)
                done.set_result(None)
                return True
        return False


class _Stepping(selectors.DefaultSelector):
    """An event loop asks it for events; with a timeout other than 0 only where it has nothing else to do."""

    def __init__(self, clock: SteppingClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        """As the system's, but time goes on instead of passing."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        ready = super().select(QUIET if timeout is None else min(QUIET, timeout))
        if ready or self._clock.step():
            return ready
        return super().select(timeout)


def run_stepped(main: Callable[[SteppingClock], Coroutine[Any, Any, Result]]) -> Result:
    """Run `main(clock)` in an event loop of its own. Everything that it talks to must live in that loop."""
    clock = SteppingClock()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Stepping(clock))) as runner:
        return runner.run(main(clock))
