"""`status [RUN]`: where runs stand, why they wait, and what unblocks them."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals, print_json
from dns_cutover.cli.options import MaybeRun
from dns_cutover.errors import UsageError

if TYPE_CHECKING:
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.state import RunState
    from dns_cutover.store.interface import Store


class Format(StrEnum):
    """How it is shown."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(status)


def status(
    context: typer.Context,
    run: MaybeRun = None,
    output: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    full: Annotated[bool, typer.Option("--full", help="Nothing is folded or cut.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show one run until it is over.")] = False,
) -> None:
    """Show one run, or all of them."""
    import asyncio

    assert isinstance(context.obj, Globals)
    if watch and output is Format.JSON:
        raise UsageError("--watch shows a run as text", "", ("dns-cutover events RUN --follow   JSON, line by line",))
    if watch:
        raise typer.Exit(asyncio.run(_watch(context.obj.look(), run)))
    asyncio.run(show(context.obj.look(), run, output, full))


async def _the_one(store: Store) -> RunState:
    """The run that is not over, where there is one. Raises UsageError."""
    from dns_cutover.cli.find import all_runs

    alive = [s for s in await all_runs(store) if not s.final]
    if len(alive) == 1:
        return alive[0]
    hints = tuple(f"dns-cutover status {s.run_id} --watch" for s in alive[:5]) or ("dns-cutover run PLAN",)
    raise UsageError("no run is under way" if not alive else f"{len(alive)} runs are under way", "", hints)


async def _watch(store: Store, run: str | None) -> int:
    """Draw the run as its driver does; the exit code is the run's own."""
    from dns_cutover.assembly import Setting
    from dns_cutover.cli.driving import exit_code
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.following import follow
    from dns_cutover.report.plain import PlainWatcher
    from dns_cutover.report.summary import summary_text
    from dns_cutover.report.terminal import TerminalWatcher, is_terminal, stderr_console

    clock = Setting().clock
    found = await find_run(store, run) if run is not None else await _the_one(store)
    if is_terminal():
        with TerminalWatcher(stderr_console(), clock.now) as watcher:
            state = await follow(found.run_id, store, watcher, clock)
    else:
        state = await follow(found.run_id, store, PlainWatcher(sys.stderr, clock.now), clock)
    sys.stderr.write(summary_text(state, None))
    return exit_code(state, None)


async def show(store: Store, run: str | None, output: Format, full: bool) -> None:
    """One run, or all of them."""
    import time

    from dns_cutover.cli.find import all_runs, find_run
    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.decide import decide
    from dns_cutover.report.status import LIST_SCHEMA, status_document

    states = [await find_run(store, run)] if run is not None else await all_runs(store)
    now = time.time()
    rows = []
    for s in states:
        action = decide(s, now)
        rows.append((s, action if isinstance(action, Wait) else None))
    if output is Format.JSON:
        documents = [status_document(s, w, now) for s, w in rows]
        print_json(documents[0] if run is not None else {"schema": LIST_SCHEMA, "runs": documents})
        return
    if run is None:
        _table(rows)
        return
    from rich.console import Console

    from dns_cutover.report.block import LABEL, View, five_lines
    from dns_cutover.report.status import unlock_of
    from dns_cutover.report.terminal import wants_ascii
    from dns_cutover.report.words import local_zone, utc

    s, w = rows[0]
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    ascii_only = wants_ascii() or not sys.stdout.isatty()
    view = View(s, w, (), now, local_zone(), 1000 if full else console.width, 24, ascii_only, driven=False)
    for line in five_lines(view):
        console.print(line, soft_wrap=True)
    for ref, token in s.tokens.items():
        text = f"{'lock':<{LABEL}}{s.book.zone(ref).name} until {utc(token.until)}   {unlock_of(s, token)}"
        console.print(text, soft_wrap=True)


def _table(rows: list[tuple[RunState, Wait | None]]) -> None:
    from dns_cutover.report.status import headline
    from dns_cutover.report.words import safe, utc

    if not rows:
        sys.stdout.write("No runs yet: dns-cutover run PLAN\n")
        return
    order = ["ROLLBACK FAILED", "ROLLING BACK", "CONFLICT", "NEEDS YOU", "HOLDING", "PAUSED"]
    lines = []
    for s, w in rows:
        word, _ = headline(s, w)
        until = utc(w.deadline) if w is not None and w.deadline is not None else "-"
        zones = ",".join(z.name.rstrip(".") for z in s.book.zones)
        rank = order.index(word) if word in order else len(order) + s.final
        lines.append(
            (
                rank,
                until,
                f"{s.run_id:<7}{safe(s.book.plan):<24}{zones:<20}{word:<17}{until:<22}{safe(w.why if w else s.why)}",
            )
        )
    sys.stdout.write(f"{'run':<7}{'plan':<24}{'zone':<20}{'state':<17}{'until':<22}why\n")
    for _, _, line in sorted(lines):
        sys.stdout.write(line.rstrip() + "\n")
