"""What a run does next: the order in which things matter, then each kind of step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import AskResolvers, Baseline, Done, Emit, Lock, Observe, Probe, Resolve, Wait, Write
from dns_cutover.engine.decide import decide
from dns_cutover.engine.rollback import Written
from dns_cutover.engine.state import RunState
from dns_cutover.records import RRsetKey
from dns_cutover.runbook.model import Confirm, StepKind, Window
from tests.unit.engine_states import (
    BOOK,
    CONTROL,
    HEALTH,
    NOW,
    WAY_BACK,
    at,
    failed,
    gate,
    held,
    passed,
    position,
    token,
    unsure,
)

WWW = RRsetKey("default", "www.example.test.", "A")
NM1 = RRsetKey("default", "nm1.example.test.", "CNAME")
TXT = RRsetKey("default", "example.test.", "TXT")
LEAVE = (
    ("dns-cutover rollback r", "undo everything"),
    ("dns-cutover abort r --keep", "end the run, leave the records as they are"),
)
ROLLBACK = (("dns-cutover rollback r", "undo everything"),)
MISSED = ev.Missed(NOW, "x", "nobody there", "", ())
LOCKED = MappingProxyType({"default": token(1e10)})
DONE = (Written("one/apply", StepKind.APPLY, "one", (), (), ()),)
CAUSE = ev.RollbackStarted(NOW, "two/bake", "probe", "p failed")
WRONG = ev.ServerTrouble("ns1", "192.0.2.1", True, "serves the old one")
SILENT = ev.ServerTrouble("ns2", "192.0.2.2", False, "no answer")
INTENT = ev.Intent(NOW, "x", "op", "default", (), None, None, "", 1, "write")


def emits(s: RunState, event: ev.Event, now: float = NOW) -> None:
    assert decide(s, now) == Emit(event)


def done(s: RunState, proof: str, now: float = NOW) -> None:
    assert s.step is not None
    emits(s, ev.StepDone(now, s.step.id, proof), now)


# -- what matters first -----------------------------------------------------------------------------------------------


def test_a_run_that_is_over_is_over() -> None:
    s = at("one/apply", final=True, outcome="succeeded", misses=1, missed=MISSED, pending=INTENT)
    assert decide(s, NOW) == Done("succeeded")
    assert decide(replace(s, outcome=None), NOW) == Done("aborted")


def test_a_provider_that_was_missed_is_waited_for_before_anything_else() -> None:
    s = at("one/apply", misses=1, missed=MISSED, pending=INTENT)
    assert decide(s, NOW + 1.9) == Wait(NOW + 2, "provider", "nobody there", None, ROLLBACK)
    assert decide(s, NOW + 2) == Resolve()
    assert decide(replace(s, misses=0), NOW) == Resolve()


def test_the_fate_of_a_message_comes_before_the_end_and_the_end_before_commands() -> None:
    command = ev.Command(NOW, "rollback", "sam")
    s = at("one/apply", outcome="aborted", tokens=LOCKED, asked=command, pending=INTENT, hold=held())
    assert decide(s, NOW) == Resolve()
    assert decide(replace(s, pending=None), NOW) == Lock("default", "release")
    emits(replace(s, pending=None, tokens={}), ev.Finished(NOW, "aborted"))


def test_commands_come_before_holds() -> None:
    s = at("one/apply", asked=ev.Command(NOW, "rollback", "sam"), hold=held("conflict"))
    emits(s, ev.RollbackStarted(NOW, "one/apply", "command", "asked for by sam"))
    back = replace(s, back=BOOK.steps[:1], tokens=LOCKED)
    assert decide(back, NOW) == Write(BOOK.steps[0], undo=True), "it goes back already"
    keep = replace(back, asked=ev.Command(NOW, "keep", "sam"))
    emits(keep, ev.Finishing(NOW, "rollback_failed", "ended by sam; the records stay as they are"))


def test_a_provider_that_was_missed_too_often_ends_the_run_or_holds_it() -> None:
    s = at("one/apply", misses=3, missed=replace(MISSED, ts=NOW - 100), missed_since=NOW - 100)
    emits(s, ev.Finishing(NOW, "unreachable", "nobody there"))
    assert decide(replace(s, misses=2), NOW) == Lock("default", "acquire")
    assert decide(replace(s, misses=0), NOW) == Lock("default", "acquire")


def test_a_held_run_stands_still_unless_it_goes_back() -> None:
    s = at("one/wait_ttl", hold=held(), done=DONE, lock_lost=ev.LockLost(NOW, "default", "x", int(NOW) + 50))
    assert decide(s, NOW).kind == "paused"
    back = replace(s, back=BOOK.steps[:1])
    assert decide(back, NOW).kind == "lock"
    assert decide(replace(back, lock_lost=None, tokens=LOCKED), NOW) == Write(BOOK.steps[0], undo=True)


def test_a_lock_whose_time_is_over_is_taken() -> None:
    s = at("one/lower_ttl", lock_lost=ev.LockLost(NOW, "default", "x", int(NOW) + 50))
    emits(s, ev.Finishing(NOW, "locked", "run x holds the lock of example.test."))
    assert decide(s, NOW + 50) == Lock("default", "acquire")


def test_the_lock_is_renewed_at_half_the_grace() -> None:
    s = at("one/converge", tokens=MappingProxyType({"default": token(NOW + 300)}), grace=600.0)
    assert decide(s, NOW) == Lock("default", "renew")
    assert decide(s, NOW - 1) == Observe(s.step, before=False)


# -- how runs end -----------------------------------------------------------------------------------------------------

OVER = len(BOOK.steps)


def over(**fields: Any) -> RunState:
    return replace(at("one/apply"), **{"i": OVER, "done": DONE, **fields})


@pytest.mark.parametrize(
    ("fields", "outcome", "why"),
    [
        ({}, "succeeded", ""),
        ({"back": (), "cause": CAUSE}, "rolled_back", "p failed"),
        ({"back": ()}, "rolled_back", ""),
        ({"back": (), "cause": CAUSE, "done": ()}, "aborted", "p failed"),
        ({"back": (), "done": ()}, "aborted", ""),
        ({"back": (), "cause": replace(CAUSE, cause="confirm")}, "declined", "p failed"),
        ({"back": (), "cause": replace(CAUSE, cause="confirm"), "done": ()}, "declined", "p failed"),
        ({"back": (), "cause": CAUSE, "unproven": True}, "rollback_failed", "it could not be verified"),
        (
            {"back": (), "left": (ev.Foreign(WWW, "x", None, False),), "unproven": True},
            "rollback_failed",
            "not everything could be taken back",
        ),
    ],
)
def test_how_a_run_ends(fields: dict[str, Any], outcome: Any, why: str) -> None:
    emits(over(**fields), ev.Finishing(NOW, outcome, why))


# -- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["one/lower_ttl", "one/apply", "two/restore_ttl"])
def test_a_write_needs_the_lock_first(step: str) -> None:
    s = at(step)
    assert decide(s, NOW) == Lock("default", "acquire")
    assert decide(replace(s, tokens={"other": token()}), NOW) == Lock("default", "acquire")
    assert decide(replace(s, tokens=LOCKED), NOW) == Write(s.step, undo=False)


def test_a_write_of_nothing_is_done() -> None:
    done(at("one/apply", edits=()), "nothing to write")


def test_a_longer_ttl_that_was_seen_within_a_stage_means_a_look_before_its_next_message() -> None:
    s = at("one/apply", longer={WWW: 7200.0}, gate=gate(round_gap=21.0))
    assert decide(s, NOW) == Observe(s.step, before=True)
    why = "a longer TTL was published meanwhile; a second look"
    assert decide(replace(s, rounds=1, looked=NOW), NOW) == Wait(NOW + 21, "convergence", why, NOW + 21)
    assert decide(replace(s, longer={TXT: 7200.0}), NOW) == Lock("default", "acquire")
    assert decide(replace(s, back=(s.step,)), NOW) == Lock("default", "acquire")


def test_a_stage_waits_for_a_longer_ttl_that_was_seen_since_and_a_rollback_does_not() -> None:
    s = at("one/apply", dead={WWW: NOW + 50, NM1: NOW + 9})
    why = "caches may still hold a version with a longer TTL"
    assert decide(s, NOW) == Wait(NOW + 50, "ttl", why, NOW + 50, LEAVE)
    assert decide(s, NOW + 50) == Lock("default", "acquire")
    back = replace(s, back=(s.step,))
    assert decide(back, NOW) == Lock("default", "acquire")
    lowering = replace(at("one/lower_ttl"), dead={WWW: NOW + 50})
    assert decide(lowering, NOW) == Lock("default", "acquire")


TEN_TO_FOUR = Window((1, 2, 3, 4, 5), "10:00", "16:00", "UTC")
TUESDAY = datetime(2026, 3, 10, 9, 0, tzinfo=UTC).timestamp()
OPENS = TUESDAY + 3600


def windowed(**fields: Any) -> RunState:
    """Stage one has a window, in which its message is to be sent."""
    s = at("one/apply", since=TUESDAY, **fields)
    steps = list(s.book.steps)
    steps[position("one/preflight")] = replace(
        steps[position("one/preflight")], window=TEN_TO_FOUR, kind=StepKind.WINDOW
    )
    return replace(s, book=replace(s.book, steps=tuple(steps)))


def test_a_stage_whose_window_has_closed_meanwhile_waits_for_the_next() -> None:
    s = windowed()
    why = "the window of stage one is closed"
    assert decide(s, TUESDAY) == Wait(OPENS, "window", why, OPENS, LEAVE)
    assert decide(s, OPENS) == Lock("default", "acquire")
    for other in (
        replace(s, done=DONE),
        replace(s, back=(s.step,)),
        replace(s, book=replace(s.book, steps=at("one/apply").book.steps)),
    ):
        assert decide(other, TUESDAY) == Lock("default", "acquire")
    for written in (replace(DONE[0], stage="two"), replace(DONE[0], kind=StepKind.LOWER_TTL)):
        assert isinstance(decide(replace(s, done=(written,)), TUESDAY), Wait)


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_ttls_are_waited_for_until_the_last_one_is_dead() -> None:
    s = at("one/wait_ttl", dead={WWW: NOW + 500, NM1: NOW + 9e5})
    why = "caches may still hold old answers (www A: A at 3600 s)"
    assert decide(s, NOW) == Wait(NOW + 500, "ttl", why, NOW + 500, LEAVE)
    done(s, "every cached answer of the old version is dead", NOW + 500)
    nothing = at("one/wait_ttl", exposures=())
    done(nothing, "every cached answer of the old version is dead")


def test_a_long_wait_gives_the_lock_back_unless_users_are_exposed() -> None:
    s = at("one/wait_ttl", dead={WWW: NOW + 601}, tokens=LOCKED, grace=600.0)
    assert decide(s, NOW) == Lock("default", "release")
    for other in (
        replace(s, dead={WWW: NOW + 600}),
        replace(s, tokens={}),
        replace(s, exposed_since=NOW - 1),
    ):
        assert isinstance(decide(other, NOW), Wait)


def test_the_plan_s_pause_counts_from_the_end_of_the_stage_before() -> None:
    s = at("one/bake", kind=StepKind.WAIT, seconds=1000.0, stage_ended=NOW - 400)
    assert decide(s, NOW) == Wait(NOW + 600, "wait", "stage one waits as the plan says", NOW + 600, LEAVE)
    done(s, "the plan's pause is over", NOW + 600)
    assert decide(replace(s, tokens=LOCKED), NOW - 1) == Lock("default", "release")


def test_a_window_is_waited_for() -> None:
    s = at("one/bake", kind=StepKind.WINDOW, window=TEN_TO_FOUR)
    assert decide(s, TUESDAY) == Wait(OPENS, "window", "the window of stage one is closed", OPENS, LEAVE)
    assert decide(replace(s, tokens=LOCKED), TUESDAY) == Lock("default", "release")
    done(s, "the window is open", OPENS)
    done(at("one/bake", kind=StepKind.WINDOW), "nothing is frozen")


# -- confirmations ----------------------------------------------------------------------------------------------------

READY = Confirm("ready", "Vendor", "It is set up.", timeout=7200.0)
CONFIRM = (
    ("dns-cutover confirm r ready --by NAME", "It is set up."),
    ("dns-cutover confirm r ready --decline --by NAME", "it is not so: the run goes back"),
    *ROLLBACK,
)
SAID = ev.Command(NOW, "confirm", "sam", "ready")
NOT_YET = "Vendor has not confirmed ready yet"


def asking(item: Confirm | None = READY, **fields: Any) -> RunState:
    return at("one/bake", kind=StepKind.CONFIRM, confirm=item, **fields)


def test_a_confirmation_is_waited_for_and_the_command_named() -> None:
    s = asking(grace=7200.0)
    assert decide(s, NOW) == Wait(NOW + 60, "confirm", NOT_YET, NOW + 7200, CONFIRM)
    assert decide(s, NOW + 7190) == Wait(NOW + 7200, "confirm", NOT_YET, NOW + 7200, CONFIRM)
    done(replace(s, confirmed={"ready": SAID}), "confirmed by sam")
    assert isinstance(decide(replace(s, confirmed={"other": SAID}), NOW), Wait)
    done(asking(None), "nothing to confirm")
    endless = asking(replace(READY, timeout=None))
    assert decide(endless, NOW + 1e6) == Wait(NOW + 1e6 + 60, "confirm", NOT_YET, None, CONFIRM)


def test_a_long_wait_for_a_person_gives_the_lock_back() -> None:
    assert decide(asking(tokens=LOCKED), NOW) == Lock("default", "release")
    endless = asking(replace(READY, timeout=None), tokens=LOCKED)
    assert decide(endless, NOW) == Lock("default", "release")
    assert isinstance(decide(asking(tokens=LOCKED), NOW + 7000), Wait)


def test_what_is_declined_or_not_confirmed_in_time_takes_the_run_back() -> None:
    s = asking()
    emits(
        replace(s, declined=frozenset({"ready"})),
        ev.RollbackStarted(NOW, "one/bake", "confirm", "Vendor declined ready"),
    )
    assert isinstance(decide(replace(s, declined=frozenset({"other"})), NOW), Wait)
    why = "Vendor did not confirm ready in time"
    emits(s, ev.RollbackStarted(NOW + 7200, "one/bake", "confirm", why), NOW + 7200)
    assert isinstance(decide(s, NOW + 7199), Wait)


def test_a_probe_proves_a_confirmation() -> None:
    s = asking(probes=(HEALTH,), probed={"p": NOW - 10})
    assert decide(s, NOW) == Probe(s.step, (HEALTH,))
    assert isinstance(decide(s, NOW - 0.1), Wait)
    failing = replace(s, gates={"p": failed()}, probed={"p": NOW})
    why = "p does not prove ready yet: refused"
    assert decide(failing, NOW) == Wait(NOW + 30, "confirm", why, NOW + 7200, CONFIRM)
    assert decide(failing, NOW + 29) == Wait(NOW + 30, "confirm", why, NOW + 7200, CONFIRM)
    assert decide(failing, NOW + 30) == Probe(s.step, (HEALTH,))
    slow = replace(failing, book=asking(probes=(replace(HEALTH, interval=100.0),)).book)
    assert decide(slow, NOW).until == NOW + 100
    unasked = replace(failing, probed={})
    assert decide(unasked, NOW).until == NOW + 30
    done(replace(s, gates={"p": passed()}), "proved by p")
    assert not isinstance(decide(replace(s, gates={"p": failed(1)}), NOW), Emit)


def test_a_confirmation_is_proved_by_as_many_successes_in_a_row_as_the_plan_says() -> None:
    s = asking(probes=(replace(HEALTH, consecutive_successes=3),), gates={"p": passed(2)}, probed={"p": NOW})
    assert isinstance(decide(s, NOW), Wait)
    done(replace(s, gates={"p": passed(3)}), "proved by p")
    none = asking(probes=(replace(HEALTH, consecutive_successes=0),), probed={"p": NOW}, gates={"p": failed(1)})
    assert isinstance(decide(none, NOW), Wait), "at least one"


# -- before a stage ---------------------------------------------------------------------------------------------------


def test_before_a_stage_the_servers_are_looked_at_once_and_then_the_baseline_is_taken() -> None:
    s = at("one/preflight")
    assert decide(s, NOW) == Observe(s.step, before=True)
    assert decide(replace(s, rounds=1, looked=NOW), NOW) == Baseline(s.step)


def test_where_a_longer_ttl_was_seen_one_look_is_not_enough() -> None:
    s = at("one/preflight", rounds=1, looked=NOW, longer={WWW: 7200.0}, gate=gate(round_gap=21.0))
    why = "a longer TTL was published meanwhile; a second look"
    assert decide(s, NOW) == Wait(NOW + 21, "convergence", why, NOW + 21)
    assert decide(s, NOW + 21) == Observe(s.step, before=True)
    assert decide(replace(s, rounds=2), NOW) == Baseline(s.step)
    elsewhere = RRsetKey("default", "x.example.test.", "A")
    assert decide(replace(s, longer={elsewhere: 7200.0}), NOW) == Baseline(s.step)
    assert isinstance(decide(replace(s, rounds=0), NOW), Observe)


def test_servers_that_disagree_before_a_stage_have_a_minute() -> None:
    s = at("one/preflight", trouble=(WRONG,), looked=NOW + 10)
    text = "ns1: serves the old one"
    assert decide(s, NOW + 10) == Wait(NOW + 12, "convergence", text, NOW + 60)
    assert decide(s, NOW + 12) == Observe(s.step, before=True)
    assert isinstance(decide(replace(s, looked=NOW + 60), NOW + 62), Observe)
    late = replace(s, looked=NOW + 60.1)
    emits(late, ev.Held(NOW + 61, "one/preflight", "conflict", text), NOW + 61)
    both = replace(late, trouble=(SILENT, WRONG))
    emits(both, ev.Held(NOW + 61, "one/preflight", "unreachable", "ns2: no answer"), NOW + 61)


def test_no_stage_starts_while_going_back_would_not_help() -> None:
    s = at("one/preflight", rounds=1, probes=(HEALTH, WAY_BACK), gates={"old": failed(), "p": failed()})
    emits(s, ev.Held(NOW, "one/preflight", "way_back", "old fails: refused"))
    once = replace(s, gates={"old": failed(1)}, probed={"old": NOW - 10})
    assert decide(once, NOW) == Probe(s.step, (WAY_BACK,))
    assert decide(once, NOW - 1) == Wait(NOW, "bake", "", None)
    assert decide(replace(s, gates={"old": passed(), "p": failed()}), NOW) == Baseline(s.step)


# -- convergence ------------------------------------------------------------------------------------------------------


def converging(**fields: Any) -> RunState:
    return at("two/converge", **{"exposed_since": NOW - 5, "probed": {"p": NOW}, **fields})


def test_after_a_write_the_servers_are_looked_at_in_two_rounds() -> None:
    s = converging(gate=gate(round_gap=21.0))
    assert decide(s, NOW) == Observe(s.step, before=False)
    agreed = "all servers agree; asking once more"
    once = replace(s, rounds=1, looked=NOW, probed={"p": NOW + 1e6})
    waits = replace(once, probed={"p": NOW - 1})
    assert decide(waits, NOW) == Wait(NOW + 9, "convergence", agreed, NOW + 21)
    slow = at("two/converge", probes=(), rounds=1, looked=NOW, gate=gate(round_gap=21.0))
    assert decide(slow, NOW) == Wait(NOW + 21, "convergence", agreed, NOW + 21)
    assert decide(slow, NOW + 21) == Observe(slow.step, before=False)
    assert isinstance(decide(once, NOW), Probe), "a probe that was asked by a clock that was ahead is due"


def test_servers_that_disagree_are_asked_again_soon() -> None:
    s = at("two/converge", probes=(), trouble=(WRONG,), looked=NOW, gate=gate(deadline=900.0, round_gap=21.0))
    text = "ns1 serves the old one"
    assert decide(s, NOW) == Wait(NOW + 2, "convergence", text, NOW + 900, ROLLBACK)
    assert decide(s, NOW + 2) == Observe(s.step, before=False)
    back = replace(s, back=(s.step,))
    assert decide(back, NOW) == Wait(NOW + 2, "convergence", text, NOW + 900, ())
    none = replace(s, trouble=(), rounds=0)
    assert decide(none, NOW + 1.9).until == NOW + 2
    watched = converging(trouble=(WRONG,), looked=NOW, probed={"p": NOW - 9})
    assert decide(watched, NOW).until == NOW + 1


def test_a_look_after_the_deadline_decides_and_the_time_alone_does_not() -> None:
    s = at("two/converge", probes=(), trouble=(SILENT, WRONG), looked=NOW + 901, gate=gate(deadline=900.0))
    text = "ns2 no answer"
    emits(s, ev.RollbackStarted(NOW + 901, "two/converge", "deadline", text), NOW + 901)
    assert isinstance(decide(replace(s, looked=NOW + 900), NOW + 5000), Observe)
    assert isinstance(decide(replace(s, trouble=()), NOW + 903), Observe)


@pytest.mark.parametrize(
    ("trouble", "settings", "action"),
    [
        ((WRONG,), {"wrong": "rollback", "unreachable": "pause"}, ev.RollbackStarted),
        ((SILENT,), {"wrong": "rollback", "unreachable": "pause"}, ev.Held),
        ((WRONG,), {"wrong": "pause", "unreachable": "rollback"}, ev.Held),
        ((SILENT,), {"wrong": "pause", "unreachable": "rollback"}, ev.RollbackStarted),
        ((SILENT, WRONG), {"wrong": "pause", "unreachable": "rollback"}, ev.Held),
    ],
)
def test_what_the_plan_says_of_the_deadline(trouble: Any, settings: dict[str, Any], action: Any) -> None:
    s = at("two/converge", probes=(), trouble=trouble, looked=NOW + 901, gate=gate(deadline=900.0, **settings))
    text = f"{trouble[0].server} {trouble[0].detail}"
    if action is ev.Held:
        emits(s, ev.Held(NOW + 901, "two/converge", "unreachable", text), NOW + 901)
    else:
        emits(s, ev.RollbackStarted(NOW + 901, "two/converge", "deadline", text), NOW + 901)


def test_on_the_way_back_what_cannot_be_proved_is_given_up_and_said() -> None:
    s = at("two/converge", probes=(), trouble=(SILENT,), looked=NOW + 901, gate=gate(deadline=900.0))
    back = replace(s, back=(s.step,))
    emits(back, ev.StepDone(NOW + 901, "two/converge", "ns2 no answer", proven=False), NOW + 901)


def test_probes_decide_while_it_converges_but_not_on_the_way_back() -> None:
    s = converging(gates={"p": failed()})
    emits(s, ev.RollbackStarted(NOW, "two/converge", "probe", "p failed: refused"))
    assert isinstance(decide(replace(s, back=(s.step,)), NOW), Observe)


def test_what_needs_no_verification_is_done() -> None:
    done(at("one/converge", edits=(), probes=()), "nothing to verify")


def test_two_agreeing_rounds_are_the_proof_where_no_resolvers_are_asked() -> None:
    s = at("one/lower_ttl/converge", rounds=2, servers=4)
    done(s, "read back at 4/4 servers, two rounds")
    back = at("two/converge", rounds=2, servers=4)
    done(replace(back, back=(back.step,)), "read back at 4/4 servers, two rounds")


# -- resolvers --------------------------------------------------------------------------------------------------------


def said(**fields: Any) -> ev.Resolvers:
    given: dict[str, Any] = {
        "counts": (("witnessed", 4),), "agree": 4, "counted": 4, "violators": (), "complete": True, "next_due": 1e15,
        **fields,
    }  # fmt: skip
    return ev.Resolvers(NOW, "one/converge", **given)


def asked(seen: ev.Resolvers | None, **fields: Any) -> RunState:
    return replace(at("one/converge", rounds=2, **{"dead": {WWW: NOW - 1}, **fields}), resolvers=seen)


HOLD_OLD = "caches may still hold old answers (www A: A at 30 s)"


def test_resolvers_are_asked_when_their_question_is_due() -> None:
    s = asked(None)
    assert decide(s, NOW) == AskResolvers(s.step)
    later = asked(said(next_due=NOW + 7, complete=False))
    assert isinstance(decide(later, NOW + 6.9), Wait)
    assert decide(later, NOW + 7) == AskResolvers(s.step)
    hasty = asked(said(next_due=NOW), dead={WWW: NOW + 50})
    assert isinstance(decide(hasty, NOW + 0.4), Wait)
    assert decide(hasty, NOW + 0.5) == AskResolvers(s.step)


def test_until_the_old_version_is_dead_nothing_is_concluded() -> None:
    s = asked(said(next_due=NOW + 70), dead={WWW: NOW + 50, NM1: NOW + 40})
    assert decide(s, NOW) == Wait(NOW + 50, "convergence", HOLD_OLD, NOW + 50, ROLLBACK)
    sooner = asked(said(next_due=NOW + 20), dead={WWW: NOW + 50})
    assert decide(sooner, NOW) == Wait(NOW + 20, "convergence", HOLD_OLD, NOW + 50, ROLLBACK)
    done(s, "4/4 resolvers agree with the model", NOW + 50)
    probe = asked(said(), dead={WWW: NOW + 50}, probes=(HEALTH,), probed={"p": NOW - 5}, exposed_since=NOW)
    assert decide(probe, NOW).until == NOW + 5


def test_what_was_said_before_that_is_asked_again_for_as_long_as_the_deadline() -> None:
    s = asked(said(complete=False), dead={WWW: NOW}, gate=gate(deadline=900.0))
    last = "asking resolvers a last time"
    assert decide(s, NOW) == Wait(NOW + 2, "convergence", last, None)
    assert decide(asked(said(complete=False, next_due=NOW + 1)), NOW).until == NOW + 1
    probe = replace(asked(said(complete=False), probes=(HEALTH,), probed={"p": NOW - 9}), exposed_since=NOW)
    assert decide(probe, NOW).until == NOW + 1
    assert isinstance(decide(s, NOW + 899), Wait)
    done(s, "4/4 resolvers agree with the model", NOW + 900)


def test_without_resolvers_the_model_alone_decides() -> None:
    done(asked(said(counts=(), agree=0, counted=0)), "the model alone says so: the plan lists no resolvers")


@pytest.mark.parametrize("violators", ["ignore", "warn", "pause", "rollback"])
def test_too_many_violators(violators: Any) -> None:
    seen = said(counts=(("violator", 1), ("witnessed", 3)), agree=3, counted=4, violators=("v",))
    s = asked(seen, gate=gate(violators=violators, share=0.76))
    why = "1 resolvers serve the old answer past its life"
    proof = "3/4 resolvers agree with the model"
    match violators:
        case "pause":
            emits(s, ev.Held(NOW, "one/converge", "violators", why))
        case "rollback":
            emits(s, ev.RollbackStarted(NOW, "one/converge", "violators", why))
        case _:
            done(s, f"{proof}; {why}")
    done(asked(seen, gate=gate(violators=violators, share=0.75)), proof)


def test_too_many_resolvers_in_error_are_inconclusive() -> None:
    seen = said(counts=(("error", 1), ("witnessed", 3)), agree=3, counted=3)
    done(asked(seen, gate=gate(share=0.75)), "3/3 resolvers agree with the model")
    why = "1 of 4 resolvers could not be asked"
    emits(asked(seen, gate=gate(share=0.76)), ev.Held(NOW, "one/converge", "violators", why))
    back = asked(seen, gate=gate(share=0.76, on_inconclusive="rollback"))
    emits(back, ev.RollbackStarted(NOW, "one/converge", "inconclusive", why))
    none = said(counts=(("error", 2),), agree=0, counted=0)
    emits(asked(none), ev.Held(NOW, "one/converge", "violators", "2 of 2 resolvers could not be asked"))


# -- baking -----------------------------------------------------------------------------------------------------------

QUICK = "watched at the low TTL, so that a rollback is quick"
EVERY = "waiting for every probe to pass"


def baking(*probes: Any, **fields: Any) -> RunState:
    return at("two/bake", probes=probes, seconds=300.0, exposed_since=NOW, **fields)


def test_a_bake_lasts_as_long_as_the_plan_says() -> None:
    s = baking()
    assert decide(s, NOW) == Wait(NOW + 300, "bake", QUICK, NOW + 300, ROLLBACK)
    done(s, "baked", NOW + 300)


def test_a_bake_asks_its_probes_and_heeds_them() -> None:
    s = baking(HEALTH, probed={"p": NOW})
    assert decide(s, NOW) == Wait(NOW + 10, "bake", QUICK, NOW + 300, ROLLBACK)
    assert decide(s, NOW + 10) == Probe(s.step, (HEALTH,))
    emits(replace(s, gates={"p": failed()}), ev.RollbackStarted(NOW, "two/bake", "probe", "p failed: refused"))


def test_a_bake_ends_when_every_probe_passes() -> None:
    s = baking(HEALTH, probed={"p": NOW + 295})
    assert decide(s, NOW + 300) == Wait(NOW + 305, "bake", EVERY, None, ROLLBACK)
    done(replace(s, gates={"p": passed()}), "baked", NOW + 300)
    assert isinstance(decide(replace(s, gates={"p": failed(1)}), NOW + 300), Wait)
    assert isinstance(decide(replace(s, gates={"p": unsure(1)}), NOW + 300), Wait)
    for other in (replace(HEALTH, report_only=True), WAY_BACK, CONTROL):
        done(baking(other, probed={other.name: NOW + 295}), "baked", NOW + 300)
    both = baking(HEALTH, replace(HEALTH, name="q"), probed={"p": NOW + 295, "q": NOW + 299}, gates={"q": passed()})
    assert isinstance(decide(both, NOW + 300), Wait)


def test_a_zone_that_keeps_moving_is_tried_ever_more_slowly() -> None:
    s = at("one/apply", moved=4, moved_at=NOW, tokens=LOCKED)
    assert decide(s, NOW) == Write(s.step, undo=False)
    why = "the zone keeps changing between reading and writing"
    assert decide(replace(s, moved=5), NOW) == Wait(NOW + 2, "provider", why, None, ROLLBACK)
    assert decide(replace(s, moved=5), NOW + 2) == Write(s.step, undo=False)
    assert decide(replace(s, moved=5, moved_at=NOW + 1), NOW) == Write(s.step, undo=False)
    assert decide(replace(s, moved=99), NOW).until == NOW + 30
    assert decide(replace(s, moved=5, back=(s.step,)), NOW) == Wait(NOW + 2, "provider", why, None, ())
    asked = ev.Command(NOW, "rollback", "me")
    assert isinstance(decide(replace(s, moved=5, asked=asked), NOW), Emit)
