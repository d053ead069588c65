"""The way back: what is undone, in which order, from which image to which, and what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine.rollback import Written, closed_stages, has_begun, has_ended, is_additive, kept, way_back
from dns_cutover.records import Change, RRset, RRsetKey, SetEdit, ValueEdit, realise
from dns_cutover.runbook.model import Confirm, Convergence, Exposure, RollbackPolicy, Runbook, StageInfo, Step, StepKind
from tests.simulation.plans import BASE, BOOK

WWW = RRsetKey("default", "www.example.test.", "A")
NM1 = RRsetKey("default", "nm1.example.test.", "CNAME")
MX = RRsetKey("default", "example.test.", "MX")
TXT = RRsetKey("default", "example.test.", "TXT")
TEXTS = ('"both"', '"verification"')


def written(*names: str, book: Runbook = BOOK) -> tuple[Written, ...]:
    """What a run has written after these steps of the simulation's runbook."""
    image: dict[RRsetKey, RRset | None] = {k: BASE.get((k.owner, k.rdtype)) for k in (WWW, NM1, MX, TXT)}
    out = []
    for step in book.steps:
        if step.id in names:
            changes = []
            for edit in step.edits:
                change = realise(edit, image[edit.key])
                assert isinstance(change, Change)
                changes.append(change)
                image[edit.key] = change.after
            out.append(Written(step.id, step.kind, step.stage, step.edits, tuple(changes), step.exposures))
    return tuple(out)


ALL = ("one/lower_ttl", "one/apply", "two/apply", "two/restore_ttl")
HALF = ALL[:3]


def with_policy(**fields: Any) -> Runbook:
    return replace(BOOK, rollback=replace(BOOK.rollback, **fields))


def with_commits(one: Any, two: Any) -> Runbook:
    return replace(BOOK, stages=(StageInfo("one", commit=one), StageInfo("two", commit=two)))


# -- what stays -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "additive"),
    [
        (SetEdit(WWW, None, RRset(60, ("192.0.2.1",))), True),
        (SetEdit(WWW, RRset(60, ("192.0.2.1",)), RRset(60, ("192.0.2.2",))), False),
        (SetEdit(WWW, RRset(60, ("192.0.2.1",)), None), False),
        (SetEdit(WWW, None, None), False),
        (ValueEdit(TXT, (), ('"a"',), 60, 60), True),
        (ValueEdit(TXT, ('"b"',), ('"a"',), 60, 60), False),
        (ValueEdit(TXT, ('"b"',), (), 60, 60), False),
        (ValueEdit(TXT, (), (), 60, 30), False),
    ],
)
def test_what_only_adds(edit: Any, additive: bool) -> None:
    assert is_additive(edit) is additive
    assert kept(with_policy(additive="keep"), ())(edit) is additive
    assert not kept(with_policy(additive="remove"), ())(edit)


def test_an_alias_and_the_data_in_whose_place_it_came_go_back_together() -> None:
    book = with_policy(additive="keep")
    address = RRsetKey("default", "x.example.test.", "A")
    alias, text = replace(address, rdtype="CNAME"), replace(address, rdtype="TXT")
    rrset = RRset(60, ("192.0.2.1",))

    def stays(key: RRsetKey, *gone: RRsetKey, before: RRset | None = rrset) -> bool:
        changes = tuple(Change(k, before, None) for k in gone)
        applied = Written("s", StepKind.APPLY, "s", (), changes, ())
        return kept(book, (applied,))(SetEdit(key, None, rrset))

    assert not stays(alias, address)
    assert not stays(address, alias)
    assert not stays(address, alias, text)
    assert not stays(alias, text, address)
    assert stays(address, text), "data beside data"
    assert stays(alias, alias)
    assert stays(alias, replace(address, owner="y.example.test."))
    assert stays(alias, replace(address, zone="other"))
    assert stays(alias, address, before=None)
    changed = Written("s", StepKind.APPLY, "s", (), (Change(address, rrset, rrset),), ())
    assert kept(book, (changed,))(SetEdit(alias, None, rrset))


