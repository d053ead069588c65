"""YAML text as plain data with a position for every key and value. Safe: no tags, bounded size, depth and aliases.

The data is built from the parser's events: composing nodes recurses in C, where a few kilobytes of brackets end the
process. Scalars are those of the YAML 1.2 core schema (section 10.3.2): `no` and `12:30` are text, `0o14` is 12.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from dns_cutover.plan.finding import MAX_FINDINGS, Finding, Position
from dns_cutover.plan.places import Document, Path, Place

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 50
MAX_EVENTS = 500_000  # of the parser; a plan of 10,000 changes has 200,000
MAX_ALIASED = 50_000  # values that aliases may add

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # those of YAML 1.1, which the parser counts by
_YAML = "tag:yaml.org,2002:"
_TAGS = {
    yaml.ScalarEvent: frozenset(_YAML + t for t in ("str", "int", "float", "bool", "null")),
    yaml.SequenceStartEvent: frozenset({_YAML + "seq"}),
    yaml.MappingStartEvent: frozenset({_YAML + "map"}),
}
_INT = re.compile(r"[-+]?[0-9]{1,19}\Z")
_OCT = re.compile(r"0o[0-7]{1,21}\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_CONSTANTS = {"": None, "~": None} | dict.fromkeys(("null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)


class _Unusable(Exception):
    """The document cannot be used at all; the finding says why."""

    def __init__(self, check: str, message: str, hint: str, where: Position) -> None:
        super().__init__(message)
        self.finding = (check, message, hint, where)


def parse_yaml(raw: bytes, file: str) -> Document:
    """The document in `raw`; what is wrong with it is in its `findings`, and then `data` may be incomplete or None."""
    doc = Document(None, ())
    try:
        _check_size(raw)
        doc.lines = tuple(_LINE_BREAK.split(raw.decode("utf-8-sig", "replace")))
        doc.data = _Builder(doc, file, _events(_decode(raw))).document()
    except _Unusable as exc:
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


def _at(text: str, offset: int) -> Position:
    lines = _LINE_BREAK.split(text[:offset])
    return Position(len(lines), len(lines[-1]) + 1, len(lines[-1]) + 2)


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        hint = "a plan is at most 5 MiB; split it by zone"
        raise _Unusable("DC101", "the file is larger than 5 MiB", hint, Position(1, 1, 2))


def _decode(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        where = _at(exc.object[: exc.start].decode("utf-8", "replace"), exc.start)
        raise _Unusable("DC101", "the file is not UTF-8 text", "save it as UTF-8", where) from None
    if bad := _FORBIDDEN.search(text):
        message = f"the character U+{ord(bad.group()):04X} is not allowed in YAML"
        hint = "remove it, or write it as an escape in double quotes"
        raise _Unusable("DC101", message, hint, _at(text, bad.start()))
    return text


def _events(text: str) -> list[Any]:
    """All events of the only document. Bounded: stops as soon as a limit is passed."""
    out: list[Any] = []
    depth = documents = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            kind = type(event)
            if kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    message = "the file has more than one YAML document"
                    raise _Unusable("DC101", message, "keep one plan in each file", _span(event.start_mark))
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                depth += 1
                if depth > MAX_DEPTH:
                    message = f"the plan is nested more than {MAX_DEPTH} levels deep"
                    raise _Unusable("DC103", message, "a plan needs fewer than ten", _span(event.start_mark))
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                depth -= 1
            elif kind is not yaml.ScalarEvent and kind is not yaml.AliasEvent:
                continue
            if kind is not yaml.DocumentStartEvent:
                out.append(event)
            if len(out) > MAX_EVENTS:
                raise _Unusable("DC103", "the plan has too many values", "split it by zone", Position(1, 1, 2))
    except yaml.MarkedYAMLError as exc:
        raise _syntax(text, exc) from None
    except yaml.YAMLError:
        raise _Unusable("DC101", "not YAML: it cannot be read", "save it as UTF-8 text", Position(1, 1, 2)) from None
    if not out:
        hint = "dns-cutover init ZONE   writes a first plan"
        raise _Unusable("DC101", "the file is empty", hint, Position(1, 1, 2))
    return out


def _syntax(text: str, exc: yaml.MarkedYAMLError) -> _Unusable:
    mark = exc.problem_mark or exc.context_mark
    where = _span(mark) if mark else Position(1, 1, 2)
    problem = exc.problem or exc.context or "it cannot be read"
    hint = "check indentation, quotes and colons there; inside {…} a text with ${name} needs quotes"
    lines = _LINE_BREAK.split(text)
    line = lines[where.line - 1] if where.line <= len(lines) else ""
    if line[where.column - 1 : where.column] == "\t" and not line[: where.column - 1].strip():
        problem, hint = "a tab in the indentation", "indent with spaces"
    return _Unusable("DC101", f"not YAML: {problem}", hint, where)


def _span(start: Any, end: Any = None) -> Position:
    width = end.column - start.column if end is not None and end.line == start.line else 1
    return Position(start.line + 1, start.column + 1, start.column + 1 + max(width, 1))


@dataclass(slots=True)
class _Builder:
    doc: Document
    file: str
    events: list[Any]  # the stubs do not know that events of the parser have marks
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
        if type(event) is yaml.AliasEvent:
            return self._alias(event, depth)
        self.count += 1
        if self.aliased and self.count > len(self.events) + MAX_ALIASED:
            message = f"aliases expand to more than {MAX_ALIASED} values"
            raise _Unusable("DC103", message, "write the values out, or use fewer aliases", _span(event.start_mark))
        if event.anchor is not None and not self.aliased:
            self.anchors[event.anchor] = start
        mark, end = event.start_mark, event.end_mark
        line, column = mark.line + 1, mark.column + 1
        tag = event.tag
        if tag is not None and tag != "!" and tag not in _TAGS[type(event)]:
            message = f"the YAML tag {tag.removeprefix(_YAML)} is not allowed"
            self._find("DC103", message, "write plain text, lists and mappings", _span(mark, end))
            self._skip(start)
            return None, Place(line, column, column + 1)
        if type(event) is yaml.ScalarEvent:
            text = event.value
            plain = event.style in (None, "") if tag is None else tag not in ("!", _YAML + "str")
            data = scalar(text) if plain else text
            source = None if data is text else text
            if end.line == mark.line:
                return data, Place(line, column, max(end.column, column) + 1, source=source)
            return data, Place(line, column, column + 1, source=source, end_line=end.line + 1)
        if depth >= MAX_DEPTH:
            message = f"the plan is nested more than {MAX_DEPTH} levels deep"
            raise _Unusable("DC103", message, "a plan needs fewer than ten", _span(mark))
        self.open.add(start)
        out = self._sequence(depth) if type(event) is yaml.SequenceStartEvent else self._mapping(depth)
        self.open.discard(start)
        end = self.events[self.at - 1].end_mark
        if end.line == mark.line:
            return out[0], Place(line, column, end.column + 1, children=out[1])
        return out[0], Place(line, column, column + 1, children=out[1], end_line=end.line + 1)

    def _sequence(self, depth: int) -> tuple[list[Any], list[Place]]:
        data, places = [], []
        while type(self.events[self.at]) is not yaml.SequenceEndEvent:
            value, place = self._value(depth + 1)
            data.append(value)
            places.append(place)
        self.at += 1
        return data, places

    def _mapping(self, depth: int) -> tuple[dict[str, Any], dict[str, Place]]:
        data: dict[str, Any] = {}
        places: dict[str, Place] = {}
        while type(self.events[self.at]) is not yaml.MappingEndEvent:
            event = self.events[self.at]
            is_text = type(event) is yaml.ScalarEvent
            if not is_text:
                where = _span(event.start_mark, event.end_mark)
                self._find("DC103", "a key that is not text", "write keys as plain words", where)
                self._skip(self.at)
                self._skip(self.at)
                continue
            key = event.value
            self.at += 1
            start, end = event.start_mark, event.end_mark
            if key in data:
                where = _span(start, end)
                why = "One of the two would silently win."
                self._find("DC102", f"the key {key} is given twice", "keep one of the two", where, why)
                self._skip(self.at)
                continue
            data[key], place = self._value(depth + 1)
            width = end.column - start.column if end.line == start.line else 1
            place.key = (start.line + 1, start.column + 1, start.column + 1 + (width or 1))
            places[key] = place
        self.at += 1
        return data, places

    def _alias(self, event: Any, depth: int) -> tuple[Any, Place]:
        where = _span(event.start_mark, event.end_mark)
        place = Place(where.line, where.column, where.end_column)
        start = self.anchors.get(event.anchor)
        if start is None:
            close = difflib.get_close_matches(event.anchor, self.anchors, 1)
            hint = f"did you mean *{close[0]}?" if close else f"write &{event.anchor} before the value that it means"
            self._find("DC121", f"the alias *{event.anchor} has no anchor before it", hint, where)
            return None, place
        if start in self.open:
            self._find("DC103", f"the alias *{event.anchor} contains itself", "write the value out", where)
            return None, place
        back, self.at = self.at, start
        self.aliased += 1
        out = self._value(depth)
        self.aliased -= 1
        self.at = back
        return out

    def _skip(self, start: int) -> None:
        """Go behind the value that begins at event `start`."""
        depth, at = 0, start
        while True:
            kind = type(self.events[at])
            if kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
                depth += 1
            elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
                depth -= 1
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
