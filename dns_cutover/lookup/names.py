"""Everything that a zone's own servers say about one owner name: what is there, and why an answer is what it is."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from dns_cutover.lookup.answer import NoReply, Outcome, Reply, negative_ttl
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.views import NameView
from dns_cutover.records import RRset
from dns_cutover.records.name import is_below, parent_names

# Asked one by one: servers may answer ANY with one RRset of their choice (RFC 8482).
TYPES = (
    "A",
    "AAAA",
    "CNAME",
    "MX",
    "TXT",
    "NS",
    "SRV",
    "CAA",
    "TLSA",
    "HTTPS",
    "SVCB",
    "NAPTR",
    "PTR",
    "DS",
    "SOA",
    "LOC",
    "SSHFP",
    "URI",
    "DNAME",
)


# What decides about most changes; the whole of TYPES matters where an alias comes or goes.
FEW = ("A", "AAAA", "CNAME", "HTTPS")


async def read_name(
    asker: Asker, ref: str, zone: str, servers: Sequence[Endpoint], owner: str, types: Sequence[str] = TYPES
) -> NameView:
    """The view of the first server that answers every question: one of each of `types`, or one in all where the name is
    not there. The first of `types` must be "A".
    """
    problem = f"no authoritative server of {zone} is known"
    for server in servers:
        view = await _at(asker, ref, zone, server, owner, tuple(types))
        if isinstance(view, NameView):
            return view
        problem = f"{server.name} {server}: {view}"
    return NameView(ref, owner, exists=False, problem=problem)


async def _at(
    asker: Asker, ref: str, zone: str, server: Endpoint, owner: str, types: tuple[str, ...]
) -> NameView | str:
    first = await asker.ask(server, owner, types[0], recurse=False)
    if (trouble := _trouble(first)) is not None:
        return trouble
    assert isinstance(first, Reply)
    n = negative_ttl(first.soa) if first.soa is not None and not first.answer else None
    if (cut := _cut(first, zone, owner)) is not None:
        ds = await asker.ask(server, cut, "DS", recurse=False) if cut == owner else None
        found = ds.find(owner, "DS") if isinstance(ds, Reply) and ds.aa else None
        ns = next((s.rrset for s in first.authority if s.rdtype == "NS" and s.owner == cut), None)
        rrsets = {k: v for k, v in (("NS", ns if cut == owner else None), ("DS", found)) if v is not None}
        return NameView(ref, owner, cut == owner, _frozen(rrsets), cut=cut, delegation=ns, server=server)
    if not first.aa:
        return "is not authoritative for the zone (lame)"
    dname = next((s.owner for s in first.answer if s.rdtype == "DNAME" and s.owner != owner), "")
    if dname and is_below(owner, dname):
        return NameView(ref, owner, exists=False, dname=dname, negative_ttl=n, server=server)
    if first.rcode == "NXDOMAIN" and first.find(owner, "CNAME") is None:
        return NameView(ref, owner, exists=False, negative_ttl=n, server=server, types=types)
    replies = [first, *await asyncio.gather(*(asker.ask(server, owner, t, recurse=False) for t in types[1:]))]
    found_sets: dict[str, RRset] = {}
    for rdtype, reply in zip(types, replies, strict=True):
        if (trouble := _trouble(reply)) is not None:
            return f"{rdtype}: {trouble}"
        assert isinstance(reply, Reply)
        if reply.soa is not None and not reply.answer:
            n = negative_ttl(reply.soa)
        rrset = reply.find(owner, rdtype)
        if rrset is not None:
            found_sets[rdtype] = rrset
    wildcard = await _wildcard(asker, zone, server, owner, found_sets)
    return NameView(ref, owner, not wildcard, _frozen(found_sets), wildcard, negative_ttl=n, server=server, types=types)


def _frozen(rrsets: dict[str, RRset]) -> Mapping[str, RRset]:
    return MappingProxyType(rrsets)


def _trouble(reply: Outcome) -> str | None:
    if isinstance(reply, NoReply):
        return reply.reason
    return None if reply.rcode in ("NOERROR", "NXDOMAIN") else f"answers {reply.rcode}"


def _cut(reply: Reply, zone: str, owner: str) -> str | None:
    """The zone cut, inside `zone`, at or above `owner`: by a referral, or because the server has the child zone too."""
    for s in reply.authority:
        inner = s.owner != zone and is_below(s.owner, zone) and is_below(owner, s.owner)
        if inner and ((s.rdtype == "NS" and not reply.aa) or (s.rdtype == "SOA" and not reply.answer)):
            return s.owner
    return None


async def wildcard_beside(asker: Asker, server: Endpoint, owner: str) -> bool:
    """Whether the server answers for a random sibling of `owner`, which nobody can have created: one question."""
    return await _answers(asker, server, _sibling(owner), TYPES[0]) is not None


async def synthesised(asker: Asker, zone: str, server: Endpoint, owner: str, found: Mapping[str, RRset]) -> bool:
    """Whether `found` (by type), what the server gives at `owner`, comes from a wildcard (RFC 4592).

    Under an owner that exists nothing is there, since a wildcard's reach ends at the closest encloser. Not every server
    keeps to that, so the data must be what a random sibling has as well.
    """
    if owner == zone or owner.startswith("*.") or not await wildcard_beside(asker, server, owner):
        return False
    if await _answers(asker, server, f"{_label()}.{owner}", TYPES[0]) is None:
        return False
    sibling = _sibling(owner)
    for rdtype, rrset in found.items():
        reply = await _answers(asker, server, sibling, rdtype)
        if reply is None or reply.find(sibling, rdtype) != rrset:
            return False
    return True


async def _answers(asker: Asker, server: Endpoint, owner: str, rdtype: str) -> Reply | None:
    """The answer, if there is something at the name: anything but NXDOMAIN (an alias that leads nowhere counts)."""
    reply = await asker.ask(server, owner, rdtype, recurse=False)
    if not isinstance(reply, Reply) or not reply.aa or reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return None
    return None if reply.rcode == "NXDOMAIN" and reply.find(owner, "CNAME") is None else reply


async def _wildcard(asker: Asker, zone: str, server: Endpoint, owner: str, found: Mapping[str, RRset]) -> str:
    """The owner of the wildcard that gave `found`, or empty."""
    if not await synthesised(asker, zone, server, owner, found):
        return ""
    star, rdtype = "", next(iter(found), TYPES[0])
    for ancestor in (a for a in parent_names(owner) if is_below(a, zone)):
        reply = await _answers(asker, server, f"*.{ancestor}", rdtype)
        if reply is not None and reply.find(f"*.{ancestor}", rdtype) == found.get(rdtype):
            star = f"*.{ancestor}"  # the outermost: an inner `*` may be synthesised itself
    return star


def _label() -> str:
    return f"dc-{secrets.token_hex(8)}"


def _sibling(owner: str) -> str:
    parent = next(iter(parent_names(owner)), "")
    return f"{_label()}.{parent}"
