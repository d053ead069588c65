"""What each event does to the state of a run: exactly these fields, and no others."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Emit
from dns_cutover.engine.decide import decide
from dns_cutover.engine.fold import evolve, fold, start
from dns_cutover.engine.holding import give_up
from dns_cutover.engine.rollback import Written, way_back
from dns_cutover.engine.state import RunState, probe_specs
from dns_cutover.probes.gate import GateState
from dns_cutover.probes.interface import ProbeResult, Verdict
from dns_cutover.records import Change, RRset, RRsetKey
from dns_cutover.runbook.model import StepKind
from tests.unit.engine_states import (
    BOOK,
    CONTROL,
    HEALTH,
    NOW,
    WAY_BACK,
    at,
    begun,
    created,
    failed,
    held,
    passed,
    position,
    token,
)

WWW = RRsetKey("default", "www.example.test.", "A")
NM1 = RRsetKey("default", "nm1.example.test.", "CNAME")
MX = RRsetKey("default", "example.test.", "MX")
TXT = RRsetKey("default", "example.test.", "TXT")
OLD, NEW = RRset(30, ("192.0.2.1",)), RRset(30, ("192.0.2.9",))
ALIAS = RRset(30, ("nm1.new.test.",))
CHANGES = (Change(WWW, OLD, NEW), Change(NM1, None, ALIAS))
TROUBLE = (ev.ServerTrouble("ns1", "192.0.2.1", True, "serves the old one"),)
RESOLVERS = ev.Resolvers(NOW - 9, "x", (), 1, 1, (), True, NOW)
MISSED = ev.Missed(NOW - 9, "x", "nobody there", "", ())
LOST = ev.LockLost(NOW - 9, "default", "x", 1)
FOREIGN = ev.Foreign(WWW, "absent", OLD, False)
# What a step has seen, and what an interruption left: all of it is over when the next step begins.
LOOKED: dict[str, Any] = {"rounds": 1, "looked": NOW - 1, "trouble": TROUBLE, "resolvers": RESOLVERS, "misses": 2}
FRESH: dict[str, Any] = {"rounds": 0, "looked": 0.0, "trouble": (), "resolvers": None, "misses": 0}


def intent(purpose: Any = "write", step: str = "one/apply", **fields: Any) -> ev.Intent:
    given = {"changes": CHANGES, "held": token(), "next": token(n=2), "serial": 77, **fields}
    return ev.Intent(NOW - 1, step, "op2", "default", soa="", purpose=purpose, **given)


def becomes(s: RunState, event: ev.Event, **fields: Any) -> None:
    """The event changes these fields, and no others."""
    expected = replace(s, seq=s.seq + 1, **fields)
    found = evolve(s, event)
    for name in RunState.__dataclass_fields__:
        assert getattr(found, name) == getattr(expected, name), name


def mapping(**items: Any) -> Any:
    return MappingProxyType(items)


# -- beginning --------------------------------------------------------------------------------------------------------


def test_a_run_begins_with_its_runbook() -> None:
    s = start("r7", created(ts=1000.0))
    assert s == RunState(
        "r7",
        BOOK,
        sha256=created().sha256,
        started=1000.0,
        seq=1,
        since=1000.0,
        stage_ended=1000.0,
        serials=dict.fromkeys((WWW, MX, TXT, NM1, RRsetKey("default", "keep.example.test.", "A")), 1),
    )
    assert fold("r7", [created()]) == s
    assert fold("r7", [created(), ev.Claimed(NOW, "me")]).seq == 2


@pytest.mark.parametrize("events", [[], [ev.Claimed(1.0, "me"), created()]])
def test_a_journal_without_its_runbook_is_refused(events: list[ev.Event]) -> None:
    with pytest.raises(ValueError, match="the journal of run r7 does not begin with its runbook"):
        fold("r7", events)


def test_a_second_beginning_changes_nothing() -> None:
    becomes(begun(), created(ts=5000.0))


def test_a_claim_forgives_the_time_in_which_nobody_tried() -> None:
    becomes(at("one/apply", missed_since=1.0), ev.Claimed(NOW, "me"), runner="me", missed_since=NOW)
    # A tick every few minutes that misses the provider each time does not begin anew; after a long silence it does.
    away = at("one/apply", missed_since=1.0, misses=2, missed=replace(MISSED, ts=NOW - 599))
    becomes(away, ev.Claimed(NOW, "me"), runner="me")
    gone = replace(away, missed=replace(MISSED, ts=NOW - 600))
    becomes(gone, ev.Claimed(NOW, "me"), runner="me", missed_since=NOW)


# -- messages ---------------------------------------------------------------------------------------------------------


def test_an_intent_is_pending_until_its_fate_is_known() -> None:
    becomes(at("one/apply", burns=(token(),)), intent(), pending=intent(), burns=())
    s = at("one/apply", pending=intent(), burns=(token(),))
    becomes(s, ev.Burning(NOW, "op2", "default", token(n=3)), burns=(token(), token(n=3)))


def applied(*ignored: RRsetKey, step: str = "one/apply") -> ev.Applied:
    return ev.Applied(NOW, step, "op2", ignored, 99, "change-1")


def interrupted(step: str, message: ev.Intent, **fields: Any) -> RunState:
    """A message is under way, after everything that its fate ends."""
    return at(
        step,
        pending=message,
        burns=(token(),),
        lock_lost=LOST,
        moved=3,
        tokens=mapping(default=token()),
        **LOOKED,
        **fields,
    )


SETTLED: dict[str, Any] = {"pending": None, "burns": (), "misses": 0, "moved": 0, "lock_lost": None}
WROTE: dict[str, Any] = {**SETTLED, "changes": {"default": "change-1"}}


def test_a_stage_s_message_was_applied() -> None:
    other = RRsetKey("default", "other.example.test.", "A")
    s = interrupted(
        "one/apply",
        intent(),
        since=1.0,
        probes=(HEALTH, WAY_BACK, CONTROL),
        gates=mapping(p=failed(), old=passed(), third=passed(), else_=passed()),
        probed=mapping(p=NOW - 5),
        serials=MappingProxyType({WWW: 3, other: 5}),
        longer=MappingProxyType({WWW: 7200.0, other: 60.0}),
        stage_ended=5.0,
    )
    step = s.step
    assert step is not None
    becomes(
        s,
        applied(),
        **WROTE | FRESH,
        tokens={"default": token(n=2)},
        serials={WWW: 77, NM1: 77, other: 5},
        longer={other: 60.0},
        done=(Written("one/apply", StepKind.APPLY, "one", step.edits, CHANGES, step.exposures),),
        gates={"old": passed(), "third": passed(), "else_": passed()},
        probed={},
        exposed_since=NOW,
        since=NOW,
        i=s.i + 1,
    )


def test_lowering_and_restoring_expose_nobody_and_forget_no_probe() -> None:
    for name in ("one/lower_ttl", "two/restore_ttl"):
        gates, longer = mapping(p=passed()), MappingProxyType({WWW: 7200.0})
        s = interrupted(name, intent(step=name), gates=gates, probed=mapping(p=NOW), longer=longer, probes=(HEALTH,))
        found = evolve(s, applied(step=name))
        assert (found.exposed_since, found.gates, found.probed) == (None, gates, mapping(p=NOW))
        assert (found.longer, found.i) == (longer, s.i + 1)
        assert found.done[0].kind is s.step.kind


def test_what_the_server_ignored_is_not_ours_and_the_rest_is_taken_back() -> None:
    s = interrupted("one/apply", intent(), longer=MappingProxyType({WWW: 7200.0, NM1: 60.0}))
    found = evolve(s, applied(WWW))
    assert [c.key for c in found.done[0].changes] == [NM1]
    assert found.longer == {WWW: 7200.0}
    assert found.asked == ev.Command(NOW, "rollback", "the server ignored part of a message", "ignored")
    assert (found.i, found.exposed_since) == (s.i, NOW)
    assert found.serials[WWW] == 77


@pytest.mark.parametrize("purpose", ["acquire", "renew", "release"])
def test_a_message_about_the_lock_moves_the_lock_alone(purpose: str) -> None:
    message = intent(purpose, next=None if purpose == "release" else token(n=2))
    s = interrupted("one/apply", message)
    tokens = {} if purpose == "release" else {"default": token(n=2)}
    becomes(s, applied(), **SETTLED, tokens=tokens)


def test_an_undoing_message_was_applied() -> None:
    back = (replace(BOOK.steps[position("one/apply")], id="undo:one/apply"),)
    s = interrupted("one/apply", intent("undo", "undo:one/apply"), back=back, since=1.0)
    after = {**WROTE, **FRESH, "tokens": {"default": token(n=2)}, "since": NOW, "bi": 1}
    after["serials"] = {**s.serials, WWW: 77, NM1: 77}
    becomes(s, applied(), **after)
    becomes(s, applied(WWW), **after, unproven=True, ignored=(WWW,))
    becomes(replace(s, unproven=True, ignored=(MX,)), applied(NM1), **after, unproven=True, ignored=(MX, NM1))


def test_the_fate_of_a_message_of_another_step_moves_no_step() -> None:
    s = interrupted("one/apply", intent(step="one/lower_ttl"))
    serials = {**s.serials, WWW: 77, NM1: 77}
    becomes(s, applied(), **WROTE, tokens={"default": token(n=2)}, serials=serials)
    over = replace(s, i=len(BOOK.steps))
    becomes(over, applied(), **WROTE, tokens={"default": token(n=2)}, serials=serials)


def test_a_fate_without_a_message_is_none() -> None:
    becomes(at("one/apply", misses=2), applied())
    s = at("one/apply", misses=2, burns=(token(),), tokens=mapping(default=token()))
    becomes(s, ev.NotApplied(NOW, "one/apply", "op2", None, "moved"), burns=(), misses=0, moved=1, moved_at=NOW)


@pytest.mark.parametrize(
    ("reason", "misses"), [("moved", 0), ("burned", 0), ("conflict", 0), ("unreachable", 2), ("refused", 2)]
)
def test_a_message_was_not_applied(reason: Any, misses: int) -> None:
    s = at("one/apply", pending=intent(), burns=(token(),), misses=2, tokens=mapping(default=token(), other=token()))
    s = replace(s, moved=3, moved_at=NOW - 9)
    event = ev.NotApplied(NOW, "one/apply", "op2", token(n=3), reason)
    after: dict[str, Any] = {"pending": None, "burns": (), "misses": misses}
    after |= {"moved": 4, "moved_at": NOW} if reason == "moved" else {"moved": 0}
    becomes(s, event, **after, tokens={"default": token(n=3), "other": token()})
    becomes(s, replace(event, token=None), **after, tokens={"other": token()})


# -- locks ------------------------------------------------------------------------------------------------------------


def lost(*took: RRsetKey) -> ev.LockLost:
    return ev.LockLost(NOW, "default", "other", 20_000, took)


def test_a_lost_lock_is_given_up_at_once() -> None:
    s = at("one/apply", tokens=mapping(default=token(), other=token()), burns=(token(),), misses=2)
    after: dict[str, Any] = {"pending": None, "burns": (), "tokens": {"other": token()}, "misses": 0}
    becomes(s, lost(), **after, lock_lost=lost())
    becomes(s, lost(WWW), **after, lock_lost=lost(WWW))
    pending = replace(s, pending=intent())
    becomes(pending, lost(), **after, lock_lost=lost())
    becomes(replace(pending, pending=intent(step="one/lower_ttl")), lost(WWW), **after, lock_lost=lost(WWW))
    becomes(replace(pending, i=len(BOOK.steps)), lost(WWW), **after, lock_lost=lost(WWW))


def test_what_a_message_changed_before_the_lock_was_lost_is_ours() -> None:
    s = at("one/apply", pending=intent(), changes=mapping(default="change-1"), **LOOKED)
    step = s.step
    assert step is not None
    part = Written("one/apply", StepKind.APPLY, "one", step.edits, CHANGES[:1], step.exposures)
    # What the provider calls a message whose reply was lost is not known.
    after: dict[str, Any] = {"pending": None, "changes": {"default": ""}, "exposed_since": NOW}
    becomes(s, lost(WWW), **after, misses=0, lock_lost=lost(WWW), done=(part,))
    whole = replace(part, changes=CHANGES)
    both = lost(WWW, NM1)
    becomes(s, both, **FRESH, **after, lock_lost=both, done=(whole,), since=NOW, i=s.i + 1)


def test_a_message_that_changed_all_it_could_is_complete() -> None:
    """A change of nothing is in the message, and shows in nothing."""
    same = Change(NM1, ALIAS, ALIAS)
    s = at("one/apply", pending=intent(changes=(CHANGES[0], same)))
    assert evolve(s, lost(WWW)).i == s.i + 1


def test_lowered_ttls_before_a_lost_lock_expose_nobody() -> None:
    s = at("one/lower_ttl", pending=intent(step="one/lower_ttl"))
    found = evolve(s, lost(WWW, NM1))
    assert (found.exposed_since, found.i, len(found.done)) == (None, 1, 1)


def test_an_undoing_message_before_a_lost_lock_is_no_writing_of_ours() -> None:
    back = (replace(BOOK.steps[position("one/apply")], id="undo:one/apply"),)
    s = at("one/apply", back=back, pending=intent("undo", "undo:one/apply"))
    found = evolve(s, lost(WWW, NM1))
    assert (found.done, found.bi, found.exposed_since) == ((), 1, None)


# -- conflicts and refusals -------------------------------------------------------------------------------------------


def test_a_conflict_on_the_way_forward_holds_the_run() -> None:
    event = ev.Conflicted(NOW, "one/apply", (FOREIGN,))
    why = "somebody else changed records of this run"
    becomes(at("one/apply"), event, foreign=(FOREIGN,), hold=ev.Held(NOW, "one/apply", "conflict", why))


def test_a_conflict_on_the_way_back_leaves_what_is_not_ours_and_goes_on_with_the_rest() -> None:
    apply = BOOK.steps[position("one/apply")]
    back = tuple(replace(apply, id=f"undo:{n}") for n in range(3))
    s = at("one/apply", back=back, bi=1, left=(FOREIGN,))
    alien, already = replace(FOREIGN, found=NEW), ev.Foreign(NM1, "x", None, True)
    found = evolve(s, ev.Conflicted(NOW, "undo:1", (alien, already)))
    assert found.left == (FOREIGN, alien)
    assert (found.hold, found.foreign) == (None, ())
    assert found.back is not None
    edits = [[e.key for e in step.edits] for step in found.back]
    assert edits == [[WWW, NM1], [], [NM1]], "what is back already needs no writing, but is still verified"
    assert [[x.key for x in step.exposures] for step in found.back] == [[WWW, NM1], [NM1], [NM1]]


DENIED = ev.Denied(NOW, "one/apply", "the key is not known", "why", ("hint",), (("a", "b"),))


def test_a_refusal_on_the_way_forward_holds_the_run() -> None:
    hold = ev.Held(NOW, "one/apply", "refused", "the key is not known")
    becomes(at("one/apply", misses=3), DENIED, denied=DENIED, hold=hold, misses=0)


@pytest.mark.parametrize("fields", [{"back": BOOK.steps[:1]}, {"outcome": "aborted"}, {"hold": held()}])
def test_otherwise_it_is_asked_again_ever_more_slowly(fields: dict[str, Any]) -> None:
    s = at("one/apply", **fields)
    miss = ev.Missed(NOW, "one/apply", "the key is not known", "why", ("hint",))
    becomes(s, DENIED, denied=DENIED, missed=miss, misses=1, missed_since=NOW)


def test_misses_are_counted_from_the_first() -> None:
    s = at("one/apply")
    becomes(s, MISSED, missed=MISSED, misses=1, missed_since=NOW - 9)
    later = replace(s, misses=1, missed=MISSED, missed_since=5.0)
    becomes(later, replace(MISSED, ts=NOW), missed=replace(MISSED, ts=NOW), misses=2)
    answered = replace(later, misses=0)
    becomes(answered, replace(MISSED, ts=NOW), missed=replace(MISSED, ts=NOW), misses=1, missed_since=NOW)


# -- looks ------------------------------------------------------------------------------------------------------------


def looked(step: str, *trouble: ev.ServerTrouble) -> ev.Observed:
    return ev.Observed(NOW, step, 4, trouble, (8,))


def test_a_round_that_disagrees_begins_anew() -> None:
    s = at("one/converge", rounds=1, misses=2)
    seen = {"looked": NOW, "servers": 4, "misses": 0}
    becomes(s, looked("one/converge", *TROUBLE), **seen, trouble=TROUBLE, rounds=0)
    becomes(s, looked("one/preflight"), **seen, rounds=0)
    becomes(replace(s, i=len(BOOK.steps)), looked("one/converge"), **seen, rounds=0)


def test_agreeing_rounds_are_counted() -> None:
    s = at("one/converge", trouble=TROUBLE)
    becomes(s, looked("one/converge"), looked=NOW, servers=4, trouble=(), rounds=1)
    late = replace(s, rounds=2)
    becomes(late, looked("one/converge"), looked=NOW, servers=4, trouble=(), rounds=3)
    preflight = at("one/preflight", rounds=1)
    becomes(preflight, looked("one/preflight"), looked=NOW, servers=4, rounds=2)


def bounded(seconds: float) -> tuple[Any, ...]:
    zone = BOOK.zones[0]
    return (replace(zone, guarantees=replace(zone.guarantees, propagation_bound=seconds)),)


def test_at_the_second_agreeing_round_the_last_copies_begin_to_die() -> None:
    s = at("one/converge", rounds=1, zones=bounded(5.0), longer=MappingProxyType({WWW: 7200.0, MX: 60.0}))
    after: dict[str, Any] = {"looked": NOW, "servers": 4, "rounds": 2, "longer": {MX: 60.0}}
    becomes(s, looked("one/converge"), **after, dead={WWW: NOW + 7205, NM1: NOW + 365})
    before = MappingProxyType({WWW: NOW + 9999, NM1: 5.0, MX: 1.0})
    becomes(replace(s, dead=before), looked("one/converge"), **after, dead={WWW: NOW + 9999, NM1: NOW + 365, MX: 1.0})
    elsewhere = tuple(replace(z, ref="elsewhere") for z in bounded(5.0))
    becomes(
        replace(s, book=replace(s.book, zones=elsewhere)),
        looked("one/converge"),
        **after,
        dead={WWW: NOW + 7200, NM1: NOW + 360},
    )


def test_a_lowering_waits_for_the_longest_ttl_that_was_seen() -> None:
    s = at("one/lower_ttl/converge", rounds=1, longer=MappingProxyType({WWW: 7260.0, MX: 60.0}))
    assert evolve(s, looked("one/lower_ttl/converge")).dead == {WWW: NOW + 7260, MX: NOW + 360, TXT: NOW + 660}
    back = replace(s, back=s.book.steps, bi=s.i)
    assert evolve(back, looked("one/lower_ttl/converge")).dead[WWW] == NOW + 7260


def test_a_longer_ttl_is_outlived_even_if_it_was_put_back() -> None:
    event = ev.Extended(NOW, "one/wait_ttl", WWW, 7200, NOW + 7260, 12)
    s = at("one/wait_ttl", rounds=1)
    after = {"dead": {WWW: NOW + 7260}, "longer": {WWW: 7260.0}, "serials": {**s.serials, WWW: 12}}
    becomes(s, event, **after)
    longest = replace(s, dead=MappingProxyType({WWW: NOW + 9e5}), longer=MappingProxyType({WWW: 9e5}))
    becomes(longest, event, serials={**s.serials, WWW: 12})
    shorter = replace(s, dead=MappingProxyType({WWW: 5.0, MX: 1.0}), longer=MappingProxyType({WWW: 5.0, MX: 1.0}))
    becomes(shorter, event, dead={WWW: NOW + 7260, MX: 1.0}, longer={WWW: 7260.0, MX: 1.0}, serials=after["serials"])


def test_before_a_stage_s_first_message_a_longer_ttl_means_another_look() -> None:
    event = ev.Extended(NOW, "two/apply", MX, 7200, NOW + 7260, 12)
    s = at("two/apply", since=1.0, **LOOKED)
    seen = {"dead": {MX: NOW + 7260}, "longer": {MX: 7260.0}, "serials": {**s.serials, MX: 12}}
    becomes(s, event, **seen, i=position("two/preflight"), since=NOW, rounds=0, looked=0.0, trouble=(), resolvers=None)
    becomes(replace(s, back=BOOK.steps), event, **seen)
    becomes(replace(s, back=(BOOK.steps[s.i],)), event, **seen)
    becomes(replace(s, i=len(BOOK.steps)), event, **seen)
    becomes(replace(s, i=position("two/restore_ttl")), event, **seen)
    by_hand = replace(s.book, steps=tuple(x for x in s.book.steps if x.kind is not StepKind.PREFLIGHT))
    apply = next(n for n, x in enumerate(by_hand.steps) if x.id == "two/apply")
    becomes(replace(s, book=by_hand, i=apply), event, **seen)
    assert evolve(replace(s, i=position("one/apply")), event).i == position("one/preflight")
    half = Written("two/apply", StepKind.APPLY, "two", (), (), ())
    becomes(replace(s, done=(half,)), event, **seen, since=NOW, rounds=0, looked=0.0, trouble=())
    for other in (replace(half, stage="one"), replace(half, kind=StepKind.LOWER_TTL)):
        assert evolve(replace(s, done=(other,)), event).i == position("two/preflight")


def test_between_two_messages_of_a_stage_the_longer_ttl_is_dying_after_the_second_agreeing_round() -> None:
    s = at("two/apply", rounds=1, zones=bounded(5.0), longer=MappingProxyType({MX: 7200.0, WWW: 50.0}))
    becomes(s, looked("two/apply"), looked=NOW, servers=4, rounds=2, longer={WWW: 50.0}, dead={MX: NOW + 7205})
    becomes(replace(s, rounds=0), looked("two/apply"), looked=NOW, servers=4, rounds=1)


def test_after_the_preflight_s_look_the_longer_ttl_is_dying() -> None:
    s = at(
        "two/preflight",
        zones=bounded(5.0),
        longer=MappingProxyType({MX: 7200.0, TXT: 60.0, WWW: 50.0}),
        dead=MappingProxyType({TXT: NOW + 9e5, WWW: 1.0}),
        **{**LOOKED, "looked": NOW - 3},
    )
    done = ev.StepDone(NOW, "two/preflight", "")
    after = {**FRESH, "since": NOW, "i": s.i + 1, "longer": {WWW: 50.0}}
    becomes(s, done, **after, dead={MX: NOW - 3 + 5 + 7200, TXT: NOW + 9e5, WWW: 1.0})
    elsewhere = replace(s, book=replace(s.book, zones=tuple(replace(z, ref="elsewhere") for z in bounded(5.0))))
    becomes(elsewhere, done, **after, dead={MX: NOW - 3 + 7200, TXT: NOW + 9e5, WWW: 1.0})
    fresh = replace(s, dead=MappingProxyType({}), longer=MappingProxyType({MX: -NOW}))
    assert evolve(fresh, done).dead == {MX: 2.0}


# -- steps ------------------------------------------------------------------------------------------------------------


def test_a_step_is_done_and_the_next_begins() -> None:
    s = at("one/wait_ttl", since=1.0, stage_ended=5.0, exposed_since=7.0, longer=MappingProxyType({WWW: 1.0}), **LOOKED)
    done = ev.StepDone(NOW, "one/wait_ttl", "")
    becomes(s, done, **FRESH, since=NOW, i=s.i + 1)
    becomes(replace(s, back=BOOK.steps, bi=1), done, **FRESH, since=NOW, bi=2)
    over = replace(s, i=len(BOOK.steps))
    becomes(over, done, **FRESH, since=NOW, i=len(BOOK.steps) + 1)


def test_the_end_of_a_bake_ends_its_stage_and_the_exposure() -> None:
    s = at("one/bake", since=1.0, stage_ended=5.0, exposed_since=7.0)
    becomes(s, ev.StepDone(NOW, "one/bake", ""), since=NOW, i=s.i + 1, stage_ended=NOW, exposed_since=None)


def test_what_could_not_be_proved_counts_from_now() -> None:
    back = (BOOK.steps[position("one/converge")],)
    s = at("one/bake", back=back, since=1.0)
    done = ev.StepDone(NOW, "undo", "nobody answers", proven=False)
    becomes(s, done, unproven=True, since=NOW, bi=1, dead={WWW: NOW + 90, NM1: NOW + 360})
    over = replace(s, bi=1)
    becomes(over, done, since=NOW, bi=2)


def test_a_hold_and_what_resolvers_say_are_kept() -> None:
    becomes(at("one/bake"), held(), hold=held())
    asked = command("rollback")
    becomes(at("one/bake", asked=asked), held(), hold=held())
    becomes(at("one/bake", asked=replace(asked, subject="ignored")), held(), hold=held(), asked=None)
    becomes(at("one/bake"), RESOLVERS, resolvers=RESOLVERS)


def test_results_of_probes_are_folded_into_their_gate() -> None:
    s = at("two/bake", gates=mapping(q=passed()), probed=mapping(q=1.0))
    result = ProbeResult("p", Verdict.FAILURE, NOW, 0.5, "refused")
    gate = GateState(
        failures=1, consecutive_failures=1, last=result, last_failure=result, history=((Verdict.FAILURE, 0.5),)
    )
    event = ev.Probed(NOW, "two/bake", "p", Verdict.FAILURE, 0.5, "refused")
    becomes(s, event, gates={"q": passed(), "p": gate}, probed={"q": 1.0, "p": NOW})
    again = replace(s, gates=mapping(p=gate))
    assert evolve(again, event).gates["p"].failures == 2
    becomes(s, replace(event, probe="unknown"))


def test_the_probes_of_a_runbook_by_name() -> None:
    assert set(probe_specs(BOOK)) == {"p"}


# -- going back, and the end ------------------------------------------------------------------------------------------


def test_a_rollback_begins_with_the_list_of_what_is_undone() -> None:
    done = tuple(
        Written(s.id, s.kind, s.stage, s.edits, CHANGES, s.exposures) for s in (BOOK.steps[position("one/apply")],)
    )
    asked = ev.Command(NOW, "rollback", "sam")
    s = at("two/apply", done=done, hold=held(), asked=asked, since=1.0, bi=9, **LOOKED)
    s = replace(s, longer=MappingProxyType({WWW: 7200.0}))
    event = ev.RollbackStarted(NOW, "two/apply", "command", "asked for by sam")
    back = way_back(s.book, done, s.i)
    assert back
    becomes(s, event, **FRESH, back=back, bi=0, cause=event, asked=None, hold=None, since=NOW, longer={})
    newer = Written("two/apply", StepKind.APPLY, "two", s.book.steps[s.i].edits, (), ())
    alone = evolve(replace(s, done=(*done, newer)), replace(event, stage="two"))
    assert alone.back == way_back(s.book, (*done, newer), s.i, stage="two") != back


def test_the_end_is_decided_and_then_reached() -> None:
    s = at("one/bake", hold=held(), tokens=mapping(default=token()))
    becomes(s, ev.Finishing(NOW, "aborted", "why"), outcome="aborted", why="why", hold=None)
    becomes(s, ev.Finished(NOW, "aborted"), outcome="aborted", final=True, tokens={}, ended=NOW)


def test_whom_the_run_told_what_never_goes_back() -> None:
    s = at("one/bake", told=mapping(a=7, b=3))
    becomes(s, ev.Told(NOW, "b", 5), told={"a": 7, "b": 5})
    becomes(s, ev.Told(NOW, "b", 2), told={"a": 7, "b": 3})
    becomes(s, ev.Told(NOW, "c", 0, lost=True), told={"a": 7, "b": 3, "c": 0})


# -- commands ---------------------------------------------------------------------------------------------------------


def command(verb: Any, subject: str = "") -> ev.Command:
    return ev.Command(NOW, verb, "sam", subject)


def test_a_pause_holds_the_run_but_not_its_way_back_nor_its_end() -> None:
    becomes(at("one/bake"), command("pause"), hold=ev.Held(NOW, "", "paused", "paused by sam"))
    becomes(at("one/bake", back=BOOK.steps), command("pause"))
    becomes(at("one/bake", outcome="aborted"), command("pause"))


@pytest.mark.parametrize("verb", ["resume", "retry"])
def test_resuming_asks_anew_what_failed(verb: str) -> None:
    s = at(
        "one/bake", since=5.0, hold=held(), denied=DENIED, misses=3, rounds=1, looked=NOW - 1,
        gates=mapping(p=failed()), probed=mapping(p=1.0),
    )  # fmt: skip
    after = {"hold": None, "denied": None, "misses": 0, "rounds": 0, "looked": 0.0}
    becomes(s, command(verb), **after, gates={}, probed={})
    becomes(replace(s, hold=None), command(verb), **after)
    proved = replace(s, rounds=2)
    becomes(proved, command(verb), hold=None, denied=None, misses=0, gates={}, probed={})


def test_resuming_after_another_took_the_zone_over_tries_the_lock_again() -> None:
    s = at("one/bake", lock_lost=LOST)
    becomes(replace(s, hold=held("lock")), command("resume"), hold=None, lock_lost=None)
    becomes(replace(s, hold=held("paused")), command("resume"), hold=None)
    becomes(s, command("resume"))


def test_resuming_a_stage_whose_way_back_ends_too_early_lets_that_stage_start_and_no_other() -> None:
    s = at("two/apply", late=frozenset({"one"}))
    becomes(replace(s, hold=held("until")), command("resume"), hold=None, late=frozenset({"one", "two"}))
    becomes(replace(s, hold=held("paused")), command("resume"), hold=None)


@pytest.mark.parametrize(
    ("step", "hold", "since"),
    [
        ("one/converge", True, NOW),
        ("one/preflight", True, NOW),
        ("one/converge", False, 5.0),
        ("one/bake", True, 5.0),
        ("one/wait_ttl", True, 5.0),
    ],
)
def test_deadlines_start_anew_after_a_hold_and_bakes_do_not(step: str, hold: bool, since: float) -> None:
    s = at(step, since=5.0, hold=held() if hold else None)
    assert evolve(s, command("resume")).since == since
    assert evolve(replace(s, i=len(BOOK.steps)), command("resume")).since == 5.0


@pytest.mark.parametrize("verb", ["abort", "rollback", "keep"])
def test_a_request_to_end_the_run_is_kept_for_when_nothing_is_in_flight(verb: str) -> None:
    s = at("one/bake", hold=held())
    becomes(s, command(verb), asked=command(verb), hold=None)
    becomes(replace(s, outcome="aborted"), command(verb))
    back = replace(s, back=BOOK.steps)
    becomes(back, command(verb), **({"asked": command(verb)} if verb == "keep" else {}))
    becomes(replace(back, outcome="rolled_back"), command(verb))


def test_the_last_word_about_a_confirmation_counts() -> None:
    said = command("confirm", "a")
    s = at("one/bake", confirmed=mapping(a=said))
    again = command("confirm", "b")
    becomes(s, again, confirmed={"a": said, "b": again})
    becomes(s, command("decline", "a"), confirmed={}, declined=frozenset({"a"}))
    becomes(s, command("undone", "a"), confirmed={}, undone=frozenset({"a"}))
    becomes(s, command("waive", "a"), waived=frozenset({"a"}))
    s = at("one/bake", declined=frozenset({"a"}), undone=frozenset({"a", "b"}))
    becomes(s, said, confirmed={"a": said}, declined=frozenset(), undone=frozenset({"b"}))


def test_what_was_confirmed_for_another_runbook_counts_for_nothing() -> None:
    s = at("one/bake", sha256="abc")
    becomes(s, ev.Command(NOW, "confirm", "sam", "a", runbook="xyz"))
    same = ev.Command(NOW, "confirm", "sam", "a", runbook="abc")
    becomes(s, same, confirmed={"a": same})


def test_a_run_that_succeeded_is_opened_again_and_no_other() -> None:
    left: dict[str, Any] = {"why": "all is done", "since": 1.0, "misses": 2, "lock_lost": LOST}
    s = at("one/bake", final=True, outcome="succeeded", ended=NOW - 5, **left)
    asked = ev.Command(NOW, "rollback", "sam", stage="one")
    fresh = {"why": "", "since": NOW, "misses": 0, "lock_lost": None}
    becomes(s, ev.Reopened(NOW, "sam", "one"), outcome=None, final=False, asked=asked, **fresh)
    for outcome in ("rolled_back", "aborted", "rollback_failed"):
        becomes(at("one/bake", final=True, outcome=outcome), ev.Reopened(NOW, "sam"))
    becomes(at("one/bake"), ev.Reopened(NOW, "sam"))


def test_a_lock_that_was_taken_away_on_purpose_is_not_missed() -> None:
    first, second = token(n=1), token(n=2)
    s = at("one/bake", tokens=mapping(default=first, other=second))
    becomes(s, command("unlock", first.op), tokens={"other": second})
    becomes(s, command("unlock", "op9"))


# -- going back at the last moment -------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["rollback", "abort"])
def test_a_run_that_only_gives_its_lock_back_can_still_go_back(verb: Any) -> None:
    done = replace(begun(), i=len(BOOK.steps), tokens=MappingProxyType({"default": token()}))
    ending = evolve(done, ev.Finishing(NOW, "succeeded", "all is done"))
    asked = ev.Command(NOW + 1, verb, "sam")
    becomes(ending, asked, asked=asked, outcome=None, why="")
    back = decide(evolve(ending, asked), NOW + 2)
    assert back == Emit(ev.RollbackStarted(NOW + 2, "", "command", "asked for by sam"))
    # Who asked was a moment earlier than whoever drives the run.
    becomes(evolve(done, asked), ev.Finishing(NOW + 1, "succeeded"))
    old = [ev.Finishing(NOW + 1, "succeeded"), ev.Finished(NOW + 1, "succeeded")]
    assert evolve(evolve(evolve(done, asked), old[0]), old[1]).final, "a journal of an earlier version"


def test_a_run_that_ends_otherwise_or_is_kept_stays_so() -> None:
    done = replace(begun(), i=len(BOOK.steps))
    becomes(evolve(done, ev.Finishing(NOW, "succeeded")), ev.Command(NOW + 1, "keep", "sam"))
    becomes(evolve(done, ev.Finishing(NOW, "unreachable")), ev.Command(NOW + 1, "rollback", "sam"))
    over = evolve(evolve(done, ev.Finishing(NOW, "succeeded")), ev.Finished(NOW, "succeeded"))
    becomes(over, ev.Command(NOW + 1, "rollback", "sam"))
    keep = evolve(done, ev.Command(NOW, "keep", "sam"))
    becomes(keep, ev.Finishing(NOW, "succeeded", "why"), outcome="succeeded", why="why")


def test_a_provider_that_was_missed_long_ago_and_answered_since_is_not_away_for_all_that_time() -> None:
    """A machine that wakes up without its network, twice in one long wait, holds no run."""
    s = evolve(at("one/converge", exposed_since=NOW), replace(MISSED, ts=NOW))
    for ts, since in ((NOW + 599, NOW), (NOW + 600, NOW + 600), (NOW + 3600, NOW + 3600)):
        becomes(s, replace(MISSED, ts=ts), missed=replace(MISSED, ts=ts), misses=2, missed_since=since)
    assert give_up(evolve(s, replace(MISSED, ts=NOW + 3600)), NOW + 3700) is None
