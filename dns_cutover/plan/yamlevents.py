"""The parser's events of one YAML document, bounded in size and depth, as small values.

Composing nodes would recurse in C, where a few kilobytes of brackets end the process; and the parser's own event
objects are many and large enough that collecting garbage among them would take longer than parsing.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple, TypeAlias

import yaml

from dns_cutover.plan.finding import Position

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 50
MAX_EVENTS = 500_000  # a plan of 10,000 changes has 200,000

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # those of YAML 1.1, which the parser counts by
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Kind: TypeAlias = Literal["scalar", "sequence", "mapping", "end", "alias"]
_KINDS: dict[type[yaml.Event], Kind] = {
    yaml.ScalarEvent: "scalar",
    yaml.SequenceStartEvent: "sequence",
    yaml.MappingStartEvent: "mapping",
    yaml.SequenceEndEvent: "end",
    yaml.MappingEndEvent: "end",
    yaml.AliasEvent: "alias",
}


class Event(NamedTuple):
    """One event. `text` is a scalar's; lines and columns count from 1, the end is exclusive."""

    kind: Kind
    text: str
    plain: bool
    tag: str | None
    anchor: str | None
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def position(self) -> Position:
        """Where it stands, on its first line."""
        return Position(self.line, self.column, self.first_end)

    @property
    def first_end(self) -> int:
        """The end column on the first line; one column where it goes on below."""
        return max(self.end_column, self.column + 1) if self.end_line == self.line else self.column + 1

    @property
    def last_line(self) -> int:
        """The last line with something of it: block scalars end where the next line begins."""
        return self.end_line - 1 if self.end_column == 1 and self.end_line > self.line else self.end_line


class Unusable(Exception):
    """The document cannot be used at all; the finding says why: id, message, hint, place."""

    def __init__(self, check: str, message: str, hint: str, where: Position) -> None:
        super().__init__(message)
        self.finding = (check, message, hint, where)


def check_size(raw: bytes) -> None:
    """Raises Unusable."""
    if len(raw) > MAX_BYTES:
        hint = "a plan is at most 5 MiB; split it by zone"
        raise Unusable("DC101", "the file is larger than 5 MiB", hint, Position(1, 1, 2))


def decode(raw: bytes) -> str:
    """UTF-8, with or without a byte order mark, of characters that YAML allows. Raises Unusable."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = exc.object[: exc.start].decode("utf-8", "replace")
        raise Unusable("DC101", "the file is not UTF-8 text", "save it as UTF-8", _behind(before)) from None
    if bad := _FORBIDDEN.search(text):
        message = f"the character U+{ord(bad.group()):04X} is not allowed in YAML"
        hint = "remove it, or write it as an escape in double quotes"
        raise Unusable("DC101", message, hint, _behind(text[: bad.start()]))
    return text


def _behind(text: str) -> Position:
    lines = LINE_BREAK.split(text)
    return Position(len(lines), len(lines[-1]) + 1, len(lines[-1]) + 2)


def events(text: str) -> list[Event]:
    """All events of the only document. Stops as soon as a limit is passed. Raises Unusable."""
    out: list[Event] = []
    try:
        _collect(text, out)
    except yaml.MarkedYAMLError as exc:
        if "nesting depth" in str(exc.problem) and exc.problem_mark is not None:
            # libyaml 0.2.6 has a limit of its own and sees it before it gives the first event.
            raise too_deep(exc.problem_mark.line + 1, exc.problem_mark.column + 1) from None
        raise _syntax(text, exc) from None
    except yaml.YAMLError:
        raise Unusable("DC101", "not YAML: it cannot be read", "save it as UTF-8 text", Position(1, 1, 2)) from None
    if not out:
        hint = "plans/ has examples; dns-cutover schema lists all keys"
        raise Unusable("DC101", "the file is empty", hint, Position(1, 1, 2))
    return out


def _collect(text: str, out: list[Event]) -> None:
    depth = documents = 0
    new = tuple.__new__  # a third of the time that Event(…) takes, hundreds of thousands of times
    stream: Any = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for event in stream:
        kind = _KINDS.get(type(event))
        start, end = event.start_mark, event.end_mark
        if kind is None:
            documents += type(event) is yaml.DocumentStartEvent
            if documents > 1:
                where = Position(start.line + 1, start.column + 1, start.column + 2)
                raise Unusable("DC101", "the file has more than one YAML document", "keep one plan in each file", where)
            continue
        scalar = kind == "scalar"
        made = new(
            Event,
            (
                kind,
                event.value if scalar else "",
                scalar and event.style in (None, ""),
                None if kind in ("end", "alias") else event.tag,
                None if kind == "end" else event.anchor,
                start.line + 1,
                start.column + 1,
                end.line + 1,
                end.column + 1,
            ),
        )
        out.append(made)
        depth += 1 if kind in ("sequence", "mapping") else -1 if kind == "end" else 0
        if depth > MAX_DEPTH:
            raise too_deep(made.line, made.column)
        if len(out) > MAX_EVENTS:
            raise Unusable("DC103", "the plan has too many values", "split it by zone", Position(1, 1, 2))


def too_deep(line: int, column: int) -> Unusable:
    """The finding about nesting."""
    where = Position(line, column, column + 1)
    return Unusable(
        "DC103", f"the plan is nested more than {MAX_DEPTH} levels deep", "a plan needs fewer than ten", where
    )


def _syntax(text: str, exc: yaml.MarkedYAMLError) -> Unusable:
    mark = exc.problem_mark or exc.context_mark
    where = Position(mark.line + 1, mark.column + 1, mark.column + 2) if mark else Position(1, 1, 2)
    problem = exc.problem or exc.context or "it cannot be read"
    hint = "check indentation, quotes and colons there; inside {…} a text with ${name} needs quotes"
    lines = LINE_BREAK.split(text)
    line = lines[where.line - 1] if where.line <= len(lines) else ""
    if line[where.column - 1 : where.column] == "\t" and not line[: where.column - 1].strip():
        problem, hint = "a tab in the indentation", "indent with spaces"
    elif line[where.column - 1 : where.column] == "@":
        problem, hint = "a text cannot begin with @", 'put it in quotes: "@"'
    return Unusable("DC101", f"not YAML: {problem}", hint, where)
