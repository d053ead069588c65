"""Driving a run from a terminal or a job: views, signals, notifications, and the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.cli.outlets import EventsOut, Fan, Screen, events_watcher, open_screen
from dns_cutover.errors import CutoverError, Unavailable

if TYPE_CHECKING:
    from dns_cutover.assembly import Setting
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.ports import BoundedClock, Watcher
    from dns_cutover.engine.state import RunState
    from dns_cutover.notify.notifier import Notifier, Patience
    from dns_cutover.store.interface import Store

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal asked to stop; nothing is in flight, and what happened is stored."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Stop:
    """Whether a signal asked to stop, and which one."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.number = 0

    def signal(self, number: int) -> None:
        """The first time: stop after the call in flight. The second time: at once; still safe."""
        if self.asked.is_set():
            os._exit(128 + number)
        self.number = number
        self.asked.set()

    def check(self) -> None:
        """Raises Interrupted."""
        if self.asked.is_set():
            raise Interrupted(self.number)


@contextmanager
def signals() -> Iterator[Stop]:
    """While a run is driven signals stop it in order. One that is ignored stays so: under nohup a run goes on when its
    terminal is gone.
    """
    stop, loop = Stop(), asyncio.get_running_loop()
    heard = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, stop.signal, number)
    try:
        yield stop
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


