"""Steering a run: resume, tick, pause, retry, rollback, abort."""

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
    from dns_cutover.store.interface import Store

Result = TypeVar("Result")
WAITING = 75  # the exit code
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (resume, tick, pause, retry, rollback, abort):
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
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 75 while a run waits, not 0.")
    ] = False,
    events: Events = None,
    allow_commands: Commands = False,
) -> None:
    """Do what is due, then exit: for cron and CI."""
    if every == (run is not None):
        raise UsageError("tick wants a run, or --all", "", ("dns-cutover tick RUN", "dns-cutover tick --all"))
    if run is not None:
        code = _run(_drive(_options(context), run, None, None, events, allow_commands, wait=False))
    else:
        from dns_cutover.cli.ticking import tick_all

        code = _run(tick_all(_options(context), events, allow_commands))
    # Nothing is wrong with a run that waits: cron must not send mail about it every minute.
    raise typer.Exit(0 if code == WAITING and not detailed_exitcode else code)


def rollback(
    context: typer.Context,
    run: Run,
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="NAME", help="Down to this stage; older ones stay.")
    ] = None,
    yes: Yes = False,
    by: By = None,
    events: Events = None,
    allow_commands: Commands = False,
) -> None:
    """Put everything back, newest stage first, and verify it.

    A run that has succeeded can be taken back for as long as its plan says.
    """
    _sure(yes, f"Run {run} will be rolled back" + (f" to before stage {stage}" if stage else ""))
    raise typer.Exit(_run(_drive(_options(context), run, "rollback", by, events, allow_commands, stage=stage or "")))


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
    _run(_command(_options(context), run, "pause", by))


def retry(context: typer.Context, run: Run, by: By = None) -> None:
    """Let a held run try its step again; whoever drives it goes on."""
    _run(_command(_options(context), run, "retry", by))


async def _command(options: Globals, run: str, verb: Verb, by: str | None) -> None:
    """Append a command; the process that drives the run takes it in at its next look."""
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.origin import origin, person
    from dns_cutover.engine.driver import append_command

    store = options.open()
    state = await find_run(store, run)
    if state.final:
        raise _over(state)
    await append_command(state, store, verb, by or person(), "", time.time(), **origin())
    sys.stderr.write(f"run {state.run_id}: {verb}\n")


def _known(state: RunState, stage: str) -> None:
    """Only what was changed can be taken back. Raises UsageError."""
    from dns_cutover.engine.rollback import undone_stages

    there = undone_stages(state.book, state.done, state.i)
    if stage not in there:
        raise UsageError(
            f"stage {stage} of run {state.run_id} cannot be taken back",
            "It has changed nothing yet, is past its commit point (commit: after), or is not there.",
            tuple(f"dns-cutover rollback {state.run_id} --stage {name}" for name in there)
            or (f"dns-cutover rollback {state.run_id}   puts TTLs back",),
        )


async def _reopen(state: RunState, store: Store, by: str | None, stage: str) -> RunState:
    """A run that succeeded is taken back within its time. Raises UsageError, LockHeld."""
    from dns_cutover.cli.origin import origin, person
    from dns_cutover.cli.reserving import refuse_overlap
    from dns_cutover.engine.driver import reopen
    from dns_cutover.engine.events import Reopened
    from dns_cutover.engine.reopening import why_not

    now = time.time()
    if why := why_not(state, now, stage):
        raise _over(state, why)
    await refuse_overlap(store, state.book)
    where = origin()
    event = Reopened(now, by or person(), stage, where["host"], where["user"], where["origin"])
    return await reopen(state, store, event)


def _over(state: RunState, why: str = "") -> UsageError:
    return UsageError(
        f"run {state.run_id} is over: {state.outcome}. Nothing was done",
        why or "What users have now may have been built upon; going back is a move of its own.",
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
    stage: str = "",
) -> int:
    from dns_cutover.assembly import Setting
    from dns_cutover.cli.driving import drive_run, exit_code, session, tell_rest
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.origin import origin, person
    from dns_cutover.cli.outlets import open_events
    from dns_cutover.engine.driver import append_command

    store = options.open()
    state = await find_run(store, run)
    if state.final and verb == "rollback" and state.outcome == "succeeded":
        state, verb = await _reopen(state, store, by, stage), None
    elif state.final:
        if verb in ("rollback", "abort", "keep") and state.outcome not in ("rolled_back", "aborted"):
            raise _over(state)
        sys.stderr.write(f"run {state.run_id} is over: {state.outcome}\n")
        with session(None, allow_commands=allow_commands) as one:
            await tell_rest(state, store, Setting(), one)
        return exit_code(state, None)
    out = open_events(events)
    if verb is not None and not (verb == "resume" and state.hold is None):
        if stage:
            _known(state, stage)
        state = await append_command(state, store, verb, by or person(), "", time.time(), stage=stage, **origin())
    with session(out, allow_commands=allow_commands, scripts=options.scripts) as one:
        return await drive_run(state, store, Setting(), one, wait=wait)
