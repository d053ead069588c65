"""What the plan ignores: with a reason, as long as there is something to ignore."""

from dataclasses import replace

import pytest

from dns_cutover.checks.ignoring import is_ignorable
from dns_cutover.checks.registry import all_checks, check_of, checks_for, split_ignored
from dns_cutover.plan.finding import PLAN_CHECKS, Finding
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from tests.unit.checks.situation import standard

PLAN_ONLY = checks_for({"plan"})
KNOWN = {c.id: c for c in all_checks()}


def load(*ids: str) -> LoadedPlan:
    entries = ", ".join(f'{{check: {i}, because: "so decided"}}' for i in ids)
    stages = "stages:\n  - name: s\n    changes:\n      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.2]}\n"
    return parse_plan(standard(f"safety: {{ignore: [{entries}]}}\n{stages}").encode(), "plan.yaml", {})


def finding(check_id: str, severity: str = "error") -> Finding:
    return Finding(check_id, severity, "something", "a hint", "plan.yaml", 1, 1, 2)  # type: ignore[arg-type]


def ids(loaded: LoadedPlan, *found: Finding, checks=PLAN_ONLY, complete: bool = True) -> tuple[list[str], list[str]]:
    kept, ignored = split_ignored(loaded, found, checks, complete=complete)
    return [f.id for f in kept], [f.id for f in ignored]


def test_an_ignored_finding_does_not_count():
    assert ids(load("DC405"), finding("DC405"), finding("DC401")) == (["DC401"], ["DC405"])


def test_an_entry_that_finds_nothing_is_a_finding_at_its_place():
    """It would hide the next finding of its kind."""
    kept, _ = split_ignored(load("DC401", "DC405"), [finding("DC401")], PLAN_ONLY)
    (stale,) = kept
    assert (stale.id, stale.severity) == ("DC191", "warning")
    assert "DC405" in stale.message
    line = standard("safety: {ignore: [{check: DC401, because: xyz}, {check: DC405").splitlines()
    assert stale.line == next(n for n, text in enumerate(line, 1) if text.startswith("safety"))


@pytest.mark.parametrize("needs", ["live", "probe", "plans"])
def test_nothing_is_said_about_checks_that_were_not_made(needs):
    """Offline, or without the option, silence proves nothing."""
    check = next((c for c in all_checks() if c.needs == needs), None)
    if check is None:
        check = replace(check_of("DC401"), id="DC201", needs=needs)
    assert ids(load(check.id)) == ([], [])


def test_nothing_is_said_about_live_checks_that_an_error_kept_from_looking():
    """Without a runbook they were silent for want of something to look at."""
    made = checks_for({"plan", "live"})
    assert ids(load("DC203"), checks=made, complete=False) == ([], [])
    assert ids(load("DC203"), checks=made, complete=True) == (["DC191"], [])


def test_an_unknown_id_gets_a_guess():
    kept, _ = split_ignored(load("DC999", "DC491"), [], PLAN_ONLY)
    assert [f.id for f in kept] == ["DC192", "DC192"]
    assert "did you mean DC4" in kept[1].hint


def test_what_makes_a_plan_unreadable_cannot_be_ignored():
    """Such an entry is a finding, and the loader never asks it: the plan is not valid all the same."""
    assert ids(load("DC112")) == (["DC193"], [])
    assert not [i for i in PLAN_CHECKS if is_ignorable(i, KNOWN) and i not in ("DC108", "DC124") and i not in KNOWN]


def test_a_warning_of_the_loader_can_be_ignored():
    assert ids(load("DC108"), finding("DC108", "warning")) == ([], ["DC108"])


def test_a_check_that_is_always_an_error_counts_whatever_the_plan_says(monkeypatch):
    """The finding stays, and the entry is one more."""
    stubborn = replace(check_of("DC702"), ignorable=False)
    every = tuple(stubborn if c.id == "DC702" else c for c in all_checks())
    monkeypatch.setattr("dns_cutover.checks.registry.all_checks", lambda: every)
    kept, ignored = ids(load("DC702"), finding("DC702"))
    assert sorted(kept) == ["DC193", "DC702"]
    assert ignored == []


def test_the_checks_of_ignoring_cannot_be_ignored():
    """Else an entry could hide that it is stale."""
    kept, ignored = ids(load("DC191", "DC401"))
    assert sorted(kept) == ["DC191", "DC193"]
    assert ignored == []
