"""Where in the plan a finding belongs."""

from __future__ import annotations

from dns_cutover.plan.expand import PlannedChange
from dns_cutover.plan.finding import Finding, Severity
from dns_cutover.plan.loader import LoadedPlan
from dns_cutover.plan.yamltext import Path


def finding(
    loaded: LoadedPlan,
    check: str,
    severity: Severity,
    message: str,
    hint: str,
    path: Path,
    *,
    stage: str = "",
    record: str = "",
    why: str = "",
) -> Finding:
    """A finding at the value at `path`."""
    at = loaded.position(path)
    return Finding(check, severity, message, hint, loaded.file, at.line, at.column, at.end_column, why, stage, record)


def change_path(loaded: LoadedPlan, stage: str, planned: PlannedChange | None) -> Path:
    """The path of a planned change, or of its stage."""
    index = next((n for n, s in enumerate(loaded.plan.stages) if s.name == stage), 0)
    return ("stages", index) if planned is None else ("stages", index, "changes", planned.index)
