"""Every verb works while a run waits, whatever it waits for."""

from __future__ import annotations

from functools import cache

import pytest

from dns_cutover.engine.actions import Wait
from dns_cutover.engine.decide import decide
from dns_cutover.runbook.model import StepKind
from tests.simulation.plans import AFTER, ZONE
from tests.simulation.steering import MX, WWW, as_before, book, go_on, look, moments, now, play_with, said, world

# The run begins on Thursday, 1 January 1970 at 00:16:40 UTC.
PLAN = book(
    b"""
  - name: one
    changes: [%s]
    confirm: [{id: ready, who: Vendor, says: It is ready.}]
    window: {from: "02:00", to: "12:00", timezone: UTC}
    bake: 10m
  - name: two
    wait: 3h
    changes: [%s]
    probes: [{type: tcp, name: p, target: x, port: 25, interval: 30s}]
    bake: 20m
"""
    % (WWW, MX)
)
READY = {3 * 3600.0: said("confirm", "ready")}
KINDS = list({s.kind: s.id for s in reversed(PLAN.steps) if not s.ahead}.values())  # the first of each kind


@cache
def when(step: str) -> float:
    """The middle of the step's time in a run that nobody steers."""
    w = play_with(PLAN, READY)
    assert now(w).outcome == "succeeded"
    return moments(w.events())[step]


def test_the_plan_has_every_kind_of_step() -> None:
    assert {s.kind for s in PLAN.steps} == set(StepKind)


@pytest.mark.parametrize("step", KINDS)
def test_a_wait_says_why_and_what_else_can_be_done(step) -> None:
    w = world(PLAN, READY)
    state = look(w, when(step))
    action = decide(state, w.now)
    if isinstance(action, Wait):
        assert action.why
        if action.kind in ("ttl", "window", "wait", "confirm", "bake"):
            assert f"dns-cutover rollback {state.run_id}" in {command for command, _ in action.unblock}
        if action.kind in ("ttl", "window", "wait"):
            assert action.deadline is not None


@pytest.mark.parametrize("verb", ["rollback", "abort"])
@pytest.mark.parametrize("step", KINDS)
def test_going_back_while_it_waits(step, verb) -> None:
    w = play_with(PLAN, {when(step): said(verb), **READY})
    assert now(w).outcome == ("rolled_back" if now(w).done else "aborted")
    assert w.problems == []
    assert as_before(w)


@pytest.mark.parametrize("step", KINDS)
def test_ending_it_as_it_is_while_it_waits(step) -> None:
    w = play_with(PLAN, {when(step): said("keep"), **READY})
    assert now(w).outcome == "aborted"
    applied = {c.key.owner for x in now(w).done for c in x.changes if x.kind is StepKind.APPLY}
    assert (w.zone[f"www.{ZONE}", "A"].values == ("192.0.2.9",)) is (f"www.{ZONE}" in applied)
    assert (w.zone[ZONE, "MX"].values == ("10 new.test.",)) is (ZONE in applied)


@pytest.mark.parametrize("verb", ["resume", "retry", "rollback", "abort", "keep"])
@pytest.mark.parametrize("step", KINDS)
def test_a_pause_holds_it_until_somebody_decides(step, verb) -> None:
    at = when(step)
    w = play_with(PLAN, {at: said("pause"), at + 300: said(verb), **READY})
    if verb in ("resume", "retry"):
        assert now(w).outcome == "succeeded"
        assert w.zone[ZONE, "MX"] == AFTER[ZONE, "MX"]
    elif verb == "keep":
        assert now(w).outcome == "aborted"
    else:
        assert now(w).outcome == ("rolled_back" if now(w).done else "aborted")
        assert as_before(w)


@pytest.mark.parametrize("step", KINDS)
def test_what_is_confirmed_early_counts_and_commands_out_of_place_do_no_harm(step) -> None:
    at = when(step)
    early = {at - 0.001: said("confirm", "ready"), at: said("resume"), at + 0.001: said("retry")}
    w = play_with(PLAN, {**early, **READY})
    assert now(w).outcome == "succeeded"
    assert w.problems == []


@pytest.mark.parametrize("verb", ["rollback", "abort", "pause", "resume", "retry", "confirm", "decline", "undone"])
def test_on_the_way_back_no_command_stops_it(verb) -> None:
    at = when("two/bake")
    w = play_with(PLAN, {at: said("rollback"), at + 30: said(verb, "ready"), **READY})
    assert now(w).outcome == "rolled_back"
    assert as_before(w)


def test_on_the_way_back_it_can_be_ended_as_it_is() -> None:
    at = when("two/bake")
    assert now(play_with(PLAN, {at: said("rollback"), at + 30: said("keep"), **READY})).outcome == "rollback_failed"


def test_ttls_are_lowered_so_that_the_wait_ends_as_the_window_opens() -> None:
    # TTL 3600, a minute for clients, 21 s between two rounds: the window opens at 02:00.
    assert 2 * 3600 - 3681 <= when("one/lower_ttl") <= 2 * 3600 - 3681 + 10


def test_between_stages_far_apart_neither_low_ttls_nor_the_lock_are_held() -> None:
    w = world(PLAN, READY)
    state = look(w, 5 * 3600.0)
    assert state.tokens == {}
    assert w.zone[f"www.{ZONE}", "A"].ttl == 3600
    assert w.zone[ZONE, "MX"].ttl == 300
    assert f"_dns-cutover.{ZONE}" not in {owner for owner, _ in w.zone}
    assert go_on(w).outcome == "succeeded"
