"""Writing: what is required and journaled before a message goes out, and what its fate is taken to be."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.observe import found_there
from dns_cutover.engine.state import RunState
from dns_cutover.engine.write import change_lock, lock_until, next_token, resolve, write_step
from dns_cutover.providers.interface import (
    ChangeSet,
    Conflict,
    Fence,
    FenceLost,
    Receipt,
    Refused,
    Token,
    Unlike,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.records import Change, Mismatch, RRset, RRsetKey, SetEdit, ValueEdit
from dns_cutover.runbook.model import StepKind
from tests.unit.engine_ports import SOA, Bench, Provider, guards
from tests.unit.engine_states import BOOK, NOW, at, position, token

WWW = RRsetKey("default", "www.example.test.", "A")
NM1 = RRsetKey("default", "nm1.example.test.", "CNAME")
MX = RRsetKey("default", "example.test.", "MX")
TXT = RRsetKey("default", "example.test.", "TXT")
OLD, NEW = RRset(30, ("192.0.2.1",)), RRset(30, ("192.0.2.9",))
ALIAS = RRset(30, ("nm1.new.test.",))
CHANGES = (Change(WWW, OLD, NEW), Change(NM1, None, ALIAS))
BEFORE = {WWW: OLD, NM1: None}
AFTER = {WWW: NEW, NM1: ALIAS}
HELD = token(NOW + 5000)
LOCKED = MappingProxyType({"default": HELD})
OTHER = Token("other", 4, "opx", int(NOW) + 100)
UNTIL = int(NOW + 360 + 120 + 600)  # its convergence, its bake, the grace
NEXT = Token("r", 2, "id1", UNTIL)
WHY: tuple[Any, ...] = ("nobody there", "why", ("hint",))


def unreachable(maybe_applied: bool = False) -> Unreachable:
    return Unreachable("nobody there", "why", maybe_applied=maybe_applied, hints=("hint",))


def refused() -> Refused:
    return Refused("no such key", "why", ("hint",), (("fact", "x"),))


def missed(step: str = "one/apply") -> ev.Missed:
    return ev.Missed(NOW, step, *WHY)


def denied(step: str = "one/apply") -> ev.Denied:
    return ev.Denied(NOW, step, "no such key", "why", ("hint",), (("fact", "x"),))


def intent(purpose: Any = "write", **fields: Any) -> ev.Intent:
    given = {"changes": CHANGES, "held": HELD, "next": NEXT, "soa": SOA, "serial": 7, **fields}
    return ev.Intent(NOW, "one/apply", "id1", "default", purpose=purpose, **given)


# -- the lock's time --------------------------------------------------------------------------------------------------


def test_the_lock_is_asked_for_until_the_end_of_what_is_planned() -> None:
    assert lock_until(at("one/apply"), NOW) == UNTIL
    assert lock_until(at("one/apply", grace=60.0), NOW) == UNTIL - 540
    assert lock_until(at("one/bake"), NOW) == NOW + 120 + 90 + 600, "a bake, and the next stage's convergence"
    assert lock_until(at("one/wait_ttl"), NOW) == NOW + 360 + 600, "four steps, this one included"
    assert lock_until(at("one/lower_ttl/converge"), NOW) == NOW + 3660 + 600
    assert lock_until(at("one/bake", kind=StepKind.WAIT, seconds=9e5), NOW) == NOW + 90 + 600, "a pause holds no lock"
    assert lock_until(at("one/converge", exposures=()), NOW) == NOW + 120 + 600
    assert lock_until(at("one/wait_ttl", dead={WWW: NOW + 4000, NM1: NOW + 9000, MX: NOW + 300}), NOW) == NOW + 4600
    assert lock_until(replace(at("one/apply"), i=len(BOOK.steps)), NOW) == NOW + 600
    back = replace(at("one/apply"), back=BOOK.steps[6:7])
    assert lock_until(back, NOW + 0.7) == int(NOW + 0.7 + 120 + 600)


def test_the_next_token_counts_on_from_the_present_one() -> None:
    s = at("one/apply")
    assert next_token(s, HELD, "x", NOW) == Token("r", 2, "x", UNTIL)
    assert next_token(s, None, "x", NOW) == Token("r", 1, "x", UNTIL)
    assert next_token(s, OTHER, "x", NOW) == Token("r", 5, "x", UNTIL)


# -- taking, prolonging and giving back the lock ----------------------------------------------------------------------


TOOK = Receipt((), 8)


def lock(shows: Any, reply: Any = TOOK, purpose: str = "acquire", **fields: Any) -> tuple[Any, Bench]:
    bench = Bench(at("one/apply", **fields), Provider([shows], [reply]))
    return bench.do(change_lock, "default", purpose), bench


@pytest.mark.parametrize(
    "there", [None, replace(OTHER, until=int(NOW)), Token("r", 3, "mine", int(NOW) + 9)], ids=["free", "late", "ours"]
)
def test_the_lock_is_taken(there: Token | None) -> None:
    events, bench = lock(guards(there))
    after = Token("r", (there.n if there else 0) + 1, "id1", UNTIL)
    soa = "" if there else SOA
    assert events == [
        ev.Intent(NOW, "one/apply", "id1", "default", (), there, after, soa, 7, "acquire"),
        ev.Applied(NOW, "one/apply", "id1", (), 8),
    ]
    assert bench.provider.asked == [()]
    assert bench.provider.sent == [(ChangeSet((), soa or None), Fence(there, after))]


def test_a_lock_of_another_run_is_left_alone() -> None:
    events, bench = lock(guards(OTHER))
    assert events == [ev.LockLost(NOW, "default", "other", OTHER.until, op=OTHER.op)]
    assert bench.provider.sent == []


def test_the_lock_is_prolonged_and_given_back() -> None:
    events, bench = lock(guards(HELD), purpose="renew", tokens=LOCKED)
    assert events[0] == ev.Intent(NOW, "one/apply", "id1", "default", (), HELD, NEXT, "", 7, "renew")
    assert bench.provider.sent == [(ChangeSet((), None), Fence(HELD, NEXT))]
    events, bench = lock(guards(HELD), purpose="release", tokens=LOCKED)
    assert events[0] == ev.Intent(NOW, "one/apply", "id1", "default", (), HELD, None, "", 7, "release")
    assert bench.journal.state.tokens == {}
    over = Bench(replace(at("one/apply", tokens=LOCKED), i=len(BOOK.steps)), Provider([guards(HELD)], [Receipt((), 8)]))
    assert over.do(change_lock, "default", "release")[0].step == ""


@pytest.mark.parametrize("purpose", ["renew", "release"])
@pytest.mark.parametrize("there", [None, OTHER])
def test_a_lock_that_is_not_ours_any_more_is_lost(purpose: str, there: Token | None) -> None:
    events, bench = lock(guards(there), purpose=purpose, tokens=LOCKED)
    holder = (there.run, there.until, (), there.op) if there else ("", 0, (), "")
    assert events == [ev.LockLost(NOW, "default", *holder, ours=True)]
    assert bench.provider.sent == []


def test_a_name_that_cannot_carry_the_lock_is_a_refusal() -> None:
    events, _ = lock(guards(lock_blocked="a CNAME is there"))
    why = "The lock of this run has to stand at that name."
    assert events == [ev.Denied(NOW, "one/apply", "a CNAME is there", why, ())]


def test_guards_that_cannot_be_read() -> None:
    assert lock(unreachable())[0] == [missed()]
    assert lock(refused())[0] == [denied()]


def test_the_first_answer_that_tells_the_time_is_decided_by_anew() -> None:
    bench = Bench(at("one/apply"), Provider([guards(clock_offset=3.0)]))
    bench.journal.clock_proved = False
    assert bench.do(change_lock, "default", "acquire") == []
    assert bench.clock.bounds == [3.0]
    assert bench.journal.clock_proved


WROTE = Receipt((), 8, "c1")

# -- the message ------------------------------------------------------------------------------------------------------


def write(
    *, reply: Any = WROTE, undo: bool = False, shows: Any = None, published: Any = (), **fields: Any
) -> tuple[Any, Bench]:
    s = at("one/apply", **{"tokens": LOCKED, "serials": dict.fromkeys(AFTER, 7), **fields})
    bench = Bench(
        s, Provider([guards(HELD, rrsets=BEFORE) if shows is None else shows], [reply], published=[*published])
    )
    return bench.do(write_step, s.step, undo), bench


def test_the_intent_is_journaled_before_the_message_goes_out() -> None:
    events, bench = write()
    assert events == [intent(), ev.Applied(NOW, "one/apply", "id1", (), 8, "c1")]
    assert bench.provider.asked == [(WWW, NM1)]
    assert bench.provider.sent == [(ChangeSet(CHANGES, SOA), Fence(HELD, NEXT))]


def test_where_serials_mean_nothing_the_zone_s_version_is_not_required() -> None:
    s = at("one/apply", tokens=LOCKED, serials=dict.fromkeys(AFTER, 7))
    provider = Provider([guards(HELD, rrsets=BEFORE)], [Receipt((), 8)])
    provider.guarantees = replace(provider.guarantees, serial="none")
    events = Bench(s, provider).do(write_step, s.step, False)
    assert events[0] == intent(soa="")
    assert provider.sent[0][0].soa is None


def test_an_undoing_message_says_so_and_asks_for_no_history() -> None:
    events, _ = write(undo=True, serials=dict.fromkeys(AFTER, 3))
    assert events[0] == intent("undo")


def test_nothing_is_written_without_our_lock() -> None:
    events, bench = write(shows=guards(OTHER, rrsets=BEFORE))
    assert events == [ev.LockLost(NOW, "default", "other", OTHER.until, op=OTHER.op, ours=True)]
    events, bench = write(shows=guards(None, rrsets=BEFORE))
    assert events == [ev.LockLost(NOW, "default", "", 0, ours=True)]
    assert bench.provider.sent == []
    assert write(shows=unreachable())[0] == [missed()]
    assert write(shows=refused())[0] == [denied()]


def test_nothing_is_written_over_what_is_somebody_else_s() -> None:
    events, bench = write(shows=guards(HELD, rrsets={WWW: None, NM1: ALIAS}))
    assert events == [
        ev.Conflicted(
            NOW,
            "one/apply",
            (ev.Foreign(WWW, "192.0.2.1 (TTL 30)", None, False), ev.Foreign(NM1, "absent", ALIAS, True)),
        )
    ]
    assert bench.provider.sent == []


# -- longer-lived versions --------------------------------------------------------------------------------------------


def test_a_longer_ttl_in_the_history_is_outlived_first() -> None:
    events, bench = write(serials={WWW: 3, NM1: 3}, published=[{WWW: 7200, NM1: 9000}])
    assert events == [ev.Extended(NOW, "one/apply", WWW, 7200, NOW + 7260, 7)]
    assert bench.provider.asked[1:] == [(3, (WWW, NM1))]
    assert bench.provider.sent == []


def test_each_record_s_history_is_asked_for_from_where_it_is_not_known() -> None:
    events, bench = write(serials={WWW: 5, NM1: 3}, published=[{NM1: 0}, {WWW: 30}])
    assert bench.provider.asked[1:] == [(3, (NM1,)), (5, (WWW,))]
    assert [e.type for e in events] == ["intent", "applied"]
    events, bench = write(serials={WWW: 5}, published=[{WWW: 31}])
    assert bench.provider.asked[1:] == [(5, (WWW,))]
    assert events == [ev.Extended(NOW, "one/apply", WWW, 31, NOW + 91, 7)]


def test_a_record_without_a_history_is_not_waited_for_whatever_its_ttl() -> None:
    zero = RRset(0, OLD.values)
    shows = guards(HELD, rrsets={WWW: zero})
    events, _ = write(edits=(SetEdit(WWW, zero, NEW),), shows=shows, serials={WWW: 3}, published=[{}])
    assert [e.type for e in events] == ["intent", "applied"]


def test_a_history_that_is_not_known_stops_nothing_and_one_that_cannot_be_read_does() -> None:
    events, _ = write(serials={WWW: 3}, published=[None])
    assert [e.type for e in events] == ["intent", "applied"]
    events, bench = write(serials={WWW: 3}, published=[unreachable()])
    assert events == [missed()]
    assert bench.provider.sent == []


def test_only_what_puts_an_end_to_a_version_asks_for_its_history() -> None:
    for kind, asked in ((StepKind.LOWER_TTL, 2), (StepKind.APPLY, 2), (StepKind.RESTORE_TTL, 1)):
        _, bench = write(kind=kind, serials={WWW: 3}, published=[{}])
        assert len(bench.provider.asked) == asked


def test_floors_of_caches_count() -> None:
    s = at("one/apply", tokens=LOCKED, serials={WWW: 3})
    for floors, until in (((100.0, 20.0), 210.0), ((), 125.0), ((0.0,), 125.0)):
        book = replace(s.book, floors=floors, client_floor=90.0)
        provider = Provider([guards(HELD, rrsets=BEFORE)], published=[{WWW: 35}])
        (event,) = Bench(replace(s, book=book), provider).do(write_step, s.step, False)
        assert isinstance(event, ev.Extended)
        assert event.until == NOW + until


# -- replies ----------------------------------------------------------------------------------------------------------


def fate(reply: Any, **fields: Any) -> list[Any]:
    """What follows the intent."""
    events, _ = write(reply=reply, **fields)
    assert events[0].type == "intent"
    return events[1:]


def not_applied(reason: Any, detail: str = "", held: Token | None = HELD) -> ev.NotApplied:
    return ev.NotApplied(NOW, "one/apply", "id1", held, reason, detail)


def test_what_the_server_ignored_is_told() -> None:
    assert fate(Receipt((NM1,), 9, "c2")) == [ev.Applied(NOW, "one/apply", "id1", (NM1,), 9, "c2")]


def test_a_conflict_is_told_with_what_was_found() -> None:
    mismatch = Mismatch(WWW, "192.0.2.1 (TTL 30)", NEW, True)
    assert fate(Conflict((mismatch,), "it was changed")) == [
        not_applied("conflict", "it was changed"),
        ev.Conflicted(NOW, "one/apply", (ev.Foreign(WWW, "192.0.2.1 (TTL 30)", NEW, True),)),
    ]


def test_others_values_beside_ours_mean_another_reading() -> None:
    edit = ValueEdit(TXT, ('"old"',), ('"both"',), 30, 30)
    found = RRset(30, ('"old"', '"theirs"'))
    fields: dict[str, Any] = {"edits": (edit,), "shows": guards(HELD, rrsets={TXT: RRset(30, ('"old"',))})}
    beside = Mismatch(TXT, "x", found, False)
    assert fate(Conflict((beside,)), **fields) == [not_applied("moved")]
    gone = Mismatch(TXT, "x", RRset(30, ('"theirs"',)), False)
    assert [e.type for e in fate(Conflict((gone,)), **fields)] == ["not_applied", "conflicted"]
    assert [e.type for e in fate(Conflict((beside, gone)), **fields)] == ["not_applied", "conflicted"]
    stranger = replace(beside, key=MX)
    assert [e.type for e in fate(Conflict((stranger,)), **fields)] == ["not_applied", "conflicted"]
    set_edit = Mismatch(WWW, "x", OLD, False)
    assert [e.type for e in fate(Conflict((set_edit,)))] == ["not_applied", "conflicted"]


def test_a_lost_lock_leaves_open_whether_the_message_was_applied() -> None:
    assert fate(FenceLost(OTHER)) == []
    events, _ = lock(guards(None), FenceLost(OTHER))
    assert events[1:] == [ev.LockLost(NOW, "default", "other", OTHER.until, op=OTHER.op)]


OURS = Token("r", 3, "mine", int(NOW) + 9)


@pytest.mark.parametrize(("there", "kept"), [(None, None), (replace(OTHER, until=1), None), (OURS, OURS)])
def test_a_message_that_was_not_applied_leaves_the_lock_as_it_was(there: Token | None, kept: Token | None) -> None:
    def after(reply: Exception) -> list[Any]:
        return lock(guards(there), reply)[0][1:]

    assert after(ZoneMoved("moved")) == [not_applied("moved", held=kept)]
    assert after(refused()) == [not_applied("refused", "no such key", kept), denied()]
    assert after(unreachable()) == [not_applied("unreachable", "nobody there", kept), missed()]


def test_a_message_that_may_have_been_applied_stays_pending() -> None:
    events, bench = write(reply=unreachable(maybe_applied=True))
    assert events == [intent(), missed()]
    assert bench.journal.state.pending == intent()
    assert fate(ZoneMoved("moved")) == [not_applied("moved")]
    assert fate(refused()) == [not_applied("refused", "no such key"), denied()]


# -- a message whose reply is missing ---------------------------------------------------------------------------------


def resolved(shows: Any, *replies: Any, message: ev.Intent | None = None, burns: Any = ()) -> tuple[list[Any], Bench]:
    s = at("one/apply", pending=message or intent(), burns=burns, tokens=LOCKED)
    bench = Bench(s, Provider([shows], [*replies]))
    return bench.do(resolve), bench


def test_our_token_is_there_and_it_was_applied() -> None:
    events, bench = resolved(guards(NEXT, rrsets=AFTER, serial=9))
    assert events == [ev.Applied(NOW, "one/apply", "id1", (), 9)]
    assert bench.provider.asked == [(WWW, NM1)]
    assert bench.provider.sent == []
    events, _ = resolved(guards(NEXT, rrsets={WWW: OLD, NM1: ALIAS}))
    assert events[0].ignored == (WWW,)
    same = intent(changes=(Change(WWW, OLD, OLD),))
    events, _ = resolved(guards(NEXT, rrsets={WWW: OLD}), message=same)
    assert events[0].ignored == ()


def test_the_clock_is_proved_by_the_answer() -> None:
    s = at("one/apply", pending=intent(), tokens=LOCKED)
    bench = Bench(s, Provider([guards(NEXT, rrsets=AFTER, clock_offset=2.0)]))
    bench.journal.clock_proved = False
    assert [e.type for e in bench.do(resolve)] == ["applied"]
    assert bench.clock.bounds == [2.0]


@pytest.mark.parametrize("there", [None, OTHER])
def test_a_lock_that_was_given_back_is_not_ours_any_more(there: Token | None) -> None:
    message = intent("release", changes=(), next=None)
    events, _ = resolved(guards(there), message=message)
    assert events == [ev.Applied(NOW, "one/apply", "id1", (), 7)]


def test_the_old_token_is_there_and_is_burned() -> None:
    burn = Token("r", 2, "id1", UNTIL)
    events, bench = resolved(guards(HELD, rrsets=BEFORE), Receipt((), 8))
    assert events == [ev.Burning(NOW, "id1", "default", burn), not_applied("burned", held=burn)]
    assert bench.provider.sent == [(ChangeSet((), None), Fence(HELD, burn))]
    assert bench.journal.state.tokens == {"default": burn}


def test_a_lock_that_was_free_is_taken_so_that_the_message_cannot_take_it_later() -> None:
    message = intent("acquire", changes=(), held=None)
    events, bench = resolved(guards(None), Receipt((), 8), message=message)
    assert [e.type for e in events] == ["burning", "not_applied"]
    assert bench.provider.sent == [(ChangeSet((), SOA), Fence(None, Token("r", 1, "id1", UNTIL)))]


def test_a_released_lock_that_is_still_ours_is_burned() -> None:
    events, _ = resolved(guards(HELD), Receipt((), 8), message=intent("release", changes=(), next=None))
    assert [e.type for e in events] == ["burning", "not_applied"]


def test_a_burned_token_is_known_again_after_a_crash() -> None:
    burn = Token("r", 2, "burn", UNTIL)
    events, bench = resolved(guards(burn, rrsets=BEFORE), burns=(token(), burn))
    assert events == [not_applied("burned", held=burn)]
    assert bench.provider.sent == []


def test_any_other_token_means_that_the_lock_is_lost_and_what_was_changed_is_told() -> None:
    events, bench = resolved(guards(OTHER, rrsets={WWW: NEW, NM1: None}), burns=(token(),))
    assert events == [ev.LockLost(NOW, "default", "other", OTHER.until, (WWW,), OTHER.op, ours=True)]
    assert bench.provider.sent == []
    same = intent(changes=(Change(WWW, OLD, OLD), CHANGES[1]))
    events, _ = resolved(guards(None, rrsets={WWW: OLD, NM1: ALIAS}), message=same)
    assert events == [ev.LockLost(NOW, "default", "", 0, (NM1,), ours=True)]


@pytest.mark.parametrize("reply", [FenceLost(None), ZoneMoved("moved"), Conflict(())])
def test_somebody_moved_while_it_was_burned_and_it_is_looked_at_again(reply: Exception) -> None:
    events, bench = resolved(guards(HELD, rrsets=BEFORE), reply)
    assert [e.type for e in events] == ["burning"]
    assert bench.journal.state.pending is not None


@pytest.mark.parametrize("maybe", [True, False])
def test_nobody_answers_the_burning(maybe: bool) -> None:
    events, bench = resolved(guards(HELD, rrsets=BEFORE), unreachable(maybe))
    assert events[1:] == [missed()]
    assert bench.journal.state.pending is not None
    events, _ = resolved(guards(HELD, rrsets=BEFORE), refused())
    assert events[1:] == [ev.Missed(NOW, "one/apply", "no such key", "why", ("hint",))]


def test_nobody_answers_at_all() -> None:
    assert resolved(unreachable())[0] == [missed()]
    assert resolved(refused())[0] == [ev.Missed(NOW, "one/apply", "no such key", "why", ("hint",))]


def test_without_a_fence_an_unchanged_token_proves_nothing() -> None:
    def unfenced(message: ev.Intent, shown: Any, **promises: Any) -> list[ev.Event]:
        provider = Provider([shown], [Receipt((), 8)])
        provider.guarantees = replace(provider.guarantees, fenced=False, **promises)
        s = at("one/apply", pending=message, tokens=LOCKED)
        return Bench(s, provider).do(resolve)

    shown = guards(HELD, rrsets=BEFORE)
    assert [e.type for e in unfenced(intent(), shown, message_life=None)] == ["not_applied", "held"]
    old = replace(intent(), ts=NOW - 100)
    assert [e.type for e in unfenced(old, shown, message_life=50.0)] == ["burning", "not_applied"]
    assert [e.type for e in unfenced(intent("renew", changes=()), shown)] == ["burning", "not_applied"]
    assert [e.type for e in unfenced(intent(), guards(NEXT, rrsets=AFTER))] == ["applied"]


def test_without_a_message_there_is_nothing_to_resolve() -> None:
    s: RunState = at("one/apply")
    with pytest.raises(AssertionError, match="nothing is pending"):
        Bench(s, Provider()).do(resolve)


# -- what cannot be compared -------------------------------------------------------------------------------------------


def unlike() -> Unlike:
    return Unlike("www A is weighted", "why", ("hint",), {WWW: "weighted"})


def test_on_the_way_back_what_cannot_be_compared_is_left_alone_and_the_rest_goes_on() -> None:
    undo = replace(BOOK.steps[position("one/apply")], id="undo:one/apply")
    state = replace(at("one/apply", tokens=LOCKED), back=(undo,), bi=0)
    bench = Bench(state, Provider([unlike()]))
    found = bench.do(write_step, undo, True)
    kept = ev.Foreign(WWW, "what this run left there", None, False, "weighted")
    assert found == [ev.Conflicted(NOW, "undo:one/apply", (kept,))]
    assert bench.journal.state.left == (kept,)
    rest = bench.journal.state.step
    assert rest is not None
    assert WWW not in {e.key for e in rest.edits}
    assert {e.key for e in rest.edits} == {e.key for e in undo.edits} - {WWW}
    assert found_there(kept) == "weighted"


def test_forward_what_cannot_be_compared_is_a_refusal() -> None:
    step = BOOK.steps[position("one/apply")]
    found = Bench(at("one/apply", tokens=LOCKED), Provider([unlike()])).do(write_step, step, False)
    assert found == [ev.Denied(NOW, "one/apply", "www A is weighted", "why", ("hint",), ())]


@pytest.mark.parametrize("before", [OLD, None])
def test_the_fate_of_a_message_does_not_depend_on_what_cannot_be_compared(before: RRset | None) -> None:
    sent = intent(changes=(Change(WWW, before, NEW), CHANGES[1]))
    state = at("one/apply", tokens=LOCKED, pending=sent)
    shown = guards(NEXT, rrsets={NM1: ALIAS})
    bench = Bench(state, Provider([unlike(), shown]))
    assert bench.do(resolve) == [ev.Applied(NOW, "one/apply", "id1", (), 7)]
    assert bench.provider.asked == [(WWW, NM1), (NM1,)]
    refusing = Bench(state, Provider([unlike(), unreachable()]))
    assert refusing.do(resolve) == [missed()]
