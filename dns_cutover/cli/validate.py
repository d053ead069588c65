"""`validate PLAN…`: findings with file, line and column."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.common import Globals, ignored_in, json_text, parse_vars, write_text
from dns_cutover.cli.options import Bootstrap, Many, Vars
from dns_cutover.errors import CutoverError, Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Examined, Request
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.report.validation import Report

Files = list[Path] | None


class Format(StrEnum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"
    SARIF = "sarif"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(validate)


def validate(
    context: typer.Context,
    plans: Annotated[list[Path], typer.Argument(metavar="PLAN", help="Plan files.")],
    offline: Annotated[bool, typer.Option("--offline", "--no-network", help="Ask nobody.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are failures.")] = False,
    output: Annotated[Format, typer.Option("--format", help="How to show findings.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write them to this file.")] = None,
    var: Vars = None,
    probe: Annotated[bool, typer.Option("--probe", help="Connect to new targets, for their certificates.")] = False,
    probe_write: Annotated[
        bool, typer.Option("--probe-write", help="Ask the primary with an update that changes nothing; needs the key.")
    ] = False,
    owner_file: Annotated[
        Files, typer.Option(metavar="FILE", help="Another tool's state or configuration; repeat for several.")
    ] = None,
    resolver: Annotated[
        Many, typer.Option(metavar="ADDRESS[:PORT]", help="A resolver to ask for its TTLs; repeat for several.")
    ] = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Check plans by themselves, with each other and with live DNS. Writes nothing, runs nothing.

    Reads no secrets, unless --probe-write asks for it. Exit 0 valid, 3 not valid.
    """
    import asyncio

    from dns_cutover.assembly import Request

    assert isinstance(context.obj, Globals)
    if offline and (probe or probe_write or resolver):
        raise UsageError("--offline asks nobody, and --probe, --probe-write and --resolver ask somebody")
    _spare(out, (*plans, *(owner_file or ())))
    files_of_others, resolvers = tuple(owner_file or ()), _endpoints(resolver)
    # A plan under review may be a stranger's: it does not choose who is asked.
    request = Request(offline, probe, probe_write, files_of_others, resolvers, _endpoints(bootstrap), trust_plan=False)
    files = _distinct(plans)
    outcomes, took = asyncio.run(_outcomes(files, parse_vars(var or []), request))
    reports = [_report(*each, strict, offline) for each in zip(files, outcomes, took, strict=True)]
    if output is Format.TEXT and out is None and len(reports) == 1 and reports[0].problem:
        assert isinstance(outcomes[0], CutoverError)
        raise outcomes[0]  # told as every error of the command line
    if output is Format.MARKDOWN:
        reports = [_with_preview(r, each, len(reports)) for r, each in zip(reports, outcomes, strict=True)]
    _show(reports, output, out)
    if not all(r.ok for r in reports):
        raise typer.Exit(3 if any(not r.ok and not r.problem for r in reports) else 1)


