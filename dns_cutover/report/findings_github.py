"""`validate --format github`: workflow commands that GitHub shows as annotations at the lines of a pull request. Pure.

A step shows ten annotations of each kind, so the worst come first, whatever plan they are in. Text is percent-encoded
as the runner decodes it: no plan can begin a line of its own, and so give the runner a command.
"""

from __future__ import annotations

from collections.abc import Sequence

from dns_cutover.plan.finding import Finding
from dns_cutover.report.validation import SEVERITIES, Report, about, sentence
from dns_cutover.report.words import safe

_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def github_annotations(reports: Sequence[Report]) -> str:
    """One line for each finding, for each ignored one (as a notice), and for each plan that could not be looked at."""
    out = [
        f"::error file={_property(r.uri)},title=not looked at::{_data(r.problem, r.hint)}\n"
        for r in reports
        if r.problem
    ]
    found = [(f, r) for r in reports for f in r.findings]
    for f, report in sorted(found, key=lambda each: _rank(*each)):
        level = "error" if report.fails(f) else _LEVELS[f.severity]
        out.append(_annotation(level, report, f, _title(f), sentence(f), f.why, f.hint and f"Hint: {f.hint}"))
    for r in reports:
        for i in r.ignored:
            title = f"{_title(i.finding)}, ignored"
            out.append(_annotation("notice", r, i.finding, title, sentence(i.finding), f"ignored: {i.because}"))
    return "".join(out)


def _rank(f: Finding, report: Report) -> tuple[bool, int]:
    return not report.fails(f), SEVERITIES.index(f.severity)


def _title(f: Finding) -> str:
    return f"{f.id} {about(f)}".strip()


def _annotation(level: str, report: Report, f: Finding, title: str, *text: str) -> str:
    last = max(f.column, f.end_column - 1)  # the runner's end is the last column, not the one behind it
    where = f"file={_property(report.uri)},line={f.line},col={f.column},endColumn={last},title={_property(title)}"
    return f"::{level} {where}::{_data(*text)}\n"


def _data(*lines: str) -> str:
    """Lines of our own are kept; safe() makes those of a plan visible."""
    return "%0A".join(safe(line).replace("%", "%25") for line in lines if line)


def _property(text: str) -> str:
    return safe(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
