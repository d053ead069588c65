"""`unlock RUN LOCK_ID`: takes away the lock of a run that nobody drives any more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals, load
from dns_cutover.cli.complete import run_ids
from dns_cutover.cli.options import Vars, Yes
from dns_cutover.errors import Declined, LockHeld, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Setting, ZoneLock
    from dns_cutover.engine.state import RunState
    from dns_cutover.store.interface import Store

SILENT = 300.0  # seconds without a journal entry after which a run without a lock in force counts as left behind


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(unlock)


def unlock(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id; left out with --plan.", autocompletion=run_ids)
    ],
    lock_id: Annotated[str, typer.Argument(metavar="LOCK_ID", help="The lock's id: status and messages show it.")] = "",
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="PLAN", help="The plan, where the run's journal is lost.")
    ] = None,
    yes: Yes = False,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.")] = None,
    var: Vars = None,
) -> None:
    """Take away the lock of a run that nobody drives any more."""
    import asyncio

    assert isinstance(context.obj, Globals)
    if (plan is None) != bool(lock_id):
        raise UsageError(
            "unlock wants a run and the id of its lock, or a plan and the id",
            "The id says which lock is meant: by the time that the command arrives it may be another one.",
            ("dns-cutover unlock RUN LOCK_ID", "dns-cutover unlock --plan PLAN LOCK_ID"),
        )
    if plan is None:
        raise typer.Exit(asyncio.run(_of_run(context.obj.open(), run, lock_id, yes, by)))
    raise typer.Exit(asyncio.run(_of_plan(context.obj, plan, var or [], run, yes)))


async def _of_run(store: Store, run: str, lock_id: str, yes: bool, by: str | None) -> int:
    from dns_cutover.assembly import Setting, locks
    from dns_cutover.cli.find import find_run
    from dns_cutover.cli.origin import person
    from dns_cutover.engine.driver import UnknownRun, append_command

    try:
        state = await find_run(store, run)
    except UnknownRun as exc:
        hint = f"dns-cutover unlock --plan PLAN {lock_id}   where its store is lost"
        raise UnknownRun(exc.what, exc.why, (*exc.hints, hint)) from None
    setting = Setting()
    lock = _meant(await locks(state.book.zones, store, setting), lock_id)
    if lock is None:
        return _nothing()
    if lock.token is not None and lock.token.run != state.run_id:
        raise _another(lock, f"it is not run {state.run_id}'s")
    last = await store.last(state.run_id)
    _sure(yes, lock, 0.0 if last is None or state.final else last.ts)
    await append_command(state, store, "unlock", by or person(), lock_id, setting.clock.now())
    await _remove(lock)
    await _outlast(state, lock, setting)
    return 0


async def _of_plan(options: Globals, plan: Path, var: list[str], lock_id: str, yes: bool) -> int:
    from dns_cutover.assembly import Setting, plan_locks

    lock = _meant(await plan_locks(load(plan, var), options.open(), Setting()), lock_id)
    if lock is None:
        return _nothing()
    _sure(yes, lock, 0.0)
    await _remove(lock)
    return 0


def _meant(found: tuple[ZoneLock, ...], lock_id: str) -> ZoneLock | None:
    """The lock of that id; None where no zone has any. Raises LockHeld where there are others."""
    held = [lock for lock in found if lock.token is not None]
    for lock in held:
        if lock.token is not None and lock.token.op == lock_id:
            return lock
    if held:
        raise _another(held[0], f"its id is not {lock_id}")
    return None


def _nothing() -> int:
    sys.stderr.write("No lock is there. Nothing was done.\n")
    return 0


def _another(lock: ZoneLock, why: str) -> LockHeld:
    from dns_cutover.report.words import utc

    token = lock.token
    assert token is not None
    return LockHeld(
        f"the lock of {lock.zone.name} is another one: {why}. Nothing was done",
        f"Run {token.run} holds the zone until {utc(token.until)}, by its lock {token.op}.",
        (
            f"dns-cutover status {token.run}   where that run stands",
            f"dns-cutover unlock {token.run} {token.op}   take its lock away, if nobody drives it any more",
        ),
    )


def _sure(yes: bool, lock: ZoneLock, last: float) -> None:
    """Whoever may still be at work is not disturbed without a question. `last`: when the run's journal grew last."""
    from dns_cutover.report.words import brief, utc

    token = lock.token
    assert token is not None
    signs = []
    if lock.now < token.until:
        signs.append(f"its lock is good until {utc(token.until)}")
    if lock.now - last < SILENT:
        signs.append(f"its journal grew {brief(max(0.0, round(lock.now - last)))} ago")
    if yes or not signs:
        return
    what = f"Run {token.run} may be alive: {', and '.join(signs)}"
    if not sys.stdin.isatty():
        raise UsageError(f"{what}; there is no terminal to ask on", "", ("add --yes, if nobody drives it any more",))
    if input(f"{what}. Type yes to take its lock away: ").strip() != "yes":
        raise Declined("declined; nothing was done")


async def _remove(lock: ZoneLock) -> None:
    from dns_cutover.assembly import take_away
    from dns_cutover.errors import CutoverError

    token = lock.token
    assert token is not None
    try:
        await take_away(lock)
    except CutoverError as exc:
        if exc.exit_code != LockHeld.exit_code:
            raise
        raise LockHeld(
            f"the lock of {lock.zone.name} changed meanwhile. Nothing was done",
            f"Run {token.run} is alive: it has just written.",
            (f"dns-cutover status {token.run}",),
        ) from None
    sys.stderr.write(f"The lock {token.op} of run {token.run} is taken away from {lock.zone.name}\n")


async def _outlast(state: RunState, lock: ZoneLock, setting: Setting) -> None:
    """A lease in the store stops no message that is under way: say so, and wait until it must have expired."""
    from dns_cutover.report.words import utc

    pending, g = state.pending, lock.provider.guarantees
    if g.fenced or pending is None or not pending.changes or g.message_life is None:
        return
    end = pending.ts + g.message_life
    if setting.clock.now() < end:
        sys.stderr.write(f"A message of that run may still be under way until {utc(end)}: waiting for that\n")
        await setting.clock.sleep_until(end)
