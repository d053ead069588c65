"""Checks as pages: all of them in a list, one of them explained, in text, JSON and Markdown. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from dns_cutover.checks.ignoring import LOADER_WARNINGS
from dns_cutover.checks.interface import Check, Example
from dns_cutover.checks.registry import all_checks
from dns_cutover.plan.finding import PLAN_CHECKS, Severity
from dns_cutover.report.words import plural

SCHEMA = "dns-cutover/checks/1"
LABEL = 14
FAMILIES = {
    "1": "the plan, and other plans beside it",
    "2": "what is live",
    "3": "TTL",
    "4": "safety",
    "5": "e-mail",
    "6": "web",
    "7": "delegation and DNSSEC",
    "8": "the way back",
    "9": "neighbours",
}
NEEDS = {
    "plan": "the plan",
    "plans": "all plans of one call",
    "live": "live DNS",
    "probe": "the new targets, with --probe",
    "probe-write": "the primary's answer to an update that changes nothing, with --probe-write",
    "owner-file": "other tools' files, with --owner-file",
}
_READING = Example("")


def every_check() -> tuple[Check, ...]:
    """All checks by id. One that the loader makes while it reads has no more than a title where nobody wrote more."""
    known = {c.id: c for c in all_checks()}
    read = {i: _by_loader(i, title) for i, title in PLAN_CHECKS.items()}
    return tuple(c for _, c in sorted({**read, **known}.items()))


def _by_loader(check_id: str, title: str) -> Check:
    severity: Severity = "warning" if check_id in LOADER_WARNINGS else "error"
    return Check(check_id, severity, title, "", "", "", "the plan file", _READING, _READING)


def checks_text(checks: Sequence[Check]) -> str:
    """The list, by family."""
    out = []
    for digit, family in groupby(checks, key=lambda c: c.id[2]):
        out.append(f"DC{digit}xx  {FAMILIES[digit]}")
        for c in family:
            more = f"  ({_option(c)})" if _option(c) else ""
            out.append(f"  {c.id}  {c.severity:<8} {c.title}{more}")
        out.append("")
    out.append(f"{plural(len(checks), 'check')}. One of them: dns-cutover checks {checks[0].id}")
    return "\n".join(out) + "\n"


def _option(check: Check) -> str:
    return {"plan": "", "live": "live", "plans": "several plans"}.get(check.needs, f"--{check.needs}")


def check_text(check: Check, width: int) -> str:
    """One check, explained, in `width` columns."""
    rows = [
        ("looks at", NEEDS[check.needs]),
        ("why", check.why),
        ("Hint:", check.hint),
        ("source", check.source),
        ("ignore it", _ignoring(check)),
    ]
    out = [f"{check.id}  {check.severity}  {check.title}", ""]
    if check.rationale:
        out += [*textwrap.wrap(check.rationale, width), ""]
    for label, text in rows:
        out += _labelled(label, text, width)
    for title, example in _examples(check):
        out += ["", title]
        for part, text in _example_parts(example):
            out += [f"  {part}", textwrap.indent(text.strip("\n"), "    ")]
    return "\n".join(out) + "\n"


def _labelled(label: str, text: str, width: int) -> Iterator[str]:
    """The text behind its label, wrapped under itself; nothing without a text."""
    lines = textwrap.wrap(text, max(20, width - LABEL), break_long_words=False, break_on_hyphens=False)
    for n, line in enumerate(lines):
        yield f"{label if n == 0 else '':<{LABEL}}{line}"


def _ignoring(check: Check) -> str:
    if not check.ignorable:
        return "cannot be ignored"
    if check.find is None and check.between is None and check.severity == "error":
        return "cannot be ignored: a plan with it cannot be read"
    return f'safety: {{ignore: [{{check: {check.id}, because: "…"}}]}}'


def _examples(check: Check) -> Iterator[tuple[str, Example]]:
    if check.fires.plan:
        yield "It speaks here:", check.fires
    if check.silent.plan:
        yield "It is silent here:", check.silent


def _example_parts(example: Example) -> Iterator[tuple[str, str]]:
    parts = (
        ("plan", example.plan),
        ("another plan in the same call", example.other),
        ("live in the zone", example.zone),
        ("live at a second server", example.secondary),
        ("live elsewhere", example.elsewhere),
        ("besides", example.note),
    )
    return ((title, text) for title, text in parts if text)


def checks_document(checks: Iterable[Check]) -> dict[str, Any]:
    """All checks as JSON data."""
    return {"schema": SCHEMA, "checks": [check_document(c) for c in checks]}


def check_document(check: Check) -> dict[str, Any]:
    """One check as JSON data."""
    return {
        "id": check.id,
        "family": FAMILIES[check.id[2]],
        "severity": check.severity,
        "title": check.title,
        "rationale": check.rationale,
        "why": check.why,
        "hint": check.hint,
        "source": check.source,
        "needs": check.needs,
        "examples": {
            name: {p: t for p in ("plan", "other", "zone", "secondary", "elsewhere", "note") if (t := getattr(e, p))}
            for name, e in (("fires", check.fires), ("silent", check.silent))
        },
    }


_HEAD = """\
# Checks

<!-- Made by `dns-cutover checks --format markdown`; `make reference` makes it anew. -->

What `dns-cutover validate` looks for. `dns-cutover checks` prints this list, and `dns-cutover checks DC401` explains
one check. Every example below is a test: the check speaks in the first one and is silent in the second. Examples leave
out the first lines of a plan (`version`, `name`, `zone`, `provider`).

An *error* makes a plan not valid, and a *warning* does so with `--strict`. A check that was decided to be ignored needs
a reason, which every output shows: `safety: {ignore: [{check: DC405, because: "…"}]}`.
"""


def checks_markdown(checks: Sequence[Check]) -> str:
    """The reference page."""
    parts = [_HEAD, "| check | | finds | looks at |\n|---|---|---|---|"]
    parts += [f"| [{c.id}](#{c.id.lower()}) | {c.severity} | {_cell(c.title)} | {NEEDS[c.needs]} |" for c in checks]
    for digit, family in groupby(checks, key=lambda c: c.id[2]):
        parts.append(f"\n## DC{digit}xx: {FAMILIES[digit]}\n")
        parts += [check_markdown(c) for c in family]
    return "\n".join(parts)


def check_markdown(check: Check) -> str:
    """One check's section."""
    parts = [f"### {check.id}: {check.title} {{#{check.id.lower()}}}\n"]
    if check.rationale:
        parts.append(f"{_prose(check.rationale)}\n")
    rows = [
        (check.severity.capitalize(), f"{_prose(check.why)} Looks at {NEEDS[check.needs]}.".strip()),
        ("Hint", f"{_prose(check.hint)}" if check.hint else ""),
        ("Source", _prose(check.source)),
        ("Ignoring", f"`{_ignoring(check)}`" if "{" in _ignoring(check) else _ignoring(check)),
    ]
    parts += ["\n".join(f"- **{label}:** {text}" for label, text in rows if text) + "\n"]
    for title, example in _examples(check):
        parts.append(f"{title}\n")
        for part, text in _example_parts(example):
            language = "yaml" if "plan" in part else "text"
            body = text.strip("\n")
            parts.append(f"{_prose(body)}\n" if part == "besides" else f'```{language} title="{part}"\n{body}\n```\n')
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Our own sentences: code in backticks stays, and angle brackets and asterisks are meant as such."""
    pieces = text.split("`")
    plain = [p.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_") for p in pieces[::2]]
    code = [f"`{p}`" for p in pieces[1::2]]
    return "".join(a + b for a, b in zip(plain, [*code, ""], strict=True))


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")
