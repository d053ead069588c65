"""`init ZONE`: a first plan from live records."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dns_cutover.cli.complete import templates
from dns_cutover.cli.options import Authoritative, Bootstrap, Many
from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Surveyed
    from dns_cutover.plan.models import LookupConfig
    from dns_cutover.plan.starting import Answers, Found, Question, Record
    from dns_cutover.plan.template import Template

T = TypeVar("T")
Given = dict[str, list[str]]
SCHEMA = "plan.schema.json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(init)


def _list(value: bool) -> None:
    if value:
        from dns_cutover.plan.template import TEMPLATES

        width = max(len(t.name) for t in TEMPLATES)
        for template in TEMPLATES:
            sys.stdout.write(f"{template.name:<{width}}  {template.summary}\n")
        raise typer.Exit


def init(
    zone: Annotated[str, typer.Argument(metavar="ZONE", help="The zone.")],
    template: Annotated[
        str, typer.Option(metavar="NAME", help="What kind of move; see --list-templates.", autocompletion=templates)
    ] = "generic",
    record: Annotated[
        Many, typer.Option(metavar="NAME/TYPE", help="What moves, such as www/A; repeat for several.")
    ] = None,
    answer: Annotated[
        Many, typer.Option("--set", metavar="NAME=VALUE", help="An answer; repeat for several values.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The plan file; never overwritten.")
    ] = None,
    authoritative: Authoritative = None,
    bootstrap: Bootstrap = None,
    leaves: Annotated[
        str | None, typer.Option("--from", metavar="VENDOR", help="The mail vendor that is left; as --set from=VENDOR.")
    ] = None,
    goes: Annotated[
        str | None, typer.Option("--to", metavar="VENDOR", help="The mail vendor to go to; as --template VENDOR.")
    ] = None,
    list_templates: Annotated[
        bool, typer.Option("--list-templates", callback=_list, is_eager=True, help="Show the templates.")
    ] = False,
) -> None:
    """Write a first plan from live records. Asks what DNS cannot tell; changes nothing, reads no secrets."""
    from dns_cutover.plan.template import default_file, template_named
    from dns_cutover.report.words import plural, shell_word

    if goes is not None and template not in ("generic", goes):
        raise UsageError("--to and --template name two templates", "", ("give one of them",))
    chosen = _unfit(lambda: template_named(goes or template))
    origin, records, given = _arguments(zone, record or [], answer or [])
    if leaves is not None:
        given["from"] = [leaves]
    path = out if out is not None else Path(default_file(origin, chosen))
    if path.exists():
        raise _exists(path)
    if not path.parent.is_dir():
        # Told before anything is asked, and not after the last answer.
        raise Unavailable(f"{path} cannot be written", "Its folder is not there.", ("name another file: -o FILE",))
    surveyed = _survey(origin, chosen, records, given, authoritative or [], bootstrap or [])
    for note in surveyed.notes:
        _say(f"note: {note}")
    moved = records or chosen.choose(surveyed.found)
    answers = _answers(chosen, surveyed.found, moved, given)
    text = _text(chosen, surveyed.found, moved, answers, path, authoritative or [], bootstrap or [])
    _check(text, path, surveyed.found)
    _write(path, text)
    _say(f"{path} is written: {chosen.name}, {plural(len(moved), 'record')}. Read its comments, then:")
    # A plan may not choose its own resolvers when it is validated: a stranger may have written it.
    finders = "".join(f" --bootstrap {b}" for b in bootstrap or [])
    _say(f"  dns-cutover validate {shell_word(str(path))}{finders}")
    _say(f"  dns-cutover preview {shell_word(str(path))} -o {shell_word(str(path.with_suffix('.runbook.json')))}")


def _say(line: str) -> None:
    from dns_cutover.report.words import safe

    sys.stderr.write(safe(line) + "\n")


def _unfit(act: Callable[[], T]) -> T:
    """What does not fit is a usage error: the command line says too little, or the wrong thing."""
    from dns_cutover.plan.starting import Unfit

    try:
        return act()
    except Unfit as exc:
        raise UsageError(str(exc), "", (exc.hint,) if exc.hint else ()) from None


def _exists(path: Path) -> UsageError:
    from dns_cutover.report.words import shell_word

    return UsageError(
        f"{path} is there already",
        "init never overwrites.",
        (
            "name another file: -o FILE",
            f"dns-cutover validate {shell_word(str(path))}   looks at the one that is there",
        ),
    )


def _arguments(zone: str, records: Sequence[str], answers: Sequence[str]) -> tuple[str, tuple[Record, ...], Given]:
    from dns_cutover.plan.starting import parse_record
    from dns_cutover.records import absolute_name

    given: Given = {}
    try:
        origin = absolute_name(zone)
        named = tuple(dict.fromkeys(parse_record(r, origin) for r in records))
        for text in answers:
            name, sign, value = text.partition("=")
            if not sign or not name:
                raise ValueError(f"--set {text} is not NAME=VALUE")
            given.setdefault(name, []).append(value)
    except ValueError as exc:
        raise UsageError(str(exc)) from None
    return origin, named, given


def _lookup(authoritative: Sequence[str], bootstrap: Sequence[str]) -> LookupConfig:
    from dns_cutover.plan.models import LookupConfig
    from dns_cutover.plan.types import parse_endpoint

    for text in (*authoritative, *bootstrap):
        try:
            parse_endpoint(text)
        except ValueError as exc:
            raise UsageError(str(exc), "", ("write an IP address, such as 192.0.2.53 or 192.0.2.53:5353",)) from None
    return LookupConfig(authoritative=tuple(authoritative) or "auto", bootstrap=tuple(bootstrap))


def _survey(
    zone: str,
    template: Template,
    records: Sequence[Record],
    given: Given,
    authoritative: Sequence[str],
    bootstrap: Sequence[str],
) -> Surveyed:
    import asyncio

    from dns_cutover.assembly import Setting, survey
    from dns_cutover.records import InvalidName, absolute_name

    lookup = _lookup(authoritative, bootstrap)
    try:
        owners = [absolute_name(n, zone) for n in (*template.looks, *given.get("green", ()))]
    except InvalidName as exc:
        raise UsageError(f"--set green: {exc}") from None
    return asyncio.run(survey(zone, (*owners, *(o for o, _ in records)), records, lookup, Setting()))


def _answers(template: Template, found: Found, records: Sequence[Record], given: Given) -> Answers:
    """Answers to everything: from the command line, and on a terminal from the person there. Raises UsageError."""
    from dns_cutover.plan.starting import settle
    from dns_cutover.plan.template import questions

    asked = _unfit(lambda: questions(template, found, records))
    settled = settle(asked, given, found)
    if settled.wrong:
        wrong = [(f"--set {name}", why) for name, why in settled.wrong]
        raise UsageError("some answers cannot be used", "", (), _facts("wrong", wrong))
    if sys.stdin.isatty() and sys.stderr.isatty():
        told = _prompt([q for q in asked if q.name not in given and (q.prompt or not q.default)], found)
        settled = settle(asked, given | told, found)
    if settled.missing:
        count = len(settled.missing)
        raise UsageError(
            f"{count} answer{'s are' if count != 1 else ' is'} missing",
            "DNS cannot tell these.",
            ("give them as above, or call init on a terminal, which asks", *_other_ways(template)),
            _facts("missing", [(f"--set {_shell(q)}", q.asks) for q in settled.missing]),
        )
    return settled.answers


def _facts(label: str, rows: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """One label for all rows, and a column for the flags."""
    width = max(len(flag) for flag, _ in rows)
    return tuple((label if n == 0 else "", f"{flag:<{width}}  {text}") for n, (flag, text) in enumerate(rows))


def _other_ways(template: Template) -> tuple[str, ...]:
    return ("for a special kind of move: --template, see --list-templates",) if template.name == "generic" else ()


def _shell(question: Question) -> str:
    from dns_cutover.report.words import shell_word

    return shell_word(f"{question.name}={question.example}")


def _prompt(questions: Sequence[Question], found: Found) -> Given:
    """Ask until the answer can be used."""
    from dns_cutover.plan.starting import check_answer, split_answer
    from dns_cutover.report.words import safe

    told: Given = {}
    for question in questions:
        while True:
            default = question.default[0] if question.default else None
            hint = "" if default else f", such as {question.example}"
            line: str = typer.prompt(safe(f"{question.asks}{hint}"), default=default, err=True)
            values = split_answer(question, line)
            try:
                check_answer(question, values, found)
            except ValueError as exc:
                _say(f"  {exc}")
                continue
            told[question.name] = values
            break
    return told


def _text(
    template: Template,
    found: Found,
    records: Sequence[Record],
    answers: Answers,
    path: Path,
    authoritative: Sequence[str],
    bootstrap: Sequence[str],
) -> str:
    from dns_cutover.assembly import Setting
    from dns_cutover.plan.template import Source, render
    from dns_cutover.report.words import utc

    schema = f"./{SCHEMA}" if (path.parent / SCHEMA).exists() else ""
    source = Source(utc(Setting().clock.now()), tuple(authoritative), tuple(bootstrap), schema)
    return _unfit(lambda: render(template, found, records, answers, source))


def _check(text: str, path: Path, found: Found) -> None:
    """A plan that would not pass is not written. Raises UsageError."""
    from dns_cutover.assembly import Setting, check_beginning
    from dns_cutover.plan.finding import PlanInvalid

    try:
        findings = check_beginning(text, str(path), found, Setting())
    except PlanInvalid as exc:
        findings = exc.findings
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        raise UsageError(
            "these answers make a plan that is not valid, so nothing was written",
            f"{errors[0].message}.",
            (errors[0].hint,) if errors[0].hint else (),
            tuple((f.id, f.message) for f in errors[1:]),
        )


def _write(path: Path, text: str) -> None:
    """A new file or nothing. Raises UsageError, Unavailable."""
    from dns_cutover.cli.files import new_file

    try:
        new_file(path, text)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as exc:
        raise Unavailable(f"{path} cannot be written", f"{exc.strerror}.", ("name another file: -o FILE",)) from None
