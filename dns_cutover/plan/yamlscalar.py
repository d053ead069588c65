"""Values as YAML for a plan file: hostile text stays one scalar, and reads back as exactly what it was. Pure."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from dns_cutover.plan.yamltext import scalar

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
# Texts by YAML 1.2, but not for the editors and linters that still read YAML 1.1.
_OLD_WORDS = frozenset({"y", "n", "yes", "no", "on", "off"})
_LONG = 90  # characters of a list on one line


class Raw(str):
    """Text that is YAML already."""

    __slots__ = ()


def yaml_value(value: object) -> str:
    """One value in flow style, on one line; `${` is escaped, since plans would take it for a variable.

    Raises TypeError for anything but text, whole numbers, truth values, and lists of these.
    """
    match value:
        case Raw():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value.replace("${", "$${"))
        case list() | tuple():
            return f"[{', '.join(yaml_value(v) for v in value)}]"
        case _:
            raise TypeError(f"{type(value).__name__} is no value of a plan")


def _text(text: str) -> str:
    if _PLAIN.match(text) and text.lower() not in _OLD_WORDS and isinstance(scalar(text), str):
        return text
    # What has no shape of its own (control and format characters, bidirectional overrides) is shown as an escape.
    dumped: Any = yaml.dump(
        text, Dumper=yaml.SafeDumper, default_style='"', width=math.inf, allow_unicode=text.isprintable()
    )
    return str(dumped).removesuffix("\n")


def yaml_values(value: str | tuple[str, ...], indent: int) -> Raw:
    """What follows a key: a word such as `absent`, or a list, on lines of its own where it is long."""
    if isinstance(value, str):
        return Raw(" " + yaml_value(value))
    flow = yaml_value(value)
    if len(flow) <= _LONG:
        return Raw(" " + flow)
    return Raw("".join(f"\n{' ' * indent}- {yaml_value(v)}" for v in value))


def yaml_comment(text: object) -> Raw:
    """Text for a comment: on one line, and without anything that changes a terminal."""
    return Raw("".join(c if c.isprintable() else "?" for c in str(text)))
