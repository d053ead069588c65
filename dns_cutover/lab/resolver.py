"""A caching resolver on loopback: counts TTLs down on the lab's clock, clamps them, caches absence (RFC 2308)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from dns_cutover.clock import Clock
from dns_cutover.lab.server import DnsServer, finish, parse_query, section
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker, Reply
from dns_cutover.records import RRset
from dns_cutover.records.name import is_below


@dataclass(frozen=True, slots=True)
class Clamps:
    """Minimum and maximum TTL, and the maximum for absence, in seconds."""

    minimum: int = 0
    maximum: int = 86400
    negative: int = 3600


@dataclass(frozen=True, slots=True)
class _Entry:
    rrset: RRset | None
    rcode: str
    soa: tuple[str, RRset] | None
    expires: float


class Resolver(DnsServer):
    """`delegations`: zone -> authoritative servers. `stretch` keeps answers that many times longer: a violator."""

    def __init__(
        self,
        name: str,
        delegations: dict[str, tuple[Endpoint, ...]],
        clock: Clock,
        asker: Asker,
        rng: random.Random,
        clamps: Clamps | None = None,
        stretch: float = 1.0,
    ) -> None:
        super().__init__(name)
        self._delegations = delegations
        self._clock = clock
        self._asker = asker
        self._rng = rng
        self._clamps = clamps or Clamps()
        self._stretch = stretch
        self._cache: dict[tuple[str, str], _Entry] = {}

    async def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """Recursion for whoever asks."""
        query, error = parse_query(wire)
        if query is None:
            return error
        self.queries += 1
        response = dns.message.make_response(query, recursion_available=True)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return finish(query, response, tcp=tcp)
        question = query.question[0]
        await self._resolve(question.name.canonicalize().to_text(), dns.rdatatype.to_text(question.rdtype), response)
        return finish(query, response, tcp=tcp)

    async def _resolve(self, owner: str, rdtype: str, response: Any) -> None:
        for _ in range(8):
            entry = await self._get(owner, rdtype)
            kind = rdtype
            if entry is not None and entry.rrset is None and rdtype != "CNAME":
                alias = await self._get(owner, "CNAME")
                if alias is not None and alias.rrset is not None:
                    entry, kind = alias, "CNAME"
            if entry is None:
                response.set_rcode(dns.rcode.SERVFAIL)
                return
            left = max(0, int(entry.expires - self._clock.now() + 0.999))
            if entry.rrset is None:
                if entry.rcode == "NXDOMAIN":
                    response.set_rcode(dns.rcode.NXDOMAIN)
                if entry.soa is not None:
                    response.authority.extend(section((((entry.soa[0], "SOA"), entry.soa[1].with_ttl(left)),)))
                return
            response.answer.extend(section((((owner, kind), entry.rrset.with_ttl(left)),)))
            if kind != "CNAME" or rdtype == "CNAME":
                return
            owner = entry.rrset.values[0]

    async def _get(self, owner: str, rdtype: str) -> _Entry | None:
        now = self._clock.now()
        entry = self._cache.get((owner, rdtype))
        if entry is not None and now < entry.expires:
            return entry
        zones = [z for z in self._delegations if is_below(owner, z)]
        if not zones:
            return None
        servers = list(self._delegations[max(zones, key=len)])
        self._rng.shuffle(servers)
        for server in servers:
            reply = await self._asker.ask(server, owner, rdtype, recurse=False)
            if isinstance(reply, Reply) and reply.rcode in ("NOERROR", "NXDOMAIN"):
                return self._keep(owner, rdtype, reply)
        return None

    def _keep(self, owner: str, rdtype: str, reply: Reply) -> _Entry:
        now, clamps = self._clock.now(), self._clamps
        rrset = reply.find(owner, rdtype)
        alias = reply.find(owner, "CNAME") if rrset is None and rdtype != "CNAME" else None
        if alias is not None:
            self._cache[owner, "CNAME"] = _Entry(alias, "NOERROR", None, now + self._lifetime(alias.ttl))
        soa = next(((s.owner, s.rrset) for s in reply.authority if s.rdtype == "SOA"), None)
        if rrset is not None:
            entry = _Entry(rrset, "NOERROR", None, now + self._lifetime(rrset.ttl))
        else:
            negative = min(soa[1].ttl, int(soa[1].values[0].split()[6]), clamps.negative) if soa else 0
            entry = _Entry(None, reply.rcode, soa, now + (alias.ttl if alias is not None else negative))
        self._cache[owner, rdtype] = entry
        return entry

    def _lifetime(self, ttl: int) -> float:
        return max(self._clamps.minimum, min(ttl, self._clamps.maximum)) * self._stretch
