"""Tails in numbers and words: what decides the worst case of a change and of its undoing."""

from __future__ import annotations

import pytest

from dns_cutover.records import Change, RRset, RRsetKey
from dns_cutover.timing.exposure import (
    NameContext,
    Tail,
    alias_lifetime,
    change_tail,
    delegation_tail,
    guaranteed_at,
    joint_tail,
    old_lifetime,
    rollback_lifetime,
    rollback_tail,
    stage_tail,
    usable_at,
)
from dns_cutover.timing.lifetime import CachePolicy

POLICY = CachePolicy((0.0,), 60.0)
A1, A2 = RRset.of("A", 90, "192.0.2.1"), RRset.of("A", 120, "192.0.2.2")
CN = RRset.of("CNAME", 30, "edge.example.test.")


def change(rdtype: str, before: RRset | None, after: RRset | None) -> Change:
    return Change(RRsetKey("main", "www.example.test.", rdtype), before, after)


ABSENCE, WILDCARD = "its absence is cached for 300 s", "a wildcard answers with TTL 900"


@pytest.mark.parametrize(
    ("what", "context", "after_change", "after_rollback"),
    [
        (change("A", A1, A2), NameContext(300), Tail(150, "A at 90 s"), Tail(180, "A at 120 s")),
        (change("A", None, A2), NameContext(300), Tail(360, ABSENCE), Tail(180, "A at 120 s")),
        (change("A", A1, None), NameContext(300), Tail(150, "A at 90 s"), Tail(360, ABSENCE)),
        (change("A", None, A2), NameContext(300, {"MX": 9999}), Tail(360, ABSENCE), Tail(180, "A at 120 s")),
        (change("A", None, A2), NameContext(0), Tail(60, "its absence is cached for 0 s"), Tail(180, "A at 120 s")),
        (change("A", None, A2), NameContext(300, {}, 900), Tail(960, WILDCARD), Tail(360, ABSENCE)),
        (change("A", None, A2), NameContext(300, {}, 20), Tail(360, ABSENCE), Tail(360, ABSENCE)),
        (change("A", A1, A2), NameContext(300, {}, 900), Tail(150, "A at 90 s"), Tail(180, "A at 120 s")),
        (change("A", A1, None), NameContext(300, {"MX": 9}, 900), Tail(150, "A at 90 s"), Tail(960, WILDCARD)),
        (
            change("CNAME", None, CN),
            NameContext(30, {"A": 400, "TXT": 500}),
            Tail(560, "TXT at the same name at 500 s"),
            Tail(560, "TXT at the same name at 500 s"),
        ),
        (
            change("A", None, A2),
            NameContext(300, {"CNAME": 400}),
            Tail(460, "CNAME at the same name at 400 s"),
            Tail(460, "CNAME at the same name at 400 s"),
        ),
        (change("A", None, A2), NameContext(300, {"CNAME": 30}), Tail(360, ABSENCE), Tail(360, ABSENCE)),
        (change("CNAME", CN, None), NameContext(300), Tail(90, "CNAME at 30 s"), Tail(360, ABSENCE)),
        (change("A", A1, A1), NameContext(300), Tail(0, "nothing changes"), Tail(0, "nothing changes")),
    ],
)
def test_a_tail_is_the_longest_life_at_the_name_and_says_why(what, context, after_change, after_rollback):
    assert old_lifetime(what, context, POLICY) == after_change
    assert rollback_lifetime(what, context, POLICY) == after_rollback


def test_a_change_of_the_ttl_alone_waits_for_the_old_ttl():
    what = change("A", A1.with_ttl(3600), A1.with_ttl(60))
    assert old_lifetime(what, NameContext(300), POLICY) == Tail(3660, "A at 3600 s")


def test_the_propagation_bound_comes_on_top_unless_nothing_changes():
    assert change_tail(change("A", A1, A2), NameContext(300), POLICY, 45) == Tail(195, "A at 90 s")
    assert rollback_tail(change("A", A1, A2), NameContext(300), POLICY, 45) == Tail(225, "A at 120 s")
    assert change_tail(change("A", A1, A1), NameContext(300), POLICY, 45) == Tail(0, "nothing changes")


def test_a_stage_is_as_slow_as_what_changes_slowest_in_it():
    fast, slow = (change("A", A1, A2), NameContext(300)), (change("MX", None, A2), NameContext(300))
    assert stage_tail([fast, slow], POLICY, 10) == Tail(370, ABSENCE)
    assert stage_tail([], POLICY, 10) == Tail(0, "nothing changes")


def test_of_equal_tails_the_first_gives_the_reason():
    assert joint_tail([Tail(1, "a"), Tail(2, "b"), Tail(2, "c")]).why == "b"


def test_an_alias_is_a_sum():
    assert alias_lifetime(300, 60, 30, POLICY) == 300 + 60 + 30 + 60


@pytest.mark.parametrize(
    ("parent", "child", "keep", "content", "tail"),
    [
        (100, 50, True, None, Tail(210, "NS at 100 s in the parent, then at 50 s in the child")),
        (100, 50, False, None, Tail(160, "NS at 100 s in the parent")),
        (50, 172800, False, None, Tail(172860, "NS at 172800 s in the child")),
        (100, 50, False, 30, Tail(190, "NS at 100 s in the parent, then old content at 30 s")),
    ],
)
def test_a_delegation_says_which_copies_add_up(parent, child, keep, content, tail):
    assert delegation_tail(parent, child, keep, POLICY, content_ttl=content) == tail


def test_a_created_name_is_usable_after_d_and_guaranteed_after_its_absence_or_the_wildcard():
    assert usable_at(1000.0, 45) == 1045
    assert guaranteed_at(1000.0, 45, NameContext(300), POLICY) == 1405
    assert guaranteed_at(1000.0, 45, NameContext(300, {}, 900), POLICY) == 2005
