"""Probes decide: which verdict takes a run back, which one holds it, whom to ask when, and when nothing goes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Emit, Probe, Wait
from dns_cutover.engine.watching import errors_in_a_row, fail, last_detail, may_roll_back, next_probe, watch, watch_held
from dns_cutover.probes.gate import GateState
from dns_cutover.runbook.model import RollbackPolicy, StageInfo
from tests.unit.engine_states import BOOK, CONTROL, HEALTH, NOW, WAY_BACK, at, failed, passed, unsure

BACK_PROBE = ev.RollbackStarted(NOW, "two/bake", "probe", "p failed: refused")


def baking(**fields: Any) -> Any:
    return at("two/bake", probes=(HEALTH,), probed={"p": NOW}, exposed_since=NOW - 100, **fields)


# -- whether the run may go back by itself ---------------------------------------------------------------------------


def test_it_may_go_back_by_itself() -> None:
    assert may_roll_back(baking(), NOW) == (True, "")
    assert may_roll_back(replace(baking(), i=len(BOOK.steps)), NOW) == (True, "")


def test_it_may_not_where_the_plan_forbids_it() -> None:
    allowed, why = may_roll_back(baking(rollback=RollbackPolicy(automatic=False)), NOW)
    assert not allowed
    assert "automatic: false" in why


def test_it_may_not_after_the_end_of_the_way_back() -> None:
    policy = RollbackPolicy(until=NOW)
    assert may_roll_back(baking(rollback=policy), NOW) == (True, "")
    allowed, why = may_roll_back(baking(rollback=policy), NOW + 1)
    assert not allowed
    assert "rollback.until" in why


def test_it_may_not_past_the_commit_point() -> None:
    stages = (StageInfo("one"), StageInfo("two", commit="before"))
    assert may_roll_back(baking(stages=stages), NOW) == (False, "stage two is past its commit point")
    assert may_roll_back(at("one/bake", stages=stages), NOW) == (True, "")
    # Its way back is open while it waits to start: nothing of it is done.
    assert may_roll_back(at("two/preflight", stages=stages), NOW) == (True, "")
    assert not may_roll_back(at("two/apply", stages=stages), NOW)[0]


def test_it_may_not_while_a_way_back_probe_fails() -> None:
    s = baking(gates={"old": failed(), "p": failed()})
    assert may_roll_back(s, NOW) == (True, "")
    way_back = replace(s, book=at("two/bake", probes=(HEALTH, WAY_BACK)).book)
    assert may_roll_back(way_back, NOW) == (False, "old fails: going back would not help")
    assert may_roll_back(replace(way_back, gates={}), NOW) == (True, "")


# -- what a fault leads to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["probe", "deadline", "violators", "confirm", "inconclusive"])
def test_a_fault_takes_the_run_back(cause: Any) -> None:
    assert fail(baking(), NOW, cause, "why") == Emit(ev.RollbackStarted(NOW, "two/bake", cause, "why"))


def test_where_nothing_goes_back_by_itself_a_fault_holds_the_run() -> None:
    s = baking(rollback=RollbackPolicy(automatic=False))
    text = "why; the plan says rollback: automatic: false"
    assert fail(s, NOW, "probe", "why") == Emit(ev.Held(NOW, "two/bake", "committed", text))
    over = replace(s, i=len(BOOK.steps))
    assert fail(over, NOW, "probe", "why") == Emit(ev.Held(NOW, "", "committed", text))


def test_where_going_back_would_not_help_a_fault_holds_the_run() -> None:
    s = at("two/bake", probes=(WAY_BACK,), gates={"old": failed()})
    text = "why; old fails: going back would not help"
    assert fail(s, NOW, "probe", "why") == Emit(ev.Held(NOW, "two/bake", "way_back", text))


# -- watching ---------------------------------------------------------------------------------------------------------


def look(s: Any, now: float = NOW) -> Any:
    return watch(s, s.step, now)


def test_a_failed_probe_takes_the_run_back() -> None:
    assert look(baking(gates={"p": failed()})) == Emit(BACK_PROBE)
    assert look(baking(gates={"p": failed(2)})) == Wait(NOW + 10, "bake", "", None)


@pytest.mark.parametrize("spec", [replace(HEALTH, report_only=True), replace(HEALTH, role="control"), WAY_BACK])
def test_other_probes_take_nothing_back(spec: Any) -> None:
    s = at("two/bake", probes=(spec,), probed={spec.name: NOW}, gates={spec.name: failed()}, exposed_since=NOW - 100)
    assert look(s) == Wait(NOW + 10, "bake", "", None)
    assert watch_held(s, s.step, NOW) is None


def test_a_probe_that_only_reports_hides_no_other() -> None:
    quiet = replace(HEALTH, name="quiet", report_only=True)
    s = at(
        "two/bake", probes=(quiet, HEALTH), probed={"p": NOW, "quiet": NOW}, gates={"p": failed(), "quiet": failed()}
    )
    assert look(s) == Emit(BACK_PROBE)
    assert watch_held(s, s.step, NOW) == Emit(BACK_PROBE)


def test_a_probe_that_cannot_tell_holds_the_run_or_takes_it_back_as_the_plan_says() -> None:
    s = baking(gates={"p": unsure()})
    assert look(s) == Emit(ev.Held(NOW, "two/bake", "paused", "p cannot tell: no route"))
    book = at("two/bake", probes=(replace(HEALTH, on_inconclusive="rollback"),)).book
    assert look(replace(s, book=book)) == Emit(
        ev.RollbackStarted(NOW, "two/bake", "inconclusive", "p cannot tell: no route")
    )
    assert look(baking(gates={"p": unsure(5)})) == Wait(NOW + 10, "bake", "", None)
    assert look(baking()) == Wait(NOW + 10, "bake", "", None)


def test_due_probes_are_asked_with_the_controls_that_judge_them() -> None:
    s = at("two/bake", probes=(HEALTH, WAY_BACK, CONTROL), exposed_since=NOW - 100)
    s = replace(s, probed={"p": NOW - 10, "old": NOW - 9, "third": NOW - 1})
    assert look(s) == Probe(s.step, (HEALTH, CONTROL))
    s = replace(s, probed={"p": NOW - 10, "old": NOW - 9, "third": NOW - 10})
    assert look(s) == Probe(s.step, (HEALTH, CONTROL))
    s = replace(s, probed={"p": NOW - 5, "old": NOW - 9, "third": NOW - 1})
    assert look(s) == Wait(NOW + 1, "bake", "", None)


def test_without_probes_there_is_nothing_to_watch() -> None:
    s = at("two/bake", probes=())
    assert look(s) is None
    assert watch_held(s, s.step, NOW) is None


def test_when_a_probe_is_due() -> None:
    spec = replace(HEALTH, initial_delay=7.0)
    s = at("two/bake", since=NOW - 50)
    assert next_probe(s, spec, NOW) == NOW - 43
    assert next_probe(replace(s, exposed_since=NOW - 100), spec, NOW) == NOW - 93
    asked = replace(s, probed={"p": NOW - 4})
    assert next_probe(asked, spec, NOW) == NOW + 6
    assert next_probe(replace(s, probed={"p": NOW}), spec, NOW) == NOW + 10
    assert next_probe(replace(s, probed={"p": NOW + 1}), spec, NOW) == NOW, "by a clock that was ahead"


def test_what_a_probe_saw_last() -> None:
    assert last_detail(baking(), HEALTH) == "no result yet"
    assert last_detail(baking(gates={"p": GateState()}), HEALTH) == "no result yet"
    assert last_detail(baking(gates={"p": failed()}), HEALTH) == "refused"


def test_errors_count_once_there_are_enough_in_a_row() -> None:
    assert not errors_in_a_row(baking(), HEALTH)
    assert not errors_in_a_row(baking(gates={"p": unsure(5)}), HEALTH)
    assert errors_in_a_row(baking(gates={"p": unsure(6)}), HEALTH)
    assert errors_in_a_row(baking(gates={"p": unsure(7)}), HEALTH)
    assert not errors_in_a_row(baking(gates={"p": unsure(7)}), replace(HEALTH, consecutive_error_limit=None))


# -- while the run stands still ---------------------------------------------------------------------------------------


def still(s: Any, now: float = NOW) -> Any:
    return watch_held(s, s.step, now)


def test_a_run_that_stands_still_goes_back_when_a_probe_fails() -> None:
    assert still(baking(gates={"p": failed()})) == Emit(BACK_PROBE)
    assert still(baking(gates={"p": failed(2)})) is None
    assert still(baking(gates={"p": passed()})) is None
    assert still(baking(gates={"p": failed()}, rollback=RollbackPolicy(automatic=False))) is None


def test_a_run_that_stands_still_asks_the_probes_that_are_due() -> None:
    s = at("two/bake", probes=(HEALTH, WAY_BACK), probed={"p": NOW - 10, "old": NOW - 9.9}, exposed_since=NOW - 100)
    assert still(s) == Probe(s.step, (HEALTH,))
    assert still(s, NOW - 0.1) is None
