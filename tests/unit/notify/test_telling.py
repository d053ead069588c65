"""What a journal means to people."""

from __future__ import annotations

import json

from dns_cutover.engine import events as ev
from dns_cutover.engine.fold import fold
from dns_cutover.notify.interface import document
from tests.unit.notify.stories import journal, told


def test_a_run_that_succeeds_is_told_from_its_start_to_its_end():
    found = told(journal())
    kinds = [n.kind for n in found]
    assert kinds[0] == "started"
    assert kinds[-1] == "end"
    assert set(kinds) == {"started", "step", "end"}
    assert found[-1].outcome == "succeeded"
    steps = [n.step for n in found if n.kind == "step"]
    assert "two/apply" in steps
    assert "two/bake" in steps
    assert len(steps) == len(set(steps))
    assert [n.severity for n in found] == ["info"] * len(found)


def test_a_rollback_is_critical_and_its_end_is_verified():
    found = told(journal(broken=True))
    rollback = next(n for n in found if n.kind == "rollback")
    assert rollback.severity == "critical"
    assert "two" in rollback.step
    assert found[-1].outcome == "rolled_back"
    assert "verified" in found[-1].summary


def test_ids_are_unique_and_follow_from_the_journal_alone():
    events = journal(broken=True)
    ids = [n.id for n in told(events)]
    assert len(ids) == len(set(ids))
    assert ids == [n.id for n in told(events)]
    assert all("." not in i for i in ids)  # Standard Webhooks: no full stop in what is signed before the body


def test_holds_commands_and_their_ends():
    created, *_ = journal()
    events = (
        created,
        ev.Command(10.0, "pause", "ada"),
        ev.Command(20.0, "resume", "bob"),
        ev.Held(30.0, "one/converge", "unreachable", "ns2 does not answer"),
        ev.Command(40.0, "retry", "bob"),
        ev.Command(50.0, "rollback", "ada"),
        ev.RollbackStarted(51.0, "one/converge", "command", "asked for by ada"),
        ev.Finished(60.0, "rollback_failed"),
    )
    found = told(events)
    assert [(n.kind, n.severity) for n in found] == [
        ("started", "info"),
        ("hold", "info"),  # a person who pauses a run needs no page
        ("resumed", "info"),
        ("hold", "error"),
        ("resumed", "info"),
        ("rollback", "warning"),
        ("end", "critical"),
    ]
    assert ("dns-cutover resume r", "go on") in found[1].unblock
    assert found[3].why == "ns2 does not answer"


def test_a_confirmation_is_asked_for_once(monkeypatch):
    from dns_cutover.runbook.model import Confirm, Step, StepKind

    created, *_ = journal()
    state = fold("r", (created,))
    step = Step(
        "two/confirm", StepKind.CONFIRM, "two", confirm=Confirm("ips", "NewMail support", "Addresses are bound.")
    )
    book = type(state.book)(
        **{**{f: getattr(state.book, f) for f in state.book.__dataclass_fields__}, "steps": (state.book.steps[0], step)}
    )
    from dns_cutover.runbook.codec import runbook_json, runbook_sha256

    first = ev.Created(1.0, runbook_json(book), runbook_sha256(book), "ada")
    events = (
        first,
        ev.StepDone(2.0, book.steps[0].id, "done"),
        ev.Command(3.0, "pause", "bob"),
        ev.Command(4.0, "resume", "bob"),
        ev.Command(5.0, "confirm", "ada", "ips"),
    )
    asked = [n for n in told(events) if n.kind == "confirm"]
    assert len(asked) == 1
    assert asked[0].why == "Addresses are bound."
    assert asked[0].unblock[0] == ("dns-cutover confirm r ips --by NAME", "the stage goes on")


def test_the_document_is_json_with_a_schema():
    for n in told(journal(broken=True)):
        data = json.loads(json.dumps(document(n)))
        assert data["schema"] == "dns-cutover/notification/1"
        assert data["id"] == n.id
        assert data["at"].endswith("Z")
        assert set(data) == {
            "schema",
            "id",
            "kind",
            "severity",
            "run_id",
            "seq",
            "at",
            "plan",
            "runbook_sha256",
            "zones",
            "stage",
            "step",
            "summary",
            "why",
            "outcome",
            "unblock",
        }


def test_long_and_hostile_details_are_one_line_of_a_bounded_length():
    created, *_ = journal()
    found = told((created, ev.Held(2.0, "x", "unreachable", "a\r\nb " + "x" * 5000)))
    assert found[-1].why.startswith("a b x")
    assert len(found[-1].why) <= 500
