"""Durations, clocks, escapes and marks: the small words of the visual language. Pure."""

from __future__ import annotations

import re
import shlex
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


# What is not seen, steers a terminal, or cannot be in XML: C0, DEL and C1; format characters, among them bidirectional
# and zero-width ones; line and paragraph separators; letters without a shape; lone surrogates; tags.
_HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0"
    r"\ufff9-\ufffb\ufffe\uffff\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    r"\U000e0100-\U000e01ef"
)
HIDDEN = re.compile(f"[{_HIDDEN}]")
_HIDDEN_OR_WIDE = re.compile(f"[{_HIDDEN}\x7f-\U0010ffff]")


def safe(text: str, *, ascii_only: bool = False) -> str:
    """Hostile text for a terminal or a log, of one line: characters of HIDDEN become visible escapes."""
    return (_HIDDEN_OR_WIDE if ascii_only else HIDDEN).sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0xA0 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shell_word(text: str) -> str:
    """A file's name as a command to be copied has it: whatever the name is, the shell runs nothing of it."""
    return shlex.quote(text)


def plural(n: int, word: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
