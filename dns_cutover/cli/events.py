"""`events RUN`: the journal as JSON lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dns_cutover.cli.common import Globals


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(events)


def events(context: typer.Context, run: Annotated[str, typer.Argument(help="A run's id.")]) -> None:
    """Print what happened, one JSON object per line."""
    import asyncio

    assert isinstance(context.obj, Globals)
    asyncio.run(_events(context.obj, run))


async def _events(options: Globals, run: str) -> None:
    from dns_cutover.cli.find import find_run
    from dns_cutover.engine.driver import load_events
    from dns_cutover.engine.events import Created
    from dns_cutover.engine.state import evolve, start
    from dns_cutover.report.plain import event_line

    store = options.open()
    state = await find_run(store, run)
    first, *rest = await load_events(state.run_id, store)
    assert isinstance(first, Created)  # find_run has folded it
    current = start(state.run_id, first)
    sys.stdout.write(event_line(current, first) + "\n")
    for event in rest:
        current = evolve(current, event)
        sys.stdout.write(event_line(current, event) + "\n")
