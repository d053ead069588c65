"""`report RUN`: what happened, as an incident report or as JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dns_cutover.cli.common import Globals, json_text, write_text
from dns_cutover.cli.options import Run
from dns_cutover.errors import Unavailable, UsageError


class Format(StrEnum):
    """How it is written."""

    POSTMORTEM = "postmortem"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(report)


def report(
    context: typer.Context,
    run: Run,
    output: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.POSTMORTEM,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A new file; never overwritten.")
    ] = None,
) -> None:
    """Say what happened in a run. As an incident report it has the impact, detection and resolution, tails as predicted
    and as seen, the timeline, and what is left to do.
    """
    import asyncio

    assert isinstance(context.obj, Globals)
    text = asyncio.run(_report(context.obj, run, output))
    if out is None:
        write_text(text)
        return
    from dns_cutover.cli.files import new_file

    other = ("name another file: -o FILE",)
    try:
        new_file(out, text)
    except FileExistsError:
        raise UsageError(f"{out} is there already", "report never overwrites.", other) from None
    except OSError as exc:
        raise Unavailable(f"{out} cannot be written", f"{exc.strerror}.", other) from None


async def _report(options: Globals, run: str, output: Format) -> str:
    import time

    from dns_cutover.cli.find import find_run
    from dns_cutover.engine.driver import load_events
    from dns_cutover.report.account import account

    store = options.look()
    state = await find_run(store, run)
    told = account(state.run_id, await load_events(state.run_id, store))
    if output is Format.JSON:
        from dns_cutover.report.account_json import account_document

        return json_text(account_document(told))
    from dns_cutover.report.postmortem import postmortem

    return postmortem(told, time.time())
