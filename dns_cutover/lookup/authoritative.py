"""Asking every authoritative server of a zone, over UDP and TCP, and judging what each says."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dns_cutover.clock import Clock
from dns_cutover.lookup.answer import NoReply, Outcome
from dns_cutover.lookup.discovery import discover, enclosing_zone, explicit_servers
from dns_cutover.lookup.interface import AuthoritativeRound, Endpoint, Fault, ServerView
from dns_cutover.lookup.names import read_name, synthesised, wildcard_beside
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.views import NameView, ZoneServers
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.records.name import is_below, parent_names
from dns_cutover.records.serial import serial_newer

__all__ = [
    "ROUND_GAP_S",
    "AuthoritativeAsker",
    "Problem",
    "ZoneServers",
    "ask_all",
    "ask_server",
    "discover",
    "enclosing_zone",
    "explicit_servers",
    "judge",
    "serial_newer",
]

# Some authoritative servers answer from a packet cache: PowerDNS keeps answers for 20 s (its `cache-ttl`). Two agreeing
# rounds prove something only when the second cannot be the first one's cached copy.
ROUND_GAP_S = 21.0

Zones = Mapping[str, tuple[str, tuple[Endpoint, ...]]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an answer cannot be used. `wrong`: the server answers wrongly; else it cannot be reached."""

    text: str
    wrong: bool
    fault: Fault = field(default=Fault.WRONG, compare=False)


def judge(reply: Outcome, zone: str, key: RRsetKey) -> RRset | Problem | None:
    """What an authoritative answer says about one RRset of `zone`; None is absence: NXDOMAIN, NODATA, or an alias.

    The NS of a zone cut belongs to the parent without authority: there a referral is the answer (RFC 2181 section 6).
    """
    if isinstance(reply, NoReply):
        return Problem(reply.reason, reply.wrong, Fault.WRONG if reply.wrong else Fault.SILENT)
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return Problem(f"answers {reply.rcode}", wrong=True, fault=Fault.REFUSES)
    if reply.aa:
        soa = reply.soa
        if soa is not None and not reply.answer and soa.owner != zone:
            return Problem(f"answers for the zone {soa.owner} instead", wrong=True)
        if reply.answer and not any(s.owner == key.owner or s.rdtype == "DNAME" for s in reply.answer):
            return Problem("answers something else than it was asked", wrong=True)
        return reply.find(key.owner, key.rdtype)
    cut = next((s for s in reply.authority if s.rdtype == "NS"), None)
    if cut is None or cut.owner == zone or not is_below(cut.owner, zone) or not is_below(key.owner, cut.owner):
        return Problem("is not authoritative for the zone (lame)", wrong=True, fault=Fault.NO_AUTHORITY)
    if key.rdtype == "NS" and key.owner == cut.owner:
        return cut.rrset
    return Problem(f"refers to {cut.owner}: the name lies below a zone cut", wrong=True, fault=Fault.CUT)


async def ask_server(asker: Asker, ref: str, zone: str, server: Endpoint, keys: Sequence[RRsetKey]) -> ServerView:
    """One server's view. The SOA and every RRset are asked over UDP and, on one connection, over TCP: a server that
    says one thing here and another there has not converged, and resolvers do use both.
    """
    soa_key = RRsetKey(ref, zone, "SOA")
    questions = [(key.owner, key.rdtype) for key in keys]
    # The SOA first: a dead server costs three questions, not three for each RRset.
    first = await asker.ask(server, *_question(soa_key), recurse=False)
    soa = _apex(first, zone, soa_key)
    if isinstance(soa, Problem):
        return ServerView(ref, server, {}, None, soa.text, soa.wrong, fault=soa.fault)
    serial = int(soa.values[0].split()[2])
    over_udp, over_tcp = await asyncio.gather(
        asyncio.gather(*(asker.ask(server, *q, recurse=False) for q in questions)),
        asker.ask_stream(server, [_question(soa_key), *questions], recurse=False),
    )
    rrsets: dict[RRsetKey, RRset | None] = {}
    problems: list[Problem] = []
    tcp_soa = _apex(over_tcp[0], zone, soa_key)
    if isinstance(tcp_soa, Problem):
        problems.append(_over_tcp(tcp_soa))
    for key, udp, tcp in zip(keys, over_udp, over_tcp[1:], strict=True):
        found = judge(udp, zone, key)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        rrsets[key] = found
        if isinstance(tcp_soa, Problem):
            continue  # said already
        other = judge(tcp, zone, key)
        if isinstance(other, Problem):
            problems.append(_over_tcp(other))
        elif not _same(found, other):
            # Perhaps the zone changed between the two questions.
            again = judge(await asker.ask(server, *_question(key), recurse=False), zone, key)
            if isinstance(again, Problem):
                problems.append(again)
            elif not _same(again, other):
                problems.append(_disagrees(key, again, other))
            else:
                rrsets[key] = again
    wild = await _synthesised(asker, zone, server, rrsets)
    rrsets.update(dict.fromkeys(wild))
    # A wrong answer says more than a missing one.
    none = Problem("", wrong=False, fault=Fault.NONE)
    # A name below a zone cut is the question's fault, not the server's.
    worst = max(problems, key=lambda p: (p.fault is not Fault.CUT, p.wrong), default=none)
    return ServerView(ref, server, rrsets, serial, worst.text, worst.wrong, wild, worst.fault)


