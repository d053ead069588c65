"""What answers mean for the run: servers that disagree and how, what resolvers should say, and how they are counted."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.observe import count_resolvers, describe, expectations, found_there, longer_lived, observed
from dns_cutover.lookup.interface import (
    Accept,
    AuthoritativeRound,
    Endpoint,
    Evidence,
    Expectation,
    ResolverRound,
    ResolverRow,
    ServerView,
)
from dns_cutover.records import RRset, RRsetKey, SetEdit, ValueEdit
from dns_cutover.runbook.model import Exposure
from tests.unit.engine_states import NOW, at

A = RRsetKey("default", "www.example.test.", "A")
TXT = RRsetKey("default", "example.test.", "TXT")
OLD, NEW, OTHER = RRset(30, ("192.0.2.1",)), RRset(30, ("192.0.2.9",)), RRset(30, ("192.0.2.66",))
EDIT = SetEdit(A, OLD, NEW)
TEXT = ValueEdit(TXT, ('"old"',), ('"new"',), 600, 30)
NS1, NS2 = Endpoint("ns1", "192.0.2.51"), Endpoint("ns2", "192.0.2.52", 5353)


def judged(*views: ServerView, before: bool = False, edits: Any = (EDIT,)) -> ev.Observed:
    s = at("one/converge", edits=edits)
    assert s.step is not None
    return observed(s, s.step, AuthoritativeRound(NOW - 1, views), NOW, before=before)


def view(server: Endpoint = NS1, **fields: Any) -> ServerView:
    return ServerView(**{"zone": "default", "server": server, "rrsets": {A: NEW}, "serial": 7, **fields})


# -- authoritative servers --------------------------------------------------------------------------------------------


def test_servers_that_agree_are_no_trouble() -> None:
    assert judged(view(), view(NS2, serial=None)) == ev.Observed(NOW, "one/converge", 2, (), (7,))
    assert judged(view(rrsets={A: OLD}), before=True).trouble == ()


@pytest.mark.parametrize(
    ("found", "before", "detail"),
    [
        (OLD, False, "still serves www A 192.0.2.1 (TTL 30)"),
        (OTHER, False, "serves www A 192.0.2.66 (TTL 30)"),
        (None, False, "serves www A absent"),
        (RRset(60, NEW.values), False, "serves www A 192.0.2.9 (TTL 60)"),
        (NEW, True, "has www A 192.0.2.9 (TTL 30)"),
    ],
)
def test_a_server_that_disagrees(found: RRset | None, before: bool, detail: str) -> None:
    told = judged(view(rrsets={A: found}), view(NS2, rrsets={A: OLD if before else NEW}), before=before)
    assert told.trouble == (ev.ServerTrouble("ns1", "192.0.2.51", True, detail),)
    assert told.servers == 2


def test_a_server_that_disagrees_about_several_rrsets_is_told_once() -> None:
    told = judged(view(rrsets={A: OLD, TXT: None}), edits=(EDIT, TEXT))
    assert told.trouble[0].detail == "still serves www A 192.0.2.1 (TTL 30) (and 1 more)"
    third = SetEdit(RRsetKey("default", "x.example.test.", "A"), None, NEW)
    told = judged(view(rrsets={A: OLD, TXT: None, third.key: None}), edits=(EDIT, TEXT, third))
    assert told.trouble[0].detail.endswith(" (and 2 more)")


@pytest.mark.parametrize("wrong", [True, False])
def test_a_server_with_a_problem(wrong: bool) -> None:
    told = judged(view(NS2, rrsets={}, problem="SERVFAIL", wrong=wrong))
    assert told.trouble == (ev.ServerTrouble("ns2", "192.0.2.52:5353", wrong, "SERVFAIL"),)


def test_a_server_that_a_longer_ttl_may_be_still_on_its_way_to_does_not_agree_yet() -> None:
    """It was published and taken back up to serial 8. In the simulation seed 127635 counted such a look as the last."""

    def behind(serial: int | None, **fields: Any) -> tuple[ev.ServerTrouble, ...]:
        known = {"longer": MappingProxyType({A: 7260.0}), "serials": MappingProxyType({A: 8}), **fields}
        s = at("one/preflight", edits=(EDIT,), **known)
        assert s.step is not None
        views = (view(serial=serial, rrsets={A: OLD}),)
        return observed(s, s.step, AuthoritativeRound(NOW, views), NOW, before=True).trouble

    why = "serves a zone from before the longer TTL of www A was taken back"
    assert behind(7) == (ev.ServerTrouble("ns1", "192.0.2.51", False, why),)
    assert behind(8) == behind(9) == behind(None) == ()
    assert behind(7, longer=MappingProxyType({})) == behind(7, serials=MappingProxyType({})) == ()


def test_a_server_that_answers_for_something_else_only() -> None:
    told = judged(view(rrsets={TXT: None}))
    assert told.trouble == (ev.ServerTrouble("ns1", "192.0.2.51", False, "did not answer for www A"),)


def test_a_zone_without_servers_is_trouble_and_another_zone_s_servers_are_none() -> None:
    told = judged(view(zone="elsewhere", problem="SERVFAIL"))
    text = "no authoritative server of example.test. is known"
    assert told.trouble == (ev.ServerTrouble("example.test.", "", False, text),)
    assert judged(view(), view(NS2, zone="elsewhere", rrsets={})).trouble == ()


def test_an_rrset_in_words() -> None:
    assert describe(None) == "absent"
    assert describe(RRset(60, ("192.0.2.1", "192.0.2.2"))) == "192.0.2.1, 192.0.2.2 (TTL 60)"


def test_what_stands_in_the_place_of_a_record_in_words() -> None:
    foreign = ev.Foreign(A, "absent", RRset(60, ("192.0.2.1",)), False)
    assert found_there(foreign) == "192.0.2.1 (TTL 60)"
    assert found_there(replace(foreign, found=None)) == "absent"
    assert found_there(replace(foreign, found=None, kind="an alias")) == "an alias"


# -- versions that live longer than was counted ----------------------------------------------------------------------


def longer(*views: ServerView, step: str = "one/preflight", edits: Any = (EDIT,), **fields: Any) -> Any:
    s = at(step, edits=edits, **{"serials": {A: 5, TXT: 6}, **fields})
    assert s.step is not None
    return longer_lived(s, s.step, AuthoritativeRound(NOW - 1, views), NOW)


def serving(ttl: int, **fields: Any) -> ServerView:
    return view(**{"rrsets": {A: RRset(ttl, OLD.values)}, **fields})


def test_a_version_with_a_longer_ttl_than_was_counted_is_told_with_its_end() -> None:
    told = (ev.Extended(NOW, "one/preflight", A, 7200, NOW + 7260, 5),)
    assert longer(serving(7200)) == told
    assert longer(serving(60), serving(7200), serving(90)) == told, "the longest counts"
    assert longer(serving(7200), serials={})[0].serial == 0
    assert longer(serving(31))[0].until == NOW + 91
    assert longer(serving(30)) == longer(serving(20)) == longer() == ()


def test_what_is_new_or_absent_or_another_zone_s_lives_no_longer() -> None:
    new = view(rrsets={A: NEW})
    long_new = SetEdit(A, OLD, RRset(7200, NEW.values))
    assert longer(view(rrsets={A: long_new.after}), edits=(long_new,)) == ()
    assert longer(view(rrsets={A: None}), view(rrsets={}), new) == ()
    assert longer(serving(7200, zone="elsewhere")) == ()
    assert longer(view(rrsets={A: None}), serving(7200)) != ()
    assert longer(new, serving(7200)) != ()


def test_what_was_seen_before_is_told_again_only_if_it_lives_longer_still() -> None:
    assert longer(serving(7200), longer={A: 7260.0}) == ()
    assert longer(serving(7201), longer={A: 7260.0}) != ()
    assert longer(serving(60), longer={A: 1.0})[0].ttl == 60
    assert longer(serving(20), longer={A: 1.0}) == ()


def test_where_nothing_is_expected_nothing_was_counted() -> None:
    created, text = SetEdit(A, None, NEW), ValueEdit(TXT, (), ('"a"',), None, 30)
    shown = view(rrsets={A: RRset(7200, OLD.values), TXT: RRset(7200, ('"b"',))})
    assert longer(shown, edits=(created, text)) == ()
    assert [e.key for e in longer(shown, edits=(created, EDIT))] == [A]
    assert longer(shown, edits=(TEXT,)) == (ev.Extended(NOW, "one/preflight", TXT, 7200, NOW + 7260, 6),)
    assert longer(view(rrsets={TXT: RRset(600, ('"b"',))}), edits=(TEXT,)) == ()


def test_while_a_change_converges_what_was_counted_is_its_exposure() -> None:
    x = Exposure(A, 360.0, "its absence", 90.0, "A at 30 s")
    for ttl, told in ((300, 0), (301, 1)):
        assert len(longer(serving(ttl), step="one/converge", exposures=(x,))) == told
    assert longer(serving(7200), step="one/converge", exposures=()) == ()
    assert longer(serving(40), step="one/apply", exposures=(x,)) != ()


def test_floors_of_caches_and_clients_count() -> None:
    book = replace(at("one/preflight", edits=(EDIT,)).book, floors=(100.0, 20.0), client_floor=5.0)
    s = replace(at("one/preflight", edits=(EDIT,)), book=book)
    step = s.step
    assert step is not None
    assert longer_lived(s, step, AuthoritativeRound(NOW, (serving(100),)), NOW) == ()
    (told,) = longer_lived(s, step, AuthoritativeRound(NOW, (serving(101),)), NOW)
    assert told.until == NOW + 126


# -- what resolvers should say ----------------------------------------------------------------------------------------


def expected(*edits: Any, **fields: Any) -> tuple[Expectation, ...]:
    s = at("one/converge", edits=edits, **fields)
    assert s.step is not None
    return expectations(s, s.step)


def test_what_resolvers_should_say_of_a_change() -> None:
    dead = MappingProxyType({A: NOW + 90})
    accept = Accept(one_of=("192.0.2.7",))
    assert expected(EDIT, dead=dead, exposed_since=NOW - 5, accepts=((A, accept),)) == (
        Expectation(A, EDIT, changed_at=NOW - 5, dead_at=NOW + 90, new_ttl=30, accept=accept),
    )
    assert expected(EDIT) == (Expectation(A, EDIT, changed_at=NOW, dead_at=NOW, new_ttl=30),)
    assert expected(TEXT)[0].new_ttl == 30


def test_an_absence_is_new_at_the_negative_ttl() -> None:
    assert expected(SetEdit(A, OLD, None))[0].new_ttl == 300


def test_edits_that_change_no_data_have_nothing_to_show() -> None:
    ttl_only = SetEdit(A, OLD, replace(OLD, ttl=3600))
    assert expected(ttl_only, ValueEdit(TXT, (), (), 600, 30), SetEdit(A, None, None)) == ()
    assert [x.edit for x in expected(ttl_only, EDIT)] == [EDIT]
    creation = SetEdit(A, None, NEW)
    for edit in (creation, ValueEdit(TXT, ('"a"',), (), 600, 30), ValueEdit(TXT, (), ('"a"',), 600, 30)):
        assert [x.edit for x in expected(edit)] == [edit]


# -- what resolvers said ----------------------------------------------------------------------------------------------


def row(name: str, evidence: Evidence, *, key: RRsetKey = A, at: float = NOW) -> ResolverRow:
    return ResolverRow(Endpoint(name, "192.0.2.3"), key, evidence, at=at)


def counted(*rows: ResolverRow, due: float = math.inf, **fields: Any) -> ev.Resolvers:
    s = at("one/converge", **fields)
    assert s.step is not None
    return count_resolvers(s, s.step, ResolverRound(NOW, rows, due), NOW)


def test_each_resolver_counts_by_its_worst_answer_and_errors_on_neither_side() -> None:
    told = counted(
        row("a", Evidence.WITNESSED),
        row("a", Evidence.VIOLATOR, key=TXT),
        row("a", Evidence.WARM),
        row("b", Evidence.WARM),
        row("c", Evidence.ERROR),
        row("d", Evidence.BOGUS),
        row("e", Evidence.WITNESSED),
    )
    listed = (("violator", 1), ("bogus", 1), ("error", 1), ("warm", 1), ("witnessed", 1))
    violators = ("a 192.0.2.3", "d 192.0.2.3")
    assert told == ev.Resolvers(NOW, "one/converge", listed, 2, 4, violators, True, 1e15)


def test_no_resolvers_say_nothing_and_nothing_is_missing() -> None:
    assert counted(due=NOW + 30) == ev.Resolvers(NOW, "one/converge", (), 0, 0, (), True, NOW + 30)


@pytest.mark.parametrize("evidence", [Evidence.PENDING, Evidence.STALE])
def test_an_old_answer_that_may_still_be_given_is_to_be_asked_for_again(evidence: Evidence) -> None:
    assert not counted(row("a", evidence), row("b", Evidence.WITNESSED)).complete


def test_an_answer_from_before_the_old_one_was_dead_is_to_be_asked_for_again() -> None:
    dead = MappingProxyType({A: NOW})
    assert counted(row("a", Evidence.WITNESSED, at=NOW), dead=dead).complete
    assert not counted(row("a", Evidence.WITNESSED, at=NOW - 1), row("b", Evidence.WITNESSED), dead=dead).complete
    assert counted(row("a", Evidence.ERROR, at=NOW - 1), dead=dead).complete, "it is not asked again"
    assert counted(row("a", Evidence.WITNESSED, at=0.0)).complete
