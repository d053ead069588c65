"""`schema`: reference, from the code."""

from __future__ import annotations

import sys

import typer


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(schema)


def schema() -> None:
    """Print the plan file's JSON Schema."""
    from dns_cutover.plan.schema import schema_text

    sys.stdout.write(schema_text())
