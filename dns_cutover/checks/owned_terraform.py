"""Terraform's state: the file itself (version 4), or what `terraform show -json` prints. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dns_cutover.checks.owned import BadOwnerFile, Collected, absolute
from dns_cutover.checks.world import OwnedRecords
from dns_cutover.records import quote_text
from dns_cutover.records.fields import unescaped

_HINT = "terraform show -json > state.json   write a state that can be read"


@dataclass(frozen=True, slots=True)
class _Resource:
    address: str
    type: str
    values: Mapping[str, Any]
    sensitive: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Record:
    """`values` are zone-file text; None is not known."""

    owner: str
    rdtype: str
    values: list[str] | None


def read_state(raw: bytes, file: str) -> OwnedRecords:
    """The DNS records of a state; resources of other kinds are passed over unread. Raises BadOwnerFile."""
    found = Collected()
    for resource in _resources(_document(raw, file), file):
        read = _READERS.get(resource.type)
        if read is None:
            continue
        for record in _records(read, resource):
            values = None if resource.sensitive & _CONTENTS else record.values
            found.add(record.owner, record.rdtype, resource.values.get("ttl"), values, resource.address)
    return found.owned("Terraform", file)


def _document(raw: bytes, file: str) -> Mapping[str, Any]:
    try:
        data = json.loads(raw)
    except json.JSONDecodeError as exc:
        # Not exc.doc: a state holds secrets.
        where = f"line {exc.lineno}, column {exc.colno}"
        raise BadOwnerFile(f"{file} is no JSON", f"{where}: {exc.msg}.", (_HINT,)) from None
    except (ValueError, RecursionError) as exc:
        raise BadOwnerFile(f"{file} is no JSON", f"{type(exc).__name__}.", (_HINT,)) from None
    if not isinstance(data, dict):
        raise BadOwnerFile(f"{file} is no Terraform state", "It is no object.", (_HINT,))
    return data


def _resources(data: Mapping[str, Any], file: str) -> Iterator[_Resource]:
    """Managed resources with their attributes."""
    if "format_version" in data:
        state = data.get("values") or data.get("planned_values") or {}
        yield from _shown(_mapping(state).get("root_module"))
    elif data.get("version") == 4 and isinstance(data.get("resources"), list):
        for resource in data["resources"]:
            yield from _stored(_mapping(resource))
    elif "version" in data and "lineage" in data:
        version = data["version"] if isinstance(data["version"], int) else "of an unknown kind"
        raise BadOwnerFile(f"{file} cannot be read", f"Its state version is {version}; 4 is known.", (_HINT,))
    else:
        why = "It has neither format_version, as terraform show -json prints, nor version 4 and resources."
        raise BadOwnerFile(f"{file} is no Terraform state", why, (_HINT,))


def _shown(module: Any) -> Iterator[_Resource]:
    stack = [_mapping(module)]
    while stack:
        module = stack.pop()
        for item in map(_mapping, _list(module.get("resources"))):
            if item.get("mode") == "managed":
                marks = _mapping(item.get("sensitive_values"))
                sensitive = frozenset(k for k, v in marks.items() if _any_true(v))
                values = _mapping(item.get("values"))
                yield _Resource(_text(item.get("address")), _text(item.get("type")), values, sensitive)
        stack += map(_mapping, _list(module.get("child_modules")))


def _any_true(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_any_true, value.values()))
    return any(map(_any_true, value)) if isinstance(value, list) else value is True


def _stored(resource: Mapping[str, Any]) -> Iterator[_Resource]:
    if resource.get("mode") != "managed":
        return
    module = f"{resource['module']}." if isinstance(resource.get("module"), str) else ""
    kind = _text(resource.get("type"))
    base = f"{module}{kind}.{_text(resource.get('name'))}"
    for instance in map(_mapping, _list(resource.get("instances"))):
        if "deposed" in instance:
            continue
        index = instance.get("index_key")
        address = base if index is None else f"{base}[{json.dumps(index)}]"
        first = (
            _mapping(path[0]) for path in _list(instance.get("sensitive_attributes")) if isinstance(path, list) and path
        )
        sensitive = frozenset(_text(step.get("value")) for step in first)
        yield _Resource(address, kind, _mapping(instance.get("attributes")), sensitive)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# --- what each kind of resource says, by its provider's documentation ---

_Reader = Callable[[Mapping[str, Any]], Iterator[_Record]]
_CONTENTS = frozenset(
    (
        "records",
        "record",
        "rrdatas",
        "value",
        "content",
        "data",
        "addresses",
        "cname",
        "mx",
        "nameservers",
        "ptr",
        "srv",
        "txt",
    )
)


def _records(read: _Reader, resource: _Resource) -> list[_Record]:
    try:
        return list(read(resource.values))
    except (KeyError, TypeError, ValueError):
        return []  # an attribute of another form than the provider documents


def _joined(name: Any, zone: Any) -> str:
    zone = absolute(zone)
    return zone if name in (None, "", "@") else f"{str(name).rstrip('.')}.{zone}"


def _quoted(text: str) -> str:
    return text if text.startswith('"') else quote_text(text)


def _octal(text: str) -> str:
    """Route 53 escapes in octal, zone files in decimal."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda m: f"\\{int(m[1], 8):03d}", text)


