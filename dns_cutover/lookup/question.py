"""Asking servers: bounded retries, TCP on truncation and on demand, EDNS with a way back, a global limit.

Network trouble is a value, never an exception.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import dns.message

from dns_cutover.lookup.answer import NoReply, Outcome, Reject, Reply, Section, make_edns_test, make_question
from dns_cutover.lookup.crowd import Crowd
from dns_cutover.lookup.encoded import Encoded, encode
from dns_cutover.lookup.flight import NO_EDNS, Flight, Pace, is_settled
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.multiplexer import TRIES, Multiplexer
from dns_cutover.lookup.transport import ask_connection, ask_datagram

__all__ = ["Asker", "NoReply", "Outcome", "Pace", "Reply", "Section", "Timeouts"]

STREAM_TRIES = 2
BATCH = 50  # questions on one connection: what a server's buffers take without a pause
MOST_ENCODED = 32_768  # questions kept in wire form
Q = TypeVar("Q", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of real time: one try over UDP, and one exchange over TCP."""

    udp: float = 2.0
    tcp: float = 5.0


class Asker:
    """Asks questions, at most `limit` of them at once. `tls` is the context of encrypted transports.

    Sockets are open only while answers are waited for: nothing needs to be closed.
    """

    def __init__(
        self,
        timeouts: Timeouts | None = None,
        limit: int = 200,
        tls: ssl.SSLContext | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limit = limit
        self._tls = tls
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.rejects: Counter[Reject] = Counter()
        self._datagrams = Multiplexer(self._timeouts.udp, limit, pace or Pace(), self.rejects)
        self._encoded: dict[tuple[bool, bool, bool, bool], dict[tuple[str, str], Encoded]] = {}

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
        """One question; at most three tries over UDP, and two over TCP where the answer was cut off, or where the
        server answered others meanwhile. `dnssec`: with the signatures.
        """
        if tcp or server.transport != "udp":
            make = partial(make_question, recurse=recurse, checking_disabled=checking_disabled, dnssec=dnssec)
            return (await self._stream(server, ((owner, rdtype),), make))[0]
        question = self.encode(owner, rdtype, recurse=recurse, checking_disabled=checking_disabled, dnssec=dnssec)
        flight, outcome = await self._datagram(server, question)
        if is_settled(flight, outcome):
            return outcome
        return await self._settled(server, owner, rdtype, (recurse, checking_disabled, dnssec), outcome)

    async def ask_many(
        self,
        questions: Iterable[Q],
        take: Callable[[Q, Outcome], None],
        *,
        recurse: bool,
        checking_disabled: bool = False,
    ) -> None:
        """Ask all of them, as many at once as the limit and each server's pace allow, and hand each outcome to `take`
        as it comes. `questions` begin with (server, owner, type); they are drawn as there is room, so that there may
        be a great many.
        """
        await Crowd(self, iter(questions), take, self._limit, (recurse, checking_disabled)).asked()

    def flight(
        self, server: Endpoint, question: Encoded, done: Callable[[Flight, Outcome], None], cargo: Any
    ) -> Flight:
        """One question over UDP whose outcome goes to `done` as it came, for `settle` to look at."""
        return self._datagrams.submit(self._datagrams.server(server), question, done, cargo)

    def withdraw(self, flight: Flight) -> None:
        """Nobody wants its answer any more."""
        self._datagrams.withdraw(flight)

    async def settle(
        self, server: Endpoint, owner: str, rdtype: str, outcome: Outcome, *, recurse: bool, checking_disabled: bool
    ) -> Outcome:
        """What another way brings where `outcome` is not the last word."""
        return await self._settled(server, owner, rdtype, (recurse, checking_disabled, False), outcome)

    async def _settled(
        self, server: Endpoint, owner: str, rdtype: str, flags: tuple[bool, bool, bool], outcome: Outcome
    ) -> Outcome:
        edns = True
        recurse, checking_disabled, dnssec = flags
        if isinstance(outcome, Reply) and outcome.rcode in NO_EDNS:
            edns = False  # once
            question = self.encode(
                owner, rdtype, recurse=recurse, checking_disabled=checking_disabled, dnssec=dnssec, edns=False
            )
            flight, outcome = await self._datagram(server, question)
            if isinstance(outcome, NoReply) and is_settled(flight, outcome):
                return outcome
        if isinstance(outcome, Reply) and not outcome.tc:
            return outcome
        make = partial(make_question, recurse=recurse, checking_disabled=checking_disabled, dnssec=dnssec)
        whole = (await self._stream(server, ((owner, rdtype),), make, edns=edns))[0]
        if isinstance(whole, Reply):
            return whole
        if isinstance(outcome, NoReply):
            return outcome
        return replace(whole, reason=f"its answer is cut off over UDP, and over TCP: {whole.reason}")

    async def _datagram(self, server: Endpoint, question: Encoded) -> tuple[Flight, Outcome]:
        landed: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        flight = self._datagrams.submit(self._datagrams.server(server), question, _land, landed)
        try:
            return flight, await landed
        finally:
            self._datagrams.withdraw(flight)

    def encoded(
        self, recurse: bool, checking_disabled: bool = False, dnssec: bool = False, edns: bool = True
    ) -> dict[tuple[str, str], Encoded]:
        """The questions with these flags that are in wire form already, by (owner, type)."""
        flags = recurse, checking_disabled, dnssec, edns
        if (kept := self._encoded.get(flags)) is None:
            kept = self._encoded[flags] = {}
        return kept

    def encode(
        self,
        owner: str,
        rdtype: str,
        *,
        recurse: bool,
        checking_disabled: bool = False,
        dnssec: bool = False,
        edns: bool = True,
    ) -> Encoded:
        """The question in wire form, kept for the next time."""
        kept = self.encoded(recurse, checking_disabled, dnssec, edns)
        if (question := kept.get((owner, rdtype))) is None:
            if len(kept) >= MOST_ENCODED:
                del kept[next(iter(kept))]
            question = kept[owner, rdtype] = encode(
                owner, rdtype, recurse=recurse, edns=edns, checking_disabled=checking_disabled, dnssec=dnssec
            )
        return question

    async def ask_stream(
        self,
        server: Endpoint,
        questions: Sequence[tuple[str, str]],
        *,
        recurse: bool,
        checking_disabled: bool = False,
    ) -> tuple[Outcome, ...]:
        """Several (owner, type) questions over few connections; TCP, or TLS or HTTPS where the endpoint says so.

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
            async with self._place():
                query = make_edns_test(owner, rdtype, version, option)
                outcome = await ask_datagram(server, query, self._timeouts.udp, self._reject)
            if isinstance(outcome, Reply):
                break
        return outcome

    async def ask_plain(self, server: Endpoint, owner: str, rdtype: str) -> Outcome:
        """One question over UDP without EDNS, one try."""
        async with self._place():
            query = make_question(owner, rdtype, recurse=False, edns=False)
            return await ask_datagram(server, query, self._timeouts.udp, self._reject)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        await self._datagrams.take_place()
        try:
            yield
        finally:
            self._datagrams.give_place()

    async def _stream(
        self,
        server: Endpoint,
        questions: Sequence[tuple[str, str]],
        make: Callable[..., dns.message.Message],
        *,
        edns: bool = True,
    ) -> tuple[Outcome, ...]:
        if server.transport == "quic":
            text = "the transport quic is not available yet: use udp, tcp, tls or https"
            return tuple(NoReply(text) for _ in questions)
        outcomes: list[Outcome] = [NoReply("no answer") for _ in questions]
        with_edns = [edns for _ in questions]
        left, tries = list(range(len(questions))), 0
        waits = [0] * len(questions)
        while left and tries < STREAM_TRIES:
            batch = left[:BATCH]
            queries = _unique_ids([make(*questions[n], edns=with_edns[n]) for n in batch])
            began = asyncio.get_running_loop().time()
            async with self._place():
                got = await self._exchange(server, queries)
            waited = asyncio.get_running_loop().time() - began >= self._timeouts.tcp
            for n, outcome in zip(batch, got, strict=True):
                if isinstance(outcome, Reply) and outcome.tc:
                    # An empty answer with TC would read as absence.
                    outcome = NoReply("an answer that is cut off even over TCP", wrong=True)
                    left.remove(n)
                outcomes[n] = outcome
                if isinstance(outcome, Reply) and with_edns[n] and outcome.rcode in NO_EDNS:
                    with_edns[n] = False
                elif isinstance(outcome, Reply):
                    left.remove(n)
            # One answer a connection would make each of a hundred questions wait for all others: whatever was waited
            # for to the end this often is given up.
            for n, outcome in zip(batch, got, strict=True) if waited else ():
                waits[n] += isinstance(outcome, NoReply)
                if waits[n] >= STREAM_TRIES and n in left:
                    left.remove(n)
            if not any(isinstance(outcome, Reply) for outcome in got):
                tries += 1  # only a connection that brought nothing counts: each other one came further
        return tuple(outcomes)

    async def _exchange(self, server: Endpoint, queries: Sequence[dns.message.Message]) -> tuple[Outcome, ...]:
        context = self._context(server)
        if server.transport == "https" and context is not None:
            from dns_cutover.lookup.https import ask_https

            return await ask_https(server, queries, self._timeouts.tcp, self._reject, context)
        return await ask_connection(server, queries, self._timeouts.tcp, self._reject, context)

    def _reject(self, why: Reject) -> None:
        self.rejects[why] += 1

    def _context(self, server: Endpoint) -> ssl.SSLContext | None:
        """Verified against the address itself: well-known resolvers have it in their certificates."""
        if server.transport not in ("tls", "https"):
            return None
        if self._tls is not None:
            return self._tls
        # One for each: HTTP writes what it wants to speak into its own.
        if (context := self._contexts.get(server.transport)) is None:
            context = self._contexts[server.transport] = ssl.create_default_context()
        return context


def _land(flight: Flight, outcome: Outcome) -> None:
    if not flight.cargo.done():
        flight.cargo.set_result(outcome)


def _unique_ids(queries: list[dns.message.Message]) -> list[dns.message.Message]:
    """Answers on one connection are told apart by their ids alone."""
    seen: set[int] = set()
    for query in queries:
        while query.id in seen:
            query.id = (query.id + 1) % 65536
        seen.add(query.id)
    return queries
