"""Durations as people read them. Pure."""

from __future__ import annotations


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
