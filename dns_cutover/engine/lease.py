"""A lease in the store of runs, where the zone cannot hold the lock.

It keeps apart the runs of one store, and nobody else: no server knows of it, so that a message of a runner that has
lost its lease is not refused for that. What is left is the SOA that every message depends on: after anybody else's
write to the zone it is another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from dns_cutover.providers.interface import ChangeSet, Fence, FenceLost, Guards, Provider, Receipt, Token
from dns_cutover.records import Change, RRset, RRsetKey
from dns_cutover.store.interface import MAX_RUN_ID, RESERVED, Envelope, Store


def lease_journal(zone: str) -> str:
    """Where the lease of a zone (absolute name) is kept: a reserved journal, whose last entry is the lease."""
    name = f"lock{RESERVED}{zone}"
    return name if len(name) <= MAX_RUN_ID else f"lock{RESERVED}{hashlib.sha256(zone.encode()).hexdigest()[:40]}"


class LeasedProvider:
    """`inner` with a lock in the store. Implements `providers.interface.Provider`; its guarantees are not `fenced`.

    `zone` is the zone's absolute name, `now` the clock that `Guards.clock_offset` is relative to (seconds UTC). A lock
    in the zone itself, of a run that may keep one there, is respected.
    """

    def __init__(self, inner: Provider, store: Store, zone: str, now: Callable[[], float]) -> None:
        self.guarantees = replace(inner.guarantees, fenced=False)
        self.inner = inner
        self._store = store
        self._journal = lease_journal(zone)
        self._now = now

    async def guards(self, keys: Collection[RRsetKey]) -> Guards:
        """See the interface. Raises Unavailable, too, as everything here does when the store cannot be used."""
        found = await self.inner.guards(keys)
        there = self._now() + (found.clock_offset or 0.0)
        in_zone = found.lock if found.lock is not None and found.lock.until > there else None
        return replace(found, lock=in_zone or (await self._last())[1], lock_blocked="")

    async def read(self, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, RRset | None]:
        """See the interface."""
        return await self.inner.read(keys)

    async def apply(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """See the interface. The message goes first: a lease that was swapped before it would seem to say that it was
        applied.
        """
        if fence is None:
            return await self.inner.apply(changes, None)
        if not changes.changes:
            await self._swap(fence)
            return Receipt((), 0)
        _, found = await self._last()
        if found != fence.held:
            raise FenceLost(found)
        receipt = await self.inner.apply(changes, None)
        await self._swap(fence)
        return receipt

    async def settled(self, receipt: Receipt) -> bool:
        """See the interface."""
        return await self.inner.settled(receipt)

    async def history(self, since_serial: int, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, int] | None:
        """See the interface."""
        return await self.inner.history(since_serial, keys)

    def partition(self, changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        """See the interface."""
        return self.inner.partition(changes)

    async def _last(self) -> tuple[int, Token | None]:
        """The length of the lease's journal, and the lease."""
        entry = await self._store.last(self._journal)
        if entry is None:
            return 0, None
        return entry.seq + 1, Token.parse(json.loads(entry.body)["lock"])

    async def _swap(self, fence: Fence) -> None:
        """Raises FenceLost; a swap that was made already is no loss."""
        length, found = await self._last()
        if found == fence.next:
            return
        if found != fence.held:
            raise FenceLost(found)
        text = fence.next.text() if fence.next is not None else ""
        body = json.dumps({"lock": text}, separators=(",", ":"))
        if not await self._store.append([Envelope(self._journal, length, self._now(), body)]):
            raise FenceLost((await self._last())[1])
