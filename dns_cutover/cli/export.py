"""`export PLAN|RUNBOOK|RUN`: scripts to go on by hand, the runbook for people, states in words of other tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    from dns_cutover.engine.state import RunState
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.records import RRset, RRsetKey
    from dns_cutover.runbook.model import Runbook


class Format(StrEnum):
    """In whose words. `runbook.export.FORMATS` has the names of those that tell a state."""

    NSUPDATE = "nsupdate"
    ROUTE53 = "route53"
    MARKDOWN = "markdown"
    TERRAFORM = "terraform"
    OCTODNS = "octodns"
    ZONE = "zone"


class Direction(StrEnum):
    """Where to."""

    FORWARD = "forward"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported: a runbook, what is `live` where that is known, and the run if it is one."""

    book: Runbook
    live: Mapping[RRsetKey, RRset | None] | None = None
    state: RunState | None = None


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="PLAN|RUNBOOK|RUN", help="A plan, a runbook that preview wrote, or a run's id.")
    ],
    output: Annotated[Format, typer.Option("--format", help="In whose words.")],
    direction: Annotated[
        Direction | None, typer.Option("--direction", help="Where to; default: forward, both into a folder.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="For nsupdate: look at what others may have added to what is edited by value."),
    ] = False,
    stage: Annotated[str, typer.Option(metavar="NAME", help="Only this stage, or the state after it.")] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="For markdown: when the run starts, in ISO 8601.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A new file; for scripts a new folder, one file a message."
        ),
    ] = None,
    var: Vars = None,
) -> None:
    """Print scripts to use by hand, the human runbook, or a state."""
    import asyncio

    assert isinstance(context.obj, Globals)
    if start and output is not Format.MARKDOWN:
        raise UsageError("--start is for the runbook for people", "", ("dns-cutover export … --format markdown",))
    if direction is not None and output is Format.MARKDOWN:
        raise UsageError("the runbook for people has both directions", "", ("leave out --direction",))
    if live and output is not Format.NSUPDATE:
        raise UsageError("--live is for scripts", "", ("leave it out: a state is always told from what is there now",))
    asyncio.run(_export(context.obj, source, var or [], output, direction, stage, start, out, live=live))


async def _export(
    options: Globals,
    name: str,
    var: list[str],
    output: Format,
    direction: Direction | None,
    stage: str,
    start: str,
    out: Path | None,
    *,
    live: bool,
) -> None:
    from dns_cutover.assembly import Setting

    setting = Setting()
    source = await _source(options, name, _given(name, var), setting)
    if stage and stage not in (names := [s.name for s in source.book.stages]):
        raise UsageError(f"the plan has no stage {stage}", "", (f"stages: {', '.join(names)}",))
    match output:
        case Format.NSUPDATE | Format.ROUTE53:
            from dns_cutover.cli.export_scripts import print_scripts, write_scripts

            if live and source.live is None:
                source = replace(source, live=await _live(source.book, setting))
            if out is not None:
                write_scripts(source, output.value, stage, direction, out)
            else:
                print_scripts(source, output.value, stage, direction)
            return
        case Format.MARKDOWN:
            from dns_cutover.cli.export_scripts import runbook_text

            text = runbook_text(source, stage, start, setting.clock.now())
        case Format.TERRAFORM | Format.OCTODNS | Format.ZONE:
            text = await _state_text(source, output.value, stage, direction, setting)
    if out is None:
        write_text(text)
    else:
        _write(out, text)


def _write(out: Path, text: str) -> None:
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


async def _source(options: Globals, name: str, given: Runbook | LoadedPlan | None, setting: Setting) -> Source:
    """The runbook, and what is live where that is known already."""
    from dns_cutover.assembly import examine
    from dns_cutover.cli.common import Invalid, print_findings
    from dns_cutover.cli.find import find_run
    from dns_cutover.report.words import shell_word
    from dns_cutover.runbook.model import Runbook

    if given is None:
        state = await find_run(options.look(), name)
        return Source(state.book, state=state)
    if isinstance(given, Runbook):
        return Source(given)
    examined = await examine(given, setting)
    if examined.book is None or examined.live is None:
        print_findings(examined)
        raise Invalid(
            f"{name} cannot be compiled", "Its findings are above.", (f"dns-cutover validate {shell_word(name)}",)
        )
    return Source(examined.book, examined.live.rrsets)


async def _state_text(source: Source, form: str, stage: str, direction: Direction | None, setting: Setting) -> str:
    """The state that the run leads to, or that its way back leaves."""
    from dns_cutover.runbook.end_state import end_state
    from dns_cutover.runbook.export import export_text

    state = source.state
    if direction is not Direction.BACK and state is not None and state.final and state.outcome != "succeeded":
        raise UsageError(
            f"run {state.run_id} is over: {state.outcome}; its end state never came",
            "In another tool's files it would make the move after all.",
            (f"dns-cutover status {state.run_id}", "dns-cutover export PLAN   for a plan that is yet to run"),
        )
    live = source.live if source.live is not None else await _live(source.book, setting)
    if direction is not Direction.BACK:
        return export_text(end_state(source.book, stage, live), form)
    from dns_cutover.report.by_hand import from_runbook
    from dns_cutover.runbook.end_state import beginning, state_of

    image = from_runbook(source.book, stage, beginning(source.book, live)).back.image
    return export_text(state_of(source.book, stage, image), form)


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
