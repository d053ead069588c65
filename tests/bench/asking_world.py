"""Servers that a benchmark needs beside NSD: `asking_world.py caches SEED ROUNDS CACHES TTL`, or `lossy SHARE`.

Prints one line of JSON when it serves, and goes on until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

import dns.message
import dns.rrset

PORT = 53
NSD = "127.0.0.1"
LOSSY = "127.0.1.1"
OLD = "203.0.113.1"


class Cache(asyncio.DatagramProtocol):
    """A resolver that holds the old answer for `left` seconds more, then the new one from when it is asked."""

    def __init__(self, new: str, left: float, ttl: int) -> None:
        self.new, self.ttl = new, ttl
        self.dies = time.time() + left
        self.fetched: float | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query, now = dns.message.from_wire(data), time.time()
        response = dns.message.make_response(query, recursion_available=True)
        if now < self.dies:
            value, left = OLD, int(self.dies - now)
        else:
            self.fetched = self.fetched if self.fetched is not None and now - self.fetched < self.ttl else now
            value, left = self.new, int(self.ttl - (now - self.fetched))
        response.answer = [dns.rrset.from_text(query.question[0].name, left, "IN", "A", value)]
        self.transport.sendto(response.to_wire(), addr)


class Lossy(asyncio.DatagramProtocol):
    """Datagrams to NSD and back; a share of them is lost, each way."""

    def __init__(self, share: float) -> None:
        self.share, self.rng = share, random.Random(1)
        self.tasks: set[asyncio.Future[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        task = asyncio.ensure_future(self._pass(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _pass(self, data: bytes, addr: Any) -> None:
        if self.rng.random() < self.share:
            return
        loop = asyncio.get_running_loop()
        got: asyncio.Future[bytes] = loop.create_future()

        class Back(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                if not got.done():
                    got.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Back, remote_addr=(NSD, PORT))
        try:
            transport.sendto(data)
            answer = await asyncio.wait_for(got, 2)
            if self.rng.random() >= self.share:
                self.transport.sendto(answer, addr)
        except TimeoutError:
            pass
        finally:
            transport.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """TCP loses nothing: that is what it is for."""
    back, forth = await asyncio.open_connection(NSD, PORT)
    await asyncio.gather(pump(reader, forth), pump(back, writer), return_exceptions=True)


def cache_address(number: int, cache: int) -> str:
    return f"127.1.{number}.{cache + 1}"


async def caches(seed: int, rounds: int, count: int, ttl: int) -> list[float]:
    """When the last cache of each round really loses the old answer, in seconds since 1970."""
    rng, loop, ends = random.Random(seed), asyncio.get_running_loop(), []
    for number in range(rounds):
        made = [Cache(f"192.0.{number // 250}.{number % 250 + 1}", rng.uniform(0, ttl), ttl) for _ in range(count)]
        for n, cache in enumerate(made):
            await loop.create_datagram_endpoint(lambda c=cache: c, local_addr=(cache_address(number, n), PORT))
        ends.append(max(c.dies for c in made))
    return ends


async def main() -> None:
    kind, *words = sys.argv[1:]
    if kind == "caches":
        told: Any = await caches(*(int(word) for word in words))
    else:
        share = float(words[0])
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: Lossy(share), local_addr=(LOSSY, PORT))
        await asyncio.start_server(through, LOSSY, PORT)
        told = share
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
