"""The way back where an alias took the place of other data: a name cannot have both, whatever `additive` says."""

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.engine.rollback import Written, way_back
from dns_cutover.plan.loader import parse_plan
from dns_cutover.records import Change, SetEdit
from dns_cutover.runbook.model import StepKind
from tests.unit.checks.situation import plan_text, subject

GONE = '{name: www, type: A, from: ["192.0.2.10"], to: absent}'
ALIAS = "{name: www, type: CNAME, from: absent, to: [edge.cdn.test.]}"
NO_ALIAS = "{name: www, type: CNAME, from: [edge.cdn.test.], to: absent}"
COMES = '{name: www, type: A, from: absent, to: ["192.0.2.10"]}'
LIVE_A = "www 300 IN A 192.0.2.10\n"
LIVE_ALIAS = "www 300 IN CNAME edge.cdn.test.\n"
OWNER = "www.example.test."


def stages(*changes: tuple[str, ...]) -> str:
    text = "safety: {allow: [delete]}\nstages:\n"
    for n, own in enumerate(changes):
        text += f"  - name: s{n}\n    changes:\n" + "".join(f"      - {c}\n" for c in own)
    return text


def undone(plan: str, zone: str) -> list[dict[str, bool]]:
    """By message of the way back, newest first: which types at www are there after it."""
    example = Example(plan, zone=zone)
    book = subject(parse_plan(plan_text(example).encode(), "plan.yaml", {}), example).book
    assert book is not None
    done = []
    for step in book.steps:
        if step.kind in (StepKind.LOWER_TTL, StepKind.APPLY):
            assert all(isinstance(e, SetEdit) for e in step.edits)
            changes = tuple(Change(e.key, e.before, e.after) for e in step.edits if isinstance(e, SetEdit))
            done.append(Written(step.id, step.kind, step.stage, step.edits, changes, step.exposures))
    steps = way_back(book, tuple(done), len(book.steps) - 1)
    return [
        {e.key.rdtype: e.after is not None for e in step.edits if isinstance(e, SetEdit) and e.key.owner == OWNER}
        for step in steps
        if step.kind is StepKind.APPLY
    ]


@pytest.mark.parametrize("policy", ["keep", "remove"])
@pytest.mark.parametrize(
    ("changes", "zone", "back"),
    [
        pytest.param(((GONE, ALIAS),), LIVE_A, [{"A": True, "CNAME": False}], id="an alias came"),
        pytest.param(((NO_ALIAS, COMES),), LIVE_ALIAS, [{"CNAME": True, "A": False}], id="an alias went"),
        pytest.param(((GONE,), (ALIAS,)), LIVE_A, [{"CNAME": False}, {"A": True}], id="in two stages"),
    ],
)
def test_what_came_goes_when_what_it_replaced_comes_back(
    changes: tuple[tuple[str, ...], ...], zone: str, back: list[dict[str, bool]], policy: str
) -> None:
    """With the A alone, the message would be refused or ignored, and the name would stay an alias."""
    assert undone(f"rollback: {{additive: {policy}}}\n" + stages(*changes), zone) == back


def test_what_stands_beside_what_comes_back_stays() -> None:
    """An AAAA that was only added harms nobody, whether or not the A at its name is put back."""
    added = '{name: www, type: AAAA, from: absent, to: ["2001:db8::20"]}'
    assert undone(stages((GONE, added)), LIVE_A) == [{"A": True}]
    alone = "{name: new, type: CNAME, from: absent, to: [edge.cdn.test.]}"
    assert undone(stages((GONE, alone)), LIVE_A) == [{"A": True}]
