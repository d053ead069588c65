"""A secondary that lags: told by NOTIFY, it waits, then takes over what changed by IXFR or AXFR."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import dns.xfr
import dns.zone

from dns_cutover.clock import Clock
from dns_cutover.lab.keys import LabKey
from dns_cutover.lab.message import Incoming
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import NameType, ZoneVersion
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.records import RRset

TRANSFER_TIMEOUT = 5.0  # real seconds


class Secondary(Authoritative):
    """Serves its own copy of a zone, which begins as `zone`.

    It asks the primary `lag` lab seconds after each NOTIFY, after the SOA's refresh (retry, where that failed), and
    after a restart; past the SOA's expire it answers SERVFAIL (RFC 1035 section 3.3.13). All of these are lab seconds.
    `hold`: transfers fail. The same `key` opens it to transfers by others.
    """

    def __init__(
        self, name: str, zone: ZoneVersion, primary: Endpoint, key: LabKey, clock: Clock, lag: float = 2.0
    ) -> None:
        super().__init__(name, zone, (replace(key, update=False),))
        self.lag = lag
        self.hold = False
        self._primary = primary
        self._key = key
        self._clock = clock
        self._refreshing = asyncio.Lock()
        self._checked = self._tried = clock.now()
        self._started = False

    async def start(self) -> None:
        """Listen. What was missed while it was stopped is fetched at once."""
        await super().start()
        self.spawn(self._maintain(at_once=self._started))
        self._started = True

    def expired(self) -> bool:
        """Whether the primary was last reached longer ago than the SOA's expire."""
        return self._clock.now() > self._checked + self.zone.timers[2]

    def takes_updates(self) -> bool:
        """Updates go to the primary: NOTAUTH, as BIND has it."""
        return False

    def notified(self, source: Incoming) -> int:
        """Look at the primary after the lag."""
        self.spawn(self._later())
        return dns.rcode.NOERROR

    async def _later(self) -> None:
        await self._clock.sleep_until(self._clock.now() + self.lag)
        await self.refresh()

    async def _maintain(self, *, at_once: bool) -> None:
        if at_once:
            await self.refresh()
        while self.running:  # not True: wait_for, in dnspython, can swallow a cancellation (Python 3.11)
            refresh, retry, _ = self.zone.timers
            due = self._tried + max(1, refresh if self._tried == self._checked else retry)
            if due <= self._clock.now():
                await self.refresh()
            else:
                await self._clock.sleep_until(due)

    async def refresh(self) -> bool:
        """Take over what the primary has; whether it could be asked."""
        async with self._refreshing:
            began = self._clock.now()
            self._tried = began
            if self.hold:
                return False
            try:
                version = await self._fetched()
            except (dns.exception.DNSException, OSError, EOFError, ValueError):
                return False
            self._checked = began
            if version.serial != self.zone.serial:
                self.publish(version)
            return True

    async def _fetched(self) -> ZoneVersion:
        copy = to_dnspython(self.zone)
        query, _ = dns.xfr.make_query(copy, keyring=self._key.tsig())
        await dns.asyncquery.inbound_xfr(
            self._primary.address,
            copy,
            query,
            port=self._primary.port,
            lifetime=TRANSFER_TIMEOUT,
            backend=dns.asyncbackend.get_backend("asyncio"),
        )
        return from_dnspython(self.zone.origin, copy)


def to_dnspython(version: ZoneVersion) -> dns.zone.Zone:
    """A zone that dnspython can apply a transfer to."""
    copy = dns.zone.Zone(dns.name.from_text(version.origin), relativize=False)
    with copy.writer() as writer:
        for (owner, rdtype), rrset in version.rrsets.items():
            writer.add(dns.name.from_text(owner), rrset.to_rdataset(rdtype))
    return copy


def from_dnspython(origin: str, zone: dns.zone.Zone) -> ZoneVersion:
    """The zone as a version. Raises ValueError without a SOA."""
    rrsets: dict[NameType, RRset] = {}
    rdataset: Any
    for name, rdataset in zone.iterate_rdatasets():
        key = (name.canonicalize().to_text(), dns.rdatatype.to_text(rdataset.rdtype))
        rrsets[key] = RRset.from_rdataset(rdataset)
    return ZoneVersion.of(origin, rrsets)
