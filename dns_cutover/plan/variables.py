"""`${name}` in the plan's texts; `$${` is a literal `${`. Never from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dns_cutover.plan.yamltext import Document, Path

_REFERENCE = re.compile(r"\$(\$\{|\{([^}]*)\})")


def substitute(doc: Document, given: Mapping[str, str]) -> tuple[Any, list[tuple[Path, str]], list[str]]:
    """The data with variables filled in, undefined ones as (path, name), and names that are never used.

    `given` (from `--var`) overrides the plan's own `variables`; a name that the plan does not declare is undefined.
    """
    root = doc.data if isinstance(doc.data, dict) else {}
    declared = root.get("variables")
    own = {k: _text(v) for k, v in declared.items()} if isinstance(declared, dict) else {}
    values = {**own, **given}
    used: set[str] = set()
    undefined: list[tuple[Path, str]] = []

    def fill(value: Any, path: Path) -> Any:
        if isinstance(value, str):
            if "${" not in value:
                return value

            def one(match: re.Match[str]) -> str:
                name = match.group(2)
                if name is None:
                    return "${"
                used.add(name)
                if name not in values:
                    undefined.append((path, name))
                    return match.group(0)
                return values[name]

            return _REFERENCE.sub(one, value)
        if isinstance(value, dict):
            return {k: fill(v, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(v, (*path, n)) for n, v in enumerate(value)]
        return value

    data = {k: v if k == "variables" else fill(v, (k,)) for k, v in root.items()} if root else doc.data
    return data, undefined, sorted(set(own) - used)


def _text(value: Any) -> str:
    if value is True:
        return "true"
    return "false" if value is False else "" if value is None else str(value)
