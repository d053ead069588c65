"""All checks by id, and how they are run: findings at their places, and what the plan ignores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import islice

from dns_cutover.checks.interface import Check, Spot, Subject
from dns_cutover.plan.explain import about
from dns_cutover.plan.finding import MAX_FINDINGS, Finding
from dns_cutover.plan.loader import LoadedPlan

MAX_SPOTS = 50  # of one check: the rest is counted, since nobody reads ten thousand times the same


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by id."""
    from dns_cutover.checks import (
        baseline,
        delegation,
        names,
        neighbours,
        plan,
        safety,
        servers,
        ttl,
        views,
        way_back,
        web,
        wildcards,
    )

    families = (plan, baseline, servers, names, wildcards, views, ttl, safety, web, delegation, way_back, neighbours)
    return tuple(sorted((c for family in families for c in family.CHECKS), key=lambda c: c.id))


def check_of(check_id: str) -> Check:
    """The check of that id. Raises KeyError."""
    return {c.id: c for c in all_checks()}[check_id]


def checks_for(needs: Collection[str]) -> tuple[Check, ...]:
    """The checks that can be made with what is there."""
    return tuple(c for c in all_checks() if c.needs in needs)


def findings_of(checks: Iterable[Check], subject: Subject) -> tuple[Finding, ...]:
    """All findings of the checks that look for themselves; the loader's are in `subject.loaded.warnings`."""
    return tuple(f for c in checks if c.find is not None for f in _found(c, subject))


def _found(check: Check, subject: Subject) -> list[Finding]:
    assert check.find is not None
    spots = iter(check.find(subject))
    out = [_finding(check, spot, subject.loaded) for spot in islice(spots, MAX_SPOTS)]
    if more := sum(1 for _ in spots):
        out.append(_finding(check, Spot((), f"{more} more of the same: {check.title}"), subject.loaded))
    return out


def _finding(check: Check, spot: Spot, loaded: LoadedPlan) -> Finding:
    at = loaded.position(spot.path)
    stage, record = about(loaded.document, spot.path)
    return Finding(
        check.id,
        spot.severity or check.severity,
        spot.message,
        spot.hint or check.hint,
        loaded.file,
        at.line,
        at.column,
        at.end_column,
        check.why,
        spot.stage or stage,
        spot.record or record,
    )


def split_ignored(
    loaded: LoadedPlan, findings: Iterable[Finding], made: Sequence[Check]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Findings that count, and those that the plan ignores with a reason, in the order of the file.

    Errors come before warnings where there are more than anybody reads.
    """
    ignore = {i.check for i in loaded.plan.safety.ignore}
    ordered = sorted(findings, key=lambda f: (f.line, f.column, f.id, f.message))
    kept = [f for f in ordered if f.id not in ignore]
    if len(kept) > MAX_FINDINGS:
        errors = [f for f in kept if f.severity == "error"][:MAX_FINDINGS]
        rest = [f for f in kept if f.severity != "error"][: MAX_FINDINGS - len(errors)]
        kept = sorted((*errors, *rest), key=lambda f: (f.line, f.column, f.id, f.message))
    return tuple(kept), tuple(f for f in ordered if f.id in ignore)
