"""On a terminal: a permanent line for each thing that was done, and below it the live block."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from dns_cutover.engine.actions import Wait
from dns_cutover.engine.events import Event
from dns_cutover.engine.state import RunState
from dns_cutover.lookup.interface import ResolverRow
from dns_cutover.report.block import View, run_block
from dns_cutover.report.narrate import Line, narrate
from dns_cutover.report.stream import is_terminal, wants_ascii
from dns_cutover.report.words import clock, local_zone, mark, safe

_LEVELS = {
    "OK": "green",
    "WARN": "yellow",
    "FAIL": "red",
    "UNDO": "yellow",
    "NEED": "yellow",
    "DONE": "bold",
    "INFO": "dim",
}


class TerminalWatcher:
    """Implements `engine.ports.Watcher` and draws. Use as a context manager; `now` gives seconds UTC."""

    def __init__(self, console: Console, now: Callable[[], float], zone: tzinfo | None = None) -> None:
        self._console = console
        self._now = now
        self._zone = zone or local_zone()
        self._ascii = wants_ascii()
        self._state: RunState | None = None
        self._wait: Wait | None = None
        self._rows: tuple[ResolverRow, ...] = ()
        self._live = Live(
            console=console,
            refresh_per_second=2,
            transient=True,
            get_renderable=self._render,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> TerminalWatcher:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> Group | Text:
        if self._state is None:
            return Text()
        size = self._console.size
        view = View(
            self._state, self._wait, self._rows, self._now(), self._zone, size.width, size.height - 1, self._ascii
        )
        return Group(*run_block(view))

    def event(self, state: RunState, event: Event) -> None:
        """One permanent line for what people need to see."""
        if self._state is not None and state.step is not self._state.step:
            self._rows = ()
        self._state, self._wait = state, None
        if (line := narrate(state, event)) is not None:
            self._line(event.ts, line)

    def note(self, run_id: str, tag: str, text: str) -> None:
        """A permanent line for a warning that is no event of the run."""
        self._line(self._now(), Line("WARN", "mind", tag, text))

    def _line(self, ts: float, line: Line) -> None:
        style = _LEVELS[line.level]
        text = Text.assemble(
            (clock(ts, self._now(), self._zone), "dim"),
            " ",
            (mark(line.mark, ascii_only=self._ascii), style),
            f" {safe(line.tag):<18} ",
            safe(line.text),
        )
        self._console.print(text, soft_wrap=False)

    def waiting(self, state: RunState, wait: Wait) -> None:
        """The block shows it."""
        self._state, self._wait = state, wait

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """The block shows them."""
        self._rows = rows


def stderr_console() -> Console:
    """Where people read: standard error, so that standard output stays for data."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


__all__ = ["TerminalWatcher", "is_terminal", "stderr_console", "wants_ascii"]
