"""Taking back a run that has succeeded: for how long, how much of it, and by whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import reopen
from dns_cutover.engine.fold import evolve
from dns_cutover.engine.holding import give_up
from dns_cutover.engine.reopening import kept_until, why_not
from dns_cutover.engine.rollback import undone_stages
from dns_cutover.errors import LockHeld
from dns_cutover.runbook.model import RollbackPolicy, StageInfo
from tests.unit.engine_ports import Store, complete
from tests.unit.engine_states import BOOK, NOW, at
from tests.unit.test_engine_rollback import ALL, HALF, written

POLICY = RollbackPolicy(keep_for=500.0, additive="remove")


def over(**fields: Any) -> Any:
    given: dict[str, Any] = {"rollback": POLICY, "done": written(*HALF), "ended": NOW, "outcome": "succeeded"}
    return replace(at("one/apply", **{**given, **fields}), i=len(BOOK.steps), final=True)


def test_until_when_a_run_may_be_taken_back() -> None:
    assert kept_until(over()) == NOW + 500
    assert kept_until(over(rollback=replace(POLICY, until=NOW + 9))) == NOW + 9
    assert kept_until(over(rollback=replace(POLICY, until=NOW + 900))) == NOW + 500
    assert kept_until(over(outcome="rolled_back")) is None
    assert kept_until(replace(over(), final=False)) is None


@pytest.mark.parametrize(
    ("fields", "now", "stage", "why"),
    [
        ({}, NOW + 500, "", ""),
        ({}, NOW + 500, "one", ""),
        ({"outcome": "aborted"}, NOW, "", "Only a run that succeeded"),
        ({"rollback": replace(POLICY, until=NOW + 9)}, NOW + 10, "", "rollback.until of its plan has passed"),
        ({"rollback": replace(POLICY, until=NOW + 9)}, NOW + 9, "", ""),
        ({}, NOW + 501, "", "kept for 8m 20s after the end"),
        ({}, NOW, "three", "Stage three cannot be taken back: two, one can."),
        ({"stages": (StageInfo("one"), StageInfo("two", commit="after"))}, NOW, "", "past their commit point"),
        ({"stages": (StageInfo("one"), StageInfo("two", commit="after"))}, NOW, "two", "none can."),
        ({"done": ()}, NOW, "", "past their commit point"),
    ],
)
def test_why_a_run_cannot_be_taken_back(fields: Any, now: float, stage: str, why: str) -> None:
    said = why_not(over(**fields), now, stage)
    assert why in said
    assert bool(said) is bool(why)


def test_what_only_added_stays_and_leaves_nothing_to_take_back() -> None:
    done = written(*ALL)
    added = tuple(
        replace(
            w,
            edits=tuple(e for e in w.edits if e.key.rdtype == "CNAME"),
            changes=tuple(c for c in w.changes if c.key.rdtype == "CNAME"),
        )
        for w in done
    )
    keep = replace(POLICY, additive="keep")
    said = why_not(over(done=added, rollback=keep), NOW)
    assert said == "It only added names and values, which stay in place (rollback: {additive: keep})."
    assert why_not(over(done=added), NOW) == "", "unless the plan says that they go"
    assert why_not(over(done=done, rollback=keep), NOW) == "", "what was replaced comes back"
    newest = (done[0], done[1], added[2])
    low = replace(keep, after="keep_low_ttl")
    assert why_not(over(done=newest, rollback=low), NOW) == ""
    assert why_not(over(done=newest, rollback=low), NOW, "two") == said, "the stage that is asked for counts alone"


def test_a_stage_is_taken_back_with_all_that_came_after_it() -> None:
    done, last = written(*HALF), len(BOOK.steps)
    assert undone_stages(BOOK, done, last, stage="one") == ["two", "one"]
    assert undone_stages(BOOK, done, last, stage="two") == ["two"]


def test_whoever_was_first_takes_it_back() -> None:
    s, event = over(), ev.Reopened(NOW, "sam")
    store: Any = Store(s.seq)
    assert complete(reopen(s, store, event)) == evolve(s, event)
    with pytest.raises(LockHeld, match="somebody else takes back run r already"):
        complete(reopen(s, store, event))


def test_the_way_back_is_tried_for_as_long_as_it_takes() -> None:
    missed = ev.Missed(NOW, "x", "nobody there", "", ())
    s = at("two/apply", missed=missed, misses=50, missed_since=1.0, done=written(*HALF), back=BOOK.steps)
    assert give_up(s, NOW) is None
