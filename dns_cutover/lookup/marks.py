"""RRsets that are read once, from one server of their zone: marks that other tools leave beside the records they keep.

They prove nothing about propagation, so that one server's word is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from dns_cutover.lookup.answer import Reply
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.records import RRset, RRsetKey

_SERVERS = 2  # that are tried
PATIENCE = 5.0  # real seconds for all: marks are worth no more waiting


async def read_marks(
    asker: Asker,
    servers: Mapping[str, Sequence[Endpoint]],
    keys: Collection[RRsetKey],
    patience: float = PATIENCE,
) -> dict[RRsetKey, RRset]:
    """Those of `keys` that exist, each from the first of its zone's `servers` that answers. Never raises for the
    network: what nobody answers within `patience` (real seconds) is not there.
    """
    by_zone = {ref: [k for k in dict.fromkeys(keys) if k.zone == ref] for ref in servers}
    found: dict[RRsetKey, RRset] = {}

    async def read(ref: str, own: Sequence[RRsetKey]) -> None:
        found.update(await _of_zone(asker, servers[ref], own))

    try:
        async with asyncio.timeout(patience):
            await asyncio.gather(*(read(ref, own) for ref, own in by_zone.items() if own))
    except TimeoutError:
        pass
    return found


async def _of_zone(asker: Asker, servers: Sequence[Endpoint], keys: Sequence[RRsetKey]) -> dict[RRsetKey, RRset]:
    for server in servers[:_SERVERS]:
        # By TCP, many on one connection: nearly all of them are not there, and each would be a datagram with retries.
        replies = await asker.ask_stream(server, [(k.owner, k.rdtype) for k in keys], recurse=False)
        if any(isinstance(r, Reply) and r.aa for r in replies):
            return {
                k: rrset
                for k, r in zip(keys, replies, strict=True)
                if isinstance(r, Reply) and r.aa and (rrset := r.find(k.owner, k.rdtype)) is not None
            }
    return {}
