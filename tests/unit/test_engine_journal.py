"""Events as journal lines and back: the names that other versions and people's scripts depend on."""

from __future__ import annotations

import json

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.journal import UnknownEvent, event_data, from_envelope, to_envelope
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.store.interface import Envelope

KEY = RRsetKey("default", "www.example.test.", "A")


def test_a_line_has_the_event_and_where_it_stands() -> None:
    event = ev.Command(1000.5, "pause", "Zoë")
    line = to_envelope("r1", 7, event)
    assert (line.run_id, line.seq, line.ts) == ("r1", 7, 1000.5)
    assert line.body == (
        '{"ts":1000.5,"verb":"pause","by":"Zoë","subject":"","runbook":"","host":"","user":"","origin":"","stage":"",'
        '"type":"command","seq":7,"run_id":"r1"}'
    )
    assert from_envelope(line) == event


def test_an_event_without_its_place_is_read_as_well() -> None:
    body = json.dumps({"ts": 1.0, "runner": "me", "type": "claimed"})
    assert from_envelope(Envelope("r", 0, 1.0, body)) == ev.Claimed(1.0, "me")


def test_values_within_events_come_back_as_they_were() -> None:
    event = ev.Conflicted(1.0, "s", (ev.Foreign(KEY, "absent", RRset(60, ("192.0.2.1",)), False),))
    assert from_envelope(to_envelope("r", 0, event)) == event
    assert event_data(event)["foreign"][0]["found"] == {"ttl": 60, "values": ["192.0.2.1"]}


def test_a_field_of_a_later_version_is_left_out() -> None:
    body = json.dumps({"ts": 1.0, "runner": "me", "type": "claimed", "host": {"name": "x"}})
    assert from_envelope(Envelope("r", 0, 1.0, body)) == ev.Claimed(1.0, "me")


def test_an_event_of_a_later_version_is_refused() -> None:
    with pytest.raises(UnknownEvent, match="entry 3 in the journal of run r cannot be read") as caught:
        from_envelope(Envelope("r", 3, 1.0, '{"ts": 1, "type": "teleported"}'))
    assert caught.value.exit_code == 1
    assert isinstance(caught.value, ValueError)
    (hint,) = caught.value.hints
    assert hint.startswith("dns-cutover --version ")
