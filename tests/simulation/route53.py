"""The stories of `seeds` with Route 53 in place of the primary: the provider's real decisions over a virtual AWS.

python -m tests.simulation.route53 SEED     replays one seed, with its story
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from dns_cutover.engine.journal import from_envelope
from dns_cutover.engine.ports import Ports
from dns_cutover.providers.interface import Token, Unreachable
from dns_cutover.providers.route53.batch import to_rrset
from dns_cutover.providers.route53.message import Accepted, BatchChange, Failure, HostedZone, Page, RecordSet, Start
from dns_cutover.providers.route53.pacing import Pace
from dns_cutover.providers.route53.provider import Route53Provider, guarantees
from dns_cutover.providers.route53.spelling import from_api_name, to_api_name, to_api_value
from dns_cutover.records import RRset
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from tests.servers.harness.route53_rules import Key, apply_batch, key_of, normal, order_of
from tests.simulation import seeds, world
from tests.simulation.world import BASE, LOCK, ZONE, Clock, pause

ZONE_ID = "Z0SIMULATION"
NS = (ZONE, "NS")
SIGNED_FOR = 290.0  # seconds: AWS refuses a request whose signature is older than five minutes


@cache
def plans() -> tuple[seeds.Plan, ...]:
    out = []
    for plan in seeds.plans():
        provider = {"type": "route53", "zone_id": ZONE_ID, "propagation_bound": 60.0}
        zones = tuple(replace(z, provider=provider, guarantees=guarantees()) for z in plan.book.zones)
        book = replace(plan.book, zones=zones)
        out.append(seeds.Plan(book, runbook_json(book), runbook_sha256(book)))
    return tuple(out)


def base_zone() -> dict[tuple[str, str], RRset]:
    return {**BASE, NS: RRset(172800, ("ns-1.awsdns-1.test.",))}


@dataclass
class AwsStory(seeds.Story):
    """A story in which the zone is written by change batches."""

    throttle: float = 0.0  # the share of calls that are turned away
    dropped: float = 0.0  # the share of calls whose reply is lost after they took effect
    requests: int = 0
    insync: dict[str, float] = field(default_factory=dict)

    def sets(self) -> dict[Key, RecordSet]:
        found = (
            RecordSet(to_api_name(o), t, r.ttl, tuple(map(to_api_value, r.values))) for (o, t), r in self.zone.items()
        )
        return {key_of(r): r for r in map(normal, found)}

    def process_batch(self, batch: tuple[BatchChange, ...]) -> Accepted | Failure:
        """AWS: all of it or nothing."""
        done = apply_batch(ZONE, self.sets(), batch)
        if isinstance(done, Failure):
            return replace(done, server_time=self.now)
        work = {(from_api_name(r.name), r.rdtype): to_rrset(r) for r in done.values()}
        after = {q: r for q, r in work.items() if r is not None}
        self._note(after)
        change = f"C{len(self.versions)}"
        if after != self.zone:
            self._judge(self.zone, after)
            self.publish(after)
        self.insync[change] = self.now + self.lag
        return Accepted(change, False, float(int(self.now)))

    def _note(self, after: Mapping[tuple[str, str], RRset]) -> None:
        lock, held = after.get(LOCK), self.zone.get(LOCK)
        token = Token.parse(lock.values[0].strip('"')) if lock is not None else None
        if token is not None:
            self.taken.add(token.op)
        pending = self.folded.pending if self.folded is not None else None
        if token is None and held is not None and pending is not None and pending.next is None:
            self.taken.add(pending.op)

    def ports(self, runner: str) -> Ports:
        counter = iter(range(10**9))
        provider = Route53Provider(
            "default", ZONE, AwsTransport(self), lambda: self.now + self.skew, Pace(random.Random(self.rng.random()))
        )
        return Ports(
            seeds.FaultyStore(self),
            {"default": provider},
            seeds.FaultyLookup(self),
            seeds.FaultyProber(self),
            Clock(self),
            lambda: f"{runner}{next(counter):x}",
            runner,
            poll=seeds.POLL,
        )


@dataclass
class AwsTransport:
    """Implements `message.Transport`."""

    w: AwsStory

    async def _trouble(self) -> Failure | None:
        w = self.w
        await w.point(0.05)
        w.requests += 1
        if w.during(w.outages):
            raise Unreachable("nobody there", maybe_applied=False)
        if w.chance(w.throttle):
            code = w.rng.choice(("Throttling", "PriorRequestNotComplete"))
            return Failure(code, ("Rate exceeded",), 400, float(int(w.now)))
        return None

    async def _lost(self) -> None:
        """The answer to a question does not come."""
        if self.w.chance(self.w.dropped) or self.w.chance(self.w.chances.unreachable):
            raise Unreachable("no answer", maybe_applied=False)
        await self.w.point()

    async def list(self, zone_id: str, start: Start | None, limit: int) -> Page | Failure:
        if (failure := await self._trouble()) is not None:
            return failure
        records = sorted(self.w.sets().values(), key=order_of)
        if start is not None:
            first = order_of(RecordSet(start[0], start[1], None, (), start[2]))
            records = [r for r in records if order_of(r) >= first]
        page, rest = records[:limit], records[limit:]
        await self._lost()
        return Page(tuple(page), key_of(rest[0]) if rest else None, float(int(self.w.now)))

    async def change(self, zone_id: str, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        w = self.w
        if (failure := await self._trouble()) is not None:
            return failure
        w.updates += 1
        if w.chance(w.chances.race):
            seeds._foreign(w)
        takes = all(c.action == "CREATE" for c in batch)
        for kind, p in (("lost", w.chances.lost), ("mute", w.chances.mute + w.dropped), ("late", w.chances.late)):
            # A request that takes the lock and comes late finds it taken, unless it is given back within five minutes;
            # what it leaves then has no other consequence than a lock that expires.
            if w.chance(p) and not (kind == "late" and takes):
                w.say(f"batch {w.updates}: {kind}")
                if kind == "mute":
                    w.process_batch(batch)
                elif kind == "late":
                    delay = w.rng.choice((0.5, 3.0, 15.0, 90.0, SIGNED_FOR))
                    w.at(w.now + delay, lambda: world._ignore(w.process_batch(batch)))
                await w.point(10)
                raise Unreachable("no reply", maybe_applied=True)
        reply = w.process_batch(batch)
        await w.point()
        return reply

    async def get_change(self, change: str) -> Accepted | Failure:
        if (failure := await self._trouble()) is not None:
            return failure
        await self._lost()
        return Accepted(change, self.w.now >= self.w.insync[change], float(int(self.w.now)))

    async def zones(self, name: str) -> tuple[HostedZone, ...] | Failure:
        if (failure := await self._trouble()) is not None:
            return failure
        await self._lost()
        return (HostedZone(ZONE_ID, ZONE, False, len(self.w.zone)),)

    async def zone(self, zone_id: str) -> HostedZone | Failure:
        found = await self.zones(ZONE)
        return found if isinstance(found, Failure) else found[0]

    async def sleep(self, seconds: float) -> None:
        await pause(max(0.01, seconds))


def chaos(seed: int) -> AwsStory:
    """The story of a seed as `seeds` makes it, with Route 53."""
    told = seeds.story(seed)
    index = seeds.plans().index(told.plan)
    w = AwsStory(told.rng, lag=told.lag, plan=plans()[index], chances=told.chances, calm=told.calm)
    w.versions[0] = base_zone()
    w.ordered, w.absent, w.outages, w.failing = False, told.absent, told.outages, told.failing
    rng = w.rng
    w.throttle, w.dropped = rng.choice((0.0, 0.1, 0.3)), 0.0
    for _ in range(rng.choice((0, 0, 1, 3))):
        w.at(rng.uniform(1000, w.calm), lambda: seeds._foreign(w))
    for _ in range(rng.choice((0, 0, 1))):
        w.at(rng.uniform(1000, w.calm), lambda: seeds._jump(w))
    return w


def busy(seed: int) -> AwsStory:
    """Three of ten calls are turned away, or their reply is lost after they took effect; now and then the new service
    fails. Nothing else happens, for as long as the run lasts.
    """
    rng = random.Random(seed)
    safe = [p for p in plans() if all(s.commit == "never" for s in p.book.stages)]
    w = AwsStory(rng, lag=rng.choice((0.2, 3.0, 40.0)), plan=rng.choice(safe), calm=1e9)
    w.versions[0] = base_zone()
    w.throttle = rng.choice((0.0, 0.1, 0.2, 0.3))
    w.dropped = 0.3 - w.throttle
    if rng.random() < 0.4:
        w.failing = [(rng.uniform(1000, 7000), 1e9)]
    return w


def check(w: AwsStory) -> tuple[str, list[str]]:
    """The outcome of a story, and what is wrong with it."""
    try:
        state = seeds.tell(w)
    except AssertionError as exc:
        return "none", [str(exc), *w.problems]
    return str(state.outcome), seeds.judge(w, state)


def replay(w: AwsStory) -> None:
    print(check(w))
    lines = [(float(line.split()[0]), line) for line in w.said]
    lines += [(e.ts, f"{e.ts:9.1f}    {str(from_envelope(e))[:230]}") for e in w.journal[1:]]
    print(*(line for _, line in sorted(lines, key=lambda item: item[0])), sep="\n")


if __name__ == "__main__":
    replay((busy if sys.argv[1] == "busy" else chaos)(int(sys.argv[2])))
