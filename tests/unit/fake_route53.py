"""A hosted zone in memory with the rules of Route 53: what stands for AWS where no server is needed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from dns_cutover.providers.route53.message import Accepted, BatchChange, Failure, HostedZone, Page, RecordSet, Start
from dns_cutover.providers.route53.pacing import Pace
from dns_cutover.providers.route53.provider import Route53Provider
from dns_cutover.providers.route53.refusal import Where
from tests.servers.harness.route53_rules import Key, apply_batch, key_of, normal, order_of

ZONE = "example.test."
REF = "default"


@dataclass
class FakeRoute53:
    """Implements `message.Transport`. `calls` are the requests that came, `trouble` what is answered first.

    An exception in `trouble` is raised before the request takes effect, one in `late_trouble` after it did.
    """

    name: str = ZONE
    now: float = 1_000_000.0
    sets: dict[Key, RecordSet] = field(default_factory=dict)
    hosted: list[HostedZone] = field(default_factory=list)
    calls: list[tuple[str, object]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    trouble: list[Failure | Exception | None] = field(default_factory=list)
    late_trouble: list[Exception] = field(default_factory=list)
    hooks: list[Callable[[], None]] = field(default_factory=list)  # each before one batch
    pending: int = 0  # how many GetChange say that it is on its way
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        soa = "ns-1.awsdns-1.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        self.put(RecordSet(self.name, "SOA", 900, (soa,)))
        self.put(RecordSet(self.name, "NS", 172800, ("ns-1.awsdns-1.com.", "ns-2.awsdns-2.net.")))

    def put(self, *records: RecordSet) -> None:
        """Somebody else writes, by UPSERT."""
        for r in map(normal, records):
            self.sets[key_of(r)] = r

    def drop(self, name: str, rdtype: str) -> None:
        self.sets.pop((name, rdtype, ""))

    def provider(self, where: Where | None = None, rng: int = 1) -> Route53Provider:
        pace = Pace(random.Random(rng))
        return Route53Provider(REF, self.name, self, lambda: self.now, pace, where=where or Where(self.name))

    def _answer(self, what: str, about: object) -> Failure | None:
        self.calls.append((what, about))
        self.now += 0.05
        first = self.trouble.pop(0) if self.trouble else None
        if isinstance(first, Exception):
            raise first
        return first

    async def list(self, zone_id: str, start: Start | None, limit: int) -> Page | Failure:
        if (failure := self._answer("list", start)) is not None:
            return failure
        records = sorted(self.sets.values(), key=order_of)
        if start is not None:
            first = order_of(RecordSet(start[0].replace("*", "\\052"), start[1], None, (), start[2]))
            records = [r for r in records if order_of(r) >= first]
        page, rest = records[:limit], records[limit:]
        return Page(tuple(page), key_of(rest[0]) if rest else None, float(int(self.now)))

    async def change(self, zone_id: str, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        if self.hooks:
            self.hooks.pop(0)()
        if (failure := self._answer("change", batch)) is not None:
            return failure
        done = apply_batch(self.name, self.sets, batch)
        if isinstance(done, Failure):
            return done
        self.sets = done
        if self.late_trouble:
            raise self.late_trouble.pop(0)
        return Accepted(f"C{next(self.numbers)}", False, float(int(self.now)))

    async def get_change(self, change: str) -> Accepted | Failure:
        if (failure := self._answer("get_change", change)) is not None:
            return failure
        self.pending -= 1
        return Accepted(change, self.pending < 0, float(int(self.now)))

    async def zones(self, name: str) -> tuple[HostedZone, ...] | Failure:
        if (failure := self._answer("zones", name)) is not None:
            return failure
        return tuple(self.hosted or (self._hosted(),))

    async def zone(self, zone_id: str) -> HostedZone | Failure:
        if (failure := self._answer("zone", zone_id)) is not None:
            return failure
        known = [z for z in (self.hosted or [self._hosted()]) if z.id == zone_id]
        return known[0] if known else Failure("NoSuchHostedZone", ("No hosted zone found with ID",), 404)

    def _hosted(self) -> HostedZone:
        return HostedZone("Z1EXAMPLE", self.name, False, len(self.sets))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
