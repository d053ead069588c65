"""Which requests read which names. Asks its transport, paces, and tries again where that is harmless.

A listing pages by 300 sets, and an account has five requests a second: a small zone is read whole, a large one name by
name as long as that takes fewer requests. ListResourceRecordSets shows what was written last, pending changes too:
docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from dns_cutover.providers.clock import clock_offset
from dns_cutover.providers.interface import Unreachable
from dns_cutover.providers.route53.message import (
    Accepted,
    BatchChange,
    Failure,
    HostedZone,
    Page,
    RecordSet,
    Start,
    Transport,
)
from dns_cutover.providers.route53.pacing import THROTTLED, Pace
from dns_cutover.providers.route53.refusal import Where, failure, no_zone, other_name, several_zones
from dns_cutover.providers.route53.spelling import from_api_name, to_api_name
from dns_cutover.records import InvalidName

PAGE = 300
PATIENCE = 60.0  # seconds in which a request that is turned away is tried again
READ_TRIES = 3  # of a question without an answer

Reply = TypeVar("Reply", Page, Accepted, HostedZone, tuple[HostedZone, ...])


@dataclass(slots=True)
class Reader:
    """One hosted zone as it can be asked. `offset` is what the last answer told of Route 53's clock, minus ours."""

    transport: Transport
    where: Where
    pace: Pace
    now: Callable[[], float]
    offset: float | None = None
    zone_: HostedZone | None = field(default=None)

    async def zone(self) -> HostedZone:
        """Which hosted zone is meant; found once. Raises Refused (none, several, another name), Unreachable."""
        if self.zone_ is None:
            self.zone_ = await self._find()
        return self.zone_

    async def _find(self) -> HostedZone:
        where = self.where
        if where.zone_id:
            found = await self.ask(lambda: self.transport.zone(where.zone_id))
            name = from_api_name(found.name)
            if name != where.zone:
                raise other_name(where, found, name)
            return found
        zones = await self.ask(lambda: self.transport.zones(where.zone))
        fitting = tuple(z for z in zones if where.private in (None, z.private))
        if not fitting:
            raise no_zone(where)
        if len(fitting) > 1:
            raise several_zones(where, fitting)
        return fitting[0]

    async def read(self, owners: Collection[str]) -> dict[tuple[str, str], list[RecordSet]]:
        """All record sets of these names (canonical, absolute), by owner and type. Raises Refused, Unreachable."""
        zone = await self.zone()
        wanted = set(owners)
        found: dict[tuple[str, str], list[RecordSet]] = {}
        if len(wanted) >= -(-zone.records // PAGE):
            await self._collect(zone.id, None, wanted, found)
        else:
            for owner in sorted(wanted):
                await self._collect(zone.id, (to_api_name(owner), "", ""), {owner}, found)
        return found

    async def _collect(
        self, zone_id: str, start: Start | None, wanted: set[str], found: dict[tuple[str, str], list[RecordSet]]
    ) -> None:
        """From `start` to the zone's end, or as long as the name that was started at goes on."""
        limit = PAGE if start is None else 100
        at = start
        while True:
            page = await self.ask(partial(self.transport.list, zone_id, at, limit))
            for record in page.records:
                owner = _owner(record)
                if owner in wanted:
                    found.setdefault((owner, record.rdtype), []).append(record)
            if page.next is None or page.next == at:
                return
            if start is not None and _name(page.next[0]) not in wanted:
                return
            at = page.next

    async def settled(self, change: str) -> bool | None:
        """Whether all name servers have a change; None where Route 53 does not know it (any more)."""
        try:
            return (await self.ask(lambda: self.transport.get_change(change))).insync
        except UnknownChange:
            return None

    async def write(self, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        """Send a batch; an InvalidChangeBatch is handed back. Sent again only where it certainly was turned away.

        Raises Refused, Unreachable.
        """
        reply = await self.send(batch, comment)
        if isinstance(reply, Failure) and reply.code != "InvalidChangeBatch":
            raise failure(self.where, reply, "update")
        return reply

    async def send(self, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        """A batch, and whatever is answered."""
        zone = await self.zone()
        return await self._paced(lambda: self.transport.change(zone.id, batch, comment))

    async def ask(self, call: Callable[[], Awaitable[Reply | Failure]]) -> Reply:
        """A question, which may be asked again. Raises Refused, Unreachable."""
        tries = 0
        while True:
            tries += 1
            reply: Reply | Failure
            try:
                reply = await self._paced(call)
            except Unreachable:
                if tries >= READ_TRIES:
                    raise
                continue
            if not isinstance(reply, Failure):
                return reply
            if reply.status < 500 or tries >= READ_TRIES:
                if reply.code == "NoSuchChange":
                    raise UnknownChange
                raise failure(self.where, reply, "query")

    async def _paced(self, call: Callable[[], Awaitable[Reply | Failure]]) -> Reply | Failure:
        """One request in its turn, again while the account or the zone is too busy for it."""
        began, tries = self.now(), 0
        while True:
            if (wait := self.pace.reserve(self.now())) > 0:
                await self.transport.sleep(wait)
            sent = self.now()
            reply = await call()
            stamp = getattr(reply, "server_time", None)
            if stamp is not None:
                self.offset = clock_offset(stamp, sent, self.now())
            if not isinstance(reply, Failure) or reply.code not in THROTTLED:
                self.pace.answered()
                return reply
            tries += 1
            wait = self.pace.throttled(self.now(), tries)
            if not 0 <= self.now() + wait - began <= PATIENCE:
                return reply
            await self.transport.sleep(wait)


class UnknownChange(Exception):
    """Route 53 does not know the change that was asked for."""


def _name(text: str) -> str:
    try:
        return from_api_name(text)
    except InvalidName:
        return text


def _owner(record: RecordSet) -> str:
    return _name(record.name)
