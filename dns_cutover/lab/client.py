"""Asking on loopback, cheaply: lines that carry many questions, and one try at a server as resolvers make it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Protocol

from dns_cutover.lookup.answer import NoReply, Outcome, Reject, Reply, make_question
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.transport import ask_connection, ask_datagram


class Asks(Protocol):
    """Whoever asks one server one question; lookup's Asker does, with more patience."""

    async def ask(self, server: Endpoint, owner: str, rdtype: str, *, recurse: bool, tcp: bool = False) -> Outcome:
        """The answer, or why there is none. Never raises for the network."""
        ...


def _ignore(_: Reject) -> None:
    """Nobody forges answers on the lab's loopback."""


class OneTry:
    """One try over UDP, then TCP where the answer was cut off: a resolver has other servers to turn to.

    `timeout` in real seconds: a network of loopback does not get slower because the lab's clock is faster.
    """

    def __init__(self, timeout: float = 1.0) -> None:
        self._timeout = timeout

    async def ask(self, server: Endpoint, owner: str, rdtype: str, *, recurse: bool, tcp: bool = False) -> Outcome:
        """See Asks."""
        query = make_question(owner, rdtype, recurse=recurse)
        outcome: Outcome = NoReply("not asked")
        if not tcp:
            outcome = await ask_datagram(server, query, self._timeout, _ignore)
        if tcp or (isinstance(outcome, Reply) and outcome.tc):
            outcome = (await ask_connection(server, (query,), 4 * self._timeout, _ignore, None))[0]
        return outcome


class Line(asyncio.DatagramProtocol):
    """A connected UDP socket that carries many questions at a time, told apart by their ids.

    For samplers, who trust the other end: a socket per question would cost more than the question.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[bytes | None]] = {}
        self._next = secrets.randbits(16)

    @classmethod
    async def to(cls, server: Endpoint) -> Line:
        """A line to one server. Raises OSError."""
        _, line = await asyncio.get_running_loop().create_datagram_endpoint(
            cls, remote_addr=(server.address, server.port)
        )
        return line

    def connection_made(self, transport: Any) -> None:
        """The socket is there."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """An answer to one of the questions, or to none that still waits."""
        waiting = self._waiting.get(data[:2])
        if waiting is not None and not waiting.done():
            waiting.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """The port is closed: nobody will answer."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    def close(self) -> None:
        """Give the socket back."""
        self._transport.abort()

    async def ask(self, message: bytes, timeout: float) -> bytes | None:
        """The response to a message (its id is replaced); None after `timeout` real seconds, or if nobody listens."""
        self._next = (self._next + 1) % 65536
        ident = self._next.to_bytes(2, "big")
        waiting: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting[ident] = waiting
        try:
            self._transport.sendto(ident + message[2:])
            async with asyncio.timeout(timeout):
                return await waiting
        except TimeoutError:
            return None
        finally:
            del self._waiting[ident]


async def exchange(server: Endpoint, message: bytes, timeout: float) -> bytes | None:
    """One message over UDP and its response; None after `timeout` real seconds, or if nobody listens."""
    line = await Line.to(server)
    try:
        return await line.ask(message, timeout)
    finally:
        line.close()
