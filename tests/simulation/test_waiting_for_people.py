"""Confirmations that expire, are declined or undone; freezes; where the way back ends; taking back what succeeded."""

from __future__ import annotations

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.reopening import kept_until, why_not
from tests.simulation.plans import AFTER, ZONE
from tests.simulation.steering import (
    MX,
    REMOVE,
    WWW,
    as_before,
    book,
    go_on,
    look,
    now,
    play_with,
    said,
    waits_for,
    world,
)

HOUR = 3600.0
PROBE = b"    probes: [{type: tcp, name: p, target: x, port: 25, interval: 30s}]\n"


def two(first: bytes = b"", second: bytes = b"", more: bytes = REMOVE):
    """Two stages, each with further keys."""
    one = b"  - name: one\n    changes: [%s]\n    bake: 5m\n" % WWW
    return book(one + first + b"  - name: two\n    changes: [%s]\n    bake: 5m\n" % MX + PROBE + second, more)


def asking(more: bytes):
    return two(b"    confirm: [{id: c, who: Vendor, says: It is.%s}]\n" % more)


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [(b"", "declined"), (b", on_timeout: decline", "declined"), (b", on_timeout: rollback", "rolled_back")],
)
def test_a_timeout_does_what_the_plan_says(policy, outcome) -> None:
    w = play_with(asking(b", timeout: 1h" + policy))
    assert now(w).outcome == outcome
    assert as_before(w)


def test_a_timeout_may_pause() -> None:
    w = world(asking(b", timeout: 1h, on_timeout: pause"), {4 * HOUR: said("confirm", "c"), 4.1 * HOUR: said("resume")})
    state = look(w, 3.5 * HOUR)
    assert state.hold is not None
    assert state.hold.kind == "confirm"
    assert go_on(w).outcome == "succeeded"


def test_what_was_confirmed_too_long_ago_is_needed_again() -> None:
    w = world(asking(b", valid_for: 30m"), {1100.0: said("confirm", "c"), 3 * HOUR: said("confirm", "c")})
    look(w, 2.5 * HOUR)
    assert "too long ago" in waits_for(w)
    assert go_on(w).outcome == "succeeded"


def test_what_expires_while_the_window_is_closed_is_needed_again() -> None:
    plan = two(
        b"    confirm: [{id: c, who: Vendor, says: It is., valid_for: 30m}]\n"
        b'    window: {from: "06:00", to: "12:00", timezone: UTC}\n'
    )
    w = world(plan, {5.0 * HOUR: said("confirm", "c"), 7 * HOUR: said("confirm", "c")})
    look(w, 6.5 * HOUR)
    assert "confirmed" in waits_for(w)
    assert go_on(w).outcome == "succeeded"


def test_what_was_confirmed_for_another_runbook_does_not_count() -> None:
    w = world(asking(b""), {1100.0: said("confirm", "c", runbook="f" * 64), 3 * HOUR: said("confirm", "c")})
    look(w, 2.5 * HOUR)
    assert "has not confirmed" in waits_for(w)
    assert go_on(w).outcome == "succeeded"


def test_who_declines_while_the_window_is_closed_takes_the_run_back() -> None:
    plan = two(
        second=b"    confirm: [{id: c, who: Vendor, says: It is.}]\n"
        b'    window: {from: "06:00", to: "12:00", timezone: UTC}\n'
    )
    w = play_with(plan, {1100.0: said("confirm", "c"), 5.5 * HOUR: said("decline", "c")})
    assert now(w).outcome == "declined"
    assert w.now < 6 * HOUR + 600
    assert as_before(w)


UNDO = two(second=b"    confirm: [{id: c, who: Vendor, says: It is., undo: Vendor unbinds.}]\n")


