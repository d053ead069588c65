"""A lost reply where no token in the zone tells: images, the SOA, the history, and the time a message lives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.untold import lost, without_token
from dns_cutover.providers.interface import ChangeSet, Fence, FenceLost, Receipt, Refused, Token, Unreachable
from dns_cutover.records import Change, RRset, RRsetKey
from tests.unit.engine_ports import SOA, Bench, Provider, complete, guards
from tests.unit.engine_states import BOOK, NOW, at, token

WWW = RRsetKey("default", "www.example.test.", "A")
NM1 = RRsetKey("default", "nm1.example.test.", "CNAME")
OLD, NEW = RRset(30, ("192.0.2.1",)), RRset(30, ("192.0.2.9",))
ALIAS = RRset(30, ("nm1.new.test.",))
SAME = Change(replace(WWW, rdtype="AAAA"), OLD, OLD)
CHANGES = (Change(WWW, OLD, NEW), Change(NM1, None, ALIAS), SAME)
HELD, NEXT = token(NOW + 5000), token(NOW + 6000, 2)
BEFORE = {WWW: OLD, NM1: None, SAME.key: OLD}
UNTOLD = "nobody can tell whether the last message was applied and taken back by somebody else: "
OTHER_SOA = SOA.replace(" 7 ", " 8 ")


def intent(ts: float = NOW - 100, soa: str = SOA) -> ev.Intent:
    return ev.Intent(ts, "one/apply", "op2", "default", CHANGES, HELD, NEXT, soa, 7, "write")


def decided(
    rrsets: Any = BEFORE,
    *,
    message: ev.Intent | None = None,
    life: float | None = 50.0,
    soa: str = SOA,
    replies: Any = (),
    published: Any = (),
    back: bool = False,
) -> tuple[bool, list[ev.Event], Provider]:
    message = message or intent()
    s = at("one/apply", pending=message, tokens={"default": HELD})
    if back:
        s = replace(s, back=(replace(BOOK.steps[4], id="one/apply"),))
    provider = Provider(replies=[*replies], published=[*published])
    provider.guarantees = replace(provider.guarantees, message_life=life, fenced=False)
    bench = Bench(s, provider)
    found: list[bool] = []

    async def decide(journal: Any) -> None:
        shown = guards(HELD, rrsets=rrsets, soa=soa, serial=9)
        found.append(await without_token(journal, provider, message, shown))

    events = bench.do(decide)
    return found[0], events, provider


def not_applied(reason: Any) -> ev.NotApplied:
    return ev.NotApplied(NOW, "one/apply", "op2", HELD, reason)


def test_a_record_as_the_message_leaves_it_says_that_it_was_applied() -> None:
    told, events, provider = decided({**BEFORE, WWW: NEW}, replies=[Receipt((), 0)])
    assert not told
    assert events == [ev.Applied(NOW, "one/apply", "op2", (NM1,), 9)]
    assert provider.sent == [(ChangeSet(()), Fence(HELD, NEXT))]
    _, events, _ = decided({**BEFORE, NM1: ALIAS}, replies=[Receipt((), 0)])
    assert events == [ev.Applied(NOW, "one/apply", "op2", (WWW,), 9)], "what is as it was is not ours"


def test_a_lease_that_was_taken_over_meanwhile_means_another_look() -> None:
    told, events, _ = decided({**BEFORE, WWW: NEW}, replies=[FenceLost(None)])
    assert (told, events) == (False, [])


def test_a_change_of_nothing_says_nothing() -> None:
    told, events, provider = decided({WWW: OLD, NM1: None, SAME.key: OLD})
    assert (told, events, provider.sent) == (True, [], [])


def test_a_message_that_outlived_its_time_unseen_never_will_be_applied() -> None:
    assert decided(message=intent(NOW - 50.1))[0]
    told, events, _ = decided(message=intent(NOW - 50))
    assert not told
    (missed,) = events
    assert isinstance(missed, ev.Missed)
    assert (missed.ts, missed.step, missed.hints) == (NOW, "one/apply", ())
    assert missed.what == "it is not known yet what became of the last message to example.test."
    assert "expire" in missed.why


def test_where_nobody_knows_how_long_a_message_lives_a_person_must_look() -> None:
    told, events, _ = decided(life=None)
    assert not told
    because = "the provider does not say for how long a message may still be applied"
    assert events == [not_applied("conflict"), ev.Held(NOW, "one/apply", "lock", UNTOLD + because)]


def test_where_serials_mean_nothing_a_person_must_look_when_its_time_is_over() -> None:
    told, events, _ = decided(message=intent(soa=""), soa=OTHER_SOA)
    assert not told
    because = "serials of this provider are not ordered"
    assert events == [not_applied("conflict"), ev.Held(NOW, "one/apply", "lock", UNTOLD + because)]
    assert [e.type for e in decided(message=intent(NOW, soa=""))[1]] == ["missed"]
    assert decided(message=intent(soa=""), back=True)[1] == [not_applied("conflict")]


def test_in_a_zone_that_moved_the_history_tells() -> None:
    told, events, provider = decided(soa=OTHER_SOA, published=[{WWW: 0, NM1: 0}])
    assert not told
    assert events == [not_applied("moved")]
    assert provider.asked == [(7, (WWW, NM1, SAME.key))]
    for published in (None, {WWW: 0, NM1: 30}):
        _, events, _ = decided(soa=OTHER_SOA, published=[published])
        assert events == [
            not_applied("conflict"),
            ev.Held(NOW, "one/apply", "lock", UNTOLD + "the zone changed meanwhile"),
        ]


@pytest.mark.parametrize(
    "error", [Unreachable("gone", "why", maybe_applied=False, hints=("hint",)), Refused("gone", "why", ("hint",))]
)
def test_a_history_that_cannot_be_read_is_asked_for_again(error: Exception) -> None:
    told, events, _ = decided(soa=OTHER_SOA, published=[error])
    assert not told
    assert events == [ev.Missed(NOW, "one/apply", "gone", "why", ("hint",))]


def test_on_the_way_back_no_history_is_needed() -> None:
    told, events, provider = decided(soa=OTHER_SOA, back=True)
    assert not told
    assert events == [not_applied("moved")]
    assert provider.asked == []


@pytest.mark.parametrize("ours", [True, False])
def test_a_lost_lock_is_told_with_its_holder_and_whether_it_was_ours(ours: bool) -> None:
    bench = Bench(at("one/apply", tokens={"default": HELD} if ours else {"else": HELD}))
    complete(lost(bench.journal, "default", Token("other", 3, "opx", 123), (WWW,)))
    told = bench.watcher.shown[0][1]
    assert told == ev.LockLost(NOW, "default", "other", 123, (WWW,), "opx", ours)
    complete(lost(bench.journal, "default", None))
    assert bench.watcher.shown[1][1] == ev.LockLost(NOW, "default", "", 0, (), "", False)
