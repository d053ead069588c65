"""What `validate` says about a plan, as a frozen value that every format renders. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dns_cutover.checks.registry import all_checks
from dns_cutover.plan.finding import PLAN_CHECKS, Finding, Severity
from dns_cutover.report.words import plural

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Ignored:
    """A finding that the plan ignores, and its reason."""

    finding: Finding
    because: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one plan.

    `plan` is its name, empty where it cannot be known; `file` is the path as it was given, `uri` the same relative to
    the working folder, with slashes, for tools that look the file up. `lines` is the source to be shown, without what
    looks like a secret. `checks` are the ids of the checks that were made on a plan that could be read, else empty.
    `servers` is how many servers were asked, None where nobody was to be asked. `seconds` is how long it took.
    `strict`: warnings are failures. `problem`: why the plan could not be looked at, else empty; then there are no
    findings, and `hint` is the next act.
    `preview` is Markdown of what a run would do, empty where nothing could be compiled.
    """

    plan: str
    file: str
    uri: str
    findings: tuple[Finding, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    lines: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    servers: int | None = None
    seconds: float = 0.0
    strict: bool = False
    problem: str = ""
    hint: str = ""
    preview: str = ""

    @property
    def name(self) -> str:
        """The plan's name, or the file where it has none."""
        return self.plan or self.file

    @property
    def ok(self) -> bool:
        """Whether the plan passes."""
        return not self.problem and not any(self.fails(f) for f in self.findings)

    def fails(self, f: Finding) -> bool:
        """Whether a finding fails the plan: errors do, and warnings where that is asked for."""
        return f.severity == "error" or (self.strict and f.severity == "warning")

    def count(self, severity: Severity) -> int:
        """How many findings of that severity count."""
        return sum(f.severity == severity for f in self.findings)


def worst_last(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of scrolling output, which ends with what matters: information, warnings, errors."""
    return sorted(findings, key=lambda f: -SEVERITIES.index(f.severity))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of pages and of places that show only the first few: errors, warnings, information."""
    return sorted(findings, key=lambda f: SEVERITIES.index(f.severity))


def counts(report: Report) -> str:
    """`2 errors, 1 warning, 1 ignored`; empty where nothing was found."""
    parts = [plural(report.count(s), s) for s in ("error", "warning") if report.count(s)]
    parts += [f"{report.count('info')} for information"] if report.count("info") else []
    parts += [f"{len(report.ignored)} ignored"] if report.ignored else []
    return ", ".join(parts)


def verdict(report: Report) -> str:
    """`is not valid: 2 errors, 1 warning`. Says so where warnings decide."""
    if report.problem:
        return "was not looked at"
    strict = (
        " (--strict: warnings are failures)" if report.strict and not report.ok and not report.count("error") else ""
    )
    found = counts(report)
    return f"is {'valid' if report.ok else 'not valid'}{': ' + found if found else ''}{strict}"


def effort(report: Report) -> str:
    """`61 checks, 4 servers, 1.2 s`: what the verdict rests on."""
    if not report.checks:
        return "not looked at further"  # what cannot be read has no meaning to check
    time = f"{report.seconds:.1f} s"
    asked = "offline" if report.servers is None else plural(report.servers, "server")
    return f"{plural(len(report.checks), 'check')}, {asked}, {time}"


def summary(reports: Sequence[Report]) -> str:
    """One sentence about several plans."""
    bad = [r for r in reports if not r.ok]
    if not bad:
        return f"all {len(reports)} plans are valid"
    return f"{len(bad)} of {len(reports)} plans {'is' if len(bad) == 1 else 'are'} not valid"


def about(f: Finding) -> str:
    """The stage and the record, as far as a finding has them."""
    return ", ".join(p for p in (f.stage, f.record) if p)


def sentence(f: Finding) -> str:
    """The message with its note."""
    return f"{f.message} ({f.note})" if f.note else f.message


def titles() -> dict[str, str]:
    """What each check finds, by id; those of the loader too."""
    return PLAN_CHECKS | {c.id: c.title for c in all_checks()}
