"""The command line: global options, the verbs, and the one place where errors become text and exit codes."""

from __future__ import annotations

import gc
import sys
import traceback
from typing import Annotated, Any

import typer

from dns_cutover import __version__
from dns_cutover.cli import (
    check,
    checks,
    demo,
    events,
    export,
    init,
    preview,
    reference,
    run,
    runs,
    status,
    steer,
    validate,
)
from dns_cutover.cli.common import Globals
from dns_cutover.errors import CutoverError

app = typer.Typer(
    name="dns-cutover",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Plan DNS migrations and carry them out with respect for TTLs.",
)
for verb in (init, validate, preview, run, status, events, steer, runs, check, checks, export, reference, demo):
    verb.register(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"dns-cutover {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="DNS_CUTOVER_STORE", help="Where runs are kept: a file, postgresql:, s3:."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Plan DNS migrations and carry them out with respect for TTLs."""
    context.obj = Globals(store, debug)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if argv is None else argv
    # A plan is a tree of many small values without cycles: looking for some after every 700 new ones costs a third of
    # the time that a large plan takes, and finds nothing.
    gc.set_threshold(500_000, 50, 50)
    try:
        code: Any = app(args=arguments, prog_name="dns-cutover", standalone_mode=False)
    except CutoverError as error:
        if "--debug" in arguments:
            traceback.print_exc()
        from dns_cutover.report.errors import error_text

        sys.stderr.write(error_text(error))
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # Whoever read the output is gone; the run, if there is one, is in its store.
        sys.stderr.close()
        code = 1
    except Exception as exc:
        code = _unexpected(exc, arguments)
    sys.exit(code if isinstance(code, int) else 0)


def _unexpected(exc: Exception, arguments: list[str]) -> int:
    """Usage errors of the command line, and faults of this program: one message each, never a traceback."""
    show = getattr(exc, "show", None)
    if show is not None:
        show()
        return 64
    if type(exc).__name__ == "Abort":
        sys.stderr.write("Aborted.\n")
        return 130
    if "--debug" in arguments:
        raise exc
    from dns_cutover.report.errors import error_text

    sys.stderr.write(
        error_text(
            CutoverError(
                f"something unexpected happened: {type(exc).__name__}: {exc}",
                "This is a fault of dns-cutover. What was stored is kept.",
                ("dns-cutover --debug …   shows where; please report it with the output",),
            )
        )
    )
    return 1
