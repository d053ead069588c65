"""Findings in text, as good compilers show them, and in JSON and GitHub annotations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dns_cutover.plan.finding import Finding
from dns_cutover.report.words import plural, safe


def finding_text(f: Finding, lines: Sequence[str]) -> str:
    """With the source line and a caret."""
    out = [f"{f.severity}[{f.id}]: {safe(f.message)}", f"  --> {safe(f.file)}:{f.line}:{f.column}{_about(f)}"]
    if 0 < f.line <= len(lines):
        number = str(f.line)
        source = lines[f.line - 1]
        # Long lines are shown around the place; escapes keep their width at one.
        start = max(0, f.column - 1 - 60)
        cut = source[start : start + 100]
        shown = "".join(c if c.isprintable() else " " for c in cut)
        carets = max(1, min(f.end_column, start + 101) - f.column)
        out.append(f"{number} | {shown}")
        out.append(f"{' ' * len(number)} | {' ' * (f.column - 1 - start)}{'^' * carets}")
    if f.why:
        out.append(f"     why    {safe(f.why)}")
    if f.hint:
        out.append(f"     Hint:  {safe(f.hint)}")
    return "\n".join(out) + "\n"


def _about(f: Finding) -> str:
    parts = [safe(p) for p in (f.stage, f.record) if p]
    return f"  {', '.join(parts)}" if parts else ""


def finding_line(f: Finding) -> str:
    """One line for editors and grep, the hint on a second one."""
    head = f"{safe(f.file)}:{f.line}:{f.column}: {f.severity} {f.id}: {safe(f.message)}\n"
    return head + (f"  Hint: {safe(f.hint)}\n" if f.hint else "")


def github_annotation(f: Finding) -> str:
    """A workflow command; data is percent-encoded as the runner wants it."""
    level = {"error": "error", "warning": "warning", "info": "notice"}[f.severity]
    where = f"file={_property(f.file)},line={f.line},col={f.column},title={_property(f.id)}"
    text = f.message + (f" Hint: {f.hint}" if f.hint else "")
    return f"::{level} {where}::{_data(text)}\n"


def _data(text: str) -> str:
    return safe(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def findings_document(plan: str, findings: Sequence[Finding], ignored: Sequence[Finding]) -> dict[str, Any]:
    """`validate --format json`."""
    severities = ("error", "warning", "info")
    counts = {s: sum(f.severity == s for f in findings) for s in severities}
    return {
        "schema": "dns-cutover/validate/1",
        "plan": plan,
        "ok": counts["error"] == 0,
        "findings": [_data_of(f) for f in findings],
        "ignored": [_data_of(f) for f in ignored],
        "counts": counts,
    }


def _data_of(f: Finding) -> dict[str, Any]:
    return {
        "id": f.id,
        "severity": f.severity,
        "message": f.message,
        "hint": f.hint,
        "why": f.why,
        "stage": f.stage,
        "record": f.record,
        "file": f.file,
        "line": f.line,
        "column": f.column,
    }


def verdict_line(plan: str, findings: Sequence[Finding], ignored: Sequence[Finding]) -> str:
    """The last line: valid or not, and how many of each."""
    errors = sum(f.severity == "error" for f in findings)
    warnings = sum(f.severity == "warning" for f in findings)
    counts = ", ".join(
        plural(n, word)
        for n, word in ((errors, "error"), (warnings, "warning"), (len(ignored), "ignored finding"))
        if n
    )
    return f"{safe(plan)} is {'not valid' if errors else 'valid'}{': ' + counts if counts else ''}\n"
