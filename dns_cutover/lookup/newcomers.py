"""What servers that a plan is about to name have for the zone: asked directly, before anybody is sent to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dns_cutover.lookup.answer import Reply
from dns_cutover.lookup.first import first_good
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.views import TargetView
from dns_cutover.records import RRset

MAX_NEWCOMERS = 20  # name servers that a plan brings and that are asked
PATIENCE_S = 8.0


async def newcomers_keys(
    asker: Asker, places: Sequence[tuple[str, str]], targets: Mapping[str, TargetView]
) -> dict[tuple[str, str], RRset | None]:
    """The DNSKEY set that each host has for each zone, by (zone name, host name); None: it has none.

    Left out are hosts that could not be asked, and those that do not serve the zone yet. Never raises for the network.
    """

    async def ask(zone: str, host: str) -> Reply | None:
        view = targets.get(host)
        servers = [Endpoint(host, address) for address in (view.addresses if view is not None else ())]
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await first_good(asker, servers, zone, "DNSKEY", lambda o: isinstance(o, Reply) and o.aa)
        except TimeoutError:
            return None

    asked = tuple(dict.fromkeys(places))[:MAX_NEWCOMERS]
    replies = await asyncio.gather(*(ask(zone, host) for zone, host in asked))
    return {
        (zone, host): reply.find(zone, "DNSKEY")
        for (zone, host), reply in zip(asked, replies, strict=True)
        if reply is not None and reply.rcode == "NOERROR"
    }
