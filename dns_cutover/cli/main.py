"""The command line: global options, the verbs, and the one place where errors become text and exit codes."""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback
from typing import Annotated, Any, TextIO, cast

import typer

from dns_cutover import __version__
from dns_cutover.cli import (
    check,
    checks,
    confirm,
    demo,
    events,
    export,
    init,
    preview,
    providers,
    reference,
    report,
    resolvers,
    run,
    runs,
    status,
    steer,
    unlock,
    validate,
)
from dns_cutover.cli.common import Globals
from dns_cutover.errors import CutoverError
from dns_cutover.report.stream import LossyStream, NotingStream, let_go

app = typer.Typer(
    name="dns-cutover",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Plan DNS migrations and carry them out with respect for TTLs.",
)
VERBS = (
    init,
    validate,
    preview,
    run,
    status,
    events,
    report,
    confirm,
    steer,
    unlock,
    runs,
    check,
    checks,
    providers,
    resolvers,
    export,
    reference,
    demo,
)
for verb in VERBS:
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
    _open_descriptors()
    before = sys.stdout, sys.stderr
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    out = NotingStream(before[0] or nowhere)
    sys.stdout = cast("TextIO", out)
    # What is said to people is lost with them: a run goes on when its terminal is dead or its pipe closed.
    sys.stderr = cast("TextIO", LossyStream(before[1] or nowhere))
    try:
        code = _call(arguments, out)
        lost = let_go(cast("TextIO", out))
        if lost and code == 0:
            code = _output_lost(lost)
        let_go(before[1])
    finally:
        sys.stdout, sys.stderr = before
        nowhere.close()
    sys.exit(code)


def _open_descriptors() -> None:
    """What is opened later must not become standard output: a descriptor that was closed is nowhere from now on."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _call(arguments: list[str], out: NotingStream) -> int:
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
    except OSError as exc:
        return _output_lost(out.trouble) if out.trouble else _unexpected(exc, arguments)
    except Exception as exc:
        code = _unexpected(exc, arguments)
    return code if isinstance(code, int) else 0


def _output_lost(reason: str) -> int:
    """Whoever read the output may have had enough; a full disk is told."""
    if reason != os.strerror(errno.EPIPE):
        from dns_cutover.report.errors import error_text

        hint = "free some space, or send the output elsewhere"
        sys.stderr.write(error_text(CutoverError("the output could not be written", f"{reason}.", (hint,))))
    return 1


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
