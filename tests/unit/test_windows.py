"""When a stage may start: windows across changes of the clocks, freezes, and what has to fit."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_cutover.runbook.model import Freeze, Window
from dns_cutover.runbook.window import clock_shows, frozen, longest, may_start, openings, window_closes, window_opens

DAILY = (1, 2, 3, 4, 5, 6, 7)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("zone", "start", "end", "now", "opens", "closes"),
    [
        # The clock jumps from 02:00 to 03:00 (01:00 UTC): 02:30 is the moment of the jump.
        ("Europe/Berlin", "02:30", "06:00", "2026-03-28T23:00", "2026-03-29T01:00", "2026-03-29T04:00"),
        ("Europe/Berlin", "01:00", "02:30", "2026-03-28T23:00", "2026-03-29T00:00", "2026-03-29T01:00"),
        # 02:30 comes twice, at 00:30 and at 01:30 UTC: it counts when it comes first.
        ("Europe/Berlin", "02:30", "06:00", "2026-10-24T22:00", "2026-10-25T00:30", "2026-10-25T05:00"),
        ("Europe/Berlin", "01:00", "02:30", "2026-10-24T22:00", "2026-10-24T23:00", "2026-10-25T00:30"),
        ("America/New_York", "02:15", "05:00", "2026-03-08T05:00", "2026-03-08T07:00", "2026-03-08T09:00"),
        ("America/New_York", "01:30", "03:00", "2026-11-01T04:00", "2026-11-01T05:30", "2026-11-01T08:00"),
        # Half an hour only: 02:00 to 02:30 at 15:30 UTC, and back from 02:00 to 01:30 at 15:00 UTC.
        ("Australia/Lord_Howe", "02:15", "05:00", "2026-10-03T12:00", "2026-10-03T15:30", "2026-10-03T18:00"),
        ("Australia/Lord_Howe", "01:45", "05:00", "2026-04-04T12:00", "2026-04-04T14:45", "2026-04-04T18:30"),
    ],
)
def test_local_times_that_do_not_exist_or_come_twice(zone, start, end, now, opens, closes) -> None:
    window = Window(DAILY, start, end, zone)
    found = next(islice(openings(window, at(now)), 1))
    assert tuple(map(shown, found)) == (opens, closes)
    assert shown(window_opens(window, at(now))) == opens
    assert shown(window_closes(window, at(opens) + 60)) == closes


@pytest.mark.parametrize(
    ("zone", "start", "end", "sunday"),
    [
        ("Europe/Berlin", "02:10", "02:50", "2026-03-29"),
        ("America/New_York", "02:10", "02:50", "2026-03-08"),
        ("Australia/Lord_Howe", "02:05", "02:25", "2026-10-04"),
    ],
)
def test_a_window_that_the_clock_jumps_over_is_not_open_that_day(zone, start, end, sunday) -> None:
    day = date.fromisoformat(sunday)
    before = datetime.combine(day, time(), ZoneInfo(zone)).timestamp()
    opens = window_opens(Window((7,), start, end, zone), before)
    assert datetime.fromtimestamp(opens, ZoneInfo(zone)).date() == day + timedelta(days=7)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
    st.integers(0, 24 * 60 - 1),
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
)
def test_the_first_moment_at_which_the_clock_shows_it(zone, minute, day) -> None:
    """Just before that moment the clock shows less, or another day; from it on it shows that time or a later one."""
    there = ZoneInfo(zone)
    wanted = datetime.combine(day, time(minute // 60, minute % 60))
    ts = clock_shows(day, wanted.time(), there)
    assert datetime.fromtimestamp(ts, there).replace(tzinfo=None) >= wanted
    assert datetime.fromtimestamp(ts - 1, there).replace(tzinfo=None) < wanted


def test_a_window_over_midnight_and_one_that_is_open_already() -> None:
    window = Window((5,), "22:00", "02:00", "UTC")  # Friday night
    assert shown(window_opens(window, at("2026-03-09T12:00"))) == "2026-03-13T22:00"
    assert window_opens(window, at("2026-03-14T01:00")) == at("2026-03-14T01:00")
    assert shown(window_closes(window, at("2026-03-14T01:00"))) == "2026-03-14T02:00"
    assert window_closes(window, at("2026-03-14T02:00")) == at("2026-03-14T02:00")


def test_what_does_not_fit_waits_for_the_next_window() -> None:
    window = Window((1, 2, 3, 4), "09:00", "16:00", "UTC")
    assert shown(window_opens(window, at("2026-03-10T15:00"), 3600)) == "2026-03-10T15:00"
    assert shown(window_opens(window, at("2026-03-10T15:01"), 3600)) == "2026-03-11T09:00"
    assert shown(window_opens(window, at("2026-03-12T15:01"), 3600)) == "2026-03-16T09:00"
    assert longest(window, at("2026-03-10T15:00")) == 7 * 3600
    with pytest.raises(ValueError, match="never open for so long"):
        window_opens(window, at("2026-03-10T15:00"), 7 * 3600 + 1)


def test_a_freeze_holds_what_would_reach_into_it() -> None:
    freezes = (Freeze(at("2026-12-20T00:00"), at("2027-01-07T00:00"), "year end"),)
    assert may_start(None, freezes, 3600, at("2026-12-19T22:59")) == at("2026-12-19T22:59")
    assert shown(may_start(None, freezes, 3600, at("2026-12-19T23:01"))) == "2027-01-07T00:00"
    assert may_start(None, freezes, 3600, at("2027-01-07T00:00")) == at("2027-01-07T00:00")
    assert frozen(freezes, at("2026-12-19T23:59")) is None
    assert frozen(freezes, at("2026-12-20T00:00")) == freezes[0]


def test_a_freeze_of_weeks_and_a_window() -> None:
    """More than eight days ahead, and two freezes one after the other."""
    freezes = (
        Freeze(at("2026-12-20T00:00"), at("2027-01-07T00:00"), "year end"),
        Freeze(at("2027-01-07T12:00"), at("2027-01-11T12:00"), "audit"),
    )
    window = Window((1, 2, 3, 4), "09:00", "16:00", "UTC")
    assert shown(may_start(window, freezes, 3600, at("2026-12-18T12:00"))) == "2027-01-07T09:00"
    assert shown(may_start(window, freezes, 4 * 3600, at("2026-12-18T12:00"))) == "2027-01-11T12:00"