def _aws(v: Mapping[str, Any]) -> Iterator[_Record]:
    rdtype, values = str(v["type"]), [str(r) for r in _list(v.get("records"))]
    if rdtype in ("TXT", "SPF"):
        values = [f'"{_octal(r)}"'.replace('""', '" "') for r in values]
    elif rdtype in ("CNAME", "NS", "PTR"):
        values = [absolute(r) for r in values]
    varies = bool(v.get("alias") or v.get("set_identifier"))
    yield _Record(absolute(_octal(v.get("fqdn") or v["name"])), rdtype, None if varies else values)


def _cloudflare(v: Mapping[str, Any]) -> Iterator[_Record]:
    rdtype = str(v["type"])
    text = v.get("content") or v.get("value")
    values = None
    # A proxied record answers with Cloudflare's own addresses.
    if isinstance(text, str) and not v.get("proxied"):
        values = [_plain(rdtype, text, v.get("priority"))]
    yield _Record(absolute(v.get("hostname") or v["name"]), rdtype, values)


def _plain(rdtype: str, text: str, priority: Any) -> str:
    match rdtype:
        case "TXT" | "SPF":
            return _quoted(text)
        case "CNAME" | "NS" | "PTR":
            return absolute(text)
        case "MX":
            return f"{int(priority)} {absolute(text)}"
        case _:
            return text


def _google(v: Mapping[str, Any]) -> Iterator[_Record]:
    rdtype = str(v["type"])
    values = [_quoted(str(r)) if rdtype in ("TXT", "SPF") else str(r) for r in _list(v.get("rrdatas"))]
    yield _Record(absolute(v["name"]), rdtype, None if v.get("routing_policy") else values)


def _digitalocean(v: Mapping[str, Any]) -> Iterator[_Record]:
    rdtype = str(v["type"])
    values = None if rdtype in ("SRV", "CAA") else [_plain(rdtype, str(v["value"]), v.get("priority"))]
    yield _Record(absolute(v.get("fqdn") or _joined(v["name"], v["domain"])), rdtype, values)


def _dns(rdtype: str, values: Callable[[Mapping[str, Any]], list[str]]) -> _Reader:
    """A resource of hashicorp/dns, which writes by RFC 2136."""

    def read(v: Mapping[str, Any]) -> Iterator[_Record]:
        yield _Record(_joined(v.get("name"), v["zone"]), rdtype, values(v))

    return read


def _azure(rdtype: str, values: Callable[[Mapping[str, Any]], list[str]]) -> _Reader:
    def read(v: Mapping[str, Any]) -> Iterator[_Record]:
        # A reference to an Azure resource stands for addresses that are not in the state.
        yield _Record(_joined(v["name"], v["zone_name"]), rdtype, None if v.get("target_resource_id") else values(v))

    return read


def _strings(attribute: str) -> Callable[[Mapping[str, Any]], list[str]]:
    return lambda v: [str(r) for r in v[attribute]]


def _hosts(attribute: str) -> Callable[[Mapping[str, Any]], list[str]]:
    return lambda v: [absolute(r) for r in ([v[attribute]] if isinstance(v[attribute], str) else v[attribute])]


def _blocks(attribute: str, *fields: str) -> Callable[[Mapping[str, Any]], list[str]]:
    """Blocks whose last field is a host name."""

    def read(v: Mapping[str, Any]) -> list[str]:
        return [" ".join([*(str(b[f]) for f in fields[:-1]), absolute(b[fields[-1]])]) for b in v[attribute]]

    return read


_READERS: dict[str, _Reader] = {
    "aws_route53_record": _aws,
    "cloudflare_record": _cloudflare,
    "cloudflare_dns_record": _cloudflare,
    "google_dns_record_set": _google,
    "digitalocean_record": _digitalocean,
    "dns_a_record_set": _dns("A", _strings("addresses")),
    "dns_aaaa_record_set": _dns("AAAA", _strings("addresses")),
    "dns_cname_record": _dns("CNAME", _hosts("cname")),
    "dns_dname_record": _dns("DNAME", _hosts("dname")),
    "dns_mx_record_set": _dns("MX", _blocks("mx", "preference", "exchange")),
    "dns_ns_record_set": _dns("NS", _hosts("nameservers")),
    "dns_ptr_record": _dns("PTR", _hosts("ptr")),
    "dns_srv_record_set": _dns("SRV", _blocks("srv", "priority", "weight", "port", "target")),
    "dns_txt_record_set": _dns("TXT", lambda v: [quote_text(unescaped(str(t))) for t in v["txt"]]),
    "azurerm_dns_a_record": _azure("A", _strings("records")),
    "azurerm_dns_aaaa_record": _azure("AAAA", _strings("records")),
    "azurerm_dns_cname_record": _azure("CNAME", _hosts("record")),
    "azurerm_dns_mx_record": _azure("MX", _blocks("record", "preference", "exchange")),
    "azurerm_dns_ns_record": _azure("NS", _hosts("records")),
    "azurerm_dns_ptr_record": _azure("PTR", _hosts("records")),
    "azurerm_dns_srv_record": _azure("SRV", _blocks("record", "priority", "weight", "port", "target")),
    "azurerm_dns_txt_record": _azure("TXT", lambda v: [quote_text(str(b["value"])) for b in v["record"]]),
}