@pytest.mark.parametrize("verb", ["undone", "waive"])
def test_users_are_back_at_once_and_older_stages_wait_for_the_opposite_confirmation(verb) -> None:
    w = world(UNDO, {1100.0: said("confirm", "c"), 8 * HOUR: said(verb, "c")}, broken=True)
    state = look(w, 4 * HOUR)
    assert state.back is not None
    assert w.zone[ZONE, "MX"].values == ("10 old.test.",)
    assert w.zone[f"www.{ZONE}", "A"].values == ("192.0.2.9",)
    assert state.tokens == {}, "the zone is not held meanwhile"
    assert "has not confirmed yet that c is undone" in waits_for(w)
    assert go_on(w).outcome == "rolled_back"
    assert as_before(w)


def test_what_was_undone_already_is_not_waited_for() -> None:
    w = play_with(UNDO, {1100.0: said("confirm", "c"), 1.75 * HOUR: said("undone", "c")}, broken=True)
    assert now(w).outcome == "rolled_back"
    assert w.now < 2.5 * HOUR


def test_an_older_commit_point_keeps_later_failures_from_going_back_by_themselves() -> None:
    w = world(two(b"    commit: before\n"), {6 * HOUR: said("rollback")}, broken=True)
    state = look(w, 5 * HOUR)
    assert state.hold is not None
    assert state.hold.kind == "committed"
    assert go_on(w).outcome == "rolled_back"
    assert as_before(w)


def until(text: bytes):
    return two(more=b'rollback: {additive: remove, until: "1970-01-01T%sZ"}\n' % text)


def test_no_stage_starts_whose_way_back_ends_too_early_unless_somebody_says_so() -> None:
    w = world(until(b"01:38:00"), {4 * HOUR: said("resume")})
    state = look(w, 3 * HOUR)
    assert state.hold is not None
    assert state.hold.kind == "until"
    assert "rollback.until is 1970-01-01T01:38:00Z" in state.hold.why
    assert go_on(w).outcome == "succeeded"


def test_a_freeze_holds_stages_and_lowerings_and_no_rollback() -> None:
    freeze = b'freeze: [{from: "1970-01-01T00:00:00Z", to: "1970-01-01T06:00:00Z", because: night}]\n'
    w = world(two(more=REMOVE + freeze))
    look(w, 5 * HOUR)
    assert w.zone[f"www.{ZONE}", "A"].ttl == 3600
    assert "TTLs are lowered" in waits_for(w)
    assert go_on(w).outcome == "succeeded"
    later = b'freeze: [{from: "1970-01-01T01:35:00Z", to: "1970-01-01T09:00:00Z", because: night}]\n'
    w = play_with(two(more=REMOVE + later), {2.5 * HOUR: said("rollback")})
    assert now(w).outcome == "rolled_back"
    assert w.now < 5 * HOUR
    assert as_before(w)


def test_a_run_that_succeeded_is_taken_back_within_its_time() -> None:
    w = play_with(two())
    ended = now(w).ended
    assert kept_until(now(w)) == ended + 86400
    assert why_not(now(w), ended + 86400) == ""
    assert "kept for 24h 00m" in why_not(now(w), ended + 86401)
    w.advance(HOUR)
    w.append(ev.Reopened(w.now, "sam"))
    assert go_on(w).outcome == "rolled_back"
    assert as_before(w)
    assert "Only a run that succeeded" in why_not(now(w), w.now)


def test_one_stage_of_it_is_taken_back() -> None:
    w = play_with(two())
    w.advance(HOUR)
    w.append(ev.Reopened(w.now, "sam", "two"))
    assert go_on(w).outcome == "rolled_back"
    assert w.zone[ZONE, "MX"].values == ("10 old.test.",)
    assert w.zone[f"www.{ZONE}", "A"] == AFTER[f"www.{ZONE}", "A"]


def test_what_is_closed_or_belongs_to_others_is_not_taken_back() -> None:
    w = play_with(two(second=b"    commit: after\n"))
    assert "past their commit point" in why_not(now(w), w.now)
    w = play_with(two(b"    commit: after\n"))
    assert why_not(now(w), w.now) == ""
    assert "Stage one cannot be taken back: two can." in why_not(now(w), w.now, "one")
    w = play_with(two(more=b'rollback: {until: "1970-01-01T20:00:00Z"}\n'))
    assert "rollback.until of its plan has passed" in why_not(now(w), 21 * HOUR)
