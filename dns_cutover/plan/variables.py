"""`${name}` in the plan's texts; `$${` is a literal `${`. Never from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dns_cutover.plan.places import Document, Path

_REFERENCE = re.compile(r"\$(\$\{|\{([^{}]*)\}|\{)")


MAX_FILLED = 10 * 1024 * 1024  # characters: a long value used often could fill the memory


@dataclass(slots=True)
class Substitution:
    """The data with variables filled in. `undefined`: (path, name), the name None where `${` is not closed."""

    data: Any
    declared: frozenset[str]
    undefined: list[tuple[Path, str | None]] = field(default_factory=list)
    nested: list[Path] = field(default_factory=list)  # variables that refer to variables
    unused: list[str] = field(default_factory=list)
    too_much: Path | None = None  # where the values filled in pass MAX_FILLED


def substitute(doc: Document, given: Mapping[str, str]) -> Substitution:
    """`given` (from `--var`) overrides the plan's own `variables`; what the plan does not declare is undefined."""
    root = doc.data
    own = _declared(doc)
    # In the file `$${` is how the text `${` is written; on the command line a value is what it is.
    values = {k: v.replace("$${", "${") for k, v in own.items()} | {k: v for k, v in given.items() if k in own}
    out = Substitution(root, frozenset(own))
    used: set[str] = set()
    filled = 0

    def fill(value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return _REFERENCE.sub(lambda match: one(match, path), value) if "${" in value else value
        if isinstance(value, dict):
            return {k: fill(v, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(v, (*path, n)) for n, v in enumerate(value)]
        return value

    def one(match: re.Match[str], path: Path) -> str:
        nonlocal filled
        if match.group(1) == "${":
            return "${"
        name = match.group(2)
        if name is not None:
            used.add(name)
            if name in values:
                filled += len(values[name])
                if filled <= MAX_FILLED:
                    return values[name]
                out.too_much = out.too_much or path
                return ""
        out.undefined.append((path, name))
        return match.group(0)

    out.data = {k: v if k == "variables" else fill(v, (k,)) for k, v in root.items()}
    out.nested = [("variables", k) for k, v in own.items() if any(m.group(1) != "${" for m in _REFERENCE.finditer(v))]
    out.unused = sorted(set(own) - used)
    return out


def _declared(doc: Document) -> dict[str, str]:
    """The plan's variables as they are written: `1.10` stays `1.10`."""
    declared = doc.data.get("variables")
    if not isinstance(declared, dict):
        return {}
    out = {}
    for name, value in declared.items():
        place = doc.place(("variables", name))
        if not isinstance(value, dict | list):
            out[name] = place.source if place is not None and place.source is not None else str(value)
    return out
