"""YAML text as plain data with a position for every key and value. Safe: no tags, bounded size, depth and aliases.

Scalars are those of the YAML 1.2 core schema (section 10.3.2): `no` and `12:30` are text, `0o14` is 12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from dns_cutover.plan.finding import Finding, Position

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 50
MAX_NODES = 500_000

Path: TypeAlias = tuple[str | int, ...]
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{t}" for t in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
)
_IMPLICIT = frozenset({"tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"})
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCT = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


class TooMuch(Exception):
    """The document is deeper or larger than a plan may be."""


@dataclass(slots=True)
class Document:
    """Data of one YAML document with the positions of its values and keys by path."""

    data: Any
    lines: tuple[str, ...]
    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def at(self, path: Path) -> Position:
        """The value's position; that of the nearest enclosing value if there is none at `path`."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Position(1, 1, 2))

    def key_at(self, path: Path) -> Position:
        """The key's position, or the value's where there is no key (list items)."""
        return self.keys.get(path) or self.at(path)


def _finding(file: str, check: str, message: str, hint: str, position: Position, why: str = "") -> Finding:
    return Finding(check, "error", message, hint, file, position.line, position.column, position.end_column, why)


def parse_yaml(raw: bytes, file: str) -> Document:
    """The document in `raw`; what is wrong with it is in its `findings`, and then `data` may be incomplete."""
    first = Position(1, 1, 2)
    doc = Document(None, ())
    if len(raw) > MAX_BYTES:
        hint = "a plan is at most 5 MiB; split it by zone"
        doc.findings.append(_finding(file, "DC101", f"the file has {len(raw)} bytes", hint, first))
        return doc
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        column = exc.start - (raw.rfind(b"\n", 0, exc.start) + 1) + 1
        where = Position(line, column, column + 1)
        doc.findings.append(_finding(file, "DC101", "the file is not UTF-8 text", "save it as UTF-8", where))
        return doc
    doc.lines = tuple(text.splitlines())
    try:
        nodes = list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = Position(mark.line + 1, mark.column + 1, mark.column + 2) if mark else first
        message = f"not YAML: {exc.problem or exc.context or 'it cannot be read'}"
        hint = "check indentation, quotes and colons there; inside {…} a text with ${name} needs quotes"
        doc.findings.append(_finding(file, "DC101", message, hint, where))
        return doc
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        line, column = _reader_position(text, exc)
        message = (
            "not YAML: a character that YAML does not allow" if isinstance(exc, yaml.reader.ReaderError) else "not YAML"
        )
        where = Position(line, column, column + 1)
        doc.findings.append(_finding(file, "DC101", message, "remove control characters and deep nesting", where))
        return doc
    if len(nodes) != 1 or nodes[0] is None:
        message = "the file is empty" if not nodes or nodes[0] is None else "the file has several YAML documents"
        doc.findings.append(
            _finding(file, "DC101", message, "a plan is one YAML document: dns-cutover init ZONE", first)
        )
        return doc
    builder = _Builder(doc, file)
    try:
        doc.data = builder.build(nodes[0], (), ())
    except TooMuch as exc:
        doc.findings.append(
            _finding(file, "DC103", str(exc), "plans are at most 50 levels deep and expand no alias bombs", first)
        )
        doc.data = None
    return doc


def _reader_position(text: str, exc: Exception) -> tuple[int, int]:
    at = getattr(exc, "position", 0)
    offset = at if isinstance(at, int) and 0 <= at <= len(text) else 0
    return text[:offset].count("\n") + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


@dataclass(slots=True)
class _Builder:
    doc: Document
    file: str
    count: int = 0

    def build(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:
        self.count += 1
        if self.count > MAX_NODES:
            raise TooMuch("the plan expands to more than 500,000 values")
        if len(above) > MAX_DEPTH:
            raise TooMuch("the plan is nested more than 50 levels deep")
        if id(node) in above:
            raise TooMuch("an alias contains itself")
        self.doc.values[path] = _position(node)
        if node.tag not in _CORE_TAGS and not (node.tag in _IMPLICIT and isinstance(node, yaml.ScalarNode)):
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            self._find(
                "DC103", f"the YAML tag {tag} is not allowed", "write plain text, lists and mappings", _position(node)
            )
            return None
        inner = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inner)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, n), inner) for n, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return scalar(node.value, plain=node.style in (None, ""))

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[int, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = _position(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._find("DC103", "a key that is not text", "write keys as plain words", where)
                continue
            key = str(key_node.value)
            if key in out:
                self._find(
                    "DC102", f"the key {key} is given twice", "keep one of the two", where, "One would silently win."
                )
                continue
            self.doc.keys[(*path, key)] = where
            out[key] = self.build(value_node, (*path, key), above)
        return out

    def _find(self, check: str, message: str, hint: str, where: Position, why: str = "") -> None:
        self.doc.findings.append(_finding(self.file, check, message, hint, where, why))


def _position(node: yaml.Node) -> Position:
    start, end = node.start_mark, node.end_mark
    last = end.column if end.line == start.line and end.column > start.column else start.column + 1
    return Position(start.line + 1, start.column + 1, last + 1)


def scalar(text: str, *, plain: bool) -> Any:
    """A YAML 1.2 core scalar."""
    if not plain:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INT.match(text):
        return int(text) if len(text) < 20 else text
    if _OCT.match(text):
        return int(text[2:], 8) if len(text) < 24 else text
    if _HEX.match(text):
        return int(text[2:], 16) if len(text) < 20 else text
    if _FLOAT.match(text):
        return float(text)
    return text
