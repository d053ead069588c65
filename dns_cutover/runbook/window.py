"""Change windows: when a stage may start, in its own time zone, daylight saving included."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dns_cutover.runbook.model import Window


def window_opens(window: Window, now: float) -> float:
    """The earliest moment not before `now` (seconds UTC) at which the window is open; `now` itself if it is open.

    Raises ValueError if it does not open within eight days.
    """
    zone = ZoneInfo(window.timezone)
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    today = datetime.fromtimestamp(now, zone).date()
    # Yesterday's window may reach past midnight into today.
    for offset in range(-1, 9):
        day = today + timedelta(days=offset)
        if day.isoweekday() not in window.days:
            continue
        opens = datetime.combine(day, start, zone).astimezone(UTC).timestamp()
        last = day if end > start else day + timedelta(days=1)
        closes = datetime.combine(last, end, zone).astimezone(UTC).timestamp()
        if now < closes and opens < closes:
            return max(now, opens)
    raise ValueError("the window does not open within eight days")


def window_closes(window: Window, now: float) -> float:
    """When the window that is open at `now` closes (seconds UTC); `now` if it is not open."""
    zone = ZoneInfo(window.timezone)
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    today = datetime.fromtimestamp(now, zone).date()
    for offset in (-1, 0):
        day = today + timedelta(days=offset)
        last = day if end > start else day + timedelta(days=1)
        opens = datetime.combine(day, start, zone).astimezone(UTC).timestamp()
        closes = datetime.combine(last, end, zone).astimezone(UTC).timestamp()
        if day.isoweekday() in window.days and opens <= now < closes:
            return closes
    return now
