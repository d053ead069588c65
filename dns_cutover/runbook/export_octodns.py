"""A zone's end state as a zone file of octoDNS: keys in its natural order, TXT with escaped semicolons. Pure.

What octoDNS cannot express is a comment with its reason, never a record that means something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from dns_cutover.records import RRset, RRsetKey, relative_name
from dns_cutover.records.fields import rdata_words, service_binding, txt_strings, unescaped
from dns_cutover.runbook.end_state import ZoneEnd

# What YAML 1.1, which octoDNS reads, takes for text without quotes: no number, no date, no yes or no.
_PLAIN = re.compile(r"[A-Za-z_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\d+(\.\d+){3}")
_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


class _Unfit(ValueError):
    """octoDNS has no way to say it; the message says why."""


def octodns_text(zone: ZoneEnd, when: str) -> str:
    """The file NAME.yaml of octoDNS's YamlProvider."""
    name = zone.info.name
    by_owner: dict[str, list[dict[str, Any]]] = {}
    notes = []
    for key, rrset in zone.rrsets.items():
        label = relative_name(key.owner, name)
        try:
            record = _record(key, rrset)
        except _Unfit as exc:
            notes.append(f"# {key.label(name)}: octoDNS cannot have it: {exc}\n")
        else:
            by_owner.setdefault("" if label == "@" else label, []).append(record)
    notes += [f"# {key.label(name)} is absent: remove it from the file\n" for key in zone.absent]
    lines = [f"# {name}yaml {when}; TXT as octoDNS reads it with escaped_semicolons: true\n", *notes, "---\n"]
    for owner in sorted(by_owner, key=_natural):
        lines.append(f"{_scalar(owner)}:\n")
        records = sorted(by_owner[owner], key=lambda r: str(r["type"]))
        if len(records) == 1:
            lines += _mapping(records[0], "  ")
        else:
            for record in records:
                first, *rest = _mapping(record, "    ")
                lines += [f"  - {first.lstrip()}", *rest]
    return "".join(lines) if by_owner else "".join((*lines[:-1], "--- {}\n"))


def _natural(text: str) -> list[Any]:
    """As octoDNS sorts: runs of digits by their value."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def _record(key: RRsetKey, rrset: RRset) -> dict[str, Any]:
    read = _VALUES.get(key.rdtype)
    if read is None:
        raise _Unfit(f"it has no type {key.rdtype}")
    if "\\" in key.owner:
        raise _Unfit("its name has an escape")
    values = [read(v) for v in rrset.values]
    if len(values) > 1 and key.rdtype in ("CNAME", "DNAME"):
        raise _Unfit("it has several values")
    return {"ttl": rrset.ttl, "type": key.rdtype} | ({"value": values[0]} if len(values) == 1 else {"values": values})


def _mapping(data: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key in sorted(data, key=_natural):
        value = data[key]
        if isinstance(value, dict):
            inner = _mapping(value, indent + "  ")
            lines += [f"{indent}{_scalar(key)}:\n", *inner] if inner else [f"{indent}{_scalar(key)}: {{}}\n"]
        elif isinstance(value, list):
            lines.append(f"{indent}{_scalar(key)}:\n")
            for item in value:
                if isinstance(item, dict):
                    first, *rest = _mapping(item, indent + "  ")
                    lines += [f"{indent}- {first.lstrip()}", *rest]
                else:
                    lines.append(f"{indent}- {_scalar(item)}\n")
        else:
            lines.append(f"{indent}{_scalar(key)}: {_scalar(value)}\n")
    return lines


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return str(value)
    # JSON's strings are YAML's double-quoted ones, as long as they are ASCII.
    return json.dumps(value, ensure_ascii=True)


def _txt(value: str) -> str:
    try:
        text = b"".join(txt_strings(value)).decode("ascii")
    except UnicodeDecodeError:
        raise _Unfit("its text is not ASCII") from None
    if '" "' in text or "\\;" in text:
        raise _Unfit("octoDNS would read its text as something else")
    text = text.replace(";", "\\;")
    # A text that begins with a quote loses its first and its last character when it is read.
    return f'"{text}"' if text.startswith('"') else text


def _plain(text: str) -> str:
    try:
        return unescaped(text).decode("ascii")
    except UnicodeDecodeError:
        raise _Unfit("its text is not ASCII") from None


def _fields(*names: str) -> Callable[[str], dict[str, Any]]:
    """Fields in the order of the RDATA; numbers as numbers."""

    def read(value: str) -> dict[str, Any]:
        words = rdata_words(value)
        words = (*words[: len(names) - 1], "".join(words[len(names) - 1 :]))
        return {n: int(w) if n in _NUMBERS else w for n, w in zip(names, words, strict=True)}

    return read


_NUMBERS = frozenset(
    (
        "algorithm",
        "certificate_usage",
        "digest_type",
        "fingerprint_type",
        "flags",
        "key_tag",
        "matching_type",
        "order",
        "port",
        "preference",
        "priority",
        "selector",
        "weight",
    )
)


def _caa(value: str) -> dict[str, Any]:
    flags, tag, text = rdata_words(value)
    if '"' in _plain(text) or "\\" in _plain(text):
        raise _Unfit("octoDNS does not escape its value")
    return {"flags": int(flags), "tag": tag, "value": _plain(text)}


def _naptr(value: str) -> dict[str, Any]:
    order, preference, flags, service, regexp, replacement = rdata_words(value)
    return {
        "order": int(order),
        "preference": int(preference),
        "flags": _plain(flags),
        "service": _plain(service),
        "regexp": regexp,
        "replacement": replacement,
    }


_LISTS = frozenset({"alpn", "ipv4hint", "ipv6hint", "mandatory"})


def _svcb(rdtype: str) -> Callable[[str], dict[str, Any]]:
    def read(value: str) -> dict[str, Any]:
        binding = service_binding(rdtype, value)
        params = {k: binding_value(k, v) for k, v in binding.params.items()}
        out: dict[str, Any] = {"svcpriority": binding.priority, "targetname": binding.target}
        return out | ({"svcparams": params} if params else {})

    def binding_value(key: str, text: str | None) -> Any:
        if text is not None and (set(text) & set(' \\"')):
            raise _Unfit(f"its {key} has an escape")
        return text.split(",") if text is not None and key in _LISTS else text

    return read


_VALUES: dict[str, Callable[[str], Any]] = {
    "A": str,
    "AAAA": str,
    "CAA": _caa,
    "CNAME": str,
    "DNAME": str,
    "DS": _fields("key_tag", "algorithm", "digest_type", "digest"),
    "HTTPS": _svcb("HTTPS"),
    "MX": _fields("preference", "exchange"),
    "NAPTR": _naptr,
    "NS": str,
    "PTR": str,
    "SPF": _txt,
    "SRV": _fields("priority", "weight", "port", "target"),
    "SSHFP": _fields("algorithm", "fingerprint_type", "fingerprint"),
    "SVCB": _svcb("SVCB"),
    "TLSA": _fields("certificate_usage", "selector", "matching_type", "certificate_association_data"),
    "TXT": _txt,
}
