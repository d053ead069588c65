"""Driving a run from a terminal or a job: views, signals, and the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns_cutover.assembly import Setting
    from dns_cutover.cli.break_glass import BreakGlass
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.events import Event
    from dns_cutover.engine.ports import BoundedClock, Watcher
    from dns_cutover.engine.state import RunState
    from dns_cutover.lookup.interface import ResolverRow
    from dns_cutover.store.interface import Store


class Interrupted(Exception):
    """A signal asked to stop; nothing is in flight."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class InterruptibleClock:
    """A clock whose waits end when a signal came. Calls in flight are finished first: only waits are cut short."""

    def __init__(self, inner: BoundedClock) -> None:
        self._inner = inner
        self._stop = asyncio.Event()
        self._number = 0

    def now(self) -> float:
        """Seconds UTC."""
        return self._inner.now()

    def bound(self, offset: float) -> None:
        """See SystemClock."""
        self._inner.bound(offset)

    def interrupt(self, number: int) -> None:
        """The first time: stop at the next wait. The second time: at once; still safe."""
        if self._stop.is_set():
            os._exit(128 + number)
        self._number = number
        self._stop.set()

    async def sleep_until(self, when: float) -> None:
        """Raises Interrupted."""
        sleeper = asyncio.ensure_future(self._inner.sleep_until(when))
        stopper = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({sleeper, stopper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            stopper.cancel()
        if self._stop.is_set():
            raise Interrupted(self._number)


class Fan:
    """Several watchers as one."""

    def __init__(self, watchers: list[Watcher]) -> None:
        self._watchers = watchers

    def event(self, state: RunState, event: Event) -> None:
        """To all."""
        for w in self._watchers:
            w.event(state, event)

    def waiting(self, state: RunState, wait: Wait) -> None:
        """To all."""
        for w in self._watchers:
            w.waiting(state, wait)

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """To all."""
        for w in self._watchers:
            w.resolvers(state, rows)


async def drive_run(
    state: RunState,
    store: Store,
    setting: Setting,
    *,
    wait: bool,
    events: Path | None = None,
    allow_commands: bool = False,
    scripts: Path | None = None,
) -> int:
    """Drive the run to its end, to a hold that needs a person, or to a signal; say so; return the exit code.

    `scripts`: the folder in which the scripts are kept that take the run back by hand.
    """
    from dns_cutover.assembly import ports
    from dns_cutover.cli.break_glass import BreakGlass
    from dns_cutover.engine.driver import drive

    glass = BreakGlass(scripts) if scripts is not None else None
    if glass is not None:
        glass.write(state)
        sys.stderr.write(glass.complaint() or (glass.mention() if state.seq == 1 else ""))

    clock = InterruptibleClock(setting.clock)
    setting.clock = clock
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, clock.interrupt, number)
    with ExitStack() as stack:
        watcher = _watcher(stack, clock, events, glass)
        wired = ports(state.book, store, setting, watcher=watcher, allow_commands=allow_commands)
        try:
            state, waiting = await drive(state, wired, wait=wait)
        except Interrupted as stop:
            stack.close()
            _say_interrupted(state.run_id, stop.number)
            sys.stderr.write(glass.mention() if glass is not None else "")
            return 128 + int(stop.number)
    _say_end(state, waiting, glass)
    return exit_code(state, waiting)


def _watcher(
    stack: ExitStack, clock: InterruptibleClock, events: Path | None, glass: BreakGlass | None = None
) -> Watcher:
    from dns_cutover.report.plain import JsonLinesWatcher, PlainWatcher
    from dns_cutover.report.terminal import TerminalWatcher, is_terminal, stderr_console

    watchers: list[Watcher] = [glass] if glass is not None else []
    if is_terminal():
        watchers.append(stack.enter_context(TerminalWatcher(stderr_console(), clock.now)))
    else:
        watchers.append(PlainWatcher(sys.stderr, clock.now))
    if events is not None:
        out = sys.stdout if str(events) == "-" else stack.enter_context(events.open("a", encoding="utf-8"))
        watchers.append(JsonLinesWatcher(out))
    return Fan(watchers)


def exit_code(state: RunState, waiting: Wait | None) -> int:
    """DESIGN section 10."""
    from dns_cutover.report.status import EXIT_CODES

    if state.final and state.outcome is not None:
        return EXIT_CODES[state.outcome]
    if waiting is not None and waiting.kind == "conflict":
        return 4 if state.hold is None or state.hold.kind == "conflict" else 1
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


def _say_end(state: RunState, waiting: Wait | None, glass: BreakGlass | None = None) -> None:
    from dns_cutover.report.summary import summary_text

    sys.stderr.write(summary_text(state, waiting, glass.kept if glass is not None else None))
