"""DC19x: what the plan ignores. An entry of safety.ignore is a decision, and decisions grow old."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dns_cutover.checks.interface import Check, Example, Spot
from dns_cutover.plan.finding import PLAN_CHECKS
from dns_cutover.plan.loader import LoadedPlan

# Found while the plan is read, but no error: these may be ignored.
LOADER_WARNINGS = frozenset({"DC108", "DC124"})


@dataclass(frozen=True, slots=True)
class Ignoring:
    """What the rules look at. `fired`: ids of all findings. `known`: every check by id. `judged`: ids of the checks
    that were made with all that they look at, so that their silence means something.
    """

    loaded: LoadedPlan
    fired: frozenset[str]
    known: Mapping[str, Check]
    judged: frozenset[str]

    def entries(self) -> Iterator[tuple[int, str]]:
        """The number and the check's id of each entry."""
        for n, entry in enumerate(self.loaded.plan.safety.ignore):
            yield n, entry.check


Rule = Callable[[Ignoring], Iterator[Spot]]


def is_ignorable(check_id: str, known: Mapping[str, Check]) -> bool:
    """Whether safety.ignore may name that check: not what makes a plan unreadable, nor a few others."""
    if check_id not in known:
        return check_id in LOADER_WARNINGS
    check = known[check_id]
    by_loader = check.needs == "plan" and check.find is None
    return check.ignorable and not (by_loader and check.severity == "error")


def nearest(given: str, ids: Iterable[str]) -> str:
    """The id that was probably meant, of the same family if there is one; empty if none is near."""
    close = difflib.get_close_matches(given[:40], list(ids), 10, 0.6)
    return max(close, key=lambda i: _alike(i, given), default="")


def _alike(a: str, b: str) -> int:
    """With how many characters both begin."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _spot(n: int, message: str, hint: str = "") -> Spot:
    return Spot(("safety", "ignore", n, "check"), message, hint)


def unused(i: Ignoring) -> Iterator[Spot]:
    """A finding that was accepted once may have been mended since, and the entry would then hide the next one of its
    kind, which nobody has looked at. An entry is judged only where its check was made: offline nothing is said about
    checks of live DNS, nor about those that an option asks for.
    """
    for n, check_id in i.entries():
        if check_id in i.judged and check_id not in i.fired and is_ignorable(check_id, i.known):
            yield _spot(n, f"{check_id} is ignored, and finds nothing")


def unknown(i: Ignoring) -> Iterator[Spot]:
    """An id that no check has was mistyped, or belongs to another version. What its author wanted to ignore is not
    ignored, and the reason that stands beside it explains nothing.
    """
    ids = sorted({*i.known, *PLAN_CHECKS})
    for n, check_id in i.entries():
        if check_id not in i.known and check_id not in PLAN_CHECKS:
            close = nearest(check_id, ids)
            hint = f"did you mean {close}? " if close else ""
            yield _spot(n, f"there is no check {check_id}", hint + "all checks: dns-cutover checks")


def refused(i: Ignoring) -> Iterator[Spot]:
    """Some findings leave nothing to decide: a plan that cannot be read has no meaning to accept, and a chain of trust
    that is certain to break would break for everybody. Such a finding counts whatever the plan says about it.
    """
    for n, check_id in i.entries():
        if (check_id in i.known or check_id in PLAN_CHECKS) and not is_ignorable(check_id, i.known):
            yield _spot(n, f"{check_id} cannot be ignored")


def _plan(check_id: str, because: str) -> str:
    return (
        f'safety: {{ignore: [{{check: {check_id}, because: "{because}"}}]}}\n'
        'stages:\n  - name: retire\n    changes:\n      - {name: old, type: A, from: ["192.0.2.10"], to: absent}\n'
    )


_SILENT = Example(_plan("DC401", "old is no longer used, see the review"), zone="old 3600 IN A 192.0.2.10\n")


def _check(rule: Rule, id_: str, title: str, why: str, hint: str, fires: Example) -> tuple[Check, Rule]:
    rationale = " ".join((rule.__doc__ or "").split())
    return Check(id_, "warning", title, why, rationale, hint, "safety.ignore", fires, _SILENT, ignorable=False), rule


_RULES: tuple[tuple[Check, Rule], ...] = (
    _check(
        unused,
        "DC191",
        "an ignored check that finds nothing",
        "The entry would hide the next finding of its kind, which nobody has looked at.",
        "remove the entry from safety.ignore",
        Example(_plan("DC405", "the wildcard is meant"), zone="old 3600 IN A 192.0.2.10\n"),
    ),
    _check(
        unknown,
        "DC192",
        "an ignored check that does not exist",
        "What the entry was meant to ignore is not ignored.",
        "all checks: dns-cutover checks",
        Example(_plan("DC999", "accepted in the review"), zone="old 3600 IN A 192.0.2.10\n"),
    ),
    _check(
        refused,
        "DC193",
        "an ignored check that cannot be ignored",
        "Some findings leave nothing to decide; this one counts all the same.",
        "remove the entry, and mend what the check finds",
        Example(_plan("DC112", "the server takes it"), zone="old 3600 IN A 192.0.2.10\n"),
    ),
)

CHECKS = tuple(check for check, _ in _RULES)


def ignore_spots(ignoring: Ignoring) -> Iterator[tuple[Check, Spot]]:
    """What is wrong with safety.ignore, each with its check."""
    for check, rule in _RULES:
        for spot in rule(ignoring):
            yield check, spot
