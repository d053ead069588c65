"""The reference page of the plan's keys, from the JSON Schema. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_HEAD = """\
# The plan file

<!-- Made by `dns-cutover schema --format markdown`; `make reference` makes it anew. -->

Every key of a plan, from the same models that read it. `dns-cutover schema` prints them as a JSON Schema, which is also
in `plans/plan.schema.json`; an editor with a YAML language server then completes and checks while you type. Unknown
keys are errors.

- A *duration* is a number with a unit: `90s`, `15m`, `48h`, `2d`. A *TTL* is a bare number of seconds, or a duration. A
  *share* is written as `95%`.
- RDATA is written as in zone files. TXT is given as the text; it is split and quoted for you.
- A name without a final dot is relative to the zone, and `@` is the zone itself.
- `${name}` is replaced by a variable anywhere in a text; `$${` is the text `${`.
"""


def plan_page(schema: dict[str, Any]) -> str:
    """A section for each kind of mapping in a plan, headed by the place where it is written first."""
    sections = list(_walk(schema))
    links = {name: _link(heading, model) for name, heading, model in sections if name}
    parts = [_HEAD]
    for name, heading, model in sections:
        parts.append(f"## {heading} {{#{_anchor(heading)}}}\n" if name else "## At the top\n")
        if name and model.get("description"):
            parts.append(f"{model['description']}\n")
        parts.append(_table(model, links, schema["$defs"]))
    return "\n".join(parts)


def _walk(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The plan, then every model in the order in which a reader meets it: name, heading, schema."""
    yield "", "", schema
    queue = list(_references(schema, ""))
    seen: set[str] = set()
    while queue:
        name, path = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        model = schema["$defs"][name]
        kind = model["properties"].get("type", {}).get("const")
        yield name, f"`{path}`" + (f", type {kind}" if kind else _kind(model)), model
        # What is inside is told next, before the plan's next key.
        queue = [*_references(model, path), *queue]


def _kind(model: dict[str, Any]) -> str:
    """What tells two models at one place apart where no `type` does: their required keys."""
    return {"PresetResolver": ", a preset", "NamedResolver": ", by address"}.get(model["title"], "")


def _references(model: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for key, field in model["properties"].items():
        yield from _refs(field, f"{path}.{key}" if path else key)


def _refs(field: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2], path
    for word in ("anyOf", "oneOf"):
        for each in field.get(word, ()):
            yield from _refs(each, path)
    if "items" in field:
        yield from _refs(field["items"], f"{path}[]")
    for each in field.get("patternProperties", {}).values():
        yield from _refs(each, f"{path}.NAME")


def _anchor(heading: str) -> str:
    words = "".join(c if c.isalnum() else "-" for c in heading.lower())
    return "-".join(w for w in words.split("-") if w)


def _link(heading: str, model: dict[str, Any]) -> str:
    told = model["properties"].get("type", {}).get("const")
    words = f"`{told}`" if told else _kind(model).removeprefix(", ") or "a mapping"
    return f"[{words}](#{_anchor(heading)})"


def _table(model: dict[str, Any], links: dict[str, str], defs: dict[str, Any]) -> str:
    rows = ["| key | what it says | written as | default |", "|---|---|---|---|"]
    for key, field in model["properties"].items():
        default = "*required*" if key in model.get("required", ()) else _default(field)
        inner = defs.get(field.get("$ref", "").rpartition("/")[2], {})
        what = str(field.get("description") or inner.get("description", "")).replace("|", "\\|")
        rows.append(f"| `{key}` | {what} | {_kinds(field, links)} | {default} |")
    return "\n".join(rows) + "\n"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", []):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kinds(field: dict[str, Any], links: dict[str, str]) -> str:
    return " or ".join(dict.fromkeys(_kind_of(field, links)))


def _kind_of(field: dict[str, Any], links: dict[str, str]) -> Iterator[str]:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        yield links[name]
    elif "const" in field:
        yield f"`{field['const']}`"
    elif "enum" in field:
        yield ", ".join(f"`{e}`" for e in field["enum"])
    elif "anyOf" in field or "oneOf" in field:
        several = field.get("anyOf", []) + field.get("oneOf", [])
        for each in several:
            yield from _kind_of(each, links)
    elif field.get("type") == "array":
        yield f"a list of {_kinds(field['items'], links)}" if "items" in field else "a list"
    elif "patternProperties" in field:
        inner = " or ".join(_kinds(each, links) for each in field["patternProperties"].values())
        yield f"names, and for each {inner}"
    elif field.get("type") == "string":
        yield from _string(field)
    elif field.get("type") in ("integer", "number"):
        yield "a number"
    elif field.get("type") == "boolean":
        yield "`true`, `false`"
    elif field.get("type") == "object":
        yield "a mapping"


def _string(field: dict[str, Any]) -> Iterator[str]:
    pattern = field.get("pattern", "")
    if pattern.endswith("(ms|s|m|h|d|w)$"):
        yield "a duration"
    elif pattern.endswith("%$"):
        yield "a share"
    elif not pattern.startswith("\\$\\{"):  # a text with a variable in it is no kind of its own
        yield "text"
