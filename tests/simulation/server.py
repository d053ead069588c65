"""The server that takes the updates, with what real ones ignore silently (FACTS section 1). Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dns_cutover.providers.rfc2136.update import EditOp, Prereq, Question, UpdateSpec
from dns_cutover.records import RRset

Manner: TypeAlias = Literal["bind", "knot", "powerdns"]
MANNERS: tuple[Manner, ...] = ("bind", "knot", "powerdns")
Zone: TypeAlias = dict[Question, RRset]


def process(zone: Zone, origin: str, spec: UpdateSpec, manner: Manner) -> tuple[str, Zone]:
    """The RCODE, and the zone afterwards; the same object if nothing changed."""
    for p in spec.prereqs:
        rcode = _prerequisite(zone, p, manner)
        if rcode != "NOERROR":
            return rcode, zone
    work = dict(zone)
    for op in spec.edits:
        if not _apply(work, origin, op, manner):
            return "REFUSED", zone
    return "NOERROR", (zone if work == zone else work)


def _prerequisite(zone: Zone, p: Prereq, manner: Manner) -> str:
    match p.kind:
        case "unused":
            return "YXDOMAIN" if any(owner == p.owner for owner, _ in zone) else "NOERROR"
        case "absent":
            return "YXRRSET" if (p.owner, p.rdtype) in zone else "NOERROR"
        case "exists":
            found = zone.get((p.owner, p.rdtype))
            if found is None:
                return "NXRRSET"
            if manner == "powerdns" and p.rdtype == "TXT":  # it compares them without case
                same = sorted(v.lower() for v in found.values) == sorted(v.lower() for v in p.values)
            else:
                same = found.values == p.values
            return "NOERROR" if same else "NXRRSET"


def _apply(work: Zone, origin: str, op: EditOp, manner: Manner) -> bool:
    """Whether the server takes it: what stands in its way is ignored by some and refused by others."""
    key = (op.owner, op.rdtype)
    apex = op.owner == origin and op.rdtype in ("NS", "SOA")
    old = work.get(key)
    match op.kind:
        case "clear":
            if not apex:  # RFC 2136 section 3.4.2.3
                work.pop(key, None)
        case "delete" if old is not None:
            rest = tuple(v for v in old.values if v not in op.values)
            if rest:
                work[key] = RRset(old.ttl, rest)
            elif not apex:
                del work[key]
            else:
                work[key] = RRset(old.ttl, old.values[-1:])
        case "add":
            return _add(work, op, old, manner)
        case _:
            pass
    return True


def _add(work: Zone, op: EditOp, old: RRset | None, manner: Manner) -> bool:
    beside = {rdtype for owner, rdtype in work if owner == op.owner} - {op.rdtype}
    if "CNAME" in beside or (op.rdtype == "CNAME" and beside):
        return manner != "powerdns"  # BIND and Knot say NOERROR and ignore it
    if old is None or op.rdtype in ("CNAME", "SOA"):
        work[op.owner, op.rdtype] = RRset(op.ttl, op.values)
    elif manner != "knot" or not set(op.values) <= set(old.values):
        # Knot: adding what is there already changes nothing, not even the TTL.
        work[op.owner, op.rdtype] = RRset(op.ttl, tuple(sorted({*old.values, *op.values})))
    return True