def _spare(out: Path | None, read: Sequence[Path]) -> None:
    """What is looked at is not written over. Raises UsageError."""
    from dns_cutover.cli.files import same_file

    if out is not None and any(same_file(out, path) for path in read):
        raise UsageError(f"{out} is what validate is to read", "It was left as it is.", ("name another file with -o",))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """The same file named twice is one plan: it is not in conflict with itself."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _endpoints(given: Many) -> tuple[Endpoint, ...]:
    if not given:
        return ()
    from dns_cutover.plan.types import parse_endpoint

    try:
        return tuple(parse_endpoint(text) for text in given)
    except ValueError as exc:
        raise UsageError(str(exc), "", ("write an IP address, optionally with :port",)) from None


async def _outcomes(
    files: Sequence[Path], variables: dict[str, str], request: Request
) -> tuple[list[Examined | CutoverError], list[float]]:
    """What became of each file, in the order given, and how long reading it took (seconds).

    One that cannot be read hides nothing of the others.
    """
    import asyncio

    from dns_cutover.assembly import Setting, examine_all

    loaded = await asyncio.gather(*(asyncio.to_thread(_load, path, variables) for path in files))
    plans = [each for each, _ in loaded if not isinstance(each, CutoverError)]
    examined = iter(await examine_all(plans, Setting(), request))
    outcomes = [each if isinstance(each, CutoverError) else next(examined) for each, _ in loaded]
    return outcomes, [took for _, took in loaded]


def _load(path: Path, variables: dict[str, str]) -> tuple[LoadedPlan | CutoverError, float]:
    from dns_cutover.plan.loader import load_plan

    began = time.monotonic()
    try:
        return load_plan(path, variables), time.monotonic() - began
    except CutoverError as error:
        return error, time.monotonic() - began


def _report(path: Path, outcome: Examined | CutoverError, took: float, strict: bool, offline: bool) -> Report:
    from dns_cutover.plan.finding import PlanInvalid
    from dns_cutover.report.validation import Report

    file, uri = str(path), _uri(path)
    if isinstance(outcome, PlanInvalid):
        return Report("", file, uri, outcome.findings, lines=outcome.lines, seconds=took, strict=strict)
    if isinstance(outcome, CutoverError):
        problem = f"{outcome.what}: {outcome.why}" if outcome.why else outcome.what
        return Report("", file, uri, strict=strict, problem=problem, hint="; ".join(outcome.hints))
    return Report(
        outcome.loaded.plan.name,
        file,
        uri,
        outcome.findings,
        ignored_in(outcome),
        outcome.lines,
        outcome.made,
        None if offline else outcome.servers,
        took + outcome.seconds,
        strict,
    )


def _uri(path: Path) -> str:
    """Relative to the project: the checkout in a GitHub job, else the working folder; as given outside of it."""
    whole = os.path.abspath(path)
    for base in (os.environ.get("GITHUB_WORKSPACE"), os.getcwd()):
        if base and whole.startswith(os.path.join(base, "")):
            return Path(os.path.relpath(whole, base)).as_posix()
    return path.as_posix()


def _with_preview(report: Report, outcome: Examined | CutoverError, plans: int) -> Report:
    """With what a run would do, where a runbook could be compiled; all of them leave half of a comment free."""
    from dataclasses import replace

    from dns_cutover.report.findings_markdown import MAX_LENGTH
    from dns_cutover.report.preview_markdown import preview_markdown

    if isinstance(outcome, CutoverError) or outcome.book is None or outcome.live is None:
        return report
    limit = MAX_LENGTH // (2 * plans)
    return replace(report, preview=preview_markdown(outcome.book, outcome.sha256, outcome.live.at, limit=limit))


def _show(reports: Sequence[Report], output: Format, out: Path | None) -> None:
    """The document to a file or to standard output; what people read to standard error."""
    if out is not None:
        from dns_cutover.cli.files import replace_file

        try:
            replace_file(out, _rendered(reports, output).encode("utf-8", "backslashreplace"))
        except OSError as exc:
            raise Unavailable(f"{out} cannot be written", f"{exc.strerror}.", ("name another file with -o",)) from None
    elif output is not Format.TEXT:
        write_text(_rendered(reports, output))
    _say(reports, whole=out is not None or output is Format.TEXT)


def _rendered(reports: Sequence[Report], output: Format) -> str:
    match output:
        case Format.TEXT:
            from dns_cutover.report.findings import plain_report

            return "".join(map(plain_report, reports))
        case Format.JSON:
            from dns_cutover.report.findings_json import reports_document

            return json_text(reports_document(reports))
        case Format.GITHUB:
            from dns_cutover.report.findings_github import github_annotations

            return github_annotations(reports)
        case Format.JUNIT:
            from dns_cutover.clock import SystemClock
            from dns_cutover.report.findings_junit import junit

            return junit(reports, SystemClock().now())
        case Format.SARIF:
            from dns_cutover.report.findings_sarif import sarif

            return json_text(sarif(reports))
        case Format.MARKDOWN:
            from dns_cutover.report.findings_markdown import findings_markdown

            return findings_markdown(reports)


def _say(reports: Sequence[Report], *, whole: bool) -> None:
    """On standard error: all findings, or the verdicts alone where the findings are elsewhere."""
    from dns_cutover.report.findings import plain_report, plain_verdict
    from dns_cutover.report.stream import is_terminal, wants_ascii
    from dns_cutover.report.validation import summary

    if not is_terminal():
        sys.stderr.write("".join(map(plain_report if whole else plain_verdict, reports)))
        if len(reports) > 1:
            sys.stderr.write(f"{summary(reports)}\n")
        return
    from dns_cutover.report.findings_terminal import Screen, terminal_report, terminal_summary, terminal_verdict
    from dns_cutover.report.terminal import stderr_console

    console = stderr_console()
    screen = Screen(console.width, wants_ascii())
    for n, report in enumerate(reports):
        if n and whole:
            console.print()
        for line in (terminal_report if whole else terminal_verdict)(report, screen):
            console.print(line, soft_wrap=True)
    if len(reports) > 1:
        console.print()
        console.print(terminal_summary(reports, screen), soft_wrap=True)
