"""Every kind of evidence at four resolvers as people run them: what each says, and what it is called."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.lookup.interface import Endpoint, Evidence, Expectation, ResolverRow
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.lookup.tracker import ResolverTracker
from dns_cutover.records import RRset, RRsetKey, SetEdit

from .harness import client
from .harness.caches import BindCache, Cache, CacheLimits, Kresd, PdnsRecursor, Unbound
from .harness.daemon import Asked
from .harness.hierarchy import Hierarchy
from .harness.zones import Zone

KINDS: tuple[type[Cache], ...] = (Unbound, PdnsRecursor, BindCache, Kresd)
OLD, NEW = "192.0.2.10", "192.0.2.20"
TTL = 4
RECORDS = f"www {TTL} A {OLD}\nother {TTL} A {OLD}\n"


@dataclass
class Lab:
    """Four caches of a kind each, and what the tool sees of them."""

    world: Hierarchy
    zone: Zone
    caches: list[Cache]
    tracker: ResolverTracker
    clock: SystemClock

    @property
    def key(self) -> RRsetKey:
        return RRsetKey("z", f"www.{self.zone.origin}", "A")

    def expect(self, dead_in: float = 3600.0) -> Expectation:
        now = self.clock.now()
        edit = SetEdit(self.key, RRset(TTL, (OLD,)), RRset(TTL, (NEW,)))
        return Expectation(self.key, edit, now, now + dead_in, TTL)

    def change(self) -> None:
        client.write(self.world.bind.address, self.zone.origin, "www", TTL, "A", NEW)
        self.world.settle(self.zone.origin)

    def someone_asks(self, name: str = "www") -> list[client.Answer]:
        return [client.ask(c.address, f"{name}.{self.zone.origin}", "A", timeout=5.0) for c in self.caches]

    async def seen(self, x: Expectation) -> dict[str, ResolverRow]:
        rows = (await self.tracker.resolvers([x])).rows
        return {row.resolver.name: row for row in rows}

    async def seen_until(
        self, x: Expectation, done: Sequence[Evidence], patience: float = 40.0
    ) -> dict[str, ResolverRow]:
        """Ask when it is due until every cache shows one of `done`."""
        deadline = self.clock.now() + patience
        while True:
            round_ = await self.tracker.resolvers([x])
            rows = {row.resolver.name: row for row in round_.rows}
            if all(row.evidence in done for row in rows.values()) or self.clock.now() > deadline:
                return rows
            await self.clock.sleep_until(min(round_.next_due, deadline))


Make = Callable[..., Lab]


@pytest.fixture
def make(world: Hierarchy) -> Make:
    def made(
        limits: CacheLimits | None = None, kinds: Sequence[type[Cache]] = KINDS, *, untrusted: bool = False
    ) -> Lab:
        zone = world.publish(RECORDS)
        chosen = replace(limits or CacheLimits(), untrusted=zone.origin if untrusted else "")
        caches = [world.extra_cache(kind, chosen) for kind in kinds]
        clock = SystemClock()
        endpoints = [Endpoint(type(c).__name__, c.address) for c in caches]
        asker = Asker(Timeouts(udp=4.0, tcp=4.0))
        return Lab(world, zone, caches, ResolverTracker(endpoints, asker, clock, random.Random(1)), clock)

    return made


def evidence(rows: dict[str, ResolverRow]) -> dict[str, str]:
    return {name: row.evidence.value for name, row in rows.items()}


def all_are(word: str, kinds: Sequence[type[Cache]] = KINDS) -> dict[str, str]:
    return {kind.__name__: word for kind in kinds}


async def test_what_our_own_question_fetched_is_cold(make: Make) -> None:
    lab = make()
    lab.change()
    rows = await lab.seen(lab.expect())
    assert evidence(rows) == all_are("cold")
    assert {row.answer for row in rows.values()} == {(NEW,)}


async def test_what_others_fetched_is_warm_and_stays_so(make: Make) -> None:
    lab = make()
    lab.change()
    lab.someone_asks()
    await lab.clock.sleep_until(lab.clock.now() + 2.1)
    assert evidence(await lab.seen(lab.expect())) == all_are("warm")


async def test_an_old_answer_is_pending_with_its_time_and_then_witnessed(make: Make) -> None:
    lab = make()
    lab.someone_asks()
    lab.change()
    began = lab.clock.now()
    x = lab.expect()
    rows = await lab.seen(x)
    assert evidence(rows) == all_are("pending")
    assert all(row.eta is not None and began <= row.eta <= lab.clock.now() + TTL for row in rows.values())
    rows = await lab.seen_until(x, [Evidence.WITNESSED])
    assert evidence(rows) == all_are("witnessed")
    assert {row.asked for row in rows.values()} == {2}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        # A minimum above the TTL: the old answer lives on past the model's time, and it does so again and again.
        (CacheLimits(min_ttl=90), all_are("violator")),
        # A maximum below it: it dies earlier, and nothing is wrong.
        (CacheLimits(max_ttl=2), all_are("witnessed")),
    ],
    ids=["minimum", "maximum"],
)
async def test_clamped_lives(limits: CacheLimits, expected: dict[str, str], make: Make) -> None:
    lab = make(limits)
    lab.someone_asks()
    lab.change()
    x = lab.expect(dead_in=TTL + 0.5)
    rows = await lab.seen_until(x, [Evidence.VIOLATOR, Evidence.WITNESSED])
    assert evidence(rows) == expected
    for row in rows.values():
        if row.evidence is Evidence.VIOLATOR:
            assert row.answer == (OLD,)
            assert "past its life" in row.detail


async def test_a_minimum_is_seen_in_new_answers_too(make: Make) -> None:
    lab = make(CacheLimits(min_ttl=60))
    lab.change()
    rows = await lab.seen(lab.expect())
    assert all(row.ttl is not None and TTL < row.ttl <= 60 for row in rows.values())


async def test_stale_answers_while_the_servers_are_away_are_stale_and_no_violation(make: Make) -> None:
    """Unbound and BIND say so themselves (EDE 3); the others give an old answer with a short life."""
    lab = make(CacheLimits(stale=True))
    lab.someone_asks()
    lab.change()
    lab.world.bind.suspend()
    lab.world.nsd.suspend()
    await lab.clock.sleep_until(lab.clock.now() + TTL + 1.5)
    x = lab.expect(dead_in=-0.1)
    rows = await lab.seen(x)
    # Knot Resolver tries on for longer than a client waits, whatever its module is called.
    assert evidence(rows) == {**all_are("stale"), "Kresd": "error"}
    assert {row.answer for row in rows.values()} == {(OLD,), None}
    lab.world.bind.heal()
    lab.world.nsd.heal()
    rows = await lab.seen_until(x, [Evidence.WITNESSED, Evidence.COLD])
    assert evidence(rows) == {**all_are("witnessed"), "Kresd": "cold"}


async def test_what_fails_validation_is_bogus(make: Make) -> None:
    lab = make(untrusted=True)
    lab.change()
    rows = await lab.seen(lab.expect())
    assert evidence(rows) == all_are("bogus")


async def test_a_resolver_that_is_away_is_an_error_and_comes_back(make: Make) -> None:
    lab = make(kinds=KINDS[:2])
    lab.tracker = ResolverTracker(
        [Endpoint(type(c).__name__, c.address) for c in lab.caches],
        Asker(Timeouts(udp=0.2)),
        lab.clock,
        random.Random(1),
    )
    lab.change()
    for cache in lab.caches:
        cache.suspend()
    x = lab.expect()
    assert evidence(await lab.seen(x)) == all_are("error", KINDS[:2])
    for cache in lab.caches:
        cache.wake()
    rows = await lab.seen_until(x, [Evidence.COLD, Evidence.WARM])
    assert set(evidence(rows).values()) <= {"cold", "warm"}


async def test_two_caches_behind_one_address_are_told_apart(world: Hierarchy) -> None:
    """A balancer that gives each question to the next cache: their names (NSID) tell whose answer it is."""
    zone = world.publish(RECORDS)
    one, two = (world.extra_cache(Unbound, CacheLimits(nsid=name)) for name in ("east", "west"))
    client.ask(one.address, f"www.{zone.origin}", "A")
    client.write(world.bind.address, zone.origin, "www", TTL, "A", NEW)
    world.settle(zone.origin)
    clock = SystemClock()
    async with Balancer(world.spare_address(), [one.address, two.address]) as shared:
        tracker = ResolverTracker([Endpoint("shared", shared)], Asker(), clock, random.Random(1))
        key = RRsetKey("z", f"www.{zone.origin}", "A")
        edit = SetEdit(key, RRset(TTL, (OLD,)), RRset(TTL, (NEW,)))
        x = Expectation(key, edit, clock.now(), clock.now() + 3600, TTL)
        seen: dict[str, list[str]] = {}
        deadline = clock.now() + 30
        while clock.now() < deadline:
            round_ = await tracker.resolvers([x])
            for row in round_.rows:
                told = seen.setdefault(row.nsid, [])
                if not told or told[-1] != row.evidence.value:
                    told.append(row.evidence.value)
            if seen.get("east", [""])[-1] == "witnessed":
                break
            await clock.sleep_until(min(round_.next_due, deadline))
    assert seen["east"] == ["pending", "witnessed"]
    assert seen.get("west", ["cold"])[0] == "cold"


async def test_nobody_recursive_is_asked_before_the_name_exists_nor_ever_for_ns(world: Hierarchy) -> None:
    """The query logs of the caches and of the servers, while `check --watch` waits for a name that is to come."""
    zone = world.publish(RECORDS)
    caches = [world.extra_cache(kind, CacheLimits()) for kind in (Unbound, PdnsRecursor, BindCache, Kresd)]
    name = f"new.{zone.origin}"
    command = ["--bootstrap", world.unbound.address, *(word for c in caches for word in ("--resolver", c.address))]
    words = ("check", name, "A", "--watch", "--expect", NEW, "--timeout", "60s")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dns_cutover",
        *words,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    assert "CONTRADICTED" in first, first
    assert [c.questions() for c in caches if any(q.name == name for q in c.questions())] == []
    client.write(world.bind.address, zone.origin, "new", TTL, "A", NEW)
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    for cache in (*caches, world.unbound):
        asked = cache.questions()
        assert not [q for q in asked if q.rdtype == "NS" and q.name != "."], cache
        if cache is not world.unbound:
            assert Asked(name, "A") in asked
    # The parent of the name is asked about at the bootstrap, the name itself never.
    assert Asked(name, "A") not in world.unbound.questions()


class Balancer:
    """Datagrams to one address go to the next of several servers each time."""

    def __init__(self, address: str, servers: Sequence[str]) -> None:
        self._address = address
        self._servers = servers
        self._next = 0

    async def __aenter__(self) -> str:
        loop = asyncio.get_running_loop()
        balancer = self

        class Front(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                balancer._front = transport  # type: ignore[assignment]

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                server = balancer._servers[balancer._next % len(balancer._servers)]
                balancer._next += 1
                task = loop.create_task(balancer._pass(data, server, addr))
                balancer._tasks.add(task)
                task.add_done_callback(balancer._tasks.discard)

        self._tasks: set[asyncio.Task[None]] = set()
        self._front: asyncio.DatagramTransport
        await loop.create_datagram_endpoint(Front, local_addr=(self._address, 53))
        return self._address

    async def _pass(self, data: bytes, server: str, addr: tuple[str, int]) -> None:
        from .harness.relay import by_udp

        self._front.sendto(await by_udp(server, data, lambda: None), addr)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        self._front.close()
