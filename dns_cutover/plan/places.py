"""Where every key and value of a document stands, as a tree beside the data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from dns_cutover.plan.finding import Finding, Position

Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class Place:
    """One value's place: line and columns as in `Position`. `source` is a scalar's text where the data is no text."""

    line: int
    column: int
    end_column: int
    key: tuple[int, int, int] | None = None
    children: Any = None  # dict[str, Place] | list[Place] | None
    source: str | None = None
    end_line: int = 0  # 0: the same line


@dataclass(slots=True)
class Document:
    """Data of one YAML document with the positions of its values and keys by path, and what is wrong with its form."""

    data: Any
    lines: tuple[str, ...]
    root: Place = field(default_factory=lambda: Place(1, 1, 2))
    findings: list[Finding] = field(default_factory=list)

    def place(self, path: Path) -> Place | None:
        """The place of the value at `path`, None if there is none."""
        here = self.root
        for part in path:
            inner = _child(here.children, part)
            if inner is None:
                return None
            here = inner
        return here

    def has(self, path: Path) -> bool:
        """Whether there is a value at `path`."""
        return self.place(path) is not None

    def at(self, path: Path) -> Position:
        """The value's position; that of the nearest enclosing value if there is none at `path`."""
        here = self.root
        for part in path:
            inner = _child(here.children, part)
            if inner is None:
                break
            here = inner
        return Position(here.line, here.column, here.end_column)

    def key_at(self, path: Path) -> Position:
        """The key's position, or the value's where there is no key (list items)."""
        place = self.place(path)
        return Position(*place.key) if place is not None and place.key is not None else self.at(path)

    def value(self, path: Path) -> Any:
        """The value at `path`, None if there is none."""
        here = self.data
        for part in path:
            here = _child(here, part)
        return here

    def without(self, data: Any, paths: Collection[Path]) -> tuple[Any, Document]:
        """`data` (of this document's shape) and its places with the values at `paths` left out; shares the rest."""
        tree = _tree(paths)
        root = _prune_places(self.root, tree)
        return _prune(data, tree), Document(self.data, self.lines, root)


def _child(container: Any, part: str | int) -> Any:
    if isinstance(container, dict):
        return container.get(part)
    if isinstance(container, list) and isinstance(part, int) and 0 <= part < len(container):
        return container[part]
    return None


def _tree(paths: Collection[Path]) -> dict[Any, Any]:
    """Nested by path; an empty mapping means that the value goes."""
    root: dict[Any, Any] = {}
    for path in sorted(paths, key=len):
        here = root
        for n, part in enumerate(path):
            last = n == len(path) - 1
            if part in here and not here[part]:
                break  # an enclosing value goes already
            here = here.setdefault(part, {})
            if last:
                here.clear()
    return root


def _prune(data: Any, tree: dict[Any, Any]) -> Any:
    if isinstance(data, dict):
        return {k: _prune(v, tree[k]) if k in tree else v for k, v in data.items() if k not in tree or tree[k]}
    if isinstance(data, list):
        return [_prune(v, tree[n]) if n in tree else v for n, v in enumerate(data) if n not in tree or tree[n]]
    return data


def _prune_places(place: Place, tree: dict[Any, Any]) -> Place:
    if isinstance(place.children, dict):
        kept: Any = {
            k: _prune_places(v, tree[k]) if k in tree else v
            for k, v in place.children.items()
            if k not in tree or tree[k]
        }
    elif isinstance(place.children, list):
        kept = [
            _prune_places(v, tree[n]) if n in tree else v
            for n, v in enumerate(place.children)
            if n not in tree or tree[n]
        ]
    else:
        return place
    return replace(place, children=kept)
