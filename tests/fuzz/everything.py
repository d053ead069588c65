"""All that `validate --offline` does with a file, and what must hold of it whatever the file holds."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from dns_cutover.checks.interface import Subject
from dns_cutover.checks.registry import checks_for, findings_of, split_ignored
from dns_cutover.plan.finding import PlanInvalid
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from dns_cutover.report.findings import plain_report
from dns_cutover.report.findings_github import github_annotations
from dns_cutover.report.findings_json import reports_document
from dns_cutover.report.findings_junit import junit
from dns_cutover.report.findings_markdown import findings_markdown
from dns_cutover.report.findings_sarif import sarif
from dns_cutover.report.findings_terminal import Screen, terminal_report
from dns_cutover.report.validation import Ignored, Report
from dns_cutover.report.words import safe

NOW = 1_750_000_000.0


def report_on(raw: bytes) -> tuple[Report, LoadedPlan | None]:
    """What an offline validation says about the file."""
    try:
        loaded = parse_plan(raw, "fuzz.yaml", {})
    except PlanInvalid as exc:
        return Report("", "fuzz.yaml", "fuzz.yaml", exc.findings, lines=exc.lines), None
    made = checks_for({"plan"})
    found = (*loaded.warnings, *findings_of(made, Subject(loaded, NOW)))
    kept, ignored = split_ignored(loaded, found, made, complete=False)
    because = {i.check: i.because for i in loaded.plan.safety.ignore}
    shown = tuple(Ignored(f, because[f.id]) for f in ignored)
    ids = tuple(c.id for c in made)
    return Report(loaded.plan.name, "fuzz.yaml", "fuzz.yaml", kept, shown, loaded.document.lines, ids), loaded


def rendered(report: Report) -> dict[str, str]:
    """In every format."""
    screens = (Screen(100, ascii_only=False), Screen(40, ascii_only=True))
    return {
        "text": plain_report(report),
        "terminal": "\n".join(line.plain for line in terminal_report(report, screens[0])),
        "narrow": "\n".join(line.plain for line in terminal_report(report, screens[1])),
        "json": json.dumps(reports_document([report]), ensure_ascii=False),
        "github": github_annotations([report]),
        "junit": junit([report], NOW),
        "sarif": json.dumps(sarif([report]), ensure_ascii=False),
        "markdown": findings_markdown([report]),
    }


def assert_quiet(name: str, text: str) -> None:
    """Nothing in it moves a cursor, changes a colour, turns the direction of text, or hides; it can be encoded."""
    if name in ("json", "sarif"):
        json.loads(text)
        return  # data is exact here; the writer escapes what it must
    text.encode()
    lines = text.split("\n")
    assert [safe(line) for line in lines] == lines, name
    if name == "text":
        assert text.isascii()
    if name == "github":
        assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines if line)
    if name == "junit":
        ET.fromstring(text)


def everything(raw: bytes) -> Report:
    """All of it. Raises AssertionError where something does not hold, and nothing else."""
    report, loaded = report_on(raw)
    assert any(f.severity == "error" for f in report.findings) or loaded is not None
    for f in (*report.findings, *(i.finding for i in report.ignored)):
        assert f.message
        assert 1 <= f.column < f.end_column
        assert 1 <= f.line <= max(1, len(report.lines))
    for name, text in rendered(report).items():
        assert_quiet(name, text)
    return report
