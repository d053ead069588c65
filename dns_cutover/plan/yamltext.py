"""YAML text as plain data with a position for every key and value. Safe: no tags, bounded size, depth and aliases.

Scalars are those of the YAML 1.2 core schema (section 10.3.2): `no` and `12:30` are text, `0o14` is 12.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

from dns_cutover.plan.finding import MAX_FINDINGS, Finding, Position
from dns_cutover.plan.places import Document, Path, Place
from dns_cutover.plan.yamlevents import (
    LINE_BREAK,
    MAX_BYTES,
    MAX_DEPTH,
    Event,
    Kind,
    Unusable,
    check_size,
    decode,
    events,
    too_deep,
)

MAX_ALIASED = 50_000  # values that aliases may add

_YAML = "tag:yaml.org,2002:"
_TAGS: dict[Kind, frozenset[str]] = {
    "scalar": frozenset(_YAML + t for t in ("str", "int", "float", "bool", "null")),
    "sequence": frozenset({_YAML + "seq"}),
    "mapping": frozenset({_YAML + "map"}),
}
_INT = re.compile(r"[-+]?[0-9]{1,19}\Z")
_OCT = re.compile(r"0o[0-7]{1,21}\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_CONSTANTS = {"": None, "~": None} | dict.fromkeys(("null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)


def parse_yaml(raw: bytes, file: str) -> Document:
    """The document in `raw`; what is wrong with it is in its `findings`, and then `data` may be incomplete or None."""
    doc = Document(None, ())
    try:
        check_size(raw)
        doc.lines = tuple(LINE_BREAK.split(raw.decode("utf-8-sig", "replace")))
        doc.data = _Builder(doc, file, events(decode(raw))).document()
    except Unusable as exc:
        check, message, hint, where = exc.finding
        doc.findings.append(_finding(file, check, message, hint, _within(doc.lines, where)))
    return doc


def _within(lines: tuple[str, ...], where: Position) -> Position:
    """The end of the last line that has text, where the parser points behind the end of the file."""
    if where.line < len(lines) or (where.line == len(lines) and where.column <= len(lines[-1])):
        return where
    number = max((n for n, line in enumerate(lines, 1) if line.strip()), default=1)
    column = len(lines[number - 1]) + 1 if lines else 1
    return Position(number, column, column + 1)


def _finding(file: str, check: str, message: str, hint: str, where: Position, why: str = "") -> Finding:
    return Finding(check, "error", message, hint, file, where.line, where.column, where.end_column, why)


@dataclass(slots=True)
class _Builder:
    doc: Document
    file: str
    events: list[Event]
    at: int = 0
    count: int = 0
    aliased: int = 0  # how many aliases enclose the value being built
    anchors: dict[str, int] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)  # events of collections that are not complete

    def document(self) -> Any:
        data, self.doc.root = self._value(0)
        return data

    def _value(self, depth: int) -> tuple[Any, Place]:
        """The value that begins at the next event, and where it stands."""
        start = self.at
        event = self.events[start]
        self.at += 1
        if event.kind == "alias":
            return self._alias(event, depth)
        self.count += 1
        if self.aliased and self.count > len(self.events) + MAX_ALIASED:
            message = f"aliases expand to more than {MAX_ALIASED} values"
            raise Unusable("DC103", message, "write the values out, or use fewer aliases", event.position)
        self._remember(event, start)
        tag, line, column = event.tag, event.line, event.column
        if tag is not None and tag != "!" and tag not in _TAGS[event.kind]:
            message = f"the YAML tag {tag.removeprefix(_YAML)} is not allowed"
            self._find("DC103", message, "write plain text, lists and mappings", event.position)
            self._skip(start)
            return None, Place(line, column, column + 1)
        if event.kind == "scalar":
            text = event.text
            plain = event.plain if tag is None else tag not in ("!", _YAML + "str")
            data = scalar(text) if plain else text
            source = None if data is text else text
            return data, Place(line, column, event.first_end, source=source, end_line=event.last_line)
        if depth >= MAX_DEPTH:
            raise too_deep(line, column)
        self.open.add(start)
        inner, places = self._sequence(depth) if event.kind == "sequence" else self._mapping(depth)
        self.open.discard(start)
        last = self.events[self.at - 1]
        end = max(last.end_column, column + 1) if last.end_line == line else column + 1
        return inner, Place(line, column, end, children=places, end_line=last.end_line)

    def _remember(self, event: Event, start: int) -> None:
        if event.anchor is not None and not self.aliased:
            self.anchors[event.anchor] = start

    def _sequence(self, depth: int) -> tuple[Any, Any]:
        data, places = [], []
        while self.events[self.at].kind != "end":
            value, place = self._value(depth + 1)
            data.append(value)
            places.append(place)
        self.at += 1
        return data, places

    def _mapping(self, depth: int) -> tuple[Any, Any]:
        data: dict[str, Any] = {}
        places: dict[str, Place] = {}
        while (event := self.events[self.at]).kind != "end":
            if event.kind != "scalar":
                self._find("DC103", "a key that is not text", "write keys as plain words", event.position)
                self._skip(self.at)
                self._skip(self.at)
                continue
            key = event.text
            self._remember(event, self.at)
            self.at += 1
            if key in data:
                why = "One of the two would silently win."
                self._find("DC102", f"the key {key} is given twice", "keep one of the two", event.position, why)
                self._skip(self.at)
                continue
            data[key], place = self._value(depth + 1)
            place.key = (event.line, event.column, event.first_end)
            places[key] = place
        self.at += 1
        return data, places

    def _alias(self, event: Event, depth: int) -> tuple[Any, Place]:
        name, where = event.anchor or "", event.position
        start = self.anchors.get(name)
        if start is not None and start not in self.open:
            back, self.at = self.at, start
            self.aliased += 1
            out = self._value(depth)
            self.aliased -= 1
            self.at = back
            return out
        if start is None:
            close = difflib.get_close_matches(name, self.anchors, 1)
            hint = f"did you mean *{close[0]}?" if close else f"write &{name} before the value that it means"
            self._find("DC121", f"the alias *{name} has no anchor before it", hint, where)
        else:
            self._find("DC103", f"the alias *{name} contains itself", "write the value out", where)
        return None, Place(where.line, where.column, where.end_column)

    def _skip(self, start: int) -> None:
        """Go behind the value that begins at event `start`."""
        depth, at = 0, start
        while True:
            kind = self.events[at].kind
            depth += 1 if kind in ("sequence", "mapping") else -1 if kind == "end" else 0
            at += 1
            if depth == 0:
                break
        self.at = at

    def _find(self, check: str, message: str, hint: str, where: Position, why: str = "") -> None:
        finding = _finding(self.file, check, message, hint, where, why)
        found = self.doc.findings
        if len(found) < MAX_FINDINGS and finding not in found[-50:]:  # an alias repeats what its anchor said
            self.doc.findings.append(finding)


def scalar(text: str) -> Any:
    """A plain YAML 1.2 core scalar; numbers too long for a machine's stay text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.match(text):
        return int(text)
    if _OCT.match(text):
        return int(text[2:], 8)
    if _HEX.match(text):
        return int(text[2:], 16)
    if _FLOAT.match(text):
        return float(text)
    return text


__all__ = ["MAX_BYTES", "MAX_DEPTH", "Document", "Path", "parse_yaml", "scalar"]