def _over_tcp(problem: Problem) -> Problem:
    fault = Fault.TCP if problem.fault is Fault.SILENT else problem.fault
    return Problem(f"TCP: {problem.text}", problem.wrong, fault)


async def _synthesised(
    asker: Asker, zone: str, server: Endpoint, rrsets: Mapping[RRsetKey, RRset | None]
) -> dict[RRsetKey, RRset]:
    """What a wildcard gave at names that the zone itself does not have: no update can expect it there."""
    by_owner: dict[str, dict[RRsetKey, RRset]] = {}
    for key, found in rrsets.items():
        if found is not None:
            by_owner.setdefault(key.owner, {})[key] = found
    by_parent: dict[str, list[str]] = {}
    for owner in by_owner:
        by_parent.setdefault(next(iter(parent_names(owner)), "."), []).append(owner)

    async def owners_below(owners: list[str]) -> list[str]:
        # One question for all names beside each other, where there is no wildcard.
        if not await wildcard_beside(asker, server, owners[0]):
            return []
        told = await asyncio.gather(
            *(synthesised(asker, zone, server, o, {k.rdtype: r for k, r in by_owner[o].items()}) for o in owners)
        )
        return [owner for owner, wild in zip(owners, told, strict=True) if wild]

    below = [owners for owners in by_parent.values() if owners != [zone]]
    found_wild = await asyncio.gather(*(owners_below(owners) for owners in below))
    return {key: rrset for owners in found_wild for owner in owners for key, rrset in by_owner[owner].items()}


def _question(key: RRsetKey) -> tuple[str, str]:
    return key.owner, key.rdtype


def _apex(reply: Outcome, zone: str, key: RRsetKey) -> RRset | Problem:
    found = judge(reply, zone, key)
    return (
        found
        if found is not None
        else Problem("is not authoritative for the zone (no SOA)", wrong=True, fault=Fault.NO_AUTHORITY)
    )


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one == other or (one is not None and one.same_data(other))


def _disagrees(key: RRsetKey, udp: RRset | None, tcp: RRset | None) -> Problem:
    said = [", ".join(r.values) if r is not None else "nothing" for r in (udp, tcp)]
    return Problem(f"{key.owner} {key.rdtype} is {said[0]} over UDP and {said[1]} over TCP", wrong=True)


async def ask_all(asker: Asker, zones: Zones, keys: Collection[RRsetKey], clock: Clock) -> AuthoritativeRound:
    """One round: every server of every zone that `keys` touch. `zones`: reference -> (zone name, servers)."""
    jobs = []
    for ref in sorted({k.zone for k in keys}):
        zone, servers = zones[ref]
        own = [k for k in dict.fromkeys(keys) if k.zone == ref]
        jobs += [ask_server(asker, ref, zone, server, own) for server in servers]
    views = await asyncio.gather(*jobs)
    return AuthoritativeRound(clock.now(), tuple(views))


class AuthoritativeAsker:
    """Rounds and names at the zones' own servers. `zones`: reference -> (zone name, servers)."""

    def __init__(self, asker: Asker, zones: Zones, clock: Clock) -> None:
        self._asker = asker
        self._zones = zones
        self._clock = clock

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        """One round at every server; two that agree, ROUND_GAP_S apart, are a proof. Never raises for the network."""
        return await ask_all(self._asker, self._zones, keys, self._clock)

    async def read_name(self, zone_ref: str, owner: str) -> NameView:
        """Everything at one name, from the first server that answers usably. Never raises for the network."""
        zone, servers = self._zones[zone_ref]
        return await read_name(self._asker, zone_ref, zone, servers, owner)
