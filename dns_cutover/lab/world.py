"""A small Internet on loopback: primary, lagging secondary, resolvers, mail hosts, users who ask all the time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import dns.tsig

from dns_cutover.clock import Clock
from dns_cutover.lab.resolver import Clamps, Resolver
from dns_cutover.lab.server import Authoritative, Secondary
from dns_cutover.lab.services import MailGreeter
from dns_cutover.lab.zone import NameType, ZoneVersion
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker, Reply, Timeouts

KEY_NAME = "cutover"
KEY_ALGORITHM = "hmac-sha256"
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


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer that a user got, or a server gave. `at` in lab seconds."""

    at: float
    who: str
    question: NameType
    values: tuple[str, ...]
    ttl: int


@dataclass(slots=True)
class Users:
    """Asks every resolver at random moments, as users do, which keeps caches warm; records all answers."""

    clock: Clock
    asker: Asker
    rng: random.Random
    samples: list[Sample] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stopped: bool = False

    def watch(self, server: Endpoint, question: NameType, every: float, *, recurse: bool) -> None:
        """Ask `server` at intervals around `every` lab seconds until `stop`."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._ask(server, question, every, recurse)))

    async def _ask(self, server: Endpoint, question: NameType, every: float, recurse: bool) -> None:
        while not self._stopped:
            reply = await self.asker.ask(server, *question, recurse=recurse)
            if isinstance(reply, Reply) and reply.rcode in ("NOERROR", "NXDOMAIN"):
                found = reply.find(*question)
                values, ttl = (found.values, found.ttl) if found is not None else ((), 0)
                self.samples.append(Sample(self.clock.now(), server.name, question, values, ttl))
            await self.clock.sleep_until(self.clock.now() + self.rng.uniform(0.5, 1.5) * every)

    async def stop(self) -> None:
        """No more questions."""
        # Python 3.11's wait_for can swallow a cancellation that comes together with an answer: the flag ends it then.
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def last_seen(self, question: NameType, value: str, *, since: float, present: bool = True) -> float | None:
        """When `value` was last in an answer (or last missing, with `present` False), from `since` on; None: never."""
        times = [
            s.at for s in self.samples if s.question == question and s.at >= since and (value in s.values) == present
        ]
        return max(times, default=None)


class LabWorld:
    """`async with LabWorld(...) as lab`. Everything listens on 127.0.0.1, on ports that the system chose."""

    def __init__(
        self,
        clock: Clock,
        *,
        zone: str = "example.test.",
        zone_text: str = DEMO_ZONE,
        resolvers: int = 8,
        secondary_lag: float = 2.0,
        seed: int = 1,
        clamps: tuple[Clamps, ...] = (Clamps(),),
    ) -> None:
        self.clock = clock
        self.zone = zone
        self.rng = random.Random(seed)  # noqa: S311 - a lab must be repeatable
        key = dns.tsig.Key(KEY_NAME, KEY_SECRET, KEY_ALGORITHM)
        keyring: Any = {key.name: key}
        self.asker = Asker(Timeouts(udp=1.0, tcp=2.0))
        self.primary = Authoritative("ns1.example.test", ZoneVersion.from_text(zone, zone_text), keyring)
        self.secondary = Secondary("ns2.example.test", self.primary, clock, secondary_lag)
        self._count = resolvers
        self._clamps = clamps
        self.resolvers: list[Resolver] = []
        self.mail = {name: MailGreeter(name) for name in ("mx.oldmail.test", "mx.newmail.test")}
        self.users = Users(clock, self.asker, random.Random(seed + 1))  # noqa: S311 - a lab must be repeatable

    @property
    def authoritative(self) -> tuple[Endpoint, ...]:
        """Both servers of the zone."""
        return self.primary.endpoint, self.secondary.endpoint

    async def __aenter__(self) -> LabWorld:
        await self.primary.start()
        await self.secondary.start()
        delegations = {self.zone: self.authoritative}
        for n in range(self._count):
            clamps = self._clamps[n % len(self._clamps)]
            resolver = Resolver(f"resolver-{n + 1}", delegations, self.clock, self.asker, self.rng, clamps)
            await resolver.start()
            self.resolvers.append(resolver)
        for greeter in self.mail.values():
            await greeter.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.users.stop()
        for greeter in self.mail.values():
            await greeter.stop()
        for server in (*self.resolvers, self.secondary, self.primary):
            await server.stop()
