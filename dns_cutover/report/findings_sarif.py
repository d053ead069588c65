"""`validate --format sarif`: SARIF 2.1.0 (OASIS), for code scanning and editors. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from dns_cutover import __version__
from dns_cutover.checks.interface import Check
from dns_cutover.checks.registry import all_checks
from dns_cutover.plan.finding import PLAN_CHECKS, Finding
from dns_cutover.report.validation import Report, about, sentence
from dns_cutover.report.words import safe

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
MAX_SNIPPET = 500  # characters; a plan may be one line
_BASE = "PROJECTROOT"


def sarif(reports: Sequence[Report]) -> dict[str, Any]:
    """One run for all plans. Ignored findings are results that are suppressed, with the plan's reason."""
    rules = _rules(reports)
    index = {r["id"]: n for n, r in enumerate(rules)}
    seen: Counter[str] = Counter()
    results = []
    for r in reports:
        results += [_result(r, f, index, seen) for f in r.findings]
        for i in r.ignored:
            why = {"kind": "inSource", "status": "accepted", "justification": safe(i.because)}
            results.append({**_result(r, i.finding, index, seen), "suppressions": [why]})
    run = {
        "tool": {"driver": {"name": "dns-cutover", "semanticVersion": _semantic(__version__), "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"description": {"text": "The project: the folder that paths are relative to."}}},
        "invocations": [_invocation(reports)],
        "artifacts": [{"location": _artifact(r), "roles": ["analysisTarget"]} for r in reports],
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _semantic(version: str) -> str:
    parts = version.split(".")
    return ".".join([*parts, "0", "0"][: max(3, len(parts))])


def _invocation(reports: Iterable[Report]) -> dict[str, Any]:
    problems = [
        {"level": "error", "message": {"text": safe(r.problem)}, "locations": [{"physicalLocation": _whole(r)}]}
        for r in reports
        if r.problem
    ]
    out: dict[str, Any] = {"executionSuccessful": not problems}
    return {**out, "toolExecutionNotifications": problems} if problems else out


def _artifact(report: Report) -> dict[str, str]:
    return (
        {"uri": quote(report.uri), "uriBaseId": _BASE}
        if not report.uri.startswith("/")
        else {"uri": f"file://{quote(report.uri)}"}
    )


def _whole(report: Report) -> dict[str, Any]:
    return {"artifactLocation": _artifact(report)}


def _result(report: Report, f: Finding, index: dict[str, int], seen: Counter[str]) -> dict[str, Any]:
    source = report.lines[f.line - 1] if 0 < f.line <= len(report.lines) else ""
    end = min(max(f.end_column, f.column + 1), max(len(source) + 1, f.column + 1))
    region: dict[str, Any] = {"startLine": f.line, "startColumn": f.column, "endColumn": end}
    if marked := source[f.column - 1 : end - 1]:
        region["snippet"] = {"text": safe(marked[:MAX_SNIPPET])}
    text = safe(sentence(f))
    parts = [safe(p) for p in (f.why, f"Hint: {f.hint}" if f.hint else "") if p]
    location: dict[str, Any] = {"physicalLocation": {**_whole(report), "region": region}}
    if about(f):
        location["logicalLocations"] = [{"fullyQualifiedName": safe(about(f))}]
    return {
        "ruleId": f.id,
        "ruleIndex": index[f.id],
        "level": "error" if report.fails(f) else _LEVELS[f.severity],
        "message": {"text": "\n".join((text, *parts))},
        "locations": [location],
        "partialFingerprints": {"finding/v1": _fingerprint(report, f, marked, seen)},
    }


def _fingerprint(report: Report, f: Finding, marked: str, seen: Counter[str]) -> str:
    """The same as long as the finding lasts: lines may move, and what is live may change. Equal ones are numbered."""
    base = f"{f.id}\0{report.uri}\0{f.stage}\0{f.record}\0{marked}"
    seen[base] += 1
    return hashlib.sha256(f"{base}\0{seen[base]}".encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _rules(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """Every check that there is, so that a finding that comes later has its help already."""
    known = {c.id: _rule(c) for c in all_checks()}
    plain = {i: _bare(i, t) for i, t in PLAN_CHECKS.items()}
    found = {f.id for r in reports for f in (*r.findings, *(i.finding for i in r.ignored))}
    rules = {**{i: _bare(i, i) for i in found}, **plain, **known}
    return [rules[i] for i in sorted(rules)]


def _bare(check_id: str, title: str) -> dict[str, Any]:
    return {"id": check_id, "shortDescription": {"text": f"{title}."}}


def _rule(check: Check) -> dict[str, Any]:
    text = f"{check.rationale}\n\n{check.why}\n\nHint: {check.hint}\nSource: {check.source}"
    markdown = f"{check.rationale}\n\n{check.why}\n\n**Hint:** {check.hint}\n\n**Source:** {check.source}"
    return {
        **_bare(check.id, check.title),
        "fullDescription": {"text": check.rationale},
        "help": {"text": text, "markdown": markdown},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"tags": ["dns", f"needs-{check.needs}"]},
    }
