"""The replay's world: the lab, two vendors, and receivers whose caches are in different phases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from dns_cutover.clock import Clock
from dns_cutover.errors import Unavailable
from dns_cutover.lab.cache import Clamps
from dns_cutover.lab.client import OneTry
from dns_cutover.lab.replay.arms import KINDS, LOW_TTL, MAIL_EVERY, TTL, Fault, Kind
from dns_cutover.lab.replay.figures import Delivery, Subject
from dns_cutover.lab.replay.hosts import DOMAIN, Canary, Reader, Receiver, SigningKey, Vendor
from dns_cutover.lab.resolver import Resolver
from dns_cutover.lab.world import LabWorld
from dns_cutover.lab.zone import NameType, ZoneVersion
from dns_cutover.records import RRset

ZONE = f"{DOMAIN}."
RELAY = f"relay.{ZONE}"
OLD, NEW = ("127.0.1.1", "127.0.1.99"), ("127.0.2.1", "127.0.2.99")  # each vendor's address, and a wrong one
SPF_OLD = '"v=spf1 include:spf.oldmail.test -all"'
SPF_NEW = '"v=spf1 include:spf.newmail.test -all"'
OTHER_TXT = '"site-verification=3f9a"'
ZONE_TEXT = f"""\
@ {TTL} IN SOA ns1 hostmaster 2026031001 7200 900 1209600 300
@ {TTL} IN NS ns1
@ {TTL} IN NS ns2
ns1 {TTL} IN A 127.0.0.1
ns2 {TTL} IN A 127.0.0.1
@ {TTL} IN TXT {SPF_OLD}
@ {TTL} IN TXT {OTHER_TXT}
_dmarc {TTL} IN TXT "v=DMARC1; p=reject"
s1._domainkey {TTL} IN CNAME s1.dkim.u17.oldmail.test.
; Whom the application sends through. Its short TTL, in every arm, leaves the receivers' caches as what is measured.
relay {LOW_TTL} IN CNAME relay.oldmail.test.
"""
_LOOKED_UP = ((ZONE, "TXT"), (f"_dmarc.{ZONE}", "TXT"), (f"s1._domainkey.{ZONE}", "TXT"), ("spf.oldmail.test.", "TXT"))
WATCHED = 4  # resolvers that the plan lists


def vendors_zone(old: SigningKey, new: SigningKey) -> str:
    """What both vendors have in DNS."""
    return f"""\
relay.oldmail {TTL} IN A {OLD[0]}
relay.newmail {TTL} IN A {NEW[0]}
spf.oldmail {TTL} IN TXT "v=spf1 ip4:{OLD[0]} -all"
spf.newmail {TTL} IN TXT "v=spf1 ip4:{NEW[0]} -all"
s1.dkim.u17.oldmail {TTL} IN TXT {quoted(old.record)}
s1.dkim.u42.newmail {TTL} IN TXT {quoted(new.record)}
nm1.dkim.u42.newmail {TTL} IN TXT {quoted(new.record)}
"""


def quoted(text: str) -> str:
    """TXT RDATA of any length: strings of up to 255 octets."""
    return " ".join(f'"{text[n : n + 255]}"' for n in range(0, len(text), 255))


class PhaseClock:
    """The clock of one cache. `ago` seconds in the past while it is filled, so that its entries have that age."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ago = 0.0

    def now(self) -> float:
        """Lab time, or earlier."""
        return self._clock.now() - self.ago

    async def sleep_until(self, when: float) -> None:
        """As the lab's."""
        await self._clock.sleep_until(when + self.ago)


