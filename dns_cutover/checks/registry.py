"""All checks by id, and how they are run: findings at their places, and what the plan ignores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from importlib import import_module
from itertools import islice

from dns_cutover.checks.ignoring import Ignoring, ignore_spots, is_ignorable
from dns_cutover.checks.interface import Check, Spot, Subject
from dns_cutover.checks.together import Together
from dns_cutover.plan.explain import about
from dns_cutover.plan.finding import MAX_FINDINGS, PLAN_CHECKS, Finding
from dns_cutover.plan.loader import LoadedPlan

MAX_MESSAGE = 400  # characters
MAX_SPOTS = 50  # of one check: the rest is counted, since nobody reads ten thousand times the same


FAMILIES = (
    "baseline",
    "between",
    "delegation",
    "ignoring",
    "lock",
    "mail_keys",
    "mail_mx",
    "mail_spf",
    "mail_transport",
    "names",
    "neighbours",
    "plan",
    "safety",
    "safety_provider",
    "servers",
    "trust",
    "ttl",
    "ttl_live",
    "views",
    "waiting",
    "way_back",
    "web",
    "web_certificates",
    "wildcards",
)


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by id."""
    families = (import_module(f"dns_cutover.checks.{name}") for name in FAMILIES)
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


def findings_between(plans: Sequence[LoadedPlan]) -> tuple[tuple[Finding, ...], ...]:
    """What the plans of one call do to each other, plan by plan; nothing where there is only one."""
    out: list[list[Finding]] = [[] for _ in plans]
    together = Together(tuple(plans))
    for c in all_checks() if len(plans) > 1 else ():
        if c.between is not None:
            spots: list[list[Spot]] = [[] for _ in plans]
            for n, spot in c.between(together):
                spots[n].append(spot)
            for n, own in enumerate(spots):
                out[n] += _located(c, own, plans[n])
    return tuple(map(tuple, out))


def _found(check: Check, subject: Subject) -> list[Finding]:
    assert check.find is not None
    return _located(check, check.find(subject), subject.loaded)


def _located(check: Check, found: Iterable[Spot], loaded: LoadedPlan) -> list[Finding]:
    spots = iter(found)
    out = [_finding(check, spot, loaded) for spot in islice(spots, MAX_SPOTS)]
    if more := sum(1 for _ in spots):
        out.append(_finding(check, Spot((), f"{more} more of the same: {check.title}"), loaded))
    return out


def _finding(check: Check, spot: Spot, loaded: LoadedPlan) -> Finding:
    at = loaded.position(spot.path)
    stage, record = about(loaded.document, spot.path)
    return Finding(
        check.id,
        spot.severity or check.severity,
        shortened(spot.message),
        spot.hint or check.hint,
        loaded.file,
        at.line,
        at.column,
        at.end_column,
        check.why,
        spot.stage or stage,
        spot.record or record,
        shortened(spot.note),
    )


def shortened(text: str) -> str:
    """RDATA that is live can be 64 KiB long; what nobody reads is left out."""
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def split_ignored(
    loaded: LoadedPlan, findings: Iterable[Finding], made: Sequence[Check], *, complete: bool = True
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Findings that count, and those that the plan ignores with a reason, in the order of the file.

    What is wrong with the ignoring itself counts too. `complete`: whether checks of live DNS saw all that they look at;
    where an error kept them from it, their silence says nothing about an entry. Errors come before warnings where there
    are more than anybody reads.
    """
    known = {c.id: c for c in all_checks()}
    everything = tuple(findings)
    everything += ignore_findings(loaded, everything, made, complete=complete)
    ignore = {i.check for i in loaded.plan.safety.ignore if is_ignorable(i.check, known)}
    ordered = sorted(everything, key=lambda f: (f.line, f.column, f.id, f.message))
    kept = [f for f in ordered if f.id not in ignore]
    if len(kept) > MAX_FINDINGS:
        errors = [f for f in kept if f.severity == "error"][:MAX_FINDINGS]
        rest = [f for f in kept if f.severity != "error"][: MAX_FINDINGS - len(errors)]
        kept = sorted((*errors, *rest), key=lambda f: (f.line, f.column, f.id, f.message))
    return tuple(kept), tuple(f for f in ordered if f.id in ignore)


def ignore_findings(
    loaded: LoadedPlan, findings: Iterable[Finding], made: Sequence[Check], *, complete: bool = True
) -> tuple[Finding, ...]:
    """What is wrong with safety.ignore: entries that nothing needs, that mean nothing, or that cannot be honoured."""
    if not loaded.plan.safety.ignore:
        return ()
    judged = {c.id for c in made if complete or c.needs == "plan"} | set(PLAN_CHECKS)
    known = {c.id: c for c in all_checks()}
    ignoring = Ignoring(loaded, frozenset(f.id for f in findings), known, frozenset(judged))
    return tuple(_finding(check, spot, loaded) for check, spot in ignore_spots(ignoring))
