"""From planned changes to edits: the TTL that each RRset has in the end."""

from __future__ import annotations

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.plan.loader import parse_plan
from dns_cutover.records import RRset, RRsetKey, SetEdit, ValueEdit
from dns_cutover.runbook.compiling import Drift
from dns_cutover.runbook.edits import must
from dns_cutover.runbook.model import StepKind
from tests.unit.checks.situation import plan_text, subject
from tests.unit.preview_world import book_of, single


@pytest.mark.parametrize(("restore", "ttl"), [("original", 3600), ("5m", 300), ("2h", 7200)])
def test_ttls_are_restored_to_what_the_plan_says(restore: str, ttl: int) -> None:
    book = single(top=f"ttl: {{restore: {restore}}}\n")
    (step,) = (s for s in book.steps if s.kind is StepKind.RESTORE_TTL)
    (edit,) = step.edits
    assert isinstance(edit, SetEdit)
    assert edit.before == RRset(60, ("192.0.2.2",))
    assert edit.after == RRset(ttl, ("192.0.2.2",))


def test_a_ttl_that_is_kept_is_not_restored() -> None:
    book = single(top="ttl: {restore: keep}\n")
    assert all(s.kind is not StepKind.RESTORE_TTL for s in book.steps)


def test_an_edit_that_does_not_fit_what_it_was_made_for_is_a_fault_of_ours() -> None:
    edit = SetEdit(RRsetKey("z", "www.example.test.", "A"), RRset(60, ("192.0.2.1",)), None)
    with pytest.raises(AssertionError, match=r"192\.0\.2\.1"):
        must(edit, None)


def test_an_edit_by_value_lowers_by_value_and_pins_only_its_own() -> None:
    plan = 'stages: [{name: s, changes: [{name: "@", type: TXT, remove: [a], add: [b]}]}]'
    book = book_of(plan, '@ 3600 IN TXT "a"\n@ 3600 IN TXT "theirs"\n')
    key = RRsetKey("default", "example.test.", "TXT")
    lower, apply, restore = (
        next(s.edits[0] for s in book.steps if s.kind is kind)
        for kind in (StepKind.LOWER_TTL, StepKind.APPLY, StepKind.RESTORE_TTL)
    )
    assert lower == ValueEdit(key, (), (), 3600, 60, require=('"a"',))
    assert apply == ValueEdit(key, ('"a"',), ('"b"',), 60, 60)
    assert restore == ValueEdit(key, (), (), 60, 3600, require=('"b"',))


# -- what does not fit what is live -----------------------------------------------------------------------------------


def drifts(change: str, zone: str, **facts: object) -> tuple[Drift, ...]:
    """Where the plan with these changes does not fit the zone."""
    example = Example(f"stages: [{{name: s, changes: [{change}]}}]", zone, facts=facts)
    return subject(parse_plan(plan_text(example).encode(), "plan.yaml", {}), example).drifts


def test_a_ttl_can_be_changed_only_where_something_is() -> None:
    (drift,) = drifts("{name: www, type: A, ttl: 60}", "")
    assert (drift.stage, drift.key.owner, drift.expected, drift.found, drift.reason) == (
        "s",
        "www.example.test.",
        "present",
        None,
        "differs",
    )
    assert drifts("{name: www, type: A, ttl: 60}", "www 300 IN A 192.0.2.1\n") == ()


@pytest.mark.parametrize(
    ("expected", "zone", "found"),
    [
        ("[192.0.2.1, 192.0.2.2]", "www 300 IN A 192.0.2.3\n", RRset(300, ("192.0.2.3",))),
        ("[192.0.2.1, 192.0.2.2]", "", None),
        ("absent", "www 300 IN A 192.0.2.3\n", RRset(300, ("192.0.2.3",))),
    ],
)
def test_what_is_to_be_replaced_must_be_there(expected: str, zone: str, found: RRset | None) -> None:
    (drift,) = drifts(f"{{name: www, type: A, from: {expected}, to: [192.0.2.9]}}", zone)
    assert drift.expected == ("absent" if expected == "absent" else "192.0.2.1, 192.0.2.2")
    assert (drift.found.values if drift.found else None) == (found.values if found else None)


def test_one_mistake_is_told_once() -> None:
    """Later changes of the same RRset are judged as if the first had fitted."""
    first = "{name: www, type: A, from: [192.0.2.1], to: [192.0.2.2]}"
    then = "]}, {name: t, changes: [{name: www, type: A, from: [192.0.2.2], to: absent}"
    assert [d.stage for d in drifts(first + then, "www 300 IN A 192.0.2.7\n")] == ["s"]
    gone = "{name: www, type: A, from: [192.0.2.1], to: absent}"
    back = "]}, {name: t, changes: [{name: www, type: A, from: absent, to: [192.0.2.2]}"
    assert [d.stage for d in drifts(gone + back, "www 300 IN A 192.0.2.7\n")] == ["s"]
    values = '{name: "@", type: TXT, remove: [a], add: [b]}'
    more = ']}, {name: t, changes: [{name: "@", type: TXT, remove: [b], add: [c]}'
    assert [d.stage for d in drifts(values + more, "@ 300 IN TXT z\n")] == ["s"]
    only = '{name: "@", type: TXT, remove: [a]}'
    none = ']}, {name: t, changes: [{name: "@", type: TXT, from: absent, to: [c]}'
    assert [d.stage for d in drifts(only + none, "")] == ["s"]


def test_values_that_are_taken_away_must_be_there() -> None:
    (drift,) = drifts('{name: "@", type: TXT, remove: [a], add: [b]}', "@ 300 IN TXT z\n")
    assert drift.expected.startswith('with "a", without "b"')
    assert drift.found is not None
    assert drift.found.values == ('"z"',)


def test_changes_that_do_not_fit_one_message_are_a_drift_of_their_own() -> None:
    two = "{names: [a, b], type: A, from: absent, to: [192.0.2.1]}"
    told = drifts(two, "", too_large=True)
    assert {(d.planned, d.expected, d.reason) for d in told} == {(None, "2 changes", "too_large")}
    assert drifts(two, "") == ()
