"""One client and one load: `asking_client.py SUBJECT PORT LOOP …`. Writes JSON. Run by asking.py, peers elsewhere."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

ZONE = "bench.test."
NAMES = 2_000
IN_FLIGHT = 1_000


def owner(number: int) -> str:
    return f"n{number}.{ZONE}"


def address(number: int) -> str:
    return f"192.0.{number // 250}.{number % 250 + 1}"


class Tally:
    """Counts what came back."""

    def __init__(self) -> None:
        self.right = self.wrong = self.lost = 0

    def take(self, number: int, found: str | None) -> None:
        if found is None:
            self.lost += 1
        elif found == address(number):
            self.right += 1
        else:
            self.wrong += 1


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def timed(count: int, load: Callable[[Tally, int], Awaitable[None]]) -> dict[str, float]:
    tally, began, used = Tally(), time.perf_counter(), cpu()
    await load(tally, count)
    wall, used = time.perf_counter() - began, cpu() - used
    return {
        "rate": tally.right / wall,
        "cpu_us": used / count * 1e6,
        "lost": tally.lost,
        "wrong": tally.wrong,
    }


async def ours(port: int, count: int) -> dict[str, float]:
    from dns_cutover.lookup.answer import Outcome, Reply
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.lookup.question import Asker, Pace

    server = Endpoint("nsd", "127.0.0.1", port)
    asker = Asker(limit=IN_FLIGHT, pace=Pace(IN_FLIGHT))
    names = [(server, owner(n), "A", n) for n in range(NAMES)]

    async def load(tally: Tally, count: int) -> None:
        def take(question: tuple[Endpoint, str, str, int], outcome: Outcome) -> None:
            found = outcome.answer[0].rrset.values[0] if isinstance(outcome, Reply) and outcome.answer else None
            tally.take(question[3], found)

        await asker.ask_many(itertools.islice(itertools.cycle(names), count), take, recurse=False)

    await load(Tally(), NAMES)  # answers are unchanged from the second time on
    return await timed(count, load)


async def asyncquery(port: int, count: int) -> dict[str, float]:
    import dns.asyncquery
    import dns.exception
    import dns.message

    async def load(tally: Tally, count: int) -> None:
        left = iter(range(count))

        async def worker() -> None:
            for n in left:
                number = n % NAMES
                query = dns.message.make_query(owner(number), "A")
                try:
                    reply = await dns.asyncquery.udp(query, "127.0.0.1", timeout=5, port=port)
                except dns.exception.Timeout:
                    tally.take(number, None)
                else:
                    tally.take(number, reply.answer[0][0].to_text())

        # Each has a socket of its own: a thousand would be too many of them.
        await asyncio.gather(*(worker() for _ in range(100)))

    return await timed(count, load)


async def aiodns_(port: int, count: int) -> dict[str, float]:
    import aiodns

    resolver = aiodns.DNSResolver(nameservers=[f"127.0.0.1:{port}"], timeout=5, tries=3)
    ask = getattr(resolver, "query_dns", resolver.query)

    async def load(tally: Tally, count: int) -> None:
        left = iter(range(count))

        async def worker() -> None:
            for n in left:
                number = n % NAMES
                try:
                    tally.take(number, _first(await ask(owner(number), "A")))
                except aiodns.error.DNSError:
                    tally.take(number, None)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    return await timed(count, load)


def _first(result: Any) -> str:
    records = getattr(result, "answer", result)
    data = getattr(records[0], "data", records[0])
    return str(getattr(data, "addr", None) or getattr(data, "host", None) or data)


async def dnspropagation(port: int, count: int) -> dict[str, float]:
    """Its own loop over a list of servers, all of them the one that there is."""
    from dnspropagation.core import DNSpropagation

    async def load(tally: Tally, count: int) -> None:
        asked = DNSpropagation.check_entries(None, [{"ipv4": "127.0.0.1"}] * count, "A", owner(0))
        for each in asked:
            tally.take(0, each["answer"][0].to_text() if each["answer"] else None)

    return await timed(count, load)


async def lossy(port: int, count: int) -> dict[str, float]:
    """Through a relay that loses datagrams: what is still lost in the end."""
    from asking_world import LOSSY

    from dns_cutover.lookup.answer import Outcome, Reply
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.lookup.question import Asker, Timeouts

    asker = Asker(Timeouts(udp=1.0))

    async def load(tally: Tally, count: int) -> None:
        def take(question: tuple[Endpoint, str, str, int], outcome: Outcome) -> None:
            found = outcome.answer[0].rrset.values[0] if isinstance(outcome, Reply) and outcome.answer else None
            tally.take(question[3], found)

        server = Endpoint("lossy", LOSSY, port)
        await asker.ask_many(((server, owner(n % NAMES), "A", n % NAMES) for n in range(count)), take, recurse=False)

    return await timed(count, load)


async def converging(port: int, rounds: int, caches: int, seed: int) -> dict[str, Any]:
    """As `check --watch` does it, all rounds side by side: when each is said to have converged (seconds since 1970)."""
    import random

    from asking_world import cache_address

    from dns_cutover.clock import SystemClock
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.lookup.live import LiveLookup
    from dns_cutover.lookup.propagation import Propagation
    from dns_cutover.lookup.question import Asker
    from dns_cutover.lookup.views import Sought
    from dns_cutover.records import RRsetKey

    clock, asker = SystemClock(), Asker()
    zones = {"z": (ZONE, (Endpoint("nsd", "127.0.0.1", port),))}

    async def one(number: int) -> tuple[float, int]:
        resolvers = tuple(Endpoint(f"c{n}", cache_address(number, n), port) for n in range(caches))
        lookup = LiveLookup(zones, resolvers, clock, random.Random(seed + number), asker)
        propagation = Propagation(lookup, [Sought(RRsetKey("z", owner(number), "A"))], clock)
        while True:
            (spread,) = await propagation.look()
            if spread.converged:
                return time.time(), max(row.asked for row in spread.rows)
            await clock.sleep_until(propagation.next_due)

    ended = await asyncio.gather(*(one(n) for n in range(rounds)))
    return {"at": [at for at, _ in ended], "asked": [asked for _, asked in ended]}


async def memory(port: int, names: int, servers: int) -> dict[str, float]:
    """The resolvers of a `check`: old answers everywhere, each asked for twice."""
    import random

    from dns_cutover.clock import SystemClock
    from dns_cutover.lookup.interface import Endpoint, Expectation
    from dns_cutover.lookup.question import Asker, Pace
    from dns_cutover.lookup.tracker import ResolverTracker
    from dns_cutover.records import RRset, RRsetKey, SetEdit

    clock = SystemClock()
    # Addresses of loopback, all of one server: to the tracker they are different resolvers.
    endpoints = [Endpoint(f"r{n}", "127.0.0.1", port) for n in range(1)]
    endpoints += [Endpoint(f"r{n}", f"127.0.0.{n + 1}", port) for n in range(1, servers)]
    tracker = ResolverTracker(endpoints, Asker(limit=IN_FLIGHT, pace=Pace(IN_FLIGHT)), clock, random.Random(1))
    expectations = []
    for n in range(names):
        key = RRsetKey("z", owner(n), "A")
        edit = SetEdit(key, RRset(300, ("203.0.113.1",)), RRset(300, (address(n),)))
        expectations.append(Expectation(key, edit, clock.now(), clock.now() + 300, 300))
    rows = (await tracker.resolvers(expectations)).rows
    again = [Expectation(x.key, x.edit, clock.now() + 0.001, x.dead_at, x.new_ttl) for x in expectations]
    await clock.sleep_until(clock.now() + 2.1)
    rows = (await tracker.resolvers(again)).rows
    good = sum(row.answer == (address(int(row.key.owner[1:].partition(".")[0])),) for row in rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"mb": peak, "rows": len(rows), "wrong": len(rows) - good}


def main() -> None:
    subject, port, loop, *rest = sys.argv[1:]
    numbers = [int(word) for word in rest]
    loads: dict[str, Callable[..., Any]] = {
        "dns-cutover": ours,
        "asyncquery": asyncquery,
        "aiodns": aiodns_,
        "dnspropagation": dnspropagation,
        "memory": memory,
        "lossy": lossy,
        "converging": converging,
    }
    work: Any = loads[subject](int(port), *numbers)
    gc.set_threshold(500_000, 50, 50)  # as the command line has it; the others profit as well
    if loop == "uvloop":
        import uvloop

        result = uvloop.run(work)
    else:
        result = asyncio.run(work)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
