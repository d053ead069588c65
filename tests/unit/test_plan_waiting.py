"""Freezes, windows and confirmations as plans write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dns_cutover.plan.finding import PlanInvalid
from dns_cutover.plan.loader import parse_plan
from dns_cutover.plan.models import Plan
from tests.unit.checks.situation import standard

STAGE = 'stages: [{name: s, %s changes: [{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}]}]\n'


def plan(text: str, stage: str = "") -> Plan:
    return parse_plan(standard(text + STAGE % stage).encode(), "plan.yaml", {}).plan


def wrong(text: str, stage: str = "") -> str:
    with pytest.raises(PlanInvalid) as caught:
        plan(text, stage)
    return " ".join(f.message for f in caught.value.findings)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("freeze", "start", "end"),
    [
        ('from: "2026-12-20", to: "2027-01-06", timezone: Europe/Berlin', "2026-12-19T23:00", "2027-01-06T23:00"),
        (
            'from: "2026-12-20T18:00", to: "2026-12-20T19:30:30", timezone: UTC',
            "2026-12-20T18:00",
            "2026-12-20T19:30:30",
        ),
        ('from: "2026-12-20T18:00:00+01:00", to: "2026-12-21T00:00:00Z"', "2026-12-20T17:00", "2026-12-21T00:00"),
        # One day, of 23 hours in Berlin.
        ('from: "2026-03-29", to: "2026-03-29", timezone: Europe/Berlin', "2026-03-28T23:00", "2026-03-29T22:00"),
    ],
)
def test_freezes(freeze, start, end) -> None:
    (found,) = plan(f"freeze: [{{{freeze}, because: year end}}]\n").freeze
    assert (found.starts, found.ends) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ('from: "2026-12-20", to: "2027-01-06"', "needs a timezone"),
        ('from: "2026-12-20", to: "2026-12-19", timezone: UTC', "ends before it begins"),
        ('from: "2026-12-20T00:00:00Z", to: "2026-12-21T00:00:00Z", timezone: UTC', "timezone means nothing"),
        ('from: "2026-12-20", to: "2027-01-06", timezone: Mars/Olympus', "no such time zone"),
        ('from: "20 December", to: "2027-01-06", timezone: UTC', "a day is written as"),
        ('from: "2026-02-30", to: "2027-01-06", timezone: UTC', "day is out of range"),
    ],
)
def test_freezes_that_make_no_sense(freeze, said) -> None:
    assert said in wrong(f"freeze: [{{{freeze}, because: year end}}]\n")


def test_a_freeze_has_a_reason() -> None:
    assert "because" in wrong('freeze: [{from: "2026-12-20", to: "2027-01-06", timezone: UTC}]\n')


def test_a_probe_proves_now_and_has_no_time_for_which_it_counts() -> None:
    probes = "probes: [{type: tcp, name: p, target: x.test, port: 25}],"
    item = "confirm: [{id: c, who: W, says: It is., by: probe, probe: p, valid_for: 4h}],"
    assert "a probe proves when it is asked" in wrong("", probes + item)
