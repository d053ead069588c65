"""Durations as people read them. Pure."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """`36s`, `1m 36s`, `1h 01m`, `14 days`."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m {total % 60:02d}s"
    if total < 2 * 86400:
        return f"{total // 3600}h {total % 3600 // 60:02d}m"
    return f"{round(total / 86400)} days"


def bound(seconds: float) -> str:
    """A duration that is never rounded down: a worst case is no less than it says."""
    if seconds < 2 * 86400:
        return duration(math.ceil(seconds) if seconds < 3600 else math.ceil(seconds / 60) * 60)
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}h {minutes % 60:02d}m" if seconds < 10 * 86400 else f"{math.ceil(seconds / 86400)} days"
