"""`validate --format json`: one plan as DESIGN section 10 has it, several as `plans`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dns_cutover.plan.finding import Finding
from dns_cutover.report.validation import SEVERITIES, Report

SCHEMA = "dns-cutover/validate/1"


def reports_document(reports: Sequence[Report]) -> dict[str, Any]:
    """One plan: its document. Several: whether all pass, and `plans` with a document each, in the order given."""
    if len(reports) == 1:
        return {"schema": SCHEMA, **_document(reports[0])}
    return {"schema": SCHEMA, "ok": all(r.ok for r in reports), "plans": [_document(r) for r in reports]}


def _document(report: Report) -> dict[str, Any]:
    return {
        "plan": report.name,
        "file": report.file,
        "ok": report.ok,
        "strict": report.strict,
        "problem": report.problem or None,
        "findings": [finding_document(f) for f in report.findings],
        "ignored": [{**finding_document(i.finding), "because": i.because} for i in report.ignored],
        "counts": {**{s: report.count(s) for s in SEVERITIES}, "ignored": len(report.ignored)},
        "checks": len(report.checks),
        "servers": report.servers,
        "seconds": round(report.seconds, 3),
    }


def finding_document(f: Finding) -> dict[str, Any]:
    """One finding as JSON data. Columns count characters from 1; `end_column` is the first one behind the place."""
    return {
        "id": f.id,
        "severity": f.severity,
        "message": f.message,
        "note": f.note,
        "hint": f.hint,
        "why": f.why,
        "stage": f.stage,
        "record": f.record,
        "file": f.file,
        "line": f.line,
        "column": f.column,
        "end_column": f.end_column,
    }
