"""Queues, retries, and what the journal keeps of what was told."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Collection

import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import load_events
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.errors import Unavailable
from dns_cutover.notify.interface import Failed, Notification
from dns_cutover.notify.notifier import Notifier, Patience
from dns_cutover.notify.outbox import ATTEMPTS, LIMIT, Delivery, Outbox
from dns_cutover.plan.notify_models import KINDS, Kind
from dns_cutover.store.memory import MemoryStore
from tests.unit.notify.stories import journal, one, stored, told


class Fake:
    """A receiver: `does` may raise, or wait."""

    def __init__(self, does: Callable[[Notification], None] = lambda n: None, on: Collection[Kind] = KINDS) -> None:
        self.does = does
        self.on = on
        self.tried: list[str] = []
        self.got: list[str] = []

    def wants(self, kind: Kind) -> bool:
        return kind in self.on

    def send(self, notification: Notification) -> None:
        self.tried.append(notification.id)
        self.does(notification)
        self.got.append(notification.id)


def box(fake: Fake) -> tuple[Outbox, list[Delivery]]:
    reports: list[Delivery] = []
    return Outbox("hook", fake, reports.append, rng=random.Random(1), backoff=0.001), reports


def fail(times: int, *, again: bool = True, after: float = 0.0) -> Callable[[Notification], None]:
    left = [times]

    def does(n: Notification) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise Failed("hook answers 503", again=again, after=after)

    return does


def numbered(count: int) -> list[Notification]:
    return [one("step", id=f"r-{n}", seq=n) for n in range(count)]


def settle(outbox: Outbox) -> None:
    assert outbox.drain(time.monotonic() + 20)
    outbox.close()


def test_what_fails_for_a_while_is_delivered_and_order_is_kept():
    fake = Fake(fail(ATTEMPTS - 1))
    outbox, reports = box(fake)
    for n in numbered(3):
        outbox.put([n])
    settle(outbox)
    assert fake.got == ["r-0", "r-1", "r-2"]
    assert len(fake.tried) == 3 + ATTEMPTS - 1
    assert [(r.seq, r.trouble) for r in reports] == [(0, ""), (1, ""), (2, "")]


def test_attempts_are_bounded_and_the_next_one_is_tried():
    fake = Fake(fail(ATTEMPTS))
    outbox, reports = box(fake)
    for n in numbered(2):
        outbox.put([n])
    settle(outbox)
    assert fake.tried == ["r-0"] * ATTEMPTS + ["r-1"]
    assert [(r.seq, r.trouble) for r in reports] == [(0, "hook answers 503"), (1, "")]


def test_what_cannot_succeed_is_tried_once():
    fake = Fake(fail(1, again=False))
    outbox, reports = box(fake)
    outbox.put(numbered(1))
    settle(outbox)
    assert len(fake.tried) == 1
    assert reports[0].trouble == "hook answers 503"


def test_a_fault_of_the_sender_is_told_by_its_type_alone():
    def broken(n: Notification) -> None:
        raise KeyError("canary")

    outbox, reports = box(Fake(broken))
    outbox.put(numbered(1))
    settle(outbox)
    assert reports[0].trouble == "hook: the notification itself failed (KeyError)"


def test_the_wait_that_a_receiver_asks_for_is_kept(monkeypatch):
    """Retry-After is longer than the back-off: the outbox sleeps for it, and wakes when it is closed."""
    asked = threading.Event()

    def does(n: Notification) -> None:
        asked.set()
        raise Failed("hook answers 429", again=True, after=3600.0)

    fake = Fake(does)
    outbox, reports = box(fake)
    outbox.put(numbered(1))
    assert asked.wait(20)
    assert not outbox.drain(0.0)
    thread = outbox._thread
    assert thread is not None
    outbox.close()
    thread.join(20)
    assert not thread.is_alive()
    assert fake.tried == ["r-0"]
    assert reports == []  # neither told nor given up: the next driver's


def test_a_queue_is_bounded_and_keeps_the_latest():
    hold, begun = threading.Event(), threading.Event()

    def does(n: Notification) -> None:
        begun.set()
        hold.wait(20)

    fake = Fake(does)
    outbox, reports = box(fake)
    outbox.put(numbered(1))
    assert begun.wait(20)
    for n in numbered(LIMIT + 11)[1:]:
        outbox.put([n])
    hold.set()
    settle(outbox)
    assert fake.got == ["r-0", *(f"r-{n}" for n in range(11, LIMIT + 11))]
    assert "waited too long" in reports[0].trouble


def test_what_one_event_gives_is_told_as_a_whole():
    outbox, reports = box(Fake())
    outbox.put([one("step", id="a", seq=5), one("confirm", id="b", seq=5), one("hold", id="c", seq=6)])
    settle(outbox)
    assert [r.seq for r in reports] == [5, 6]


def test_a_receiver_that_hangs_keeps_neither_the_queue_s_owner_nor_its_end():
    hold, begun = threading.Event(), threading.Event()

    def does(n: Notification) -> None:
        begun.set()
        hold.wait(20)

    fake = Fake(does)
    outbox, _ = box(fake)
    outbox.put(numbered(5))
    assert begun.wait(20)
    assert not outbox.drain(0.0)
    outbox.close()  # returns although the sender is still in its call
    assert fake.got == []
    assert outbox._thread is not None
    assert outbox._thread.daemon
    hold.set()


# The journal as the outbox


def notifier(store: MemoryStore, warnings: list[str], **senders: Fake) -> Notifier:
    return Notifier("r", senders, store, SystemClock(), warnings.append, rng=random.Random(1), backoff=0.001)


def recent(events: tuple[ev.Event, ...]) -> tuple[ev.Event, ...]:
    """The same journal, as if it were of today: what is old is not told."""
    import dataclasses

    shift = SystemClock().now() - events[-1].ts
    return tuple(dataclasses.replace(e, ts=e.ts + shift) for e in events)


async def follow(made: Notifier, store: MemoryStore, events: tuple[ev.Event, ...], start: int) -> None:
    """Events `start` and later, as a driver stores and shows them."""
    from dns_cutover.engine.journal import to_envelope

    state = fold("r", await load_events("r", store))
    for event in events[start:]:
        while not await store.append([to_envelope("r", state.seq, event)]):
            for late in (await load_events("r", store))[state.seq :]:
                state = evolve(state, late)
                made.event(state, late)
        state = evolve(state, event)
        made.event(state, event)
        await made.keep()


async def test_told_and_kept():
    events = recent(journal(broken=True))
    store = await stored(events[:1])
    fake, warnings = Fake(), []
    made = notifier(store, warnings, hook=fake)
    made.begin(await load_events("r", store))
    await follow(made, store, events, 1)
    await made.close(Patience(20.0))
    assert fake.got == [n.id for n in told(await load_events("r", store))]
    marks = [e for e in await load_events("r", store) if isinstance(e, ev.Told)]
    state = fold("r", await load_events("r", store))
    assert state.final
    assert state.told["hook"] == max(int(i.split("-")[2]) for i in fake.got)
    assert not any(m.lost for m in marks)
    assert warnings == []


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("seed", range(6))
async def test_whoever_takes_over_tells_what_was_not_told(seed, broken):
    """A driver dies at any moment: between an event and its telling, between the telling and its mark. Nothing is lost,
    and what is told twice has the same id and is what one death could not keep.
    """
    rng = random.Random(seed)
    events = recent(journal(broken=broken))
    store = await stored(events[:1])
    got: list[str] = []
    at, deaths = 1, 0
    while True:
        fake, warnings = Fake(lambda n: got.append(n.id)), []
        made = notifier(store, warnings, hook=fake)
        made.begin(await load_events("r", store))
        upto = min(len(events), at + rng.randrange(1, 25))
        await follow(made, store, events[:upto], at)
        at = upto
        if at == len(events):
            await made.close(Patience(20.0))
            break
        deaths += 1
        for outbox in made._outboxes:
            if rng.random() < 0.5:
                outbox.drain(time.monotonic() + 20)
            outbox.close()  # the process is gone: what was reported by now is not kept any more
            thread = outbox._thread
            if thread is not None:
                await asyncio.to_thread(thread.join, 20)
        made._unkept.clear()
    expected = [n.id for n in told(await load_events("r", store))]
    assert set(got) == set(expected)
    assert sorted(set(got), key=got.index) == expected
    assert deaths
    final = fold("r", await load_events("r", store))
    assert final.final
    # Another driver has nothing more to tell.
    after = Fake()
    idle = notifier(store, [], hook=after)
    idle.begin(await load_events("r", store))
    await idle.close(Patience(20.0))
    assert after.got == []


async def test_a_receiver_that_fails_is_warned_of_once_and_what_was_given_up_is_not_told_later():
    events = recent(journal())
    store = await stored(events)
    warnings: list[str] = []
    fake = Fake(fail(10_000, again=False))
    made = notifier(store, warnings, hook=fake)
    made.begin(await load_events("r", store))
    await made.close(Patience(20.0))
    assert warnings == ["a notification was given up: hook answers 503; the run goes on"]
    assert [e.lost for e in await load_events("r", store) if isinstance(e, ev.Told)] == [True]
    later = Fake()
    again = notifier(store, [], hook=later)
    again.begin(await load_events("r", store))
    await again.close(Patience(20.0))
    assert later.got == []


async def test_at_the_end_of_a_process_what_waits_is_left_to_the_next_one():
    events = recent(journal())
    store = await stored(events)
    hold = threading.Event()
    warnings: list[str] = []
    made = notifier(store, warnings, hook=Fake(lambda n: hold.wait(20) and None))
    made.begin(await load_events("r", store))
    patience = Patience(0.05)
    await made.close(patience)
    assert patience.left == 0.0
    assert warnings == ["some notifications are not delivered yet: whoever drives the run next sends them"]
    assert not [e for e in await load_events("r", store) if isinstance(e, ev.Told)]
    hold.set()
    later = Fake()
    again = notifier(store, [], hook=later)
    again.begin(await load_events("r", store))
    await again.close(Patience(20.0))
    assert later.got == [n.id for n in told(events)]


async def test_a_store_that_cannot_be_written_costs_only_the_mark(monkeypatch):
    events = recent(journal())
    store = await stored(events)

    async def full(_: object) -> bool:
        raise Unavailable("the store is full")

    monkeypatch.setattr(store, "append", full)
    fake = Fake()
    made = notifier(store, [], hook=fake)
    made.begin(await load_events("r", store))
    await made.close(Patience(20.0))
    assert fake.got == [n.id for n in told(events)]


async def test_what_is_a_day_old_is_no_news_and_filters_hold():
    old = journal()  # of the simulation's own time, long ago
    store = await stored(old)
    fake = Fake()
    made = notifier(store, [], hook=fake)
    made.begin(await load_events("r", store))
    await made.close(Patience(20.0))
    assert fake.tried == []
    events = recent(journal(broken=True))
    store = await stored(events)
    fake = Fake(on=("rollback", "end"))
    made = notifier(store, [], hook=fake)
    made.begin(await load_events("r", store))
    await made.close(Patience(20.0))
    assert [i.rsplit("-", 1)[1] for i in fake.got] == ["rollback", "end"]
