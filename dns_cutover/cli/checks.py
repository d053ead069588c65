"""`checks [ID]`: what validate looks for, from the code."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from typing import Annotated

import typer

from dns_cutover.cli.common import json_text, write_text
from dns_cutover.cli.complete import check_ids
from dns_cutover.errors import UsageError


class Format(StrEnum):
    """How checks are shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(checks)


def checks(
    check: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One check, such as DC401; default: all.", autocompletion=check_ids),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to show them.")] = Format.TEXT,
) -> None:
    """List the checks of validate, or explain one."""
    from dns_cutover.report import check_pages as pages

    known = pages.every_check()
    if check is None:
        match output:
            case Format.TEXT:
                write_text(pages.checks_text(known))
            case Format.JSON:
                write_text(json_text(pages.checks_document(known)))
            case Format.MARKDOWN:
                write_text(pages.checks_markdown(known))
        return
    one = next((c for c in known if c.id == check.upper()), None)
    if one is None:
        raise _unknown(check, [c.id for c in known])
    match output:
        case Format.TEXT:
            width = min(100, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 100
            write_text(pages.check_text(one, width))
        case Format.JSON:
            write_text(json_text({"schema": pages.SCHEMA, **pages.check_document(one)}))
        case Format.MARKDOWN:
            write_text(pages.check_markdown(one))


def _unknown(given: str, ids: list[str]) -> UsageError:
    from dns_cutover.checks.ignoring import nearest

    close = nearest(given.upper(), ids)
    guess = (f"did you mean {close}?   dns-cutover checks {close}",) if close else ()
    return UsageError(f"there is no check {given[:40]}", "", (*guess, "dns-cutover checks   lists them all"))
