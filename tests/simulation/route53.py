"""The stories of `seeds` with Route 53 in place of the primary: the provider's real decisions over a virtual AWS.

python -m tests.simulation.route53 chaos|busy SEED     replays one seed, with its story
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache

from dns_cutover.engine.ports import Ports
from dns_cutover.providers.interface import Refused, Token, Unreachable
from dns_cutover.providers.rfc2136.update import Question
from dns_cutover.providers.route53.batch import to_rrset
from dns_cutover.providers.route53.message import Accepted, BatchChange, Failure, HostedZone, Page, RecordSet, Start
from dns_cutover.providers.route53.pacing import Pace
from dns_cutover.providers.route53.provider import Route53Provider, guarantees
from dns_cutover.providers.route53.spelling import from_api_name, to_api_name, to_api_value
from dns_cutover.records import RRset
from tests.servers.harness.route53_rules import Key, apply_batch, key_of, normal, order_of
from tests.simulation import plans, seeds, server
from tests.simulation.invariants import judge_end
from tests.simulation.plans import LOCK, ZONE, Variant
from tests.simulation.story import START, Story, story
from tests.simulation.world import Chances, Lookup, MachineClock, Prober, Secondary, Store

ZONE_ID = "Z0SIMULATION"
SIGNED_FOR = 290.0  # seconds: AWS refuses a request whose signature is older than five minutes
# The apex NS set is overwritten without a condition: what others do to it meanwhile is lost, as people are told.
COMPARED = ("mail", "alias", "long", "split")
UNATTENDED = ("mail", "alias", "apex", "short", "split")  # nobody has to confirm anything


@cache
def variant(name: str, policy: int) -> Variant:
    """A plan of the stories for a zone on Route 53."""
    book = plans.variant(name, policy).book
    provider = {"type": "route53", "zone_id": ZONE_ID, "propagation_bound": 60.0}
    zones = tuple(replace(z, provider=provider, guarantees=guarantees()) for z in book.zones)
    return plans.variant_of(name, replace(book, zones=zones))


@dataclass
class AwsStory(Story):
    """A story in which the zone is written by change batches."""

    throttle: float = 0.0  # the share of calls that are turned away
    dropped: float = 0.0  # the share of calls whose reply is lost after they took effect
    distant: float = 0.0  # how long after the servers that are asked others of the same address have a change
    insync: dict[str, float] = field(default_factory=dict)

    def sets(self) -> dict[Key, RecordSet]:
        """The zone as Route 53 has it."""
        found = (
            RecordSet(to_api_name(o), t, r.ttl, tuple(map(to_api_value, r.values))) for (o, t), r in self.zone.items()
        )
        return {key_of(r): r for r in map(normal, found)}

    def process_batch(self, batch: tuple[BatchChange, ...]) -> Accepted | Failure:
        """AWS: all of it or nothing."""
        before = self.zone
        done = apply_batch(ZONE, self.sets(), batch)
        if isinstance(done, Failure):
            return replace(done, server_time=self.stamp())
        work = {(from_api_name(r.name), r.rdtype): to_rrset(r) for r in done.values()}
        after: server.Zone = {q: r for q, r in work.items() if r is not None}
        if after != before:
            self.judge_write(before, after)
            self.publish(after)
        self._swapped(before, after)
        change = f"C{len(self.versions)}"
        self.insync[change] = self.now + max(self.distant, *(s.lag for s in self.secondaries))
        return Accepted(change, False, self.stamp())

    def _swapped(self, before: Mapping[Question, RRset], after: Mapping[Question, RRset]) -> None:
        """Whose operation was applied: its id is in the lock, or pending while the lock is given back."""
        lock = after.get(LOCK)
        token = Token.parse(lock.values[0].strip('"')) if lock is not None else None
        pending = self.folded.pending if self.folded is not None else None
        if token is not None:
            self.taken.add(token.op)
            changed = frozenset(q for q in {*before, *after} if before.get(q) != after.get(q))
            self.effects[token.op] = self.effects.get(token.op, frozenset()) | changed
        elif LOCK in before and pending is not None and pending.next is None:
            self.taken.add(pending.op)

    def stamp(self) -> float:
        """HTTP's Date has whole seconds."""
        return float(int(self.now))

    def ports(self, runner: str) -> Ports:
        counter, pace = itertools.count(), Pace(random.Random(self.rng.random()))
        provider = Route53Provider("default", ZONE, AwsTransport(self), lambda: self.now + self.skew, pace)
        return Ports(
            Store(self),
            {"default": provider},
            Lookup(self),
            Prober(self),
            MachineClock(self),
            lambda: f"{runner}{next(counter):x}",
            runner,
            poll=1e9,
        )


