"""Users: ask resolvers and servers all the time, keep what they answered, and measure tails from it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from dns_cutover.clock import Clock
from dns_cutover.lab.client import Line, OneTry
from dns_cutover.lab.message import PAYLOAD
from dns_cutover.lab.zone import NameType
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Reply
from dns_cutover.records import RRset

TIMEOUT = 1.0  # real seconds
KNOWN = 8192  # answers that are recognised by their octets, without parsing


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer. The question left at `asked`, the answer came at `at` (lab seconds).

    `values` are canonical RDATA, empty for absence; `ttl` is what was left of the TTL, 0 for absence.
    """

    asked: float
    at: float
    who: str
    question: NameType
    rcode: str
    values: tuple[str, ...]
    ttl: int


@dataclass(slots=True)
class Sampler:
    """Asks at random moments, as users do, which keeps caches warm.

    Ask only for what exists: whoever asks a cache for a name before it is there plants its absence. `unanswered`
    counts questions without an answer, by server.
    """

    clock: Clock
    rng: random.Random
    samples: list[Sample] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _known: dict[bytes, tuple[str, tuple[str, ...], int]] = field(default_factory=dict)

    def watch(
        self, servers: Iterable[Endpoint], questions: Iterable[NameType], every: float, *, recurse: bool = True
    ) -> None:
        """Ask each server each question at intervals between half and one and a half `every` lab seconds.

        `recurse` False for authoritative servers. Needs a running loop; goes on until `stop`.
        """
        loop, asked = asyncio.get_running_loop(), tuple(questions)
        for server in servers:
            for question in asked:
                self._tasks.append(loop.create_task(self._ask(server, question, every, recurse)))

    async def stop(self) -> None:
        """No more questions. A sampler that failed raises what it failed of."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for outcome in ended:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _ask(self, server: Endpoint, question: NameType, every: float, recurse: bool) -> None:
        query = dns.message.make_query(*question, flags=dns.flags.RD if recurse else 0, use_edns=0, payload=PAYLOAD)
        wire = query.to_wire()
        line = await Line.to(server)
        try:
            await self.clock.sleep_until(self.clock.now() + self.rng.uniform(0.0, every))
            while True:
                asked = self.clock.now()
                data = await line.ask(wire, TIMEOUT)
                at = self.clock.now()
                found = await self._read(data, server, question, recurse) if data is not None else None
                if found is None:
                    self.unanswered[server.name] += 1
                else:
                    self.samples.append(Sample(asked, at, server.name, question, *found))
                await self.clock.sleep_until(self.clock.now() + self.rng.uniform(0.5, 1.5) * every)
        finally:
            line.close()

    async def _read(
        self, data: bytes, server: Endpoint, question: NameType, recurse: bool
    ) -> tuple[str, tuple[str, ...], int] | None:
        known = self._known.get(data[2:])
        if known is not None:
            return known
        if data[2] & 0x02:  # cut off: the whole answer comes over TCP
            reply = await OneTry().ask(server, *question, recurse=recurse, tcp=True)
            if not isinstance(reply, Reply):
                return None
            rrset = reply.find(*question)
            return (reply.rcode, *((rrset.values, rrset.ttl) if rrset is not None else ((), 0)))
        try:
            message = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        owner, rdtype = dns.name.from_text(question[0]), dns.rdatatype.from_text(question[1])
        there = next((r for r in message.answer if r.name == owner and r.rdtype == rdtype), None)
        rrset = RRset.from_rdataset(there) if there is not None else None
        found = (dns.rcode.to_text(message.rcode()), *((rrset.values, rrset.ttl) if rrset is not None else ((), 0)))
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[data[2:]] = found
        return found

    def matching(
        self,
        question: NameType,
        wanted: Callable[[Sample], bool],
        *,
        since: float = float("-inf"),
        until: float = float("inf"),
        who: Collection[str] | None = None,
    ) -> list[Sample]:
        """Answers to `question` from servers named in `who` (None: all) that were asked for in since <= t < until."""
        return [
            s
            for s in self.samples
            if s.question == question
            and since <= s.asked < until
            and (who is None or s.who in who)
            and s.rcode in ("NOERROR", "NXDOMAIN")
            and wanted(s)
        ]

    def tail(
        self,
        question: NameType,
        old: Callable[[Sample], bool],
        *,
        changed: float,
        until: float = float("inf"),
        who: Collection[str] | None = None,
    ) -> float | None:
        """Lab seconds from the change to the last `old` answer, judged by when it was asked for; None: none was seen.

        `until` ends the measuring: when the next change makes another version old. The time at which an answer
        arrives would count this machine's own delays, times the clock's factor.
        """
        seen = self.matching(question, old, since=changed, until=until, who=who)
        return max((s.asked - changed for s in seen), default=None)
