"""Source lines that are shown beside findings must not show a secret that was written into the plan by mistake."""

from __future__ import annotations

import re
from typing import Any

from dns_cutover.plan.places import Document, Place

_SUSPICIOUS = re.compile(r"secret|passw|token|credential|authorization|cookie|api.?key|private.?key", re.IGNORECASE)
_HIDDEN = "•"


def shown_lines(doc: Document) -> tuple[str, ...]:
    """The document's lines with literal values of keys that look like secrets hidden; columns stay."""
    if not isinstance(doc.data, dict):
        return doc.lines
    spans: list[Place] = []
    for name in ("provider", "zones", "variables"):
        _collect(doc.data.get(name), _inner(doc.root, name), spans, name == "variables")
    _collect_notify(_inner(doc.root, "notify"), doc.data.get("notify"), spans)
    stages = _inner(doc.root, "stages")
    for stage in stages.children if stages is not None and isinstance(stages.children, list) else ():
        probes = _inner(stage, "probes")
        _collect_probes(probes, spans)
    lines = list(doc.lines)
    for place in sorted(spans, key=lambda p: (p.line, p.column), reverse=True):
        _hide(lines, place)
    return tuple(lines)


def _inner(place: Place, name: str) -> Place | None:
    found = place.children.get(name) if isinstance(place.children, dict) else None
    return found if isinstance(found, Place) else None


def _collect(data: Any, place: Place | None, spans: list[Place], flat: bool = False) -> None:
    if place is None or not isinstance(data, dict) or not isinstance(place.children, dict):
        return
    for key, value in data.items():
        inner = place.children.get(key)
        if inner is None:
            continue
        if _SUSPICIOUS.search(key) or (key == "key" and not flat):
            _literals(value, inner, spans, top=key == "key")
        elif isinstance(value, dict):
            _collect(value, inner, spans)


def _literals(value: Any, place: Place, spans: list[Place], *, top: bool) -> None:
    """All texts below a suspicious key, but for the names in {env: …}, {file: …} and the TSIG key's own fields."""
    if isinstance(value, dict):
        known = {"name", "algorithm"} if top else {"env", "file"}
        for key, inner in value.items():
            if key not in known and key in place.children:
                _literals(inner, place.children[key], spans, top=False)
    elif isinstance(value, list):
        for inner_place, inner in zip(place.children or (), value, strict=False):
            _literals(inner, inner_place, spans, top=False)
    elif value is not None:
        spans.append(place)


def _collect_notify(place: Place | None, data: Any, spans: list[Place]) -> None:
    """Webhooks' addresses are credentials as often as not; an address that a plan may hold is shown in its message."""
    places = place.children if place is not None and isinstance(place.children, list) else ()
    for item, inner in zip(data if isinstance(data, list) else (), places, strict=False):
        if isinstance(item, dict) and isinstance(inner.children, dict):
            for key in ("url", "secret", "routing_key"):
                if key in inner.children:
                    _literals(item.get(key), inner.children[key], spans, top=False)


def _collect_probes(place: Place | None, spans: list[Place]) -> None:
    for probe in place.children if place is not None and isinstance(place.children, list) else ():
        for name in probe.children if isinstance(probe.children, dict) else ():
            inner = probe.children[name]
            if name == "headers" and isinstance(inner.children, dict):
                spans.extend(p for k, p in inner.children.items() if _SUSPICIOUS.search(k))
            elif _SUSPICIOUS.search(name):
                spans.append(inner)


def _hide(lines: list[str], place: Place) -> None:
    first, last = place.line - 1, max(place.line, place.end_line) - 1
    if first >= len(lines):
        return
    if last == first:
        line = lines[first]
        # As wide as it was: what follows on the line keeps its column.
        width = place.end_column - place.column
        lines[first] = line[: place.column - 1] + _HIDDEN * width + line[place.end_column - 1 :]
        return
    lines[first] = lines[first][: place.column - 1] + _HIDDEN
    for n in range(first + 1, min(last + 1, len(lines))):
        lines[n] = _HIDDEN
