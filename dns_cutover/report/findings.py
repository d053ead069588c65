"""Findings off a terminal: one line each, in ASCII, so that editors, grep and logs can use them. Pure."""

from __future__ import annotations

from dns_cutover.plan.finding import Finding
from dns_cutover.report.validation import Ignored, Report, effort, sentence, verdict, worst_last
from dns_cutover.report.words import safe, to_ascii

_MORE = str.maketrans({"‘": "'", "’": "'", "—": "-", "•": "*"})


def plain(text: str) -> str:
    """Hostile text in ASCII: symbols as their usual substitutes, everything else that is not ASCII as an escape."""
    return safe(to_ascii(text.translate(_MORE)), ascii_only=True)


def finding_line(f: Finding) -> str:
    """One line for editors and grep, the hint on a second one."""
    head = f"{plain(f.file)}:{f.line}:{f.column}: {f.severity} {f.id}: {plain(sentence(f))}\n"
    return head + (f"  Hint: {plain(f.hint)}\n" if f.hint else "")


def plain_report(report: Report) -> str:
    """All findings, errors last, what is ignored, and the verdict."""
    if report.problem:
        hint = f"  Hint: {plain(report.hint)}\n" if report.hint else ""
        return f"{plain(report.file)}: error: {plain(report.problem)}\n{hint}"
    found, ignored = map(finding_line, worst_last(report.findings)), map(ignored_line, report.ignored)
    return "".join((*found, *ignored, plain_verdict(report)))


def ignored_line(ignored: Ignored) -> str:
    """What is ignored, why, and what it was."""
    f = ignored.finding
    head = f"{plain(f.file)}:{f.line}:{f.column}: ignored {f.id}"
    return f"{head}: {plain(ignored.because)} ({plain(f.message)})\n"


def plain_verdict(report: Report) -> str:
    """The last line: valid or not, how many of each, and what that rests on."""
    if report.problem:
        return f"{plain(report.name)} {verdict(report)}: {plain(report.problem)}\n"
    return f"{plain(report.name)} {verdict(report)}; {effort(report)}\n"
