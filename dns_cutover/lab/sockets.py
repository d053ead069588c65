"""A DNS server's sockets on loopback: UDP and TCP on one port that the system chose, and faults on demand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dns_cutover.lookup.interface import Endpoint

HOST = "127.0.0.1"
PORT_TRIES = 50


@dataclass(slots=True)
class Faults:
    """What goes wrong on purpose; may be changed while the server runs.

    `delay` real seconds before each answer, `drop` the share of UDP messages that are lost on their way in, `mute`:
    everything is worked on and nothing answered, as when replies are lost.
    """

    delay: float = 0.0
    drop: float = 0.0
    mute: bool = False
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - a lab must be repeatable

    @property
    def none(self) -> bool:
        """Whether all is well."""
        return not (self.delay or self.drop or self.mute)


class DnsServer:
    """Hands each message to `respond`. `stop` and `start` keep the port, and a stopped server refuses connections.

    `queries` counts the messages that were answered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.queries = 0
        self.faults = Faults()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._udp is not None

    @property
    def endpoint(self) -> Endpoint:
        """Where it is reached."""
        return Endpoint(self.name, HOST, self.port)

    def known(self, wire: bytes) -> bytes | None:
        """A response over UDP that is ready; None: `respond` must be asked."""
        return None

    async def respond(self, wire: bytes, *, tcp: bool) -> Sequence[bytes]:
        """The response to one message, in several messages for a transfer; none to stay silent."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen; on the port it had before, if it had one. Raises OSError."""
        loop = asyncio.get_running_loop()
        for _ in range(PORT_TRIES):
            tcp = await asyncio.start_server(self._connection, HOST, self.port)
            port = tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (HOST, port))
            except OSError:
                tcp.close()
                if self.port:
                    raise
                continue  # the number is taken for UDP: another one
            self._tcp, self.port = tcp, port
            return
        raise OSError("no port is free for both UDP and TCP")

    async def stop(self) -> None:
        """Stop listening and drop connections, in the middle of an answer too."""
        if self._udp is not None:
            self._udp.abort()
        if self._tcp is not None:
            self._tcp.close()
        self._udp = self._tcp = None
        tasks = [t for t in self._tasks if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close their sockets in the next round of the loop

    def spawn(self, work: Any) -> None:
        """Run a coroutine until it ends or the server stops."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            loop = task.get_loop()
            loop.call_exception_handler({"message": f"the lab's server {self.name} failed", "exception": exc})

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.spawn(self._stream(reader, writer))

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Many messages on one connection, answered in their order (RFC 7766)."""
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                for reply in await self._work(await reader.readexactly(size), tcp=True):
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            writer.close()

    async def _work(self, wire: bytes, *, tcp: bool) -> Sequence[bytes]:
        replies = await self.respond(wire, tcp=tcp)
        if self.faults.delay:
            await asyncio.sleep(self.faults.delay)
        return () if self.faults.mute else replies

    def datagram(self, wire: bytes, client: Any) -> None:
        """One message over UDP."""
        faults = self.faults
        if faults.none and (reply := self.known(wire)) is not None:
            self._send(reply, client)
        elif not faults.drop or faults.rng.random() >= faults.drop:
            self.spawn(self._answer(wire, client))

    async def _answer(self, wire: bytes, client: Any) -> None:
        for reply in await self._work(wire, tcp=False):
            self._send(reply, client)

    def _send(self, reply: bytes, client: Any) -> None:
        if self._udp is not None:
            self._udp.sendto(reply, client)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._server.datagram(data, addr)