# -- commit points ----------------------------------------------------------------------------------------------------


def committed_stages(book: Runbook, i: int) -> set[str]:
    """Those whose commit point has passed at step `i`, with all before them."""
    passed = {"before": has_begun, "after": has_ended, "never": lambda *_: False}
    points = [n for n, s in enumerate(book.stages) if passed[s.commit](book, s.name, i)]
    return {s.name for s in book.stages[: max(points, default=-1) + 1]}


@pytest.mark.parametrize(
    ("one", "two", "i", "committed", "closed"),
    [
        ("never", "never", 99, (), ()),
        ("before", "never", 3, (), ()),
        ("before", "never", 4, ("one",), ()),
        ("never", "before", 7, (), ()),
        ("never", "before", 8, ("one", "two"), ()),
        ("after", "never", 6, (), ()),
        ("after", "never", 7, ("one",), ("one",)),
        ("never", "after", 12, (), ()),
        ("never", "after", 13, ("one", "two"), ("one", "two")),
        ("after", "before", 7, ("one",), ("one",)),
        ("after", "before", 8, ("one", "two"), ("one",)),
        ("before", "after", 12, ("one",), ()),
    ],
)
def test_from_when_a_stage_is_not_taken_back(one: str, two: str, i: int, committed: Any, closed: Any) -> None:
    book = with_commits(one, two)
    assert committed_stages(book, i) == set(committed)
    assert closed_stages(book, i) == frozenset(closed)


def test_a_commit_point_commits_what_came_before_it_and_nothing_after() -> None:
    steps = tuple(Step(name, StepKind.BAKE, name) for name in "abc")
    stages = (StageInfo("a"), StageInfo("b", commit="after"), StageInfo("c"), StageInfo("none", commit="before"))
    book = replace(BOOK, stages=stages, steps=steps)
    assert committed_stages(book, 1) == set()
    assert committed_stages(book, 2) == {"a", "b"}
    assert closed_stages(book, 3) == {"a", "b"}


# -- the steps --------------------------------------------------------------------------------------------------------


def test_nothing_written_is_nothing_to_undo() -> None:
    assert way_back(BOOK, (), 0) == ()


def test_lowered_ttls_are_given_back_and_verified() -> None:
    restore, converge = way_back(BOOK, written("one/lower_ttl"), 2)
    assert (restore.id, restore.kind, restore.zone) == ("undo:restore_ttl:default", StepKind.RESTORE_TTL, "default")
    assert restore.edits == (
        SetEdit(MX, RRset(30, ("10 old.test.",)), RRset(300, ("10 old.test.",))),
        ValueEdit(TXT, (), (), 30, 600),
        SetEdit(WWW, RRset(30, ("192.0.2.1",)), RRset(3600, ("192.0.2.1",))),
    )
    assert (converge.id, converge.kind, converge.edits) == (
        "undo:restore_ttl/converge",
        StepKind.CONVERGE,
        restore.edits,
    )
    assert restore.gate == converge.gate == BOOK.steps[1].gate
    assert way_back(with_policy(after="keep_low_ttl"), written("one/lower_ttl"), 2) == ()


