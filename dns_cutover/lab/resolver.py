"""A caching resolver on loopback: TTLs count down on the lab's clock, within clamps; absence is cached (RFC 2308)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

import dns.flags
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from dns_cutover.clock import Clock
from dns_cutover.lab.cache import Cache, Clamps, Entry
from dns_cutover.lab.client import Asks
from dns_cutover.lab.message import finish, read_request, reply_to, section
from dns_cutover.lab.sockets import DnsServer
from dns_cutover.lab.wire import records
from dns_cutover.lab.zone import MAX_CHAIN, Item, lineage
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Reply
from dns_cutover.records.rdata import META_TYPES

AVOID = 900  # lab seconds for which a server that did not answer is asked last
FAILED = 5  # lab seconds before servers that all failed are tried again (RFC 9520)
READY = 4096
STALE_ANSWER = 3  # extended error code (RFC 8914 section 4.4)
_TTL = Struct("!I")


@dataclass(frozen=True, slots=True)
class Stale:
    """Answers past their TTL (RFC 8767): for `max_age` seconds, with this `ttl`, and EDE 3 where `ede`.

    They are given when no server answers; with `at_once` first of all, while the new one is fetched behind it.
    """

    max_age: int = 86400
    ttl: int = 30
    ede: bool = True
    at_once: bool = False


@dataclass(slots=True)
class _Result:
    """One answer in the making: shown RRsets beside the entries that they come from."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    answer: list[Item] = field(default_factory=list)
    authority: list[Item] = field(default_factory=list)
    expires: list[int] = field(default_factory=list)
    stale: bool = False


@dataclass(frozen=True, slots=True)
class _Ready:
    """A response whose TTLs are written in anew each time. `ttls`: (octet offset, expiry); good before `until`."""

    wire: bytes
    ttls: tuple[tuple[int, int], ...]
    until: int


