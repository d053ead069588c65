"""Which resolvers give an RRset a longer life than its TTL, or a shorter one: only with --resolver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.lookup.question import Asker
    from dns_cutover.lookup.views import LiveView
    from dns_cutover.records import RRset, RRsetKey

# A clamp is a resolver's, not an RRset's: the lowest TTLs show a minimum, the highest ones a maximum.
FEW = 4
# Asking a recursive resolver for NS ties it to the servers of now; SOA and the rest of a zone's machinery move nobody.
_NEVER = frozenset({"NS", "SOA", "DNAME", "DS", "DNSKEY", "CDS", "CDNSKEY"})


async def clamps(
    asker: Asker, view: LiveView, keys: Iterable[RRsetKey], resolvers: Sequence[Endpoint]
) -> dict[tuple[str, RRsetKey], int]:
    """The TTL with which each resolver keeps a few of the RRsets, by (name and address, RRset).

    Only RRsets that exist, with the data that the zone's servers have: asking for what is not there yet plants a
    negative answer. Twice, one after the other: the first answer of dnsmasq has the TTL that it was given, only the
    second one that of its cache. Resolvers that do not answer are left out.
    """
    there = {k: r for k in keys if k.rdtype not in _NEVER and (r := view.rrsets.get(k)) is not None and _own(view, k)}
    chosen = _few(there)
    found = await asyncio.gather(*(_kept(asker, e, k, there[k]) for e in resolvers for k in chosen))
    who = [(called(e), k) for e in resolvers for k in chosen]
    return {place: ttl for place, ttl in zip(who, found, strict=True) if ttl is not None}


def caps(resolvers: Iterable[Endpoint]) -> Mapping[str, int]:
    """The highest TTL that resolvers of the catalogue are known to keep, by name and address."""
    from dns_cutover.lookup.resolvers import known_cap

    return {called(e): cap for e in resolvers if (cap := known_cap(e)) is not None}


def called(endpoint: Endpoint) -> str:
    """A resolver's name and address, or the address alone where that is the name."""
    return str(endpoint) if endpoint.name in ("", str(endpoint)) else f"{endpoint.name} {endpoint}"


def _own(view: LiveView, key: RRsetKey) -> bool:
    """Whether the zone's servers answer for the RRset themselves, and alike."""
    name = view.names.get((key.zone, key.owner))
    differs = any(d.key == key for d in view.disagreements)
    return not differs and (name is None or not (name.cut or name.wildcard or name.dname or name.problem))


def _few(there: Mapping[RRsetKey, RRset]) -> tuple[RRsetKey, ...]:
    ordered = sorted(there, key=lambda k: (there[k].ttl, k))
    return tuple(dict.fromkeys((*ordered[:FEW], *ordered[-FEW:])))


async def _kept(asker: Asker, resolver: Endpoint, key: RRsetKey, rrset: RRset) -> int | None:
    """The highest TTL of two answers that have today's data; None where there is no such answer."""
    from dns_cutover.lookup.answer import Reply

    seen = []
    for _ in range(2):
        reply = await asker.ask(resolver, key.owner, key.rdtype, recurse=True)
        answer = reply.find(key.owner, key.rdtype) if isinstance(reply, Reply) else None
        if answer is not None and answer.same_data(rrset):
            seen.append(answer.ttl)
    return max(seen, default=None)
