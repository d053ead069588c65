"""Processing an UPDATE against one version of a zone (RFC 2136 section 3), with the manners of real servers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import dns.rdataclass
import dns.rdatatype

from dns_cutover.lab.wire import records
from dns_cutover.lab.zone import NameType, ZoneVersion, lineage
from dns_cutover.records import RRset
from dns_cutover.records.rdata import META_TYPES, rdata_text

ANY, NONE, IN = int(dns.rdataclass.ANY), int(dns.rdataclass.NONE), int(dns.rdataclass.IN)
UpdateRcode: TypeAlias = Literal[
    "NOERROR", "FORMERR", "NXDOMAIN", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTZONE"
]
Nodes: TypeAlias = dict[str, dict[str, RRset]]


@dataclass(frozen=True, slots=True)
class Rr:
    """One record of a prerequisite or update section. `value` is canonical text; None: no RDATA."""

    owner: str
    rdtype: str
    rdclass: int
    ttl: int = 0
    value: str | None = None


def read_sections(message: Any, wire: bytes) -> tuple[list[Rr], list[Rr]]:
    """Prerequisites and updates of a dnspython UpdateMessage; `wire` is what it was read from.

    dnspython has one RRset per record here, but keeps no TTL where there is no RDATA.
    """
    raw = [r for r in records(wire) if r.section in (1, 2)]
    parsed = [*message.prerequisite, *message.update]
    rrs = [
        Rr(
            rrset.name.canonicalize().to_text(),
            dns.rdatatype.to_text(rrset.rdtype),
            record.rdclass,
            record.ttl,
            rdata_text(rrset[0]) if len(rrset) else None,
        )
        for record, rrset in zip(raw, parsed, strict=True)
    ]
    split = len(message.prerequisite)
    return rrs[:split], rrs[split:]


def apply_update(
    zone: ZoneVersion,
    prereqs: Iterable[Rr],
    updates: Iterable[Rr],
    permitted: Callable[[str, str], bool] = lambda owner, rdtype: True,
) -> tuple[UpdateRcode, ZoneVersion]:
    """(RCODE, the zone afterwards); the same zone where nothing changed. All of it happens, or none.

    `permitted` tells whether the sender may touch (owner, type).
    """
    updates = list(updates)
    rcode = check_prerequisites(zone, prereqs)
    if rcode == "NOERROR":
        rcode = _prescan(zone, updates)
    if rcode == "NOERROR" and not all(permitted(rr.owner, rr.rdtype) for rr in updates):
        rcode = "REFUSED"
    if rcode != "NOERROR":
        return rcode, zone
    work: Nodes = {owner: dict(node) for owner, node in zone.nodes.items()}
    for rr in updates:
        _apply(work, zone.origin, rr)
    after: dict[NameType, RRset] = {(o, t): rrset for o, node in work.items() for t, rrset in node.items()}
    if after == dict(zone.rrsets):
        return "NOERROR", zone
    if _without_address(zone.origin, work) - _without_address(zone.origin, zone.nodes):
        return "REFUSED", zone  # BIND: "post update name server sanity check failed"
    soa = after[zone.origin, "SOA"]
    if soa.values == zone.soa.values:
        # RFC 2136 section 3.6: a change of anything gives a new serial.
        fields = soa.values[0].split()
        fields[2] = str((zone.serial + 1) % 2**32 or 1)
        after[zone.origin, "SOA"] = RRset(soa.ttl, (" ".join(fields),))
    return "NOERROR", ZoneVersion.of(zone.origin, after)


def _without_address(origin: str, nodes: Mapping[str, Mapping[str, RRset]]) -> set[str]:
    """Name servers of the apex that are in the zone and have no address there, so that nobody finds them."""
    ns = nodes[origin].get("NS")
    inside = [name for name in ns.values if origin in lineage(name)] if ns is not None else []
    return {name for name in inside if not nodes.get(name, {}).keys() & {"A", "AAAA"}}


def check_prerequisites(zone: ZoneVersion, prereqs: Iterable[Rr]) -> UpdateRcode:
    """RFC 2136 section 3.2: all five forms."""
    exact: dict[NameType, set[str]] = {}
    for rr in prereqs:
        if rr.ttl != 0 or rr.rdclass not in (ANY, NONE, IN):
            return "FORMERR"
        if not zone.holds(rr.owner):
            return "NOTZONE"
        there = zone.types_at(rr.owner)
        if rr.rdclass == IN:
            if rr.value is None:
                return "FORMERR"
            exact.setdefault((rr.owner, rr.rdtype), set()).add(rr.value)
        elif rr.value is not None:
            return "FORMERR"
        elif rr.rdtype == "ANY":
            if rr.rdclass == ANY and not there:
                return "NXDOMAIN"
            if rr.rdclass == NONE and there:
                return "YXDOMAIN"
        elif rr.rdclass == ANY and rr.rdtype not in there:
            return "NXRRSET"
        elif rr.rdclass == NONE and rr.rdtype in there:
            return "YXRRSET"
    for key, values in exact.items():
        found = zone.rrsets.get(key)
        if found is None or set(found.values) != values:
            return "NXRRSET"
    return "NOERROR"


def _prescan(zone: ZoneVersion, updates: list[Rr]) -> UpdateRcode:
    """RFC 2136 section 3.4.1."""
    for rr in updates:
        if not zone.holds(rr.owner):
            return "NOTZONE"
        meta = rr.rdtype in META_TYPES
        if rr.rdclass == IN:
            wrong = meta or rr.value is None
        elif rr.rdclass == ANY:
            wrong = rr.ttl != 0 or rr.value is not None or (meta and rr.rdtype != "ANY")
        else:
            wrong = rr.rdclass != NONE or rr.ttl != 0 or meta or rr.value is None
        if wrong:
            return "FORMERR"
    return "NOERROR"


def _apply(work: Nodes, origin: str, rr: Rr) -> None:
    """RFC 2136 section 3.4.2."""
    node = work.setdefault(rr.owner, {})
    if rr.rdclass == ANY:
        kept = ("SOA", "NS") if rr.owner == origin else ()
        for rdtype in [t for t in node if rr.rdtype in ("ANY", t) and t not in kept]:
            del node[rdtype]
    elif rr.rdclass == NONE:
        _delete_value(node, rr, apex=rr.owner == origin)
    else:
        _add(node, rr)
    if not node:
        del work[rr.owner]


def _delete_value(node: dict[str, RRset], rr: Rr, *, apex: bool) -> None:
    old = node.get(rr.rdtype)
    if old is None or rr.rdtype == "SOA" or rr.value not in old.values:
        return
    rest = tuple(v for v in old.values if v != rr.value)
    if rest:
        node[rr.rdtype] = RRset(old.ttl, rest)
    elif not (apex and rr.rdtype == "NS"):
        del node[rr.rdtype]  # the last NS of the apex stays, whatever is asked


def _add(node: dict[str, RRset], rr: Rr) -> None:
    assert rr.value is not None, "the prescan lets no addition without RDATA through"
    old = node.get(rr.rdtype)
    if rr.rdtype == "SOA":
        if old is not None and _newer(rr.value, old.values[0]):
            node["SOA"] = RRset(rr.ttl, (rr.value,))
        return
    if (rr.rdtype == "CNAME" and node.keys() - {"CNAME"}) or (rr.rdtype != "CNAME" and "CNAME" in node):
        return  # ignored silently, as real servers do
    if old is None or rr.rdtype in ("CNAME", "DNAME"):
        node[rr.rdtype] = RRset(rr.ttl, (rr.value,))
    else:
        # One TTL per RRset (RFC 2181 section 5.2): the newest counts.
        node[rr.rdtype] = RRset(rr.ttl, tuple(sorted({*old.values, rr.value})))


def _newer(soa: str, than: str) -> bool:
    """RFC 1982 section 3.2."""
    return 0 < (int(soa.split()[2]) - int(than.split()[2])) % 2**32 < 2**31