class Resolver(DnsServer):
    """Recursion for whoever asks with RD, from `delegations`: zone -> authoritative servers.

    It asks one of them, chosen at random. TTLs are whole seconds, as in real caches: an answer fetched at second t
    counts down from its TTL and is gone at t + TTL. `stretch` keeps answers that many times longer: a violator.
    """

    def __init__(
        self,
        name: str,
        delegations: Mapping[str, tuple[Endpoint, ...]],
        clock: Clock,
        asker: Asks,
        rng: random.Random,
        clamps: Clamps | None = None,
        stretch: float = 1.0,
        *,
        stale: Stale | None = None,
        nsid: str = "",
    ) -> None:
        super().__init__(name)
        self._delegations = delegations
        self._clock = clock
        self._asker = asker
        self._rng = rng
        self._stale = stale
        self._nsid = nsid
        self._cache = Cache(clamps or Clamps(), stretch)
        self._ready: dict[bytes, _Ready] = {}
        self._flying: dict[tuple[str, str], asyncio.Future[Entry | None]] = {}
        self._avoid: dict[Endpoint, float] = {}
        self._failed: dict[tuple[str, str], int] = {}

    def flush(self) -> None:
        """Forget everything, as an operator may order it."""
        self._cache.flush()
        self._ready.clear()
        self._failed.clear()

    def known(self, wire: bytes) -> bytes | None:
        """The answer to exactly the same question, with the TTLs of now."""
        ready = self._ready.get(wire[2:])
        if ready is None:
            return None
        now = int(self._clock.now())
        if now >= ready.until:
            del self._ready[wire[2:]]
            return None
        self.queries += 1
        out = bytearray(ready.wire)
        out[:2] = wire[:2]
        for at, expires in ready.ttls:
            _TTL.pack_into(out, at, expires - now)
        return bytes(out)

    async def respond(self, wire: bytes, *, tcp: bool) -> Sequence[bytes]:
        """Queries; everything else is NOTIMP."""
        incoming = read_request(wire, {}, time.time)
        if incoming is None:
            return ()
        self.queries += 1
        if isinstance(incoming, bytes):
            return (incoming,)
        query = incoming.query
        error = _refusal(query)
        if error is not None:
            response = reply_to(query, recursion=True, nsid=self._nsid)
            response.set_rcode(error)
            return (finish(incoming, response, tcp=tcp),)
        question = query.question[0]
        result = await self._resolve(question.name.canonicalize().to_text(), dns.rdatatype.to_text(question.rdtype))
        ede = STALE_ANSWER if result.stale and self._stale is not None and self._stale.ede else None
        response = reply_to(query, recursion=True, nsid=self._nsid, ede=ede)
        response.set_rcode(result.rcode)
        response.answer.extend(section(result.answer))
        response.authority.extend(section(result.authority))
        out = finish(incoming, response, tcp=tcp)
        if not tcp and not result.stale and result.expires and not response.flags & dns.flags.TC:
            self._keep_ready(wire, out, result)
        return (out,)

    def _keep_ready(self, asked: bytes, wire: bytes, result: _Result) -> None:
        if len(self._ready) >= READY:
            self._ready.clear()
        shown = [r for r in records(wire) if r.section in (1, 2)]
        counts = [len(item.rrset.values) for item in (*result.answer, *result.authority)]
        expires = [e for e, n in zip(result.expires, counts, strict=True) for _ in range(n)]
        ttls = tuple((r.ttl_at, e) for r, e in zip(shown, expires, strict=True))
        self._ready[asked[2:]] = _Ready(wire, ttls, min(expires))

    async def _resolve(self, owner: str, rdtype: str) -> _Result:
        result = _Result()
        for _ in range(MAX_CHAIN):
            entry, ttl = await self._entry(owner, rdtype, result)
            if entry is None:
                return _Result(dns.rcode.SERVFAIL)
            if entry.rrset is None:
                result.rcode = dns.rcode.NXDOMAIN if entry.nxdomain else dns.rcode.NOERROR
                if entry.soa is not None:
                    result.authority.append(Item(entry.soa.owner, "SOA", entry.soa.rrset.with_ttl(ttl)))
                    result.expires.append(entry.expires)
                return result
            result.answer.append(Item(owner, entry.rdtype, entry.rrset.with_ttl(ttl)))
            result.expires.append(entry.expires)
            if entry.rdtype == rdtype:
                return result
            owner = entry.rrset.values[0]
        return _Result(dns.rcode.SERVFAIL)  # a chain without an end

    async def _entry(self, owner: str, rdtype: str, result: _Result) -> tuple[Entry | None, int]:
        """What answers the question, and the TTL to show."""
        now = int(self._clock.now())
        entry = self._cache.find(owner, rdtype, now)
        if entry is not None:
            return entry, entry.expires - now
        old = self._cache.find(owner, rdtype, now, self._stale.max_age) if self._stale is not None else None
        if old is not None and self._stale is not None and self._stale.at_once:
            self.spawn(self._refetch(owner, rdtype))
        elif (fetched := await self._fetch(owner, rdtype)) is not None:
            # The whole TTL: this question brought it, and what a scaled network took is not to count.
            return fetched, fetched.life
        if old is None or self._stale is None:
            return None, 0
        result.stale = True
        return old, self._stale.ttl

    async def _refetch(self, owner: str, rdtype: str) -> None:
        await self._fetch(owner, rdtype)

    async def _fetch(self, owner: str, rdtype: str) -> Entry | None:
        """Ask the servers, once for everybody who waits for the same."""
        key = (owner, rdtype)
        if (flying := self._flying.get(key)) is not None:
            return await asyncio.shield(flying)
        if int(self._clock.now()) < self._failed.get(key, 0):
            return None
        self._flying[key] = asyncio.get_running_loop().create_future()
        entry = None
        try:
            entry = await self._ask_servers(owner, rdtype)
        finally:
            self._flying.pop(key).set_result(entry)
        if entry is None:
            self._failed[key] = int(self._clock.now()) + FAILED
        return entry

    async def _ask_servers(self, owner: str, rdtype: str) -> Entry | None:
        zone = next((z for z in lineage(owner) if z in self._delegations), None)
        if zone is None:
            return None
        servers = list(self._delegations[zone])
        self._rng.shuffle(servers)
        servers.sort(key=lambda server: self._avoid.get(server, 0.0) > self._clock.now())
        for server in servers:
            # Counted from the question on: the server may have stopped serving this while the answer travelled.
            asked = int(self._clock.now())
            reply = await self._asker.ask(server, owner, rdtype, recurse=False)
            if isinstance(reply, Reply) and reply.aa and reply.rcode in ("NOERROR", "NXDOMAIN"):
                self._avoid.pop(server, None)
                return self._cache.put(reply, zone, owner, rdtype, asked)
            self._avoid[server] = self._clock.now() + AVOID
        return None


def _refusal(query: Any) -> dns.rcode.Rcode | None:
    """Why a query is not worked on."""
    if query.edns > 0:
        return dns.rcode.BADVERS
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:
        return dns.rcode.FORMERR
    if dns.rdatatype.to_text(query.question[0].rdtype) in META_TYPES:
        return dns.rcode.NOTIMP
    if query.question[0].rdclass != dns.rdataclass.IN or not query.flags & dns.flags.RD:
        return dns.rcode.REFUSED
    return None
