"""Lines of styled text for a terminal, a log or Markdown: built once, without markup, since much of it is hostile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, TypeAlias

from dns_cutover.report.words import offset, safe, to_ascii, utc

if TYPE_CHECKING:
    from rich.text import Text

Part: TypeAlias = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """How things look. `zone` None: UTC as ISO 8601, for logs; else local time. `fold`: lines are folded to `width`."""

    width: int = 100
    ascii_only: bool = False
    zone: tzinfo | None = None
    fold: bool = False

    def safe(self, text: str) -> str:
        """Hostile text."""
        return safe(text, ascii_only=self.ascii_only)

    def day(self, ts: float) -> str:
        """`Tue 10 Mar 15:24`, or ISO 8601 in UTC."""
        return utc(ts) if self.zone is None else datetime.fromtimestamp(ts, self.zone).strftime("%a %d %b %H:%M")

    def time(self, ts: float, now: float, *, seconds: bool = False) -> str:
        """`15:24` on the day of `now`, `Wed 09:00` less than a day away, else `Tue 24 Mar 15:24`; UTC with Z."""
        when, today = (datetime.fromtimestamp(t, self.zone or UTC) for t in (ts, now))
        clock = "%H:%M:%S" if seconds else "%H:%M"
        day = "" if when.date() == today.date() else "%a " if abs(ts - now) < 86400 else "%a %d %b "
        return when.strftime(day + clock) + ("" if self.zone is not None else "Z")

    def full(self, ts: float) -> str:
        """`Tue 10 Mar 13:40:02 +01:00`, or ISO 8601 in UTC."""
        if self.zone is None:
            return utc(ts)
        return f"{datetime.fromtimestamp(ts, self.zone).strftime('%a %d %b %H:%M:%S')} {offset(ts, self.zone)}"


@dataclass(frozen=True, slots=True)
class Line:
    """Parts are texts or (text, style); hostile ones are safe already. When folded it goes on at column `hang`.

    `whole`: never folded, such as a command to copy.
    """

    parts: tuple[tuple[str, str], ...] = ()
    hang: int = 0
    whole: bool = False

    @property
    def plain(self) -> str:
        """Without styles, and without blanks at the end."""
        return "".join(text for text, _ in self.parts).rstrip()


def line(*parts: Part, hang: int = 0, whole: bool = False) -> Line:
    """A line of parts."""
    return Line(tuple((p, "") if isinstance(p, str) else p for p in parts), hang, whole)


def plain_text(lines: Iterable[Line], look: Look) -> str:
    """For a log or a file: nothing is folded or cut."""
    texts = (item.plain for item in lines)
    return "".join((to_ascii(t) if look.ascii_only else t) + "\n" for t in texts)


def rich_lines(lines: Iterable[Line], look: Look) -> Iterable[Text]:
    """For a terminal of `look.width` cells."""
    from rich.text import Text

    for item in lines:
        parts = item.parts
        if look.ascii_only:
            parts = tuple((to_ascii(text), style) for text, style in parts)
        text = Text.assemble(*parts)
        text.rstrip()
        if item.whole or not look.fold or text.cell_len <= look.width:
            yield text
        else:
            yield from _folded(text, look.width, min(item.hang, look.width - 12))


def _folded(text: Text, width: int, hang: int) -> Iterable[Text]:
    """The text in pieces of at most `width` cells, broken at blanks where there are any; later ones begin at `hang`."""
    from rich.text import Text

    cuts, at = [], 0
    plain, room = text.plain, width
    while at < len(plain):
        end = _fits(plain, at, room)
        if end < len(plain):
            blank = _break(plain, at, end)
            end = blank + 1 if blank > at and plain[at:blank].strip() else end
        cuts.append(end)
        at, room = end, width - hang
    for n, piece in enumerate(text.divide(cuts[:-1])):
        piece.rstrip()
        yield piece if n == 0 else Text.assemble(" " * hang, piece)


def _break(plain: str, at: int, end: int) -> int:
    """The last blank at which the line may end; not the one between a number and its unit. -1: there is none."""
    blank = plain.rfind(" ", at + 1, end + 1)
    while blank > at and plain[blank - 1].isdigit() and plain[blank + 1 : blank + 3].rstrip() == "s":
        blank = plain.rfind(" ", at + 1, blank)
    return blank


def _fits(plain: str, at: int, room: int) -> int:
    """The end of the longest piece from `at` on that has at most `room` cells; one character at least."""
    from rich.cells import cell_len

    used, end = 0, at
    while end < len(plain):
        used += cell_len(plain[end])
        if used > room:
            break
        end += 1
    return max(end, at + 1)
