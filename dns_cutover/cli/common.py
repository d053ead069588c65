"""What the verbs share: global options, output, loading plans."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dns_cutover.errors import CutoverError, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Setting
    from dns_cutover.plan.finding import Finding
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.runbook.model import Runbook
    from dns_cutover.store.interface import Store


@dataclass(frozen=True, slots=True)
class Globals:
    """Global options."""

    store: str | None
    debug: bool

    def open(self) -> Store:
        """The store. Raises Unavailable, UsageError."""
        from dns_cutover.store.open import open_store

        return open_store(self.store)


def print_json(data: Any) -> None:
    """JSON alone on standard output."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def parse_vars(pairs: list[str]) -> dict[str, str]:
    """`--var name=value`. Raises UsageError."""
    out = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"--var {pair} is not NAME=VALUE")
        out[name] = value
    return out


def load(path: Path, variables: list[str]) -> LoadedPlan:
    """The plan at `path`. Raises PlanInvalid, Unavailable, UsageError."""
    from dns_cutover.plan.loader import load_plan

    return load_plan(path, parse_vars(variables))


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan with its runbook, or the findings that stand in the way."""

    book: Runbook | None
    sha256: str
    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]


async def compile_live(loaded: LoadedPlan, setting: Setting) -> Compiled:
    """Look at DNS, check, compile. Network trouble becomes findings."""
    from dns_cutover.assembly import look, partitions
    from dns_cutover.checks.baseline import drift_findings, server_findings
    from dns_cutover.checks.safety import safety_findings
    from dns_cutover.plan.expand import zone_names
    from dns_cutover.runbook.codec import runbook_sha256
    from dns_cutover.runbook.compile import DriftFound, compile_runbook

    names = zone_names(loaded.plan)
    findings = [*loaded.warnings, *safety_findings(loaded)]
    live = await look(loaded, setting)
    findings += server_findings(loaded, live.views, names)
    book = None
    if len(live.facts.zones) == len(names):
        try:
            book = compile_runbook(loaded.plan, loaded.sha256, live.facts, partitions(live.facts))
        except DriftFound as found:
            findings += drift_findings(loaded, found.drifts, names)
    kept, ignored = split_ignored(loaded, findings)
    if any(f.severity == "error" for f in kept):
        book = None
    return Compiled(book, runbook_sha256(book) if book is not None else "", kept, ignored)


def split_ignored(loaded: LoadedPlan, findings: list[Finding]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Findings that count, and those that the plan ignores with a reason."""
    ignore = {i.check for i in loaded.plan.safety.ignore}
    ordered = sorted(findings, key=lambda f: (f.line, f.column, f.id))
    return tuple(f for f in ordered if f.id not in ignore), tuple(f for f in ordered if f.id in ignore)


def print_findings(findings: tuple[Finding, ...], lines: tuple[str, ...]) -> None:
    """To standard error: with source lines on a terminal, one line each elsewhere."""
    from dns_cutover.report.findings import finding_line, finding_text
    from dns_cutover.report.terminal import is_terminal

    for f in findings:
        sys.stderr.write(finding_text(f, lines) + "\n" if is_terminal() else finding_line(f))


class Invalid(CutoverError):
    """The plan has findings that were shown already."""

    exit_code = 3
