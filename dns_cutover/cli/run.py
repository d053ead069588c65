"""`run PLAN|RUNBOOK`: starts a run and drives it."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals, load
from dns_cutover.cli.options import Commands, Events, Vars, Yes
from dns_cutover.errors import StaleRunbook, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Setting
    from dns_cutover.runbook.model import Runbook
    from dns_cutover.store.interface import Store


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(run)


def run(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="PLAN|RUNBOOK", help="A plan, or a runbook that preview wrote.")],
    yes: Yes = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do what is due, then exit 75.")] = False,
    events: Events = None,
    allow_commands: Commands = False,
    var: Vars = None,
) -> None:
    """Start a run and drive it to its end."""
    import asyncio

    assert isinstance(context.obj, Globals)
    if not yes and not sys.stdin.isatty():
        raise UsageError("run changes DNS and asks first, but there is no terminal to ask on", "", ("add --yes",))
    code = asyncio.run(_run(context.obj, source, yes, not no_wait, events, allow_commands, var or []))
    raise typer.Exit(code)


async def _run(
    options: Globals, source: Path, yes: bool, wait: bool, events: Path | None, allow_commands: bool, var: list[str]
) -> int:
    from dns_cutover.assembly import Setting, examine, ports, preflight, senders
    from dns_cutover.cli.common import print_findings
    from dns_cutover.cli.driving import drive_run, session
    from dns_cutover.cli.origin import person
    from dns_cutover.cli.outlets import open_events
    from dns_cutover.cli.reserving import refuse_overlap
    from dns_cutover.cli.runbook_file import is_runbook
    from dns_cutover.engine.driver import create
    from dns_cutover.engine.events import Created
    from dns_cutover.runbook.codec import runbook_json, runbook_sha256

    setting = Setting()
    store = options.open()
    if is_runbook(source):
        book = await _from_runbook(source, setting, store)
    else:
        loaded = load(source, var)
        examined = await examine(loaded, setting)
        print_findings(examined)
        if examined.book is None:
            return 3
        book = examined.book
    sha256 = runbook_sha256(book)
    await refuse_overlap(store, book)
    if not yes and not _agreed(book, sha256):
        sys.stderr.write("Declined. Nothing was written.\n")
        return 8
    run_id = secrets.token_hex(2)
    while await store.load(run_id):
        run_id = secrets.token_hex(3)
    # Keys, addresses, probes and who is told are looked at before the run exists: what is wrong there is told at once.
    wired = ports(book, store, setting, allow_commands=allow_commands)
    senders(book, setting, allow_commands=allow_commands)
    await preflight(book, wired.providers)
    out = open_events(events)
    state = await create(run_id, Created(setting.clock.now(), runbook_json(book), sha256, person()), wired)
    sys.stderr.write(f"run {run_id}   dns-cutover status {run_id}\n")
    with session(out, allow_commands=allow_commands, scripts=options.scripts) as one:
        return await drive_run(state, store, setting, one, wait=wait)


async def _from_runbook(source: Path, setting: Setting, store: Store) -> Runbook:
    """A runbook is bound to what it was made from, and to one use."""
    from dns_cutover.assembly import look_again
    from dns_cutover.cli.runbook_file import load_runbook
    from dns_cutover.engine.events import Created
    from dns_cutover.engine.journal import from_envelope
    from dns_cutover.runbook.codec import runbook_sha256
    from dns_cutover.runbook.stale import differences, stale

    book = load_runbook(source)
    sha256 = runbook_sha256(book)
    for entry in await store.runs():
        first = from_envelope((await store.load(entry.run_id))[0])
        if isinstance(first, Created) and first.sha256 == sha256:
            raise StaleRunbook(
                "this runbook was used already",
                f"Run {entry.run_id} was made from it; what it was made from has changed since.",
                (f"dns-cutover status {entry.run_id}", "dns-cutover preview PLAN -o RUNBOOK   make a new one"),
            )
    if found := differences(book, await look_again(book, setting)):
        raise stale(book, sha256, found)
    return book


def _agreed(book: Runbook, sha256: str) -> bool:
    from dns_cutover.report.words import safe

    zones, stages = ", ".join(z.name for z in book.zones), ", ".join(s.name for s in book.stages)
    for label, text in (("plan", book.plan), ("zones", zones), ("stages", stages), ("runbook", f"{sha256[:12]}…")):
        sys.stderr.write(f"{label:<14}{safe(text)}\n")
    answer = input("Start? Type the first 4 characters of the runbook: ")
    return answer.strip().lower() == sha256[:4]
