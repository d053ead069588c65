"""The time axis of a picture: seconds to columns, long idle spans cut short, ticks at round local times. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

CUT_FROM = 20.0  # an idle span is cut when it is this many times as long as everything that is not cut
CUT_COLUMNS = 9
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 3, 7, 14, 28, 56, 91, 182, 364)),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Seconds [start, end] are columns [left, right]; `cut`: not to scale."""

    start: float
    end: float
    left: int
    right: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A label that begins at its column; the tick itself is there, too."""

    column: int
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Pieces that follow one another; columns from 0 to `columns` - 1."""

    pieces: tuple[Piece, ...]
    columns: int

    def column(self, seconds: float) -> int:
        """The column of a moment, within the picture."""
        piece = next((p for p in self.pieces if seconds <= p.end), self.pieces[-1])
        share = (seconds - piece.start) / (piece.end - piece.start) if piece.end > piece.start else 0.0
        at = piece.left + int(min(1.0, max(0.0, share)) * (piece.right - piece.left))
        return min(self.columns - 1, at)


def scale(total: float, idle: Iterable[tuple[float, float]], columns: int) -> Scale:
    """The axis for `total` seconds. `idle` spans, in order and apart, are those that may be cut."""
    spans = [(a, b) for a, b in idle if b > a]
    busy = max(total - sum(b - a for a, b in spans), total / 1000, 1.0)
    width = CUT_COLUMNS if columns >= 50 else CUT_COLUMNS // 2
    long = sorted((s for s in spans if s[1] - s[0] > CUT_FROM * busy), key=lambda s: s[0] - s[1])
    cut = sorted(long[: columns // 2 // width])  # the longest; half of the picture is to scale
    real = max(total - sum(b - a for a, b in cut), 1.0)
    room = columns - 1 - len(cut) * width
    pieces: list[Piece] = []
    at, left, passed = 0.0, 0, 0.0
    edges = [*cut, (total, total)]
    for n, (begin, end) in enumerate(edges):
        passed += begin - at
        right = round(passed / real * room) + n * width
        pieces.append(Piece(at, begin, left, right))
        if end > begin:
            pieces.append(Piece(begin, end, right, right + width, cut=True))
        at, left = end, right + (width if end > begin else 0)
    return Scale(tuple(pieces), columns)


def ticks(axis: Scale, now: float, zone: tzinfo | None) -> tuple[Tick, ...]:
    """Ticks at round local times (UTC where `zone` is None), one at the start where it does not crowd the next."""
    zone = zone or UTC
    real = [p for p in axis.pieces if not p.cut and p.end > p.start]
    out: list[Tick] = []
    if not real:
        return (Tick(0, _label(now, zone, _MINUTE)),)
    longest = max(real, key=lambda p: p.right - p.left)
    per_column = (longest.end - longest.start) / max(1, longest.right - longest.left)
    days = len({datetime.fromtimestamp(now + s, zone).date() for p in real for s in (p.start, p.end)}) > 1
    step = next((s for s in STEPS if s / per_column >= len(_label(now, zone, s)) + 2), STEPS[-1])
    for piece in real:
        _begin(out, piece, now, zone, step, days=days)
        when = _round_up(now + piece.start, step, zone)
        while when <= now + piece.end:
            _add(out, axis.column(when - now), _label(when, zone, step))
            when = _next(when, step, zone)
    return tuple(t for t in out if t.column + len(t.label) <= axis.columns + 4)


def _begin(out: list[Tick], piece: Piece, now: float, zone: tzinfo, step: int, *, days: bool) -> None:
    """A tick where the piece begins; after a cut with its day, where there is room for it."""
    wide = _label(now + piece.start, zone, _DAY + 1 if days and step < _DAY else step)
    short = _label(now + piece.start, zone, step)
    fits = piece.left > 0 and len(wide) <= max(piece.right - piece.left, 6)
    _add(out, piece.left, wide if fits else short)


def _add(out: list[Tick], column: int, label: str) -> None:
    """Unless it would crowd the one before."""
    if not out or column > out[-1].column + len(out[-1].label):
        out.append(Tick(column, label))


def _label(when: float, zone: tzinfo, step: int) -> str:
    text = "%H:%M:%S" if step < _MINUTE else "%H:%M" if step < _DAY else "%d %b" if step % _DAY == 0 else "%d %b %H:%M"
    return datetime.fromtimestamp(when, zone).strftime(text)


def _round_up(when: float, step: int, zone: tzinfo) -> float:
    """The first round local time from `when` on: a multiple of the step within its day, or a midnight."""
    local = datetime.fromtimestamp(when, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if step >= _DAY:
        return when if local == midnight else (midnight + timedelta(days=1)).timestamp()
    passed = (local.replace(tzinfo=None) - midnight.replace(tzinfo=None)).total_seconds()
    whole = -(-passed // step) * step
    return (midnight + timedelta(seconds=whole)).timestamp()


def _next(when: float, step: int, zone: tzinfo) -> float:
    """The next round time; days are those of the calendar, whatever their length."""
    if step < _DAY:
        return when + step
    return (datetime.fromtimestamp(when, zone) + timedelta(days=step // _DAY)).timestamp()
