"""A watcher that tells people what the journal says, and keeps in the journal what was told.

The journal is the outbox: what an event means to people follows from it, and a `told` event says up to where each
receiver was told. A runner that takes over a run tells what the one before it could not; what was told and not yet kept
when a runner died is told once more, under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dns_cutover.clock import Clock
from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Wait
from dns_cutover.engine.driver import append_told
from dns_cutover.engine.fold import evolve, start
from dns_cutover.engine.state import RunState
from dns_cutover.errors import Unavailable
from dns_cutover.lookup.interface import ResolverRow
from dns_cutover.notify.interface import Notification, Sender
from dns_cutover.notify.outbox import BACKOFF, LIMIT, Delivery, Outbox
from dns_cutover.notify.telling import tell
from dns_cutover.store.interface import Store

PATIENCE = 5.0  # seconds that a process waits at its end, for all its runs together
MAX_AGE = 86400.0  # seconds: what is older is news to nobody


@dataclass(slots=True)
class Patience:
    """How long a process may still wait for receivers when it has nothing else to do."""

    left: float = PATIENCE

    def spend(self, seconds: float) -> None:
        """That much of it is gone."""
        self.left = max(0.0, self.left - seconds)


@dataclass(slots=True)
class _Seen:
    """What this process knows of the journal: the state, and up to where each receiver has been given things."""

    state: RunState | None = None
    given: dict[str, int] = field(default_factory=dict)


class Notifier:
    """Implements `engine.ports.Watcher`. `senders` by the names of the runbook's `notify`; `warn` shows one line.

    Use: `begin` with the events that there are, then as a watcher of a driver, `close` at the end.
    """

    def __init__(
        self,
        run_id: str,
        senders: Mapping[str, Sender],
        store: Store,
        clock: Clock,
        warn: Callable[[str], None],
        *,
        rng: random.Random,
        backoff: float = BACKOFF,
    ) -> None:
        self._run_id = run_id
        self._store = store
        self._clock = clock
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._outboxes = [Outbox(n, s, self._from_thread, rng=rng, backoff=backoff) for n, s in senders.items()]
        self._seen = _Seen()
        self._unkept: dict[str, Delivery] = {}
        self._troubled: set[str] = set()
        self._length = 0

    def begin(self, events: Iterable[ev.Event]) -> None:
        """Take in the journal as it is, and tell what nobody was told yet."""
        pending: list[tuple[Notification, ...]] = []
        state: RunState | None = None
        for event in events:
            before, state = state, _after(self._run_id, state, event)
            pending.append(tuple(tell(before, event, state)))
        if state is None:
            return
        self._seen.state, self._length = state, state.seq
        oldest = self._clock.now() - MAX_AGE
        for outbox in self._outboxes:
            told = state.told.get(outbox.name, -1)
            due = [ns for ns in pending if ns and ns[0].seq > told and ns[0].at >= oldest]
            for ns in due[-LIMIT:]:
                outbox.put(ns)

    def event(self, state: RunState, event: ev.Event) -> None:
        """Queue what the event means to people."""
        before, self._seen.state = self._seen.state, state
        self._length = max(self._length, state.seq)
        if before is not None and state.seq <= before.seq:
            return
        notifications = tuple(tell(before, event, state))
        for outbox in self._outboxes if notifications else ():
            outbox.put(notifications)

    def waiting(self, state: RunState, wait: Wait) -> None:
        """Nothing: a wait is no event."""

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """Nothing: the journal has the counts."""

    def _from_thread(self, delivery: Delivery) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is about to end
            self._loop.call_soon_threadsafe(self._delivered, delivery)

    def _delivered(self, delivery: Delivery) -> None:
        self._unkept[delivery.target] = delivery
        if not delivery.trouble:
            self._troubled.discard(delivery.target)
        elif delivery.target not in self._troubled:
            # Once, until it works again: the run is what people look at.
            self._troubled.add(delivery.target)
            self._warn(f"a notification was given up: {delivery.trouble}; the run goes on")

    async def keep(self) -> None:
        """Append what was told to the journal. A store that cannot be written ends the run elsewhere; here it only
        means that somebody may be told twice.
        """
        if not self._unkept:
            return
        kept, self._unkept = self._unkept, {}
        now = self._clock.now()
        told = [ev.Told(now, d.target, d.seq, bool(d.trouble)) for d in kept.values() if d.seq >= 0]
        if told:
            with contextlib.suppress(Unavailable):
                self._length = await append_told(self._run_id, self._store, self._length, told)

    async def keeping(self) -> None:
        """Keep what was told, again and again, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            await self.keep()

    async def close(self, patience: Patience) -> None:
        """Give what waits a short time, then leave it to the run's next driver."""
        started = time.monotonic()
        until = started + patience.left
        done = True
        for outbox in self._outboxes:
            # In a thread, so that what is delivered meanwhile can be kept.
            while not (done_one := outbox.drain(0.0)) and time.monotonic() < until:
                await asyncio.sleep(0.02)
            done = done and done_one
        for outbox in self._outboxes:
            outbox.close()
        await asyncio.sleep(0)  # what the threads reported is taken in
        await self.keep()
        patience.spend(time.monotonic() - started)
        if not done:
            self._warn("some notifications are not delivered yet: whoever drives the run next sends them")


def _after(run_id: str, state: RunState | None, event: ev.Event) -> RunState:
    if state is None:
        assert isinstance(event, ev.Created)
        return start(run_id, event)
    return evolve(state, event)
