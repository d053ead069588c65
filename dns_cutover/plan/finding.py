"""Findings: what is wrong, where, why, and what would be right. Shared by the loader and the checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dns_cutover.errors import PlanError

Severity = Literal["error", "warning", "info"]

MAX_FINDINGS = 200  # what nobody reads is not worth the time: a hostile plan can have a hundred thousand mistakes

# One meaning per id. DC1xx: the plan itself; the other families live in `checks`.
PLAN_CHECKS = {
    "DC101": "the file cannot be read as one YAML document",
    "DC102": "a key is given twice",
    "DC103": "a YAML feature that plans must not use",
    "DC104": "an unknown key",
    "DC105": "a required key is missing",
    "DC106": "a value has the wrong form",
    "DC107": "an undefined variable",
    "DC108": "an unused variable",
    "DC109": "an unsupported plan version",
    "DC110": "a name is no domain name",
    "DC111": "a name is outside its zone",
    "DC112": "RDATA that does not parse",
    "DC113": "the same RRset is changed twice in one stage",
    "DC114": "CNAME beside other data",
    "DC115": "a later stage contradicts an earlier one",
    "DC116": "a change that changes nothing",
    "DC117": "an unknown zone reference",
    "DC118": "a name is used twice",
    "DC119": "a secret is written into the plan",
    "DC120": "a change says too little or too much",
    "DC121": "an alias without its anchor",
    "DC122": "a window that never opens",
    "DC123": "a probe that the stage does not have",
    "DC124": "a name whose final dot seems to be missing",
    "DC125": "an RRset that is both changed and unchanged",
}


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1, `end_column` is exclusive."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `stage` and `record` say what it is about, empty if it is about neither.

    `note` is what a reader wants beside the very words in the file, empty if there is nothing.
    """

    id: str
    severity: Severity
    message: str
    hint: str
    file: str
    line: int
    column: int
    end_column: int
    why: str = ""
    stage: str = ""
    record: str = ""
    note: str = ""


class PlanInvalid(PlanError):
    """The plan has errors; `findings` are all of them and the warnings, in the order of the file.

    `lines` is the source to show beside them, without what looks like a secret.
    """

    def __init__(self, name: str, findings: tuple[Finding, ...], lines: tuple[str, ...] = ()) -> None:
        count = sum(f.severity == "error" for f in findings)
        super().__init__(f"{name} is not valid: {count} error{'s' if count != 1 else ''}")
        self.findings = findings
        self.lines = lines
