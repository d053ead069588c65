"""`preview --format json`: the whole document."""

from __future__ import annotations

import json

from dns_cutover.report.preview_json import preview_document
from tests.unit.preview_world import MAIL_ZONE, NOW, book_of, mail, many, retire, two_zones

SHA = "9f" * 32


def test_the_document_of_the_mail_move():
    told = preview_document(mail(), SHA, NOW)
    assert json.loads(json.dumps(told)) == told
    assert {"schema", "plan", "runbook_sha256", "changes", "steps", "timeline", "tails", "guarantees"} <= set(told)
    assert told["schema"] == "dns-cutover/preview/1"
    assert told["runbook_sha256"] == SHA
    created, edited, replaced = told["changes"]
    assert created["before"] is None
    assert created["after"] == {"ttl": 3600, "values": ["nm1.dkim.u42.newmail.test."]}
    assert edited["by_value"]
    assert edited["before"]["ttl"] == 3600
    assert len(edited["before"]["values"]) == len(edited["after"]["values"]) == 3
    assert edited["removed"] == ['"v=spf1 include:spf.oldmail.test -all"']
    assert edited["other_values"] == 2
    assert replaced["stage"] == "switch"
    assert replaced["name"] == "example.test."
    assert (replaced["before"]["ttl"], replaced["ttl_during_run"], replaced["after"]["ttl"]) == (3600, 60, 300)
    assert told["timeline"]["earliest_change"] == "2026-03-10T13:41:23Z"
    assert told["timeline"]["earliest_finish"] == "2026-03-10T14:25:26Z"
    assert told["timeline"]["old_side_off"]["at"] == "2026-03-15T13:55:05Z"
    assert "RFC 5321" in told["timeline"]["old_side_off"]["reason"]
    assert [(t["stage"], t["after_change_s"], t["after_rollback_s"]) for t in told["tails"]] == [
        ("overlap", 360, 120),
        ("switch", 120, 120),
    ]
    assert told["otherwise"]["if_done_now"]["after_change_s"] == 3660
    assert told["otherwise"]["after_restore"]["after_change_s"] is None
    assert told["guarantees"]["default"]["propagation_bound"] == 0
    assert told["atomic_across_zones"]
    assert told["steps_back"] == 9


def test_stages_have_what_holds_and_watches_them():
    overlap, switch, gone = preview_document(retire(), SHA, NOW)["stages"]
    assert (overlap["bake_s"], overlap["wait_s"], overlap["confirm"], overlap["window"]) == (300, None, [], None)
    assert switch["confirm"][0]["undo"] == "NewMail unbinds them."
    assert switch["window"]["timezone"] == "Europe/Berlin"
    assert [p["role"] for p in switch["probes"]] == ["health", "way_back"]
    assert {u["type"] for u in switch["unchanged"]} == {"TXT", "A"}
    assert (gone["wait_s"], gone["commit"]) == (14 * 86400, "before")


def test_steps_are_in_order_and_apart():
    for book in (mail(), retire(), many(), two_zones()):
        told = preview_document(book, SHA, NOW)["steps"]
        ends = [s["end_s"] for s in told]
        assert ends == sorted(ends)
        assert all(s["start_s"] <= s["end_s"] for s in told)
        assert [s["id"] for s in told] == [s.id for s in book.steps]


def test_an_assertion_of_absence_has_no_values():
    book = book_of(
        "stages: [{name: s, unchanged: [nobody/A], "
        "changes: [{name: www, type: A, from: [192.0.2.80], to: [192.0.2.2]}]}]",
        MAIL_ZONE,
    )
    assert preview_document(book, SHA, NOW)["stages"][0]["unchanged"] == [
        {"zone": "default", "name": "nobody.example.test.", "type": "A", "values": []}
    ]