@dataclass
class AwsTransport:
    """Implements `message.Transport`."""

    w: AwsStory

    async def _trouble(self) -> Failure | None:
        w = self.w
        await w.point(0.05)
        if w.denies:
            raise Refused("the credentials are not known")
        if w.during(w.outages):
            raise Unreachable("nobody there", maybe_applied=False)
        if w.chance(w.throttle):
            return Failure(w.rng.choice(("Throttling", "PriorRequestNotComplete")), ("later",), 400, w.stamp())
        return None

    async def _answered(self) -> None:
        """The answer to a question may not come."""
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
        await self._answered()
        return Page(tuple(page), key_of(rest[0]) if rest else None, self.w.stamp())

    async def change(self, zone_id: str, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        w = self.w
        if (failure := await self._trouble()) is not None:
            return failure
        if w.chance(w.chances.slow):
            await w.point(w.rng.choice((20.0, 100.0)))
        w.updates += 1
        if w.chance(w.chances.race):
            w.foreign_write()
        takes = all(c.action == "CREATE" for c in batch)
        for kind, p in (("lost", w.chances.lost), ("mute", w.chances.mute + w.dropped), ("late", w.chances.late)):
            # A request that takes the lock and comes late finds it taken, unless it is given back within five minutes;
            # what it leaves then has no other consequence than a lock that expires.
            if w.chance(p) and not (kind == "late" and takes):
                w.say(f"batch {w.updates}: {kind}")
                if kind == "mute":
                    w.process_batch(batch)
                elif kind == "late":
                    w.at(w.now + w.rng.choice((0.5, 3.0, 15.0, 90.0, SIGNED_FOR)), lambda: w.process_batch(batch))
                await w.point(10)
                raise Unreachable("no reply", maybe_applied=True)
        reply = w.process_batch(batch)
        await w.point()
        return reply

    async def get_change(self, change: str) -> Accepted | Failure:
        if (failure := await self._trouble()) is not None:
            return failure
        await self._answered()
        return Accepted(change, self.w.now >= self.w.insync[change], self.w.stamp())

    async def zones(self, name: str) -> tuple[HostedZone, ...] | Failure:
        if (failure := await self._trouble()) is not None:
            return failure
        await self._answered()
        return (HostedZone(ZONE_ID, ZONE, False, len(self.w.zone)),)

    async def zone(self, zone_id: str) -> HostedZone | Failure:
        found = await self.zones(ZONE)
        return found if isinstance(found, Failure) else found[0]

    async def sleep(self, seconds: float) -> None:
        await self.w.point(max(0.01, seconds))


def chaos(seed: int) -> AwsStory:
    """The story of a seed as `seeds` has it, with Route 53."""
    told = story(seed)
    policy = told.rng.choice((0, told.rng.randrange(len(plans.POLICIES))))
    plan = variant(told.plan.name if told.plan.name in COMPARED else "mail", policy)
    w = AwsStory(told.rng, plan, told.manner, told.chances, told.calm)
    for one in fields(Story):
        if one.name in ("secondaries", "supervisors", "tick", "skew", "outages", "only_ours", "failing", "old_failing"):
            setattr(w, one.name, getattr(told, one.name))
    w.ordered = False
    w.throttle = w.rng.choice((0.0, 0.1, 0.3))
    for action, counts in ((w.foreign_write, (0, 0, 1, 3)), (w.jump, (0, 0, 1)), (w.relapse, (0, 0, 0, 2))):
        for _ in range(w.rng.choice(counts)):
            w.at(w.rng.uniform(START, w.calm), action)
    return w


def busy(seed: int) -> AwsStory:
    """Three of ten calls are turned away, or their reply is lost after they took effect; now and then the new service
    fails. Nothing else happens, for as long as the run lasts.
    """
    rng = random.Random(seed)
    w = AwsStory(rng, variant(rng.choice(UNATTENDED), 0), "bind", Chances(), 1e9)
    w.secondaries = [Secondary(rng.choice((0.2, 3.0, 40.0)))]
    w.throttle = rng.choice((0.0, 0.1, 0.2, 0.3))
    w.dropped = 0.3 - w.throttle
    if rng.random() < 0.4:
        w.failing = [(rng.uniform(START, 7000), 1e9)]
    return w


def check(w: AwsStory) -> tuple[str, list[str]]:
    """The outcome of a story, and what is wrong with it."""
    with w.quick():
        try:
            state = seeds.tell(w)
        except Exception as exc:  # whatever the engine raises is a finding
            return "none", [f"{type(exc).__name__}: {exc}", *w.problems]
        return str(state.outcome), judge_end(w, state)


def replay(w: AwsStory) -> None:
    print(w.plan.name, check(w))
    lines = [(float(line.split()[0]), line) for line in w.said]
    lines += [(e.ts, f"{e.ts:9.1f}    {str(event)[:250]}") for e, event in zip(w.journal, w.events(), strict=True)][1:]
    print(*(line for _, line in sorted(lines, key=lambda item: item[0])), sep="\n")


if __name__ == "__main__":
    replay((busy if sys.argv[1] == "busy" else chaos)(int(sys.argv[2])))
