"""`tick --all`: what is due in every run, and nothing for the others."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns_cutover.cli.common import Globals
    from dns_cutover.cli.driving import Session
    from dns_cutover.engine.events import Event
    from dns_cutover.engine.state import RunState
    from dns_cutover.store.interface import RunEntry, Store

# Exit codes by how much they want somebody to look, the least first (DESIGN section 10).
_URGENT = (0, 75, 8, 6, 5, 4, 3, 64, 1, 7)
SHORT = 40  # events: a journal of so many is read at once
TAIL = 8  # events at the end of a journal that tell whether a run is over
FRESH = 30.0  # seconds: a runner elsewhere that stored something so lately is still at it
ALIVE = 120.0  # seconds: a process that lives on this machine gets so long to do what is due
_DAY = 86400.0


async def tick_all(options: Globals, events: Path | None, allow_commands: bool) -> int:
    """What is due in every run, one after the other. The exit code is that of the run that needs a person most.

    Runs that wait are not connected to anything, and one that another process is driving is left to it. A signal ends
    it after the call in flight.
    """
    from dns_cutover.cli.driving import session
    from dns_cutover.cli.outlets import open_events
    from dns_cutover.errors import CutoverError
    from dns_cutover.report.errors import error_text

    codes, store = [0], options.open()
    with session(open_events(events), allow_commands=allow_commands, scripts=options.scripts) as one:
        for entry in await store.runs():
            if one.stop.number:
                return 128 + one.stop.number
            try:
                codes.append(await _tick(entry, store, one))
            except CutoverError as exc:  # one run's trouble must not keep the others waiting
                sys.stderr.write(error_text(exc))
                codes.append(exc.exit_code)
    return max(codes, key=lambda code: _URGENT.index(code) if code in _URGENT else len(_URGENT))


async def _tick(entry: RunEntry, store: Store, one: Session) -> int:
    """Raises CutoverError."""
    from dns_cutover.assembly import Setting
    from dns_cutover.cli.driving import drive_run, exit_code, tell_rest
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.decide import decide
    from dns_cutover.engine.driver import TakenOver, load_events
    from dns_cutover.engine.events import Finished, Reopened, Told
    from dns_cutover.engine.fold import fold
    from dns_cutover.engine.journal import from_envelope

    setting = Setting()
    now = setting.clock.now()
    if entry.length > SHORT:
        # A run that is over is told from its end: journals of past runs are many, and long.
        tail = [from_envelope(e) for e in await store.load(entry.run_id, entry.length - TAIL)]
        ends = [e for e in tail if isinstance(e, Finished | Reopened)]
        over = bool(ends) and isinstance(ends[-1], Finished)
        if over and (now - entry.updated > _DAY or any(isinstance(e, Told) for e in tail)):
            return 0
    past = await load_events(entry.run_id, store)
    state = fold(entry.run_id, past)
    if state.final:
        await tell_rest(state, store, setting, one)
        return 0
    action = decide(state, now)
    if isinstance(action, Wait):
        # By this machine's clock: if it is ahead the driver finds out, if it is behind the next tick comes later.
        return exit_code(state, action)
    if driven_elsewhere(state, past, now):
        return 75
    try:
        return await drive_run(state, store, setting, one, wait=False)
    except TakenOver:
        return 75  # at the same moment somebody else took it up


def driven_elsewhere(state: RunState, past: tuple[Event, ...], now: float) -> bool:
    """Whether another process seems to be doing what is due. Being wrong either way is safe: the journal lets one in.

    On this machine a process can be looked at; of others it is known only when they last stored something.
    """
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.decide import decide
    from dns_cutover.engine.events import Command, Told

    host, _, rest = state.runner.rpartition(":")[0].rpartition(":")
    last = max((e.ts for e in past if not isinstance(e, Command | Told)), default=0.0)
    if host == socket.gethostname():
        if not _lives(rest):
            return False
        return now - last < ALIVE or isinstance(decide(state, now - ALIVE), Wait)
    return bool(state.runner) and now - last < FRESH


def _lives(pid: str) -> bool:
    try:
        number = int(pid)
        if number == os.getpid():
            return False
        os.kill(number, 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