def test_stages_go_back_newest_first_and_each_is_verified_and_outlived() -> None:
    steps = way_back(BOOK, written(*HALF), 9)
    assert [(s.id, s.kind, s.stage, s.zone) for s in steps] == [
        ("undo:two/apply", StepKind.APPLY, "two", "default"),
        ("undo:two/converge", StepKind.CONVERGE, "two", ""),
        ("undo:two/wait_ttl", StepKind.WAIT_TTL, "two", ""),
        ("undo:one/apply", StepKind.APPLY, "one", "default"),
        ("undo:one/converge", StepKind.CONVERGE, "one", ""),
        ("undo:one/wait_ttl", StepKind.WAIT_TTL, "one", ""),
        ("undo:restore_ttl:default", StepKind.RESTORE_TTL, "", "default"),
        ("undo:restore_ttl/converge", StepKind.CONVERGE, "", ""),
    ]
    two, converge, wait, one = steps[:4]
    assert two.edits == (
        SetEdit(MX, RRset(30, ("10 new.test.",)), RRset(30, ("10 old.test.",))),
        ValueEdit(TXT, ('"both"',), ('"old"',), 30, 30),
    )
    assert one.edits == (
        SetEdit(WWW, RRset(30, ("192.0.2.9",)), RRset(30, ("192.0.2.1",))),
        SetEdit(NM1, RRset(30, ("nm1.new.test.",)), None),
    )
    assert two.exposures == (
        Exposure(MX, 90.0, "MX at 30 s", 90.0, "MX at 30 s"),
        Exposure(TXT, 90.0, "TXT at 30 s", 90.0, "TXT at 30 s"),
    )
    assert one.exposures[1] == Exposure(NM1, 90.0, "CNAME at 30 s", 90.0, "CNAME at 30 s")
    assert converge.edits == wait.edits == two.edits
    assert converge.exposures == wait.exposures == two.exposures
    assert two.gate == converge.gate == wait.gate == BOOK.steps[9].gate


