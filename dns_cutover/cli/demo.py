"""`demo`: a whole cutover on loopback, once to the end and once rolled back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from dns_cutover.engine.ports import Watcher


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def demo() -> None:
    """Move mail on the lab twice: to the end, and with a rollback."""
    import asyncio

    from dns_cutover.lab.demo import demo as play

    if not asyncio.run(play(_watcher)):
        raise typer.Exit(1)


@contextmanager
def _watcher(now: Callable[[], float]) -> Iterator[Watcher]:
    from dns_cutover.report.plain import PlainWatcher
    from dns_cutover.report.terminal import TerminalWatcher, is_terminal, stderr_console

    if is_terminal():
        with TerminalWatcher(stderr_console(), now) as watcher:
            yield watcher
    else:
        yield PlainWatcher(sys.stderr, now)
