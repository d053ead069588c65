"""Looking at many RRsets at once: by one transfer from each server where it gives its zone, else by questions.

A plan of a few records never transfers a zone: that would cost the server more, and look like something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from dns_cutover.lookup.authoritative import Zones, ask_server
from dns_cutover.lookup.interface import Endpoint, ServerView
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.transfer import NoCopy, fetch_zone
from dns_cutover.lookup.zonecopy import ZoneCopy
from dns_cutover.records import RRsetKey

ENOUGH = 500  # RRsets of one zone from which on a transfer is the smaller burden
SAMPLE = 20  # RRsets that are asked for all the same, over UDP and TCP: a copy that answers contradict is not used


@dataclass(frozen=True, slots=True)
class Looked:
    """What all servers said. `copies`: by zone reference the copy of the first server that gave one."""

    views: tuple[ServerView, ...]
    copies: Mapping[str, ZoneCopy]


async def look_at_all(asker: Asker, zones: Zones, keys: Collection[RRsetKey]) -> Looked:
    """Every server of every zone that `keys` touch. `zones`: reference -> (zone name, servers).

    Never raises for the network.
    """
    own: dict[str, list[RRsetKey]] = {ref: [] for ref in sorted({k.zone for k in keys})}
    for key in dict.fromkeys(keys):
        own[key.zone].append(key)
    jobs = [_look(asker, ref, zones[ref][0], server, own[ref]) for ref in own for server in zones[ref][1]]
    found = await asyncio.gather(*jobs)
    copies: dict[str, ZoneCopy] = {}
    for view, copy in found:
        if copy is not None and not view.problem:
            copies.setdefault(view.zone, copy)
    return Looked(tuple(view for view, _ in found), MappingProxyType(copies))


async def _look(
    asker: Asker, ref: str, zone: str, server: Endpoint, keys: Sequence[RRsetKey]
) -> tuple[ServerView, ZoneCopy | None]:
    if len(keys) >= ENOUGH:
        copy = await fetch_zone(server, zone)
        if not isinstance(copy, NoCopy):
            view = await _confirmed(asker, ref, copy, keys)
            if view is not None:
                return view, copy
    return await ask_server(asker, ref, zone, server, keys), None


async def _confirmed(asker: Asker, ref: str, copy: ZoneCopy, keys: Sequence[RRsetKey]) -> ServerView | None:
    """What the copy says about `keys`; None where the server's answers say something else: the zone changed in between,
    or it serves others than it gives.
    """
    sample = tuple(keys[:: max(1, len(keys) // SAMPLE)][:SAMPLE])
    asked = await ask_server(asker, ref, copy.zone, copy.server, sample)
    told = copy.server_view(ref, keys)
    if asked.serial != told.serial or any(told.rrsets.get(k, asked) != found for k, found in asked.rrsets.items()):
        return None
    if asked.problem and not told.problem:
        return replace(told, problem=asked.problem, wrong=asked.wrong)
    return told
