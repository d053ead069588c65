"""`preview PLAN`: diff, timeline, worst cases; writes the runbook that a run is bound to."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dns_cutover.cli.common import load, print_json


class Format(StrEnum):
    """How the preview is shown."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(preview)


def preview(
    plan: Annotated[Path, typer.Argument(help="The plan file.")],
    out: Annotated[Path | None, typer.Option("--output", "-o", help="Write the runbook to this file.")] = None,
    detailed_exitcode: Annotated[bool, typer.Option(help="Exit 2 if there are changes.")] = False,
    output: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    var: Annotated[list[str] | None, typer.Option(help="Override a variable: NAME=VALUE.")] = None,
) -> None:
    """Show what a run would do, when, and the worst case at every moment. Writes nothing to DNS."""
    import asyncio

    from dns_cutover.assembly import Setting, examine
    from dns_cutover.cli.common import print_findings
    from dns_cutover.report.preview import preview_document, preview_text
    from dns_cutover.runbook.codec import runbook_json

    setting = Setting()
    loaded = load(plan, var or [])
    examined = asyncio.run(examine(loaded, setting))
    print_findings(examined.findings, loaded.document.lines)
    if examined.book is None:
        raise typer.Exit(3)
    if out is not None:
        out.write_text(runbook_json(examined.book) + "\n", encoding="utf-8")
    now = setting.clock.now()
    if output is Format.JSON:
        print_json(preview_document(examined.book, examined.sha256, now))
    else:
        sys.stdout.write(preview_text(examined.book, examined.sha256, now))
        target = out if out is not None else plan
        sys.stdout.write(f"Next: agree on the first 12 characters, then dns-cutover run {target}\n")
    if detailed_exitcode:
        raise typer.Exit(2)
