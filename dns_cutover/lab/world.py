"""A small Internet on loopback: a zone's servers and its parent, resolvers, mail and web hosts, users."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

from dns_cutover.clock import Clock
from dns_cutover.lab.cache import Clamps
from dns_cutover.lab.client import OneTry
from dns_cutover.lab.keys import LabKey
from dns_cutover.lab.resolver import Resolver
from dns_cutover.lab.sampler import Sampler
from dns_cutover.lab.secondary import Secondary
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.services import MailGreeter, Service, WebServer
from dns_cutover.lab.sockets import DnsServer
from dns_cutover.lab.zone import NameType, ZoneVersion, lineage
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.records import RRset

KEY_SECRET = "bGFiLW9ubHktc2VjcmV0LW9mLWRucy1jdXRvdmVyLTAwMDE="  # noqa: S105 - opens nothing but this lab

DEMO_ZONE = """\
@ 3600 IN SOA ns1 hostmaster 2026031001 7200 900 1209600 300
@ 3600 IN NS ns1
@ 3600 IN NS ns2
@ 3600 IN MX 10 mx.oldmail.test.
@ 3600 IN TXT "v=spf1 include:spf.oldmail.test -all"
@ 3600 IN TXT "site-verification=3f9a"
ns1 3600 IN A 127.0.0.1
ns2 3600 IN A 127.0.0.1
www 300 IN A 192.0.2.80
om1._domainkey 3600 IN CNAME om1.dkim.oldmail.test.
"""

# What the vendors have; their zones live in the registry's server, for the sake of a small lab.
VENDORS = """\
mx.oldmail 3600 IN A 127.0.0.1
mx.newmail 3600 IN A 127.0.0.1
spf.oldmail 3600 IN TXT "v=spf1 ip4:198.51.100.1 -all"
spf.newmail 3600 IN TXT "v=spf1 ip4:198.51.100.7 -all"
om1.dkim.oldmail 3600 IN TXT "v=DKIM1; p=b2xk"
nm1.dkim.u42.newmail 3600 IN TXT "v=DKIM1; p=bmV3"
"""
PARENT_TTL = 3600
_PARENT_APEX = (
    "@ 3600 IN SOA a.nic hostmaster.nic 1 7200 900 1209600 300\n@ 3600 IN NS a.nic\na.nic 3600 IN A 127.0.0.1\n"
)


def parent_of(zone: ZoneVersion) -> ZoneVersion:
    """The parent zone: its delegation with glue, and under `test.` the vendors of the demo."""
    above = lineage(zone.origin)
    if len(above) < 3:
        raise ValueError(f"the lab's zone {zone.origin} needs a parent that is not the root")
    origin = above[1]
    text = _PARENT_APEX + (VENDORS if origin == "test." else "")
    rrsets: dict[NameType, RRset] = dict(ZoneVersion.from_text(origin, text).rrsets)
    ns = zone.types_at(zone.origin).get("NS")
    if ns is None:
        raise ValueError(f"the lab's zone {zone.origin} has no NS at its apex")
    rrsets[zone.origin, "NS"] = ns.with_ttl(PARENT_TTL)
    for name in ns.values:
        for rdtype in ("A", "AAAA"):
            if (glue := zone.rrsets.get((name, rdtype))) is not None:
                rrsets[name, rdtype] = glue.with_ttl(PARENT_TTL)
    return ZoneVersion.of(origin, rrsets)


class LabWorld:
    """`async with LabWorld(clock) as lab`: everything listens on 127.0.0.1, on ports that the system chose.

    `clamps` and `stretch` (above 1: a violator of TTLs) go round over the resolvers. Nothing is discovered here, since
    ports are not 53: servers are told to those who ask. After leaving, every port is closed and every task ended.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        zone: str = "example.test.",
        zone_text: str = DEMO_ZONE,
        resolvers: int = 8,
        clamps: Sequence[Clamps] = (Clamps(),),
        stretch: Sequence[float] = (1.0,),
        secondary_lag: float = 2.0,
        seed: int = 1,
    ) -> None:
        self.clock = clock
        self.zone = zone
        self.rng = random.Random(seed)  # noqa: S311 - a lab must be repeatable
        self.key = LabKey("cutover", KEY_SECRET)
        version = ZoneVersion.from_text(zone, zone_text)
        self.primary = Authoritative(f"ns1.{zone}".rstrip("."), version, [self.key])
        self.parent = Authoritative("a.nic", parent_of(version))
        self.mail = {name: MailGreeter(name) for name in ("mx.oldmail.test", "mx.newmail.test")}
        self.web = WebServer(f"www.{zone}".rstrip("."))
        self.sampler = Sampler(clock, random.Random(f"{seed} users"))  # noqa: S311 - a lab must be repeatable
        self.secondary: Secondary
        self.caches: tuple[Resolver, ...] = ()
        self._start = version
        self._lag = secondary_lag
        self._count = resolvers
        self._clamps = tuple(clamps)
        self._stretch = tuple(stretch)
        self._seed = seed
        self._stack = AsyncExitStack()

    @property
    def authoritative(self) -> tuple[Endpoint, ...]:
        """Both servers of the zone, the primary first."""
        return self.primary.endpoint, self.secondary.endpoint

    @property
    def resolvers(self) -> tuple[Endpoint, ...]:
        """All caching resolvers; `caches` are the servers themselves."""
        return tuple(cache.endpoint for cache in self.caches)

    @property
    def services(self) -> dict[str, Service]:
        """Mail and web hosts by name."""
        return {**self.mail, self.web.host_name: self.web}

    async def __aenter__(self) -> LabWorld:
        async with AsyncExitStack() as stack:
            await self._run(stack, self.primary)
            self.secondary = Secondary(
                f"ns2.{self.zone}".rstrip("."), self._start, self.primary.endpoint, self.key, self.clock, self._lag
            )
            await self._run(stack, self.secondary)
            self.primary.notify.append(self.secondary.endpoint)
            await self._run(stack, self.parent)
            self.caches = tuple(self._resolver(n) for n in range(self._count))
            others: list[DnsServer | Service] = [*self.caches, *self.services.values()]
            for server in others:
                await self._run(stack, server)
            stack.push_async_callback(self.sampler.stop)
            self._stack = stack.pop_all()  # from now on leaving the lab stops all of it
        return self

    @staticmethod
    async def _run(stack: AsyncExitStack, server: DnsServer | Service) -> None:
        await server.start()
        stack.push_async_callback(server.stop)

    def _resolver(self, number: int) -> Resolver:
        name = f"resolver-{number + 1}"
        delegations = {self.zone: self.authoritative, self.parent.zone.origin: (self.parent.endpoint,)}
        rng = random.Random(f"{self._seed} {name}")  # noqa: S311 - a lab must be repeatable
        clamps = self._clamps[number % len(self._clamps)]
        stretch = self._stretch[number % len(self._stretch)]
        return Resolver(name, delegations, self.clock, OneTry(), rng, clamps, stretch, nsid=name)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
