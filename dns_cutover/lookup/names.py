"""Everything that a zone's own servers say about one owner name: what is there, and why an answer is what it is."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from dns_cutover.lookup.answer import NoReply, Outcome, Reply, negative_ttl
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
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


@dataclass(frozen=True, slots=True)
class NameView:
    """One owner name at its authority. `zone` is the zone reference, `rrsets` are by type.

    `exists`: the zone has the name itself, were it only as an empty non-terminal. `wildcard`: the owner of the wildcard
    that answers for it (`rrsets` are then what it synthesises, RFC 4592), else empty. `cut`: the delegation point at or
    above the name, inside the zone, with the NS set that the parent gives (`delegation`). `dname`: the DNAME above it
    (RFC 6672). `negative_ttl`: N as a negative answer showed it, in seconds. `problem`: why nothing could be learned.
    """

    zone: str
    owner: str
    exists: bool
    rrsets: Mapping[str, RRset] = field(default_factory=lambda: MappingProxyType({}))
    wildcard: str = ""
    cut: str = ""
    delegation: RRset | None = None
    dname: str = ""
    negative_ttl: int | None = None
    server: Endpoint | None = None
    problem: str = ""


async def read_name(asker: Asker, ref: str, zone: str, servers: Sequence[Endpoint], owner: str) -> NameView:
    """The view of the first server that answers every question; about 20 questions, one where the name is not there."""
    problem = f"no authoritative server of {zone} is known"
    for server in servers:
        view = await _at(asker, ref, zone, server, owner)
        if isinstance(view, NameView):
            return view
        problem = f"{server.name} {server}: {view}"
    return NameView(ref, owner, exists=False, problem=problem)


async def _at(asker: Asker, ref: str, zone: str, server: Endpoint, owner: str) -> NameView | str:
    first = await asker.ask(server, owner, TYPES[0], recurse=False)
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
        return NameView(ref, owner, exists=False, negative_ttl=n, server=server)
    replies = [first, *await asyncio.gather(*(asker.ask(server, owner, t, recurse=False) for t in TYPES[1:]))]
    found_sets: dict[str, RRset] = {}
    for rdtype, reply in zip(TYPES, replies, strict=True):
        if (trouble := _trouble(reply)) is not None:
            return f"{rdtype}: {trouble}"
        assert isinstance(reply, Reply)
        if reply.soa is not None and not reply.answer:
            n = negative_ttl(reply.soa)
        rrset = reply.find(owner, rdtype)
        if rrset is not None:
            found_sets[rdtype] = rrset
    wildcard = await _wildcard(asker, zone, server, owner, found_sets)
    return NameView(ref, owner, not wildcard, _frozen(found_sets), wildcard, negative_ttl=n, server=server)


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


async def _wildcard(asker: Asker, zone: str, server: Endpoint, owner: str, found: Mapping[str, RRset]) -> str:
    """The owner of the wildcard that gave `found`, or empty.

    A random sibling, which nobody can have created, gets the wildcard's answers. A name that differs from it in any
    type is a name of its own; one that does not cannot be told from it, and behaves as if it were synthesised.
    """
    if owner == zone or owner.startswith("*."):
        return ""
    parent = parent_names(owner)[0] if parent_names(owner) else "."
    sibling = f"dc-{secrets.token_hex(8)}.{parent}" if parent != "." else f"dc-{secrets.token_hex(8)}."
    types = tuple(found) or (TYPES[0],)
    replies = await asyncio.gather(*(asker.ask(server, sibling, t, recurse=False) for t in types))
    for rdtype, reply in zip(types, replies, strict=True):
        if not isinstance(reply, Reply) or not reply.aa or _gone(reply, sibling):
            return ""
        if reply.find(sibling, rdtype) != found.get(rdtype):
            return ""
    star = ""
    for ancestor in (a for a in parent_names(owner) if is_below(a, zone)):
        reply = await asker.ask(server, f"*.{ancestor}", types[0], recurse=False)
        if not isinstance(reply, Reply) or _gone(reply, f"*.{ancestor}"):
            continue
        if reply.find(f"*.{ancestor}", types[0]) == found.get(types[0]):
            star = f"*.{ancestor}"  # the outermost: an inner `*` may be synthesised itself
    return star


def _gone(reply: Reply, owner: str) -> bool:
    return reply.rcode == "NXDOMAIN" and reply.find(owner, "CNAME") is None
