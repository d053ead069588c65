"""The part of a source line around a place, as wide as there is room. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from dns_cutover.report.findings import plain
from dns_cutover.report.words import safe

_BEHIND = 12  # cells of the line that are shown behind the place, if the line is longer than the room


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`shown` fits the room; the place begins `offset` cells into it and is `width` cells wide."""

    shown: str
    offset: int
    width: int


def visible(char: str, *, ascii_only: bool = False) -> str:
    """One character of a source line: a tab is a space, what has no width or moves the cursor is an escape."""
    if char == "\t":
        return " "
    shown = plain(char) if ascii_only else safe(char)
    return shown if cell_len(shown) else f"\\u{ord(char):04x}"


def excerpt(line: str, column: int, end_column: int, room: int, *, ascii_only: bool = False) -> Excerpt:
    """The line around columns `column` to `end_column` (from 1, the end exclusive), in `room` cells.

    The indentation is left out. A longer line is cut with an ellipsis on either side, and shows the place as far as
    possible. A place behind the end of the line is one cell wide.
    """
    first = max(0, min(column - 1, len(line)))
    last = max(first + 1, min(end_column - 1, len(line)))
    text = line if last <= len(line) else line + " "
    indent = len(text) - len(text.lstrip(" "))
    begin = indent if indent <= first else 0
    # No character is narrower than one cell: what lies further away than the room cannot be shown.
    low, high = max(begin, first - room), min(len(text), min(last, first + room) + room)
    shown = {n: visible(text[n], ascii_only=ascii_only) for n in range(low, high)}
    width = {n: cell_len(s) for n, s in shown.items()}
    if low == begin and high == len(text) and sum(width.values()) <= room:
        start, stop = low, high
        before = after = ""
    else:
        dots = "..." if ascii_only else "…"
        start, stop = _window(width, first, last, room - 2 * len(dots) - 2)
        if start > begin:  # no half words
            space = text.find(" ", start - 1, min(first, start + 2 * _BEHIND))
            start = space + 1 if space >= 0 else start
            start += len(text[start:first]) - len(text[start:first].lstrip(" "))
        before = f"{dots} " if start > begin else ""
        after = f" {dots}" if stop < len(text) else ""
    mark = min(last, stop)
    return Excerpt(
        before + "".join(shown[n] for n in range(start, stop)) + after,
        len(before) + sum(width[n] for n in range(start, first)),
        max(1, sum(width[n] for n in range(first, mark))),
    )


def _window(width: dict[int, int], first: int, last: int, room: int) -> tuple[int, int]:
    """Which characters to show: the place, a little of what follows, then as much as fits before it, then behind."""
    start, stop, used = first, first, 0
    while stop < last and stop in width and used + width[stop] <= room:
        used += width[stop]
        stop += 1
    goal = min(room, used + _BEHIND)
    while stop in width and stop >= last and used + width[stop] <= goal:
        used += width[stop]
        stop += 1
    while start - 1 in width and used + width[start - 1] <= room:
        start -= 1
        used += width[start]
    while stop in width and stop >= last and used + width[stop] <= room:
        used += width[stop]
        stop += 1
    return start, stop
