"""Durations as people read them: rounded to what matters, and a worst case never down."""

from __future__ import annotations

import pytest

from dns_cutover.timing.words import bound, duration

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (0, "0s"),
        (0.4, "0s"),
        (0.6, "1s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (60, "1m 00s"),
        (96, "1m 36s"),
        (HOUR - 1, "59m 59s"),
        (HOUR, "1h 00m"),
        (HOUR + 119, "1h 01m"),
        (25 * HOUR + 59 * 60, "25h 59m"),
        (2 * DAY - 1, "47h 59m"),
        (2 * DAY, "2 days"),
        (2.4 * DAY, "2 days"),
        (2.6 * DAY, "3 days"),
        (14 * DAY, "14 days"),
    ],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.1, "1s"),
        (60, "1m 00s"),
        (60.1, "1m 01s"),
        (HOUR - 0.5, "1h 00m"),
        (HOUR, "1h 00m"),
        (HOUR + 0.5, "1h 01m"),
        (HOUR + 1, "1h 01m"),
        (2 * DAY - 60, "47h 59m"),
        (2 * DAY, "48h 00m"),
        (2 * DAY + 1, "48h 01m"),
        (2 * DAY + HOUR + 60, "49h 01m"),
        (10 * DAY - 61, "239h 59m"),
        (10 * DAY, "10 days"),
        (10 * DAY + 1, "11 days"),
    ],
)
def test_a_bound_is_never_rounded_down(seconds: float, text: str) -> None:
    assert bound(seconds) == text
