"""`demo`: a whole cutover on loopback, once to the end and once rolled back; or the incident, replayed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from dns_cutover.cli.common import json_text, write_text
from dns_cutover.cli.files import replace_file
from dns_cutover.errors import UsageError

if TYPE_CHECKING:
    from dns_cutover.engine.ports import Watcher


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


class Scenario(StrEnum):
    """What is shown."""

    CUTOVER = "cutover"
    INCIDENT = "incident"


class Format(StrEnum):
    """How the replay is shown."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def demo(
    scenario: Annotated[
        Scenario, typer.Option("--scenario", help="A cutover, or the incident in several ways of moving.")
    ] = Scenario.CUTOVER,
    arm: Annotated[
        list[str] | None, typer.Option("--arm", metavar="NAME", help="Of the incident: this way alone; repeatable.")
    ] = None,
    phases: Annotated[
        int | None,
        typer.Option("--phases", min=1, max=200, help="Of the incident: random cache phases for each kind; 20."),
    ] = None,
    output: Annotated[Format | None, typer.Option("--format", help="Of the incident: how it is shown.")] = None,
    file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Of the incident: write it there.")
    ] = None,
) -> None:
    """Move mail on the lab, twice, or replay the incident."""
    match scenario:
        case Scenario.INCIDENT:
            _incident(arm or [], phases, output or Format.TEXT, file)
            return
        case Scenario.CUTOVER:
            pass
        case _:
            assert_never(scenario)
    if arm or phases is not None or output is not None or file is not None:
        raise UsageError(
            "--arm, --phases, --format and -o belong to the incident", "", ("dns-cutover demo --scenario incident …",)
        )
    import asyncio

    from dns_cutover.lab.demo import demo as play

    well = asyncio.run(play(_watcher))
    sys.stdout.write("Next: dns-cutover demo --scenario incident   what the tool saves, against eight other ways\n")
    if not well:
        raise typer.Exit(1)


def _incident(names: list[str], phases: int | None, output: Format, file: Path | None) -> None:
    from dns_cutover.lab.replay.running import PHASES, arms_named, check_installed, run_arms

    arms = arms_named(names)
    check_installed()
    sys.stderr.write(f"replaying {len(arms)} of the ways to move, a minute or two for all\n")
    results = run_arms(arms, phases or PHASES, lambda r: _progress(r.name))
    match output:
        case Format.TEXT:
            from dns_cutover.lab.replay.text import text

            shown = text(results)
        case Format.JSON:
            from dns_cutover.lab.replay.text import document

            shown = json_text(document(results))
        case Format.HTML:
            from dns_cutover.lab.replay.page import page

            shown = page(results)
        case _:
            assert_never(output)
    if file is None:
        write_text(shown)
        return
    try:
        replace_file(file, shown.encode())
    except OSError as exc:
        raise UsageError(f"{file} cannot be written", f"{exc.strerror}.") from None
    sys.stderr.write(f"{file} written\n")


def _progress(name: str) -> None:
    sys.stderr.write(f"  {name}: done\n")
    sys.stderr.flush()


@contextmanager
def _watcher(now: Callable[[], float]) -> Iterator[Watcher]:
    from dns_cutover.report.plain import PlainWatcher
    from dns_cutover.report.terminal import TerminalWatcher, is_terminal, stderr_console

    if is_terminal():
        with TerminalWatcher(stderr_console(), now) as watcher:
            yield watcher
    else:
        yield PlainWatcher(sys.stderr, now)
