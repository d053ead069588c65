"""`export PLAN|RUNBOOK|RUN`: the end state in the words of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals, load, write_text
from dns_cutover.cli.options import Vars
from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dns_cutover.assembly import Setting
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.records import RRset, RRsetKey
    from dns_cutover.runbook.model import Runbook


class Format(StrEnum):
    """In whose words; `runbook.export.FORMATS` has the same names."""

    TERRAFORM = "terraform"
    OCTODNS = "octodns"
    ZONE = "zone"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="PLAN|RUNBOOK|RUN", help="A plan, a runbook that preview wrote, or a run's id.")
    ],
    output: Annotated[Format, typer.Option("--format", help="In whose words.")],
    stage: Annotated[str, typer.Option(metavar="NAME", help="The state after this stage, not in the end.")] = "",
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file; never overwrites.")
    ] = None,
    var: Vars = None,
) -> None:
    """Print the end state for the tool that keeps the records. Writes nothing to DNS."""
    import asyncio

    assert isinstance(context.obj, Globals)
    text = asyncio.run(_text(context.obj, source, _given(source, var or []), output, stage))
    if out is None:
        write_text(text)
        return
    from dns_cutover.cli.files import new_file

    try:
        new_file(out, text)
    except FileExistsError:
        raise UsageError(
            f"{out} exists already", "It may hold more than this run's records.", ("name another file",)
        ) from None
    except OSError as exc:
        raise Unavailable(f"{out} cannot be written", f"{exc.strerror or exc}.") from None


def _given(source: str, var: list[str]) -> Runbook | LoadedPlan | None:
    """A runbook, a plan, or None: the id of a run."""
    from dns_cutover.cli.runbook_file import is_runbook, load_runbook

    path = Path(source)
    if not path.exists():
        if "." in source or "/" in source:
            hints = ("name a plan, a runbook or a run",)
            raise Unavailable(f"{source} cannot be read", "There is no such file.", hints)
        return None
    return load_runbook(path) if is_runbook(path) else load(path, var)


async def _text(options: Globals, source: str, given: Runbook | LoadedPlan | None, output: Format, stage: str) -> str:
    from dns_cutover.assembly import Setting
    from dns_cutover.runbook.end_state import UnknownStage, end_state
    from dns_cutover.runbook.export import export_text

    setting = Setting()
    book, live = await _book(options, source, given, setting)
    if live is None:
        live = await _live(book, setting)
    try:
        return export_text(end_state(book, stage, live), output.value)
    except UnknownStage:
        names = ", ".join(s.name for s in book.stages)
        raise UsageError(f"the plan has no stage {stage}", "", (f"stages: {names}",)) from None


async def _book(
    options: Globals, source: str, given: Runbook | LoadedPlan | None, setting: Setting
) -> tuple[Runbook, Mapping[RRsetKey, RRset | None] | None]:
    """The runbook, and what is live where that is known already."""
    from dns_cutover.assembly import examine
    from dns_cutover.cli.common import Invalid, print_findings
    from dns_cutover.cli.find import find_run
    from dns_cutover.report.words import shell_word
    from dns_cutover.runbook.model import Runbook

    if given is None:
        state = await find_run(options.look(), source)
        if state.final and state.outcome != "succeeded":
            raise UsageError(
                f"run {state.run_id} is over: {state.outcome}; its end state never came",
                "In another tool's files it would make the move after all.",
                (f"dns-cutover status {state.run_id}", "dns-cutover export PLAN   for a plan that is yet to run"),
            )
        return state.book, None
    if isinstance(given, Runbook):
        return given, None
    examined = await examine(given, setting)
    if examined.book is None or examined.live is None:
        print_findings(examined)
        raise Invalid(
            f"{source} cannot be compiled", "Its findings are above.", (f"dns-cutover validate {shell_word(source)}",)
        )
    return examined.book, examined.live.rrsets


async def _live(book: Runbook, setting: Setting) -> Mapping[RRsetKey, RRset | None]:
    """What is there now of RRsets whose other values the runbook does not know. Raises Unavailable."""
    from dns_cutover.assembly import live_lookup
    from dns_cutover.runbook.end_state import open_keys

    keys = open_keys(book)
    if not keys:
        return {}
    found: dict[RRsetKey, RRset | None] = {}
    for view in (await live_lookup(book, setting).authoritative(keys)).views:
        for key, rrset in view.rrsets.items():
            there = found.setdefault(key, rrset)
            if (there.values if there is not None else None) != (rrset.values if rrset is not None else None):
                raise Unavailable(
                    f"the servers disagree about {book.label(key)}",
                    "The run edits some of its values; the others can only be looked at.",
                    (f"dns-cutover check {key.owner} {key.rdtype}",),
                )
    if missing := [k for k in keys if k not in found]:
        raise Unavailable(
            f"no server tells what {book.label(missing[0])} is now",
            "The run edits some of its values; the others are not in the runbook and can only be looked at.",
        )
    return found
