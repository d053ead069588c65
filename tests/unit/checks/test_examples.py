"""Every check speaks in the situation that it documents, and is silent in the other one."""

import re

import pytest

from dns_cutover.checks.interface import Check
from dns_cutover.checks.registry import all_checks
from dns_cutover.plan.finding import PLAN_CHECKS
from tests.unit.checks.situation import findings

CHECKS = all_checks()
by_id = pytest.mark.parametrize("check", CHECKS, ids=[c.id for c in CHECKS])


@by_id
def test_fires(check: Check) -> None:
    """The first example gives a finding of this id, at a place in the plan, with a hint."""
    found = [f for f in findings(check.fires) if f.id == check.id]
    assert found
    for f in found:
        assert f.line >= 1
        assert f.column >= 1
        assert f.hint
        assert f.message[-1] not in ".!"


@by_id
def test_silent(check: Check) -> None:
    """The second example gives none of this id; it is a plan that loads."""
    found = findings(check.silent)
    assert check.id not in {f.id for f in found}
    assert not [f for f in found if f.id in PLAN_CHECKS and f.severity == "error"]


@by_id
def test_says_what_a_reader_needs(check: Check) -> None:
    """Title, reason, rationale, hint and source are there, in the form that findings and pages show."""
    assert re.fullmatch(r"DC[1-9]\d\d", check.id)
    assert check.title[0].islower() or check.title.split()[0].isupper() or not check.title[0].isalpha()
    assert not check.title.endswith(".")
    assert check.why.endswith(".")
    assert len(check.rationale) >= 80
    assert check.rationale.endswith(".")
    assert check.hint
    assert check.source


def test_ids_are_unique() -> None:
    assert len({c.id for c in CHECKS}) == len(CHECKS)


def test_the_loader_finds_what_the_registry_lists() -> None:
    """The loader's ids and the checks without a function of their own are the same, title for title."""
    assert {c.id: c.title for c in CHECKS if c.find is None and c.id in PLAN_CHECKS} == PLAN_CHECKS
