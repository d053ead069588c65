"""`validate --format junit`: a test suite for each plan, a test case for each check. Pure.

There is no one schema: what is written here is valid for the two in use, that of Ant's JUnit task (Windy Road) and that
of Jenkins' xUnit plugin, which GitLab and others follow.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from dns_cutover.plan.finding import Finding
from dns_cutover.report.validation import Ignored, Report, sentence, titles
from dns_cutover.report.words import safe


def junit(reports: Sequence[Report], now: float) -> str:
    """The document. `now` is seconds UTC. A failed test case is a check with findings that fail the plan, a skipped one
    is a check that the plan ignores; the rest of what was found is the suite's output.
    """
    suites = "".join(_suite(r, n, now) for n, r in enumerate(reports))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}</testsuites>\n'


def _suite(report: Report, number: int, now: float) -> str:
    failed: dict[str, list[Finding]] = defaultdict(list)
    for f in report.findings:
        if report.fails(f):
            failed[f.id].append(f)
    skipped: dict[str, list[Ignored]] = defaultdict(list)
    for i in report.ignored:
        skipped[i.finding.id].append(i)
    ids = sorted({*report.checks, *(f.id for f in report.findings), *skipped})
    title = titles()
    cases = [_case(report, i, title.get(i, ""), failed, skipped) for i in ids]
    if report.problem:
        cases = [_element("testcase", _named(report, "the plan can be read"), _problem(report))]
    attributes = {
        "name": report.name,
        "package": report.uri,
        "id": str(number),
        "timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "hostname": "localhost",
        "tests": str(len(cases)),
        "failures": str(len(failed)),
        "errors": str(int(bool(report.problem))),
        "skipped": str(len(skipped)),
        "time": f"{report.seconds:.3f}",
    }
    rest = "\n".join(_lines([f for f in report.findings if not report.fails(f)]))
    inner = [_element("properties", {}, ""), *cases]
    inner += [_element("system-out", {}, _text(rest)), _element("system-err", {}, "")]
    return _element("testsuite", attributes, "\n" + "".join(inner))


def _named(report: Report, name: str) -> dict[str, str]:
    return {"name": name, "classname": report.name, "time": "0"}


def _problem(report: Report) -> str:
    return _element("error", {"type": "unreadable", "message": report.problem}, _text(report.hint))


def _case(
    report: Report, check: str, title: str, failed: Mapping[str, list[Finding]], skipped: Mapping[str, list[Ignored]]
) -> str:
    inner = ""
    if check in failed:
        found = failed[check]
        message = sentence(found[0]) + (f", and {len(found) - 1} more" if len(found) > 1 else "")
        inner = _element("failure", {"type": found[0].severity, "message": message}, _text("\n".join(_lines(found))))
    elif check in skipped:
        because = "; ".join(dict.fromkeys(i.because for i in skipped[check]))
        found = [i.finding for i in skipped[check]]
        inner = _element("skipped", {"message": f"ignored: {because}"}, _text("\n".join(_lines(found))))
    return _element("testcase", _named(report, f"{check} {title}".strip()), inner)


def _lines(findings: Sequence[Finding]) -> list[str]:
    out = []
    for f in findings:
        out.append(f"{f.file}:{f.line}:{f.column}: {f.severity} {f.id}: {sentence(f)}")
        out += [f"  why:  {f.why}"] if f.why else []
        out += [f"  Hint: {f.hint}"] if f.hint else []
    return [safe(line) for line in out]


def _element(name: str, attributes: Mapping[str, str], inner: str) -> str:
    """`inner` is XML already. Attribute values are tokens: no newline is left in them."""
    given = "".join(f' {k}="{_text(" ".join(v.split()))}"' for k, v in attributes.items())
    return f"<{name}{given}>{inner}</{name}>\n" if inner else f"<{name}{given}/>\n"


def _text(text: str) -> str:
    """Hostile text as XML: what XML 1.0 cannot hold becomes a visible escape, line by line."""
    shown = "\n".join(safe(line) for line in text.split("\n"))
    return html.escape(shown)