class ReplayWorld:
    """`async with ReplayWorld(clock, …) as world`: mail flows from then on, and what became of it is in `deliveries`.

    For each kind of cache there are `phases` receivers, whose caches were filled at moments spread at random over the
    life of an entry, one in each of `phases` equal parts of it. `in_place`: the new vendor signs with the selector of
    the old one. `alarm`: see Canary.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        phases: int,
        fault: Fault | None,
        in_place: bool,
        alarm: Callable[[float], bool] = lambda now: False,
        kinds: Sequence[Kind] = KINDS,
        seed: int = 1,
    ) -> None:
        self.clock = clock
        self.lab = LabWorld(clock, zone=ZONE, zone_text=ZONE_TEXT, resolvers=WATCHED, seed=seed)
        self.began = clock.now()
        old, new = SigningKey.new(), SigningKey.new()
        self.old = Vendor("oldmail", *OLD, old, "s1", clock)
        self.new = Vendor("newmail", *NEW, new, "s1" if in_place else "nm1", clock, fault)
        self.subjects: list[Subject] = []
        self.deliveries: list[Delivery] = []
        self.canary: Canary
        self._receivers: list[Receiver] = []
        self._alarm = alarm
        self._kinds = tuple(kinds)
        self._phases = phases
        self._rng = random.Random(f"{seed} replay")  # noqa: S311 - a lab must be repeatable
        self._open = True
        self._reader = Reader()
        self._tasks: list[asyncio.Task[None]] = []
        self._relay: Receiver
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> ReplayWorld:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.lab)
            self._publish_vendors()
            fresh = await self._resolver(stack, "canary", Clamps(maximum=0, negative=0), self.clock)
            own = await self._receiver(stack, "canary-inbox", fresh)
            self.canary = Canary({"old": self.old, "new": self.new}, own, self.clock, self._alarm)
            await self.canary.host.start()
            stack.push_async_callback(self.canary.host.stop)
            self._relay = await self._receiver(
                stack, "application", await self._resolver(stack, "application", Clamps(), self.clock)
            )
            for kind in self._kinds:
                for phase in range(self._phases):
                    await self._add(stack, kind, phase)
            stack.push_async_callback(self._stop)
            self.began = self.clock.now()
            self._tasks = [asyncio.ensure_future(self._mail(n)) for n in range(len(self._receivers))]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _stop(self) -> None:
        self._open = False
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for vendor in (self.old, self.new):
            vendor.close()
        await asyncio.sleep(0)
        for outcome in ended:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    def _publish_vendors(self) -> None:
        zone = self.lab.parent.zone
        apex = "\n".join(f"@ {s.ttl} IN {t} {s.values[0]}" for t, s in zone.types_at(zone.origin).items())
        own = ZoneVersion.from_text(zone.origin, f"{apex}\n{vendors_zone(self.old.key, self.new.key)}")
        self.lab.parent.publish(ZoneVersion.of(zone.origin, {**zone.rrsets, **own.rrsets}))

    async def _resolver(self, stack: AsyncExitStack, name: str, clamps: Clamps, clock: Clock) -> Resolver:
        # The canary's must not ask a server that is a moment behind; whichever the others ask is as in life.
        servers = self.lab.authoritative[:1] if clamps.maximum == 0 else self.lab.authoritative
        delegations = {ZONE: servers, self.lab.parent.zone.origin: (self.lab.parent.endpoint,)}
        rng = random.Random(f"{name} {self._rng.random()}")  # noqa: S311 - a lab must be repeatable
        resolver = Resolver(name, delegations, clock, OneTry(), rng, clamps)
        await resolver.start()
        stack.push_async_callback(resolver.stop)
        return resolver

    async def _receiver(self, stack: AsyncExitStack, name: str, resolver: Resolver) -> Receiver:
        receiver = Receiver(name, resolver.endpoint, self._reader)
        await receiver.start()
        stack.push_async_callback(receiver.stop)
        return receiver

    async def _add(self, stack: AsyncExitStack, kind: Kind, phase: int) -> None:
        number = len(self._receivers)
        clock = PhaseClock(self.clock)
        receiver = await self._receiver(
            stack, f"receiver-{number}", await self._resolver(stack, f"cache-{number}", kind.clamps, clock)
        )
        hold = kind.hold(TTL)
        clock.ago = (phase + self._rng.random()) / self._phases * hold
        for question in _LOOKED_UP:
            await receiver.ask(*question)
        self.subjects.append(Subject(kind.name, hold, hold - clock.ago))
        clock.ago = 0.0
        self._receivers.append(receiver)

    async def _mail(self, number: int) -> None:
        """A message each MAIL_EVERY to one receiver."""
        receiver = self._receivers[number]
        due = self.clock.now() + self._rng.uniform(0.0, MAIL_EVERY)
        while self._open:  # not True: wait_for, in aiosmtplib, can swallow a cancellation (Python 3.11)
            await self.clock.sleep_until(due)
            started = self.clock.now()
            vendor = self.new if await self._relay.ask(RELAY, "A") == (NEW[0],) else self.old
            said = await vendor.send(receiver.mailbox, receiver.host.port)
            self.deliveries.append(Delivery(number, started, said.code))
            due += MAIL_EVERY

    async def reach(self, when: float) -> float:
        """Lab time `when` or later, which is returned. A sender that failed raises what it failed of."""
        while (left := when - self.clock.now()) > 0:
            for task in self._tasks:
                if task.done():
                    task.result()
            await self.clock.sleep_until(self.clock.now() + min(left, MAIL_EVERY))
        return self.clock.now()

    def by_hand(self, changes: Mapping[NameType, RRset]) -> float:
        """Somebody replaces whole RRsets at the primary. Returns when (lab seconds)."""
        zone = self.lab.primary.zone
        rrsets: dict[NameType, RRset] = {**zone.rrsets, **changes}
        fields = zone.soa.values[0].split()
        fields[2] = str(zone.serial + 1)
        rrsets[zone.origin, "SOA"] = RRset(zone.soa.ttl, (" ".join(fields),))
        self.lab.primary.publish(ZoneVersion.of(zone.origin, rrsets))
        return self.clock.now()


def check_addresses() -> None:
    """Whether mail can come from all the addresses that the replay needs. Raises Unavailable."""
    import socket

    for address in (*OLD, *NEW):
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                raise Unavailable(
                    f"nothing can be sent from {address} on this machine",
                    "The replay tells mail hosts apart by their loopback addresses; Linux has all of 127.0.0.0/8.",
                    (f"on macOS: sudo ifconfig lo0 alias {address}   for each of {', '.join((*OLD, *NEW))}",),
                ) from None
