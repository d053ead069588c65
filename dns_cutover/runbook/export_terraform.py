"""A zone's end state as Terraform configuration: aws_route53_record, or the resources of hashicorp/dns. Pure.

What the provider has no resource for is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby

from dns_cutover.records import RRset, RRsetKey, relative_name
from dns_cutover.records.fields import rdata_words, txt_strings
from dns_cutover.runbook.end_state import ZoneEnd

Body = list[str]
_ARGUMENT = re.compile(r"[a-z_]+ = .*[^\[]$")


def terraform_text(zone: ZoneEnd, when: str) -> str:
    """HCL for the zone's records, in the language of the provider that the plan writes with."""
    name = zone.info.name
    route53 = zone.info.provider.get("type") == "route53"
    read = _route53(zone) if route53 else _dns(name)
    blocks = [f"# {name} {when}\n"]
    if route53 and not zone.info.provider.get("zone_id"):
        blocks.append(_block('data "aws_route53_zone"', _identifier(name), [f"name = {hcl_string(name)}"]))
    taken: set[str] = set()
    for key, rrset in zone.rrsets.items():
        label = key.label(name)
        made = read(key, rrset)
        if made is None:
            values = "".join(f"#   {v}\n" for v in rrset.values)
            blocks.append(f"# {label}: the provider has no resource for it. TTL {rrset.ttl}\n{values}")
            continue
        kind, body = made
        blocks.append(_block(f'resource "{kind}"', _unique(_identifier(label), taken), body))
    blocks += [f"# {key.label(name)} is absent: remove its resource\n" for key in zone.absent]
    return "\n".join(blocks)


def hcl_string(text: str) -> str:
    """A quoted string of HCL that means exactly `text`: no interpolation, no directive (HCL, Templates)."""
    out = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in out) + '"'


def _block(head: str, name: str, body: Iterable[str]) -> str:
    return f'{head} "{name}" {{\n' + "".join(f"  {line}\n" if line else "\n" for line in _aligned(body)) + "}\n"


def _aligned(lines: Iterable[str]) -> Body:
    """As `terraform fmt` has it: the equals signs of arguments in consecutive lines stand below each other."""
    out: Body = []
    for simple, run in groupby(lines, lambda line: _ARGUMENT.match(line) is not None):
        pairs = [line.partition(" = ") for line in run]
        width = max(len(name) for name, _, _ in pairs)
        out += [f"{name:<{width}}{sign}{value}" if simple else name + sign + value for name, sign, value in pairs]
    return out


def _identifier(text: str) -> str:
    """A name of HCL: letters, digits, underscores and hyphens, beginning with a letter or an underscore."""
    words = text.lower().replace("*", "wildcard").replace("@", "apex").strip(".")
    out = re.sub(r"[^a-z0-9_-]+", "_", words)
    return out if out[:1].isalpha() or out[:1] == "_" else f"_{out}"


def _unique(name: str, taken: set[str]) -> str:
    out, n = name, 1
    while out in taken:
        n += 1
        out = f"{name}_{n}"
    taken.add(out)
    return out


def _list(name: str, values: Iterable[str]) -> Body:
    return [f"{name} = [", *(f"  {hcl_string(v)}," for v in values), "]"]


Reader = Callable[[RRsetKey, RRset], tuple[str, Body] | None]


# --- hashicorp/aws ---

# As Amazon's "Supported DNS record types" lists them.
_ROUTE53 = frozenset(
    (
        "A",
        "AAAA",
        "CAA",
        "CNAME",
        "DS",
        "HTTPS",
        "MX",
        "NAPTR",
        "NS",
        "PTR",
        "SOA",
        "SPF",
        "SRV",
        "SSHFP",
        "SVCB",
        "TLSA",
    )
) | {"TXT"}


def _route53(zone: ZoneEnd) -> Reader:
    given = zone.info.provider.get("zone_id")
    zone_id = hcl_string(str(given)) if given else f"data.aws_route53_zone.{_identifier(zone.info.name)}.zone_id"

    def read(key: RRsetKey, rrset: RRset) -> tuple[str, Body] | None:
        if key.rdtype not in _ROUTE53:
            return None
        values = [_route53_text(v) if key.rdtype in ("TXT", "SPF") else v for v in rrset.values]
        head = [f"zone_id = {zone_id}", f"name = {hcl_string(_octal(key.owner.rstrip('.')))}"]
        return "aws_route53_record", [
            *head,
            f'type = "{key.rdtype}"',
            f"ttl = {rrset.ttl}",
            *_list("records", values),
        ]

    return read


def _octal(text: str) -> str:
    r"""Zone files escape octets in decimal, Route 53 in octal."""
    return re.sub(r"\\(\d{3})", lambda m: f"\\{int(m[1]):03o}", text)


def _route53_text(value: str) -> str:
    """The provider puts the outer quotes; between the strings of 255 octets there is a pair of them."""
    return '""'.join(_octal(_escaped(s)) for s in txt_strings(value))


def _escaped(octets: bytes) -> str:
    out = (f"\\{chr(o)}" if o in b'"\\' else chr(o) if 0x20 <= o < 0x7F else f"\\{o:03d}" for o in octets)
    return "".join(out)


# --- hashicorp/dns: RFC 2136, and what is nearest to zone text ---


def _dns(zone: str) -> Reader:
    def read(key: RRsetKey, rrset: RRset) -> tuple[str, Body] | None:
        made = _DNS.get(key.rdtype)
        apex = key.owner == zone
        if made is None or (apex and key.rdtype in ("NS", "CNAME", "SRV")):
            return None
        kind, body = made
        if kind.endswith("_record") and len(rrset.values) > 1:
            return None
        head = [f"zone = {hcl_string(zone)}"]
        head += [] if apex else [f"name = {hcl_string(relative_name(key.owner, zone))}"]
        return kind, [*head, f"ttl = {rrset.ttl}", *body(rrset.values)]

    return read


def _values(name: str) -> Callable[[tuple[str, ...]], Body]:
    return lambda values: _list(name, values)


def _value(name: str) -> Callable[[tuple[str, ...]], Body]:
    return lambda values: [f"{name} = {hcl_string(values[0])}"]


def _blocks(name: str, *fields: str) -> Callable[[tuple[str, ...]], Body]:
    """A block for each value; all fields but the last are numbers."""

    def body(values: tuple[str, ...]) -> Body:
        out: Body = []
        for value in values:
            words = rdata_words(value)
            inner = [f"{f} = {w}" for f, w in zip(fields[:-1], words, strict=False)]
            inner += [f"{fields[-1]} = {hcl_string(words[-1])}"]
            out += ["", f"{name} {{", *(f"  {line}" for line in _aligned(inner)), "}"]
        return out

    return body


def _txt(values: tuple[str, ...]) -> Body:
    # The provider writes the text between quotes into zone text, and splits it itself.
    return _list("txt", (_escaped(b"".join(txt_strings(v))) for v in values))


_DNS: Mapping[str, tuple[str, Callable[[tuple[str, ...]], Body]]] = {
    "A": ("dns_a_record_set", _values("addresses")),
    "AAAA": ("dns_aaaa_record_set", _values("addresses")),
    "CNAME": ("dns_cname_record", _value("cname")),
    "MX": ("dns_mx_record_set", _blocks("mx", "preference", "exchange")),
    "NS": ("dns_ns_record_set", _values("nameservers")),
    "PTR": ("dns_ptr_record", _value("ptr")),
    "SRV": ("dns_srv_record_set", _blocks("srv", "priority", "weight", "port", "target")),
    "TXT": ("dns_txt_record_set", _txt),
}
