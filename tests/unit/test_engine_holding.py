"""Standing still and being asked to stop: what a held run does, when a provider is tried again, what commands mean."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Emit, Lock, Probe, Wait
from dns_cutover.engine.holding import LOCK_LOOK, asked, commands, give_up, held, lock_lost, missed, moving, retry_at
from dns_cutover.engine.rollback import Written
from dns_cutover.engine.state import RunState
from dns_cutover.runbook.model import RollbackPolicy, StepKind
from tests.unit.engine_states import BOOK, CONTROL, HEALTH, NOW, WAY_BACK, at, failed, gate, passed, token
from tests.unit.engine_states import held as held_by

WAYS_OUT = (
    ("dns-cutover resume r", "go on"),
    ("dns-cutover rollback r", "undo everything"),
    ("dns-cutover abort r --keep", "end the run, leave the records as they are"),
)
DONE = (Written("one/apply", StepKind.APPLY, "one", (), (), ()),)
MISSED = ev.Missed(NOW, "one/apply", "nobody there", "why", ())
EXPOSED: dict[str, Any] = {"exposed_since": NOW - 100, "done": DONE}


def do(s: RunState, now: float = NOW) -> Any:
    assert s.hold is not None
    return held(s, s.hold, now)


# -- what unblocks it -------------------------------------------------------------------------------------------------


def test_commands_are_written_as_they_are_typed() -> None:
    assert commands(at("one/apply"), "resume", "rollback", "abort --keep") == WAYS_OUT
    assert commands(at("one/apply"), "rollback") == WAYS_OUT[1:2]


# -- holds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["conflict", "refused"])
def test_a_conflict_before_the_first_write_ends_the_run(kind: str) -> None:
    s = at("one/apply", hold=held_by(kind))
    assert do(s) == Emit(ev.Finishing(NOW, kind, "because"))


@pytest.mark.parametrize("kind", ["conflict", "refused"])
def test_after_a_write_a_conflict_gives_the_lock_back_and_waits_for_a_person(kind: str) -> None:
    s = at("two/apply", hold=held_by(kind), done=DONE, tokens={"default": token()})
    assert do(s) == Lock("default", "release")
    assert do(replace(s, tokens={})) == Wait(NOW + 60, "conflict", "because", None, WAYS_OUT)


@pytest.mark.parametrize("kind", ["conflict", "refused"])
def test_a_conflict_while_users_are_exposed_is_watched(kind: str) -> None:
    """One zone was written, the next one refused: probes go on, a failing one goes back, and the lock is given back."""
    s = at(
        "two/apply",
        hold=held_by(kind),
        done=DONE,
        tokens={"default": token()},
        exposed_since=NOW - 60,
        probes=(HEALTH,),
    )
    assert do(s) == Probe(s.step, (HEALTH,))
    asked_already = replace(s, probed={"p": NOW - 4})
    assert do(asked_already) == Lock("default", "release")
    assert do(replace(asked_already, tokens={})) == Wait(NOW + 6, "conflict", "because", None, WAYS_OUT)
    bad = replace(asked_already, gates={"p": failed()})
    assert do(bad) == Emit(ev.RollbackStarted(NOW, "two/apply", "probe", "p failed: refused"))


def test_a_paused_run_waits_for_a_person_without_end() -> None:
    assert do(at("one/wait_ttl", hold=held_by())) == Wait(NOW + 60, "paused", "because", None, WAYS_OUT)


def test_a_long_hold_keeps_the_lock_and_renews_it_at_half_the_grace() -> None:
    s = at("one/wait_ttl", hold=held_by(), grace=600.0, tokens={"default": token(NOW + 300)})
    assert do(s) == Lock("default", "renew")
    assert isinstance(do(s, NOW - 1), Wait)


@pytest.mark.parametrize("kind", ["violators", "unreachable", "paused", "lock"])
def test_nobody_decides_while_users_are_exposed_and_the_run_goes_back_as_the_plan_says(kind: str) -> None:
    s = at("two/converge", hold=held_by(kind), gate=gate(on_inconclusive="rollback"), probes=(), **EXPOSED)
    s = replace(s, book=replace(s.book, rollback=RollbackPolicy(max_pause=1800.0)))
    assert do(s, NOW + 1790) == Wait(NOW + 1800, "paused", "because", NOW + 1800, WAYS_OUT)
    assert do(s, NOW + 1800) == Emit(
        ev.RollbackStarted(NOW + 1800, "two/converge", "inconclusive", "because; nobody decided in time")
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"gate": gate(on_inconclusive="pause")},
        {"gate": gate(on_inconclusive="rollback"), "rollback": RollbackPolicy(automatic=False)},
        {"gate": gate(on_inconclusive="rollback"), "hold": held_by("committed")},
        {"gate": gate(on_inconclusive="rollback"), "exposed_since": None},
    ],
    ids=["the plan says pause", "never by itself", "past the commit point", "nobody is exposed"],
)
def test_otherwise_a_person_decides_however_long_it_takes(fields: dict[str, Any]) -> None:
    s = at("two/converge", **{"hold": held_by(), "probes": (), **EXPOSED, **fields})
    assert do(s, NOW + 1e6) == Wait(NOW + 1e6 + 60, "paused", "because", None, WAYS_OUT)


def test_a_pause_after_the_last_step_only_waits() -> None:
    s = replace(at("two/converge", hold=held_by(), **EXPOSED), i=len(BOOK.steps))
    assert do(s) == Wait(NOW + 60, "paused", "because", None, WAYS_OUT)


def test_a_pause_with_users_exposed_asks_the_probes_that_are_due() -> None:
    s = at(
        "two/converge", hold=held_by(), probes=(HEALTH, CONTROL), probed={"p": NOW - 10, "third": NOW - 9}, **EXPOSED
    )
    step = s.step
    assert step is not None
    assert do(s) == Probe(step, (HEALTH,))
    later = replace(s, probed={"p": NOW, "third": NOW - 5})
    assert do(later) == Wait(NOW + 5, "paused", "because", None, WAYS_OUT)
    assert do(replace(later, probed={"p": NOW + 100, "third": NOW + 100}, exposed_since=None)) == Wait(
        NOW + 60, "paused", "because", None, WAYS_OUT
    )


def test_a_probe_that_is_all_but_due_is_not_waited_for_in_tiny_steps() -> None:
    s = at("two/converge", hold=held_by(), probes=(HEALTH,), probed={"p": NOW - 9.99}, **EXPOSED)
    assert do(s).until == NOW + 0.1


def test_a_failing_probe_takes_a_paused_run_back() -> None:
    s = at("two/converge", hold=held_by(), gates={"p": failed()}, probes=(HEALTH,), **EXPOSED)
    assert do(s) == Emit(ev.RollbackStarted(NOW, "two/converge", "probe", "p failed: refused"))
    assert isinstance(do(replace(s, gates={"p": passed()}, probed={"p": NOW})), Wait)


# -- an unreachable provider ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misses", "wait"), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (5, 30.0), (6, 30.0), (50, 30.0)]
)
def test_the_provider_is_tried_again_ever_more_slowly(misses: int, wait: float) -> None:
    assert retry_at(at("one/apply", missed=MISSED, misses=misses), NOW + 1) == NOW + wait


def test_a_miss_by_a_clock_that_was_ahead_delays_nothing() -> None:
    s = at("one/apply", missed=MISSED, misses=3)
    assert retry_at(s, NOW - 1) == NOW - 1
    assert retry_at(s, NOW) == NOW + 8


def test_without_a_miss_there_is_nothing_to_wait_for() -> None:
    assert retry_at(at("one/apply"), 5.0) == 1.0


def test_waiting_for_a_provider_says_what_it_said_and_the_way_out() -> None:
    s = at("one/apply", missed=MISSED, misses=2)
    assert missed(s, NOW, NOW + 4) == Wait(NOW + 4, "provider", "nobody there", None, WAYS_OUT[1:2])
    back = replace(s, back=BOOK.steps[:1])
    assert missed(back, NOW, NOW + 4) == Wait(NOW + 4, "provider", "nobody there", None, WAYS_OUT[2:])
    assert missed(replace(back, missed=None), NOW, NOW + 4).why == "the provider cannot be reached"


def test_a_command_is_heard_while_the_provider_is_away() -> None:
    stop = ev.Command(NOW, "rollback", "sam")
    s = at("one/apply", missed=MISSED, misses=2, asked=stop)
    assert missed(s, NOW, NOW + 4) == Emit(ev.RollbackStarted(NOW, "one/apply", "command", "asked for by sam"))
    intent = ev.Intent(NOW, "one/apply", "x", "default", (), None, None, "", 1, "write")
    for busy in (replace(s, pending=intent), replace(s, outcome="aborted"), replace(s, back=BOOK.steps[:1])):
        assert isinstance(missed(busy, NOW, NOW + 4), Wait)
    keep = replace(s, back=BOOK.steps[:1], asked=ev.Command(NOW, "keep", "sam"))
    assert isinstance(missed(keep, NOW, NOW + 4), Emit)


def test_users_are_watched_while_the_provider_is_away() -> None:
    s = at("two/bake", missed=MISSED, misses=2, probes=(HEALTH, WAY_BACK), **EXPOSED)
    step = s.step
    assert step is not None
    s = replace(s, probed={"p": NOW - 10, "old": NOW - 7})
    assert missed(s, NOW, NOW + 4) == Probe(step, (HEALTH,))
    assert missed(replace(s, probed={"p": NOW, "old": NOW - 7}), NOW, NOW + 4).until == NOW + 3
    assert missed(replace(s, probed={"p": NOW, "old": NOW}), NOW, NOW + 4).until == NOW + 4
    assert missed(replace(s, probed={"p": NOW, "old": NOW - 9.99}), NOW, NOW + 4).until == NOW + 0.1
    failing = replace(s, gates={"p": failed()})
    assert isinstance(missed(failing, NOW, NOW + 4), Emit)
    intent = ev.Intent(NOW, "two/bake", "x", "default", (), None, None, "", 1, "write")
    for other in (
        replace(failing, exposed_since=None),
        replace(failing, back=BOOK.steps[:1]),
        replace(failing, pending=intent),
        replace(failing, i=len(BOOK.steps)),
    ):
        assert missed(other, NOW, NOW + 4).until == NOW + 4


def test_a_provider_that_is_away_before_the_first_write_ends_the_run_at_the_third_miss() -> None:
    s = at("one/lower_ttl", missed=MISSED, misses=2, missed_since=NOW)
    assert give_up(s, NOW) is None
    assert give_up(replace(s, misses=3), NOW) == Emit(ev.Finishing(NOW, "unreachable", "nobody there"))
    assert give_up(replace(s, missed=None, misses=3), NOW) is None


def test_later_it_holds_the_run_when_it_was_tried_after_the_deadline() -> None:
    s = at("two/apply", missed=MISSED, misses=50, done=DONE, missed_since=NOW - 500, gate=gate(deadline=500.0))
    assert give_up(s, NOW) is None
    late = replace(s, missed_since=NOW - 500.1)
    assert give_up(late, NOW) == Emit(ev.Held(NOW, "one/apply", "unreachable", "nobody there"))
    assert give_up(replace(late, hold=held_by()), NOW) is None
    assert give_up(replace(late, back=BOOK.steps[:1]), NOW) is None, "the way back is never given up"
    ended = replace(late, i=len(BOOK.steps), missed_since=NOW - 900.1)
    assert give_up(ended, NOW) == Emit(ev.Held(NOW, "one/apply", "unreachable", "nobody there"))
    assert give_up(replace(ended, missed_since=NOW - 900), NOW) is None


# -- commands ---------------------------------------------------------------------------------------------------------


def test_what_commands_mean() -> None:
    s = at("two/bake", done=DONE)
    text = "ended by sam; the records stay as they are"
    keep = ev.Command(NOW, "keep", "sam")
    assert asked(s, keep, NOW) == Emit(ev.Finishing(NOW, "aborted", text))
    assert asked(replace(s, back=BOOK.steps[:1]), keep, NOW) == Emit(ev.Finishing(NOW, "rollback_failed", text))
    for verb in ("abort", "rollback"):
        command = ev.Command(NOW, verb, "sam")
        assert asked(s, command, NOW) == Emit(ev.RollbackStarted(NOW, "two/bake", "command", "asked for by sam"))
    one = ev.Command(NOW, "rollback", "sam", stage="two")
    assert asked(s, one, NOW) == Emit(ev.RollbackStarted(NOW, "two/bake", "command", "asked for by sam", "two"))
    over = replace(s, i=len(BOOK.steps))
    assert asked(over, ev.Command(NOW, "rollback", "sam"), NOW).event.step == ""
    forbidden = replace(s, book=replace(s.book, rollback=RollbackPolicy(automatic=False)))
    ignored = ev.Command(NOW, "rollback", "the server ignored part of a message", "ignored")
    assert asked(s, ignored, NOW) == Emit(
        ev.RollbackStarted(NOW, "two/bake", "ignored", "the server ignored part of a message")
    )
    text = "the server ignored part of a message; the plan says rollback: automatic: false"
    assert asked(forbidden, ignored, NOW) == Emit(ev.Held(NOW, "two/bake", "committed", text))
    assert isinstance(asked(forbidden, ev.Command(NOW, "rollback", "sam"), NOW).event, ev.RollbackStarted)


# -- a lost lock ------------------------------------------------------------------------------------------------------


LOST = ev.LockLost(NOW, "default", "x", int(NOW) + 100, op="0p")
UNLOCK = ("dns-cutover unlock x 0p", "take the lock away, if nobody drives run x any more")


def test_a_lock_of_another_run_is_waited_for_and_looked_at_again() -> None:
    """It may be given back early; whoever holds it, until when, and what takes it away is said."""
    s = at("two/apply", done=DONE)
    why, unblock = "run x holds the lock of example.test.", (*commands(s, "rollback", "abort --keep"), UNLOCK)
    assert lock_lost(s, LOST, NOW) == Wait(NOW + LOCK_LOOK, "lock", why, NOW + 100, unblock)
    assert lock_lost(s, LOST, NOW + LOCK_LOOK - 1).until == NOW + LOCK_LOOK
    assert lock_lost(s, LOST, NOW + LOCK_LOOK) == Lock("default", "acquire")
    assert lock_lost(s, replace(LOST, ts=NOW + 1), NOW) == Lock("default", "acquire")
    assert lock_lost(s, LOST, NOW + 100) is None
    soon = replace(LOST, until=int(NOW) + 9)
    assert lock_lost(s, soon, NOW).until == NOW + 9
    assert lock_lost(s, replace(LOST, op=""), NOW).unblock == commands(s, "rollback", "abort --keep")


def test_on_the_way_back_it_is_waited_for_too() -> None:
    s = at("two/apply", done=DONE, back=(), exposed_since=NOW)
    assert lock_lost(s, LOST, NOW).unblock == (UNLOCK,)
    ours = replace(LOST, ours=True)
    assert lock_lost(s, ours, NOW).kind == "lock"


def test_probes_are_watched_while_users_are_exposed_and_another_run_has_the_lock() -> None:
    s = at("two/bake", done=DONE, exposed_since=NOW)
    assert isinstance(lock_lost(s, LOST, NOW + 1), Probe)
    asked_just_now = replace(s, probed=MappingProxyType({p.name: NOW for p in s.step.probes}))
    waiting = lock_lost(asked_just_now, LOST, NOW + 1)
    assert (waiting.kind, waiting.until) == ("lock", NOW + min(p.interval for p in s.step.probes))


def test_a_probe_that_is_all_but_due_is_not_waited_for_in_tiny_steps_without_the_lock() -> None:
    s = at("two/bake", done=DONE, exposed_since=NOW, probes=(HEALTH,), probed={"p": NOW - 9.95})
    assert lock_lost(s, LOST, NOW).until == NOW + 0.1
    assert lock_lost(replace(s, probed={"p": NOW}), replace(LOST, ts=NOW - 25), NOW).until == NOW + 5
    unwatched = at("two/bake", done=DONE, exposed_since=NOW, probes=())
    assert lock_lost(unwatched, LOST, NOW).until == NOW + LOCK_LOOK


# -- a zone that keeps changing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("moved", "wait"), [(5, 2), (6, 4), (7, 8), (8, 16), (9, 30), (50, 30)])
def test_a_zone_that_keeps_changing_is_tried_ever_more_slowly(moved: int, wait: float) -> None:
    s = at("two/apply", moved=moved, moved_at=NOW)
    why, unblock = "the zone keeps changing between reading and writing", commands(s, "rollback")
    assert moving(s, NOW) == Wait(NOW + wait, "provider", why, None, unblock)
    assert moving(s, NOW + wait - 0.5) is not None
    assert moving(s, NOW + wait) is None
    assert moving(replace(s, back=BOOK.steps), NOW) == Wait(NOW + wait, "provider", why, None, ())


def test_a_zone_that_changed_a_few_times_or_by_a_clock_that_was_ahead_is_tried_at_once() -> None:
    assert moving(at("two/apply", moved=4, moved_at=NOW), NOW) is None
    assert moving(at("two/apply", moved=9, moved_at=NOW + 1), NOW) is None


def test_before_the_first_write_a_lock_of_another_run_ends_this_one() -> None:
    ends = ev.Finishing(NOW, "locked", "run x holds the lock of example.test.")
    assert lock_lost(at("one/lower_ttl"), LOST, NOW) == Emit(ends)


def test_a_run_whose_lock_was_taken_over_stands_still() -> None:
    """Whoever did it may have written, and may have given the lock back since."""
    s = at("two/apply", done=DONE)
    while_away = "took the lock of example.test. over while this run was away: another run may have written there"
    for holder, by in (("x", "run x"), ("", "somebody, who has given it back since,")):
        lost = replace(LOST, ours=True, holder=holder, until=0 if not holder else LOST.until)
        assert lock_lost(s, lost, NOW) == Emit(ev.Held(NOW, "two/apply", "lock", f"{by} {while_away}"))
    assert lock_lost(replace(s, exposed_since=NOW), replace(LOST, ours=True, until=0), NOW) is None
    over = replace(s, i=len(s.book.steps))
    assert lock_lost(over, replace(LOST, ours=True), NOW).event.step == ""
    begun = lock_lost(at("one/lower_ttl"), replace(LOST, ours=True), NOW)
    assert begun == Emit(ev.Finishing(NOW, "locked", f"run x {while_away}"))


def test_a_hold_for_a_lost_lock_names_what_takes_it_away() -> None:
    s = at("two/preflight", done=DONE, lock_lost=LOST)
    hold = ev.Held(NOW, "two/preflight", "lock", "why")
    assert held(s, hold, NOW).unblock == (*WAYS_OUT, UNLOCK)
    assert UNLOCK not in held(s, hold, NOW + 100).unblock
    assert UNLOCK not in held(s, replace(hold, kind="paused"), NOW).unblock
    assert UNLOCK not in held(replace(s, lock_lost=None), hold, NOW).unblock
