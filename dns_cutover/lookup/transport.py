"""Carrying questions: one datagram, or several questions over one connection (TCP, and TLS as RFC 7858 has it).

Every timeout here is real time of the event loop: a scaled clock must not shorten what a network needs.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import dns.message

from dns_cutover.lookup.answer import NoReply, Outcome, Reject, Reply, read_reply
from dns_cutover.lookup.interface import Endpoint

Rejected: TypeAlias = Callable[[Reject], None]


class _Datagram(asyncio.DatagramProtocol):
    """One question on one connected socket: the kernel chose its port at random, and drops what another address sends.

    Connected, because only then is an ICMP "port unreachable" told.
    """

    def __init__(self, query: dns.message.Message, rejected: Rejected) -> None:
        self._loop = asyncio.get_running_loop()
        self._query = query
        self._rejected = rejected
        self._sent = 0.0
        self.outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self.malformed = False

    def connection_made(self, transport: Any) -> None:
        self._sent = self._loop.time()
        transport.sendto(self._query.to_wire())

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.outcome.done():
            return
        reply = read_reply(data, self._query, self._loop.time() - self._sent, tcp=False)
        if isinstance(reply, Reply):
            self.outcome.set_result(reply)
            return
        # Ignored, not believed: whoever can send garbage must not be able to end the wait for the true answer.
        self.malformed = self.malformed or reply is Reject.MALFORMED
        self._rejected(reply)

    def error_received(self, exc: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_result(NoReply(reason(exc)))


def has_route(address: str) -> bool:
    """Whether this machine knows a way to `address` at all: without IPv6 there is none to such. Nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 53))
    except OSError:
        return False
    return True


async def ask_datagram(server: Endpoint, query: dns.message.Message, timeout: float, rejected: Rejected) -> Outcome:
    """One question over UDP from a socket of its own; at most `timeout` seconds."""
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Datagram(query, rejected), remote_addr=(server.address, server.port)
        )
    except OSError as exc:
        return NoReply(reason(exc))
    try:
        async with asyncio.timeout(timeout):
            return await protocol.outcome
    except TimeoutError:
        return NoReply("an answer that is no DNS message", wrong=True) if protocol.malformed else NoReply("no answer")
    finally:
        transport.abort()


async def ask_connection(
    server: Endpoint,
    queries: Sequence[dns.message.Message],
    timeout: float,
    rejected: Rejected,
    context: ssl.SSLContext | None,
) -> tuple[Outcome, ...]:
    """All questions pipelined on one connection (RFC 7766 section 6.2.1.1), answers in any order.

    Ids must be unique. One outcome per question, in their order; at most `timeout` seconds in all.
    """
    got: dict[int, Reply] = {}
    why = NoReply("no answer")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                server.address, server.port, ssl=context, server_hostname=server.address if context else None
            )
            started = asyncio.get_running_loop().time()
            writer.write(b"".join(_framed(q.to_wire()) for q in queries))
            await writer.drain()
            while len(got) < len(queries):
                data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                reply = _match(data, queries, asyncio.get_running_loop().time() - started)
                if isinstance(reply, tuple):
                    got[reply[0]] = reply[1]
                    continue
                rejected(reply)
                why = NoReply("an answer that is " + ("" if reply is Reject.MALFORMED else "to ") + reply, wrong=True)
                if reply is Reject.MALFORMED:
                    break  # the peer is who it is: nothing better will follow on this stream
    except TimeoutError:
        pass
    except EOFError:
        why = why if why.wrong else NoReply("the connection was closed")
    except OSError as exc:
        why = NoReply(reason(exc))
    finally:
        if writer is not None:
            writer.transport.abort()
    return tuple(got.get(q.id, why) for q in queries)


def _framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


def _match(data: bytes, queries: Sequence[dns.message.Message], rtt: float) -> tuple[int, Reply] | Reject:
    number = int.from_bytes(data[:2], "big")
    query = next((q for q in queries if q.id == number), None)
    if query is None:
        return Reject.ID if len(data) >= 12 else Reject.MALFORMED
    reply = read_reply(data, query, rtt, tcp=True)
    return (number, reply) if isinstance(reply, Reply) else reply


def reason(exc: Exception) -> str:
    """An error of a socket in a few words."""
    match exc:
        case ConnectionRefusedError():
            return "port unreachable"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {exc.verify_message}"
        case ssl.SSLError():
            return "the TLS handshake failed"
        case OSError(strerror=str(text)) if text:
            return text[:1].lower() + text[1:]
        case _:
            return "the connection failed"
