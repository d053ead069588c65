"""`schema`: reference, from the code."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dns_cutover.cli.common import write_text


class Format(StrEnum):
    """How the plan's keys are shown."""

    JSON = "json"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(schema)


def schema(
    output: Annotated[Format, typer.Option("--format", help="As a schema for programs, or as a page.")] = Format.JSON,
) -> None:
    """Print the plan file's JSON Schema."""
    from dns_cutover.plan.schema import plan_schema, schema_text

    match output:
        case Format.JSON:
            write_text(schema_text())
        case Format.MARKDOWN:
            from dns_cutover.report.plan_page import plan_page

            write_text(plan_page(plan_schema()))
