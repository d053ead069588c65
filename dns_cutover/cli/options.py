"""Options and arguments that several verbs have: one name, one form and one help for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dns_cutover.cli.complete import run_ids

Many = list[str] | None
_RUN = typer.Argument(metavar="RUN", help="A run's id, or a unique beginning of it.", autocompletion=run_ids)
_ADDRESS = "ADDRESS[:PORT]"

Run = Annotated[str, _RUN]
MaybeRun = Annotated[str | None, _RUN]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Vars = Annotated[Many, typer.Option("--var", metavar="NAME=VALUE", help="Override a variable; repeat for several.")]
Events = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Append events as JSON lines; - is standard output."),
]
Commands = Annotated[bool, typer.Option("--allow-commands", help="Let command probes run.")]
Authoritative = Annotated[
    Many, typer.Option("--authoritative", metavar=_ADDRESS, help="The zone's servers; default: found.")
]
Bootstrap = Annotated[
    Many,
    typer.Option("--bootstrap", metavar=_ADDRESS, help="Resolvers used to find servers; default: the system's."),
]
