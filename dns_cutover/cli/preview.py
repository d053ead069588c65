"""`preview PLAN`: diff, timeline, worst cases; writes the runbook that a run is bound to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import load, print_json, write_text
from dns_cutover.cli.options import Vars

if TYPE_CHECKING:
    from dns_cutover.assembly import Examined


class Format(StrEnum):
    """How the preview is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(preview)


def preview(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan file.")],
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the runbook to this file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite any file with -o.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if there are changes.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    full: Annotated[bool, typer.Option("--full", help="Show every record by itself.")] = False,
    var: Vars = None,
) -> None:
    """Show what a run would do and when, and the worst cases. Writes nothing to DNS."""
    import asyncio

    from dns_cutover.assembly import Setting, examine
    from dns_cutover.cli.common import print_findings
    from dns_cutover.cli.runbook_file import write_runbook
    from dns_cutover.runbook.changes import stage_changes

    setting = Setting()
    loaded = load(plan, var or [])
    examined = asyncio.run(examine(loaded, setting))
    print_findings(examined)
    if examined.book is None:
        raise typer.Exit(3)
    if out is not None:
        write_runbook(out, examined.book, force=force)
    _show(output, examined, setting.clock.now(), full=full, out=str(out or ""), source=str(plan))
    if detailed_exitcode and any(c.changes for c in stage_changes(examined.book)):
        raise typer.Exit(2)


def _show(output: Format, examined: Examined, now: float, *, full: bool, out: str, source: str) -> None:
    book, sha256 = examined.book, examined.sha256
    assert book is not None
    now = examined.live.at if examined.live is not None else now
    match output:
        case Format.JSON:
            from dns_cutover.report.preview_json import preview_document

            print_json(preview_document(book, sha256, now))
        case Format.MARKDOWN:
            from dns_cutover.report.preview_markdown import preview_markdown

            write_text(preview_markdown(book, sha256, now))
        case Format.TEXT:
            from dns_cutover.report.foreseen import foresee
            from dns_cutover.report.paper import print_lines, stdout_look
            from dns_cutover.report.preview import preview_lines

            look = stdout_look()
            foreseen = foresee(book, sha256, now)
            print_lines(preview_lines(foreseen, look, full=full, out=out, source=source), look)
