"""Authoritative servers: finding them through the parent, and asking all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dns_cutover.clock import Clock
from dns_cutover.lookup.interface import AuthoritativeRound, Endpoint, ServerView
from dns_cutover.lookup.question import Asker, NoReply, Outcome, Reply
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.records.name import is_below, parent_names


@dataclass(frozen=True, slots=True)
class ZoneServers:
    """Who serves a zone. `parent_ns` and `child_ns` are name-server host names; `problems` are for people."""

    zone: str
    endpoints: tuple[Endpoint, ...]
    parent_ns: tuple[str, ...] = ()
    child_ns: tuple[str, ...] = ()
    parent_ttl: int | None = None
    child_ttl: int | None = None
    problems: tuple[str, ...] = ()


def explicit_servers(zone: str, endpoints: Iterable[Endpoint]) -> ZoneServers:
    """A listed set of servers, for private zones and labs."""
    return ZoneServers(zone, tuple(endpoints))


async def discover(
    asker: Asker, zone: str, bootstrap: Collection[Endpoint], ignore: Collection[str] = ()
) -> ZoneServers:
    """Parent NS and child NS, each with every address.

    The recursive `bootstrap` resolvers are asked for the parent zone's name servers and for host addresses, never for
    the NS of `zone` itself: that would pin them to the servers of now (FACTS section 2).
    """
    problems: list[str] = []
    parents = await _parent_servers(asker, zone, tuple(bootstrap), problems)
    parent_ns, parent_ttl, glue = await _referral(asker, zone, parents, problems)
    hosts = set(parent_ns)
    addresses = await _addresses(asker, hosts, glue, tuple(bootstrap))
    child_ns: set[str] = set()
    child_ttl = None
    for server in _endpoints(addresses):
        reply = await asker.ask(server, zone, "NS", recurse=False)
        rrset = reply.find(zone, "NS") if isinstance(reply, Reply) and reply.aa else None
        if rrset is not None:
            child_ns.update(rrset.values)
            child_ttl = max(child_ttl or 0, rrset.ttl)
    if child_ns - hosts:
        addresses |= await _addresses(asker, child_ns - hosts, glue, tuple(bootstrap))
    if not addresses:
        problems.append(f"no name server of {zone} was found")
    endpoints = tuple(e for e in _endpoints(addresses) if e.address not in ignore and str(e) not in ignore)
    return ZoneServers(
        zone, endpoints, tuple(sorted(parent_ns)), tuple(sorted(child_ns)), parent_ttl, child_ttl, tuple(problems)
    )


async def _parent_servers(
    asker: Asker, zone: str, bootstrap: tuple[Endpoint, ...], problems: list[str]
) -> tuple[Endpoint, ...]:
    """The servers of the nearest enclosing zone that is not `zone` itself."""
    for ancestor in (*parent_names(zone), "."):
        reply = await _first(asker, bootstrap, ancestor, "NS")
        rrset = reply.find(ancestor, "NS") if reply is not None else None
        if rrset is not None:
            return _endpoints(await _addresses(asker, set(rrset.values), {}, bootstrap))
    problems.append(f"the parent of {zone} was not found: no bootstrap resolver answered")
    return ()


async def _referral(
    asker: Asker, zone: str, parents: tuple[Endpoint, ...], problems: list[str]
) -> tuple[set[str], int | None, Mapping[str, set[str]]]:
    """The delegation as every parent server gives it, with glue."""
    names: set[str] = set()
    ttl: int | None = None
    glue: dict[str, set[str]] = {}
    for server in parents:
        reply = await asker.ask(server, zone, "NS", recurse=False)
        if not isinstance(reply, Reply):
            problems.append(f"{server.name} {server}: {reply.reason}")
            continue
        # A server of both zones answers with authority; any other refers.
        for section in (*reply.answer, *reply.authority):
            if section.owner == zone and section.rdtype == "NS":
                names.update(section.rrset.values)
                ttl = max(ttl or 0, section.rrset.ttl)
        for section in reply.additional:
            if section.rdtype in ("A", "AAAA"):
                glue.setdefault(section.owner, set()).update(section.rrset.values)
    return names, ttl, glue


async def _first(asker: Asker, resolvers: tuple[Endpoint, ...], owner: str, rdtype: str) -> Reply | None:
    for resolver in resolvers:
        reply = await asker.ask(resolver, owner, rdtype, recurse=True)
        if isinstance(reply, Reply) and reply.rcode in ("NOERROR", "NXDOMAIN"):
            return reply
    return None


async def _addresses(
    asker: Asker, hosts: set[str], glue: Mapping[str, set[str]], bootstrap: tuple[Endpoint, ...]
) -> set[tuple[str, str]]:
    """(host, address) pairs; glue where the parent gave it, else through the bootstrap resolvers."""
    out: set[tuple[str, str]] = set()
    for host in sorted(hosts):
        if host in glue:
            out.update((host, a) for a in glue[host])
            continue
        for rdtype in ("A", "AAAA"):
            reply = await _first(asker, bootstrap, host, rdtype)
            if reply is not None:
                for section in reply.answer:
                    if section.rdtype == rdtype:
                        out.update((host, a) for a in section.rrset.values)
    return out


def _endpoints(addresses: Iterable[tuple[str, str]]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(host.rstrip("."), address) for host, address in sorted(addresses))


def judge(reply: Outcome, zone: str, key: RRsetKey) -> RRset | str | None:
    """What an authoritative answer says about one RRset; text: why it cannot be used."""
    if isinstance(reply, NoReply):
        return reply.reason
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return f"answers {reply.rcode}"
    found = reply.find(key.owner, key.rdtype)
    if not reply.aa:
        cut = next((s for s in reply.authority if s.rdtype == "NS"), None)
        if cut is not None and is_below(key.owner, cut.owner) and cut.owner != zone and is_below(cut.owner, zone):
            return f"refers to {cut.owner}: the name lies below a zone cut"
        return "is not authoritative for the zone (lame)"
    return found


async def ask_server(asker: Asker, ref: str, zone: str, server: Endpoint, keys: Collection[RRsetKey]) -> ServerView:
    """One server's view: every RRset over UDP, and the SOA over TCP too, which must answer as well."""
    questions = [asker.ask(server, zone, "SOA", recurse=False), asker.ask(server, zone, "SOA", recurse=False, tcp=True)]
    questions += [asker.ask(server, k.owner, k.rdtype, recurse=False) for k in keys]
    udp_soa, tcp_soa, *replies = await asyncio.gather(*questions)
    for name, reply in (("UDP", udp_soa), ("TCP", tcp_soa)):
        if isinstance(reply, NoReply):
            text = reply.reason if name == "UDP" else f"TCP: {reply.reason}"
            return ServerView(ref, server, {}, None, text, reply.wrong)
        if reply.rcode != "NOERROR" or not reply.aa or reply.find(zone, "SOA") is None:
            what = f"answers {reply.rcode}" if reply.rcode != "NOERROR" else "is not authoritative for the zone (lame)"
            return ServerView(ref, server, {}, None, what, True)
    rrsets: dict[RRsetKey, RRset | None] = {}
    for key, reply in zip(keys, replies, strict=True):
        said = judge(reply, zone, key)
        if isinstance(said, str):
            wrong = not isinstance(reply, NoReply) or reply.wrong
            return ServerView(ref, server, rrsets, _serial(udp_soa, zone), said, wrong)
        rrsets[key] = said
    return ServerView(ref, server, rrsets, _serial(udp_soa, zone))


def _serial(reply: Outcome, zone: str) -> int | None:
    soa = reply.find(zone, "SOA") if isinstance(reply, Reply) else None
    return int(soa.values[0].split()[2]) if soa is not None else None


async def ask_all(
    asker: Asker,
    zones: Mapping[str, tuple[str, tuple[Endpoint, ...]]],
    keys: Collection[RRsetKey],
    clock: Clock,
) -> AuthoritativeRound:
    """One round: every server of every zone that `keys` touch. `zones`: reference -> (zone name, servers)."""
    jobs = []
    for ref in sorted({k.zone for k in keys}):
        zone, servers = zones[ref]
        own = [k for k in dict.fromkeys(keys) if k.zone == ref]
        jobs += [ask_server(asker, ref, zone, server, own) for server in servers]
    views = await asyncio.gather(*jobs)
    return AuthoritativeRound(clock.now(), tuple(views))
