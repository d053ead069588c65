"""`confirm RUN ID`: what people say of the facts that a stage waits for, bound to the runbook that they agreed on."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals
from dns_cutover.cli.options import Run
from dns_cutover.errors import StaleRunbook, UsageError

if TYPE_CHECKING:
    from dns_cutover.engine.events import Verb
    from dns_cutover.engine.state import RunState

SHORTEST = 8  # characters of a hash that nobody meets by chance


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(confirm)


def confirm(
    context: typer.Context,
    run: Run,
    item: Annotated[str, typer.Argument(metavar="ID", help="The confirmation.")],
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.")] = None,
    runbook: Annotated[
        str | None,
        typer.Option("--runbook", metavar="SHA256", help="The runbook that they agreed on, or its beginning."),
    ] = None,
    decline: Annotated[bool, typer.Option("--decline", help="It is not so: the run goes back.")] = False,
    undone: Annotated[bool, typer.Option("--undone", help="It was undone; a rollback may go on past it.")] = False,
    waive: Annotated[bool, typer.Option("--waive", help="Let a rollback go on without its being undone.")] = False,
) -> None:
    """Confirm a fact that a stage waits for."""
    import asyncio

    assert isinstance(context.obj, Globals)
    if decline + undone + waive > 1:
        raise UsageError("one of --decline, --undone and --waive at a time")
    verb: Verb = "decline" if decline else "undone" if undone else "waive" if waive else "confirm"
    if not by:
        option = "" if verb == "confirm" else f" --{verb}"
        raise UsageError("a confirmation needs a name", "", (f"dns-cutover confirm {run} {item}{option} --by NAME",))
    asyncio.run(_confirm(context.obj, run, item, verb, by, runbook))


async def _confirm(options: Globals, run: str, item: str, verb: Verb, by: str, runbook: str | None) -> None:
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.origin import origin
    from dns_cutover.engine.driver import append_command

    store = options.open()
    state = await find_run(store, run)
    known = {s.confirm.id: s.confirm for s in state.book.steps if s.confirm is not None}
    if item not in known:
        raise UsageError(
            f"run {state.run_id} has no confirmation {item}", "", (f"known: {', '.join(known) or 'none'}",)
        )
    if state.final:
        raise UsageError(f"run {state.run_id} is over: {state.outcome}. Nothing was done")
    if runbook is not None:
        _same(state, runbook)
    if verb in ("undone", "waive") and not known[item].undo:
        raise UsageError(
            f"confirmation {item} has no undo in the plan",
            "A rollback waits only for what the plan says must be undone.",
            (f"dns-cutover confirm {state.run_id} {item} --decline --by NAME   it is not so: go back",),
        )
    await append_command(state, store, verb, by, item, time.time(), runbook=state.sha256, **origin())
    sys.stderr.write(f"run {state.run_id}: {verb} {item}, runbook {state.sha256[:12]}\n")


def _same(state: RunState, given: str) -> None:
    """Raises StaleRunbook, UsageError."""
    text = given.strip().lower()
    if len(text) < SHORTEST:
        raise UsageError(f"--runbook wants {SHORTEST} characters of the hash at least", "", (f"it is {given}",))
    if not state.sha256.startswith(text):
        raise StaleRunbook(
            f"run {state.run_id} was made from another runbook. Nothing was confirmed",
            "What people agree on counts for one runbook, the one with that hash.",
            ("dns-cutover preview PLAN -o RUNBOOK   agree on what is to be run",),
            (("confirmed for", given), ("the run's", state.sha256)),
        )
