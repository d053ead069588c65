"""Durations, clocks, escapes and marks: the small words of the visual language. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timezone, tzinfo

from dns_cutover.timing.words import bound as bound
from dns_cutover.timing.words import duration as duration

# Mark in UTF-8 and in ASCII (DESIGN's MOCKUPS: each one cell, each one meaning).
MARKS = {
    "proved": ("✓", "v"),
    "now": ("▸", ">"),
    "later": ("·", "."),
    "mind": ("!", "!"),
    "failed": ("✗", "x"),
    "undone": ("↶", "<"),
    "old": ("○", "o"),
    "warm": ("●", "@"),
    "error": ("?", "?"),
    "left": ("━", "="),
    "track": ("─", "-"),
    "one": ("■", "#"),
    "none": ("–", "-"),
    "wait": ("░", "."),
    "both": ("▓", "%"),
    "moment": ("◆", "*"),
    "tick": ("┬", "+"),
    "cut": ("┄", "~"),
}
# What is not a mark, but not ASCII either.
_PUNCTUATION = {"→": "->", "…": "...", "“": '"', "”": '"', "·": "-", "│": "|"}
_TO_ASCII = str.maketrans({**{utf: plain for utf, plain in MARKS.values() if utf != "·"}, **_PUNCTUATION})


def mark(name: str, *, ascii_only: bool) -> str:
    """The symbol with that meaning."""
    return MARKS[name][1 if ascii_only else 0]


def brief(seconds: float) -> str:
    """A duration without zeroes at its end: `5m`, `1h`, `1h 01m`."""
    return trimmed(duration(seconds))


def trimmed(text: str) -> str:
    """A duration in words without zeroes at its end."""
    return text.removesuffix(" 00s").removesuffix(" 00m")


def to_ascii(text: str) -> str:
    """Our own words without marks and punctuation that ASCII does not have. Hostile text goes through `safe`."""
    return text.translate(_TO_ASCII)


def utc(ts: float) -> str:
    """ISO 8601 in UTC with Z, whole seconds."""
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_zone() -> tzinfo:
    """The machine's time zone."""
    return datetime.now().astimezone().tzinfo or timezone.utc  # noqa: UP017 - a tzinfo either way


def clock(ts: float, now: float, zone: tzinfo) -> str:
    """`HH:MM:SS` when less than a day away, else `Thu 12 Mar 09:00`."""
    when = datetime.fromtimestamp(ts, zone)
    return when.strftime("%H:%M:%S") if abs(ts - now) < 86400 else when.strftime("%a %d %b %H:%M")


def offset(ts: float, zone: tzinfo) -> str:
    """`+01:00`."""
    text = datetime.fromtimestamp(ts, zone).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def safe(text: str, *, ascii_only: bool = False) -> str:
    """Hostile text for a terminal or a log: control and format characters become visible escapes.

    Covers C0, C1, DEL, bidirectional and zero-width controls, line and paragraph separators, lone surrogates, and what
    XML cannot hold.
    """
    return "".join(_visible(c, ascii_only) for c in text)


_HIDDEN = frozenset(
    [
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        0xFFFE,
        0xFFFF,
        0x061C,
        0xAD,
        *range(0xE0000, 0xE0080),
    ]
)


def _visible(char: str, ascii_only: bool) -> str:
    code = ord(char)
    if code < 0x20 or 0x7F <= code < 0xA0:
        return f"\\x{code:02x}"
    if code in _HIDDEN or 0xD800 <= code < 0xE000 or (ascii_only and code > 0x7E):
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return char


def plural(n: int, word: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
