"""Delivery to one receiver, in a thread of its own: the run never waits for it."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dns_cutover.notify.interface import Failed, Notification, Sender

LIMIT = 100  # notifications that wait; then the oldest is given up
ATTEMPTS = 5
BACKOFF = 1.0  # seconds before the second attempt; four times as many before each further one


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of everything up to the event `seq`. `trouble` is a few words where it was given up, or empty."""

    target: str
    seq: int
    trouble: str = ""


class Outbox:
    """One receiver's queue. `report` is called in the outbox's thread; it must neither block nor raise.

    The thread is a daemon: whatever a receiver does, the process can end.
    """

    def __init__(
        self,
        name: str,
        sender: Sender,
        report: Callable[[Delivery], None],
        *,
        rng: random.Random,
        backoff: float = BACKOFF,
    ) -> None:
        self.name = name
        self._sender = sender
        self._report = report
        self._rng = rng
        self._backoff = backoff
        self._queue: deque[Notification] = deque()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._closed = False

    def put(self, notifications: Sequence[Notification]) -> None:
        """Those that the receiver wants; what one event gives is put in one call. Returns at once."""
        wanted = [n for n in notifications if self._sender.wants(n.kind)]
        if not wanted:
            return
        lost: list[Notification] = []
        with self._change:
            self._queue.extend(wanted)
            while len(self._queue) > LIMIT:
                lost.append(self._queue.popleft())
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name=f"notify {self.name}", daemon=True)
                self._thread.start()
            self._change.notify_all()
        if lost:
            self._report(Delivery(self.name, lost[-1].seq, f"{len(lost)} waited too long and were given up"))

    def drain(self, until: float) -> bool:
        """Wait until everything is delivered or given up, or until `until` of the monotonic clock."""
        with self._change:
            return self._change.wait_for(lambda: not self._queue and not self._busy, max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Begin nothing any more; what waits is left to the run's next driver."""
        with self._change:
            self._closed = True
            self._queue.clear()
            self._change.notify_all()

    def _work(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                self._busy = True
                notification = self._queue.popleft()
                # What one event gives is told as a whole, or is told again as a whole.
                complete = not self._queue or self._queue[0].seq != notification.seq
            trouble = self._deliver(notification)
            if trouble is None:
                continue  # closed meanwhile
            if trouble or complete:
                self._report(Delivery(self.name, notification.seq if complete else notification.seq - 1, trouble))

    def _deliver(self, notification: Notification) -> str | None:
        """What is wrong in the end, empty if it is delivered, None if it was broken off."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._sender.send(notification)
            except Failed as exc:
                if not exc.again or attempt == ATTEMPTS:
                    return exc.why
                pause = self._backoff * 4 ** (attempt - 1) * self._rng.uniform(0.8, 1.2)
                with self._change:
                    if self._change.wait_for(lambda: self._closed, max(pause, exc.after)):
                        return None
            except Exception as exc:
                # A fault of this program must not end the telling, and its text may quote what was sent.
                return f"{self.name}: the notification itself failed ({type(exc).__name__})"
            else:
                return ""
        return ""
