"""`validate --format markdown`, for a pull request: verdict, findings, details folded, the preview. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dns_cutover.plan.finding import Finding
from dns_cutover.report.markdown import COMMENT_LIMIT, block, code, inline, table
from dns_cutover.report.prose import cell, folded, prose
from dns_cutover.report.validation import Report, about, effort, sentence, summary, verdict, worst_first
from dns_cutover.report.words import safe

MAX_ROWS = 50
MAX_SOURCE = 200  # characters of a source line
# Other services are more generous; what the job itself adds has room.
MAX_LENGTH = COMMENT_LIMIT - 5_000


def findings_markdown(reports: Sequence[Report]) -> str:
    """The comment. What would make it too long is left out, previews first, and the text says so."""
    for previews, details in ((True, True), (False, True), (False, False)):
        text = "\n".join(_parts(reports, previews, details))
        if len(text) <= MAX_LENGTH:
            return text
    lines = [f"### {_sign(all(r.ok for r in reports))} {summary(reports)}", ""]
    lines += [f"- {_sign(r.ok)} {inline(r.file)} {prose(verdict(r))}" for r in reports]
    shown = [line for n, line in enumerate(lines) if sum(map(len, lines[: n + 1])) + n < MAX_LENGTH]
    return "\n".join(shown) + "\n"


def _sign(ok: bool) -> str:
    return "✓" if ok else "✗"


def _parts(reports: Sequence[Report], previews: bool, details: bool) -> list[str]:
    parts = []
    if len(reports) > 1:
        parts.append(f"### {_sign(all(r.ok for r in reports))} {summary(reports)}\n")
    for r in reports:
        parts += _plan(r, previews, details, "####" if len(reports) > 1 else "###")
    return parts


def _plan(report: Report, previews: bool, details: bool, level: str) -> list[str]:
    parts = [f"{level} {_sign(report.ok)} {inline(report.name)} {prose(verdict(report))}\n"]
    if report.problem:
        return [*parts, f"{prose(report.problem)}\n", f"{prose(report.hint)}\n"]
    found = worst_first(report.findings)
    if found or report.ignored:
        parts.append(_table(report, found))
    if found and details:
        parts.append(folded("Where, why, and what to do", "\n".join(_detail(report, f) for f in found[:MAX_ROWS])))
    if report.preview:
        left_out = "\nThe preview is left out here, since the comment would be too long.\n"
        parts.append(folded("Preview", report.preview) if previews else left_out)
    parts.append(f"\n{inline(report.file)} · {effort(report)}\n")
    return parts


def _table(report: Report, found: Sequence[Finding]) -> str:
    rows = [_row(f.severity, f, sentence(f)) for f in found[:MAX_ROWS]]
    if len(found) > MAX_ROWS:
        rows.append(("", "", "", f"+ {len(found) - MAX_ROWS} more"))
    rows += [_row("ignored", i.finding, f"{i.because} ({sentence(i.finding)})") for i in report.ignored[:MAX_ROWS]]
    if len(report.ignored) > MAX_ROWS:
        rows.append(("", "", "", f"+ {len(report.ignored) - MAX_ROWS} more ignored"))
    return table(("", "line", "check", "what"), rows)


def _row(word: str, f: Finding, what: str) -> tuple[str, str, str, str]:
    where = f"{code(about(f))}: " if about(f) else ""
    return word, str(f.line), f.id, f"{where}{cell(what)}"


def _detail(report: Report, f: Finding) -> str:
    where = f"{f.file}:{f.line}:{f.column}"
    parts = [f"**{f.severity} {f.id}** {inline(where)} {prose(sentence(f))}\n"]
    if 0 < f.line <= len(report.lines):
        source = report.lines[f.line - 1]
        begin = max(0, f.column - 1 - MAX_SOURCE // 2) if len(source) > MAX_SOURCE else 0
        parts.append(block([safe(source[begin : begin + MAX_SOURCE])], "yaml"))
    parts += [f"{prose(f.why)}\n"] if f.why else []
    parts += [f"Hint: {prose(f.hint)}\n"] if f.hint else []
    return "\n".join(parts)
