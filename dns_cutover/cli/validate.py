"""`validate PLAN…`: findings with file, line and column."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals, load, print_json

if TYPE_CHECKING:
    from dns_cutover.plan.finding import Finding


class Format(StrEnum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(validate)


def validate(
    context: typer.Context,
    plans: Annotated[list[Path], typer.Argument(metavar="PLAN...", help="Plan files.")],
    offline: Annotated[bool, typer.Option("--offline", "--no-network", help="Ask nobody.")] = False,
    strict: Annotated[bool, typer.Option(help="Warnings are failures.")] = False,
    output: Annotated[Format, typer.Option("--format", help="How to show findings.")] = Format.TEXT,
    var: Annotated[list[str] | None, typer.Option(help="Override a variable: NAME=VALUE.")] = None,
) -> None:
    """Check plans, by themselves and against live DNS. Writes nothing, runs nothing, reads no secrets."""
    assert isinstance(context.obj, Globals)
    failed = False
    documents = []
    for path in plans:
        findings, ignored, lines, name = _check(path, var or [], offline)
        failed |= any(f.severity == "error" or (strict and f.severity == "warning") for f in findings)
        documents.append(_show(output, name, findings, ignored, lines))
    if output is Format.JSON:
        print_json(documents[0] if len(documents) == 1 else documents)
    if failed:
        raise typer.Exit(3)


def _check(
    path: Path, variables: list[str], offline: bool
) -> tuple[tuple[Finding, ...], tuple[Finding, ...], tuple[str, ...], str]:
    from dns_cutover.plan.finding import PlanInvalid

    try:
        loaded = load(path, variables)
    except PlanInvalid as exc:
        return exc.findings, (), exc.lines, str(path)
    import asyncio

    from dns_cutover.assembly import Request, Setting, examine

    examined = asyncio.run(examine(loaded, Setting(), Request(offline=offline)))
    return examined.findings, examined.ignored, examined.lines, loaded.plan.name


def _show(
    output: Format, name: str, findings: tuple[Finding, ...], ignored: tuple[Finding, ...], lines: tuple[str, ...]
) -> object:
    import sys

    from dns_cutover.cli.common import print_findings
    from dns_cutover.report.findings import findings_document, github_annotation, verdict_line

    match output:
        case Format.JSON:
            return findings_document(name, findings, ignored)
        case Format.GITHUB:
            for f in findings:
                sys.stdout.write(github_annotation(f))
        case Format.TEXT:
            print_findings(findings, lines)
            for f in ignored:
                sys.stderr.write(f"ignored {f.id}: {f.message}\n")
    sys.stderr.write(verdict_line(name, findings, ignored))
    return None
