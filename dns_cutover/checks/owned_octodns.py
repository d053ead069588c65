"""A zone file of octoDNS, as its YamlProvider reads it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Any

from dns_cutover.checks.owned import BadOwnerFile, Collected, absolute
from dns_cutover.checks.world import OwnedRecords
from dns_cutover.plan.places import Document, Path
from dns_cutover.plan.yamltext import parse_yaml
from dns_cutover.records import InvalidName, absolute_name, quote_text

_DEFAULT_TTL = 3600


def read_zone_file(raw: bytes, file: str, zones: Collection[str]) -> OwnedRecords:
    """The records of the file. Its name says of which zone: example.test.yaml, or example.test./www.yaml where a zone
    is split into files. Raises BadOwnerFile.
    """
    doc = parse_yaml(raw, file)
    if doc.findings:
        f = doc.findings[0]
        raise _bad(file, f"line {f.line}, column {f.column}: {f.message}", f.hint)
    if not isinstance(doc.data, dict):
        raise _bad(file, "line 1: a zone file of octoDNS has names and their records")
    origin, found = _zone_of(file, zones), Collected()
    for name, entry in doc.data.items():
        several = isinstance(entry, list)
        for n, record in enumerate(entry if several else [entry]):
            path: Path = (name, n) if several else (name,)
            _record(found, doc, file, origin, name, record, path)
    return found.owned("octoDNS", file)


def _bad(file: str, why: str, hint: str = "") -> BadOwnerFile:
    return BadOwnerFile(
        f"{file} is neither a Terraform state nor a zone file of octoDNS", f"{why}.", (hint,) if hint else ()
    )


def _zone_of(file: str, zones: Collection[str]) -> str:
    path = PurePath(file)
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    folder = path.parent.name
    for name in (stem, folder):
        try:
            zone = absolute_name(name or "-", ".")
        except InvalidName:
            continue
        if zone in zones:
            return zone
    # None of the plan's zones: another zone's file, unless its name says nothing and the plan leaves no doubt.
    if folder.endswith("."):
        return absolute(folder)
    if "." in stem:
        return absolute(stem)
    if len(set(zones)) == 1:
        return next(iter(zones))
    why = "Its name does not say of which of the plan's zones it is."
    raise BadOwnerFile(f"{file}: which zone?", why, ("name it like its zone, such as example.test.yaml",))


def _record(found: Collected, doc: Document, file: str, origin: str, name: str, record: Any, path: Path) -> None:
    at = doc.at(path)
    if not isinstance(record, dict):
        raise _bad(file, f"line {at.line}, column {at.column}: a record is a mapping with a type")
    merged = record.get("<<")
    record = {**(merged if isinstance(merged, dict) else {}), **record}
    rdtype = record.get("type")
    if not isinstance(rdtype, str):
        raise _bad(file, f"line {at.line}, column {at.column}: a record without a type")
    values = record.get("values", record.get("value"))
    items = values if isinstance(values, list) else [values]
    texts = None if {"dynamic", "geo"} & set(record) else _texts(rdtype, items)
    where = f"line {at.line}"
    # An ALIAS is what its target's addresses are when the zone is asked.
    for kind in ("A", "AAAA") if rdtype == "ALIAS" else (rdtype,):
        found.add(name or origin, kind, record.get("ttl", _DEFAULT_TTL), texts, where, origin)


def _texts(rdtype: str, items: list[Any]) -> list[str] | None:
    read = _VALUES.get(rdtype)
    try:
        return [read(item) for item in items] if read is not None else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # a value that octoDNS would refuse


def _txt(item: Any) -> str:
    text = str(item)
    if text.startswith('"'):
        text = text[1:-1].replace('" "', "")
    return quote_text(text.replace("\\;", ";"))


def _fields(*names: str, host: str = "") -> Callable[[Mapping[str, Any]], str]:
    def read(item: Mapping[str, Any]) -> str:
        return " ".join([*(str(item[n]) for n in names), *([absolute(item[host])] if host else [])])

    return read


def _mx(item: Mapping[str, Any]) -> str:
    preference = item["preference"] if "preference" in item else item["priority"]
    return f"{preference} {absolute(item['exchange'] if 'exchange' in item else item['value'])}"


def _caa(item: Mapping[str, Any]) -> str:
    return f"{item.get('flags', 0)} {item['tag']} {quote_text(str(item['value']))}"


def _naptr(item: Mapping[str, Any]) -> str:
    texts = " ".join(quote_text(str(item[n])) for n in ("flags", "service", "regexp"))
    return f"{item['order']} {item['preference']} {texts} {absolute(item['replacement'])}"


def _svcb(item: Mapping[str, Any]) -> str:
    words = [str(item["svcpriority"]), absolute(item["targetname"])]
    for key, value in (item.get("svcparams") or {}).items():
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        words.append(key if text is None else f'{key}="{text}"')
    return " ".join(words)


_VALUES: dict[str, Callable[[Any], str]] = {
    "A": str,
    "AAAA": str,
    "CAA": _caa,
    "CNAME": absolute,
    "DNAME": absolute,
    "DS": _fields("key_tag", "algorithm", "digest_type", "digest"),
    "HTTPS": _svcb,
    "MX": _mx,
    "NAPTR": _naptr,
    "NS": absolute,
    "PTR": absolute,
    "SPF": _txt,
    "SRV": _fields("priority", "weight", "port", host="target"),
    "SSHFP": _fields("algorithm", "fingerprint_type", "fingerprint"),
    "SVCB": _svcb,
    "TLSA": _fields("certificate_usage", "selector", "matching_type", "certificate_association_data"),
    "TXT": _txt,
}
