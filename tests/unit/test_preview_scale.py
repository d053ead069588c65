"""The time axis: to scale, cut where nothing happens, ticks at round local times."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.report.scale import CUT_COLUMNS, scale, ticks

NOW = datetime(2026, 3, 10, 12, 40, 2, tzinfo=UTC).timestamp()
DAY = 86400.0


def labels(
    total: float, idle: list[tuple[float, float]], columns: int = 57, now: float = NOW, zone: str = "UTC"
) -> str:
    axis = scale(total, idle, columns)
    return " ".join(t.label.replace(" ", "_") for t in ticks(axis, now, ZoneInfo(zone)))


def test_columns_are_to_scale():
    axis = scale(100.0, [], 11)
    assert [axis.column(s) for s in (0, 10, 55, 100, 1000, -5)] == [0, 1, 5, 10, 10, 0]


def test_a_long_idle_span_is_cut():
    axis = scale(14 * DAY + 7200, [(3600, 14 * DAY + 3600)], 60)
    cut = next(p for p in axis.pieces if p.cut)
    assert cut.right - cut.left == CUT_COLUMNS
    assert axis.column(3600) == cut.left
    assert abs(cut.left - (60 - CUT_COLUMNS) // 2) <= 1
    assert axis.column(14 * DAY + 7200) == 59


def test_a_short_idle_span_is_not():
    assert not any(p.cut for p in scale(7200, [(0, 3600)], 60).pieces)


def test_a_plan_that_only_waits_has_a_tick_at_its_start():
    assert labels(1e6, [(0, 1e6)]) == "12:40"


def test_many_cuts_leave_room_or_none_is_made():
    idle = [(n * DAY, n * DAY + 80_000) for n in range(8)]
    axis = scale(8 * DAY, idle, 60)
    assert axis.column(8 * DAY) == 59


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (18, "12:40:02 12:40:05 12:40:10 12:40:15"),
        (600, "12:40 12:42 12:44 12:46 12:48 12:50"),
        (6300, "12:40 13:00 13:15 13:30 13:45 14:00 14:15"),
        (12 * 3600, "12:40 14:00 16:00 18:00 20:00 22:00 00:00"),
        (5 * DAY, "10_Mar 12_Mar 13_Mar 14_Mar 15_Mar"),
        (60 * DAY, "10_Mar 25_Mar 08_Apr 22_Apr 06_May"),
    ],
)
def test_ticks_are_round(total, shown):
    assert labels(total, []) == shown


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu"])  # +05:30, +05:45
def test_ticks_are_local(zone):
    assert all(label.endswith((":00", ":30")) for label in labels(4 * 3600, [], zone=zone).split()[1:])


def test_days_are_those_of_the_calendar_when_clocks_change():
    start = datetime(2026, 3, 28, 11, 0, tzinfo=UTC).timestamp()  # summer time begins the day after
    axis = scale(6 * DAY, [], 57)
    for tick in ticks(axis, start, ZoneInfo("Europe/Berlin"))[1:]:
        seconds = tick.column / 56 * 6 * DAY
        local = datetime.fromtimestamp(start + seconds, ZoneInfo("Europe/Berlin"))
        assert abs((local.hour + 12) % 24 - 12) <= 3


def test_after_a_cut_the_day_is_told():
    shown = labels(14 * DAY + 7200, [(3600, 14 * DAY + 3600)])
    assert "24_Mar_13:40" in shown


@given(
    st.floats(1, 400 * DAY),
    st.lists(st.floats(0, 1), max_size=6),
    st.integers(20, 120),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]),
)
def test_any_axis_is_ordered_and_within_its_columns(total, edges, columns, zone):
    points = sorted(e * total for e in edges)
    idle = list(zip(points[::2], points[1::2], strict=False))
    axis = scale(total, idle, columns)
    seen = [axis.column(total * n / 50) for n in range(51)]
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert 0 <= seen[-1] <= columns - 1
    told = ticks(axis, NOW, ZoneInfo(zone))
    assert told
    for one, other in pairwise(told):
        assert one.column + len(one.label) < other.column