class InterruptibleClock:
    """A clock whose waits end when a signal came."""

    def __init__(self, inner: BoundedClock, stop: Stop) -> None:
        self._inner = inner
        self._stop = stop

    def now(self) -> float:
        """Seconds UTC."""
        return self._inner.now()

    def bound(self, offset: float) -> None:
        """See SystemClock."""
        self._inner.bound(offset)

    def disturbed(self) -> bool:
        """See SystemClock."""
        return self._inner.disturbed()

    async def sleep_until(self, when: float) -> None:
        """Raises Interrupted."""
        sleeper = asyncio.ensure_future(self._inner.sleep_until(when))
        stopper = asyncio.ensure_future(self._stop.asked.wait())
        try:
            await asyncio.wait({sleeper, stopper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            stopper.cancel()
        self._stop.check()


@dataclass(frozen=True, slots=True)
class Session:
    """What the runs that one process drives have in common. `scripts`: run id -> the folder in which the scripts are
    kept that take the run back by hand.
    """

    stop: Stop
    patience: Patience
    events: EventsOut | None = None
    allow_commands: bool = False
    scripts: Callable[[str], Path] | None = None


@contextmanager
def session(
    events: EventsOut | None, *, allow_commands: bool, scripts: Callable[[str], Path] | None = None
) -> Iterator[Session]:
    """For as long as this process drives runs."""
    from dns_cutover.notify.notifier import Patience

    try:
        with signals() as stop:
            yield Session(stop, Patience(), events, allow_commands, scripts)
    finally:
        if events is not None:
            events.close()


async def drive_run(state: RunState, store: Store, setting: Setting, one: Session, *, wait: bool) -> int:
    """Drive the run to its end, to a hold that needs a person, or to a signal; say so; return the exit code.

    Raises LockHeld, Unavailable.
    """
    from dns_cutover.assembly import ports
    from dns_cutover.cli.break_glass import BreakGlass
    from dns_cutover.engine.driver import drive, load_events
    from dns_cutover.report.summary import summary_text

    if not state.runner:
        from dns_cutover.cli.reserving import reserve

        await reserve(store, state, setting.clock.now())
    glass = BreakGlass(one.scripts(state.run_id)) if one.scripts is not None else None
    if glass is not None:
        glass.write(state)
        sys.stderr.write(glass.complaint() or (glass.mention() if state.seq == 1 else ""))
    setting.clock = InterruptibleClock(setting.clock, one.stop)
    with ExitStack() as stack:
        screen = open_screen(stack, setting.clock.now)
        watchers: list[Watcher] = [screen] if glass is None else [glass, screen]
        if one.events is not None:
            one.events.told = lambda text: screen.note(state.run_id, "events", text)
            told = events_watcher(one.events)
            if state.seq == 1:  # its beginning was stored before anybody watched
                told.event(state, (await load_events(state.run_id, store))[0])
            watchers.append(told)
        notifier = await _notifier(state, store, setting, one, screen)
        if notifier is not None:
            watchers.append(notifier)
        wired = ports(
            state.book,
            store,
            setting,
            watcher=Fan(watchers),
            allow_commands=one.allow_commands,
            pulse=one.stop.check,
        )
        try:
            async with _telling(notifier, one):
                state, waiting = await drive(state, wired, wait=wait)
        except Interrupted as stop:
            stack.close()
            _say_interrupted(state.run_id, stop.number)
            sys.stderr.write(glass.mention() if glass is not None else "")
            return 128 + int(stop.number)
        except Unavailable as exc:
            raise _and_resume(exc, state.run_id) from None
    sys.stderr.write(summary_text(state, waiting, glass.kept if glass is not None else None))
    return exit_code(state, waiting)


async def tell_rest(state: RunState, store: Store, setting: Setting, one: Session) -> None:
    """What nobody was told of a run that is over: the process that ended it may have died first."""
    if not state.book.notify:
        return
    with ExitStack() as stack:
        screen = open_screen(stack, setting.clock.now)
        async with _telling(await _notifier(state, store, setting, one, screen), one):
            pass


async def _notifier(state: RunState, store: Store, setting: Setting, one: Session, screen: Screen) -> Notifier | None:
    """Raises Unavailable if the journal cannot be read; whoever cannot be told is only warned of."""
    if not state.book.notify:
        return None
    from dns_cutover.assembly import usable_senders
    from dns_cutover.engine.driver import load_events
    from dns_cutover.notify.notifier import Notifier

    def warn(text: str) -> None:
        screen.note(state.run_id, "notify", text)

    usable, trouble = usable_senders(state.book, setting, allow_commands=one.allow_commands)
    for exc in trouble:
        warn(f"{exc.what}: the run goes on without it")
    notifier = Notifier(state.run_id, usable, store, setting.clock, warn, rng=setting.rng)
    notifier.begin(await load_events(state.run_id, store))
    return notifier


class _telling:
    """While it is entered what was told is kept in the journal; leaving it waits a short time for the rest."""

    def __init__(self, notifier: Notifier | None, one: Session) -> None:
        self._notifier = notifier
        self._one = one
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        if self._notifier is not None:
            self._task = asyncio.create_task(self._notifier.keeping())

    async def __aexit__(self, *_: object) -> None:
        if self._notifier is None or self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._notifier.close(self._one.patience)


def _and_resume(exc: Unavailable, run_id: str) -> CutoverError:
    """A store that is full or gone ends the driving, not the run: say how it goes on."""
    return Unavailable(
        exc.what,
        f"{exc.why} Run {run_id} is kept as it was last stored, and from now on nobody watches it.",
        (*exc.hints, f"dns-cutover resume {run_id}   go on, once that is repaired"),
        exc.facts,
    )


def exit_code(state: RunState, waiting: Wait | None) -> int:
    """DESIGN section 10."""
    from dns_cutover.report.status import EXIT_CODES

    if state.final and state.outcome is not None:
        return EXIT_CODES[state.outcome]
    if waiting is not None and waiting.kind == "conflict":
        return 4 if state.hold is None or state.hold.kind == "conflict" else 1
    if waiting is not None and (waiting.kind == "lock" or (state.hold is not None and state.hold.kind == "lock")):
        return 5
    return 75


def _say_interrupted(run_id: str, number: int) -> None:
    name = signal.Signals(number).name
    sys.stderr.write(
        f"Interrupted   by {name}. The run is kept, and DNS stays as it is.\n"
        f"{'live now':<14}Nobody watches the probes, nothing rolls back by itself.\n"
        f"{'Hint:':<14}dns-cutover resume {run_id}         go on, waits keep their end times\n"
        f"{'':<14}dns-cutover rollback {run_id}       put everything back\n"
        f"{'':<14}dns-cutover abort {run_id} --keep   end the run, leave the records as they are\n"
    )
