"""pydantic's errors as findings: what is wrong in the plan's own words, at its place, and what would be right."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from dns_cutover.plan.finding import Finding
from dns_cutover.plan.models import Plan
from dns_cutover.plan.places import Document, Path
from dns_cutover.plan.types import shorten

_ITEMS = {
    "changes": "a change",
    "probes": "a probe",
    "confirm": "a confirmation",
    "stages": "a stage",
    "zones": "a zone",
    "resolvers": "a resolver",
}
# Where the message says it all, the next act.
_HINTS = {
    "DC106": "dns-cutover schema prints what each key takes",
    "DC120": "write from and to, or add and remove, or ttl alone",
}
_KINDS = {
    "string_type": "a text is needed here: put it in quotes",
    "tuple_type": "a list is needed here, such as [a, b]",
    "list_type": "a list is needed here, such as [a, b]",
    "dict_type": "a mapping of keys to values is needed here",
    "model_type": "a mapping of keys to values is needed here",
    "model_attributes_type": "a mapping of keys to values is needed here",
}


def real_path(doc: Document, loc: tuple[int | str, ...]) -> Path:
    """pydantic's location without the names of union branches; a missing key stays as the last part."""
    path: Path = ()
    for n, part in enumerate(loc):
        if part == "[key]":
            continue
        if doc.has((*path, part)) or (n == len(loc) - 1 and isinstance(part, str) and _is_key(path, doc, part)):
            path = (*path, part)
    return path


def _is_key(path: Path, doc: Document, part: str) -> bool:
    """Whether a last part is a key and not the name of a union's branch, where nothing of that name is there."""
    return any(part in _names_of(model) for model in _models_at(doc, path))


def about(doc: Document, path: Path) -> tuple[str, str]:
    """The stage and the record, probe or confirmation in which `path` lies; empty texts where there is none."""
    if path[:1] != ("stages",) or len(path) < 2:
        return "", ""
    stage = doc.value((*path[:2], "name"))
    item = doc.value(path[:4]) if len(path) >= 4 else None
    record = ""
    if isinstance(item, Mapping):
        match path[2]:
            case "changes":
                names = item.get("names")
                name = item.get("name") or (names[0] if isinstance(names, list) and names else "")
                record = f"{name} {item.get('type') or ''}".strip()
            case "probes":
                record = f"probe {item.get('name') or ''}".strip()
            case "confirm":
                record = f"confirmation {item.get('id') or ''}".strip()
    return str(stage or "")[:100], record[:100]


def suggestion(doc: Document, path: Path) -> str:
    """The key that an unknown key may have been meant to be; empty if none is near."""
    close = difflib.get_close_matches(str(path[-1])[:60], _keys_at(doc, path[:-1]), 1, 0.6) if path else []
    return close[0] if close else ""


def _keys_at(doc: Document, path: Path) -> list[str]:
    return sorted({n for model in _models_at(doc, path) for n in _names_of(model)})


def explain(doc: Document, file: str, path: Path, error: Any) -> Finding:
    """One finding for one error at `path`."""
    kind, last = error["type"], str(path[-1])[:60] if path else ""
    where, message, hint, check, why = doc.at(path), "", "", "DC106", ""
    match kind:
        case "extra_forbidden":
            check, where = "DC104", doc.key_at(path)
            message = f"unknown key {last}{_inside(path)}"
            meant = suggestion(doc, path)
            hint = f"did you mean {meant}?" if meant else f"known here: {', '.join(_keys_at(doc, path[:-1]))}"
            why = "Ignoring it would leave out something that its author wanted."
        case "missing":
            check, where = "DC105", doc.key_at(path[:-1])
            message, hint = f"the key {last} is missing{_inside(path)}", f"add {last}"
        case "value_error":
            # Values stay out of messages where they may be secrets: validators decide what they quote.
            text = str(error.get("ctx", {}).get("error", error["msg"]))
            message, _, hint = text.partition(": ")
            check = _check_of(message, path)
            if check == "DC119":
                hint = "write {env: NAME} or {file: PATH}, and change the secret: others may have read it"
                why = "A plan is shown to everybody who reviews it, and kept in version control."
        case "literal_error":
            message = f"{_shown(doc, path)} is no value of {last}"
            expected = str(error["ctx"]["expected"])
            words = [w.strip("'") for w in expected.replace(" or ", ", ").split(", ")]
            close = difflib.get_close_matches(str(doc.value(path))[:60], words, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            hint += f"write {expected}"
        case "union_tag_invalid":
            where = doc.at((*path, "type"))
            message = f"unknown type {shorten(str(error['ctx']['tag']))}{_inside((*path, 'type'))}"
            hint = f"known types: {error['ctx']['expected_tags']}"
        case "union_tag_not_found":
            check, where = "DC105", doc.key_at(path)
            message, hint = f"the key type is missing{_inside((*path, 'type'))}", "add type"
        case "string_pattern_mismatch":
            where = doc.key_at(path) if "[key]" in error["loc"] else where
            message = f"{_shown(doc, path)} has the wrong form" if "[key]" not in error["loc"] else f"the key {last}"
            hint = f"it must match {error['ctx']['pattern']}"
        case _:
            text = str(error["msg"])
            message = f"{last or 'the plan'}: {_KINDS.get(kind, text[:1].lower() + text[1:])}"
    stage, record = about(doc, path)
    hint = hint or _HINTS.get(check, "")
    return Finding(
        check, "error", message, hint, file, where.line, where.column, where.end_column, why, stage=stage, record=record
    )


def _check_of(message: str, path: Path) -> str:
    if message == "a secret must not stand in a plan":
        return "DC119"
    if len(path) == 4 and path[2] == "changes":
        return "DC120"
    return "DC122" if message.startswith("a window that never opens") else "DC106"


def _inside(path: Path) -> str:
    """ " in a probe", " in lookup", or nothing at the top."""
    inner = path[:-1]
    if not inner:
        return ""
    if len(inner) >= 2 and inner[-2] in _ITEMS:
        return f" in {_ITEMS[str(inner[-2])]}"
    names = [p for p in inner if isinstance(p, str)]
    return f" in {names[-1][:60]}"


def _shown(doc: Document, path: Path) -> str:
    value = doc.value(path)
    if "secret" in path or not isinstance(value, str | int | float | bool):
        return "the value"
    return shorten(value) if isinstance(value, str) else str(value)


def _models_at(doc: Document, path: Path) -> list[type[BaseModel]]:
    """The models of the plan's format that the value at `path` can be."""
    kinds: list[Any] = [Plan]
    for n, part in enumerate(path):
        inner: list[Any] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                fields = _names_of(kind)
                inner += [fields[part]] if part in fields else []
            elif get_origin(kind) is tuple and isinstance(part, int):
                inner.append(get_args(kind)[0])
            elif get_origin(kind) is dict:
                inner.append(get_args(kind)[1])
        kinds = _chosen([k for kind in inner for k in _branches(kind)], doc.value(path[: n + 1]))
    return [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]


def _branches(kind: Any) -> list[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        return _branches(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [b for arg in get_args(kind) for b in _branches(arg)]
    return [kind]


def _chosen(kinds: list[Any], value: Any) -> list[Any]:
    """Of several models the one whose `type` the value names."""
    tag = value.get("type") if isinstance(value, Mapping) else None
    fitting = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel) and tag in _tags(k)]
    return fitting or kinds


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    info = model.model_fields.get("type")
    return get_args(info.annotation) if info is not None and get_origin(info.annotation) is Literal else ()


@lru_cache(maxsize=64)
def _names_of(model: type[BaseModel]) -> dict[Any, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}
