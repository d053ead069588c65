"""DNS messages from one socket to another, for the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

import dns.opcode

from .daemon import PORT

GONE = (ConnectionError, asyncio.IncompleteReadError)  # the other side went away


def is_update(wire: bytes) -> bool:
    """Whether a message has the opcode UPDATE."""
    return len(wire) > 2 and (wire[2] >> 3) & 0x0F == dns.opcode.UPDATE


def put(writer: asyncio.StreamWriter, wire: bytes) -> None:
    """Write a message with its length (RFC 1035 section 4.2.2)."""
    writer.write(len(wire).to_bytes(2, "big") + wire)


async def get(reader: asyncio.StreamReader) -> bytes:
    """Read one message. Raises asyncio.IncompleteReadError when the stream ends."""
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


async def by_tcp(server: str, wire: bytes, sent: Callable[[], None]) -> bytes:
    """One message and its one reply on a connection of their own; `sent` is called between the two."""
    reader, writer = await asyncio.open_connection(server, PORT)
    try:
        put(writer, wire)
        await writer.drain()
        sent()
        return await get(reader)
    finally:
        writer.close()


async def by_udp(server: str, wire: bytes, sent: Callable[[], None]) -> bytes:
    """One datagram and its reply; `sent` is called between the two. Waits for ever if none comes."""
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[bytes] = loop.create_future()

    def take(received: bytes, _: Callable[[bytes], None]) -> None:
        if not reply.done():
            reply.set_result(received)

    transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(take), remote_addr=(server, PORT))
    try:
        transport.sendto(wire)
        sent()
        return await reply
    finally:
        transport.close()


class Datagrams(asyncio.DatagramProtocol):
    """Hands every datagram to `take`, with a function that answers its sender."""

    def __init__(self, take: Callable[[bytes, Callable[[bytes], None]], None]) -> None:
        self._take = take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        # Python 3.11 makes transports for datagrams that are no instances of DatagramTransport.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Pass it on."""
        self._take(data, lambda reply: self._transport.sendto(reply, addr))


class Stream:
    """Questions to a server over TCP, and whatever it replies to `respond`: a transfer has many replies."""

    def __init__(self, server: str, respond: Callable[[bytes], None]) -> None:
        self._server = server
        self._respond = respond
        self._writer: asyncio.StreamWriter | None = None
        self._replies: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._replies is not None:
            self._replies.cancel()
            await asyncio.gather(self._replies, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    async def send(self, wire: bytes) -> None:
        """Send one message. Raises ConnectionError when the server is away."""
        if self._writer is None:
            reader, self._writer = await asyncio.open_connection(self._server, PORT)
            self._replies = asyncio.create_task(self._pump(reader))
        put(self._writer, wire)
        await self._writer.drain()

    async def _pump(self, reader: asyncio.StreamReader) -> None:
        while True:
            self._respond(await get(reader))
