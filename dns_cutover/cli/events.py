"""`events RUN`: the journal as JSON lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dns_cutover.cli.common import Globals
from dns_cutover.cli.options import Run


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(events)


def events(
    context: typer.Context,
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
) -> None:
    """Print what happened, one JSON object per line."""
    import asyncio

    assert isinstance(context.obj, Globals)
    asyncio.run(_events(context.obj, run, follow))


async def _events(options: Globals, run: str, wait: bool) -> None:
    from dns_cutover.assembly import Setting
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.following import follow, replay
    from dns_cutover.report.plain import JsonLinesWatcher

    store = options.look()
    state = await find_run(store, run)
    watcher = JsonLinesWatcher(sys.stdout)
    if wait:
        await follow(state.run_id, store, watcher, Setting().clock)
    else:
        await replay(state.run_id, store, watcher)
