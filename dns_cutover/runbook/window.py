"""When a stage may start: windows in their own time zone, daylight saving included, and freezes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dns_cutover.runbook.model import Freeze, Runbook, Step, Window

DAYS_AHEAD = 16  # every weekday twice: on one of them the clock may jump over the window
AMPLE = 1e-3  # seconds by which sums of floats may be off


def clock_shows(day: date, at: time, zone: ZoneInfo) -> float:
    """The first moment (seconds UTC) at which a clock in `zone` shows `at` on `day`, or, where it jumps over that time,
    the moment of the jump.

    Daylight saving time: a local time that comes twice counts when it comes first.
    """
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment.timestamp()
    # It does not exist: by the old offset it lies behind the jump, by the new one before it.
    low, high = int(local.replace(fold=1).timestamp()), int(local.timestamp())
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return float(high)


def openings(window: Window, now: float) -> Iterator[tuple[float, float]]:
    """(opens, closes) in seconds UTC, in order, without end: the window that is open at `now` and all later ones.

    One whose clock jumps over all of it is left out. Without days there is none.
    """
    zone = ZoneInfo(window.timezone)
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    # Yesterday's window may reach past midnight into today.
    day = datetime.fromtimestamp(now, zone).date() - timedelta(days=1)
    while window.days:
        if day.isoweekday() in window.days:
            opens = clock_shows(day, start, zone)
            closes = clock_shows(day if end > start else day + timedelta(days=1), end, zone)
            if opens < closes and now < closes:
                yield opens, closes
        day += timedelta(days=1)


def longest(window: Window, now: float) -> float:
    """For how long the window is open at most (seconds), of those in the next days."""
    spans = [closes - opens for opens, closes in _soon(window, now)]
    return max(spans, default=0.0)


def _soon(window: Window, now: float) -> Iterator[tuple[float, float]]:
    for opens, closes in openings(window, now):
        if opens > now + DAYS_AHEAD * 86400.0:
            return
        yield opens, closes


def window_opens(window: Window, now: float, needs: float = 0.0) -> float:
    """The earliest moment not before `now` (seconds UTC) at which the window is open for `needs` seconds more.

    Raises ValueError if that is never.
    """
    for opens, closes in _soon(window, now):
        start = max(now, opens)
        if start + needs <= closes + AMPLE:
            return start
    raise ValueError("the window does not open" if not window.days else "the window is never open for so long")


def window_closes(window: Window, now: float) -> float:
    """When the window that is open at `now` closes (seconds UTC); `now` if it is not open."""
    found = next(openings(window, now), None)
    return found[1] if found is not None and found[0] <= now else now


def frozen(freezes: Sequence[Freeze], start: float, needs: float = 0.0) -> Freeze | None:
    """The first freeze that is on, or begins before `start` + `needs` (seconds UTC)."""
    return next((f for f in freezes if f.start < start + max(needs, AMPLE) - AMPLE / 2 and start < f.end), None)


def may_start(window: Window | None, freezes: Sequence[Freeze], needs: float, now: float) -> float:
    """The earliest moment not before `now` (seconds UTC) from which on a stage has `needs` seconds, in its window and
    outside every freeze. Raises ValueError if that is never.
    """
    start = now
    while True:
        start = window_opens(window, start, needs) if window is not None else start
        freeze = frozen(freezes, start, needs)
        if freeze is None:
            return start
        start = freeze.end  # later than every time before, and than this freeze: it does not come again


def step_starts(book: Runbook, step: Step, now: float) -> float:
    """When a window step lets its stage go on (seconds UTC): at once, or at a later moment.

    One with `lead` comes before the lowering of TTLs: then it is when to lower them so that the wait for the old TTL
    ends when the stage may start, not later, and no earlier than needed. Raises ValueError if the stage never may.
    """
    needs = book.stage(step.stage).needs
    if not step.lead:
        return may_start(step.window, book.freezes, needs, now)
    lower = now
    while True:
        lower = max(lower, may_start(step.window, book.freezes, needs, lower + step.lead) - step.lead)
        freeze = frozen(book.freezes, lower)
        if freeze is None:
            return lower
        lower = freeze.end  # as above: no freeze comes twice
