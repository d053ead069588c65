"""Processing an UPDATE against one version of a zone (RFC 2136 section 3), with the manners of real servers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dns_cutover.lab.zone import NameType, ZoneVersion
from dns_cutover.records import RRset
from dns_cutover.records.name import is_below
from dns_cutover.records.rdata import rdata_text

ANY, NONE, IN = dns.rdataclass.ANY, dns.rdataclass.NONE, dns.rdataclass.IN


def apply_update(zone: ZoneVersion, prereqs: Iterable[Any], updates: Iterable[Any]) -> tuple[str, ZoneVersion]:
    """(RCODE, the zone afterwards). `prereqs` and `updates` are dnspython RRsets of an UPDATE message's sections."""
    prereqs, updates = list(prereqs), list(updates)
    rcode = _prerequisites(zone, prereqs)
    if rcode == "NOERROR":
        rcode = _prescan(zone, updates)
    if rcode != "NOERROR":
        return rcode, zone
    work = dict(zone.rrsets)
    for rrset in updates:
        _apply_one(work, zone.origin, rrset)
    if work == dict(zone.rrsets):
        return "NOERROR", zone
    soa = work[zone.origin, "SOA"]
    fields = soa.values[0].split()
    if int(fields[2]) == zone.serial:
        fields[2] = str((zone.serial + 1) % 2**32 or 1)
    work[zone.origin, "SOA"] = RRset(soa.ttl, (" ".join(fields),))
    return "NOERROR", ZoneVersion.of(zone.origin, work)


def _owner(rrset: Any) -> str:
    return str(rrset.name.canonicalize().to_text())


def _type(rrset: Any) -> str:
    return str(dns.rdatatype.to_text(rrset.rdtype))


def _class(rrset: Any) -> int:
    # dnspython keeps the class of prerequisites and deletions apart from the zone's.
    return int(rrset.deleting if rrset.deleting is not None else rrset.rdclass)


def _prerequisites(zone: ZoneVersion, prereqs: list[Any]) -> str:
    """RFC 2136 section 3.2."""
    exact: dict[NameType, set[str]] = {}
    for rrset in prereqs:
        owner, rdtype, rdclass = _owner(rrset), _type(rrset), _class(rrset)
        if rrset.ttl != 0:
            return "FORMERR"
        if not is_below(owner, zone.origin):
            return "NOTZONE"
        there = zone.types_at(owner)
        if rdclass == ANY:
            if rdtype == "ANY" and not there:
                return "NXDOMAIN"
            if rdtype != "ANY" and rdtype not in there:
                return "NXRRSET"
        elif rdclass == NONE:
            if rdtype == "ANY" and there:
                return "YXDOMAIN"
            if rdtype != "ANY" and rdtype in there:
                return "YXRRSET"
        else:
            exact.setdefault((owner, rdtype), set()).update(rdata_text(r) for r in rrset)
    for key, values in exact.items():
        found = zone.rrsets.get(key)
        if found is None or set(found.values) != values:
            return "NXRRSET"
    return "NOERROR"


def _prescan(zone: ZoneVersion, updates: list[Any]) -> str:
    """RFC 2136 section 3.4.1."""
    for rrset in updates:
        if not is_below(_owner(rrset), zone.origin):
            return "NOTZONE"
        if _class(rrset) in (ANY, NONE) and rrset.ttl != 0:
            return "FORMERR"
    return "NOERROR"


def _apply_one(work: dict[NameType, RRset], origin: str, rrset: Any) -> None:
    """RFC 2136 section 3.4.2."""
    owner, rdtype, rdclass = _owner(rrset), _type(rrset), _class(rrset)
    key = (owner, rdtype)
    if rdclass == ANY:
        kept = ("SOA", "NS") if owner == origin else ()
        for name, kind in [k for k in work if k[0] == owner and rdtype in ("ANY", k[1])]:
            if kind not in kept:
                del work[name, kind]
        return
    values = {rdata_text(r) for r in rrset}
    if rdclass == NONE:
        old = work.get(key)
        if old is None or rdtype == "SOA":
            return
        rest = tuple(v for v in old.values if v not in values)
        if rest:
            work[key] = RRset(old.ttl, rest)
        elif not (owner == origin and rdtype == "NS"):
            del work[key]  # the last NS of the apex stays, whatever is asked
        return
    if rdtype == "SOA":
        work[key] = RRset(rrset.ttl, tuple(values))
        return
    others = {t for o, t in work if o == owner and t != rdtype}
    if (rdtype == "CNAME" and others) or (rdtype != "CNAME" and "CNAME" in others):
        return  # ignored silently, as real servers do
    old = work.get(key)
    if rdtype == "CNAME" or old is None:
        work[key] = RRset(rrset.ttl, tuple(sorted(values)))
    else:
        work[key] = RRset(rrset.ttl, tuple(sorted({*old.values, *values})))
