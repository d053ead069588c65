"""Where a driven run is shown: a terminal or plain lines, a file of events. Nothing of it can end a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from dns_cutover.errors import Unavailable

if TYPE_CHECKING:
    from typing import TextIO

    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.events import Event
    from dns_cutover.engine.ports import Watcher
    from dns_cutover.engine.state import RunState
    from dns_cutover.lookup.interface import ResolverRow


class Screen(Protocol):
    """A watcher that can also show a warning that is no event."""

    def event(self, state: RunState, event: Event) -> None:
        """See engine.ports.Watcher."""
        ...

    def waiting(self, state: RunState, wait: Wait) -> None:
        """See engine.ports.Watcher."""
        ...

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """See engine.ports.Watcher."""
        ...

    def note(self, run_id: str, tag: str, text: str) -> None:
        """One line."""
        ...


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


class EventsOut:
    """`--events`: whole lines, appended to a file or to standard output. When they cannot be written that is told
    once, and what is lost is in the journal; whatever half of a line went out gets an end of its own.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._torn = False
        self._lost = False
        self.told: Callable[[str], None] = lambda text: None

    def write(self, text: str) -> int:
        """Never raises."""
        data = ("\n" if self._torn else "").encode() + text.encode("utf-8", "backslashreplace")
        total = len(data)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as exc:
            # A line of which something went out stays torn until its end can be written.
            self._torn = self._torn or len(data) < total
            if not self._lost:
                self._lost = True
                reason = (exc.strerror or "no reason given").lower()
                self.told(f"events cannot be written to {self._name}: {reason}. The run goes on, its journal has them")
        else:
            self._torn = self._lost = False
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Standard output stays open."""
        if self._descriptor > 2:
            os.close(self._descriptor)


def open_events(path: Path | None) -> EventsOut | None:
    """Before a run begins: what is wrong with the file is told while nothing has been done. Raises Unavailable."""
    if path is None:
        return None
    if str(path) == "-":
        return EventsOut(1, "standard output")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "the name is not valid"
        raise Unavailable(
            f"{path} cannot be opened for the events",
            f"{reason[:1].upper()}{reason[1:]}. Nothing was done.",
            ("name another file with --events, or - for standard output",),
        ) from None
    return EventsOut(descriptor, str(path))


def open_screen(stack: ExitStack, now: Callable[[], float]) -> Screen:
    """A live view on a terminal, plain lines elsewhere."""
    from dns_cutover.report.plain import PlainWatcher
    from dns_cutover.report.terminal import TerminalWatcher, is_terminal, stderr_console

    if is_terminal():
        return stack.enter_context(TerminalWatcher(stderr_console(), now))
    return PlainWatcher(sys.stderr, now)


def events_watcher(out: EventsOut) -> Watcher:
    """The journal as JSON lines."""
    from dns_cutover.report.plain import JsonLinesWatcher

    return JsonLinesWatcher(cast("TextIO", out))
