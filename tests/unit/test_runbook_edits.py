"""From planned changes to edits: the TTL that each RRset has in the end."""

from __future__ import annotations

import pytest

from dns_cutover.records import RRset, RRsetKey, SetEdit
from dns_cutover.runbook.edits import must
from dns_cutover.runbook.model import StepKind
from tests.unit.preview_world import single


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
