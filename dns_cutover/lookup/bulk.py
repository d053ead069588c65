"""Looking at many RRsets at once: by one transfer from each server where it gives its zone, else by questions.

A plan of a few records never transfers a zone: that would cost the server more, and look like something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from dns_cutover.lookup.answer import Reply
from dns_cutover.lookup.authoritative import Zones, ask_server
from dns_cutover.lookup.interface import Endpoint, Fault, ServerView
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.transfer import NoCopy, fetch_zone
from dns_cutover.lookup.zonecopy import ZoneCopy
from dns_cutover.records import RRsetKey

ENOUGH = 500  # RRsets of one zone from which on a transfer is the smaller burden
SAMPLE = 20  # RRsets that are asked for all the same, over UDP and TCP: a copy that answers contradict is not used


# Questions to one zone. A plan of 10,000 aliases on four servers that refuse transfers needs 270,000; more
# is no plan, but a way to make somebody else send a flood.
MOST = 400_000
_EACH = 2  # over UDP and TCP


@dataclass(frozen=True, slots=True)
class Looked:
    """What all servers said. `copies`: by zone reference the copy of the first server that gave one."""

    views: tuple[ServerView, ...]
    copies: Mapping[str, ZoneCopy]


async def look_at_all(
    asker: Asker, zones: Zones, keys: Collection[RRsetKey], beside: Mapping[str, int] | None = None
) -> Looked:
    """Every server of every zone that `keys` touch. `zones`: reference -> (zone name, servers). `beside`: by reference
    how many questions more will follow where no server gives a copy.

    Never raises for the network.
    """
    own: dict[str, list[RRsetKey]] = {ref: [] for ref in sorted({k.zone for k in keys})}
    for key in dict.fromkeys(keys):
        own[key.zone].append(key)
    found = await asyncio.gather(*(_zone(asker, ref, *zones[ref], own[ref], (beside or {}).get(ref, 0)) for ref in own))
    views = [view for several in found for view, _ in several]
    copies: dict[str, ZoneCopy] = {}
    for view, copy in (each for several in found for each in several):
        if copy is not None and view.fault in (Fault.NONE, Fault.CUT):
            copies.setdefault(view.zone, copy)
    return Looked(tuple(views), MappingProxyType(copies))


async def _zone(
    asker: Asker, ref: str, zone: str, servers: Sequence[Endpoint], keys: Sequence[RRsetKey], beside: int
) -> list[tuple[ServerView, ZoneCopy | None]]:
    if len(keys) < ENOUGH:
        return [(v, None) for v in await asyncio.gather(*(ask_server(asker, ref, zone, s, keys) for s in servers))]
    copied = await asyncio.gather(*(_copied(asker, ref, zone, server, keys) for server in servers))
    left = sum(each is None for each in copied)
    needed = left * len(keys) * _EACH + (beside if left == len(servers) else 0)
    rest = iter(
        await asyncio.gather(
            *(
                _refused(asker, ref, zone, server, needed)
                if needed > MOST
                else ask_server(asker, ref, zone, server, keys)
                for server, each in zip(servers, copied, strict=True)
                if each is None
            )
        )
    )
    return [each if each is not None else (next(rest), None) for each in copied]


async def _refused(asker: Asker, ref: str, zone: str, server: Endpoint, needed: int) -> ServerView:
    """Nothing but the SOA is asked for."""
    view = await ask_server(asker, ref, zone, server, ())
    if view.problem:
        return view
    text = (
        f"the plan needs {needed} questions, more than {MOST}, and no transfer of the zone is allowed: split the plan"
    )
    return replace(view, serial=None, problem=text, wrong=False)


async def _copied(
    asker: Asker, ref: str, zone: str, server: Endpoint, keys: Sequence[RRsetKey]
) -> tuple[ServerView, ZoneCopy] | None:
    """By a transfer; None where that is not to be had. Only a server that answered for the zone over UDP is connected
    to: whoever lists an address in a plan could otherwise have anything sent to any port there.
    """
    soa = await asker.ask(server, zone, "SOA", recurse=False)
    if not isinstance(soa, Reply) or not soa.aa or soa.find(zone, "SOA") is None:
        return None
    copy = await fetch_zone(server, zone)
    view = await _confirmed(asker, ref, copy, keys) if not isinstance(copy, NoCopy) else None
    return (view, copy) if view is not None and not isinstance(copy, NoCopy) else None


async def _confirmed(asker: Asker, ref: str, copy: ZoneCopy, keys: Sequence[RRsetKey]) -> ServerView | None:
    """What the copy says about `keys`; None where the server's answers say something else: the zone changed in between,
    or it serves others than it gives.
    """
    sample = tuple(keys[:: max(1, len(keys) // SAMPLE)][:SAMPLE])
    asked = await ask_server(asker, ref, copy.zone, copy.server, sample)
    told = copy.server_view(ref, keys)
    if asked.serial != told.serial or any(told.rrsets.get(k, asked) != found for k, found in asked.rrsets.items()):
        return None
    if asked.problem and asked.fault is not Fault.CUT:
        return replace(told, problem=asked.problem, wrong=asked.wrong, fault=asked.fault)
    return told
