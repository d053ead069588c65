"""What the verbs share: global options, output, loading plans."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dns_cutover.errors import CutoverError, UsageError

if TYPE_CHECKING:
    from dns_cutover.plan.finding import Finding
    from dns_cutover.plan.loader import LoadedPlan
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


def print_findings(findings: tuple[Finding, ...], lines: tuple[str, ...]) -> None:
    """To standard error: with source lines on a terminal, one line each elsewhere."""
    from dns_cutover.report.findings import finding_line, finding_text
    from dns_cutover.report.terminal import is_terminal

    for f in findings:
        sys.stderr.write(finding_text(f, lines) + "\n" if is_terminal() else finding_line(f))


class Invalid(CutoverError):
    """The plan has findings that were shown already."""

    exit_code = 3