def test_each_stage_is_verified_as_its_own_gate_says() -> None:
    gates = {"one/lower_ttl/converge": 1.0, "one/converge": 2.0, "two/converge": 3.0, "two/restore_ttl/converge": 4.0}
    steps = tuple(replace(s, gate=Convergence(deadline=gates.get(s.id, 99.0))) for s in BOOK.steps)
    back = way_back(replace(BOOK, steps=steps), written(*HALF), 9)
    assert [s.gate.deadline for s in back] == [3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    plain = replace(BOOK, steps=tuple(s for s in steps if s.kind is not StepKind.CONVERGE))
    assert {s.gate for s in way_back(plain, written(*HALF), 9)} == {Convergence()}


def test_after_the_restore_the_way_back_takes_as_long_as_the_restored_ttl() -> None:
    steps = way_back(BOOK, written(*ALL), 12)
    assert [s.id for s in steps if s.kind is StepKind.APPLY] == ["undo:two/apply", "undo:one/apply"]
    two, one = steps[0], steps[3]
    assert two.edits == (
        SetEdit(MX, RRset(300, ("10 new.test.",)), RRset(30, ("10 old.test.",))),
        ValueEdit(TXT, ('"both"',), ('"old"',), 600, 30),
    )
    assert [x.old_s for x in two.exposures] == [90 + 270, 90 + 570]
    assert [x.old_s for x in one.exposures] == [90 + 3570, 90 + 3570]
    restore = steps[6]
    assert [(e.key, e.after.ttl if isinstance(e, SetEdit) else e.ttl) for e in restore.edits] == [
        (MX, 300),
        (TXT, 600),
        (WWW, 3600),
    ], "what was created is gone"


def test_a_ttl_that_is_lower_now_makes_no_life_shorter() -> None:
    done = written(*HALF)
    lower = Written("x", StepKind.RESTORE_TTL, "two", (), (Change(MX, None, RRset(5, ("10 new.test.",))),), ())
    assert way_back(BOOK, (*done, lower), 12)[0].exposures[0].old_s == 90


def test_only_the_newest_stage_goes_back_where_the_plan_says_so() -> None:
    book = with_policy(scope="stage", after="keep_low_ttl")
    assert [s.stage for s in way_back(book, written(*HALF), 9)] == ["two"] * 3
    assert [s.stage for s in way_back(book, written(*HALF[:2]), 9)] == ["one"] * 3
    assert way_back(book, written("one/lower_ttl"), 9) == ()


def test_what_stays_gets_the_ttl_that_it_is_to_have_in_the_end() -> None:
    book = with_policy(scope="stage")
    restore = next(s for s in way_back(book, written(*HALF), 9) if s.kind is StepKind.RESTORE_TTL)
    assert {e.key: e.after.ttl if isinstance(e, SetEdit) else e.ttl for e in restore.edits} == {
        WWW: 3600, NM1: 3600, MX: 300, TXT: 600,
    }  # fmt: skip
    assert restore.edits[-1] == SetEdit(WWW, RRset(30, ("192.0.2.9",)), RRset(3600, ("192.0.2.9",)))
    additive = with_policy(additive="keep")
    steps = way_back(additive, written(*HALF), 9)
    (one,) = (s for s in steps if s.id == "undo:one/apply")
    assert [e.key for e in one.edits] == [WWW]
    assert [x.key for x in one.exposures] == [WWW]
    assert NM1 in [e.key for e in steps[-1].edits]


def test_closed_stages_stay() -> None:
    steps = way_back(with_commits("after", "never"), written(*HALF), 9)
    assert [s.stage for s in steps] == ["two", "two", "two", "", ""]
    edits = {e.key: e.after.ttl if isinstance(e, SetEdit) else e.ttl for e in steps[-1].edits}
    assert edits == {WWW: 3600, NM1: 3600, MX: 300, TXT: 600}
    assert [s.stage for s in way_back(with_commits("before", "never"), written(*HALF), 9)].count("one") == 3


def test_one_stage_that_is_asked_for_goes_back_with_the_newer_ones_and_no_older_one() -> None:
    def stages(stage: str) -> list[str]:
        steps = way_back(with_policy(after="keep_low_ttl"), written(*HALF), 9, stage=stage)
        return [s.stage for s in steps if s.kind is StepKind.APPLY]

    assert stages("two") == ["two"]
    assert stages("one") == ["two", "one"]
    assert stages("") == ["two", "one"]


def test_what_was_confirmed_for_a_stage_is_undone_before_an_older_stage_goes_back() -> None:
    facts = {
        ("one", "ports"): "close them",
        ("one", "nothing"): "",
        ("two", "peers"): "tell them",
    }
    asked = {name: Confirm(name, "the vendor", "it is done", undo=undo) for (_, name), undo in facts.items()}
    confirms = tuple(Step(f"{s}/{n}", StepKind.CONFIRM, s, confirm=asked[n]) for s, n in facts)
    book = replace(BOOK, steps=(*BOOK.steps, *confirms))
    steps = way_back(book, written(*HALF), 9)
    assert [s.id.removeprefix("undo:") for s in steps] == [
        "two/apply", "two/converge", "two/wait_ttl", "two/confirm:peers",
        "one/apply", "one/converge", "one/wait_ttl", "restore_ttl:default", "restore_ttl/converge",
        "one/confirm:ports",
    ]  # fmt: skip
    assert steps[3] == Step("undo:two/confirm:peers", StepKind.CONFIRM, "two", confirm=asked["peers"])
    assert steps[-1] == Step("undo:one/confirm:ports", StepKind.CONFIRM, "one", confirm=asked["ports"])


def test_what_the_server_ignored_is_not_undone() -> None:
    done = written(*HALF)
    part = replace(done[2], changes=tuple(c for c in done[2].changes if c.key == TXT))
    two = way_back(BOOK, (*done[:2], part), 9)[0]
    assert [e.key for e in two.edits] == [TXT]
    nothing = replace(done[2], changes=())
    assert [s.stage for s in way_back(BOOK, (*done[:2], nothing), 9)][:3] == ["one"] * 3


def test_several_messages_of_a_stage_go_back_newest_first_and_are_verified_together() -> None:
    first, last = written("one/lower_ttl", "one/apply")
    halves = [
        replace(last, step=f"one/apply:{n}", edits=(edit,), changes=(change,), exposures=(x,))
        for n, (edit, change, x) in enumerate(zip(last.edits, last.changes, last.exposures, strict=True))
    ]
    steps = way_back(BOOK, (first, *halves), 5)
    assert [s.id for s in steps[:4]] == [
        "undo:one/apply:1", "undo:one/apply:0", "undo:one/converge", "undo:one/wait_ttl",
    ]  # fmt: skip
    assert [e.key for e in steps[2].edits] == [NM1, WWW]
    assert [x.key for x in steps[3].exposures] == [NM1, WWW]


def test_a_record_that_two_stages_changed_goes_back_through_both_images() -> None:
    first, one = written("one/lower_ttl", "one/apply")
    middle, last = RRset(30, ("192.0.2.9",)), RRset(30, ("192.0.2.10",))
    again = Written("two/apply", StepKind.APPLY, "two", (SetEdit(WWW, middle, last),), (Change(WWW, middle, last),), ())
    steps = [s for s in way_back(BOOK, (first, one, again), 9) if s.kind is StepKind.APPLY]
    assert steps[0].edits == (SetEdit(WWW, last, middle),)
    assert steps[1].edits[0] == SetEdit(WWW, middle, RRset(30, ("192.0.2.1",)))


def test_undoing_a_deletion_takes_as_long_as_absence_is_cached() -> None:
    old = RRset(30, ("192.0.2.1",))
    x = Exposure(WWW, 90.0, "A at 30 s", 360.0, "its absence")
    gone = Written("one/apply", StepKind.APPLY, "one", (SetEdit(WWW, old, None),), (Change(WWW, old, None),), (x,))
    apply, *_ = way_back(BOOK, (gone,), 9)
    assert apply.edits == (SetEdit(WWW, None, old),)
    assert apply.exposures == (Exposure(WWW, 360.0, "its absence", 360.0, "its absence"),)


def test_zones_are_written_and_restored_one_by_one() -> None:
    other = replace(WWW, zone="other")
    low, high = RRset(30, ("192.0.2.1",)), RRset(600, ("192.0.2.1",))
    lowered = [
        Written(f"{k.zone}/lower", StepKind.LOWER_TTL, "", (SetEdit(k, high, low),), (Change(k, high, low),), ())
        for k in (WWW, other)
    ]
    plain = replace(BOOK, steps=())
    steps = way_back(plain, tuple(lowered), 0)
    assert [(s.id, s.zone, s.edits) for s in steps] == [
        ("undo:restore_ttl:default", "default", (SetEdit(WWW, low, high),)),
        ("undo:restore_ttl:other", "other", (SetEdit(other, low, high),)),
        ("undo:restore_ttl/converge", "", (SetEdit(WWW, low, high), SetEdit(other, low, high))),
    ]


def test_the_first_of_several_lowerings_knows_the_original_ttl() -> None:
    rrset = RRset(600, ("192.0.2.1",))
    changes = (Change(WWW, rrset, rrset.with_ttl(60)), Change(WWW, rrset.with_ttl(60), rrset.with_ttl(30)))
    lowered = [Written("x", StepKind.LOWER_TTL, "", (), (c,), ()) for c in changes]
    appeared = Written("y", StepKind.LOWER_TTL, "", (), (Change(NM1, None, RRset(30, ("nm1.new.test.",))),), ())
    restore = way_back(replace(BOOK, steps=()), (appeared, *lowered), 0)[0]
    assert restore.edits == (SetEdit(WWW, rrset.with_ttl(30), rrset),)


def test_a_deleted_record_has_no_ttl_to_restore() -> None:
    gone = SetEdit(WWW, RRset(30, ("192.0.2.1",)), None)
    restore = Step("r", StepKind.RESTORE_TTL, "one", "default", (gone,))
    apply = Written("one/apply", StepKind.APPLY, "one", (gone,), (Change(WWW, gone.before, None),), ())
    book = replace(with_policy(scope="stage"), steps=(*BOOK.steps, restore), stages=(StageInfo("one", commit="after"),))
    assert way_back(book, (apply,), 99) == ()
    assert RollbackPolicy().after == "restore_ttl"
