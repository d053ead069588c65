"""`runs list`, `runs export`, `runs import`: what a store has, and from one store into another."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from dns_cutover.cli.common import Globals, write_text
from dns_cutover.cli.complete import run_ids
from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns_cutover.store.portable import Journal

runs = typer.Typer(no_args_is_help=True, help="List runs, or carry them from one store into another.")


class Format(StrEnum):
    """How runs are listed."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(runs, name="runs")


@runs.command("list")
def list_(
    context: typer.Context,
    output: Annotated[Format, typer.Option("--format", help="How to show them.")] = Format.TEXT,
) -> None:
    """List all runs of the store, those that need a person first; as status does."""
    import asyncio

    from dns_cutover.cli import status

    assert isinstance(context.obj, Globals)
    asyncio.run(status.show(context.obj.look(), None, status.Format(output.value), full=False))


@runs.command("export")
def export(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN…", help="Runs' ids, or unique beginnings of them.", autocompletion=run_ids),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run of the store.")] = False,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file; never overwrites.")
    ] = None,
) -> None:
    """Write whole runs as JSON lines, for another store."""
    import asyncio

    from dns_cutover.store.portable import runs_text

    assert isinstance(context.obj, Globals)
    if every == bool(ids):
        hints = ("dns-cutover runs export RUN -o FILE", "dns-cutover runs export --all -o FILE")
        raise UsageError("runs export wants runs, or --all", "", hints)
    journals, alive = asyncio.run(_journals(context.obj, ids or []))
    text = "".join(runs_text(journals))
    if out is None:
        write_text(text)
    else:
        from dns_cutover.cli.files import new_file

        try:
            new_file(out, text)
        except FileExistsError:
            raise UsageError(f"{out} exists already", "It may hold other runs.", ("name another file",)) from None
        except OSError as exc:
            raise Unavailable(f"{out} cannot be written", f"{exc.strerror or exc}.") from None
    _mind(alive)


@runs.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What runs export wrote; - is standard input.")],
) -> None:
    """Add runs of another store: all of them, or none."""
    import asyncio

    assert isinstance(context.obj, Globals)
    asyncio.run(_import(context.obj, file))


async def _journals(options: Globals, ids: list[str]) -> tuple[list[Journal], list[str]]:
    """The journals, oldest run first, and the ids of runs that are not over."""
    from dns_cutover.cli.find import find_run
    from dns_cutover.engine.fold import fold
    from dns_cutover.engine.journal import from_envelope
    from dns_cutover.store.portable import Journal

    store = options.look()
    chosen = {(await find_run(store, run)).run_id for run in ids}
    journals, alive = [], []
    for entry in reversed(await store.runs()):
        if ids and entry.run_id not in chosen:
            continue
        envelopes = await store.load(entry.run_id)
        journals.append(Journal(entry.run_id, envelopes))
        if not fold(entry.run_id, map(from_envelope, envelopes)).final:
            alive.append(entry.run_id)
    return journals, alive


async def _import(options: Globals, file: Path) -> None:
    from dns_cutover.assembly import import_runs
    from dns_cutover.store.portable import read_runs

    try:
        if str(file) == "-":
            journals = read_runs(_lines(sys.stdin.buffer))
        else:
            with file.open("rb") as opened:
                journals = read_runs(_lines(opened))
    except OSError as exc:
        raise Unavailable(f"{file} cannot be read", f"{exc.strerror or exc}.") from None
    done = await import_runs(options.open(), journals)
    for run in done:
        what = f"{run.added} entries added" if run.added else "nothing to add"
        more = f"; the store has {run.ahead} more" if run.ahead else ""
        sys.stderr.write(f"run {run.state.run_id}: {what}{more}\n")
    _mind([r.state.run_id for r in done if not r.state.final])


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Its lines, none of which is read much further than a line can reach."""
    from dns_cutover.store.portable import MAX_LINE

    return iter(lambda: file.readline(MAX_LINE + 1), b"")


def _mind(alive: list[str]) -> None:
    """A run that is not over must not be driven from two stores."""
    if alive:
        names = ", ".join(alive[:10]) + (f" and {len(alive) - 10} more" if len(alive) > 10 else "")
        sys.stderr.write(f"mind          not over: {names}. Drive it from one store only, this one or the other\n")
