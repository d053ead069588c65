"""DNS over HTTPS (RFC 8484): POST over HTTP/2, all questions of one call on one connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dns.message

from dns_cutover.lookup.answer import NoReply, Outcome, Reject, Reply, read_reply
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.transport import Rejected

if TYPE_CHECKING:
    import httpcore

_TYPE = "application/dns-message"
PATH = "/dns-query"  # what every public resolver has
MOST_OCTETS = 65_535
# At once on one connection. Servers announce a hundred (RFC 9113 section 6.5.2), but of a dozen that come together BIND
# 9.18.49 answers one, and then nothing more.
STREAMS = 6


async def ask_https(
    server: Endpoint,
    queries: Sequence[dns.message.Message],
    timeout: float,
    rejected: Rejected,
    context: ssl.SSLContext,
) -> tuple[Outcome, ...]:
    """One outcome per question, in their order; at most `timeout` seconds in all."""
    import httpcore

    async with httpcore.AsyncConnectionPool(
        ssl_context=context, http1=True, http2=True, max_connections=1, retries=0
    ) as pool:
        gate = asyncio.Semaphore(STREAMS)

        async def one(query: dns.message.Message) -> Outcome:
            try:
                async with gate:
                    return await _exchange(pool, server, query, rejected)
            except httpcore.TimeoutException:
                return NoReply("no answer")
            except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as exc:
                return NoReply(_reason(exc))

        tasks = [asyncio.ensure_future(one(query)) for query in queries]
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return tuple(NoReply("no answer") if t.cancelled() else t.result() for t in tasks)


async def _exchange(
    pool: httpcore.AsyncConnectionPool, server: Endpoint, query: dns.message.Message, rejected: Rejected
) -> Outcome:
    host = f"[{server.address}]" if ":" in server.address else server.address
    began = asyncio.get_running_loop().time()
    ident, query.id = query.id, 0  # RFC 8484 section 4.1: equal questions are to look alike to HTTP caches
    wire = query.to_wire()
    async with pool.stream(
        "POST",
        f"https://{host}:{server.port}{PATH}",
        headers={"content-type": _TYPE, "accept": _TYPE, "content-length": str(len(wire))},
        content=wire,
    ) as response:
        if response.status != 200:
            query.id = ident
            return NoReply(f"HTTP status {response.status}", wrong=True)
        data = b""
        async for part in response.aiter_stream():
            data += part
            if len(data) > MOST_OCTETS:
                return NoReply("an answer that is too large", wrong=True)
    reply = read_reply(data, query, asyncio.get_running_loop().time() - began, tcp=True)
    query.id = ident
    if isinstance(reply, Reply):
        return reply
    rejected(reply)
    return NoReply("an answer that is " + ("" if reply is Reject.MALFORMED else "to ") + reply, wrong=True)


def _reason(exc: Exception) -> str:
    """httpcore wraps what the socket said; its own words are for programmers."""
    text = str(exc)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted"
    if "refused" in text or "attempts failed" in text:
        return "port unreachable"
    return "the connection failed"
