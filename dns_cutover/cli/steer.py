"""Steering a run: resume, tick, pause, confirm, retry, rollback, abort."""

from __future__ import annotations

import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from dns_cutover.cli.common import Globals
from dns_cutover.cli.options import Commands, Events, MaybeRun, Run, Yes
from dns_cutover.errors import Declined, UsageError

if TYPE_CHECKING:
    from dns_cutover.engine.events import Verb
    from dns_cutover.engine.state import RunState

Result = TypeVar("Result")
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (resume, tick, pause, confirm, retry, rollback, abort):
        app.command()(verb)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Imported late: every other verb, and --help, do without it."""
    import asyncio

    return asyncio.run(work)


def _options(context: typer.Context) -> Globals:
    assert isinstance(context.obj, Globals)
    return context.obj


def _sure(yes: bool, what: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{what}, and there is no terminal to ask on", "", ("add --yes",))
    if input(f"{what}. Type yes to go on: ").strip() != "yes":
        raise Declined("declined; nothing was done")


def resume(context: typer.Context, run: Run, events: Events = None, allow_commands: Commands = False) -> None:
    """Go on with a run: after an interruption, a crash, or a hold. Waits keep their end times."""
    raise typer.Exit(_run(_drive(_options(context), run, "resume", None, events, allow_commands)))


def tick(
    context: typer.Context,
    run: MaybeRun = None,
    every: Annotated[bool, typer.Option("--all", help="Every run that is not over.")] = False,
    events: Events = None,
    allow_commands: Commands = False,
) -> None:
    """Do what is due, then exit: for cron and CI. Exit 75 while a run waits."""
    if every == (run is not None):
        raise UsageError("tick wants a run, or --all", "", ("dns-cutover tick RUN", "dns-cutover tick --all"))
    if run is not None:
        raise typer.Exit(_run(_drive(_options(context), run, None, None, events, allow_commands, wait=False)))
    from dns_cutover.cli.ticking import tick_all

    raise typer.Exit(_run(tick_all(_options(context), events, allow_commands)))


def rollback(
    context: typer.Context,
    run: Run,
    yes: Yes = False,
    by: By = None,
    events: Events = None,
    allow_commands: Commands = False,
) -> None:
    """Put everything back, newest stage first, and verify it."""
    _sure(yes, f"Run {run} will be rolled back")
    raise typer.Exit(_run(_drive(_options(context), run, "rollback", by, events, allow_commands)))


def abort(
    context: typer.Context,
    run: Run,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the records as they are.")] = False,
    yes: Yes = False,
    by: By = None,
    events: Events = None,
    allow_commands: Commands = False,
) -> None:
    """End a run: everything is taken back, or stays with --keep."""
    _sure(yes, f"Run {run} will be ended" + (", its records stay as they are" if keep else " and taken back"))
    verb: Verb = "keep" if keep else "abort"
    raise typer.Exit(_run(_drive(_options(context), run, verb, by, events, allow_commands)))


def pause(context: typer.Context, run: Run, by: By = None) -> None:
    """Hold a run after the step in hand."""
    _run(_command(_options(context), run, "pause", by, ""))


def retry(context: typer.Context, run: Run, by: By = None) -> None:
    """Let a held run try its step again; whoever drives it goes on."""
    _run(_command(_options(context), run, "retry", by, ""))


def confirm(
    context: typer.Context,
    run: Run,
    item: Annotated[str, typer.Argument(metavar="ID", help="The confirmation.")],
    by: By = None,
) -> None:
    """Confirm a fact that a stage waits for."""
    if not by:
        raise UsageError("a confirmation needs a name", "", (f"dns-cutover confirm {run} {item} --by NAME",))
    _run(_command(_options(context), run, "confirm", by, item))


async def _command(options: Globals, run: str, verb: Verb, by: str | None, subject: str) -> None:
    """Append a command; the process that drives the run takes it in at its next look."""
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.run import _person
    from dns_cutover.engine.driver import append_command

    store = options.open()
    state = await find_run(store, run)
    if subject and subject not in {s.confirm.id for s in state.book.steps if s.confirm is not None}:
        known = ", ".join(s.confirm.id for s in state.book.steps if s.confirm is not None) or "none"
        raise UsageError(f"run {state.run_id} has no confirmation {subject}", "", (f"known: {known}",))
    if state.final:
        raise _over(state)
    await append_command(state, store, verb, by or _person(), subject, time.time())
    sys.stderr.write(f"run {state.run_id}: {verb} {subject}".rstrip() + "\n")


def _over(state: RunState) -> UsageError:
    return UsageError(
        f"run {state.run_id} is over: {state.outcome}. Nothing was done",
        "What users have now may have been built upon; going back is a move of its own.",
        (
            f"dns-cutover events {state.run_id}   what was done",
            "write a plan with from and to the other way round, then dns-cutover validate PLAN",
        ),
    )


async def _drive(
    options: Globals,
    run: str,
    verb: Verb | None,
    by: str | None,
    events: Path | None,
    allow_commands: bool,
    *,
    wait: bool = True,
) -> int:
    from dns_cutover.assembly import Setting
    from dns_cutover.cli.driving import drive_run, exit_code, session, tell_rest
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.outlets import open_events
    from dns_cutover.cli.run import _person
    from dns_cutover.engine.driver import append_command

    store = options.open()
    state = await find_run(store, run)
    if state.final:
        if verb in ("rollback", "abort", "keep") and state.outcome not in ("rolled_back", "aborted"):
            raise _over(state)
        sys.stderr.write(f"run {state.run_id} is over: {state.outcome}\n")
        with session(None, allow_commands=allow_commands) as one:
            await tell_rest(state, store, Setting(), one)
        return exit_code(state, None)
    out = open_events(events)
    if verb is not None and not (verb == "resume" and state.hold is None):
        state = await append_command(state, store, verb, by or _person(), "", time.time())
    with session(out, allow_commands=allow_commands, scripts=options.scripts) as one:
        return await drive_run(state, store, Setting(), one, wait=wait)
