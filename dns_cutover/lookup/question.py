"""Asking one server: bounded retries, TCP on truncation and on demand, EDNS with a way back, a global limit.

Network trouble is a value, never an exception.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import dns.message

from dns_cutover.lookup.answer import NoReply, Outcome, Reject, Reply, Section, make_edns_test, make_question
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.transport import ask_connection, ask_datagram

__all__ = ["Asker", "NoReply", "Outcome", "Reply", "Section", "Timeouts"]

TRIES = 3
STREAM_TRIES = 2
BATCH = 50  # questions on one connection: what a server's buffers take without a pause
REFUSED_PAUSE = 0.1  # real seconds, doubled each time: an ICMP error comes at once, and a server may be restarting
_NO_EDNS = ("FORMERR", "NOTIMP", "BADVERS")  # servers from before RFC 6891


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of real time: one try over UDP, and one exchange over TCP."""

    udp: float = 2.0
    tcp: float = 5.0


class Asker:
    """Asks questions, at most `limit` of them at once. `tls` is the context of encrypted transports."""

    def __init__(self, timeouts: Timeouts | None = None, limit: int = 200, tls: ssl.SSLContext | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limit = asyncio.Semaphore(limit)
        self._tls = tls
        self.rejects: Counter[Reject] = Counter()

    async def ask(
        self,
        server: Endpoint,
        owner: str,
        rdtype: str,
        *,
        recurse: bool,
        tcp: bool = False,
        checking_disabled: bool = False,
        dnssec: bool = False,
    ) -> Outcome:
        """One question; at most three tries over UDP, and two over TCP where the answer was cut off. `dnssec`: with
        the signatures.
        """
        make = partial(make_question, recurse=recurse, checking_disabled=checking_disabled, dnssec=dnssec)
        if tcp or server.transport != "udp":
            return (await self._stream(server, ((owner, rdtype),), make))[0]
        async with self._limit:
            outcome = await self._datagrams(server, owner, rdtype, make)
        if not isinstance(outcome, Reply) or not outcome.tc:
            return outcome
        whole = (await self._stream(server, ((owner, rdtype),), make))[0]
        if isinstance(whole, NoReply):
            return replace(whole, reason=f"its answer is cut off over UDP, and over TCP: {whole.reason}")
        return whole

    async def ask_stream(
        self,
        server: Endpoint,
        questions: Sequence[tuple[str, str]],
        *,
        recurse: bool,
        checking_disabled: bool = False,
    ) -> tuple[Outcome, ...]:
        """Several (owner, type) questions over few connections; TCP, or TLS where the endpoint says so.

        One outcome per question, in their order. A server that closes after each answer is connected to again.
        """
        make = partial(make_question, recurse=recurse, checking_disabled=checking_disabled)
        return await self._stream(server, questions, make)

    async def ask_edns(
        self, server: Endpoint, owner: str, rdtype: str, *, version: int = 0, option: int | None = None
    ) -> Outcome:
        """One question over UDP with this EDNS version and option: at most three tries, no way back to plain DNS."""
        outcome: Outcome = NoReply("no answer")
        for _ in range(TRIES):
            async with self._limit:
                query = make_edns_test(owner, rdtype, version, option)
                outcome = await ask_datagram(server, query, self._timeouts.udp, self._reject)
            if isinstance(outcome, Reply):
                break
        return outcome

    async def ask_plain(self, server: Endpoint, owner: str, rdtype: str) -> Outcome:
        """One question over UDP without EDNS, one try."""
        async with self._limit:
            query = make_question(owner, rdtype, recurse=False, edns=False)
            return await ask_datagram(server, query, self._timeouts.udp, self._reject)

    async def _stream(
        self, server: Endpoint, questions: Sequence[tuple[str, str]], make: Callable[..., dns.message.Message]
    ) -> tuple[Outcome, ...]:
        if server.transport in ("https", "quic"):
            text = f"the transport {server.transport} is not available yet: use udp, tcp or tls"
            return tuple(NoReply(text) for _ in questions)
        outcomes: list[Outcome] = [NoReply("no answer") for _ in questions]
        edns = [True for _ in questions]
        left, tries = list(range(len(questions))), 0
        while left and tries < STREAM_TRIES:
            batch = left[:BATCH]
            queries = _unique_ids([make(*questions[n], edns=edns[n]) for n in batch])
            async with self._limit:
                got = await ask_connection(server, queries, self._timeouts.tcp, self._reject, self._context(server))
            for n, outcome in zip(batch, got, strict=True):
                if isinstance(outcome, Reply) and outcome.tc:
                    # An empty answer with TC would read as absence.
                    outcome = NoReply("an answer that is cut off even over TCP", wrong=True)
                    left.remove(n)
                outcomes[n] = outcome
                if isinstance(outcome, Reply) and edns[n] and outcome.rcode in _NO_EDNS:
                    edns[n] = False
                elif isinstance(outcome, Reply):
                    left.remove(n)
            if not any(isinstance(outcome, Reply) for outcome in got):
                tries += 1  # only a connection that brought nothing counts: each other one came further
        return tuple(outcomes)

    async def _datagrams(
        self, server: Endpoint, owner: str, rdtype: str, make: Callable[..., dns.message.Message]
    ) -> Outcome:
        outcome: Outcome = NoReply("no answer")
        edns, tries = True, 0
        while tries < TRIES:
            query = make(owner, rdtype, edns=edns)
            began = asyncio.get_running_loop().time()
            outcome = await ask_datagram(server, query, self._timeouts.udp, self._reject)
            if isinstance(outcome, Reply):
                if not edns or outcome.rcode not in _NO_EDNS:
                    return outcome
                edns = False  # once, and no try lost: the server did answer
                continue
            tries += 1
            if tries < TRIES and asyncio.get_running_loop().time() - began < REFUSED_PAUSE:
                await asyncio.sleep(REFUSED_PAUSE * 2 ** (tries - 1))
        return (
            replace(outcome, reason=f"{outcome.reason} in {TRIES} tries") if isinstance(outcome, NoReply) else outcome
        )

    def _reject(self, why: Reject) -> None:
        self.rejects[why] += 1

    def _context(self, server: Endpoint) -> ssl.SSLContext | None:
        if server.transport != "tls":
            return None
        if self._tls is None:
            # Verified against the address itself: well-known resolvers have it in their certificates.
            self._tls = ssl.create_default_context()
        return self._tls


def _unique_ids(queries: list[dns.message.Message]) -> list[dns.message.Message]:
    """Answers on one connection are told apart by their ids alone."""
    seen: set[int] = set()
    for query in queries:
        while query.id in seen:
            query.id = (query.id + 1) % 65536
        seen.add(query.id)
    return queries
