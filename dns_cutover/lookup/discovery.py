"""Who serves a zone: the parent's servers, their delegation, and what the zone's own servers say.

The way down begins at the root that the bootstrap resolvers know (a private network has its own) and then asks
authoritative servers only. So no recursive resolver is ever asked for the NS of any zone but the root: that would pin
it to the servers of now (FACTS section 2), and a plan may move the parent as well as the child. Where the root cannot
be reached, the enclosing zone is found by SOA questions to the bootstrap, which pin nothing, and only that enclosing
zone's NS is asked for there, never that of the zone itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dns_cutover.lookup.answer import NoReply, Reply, Section, usable
from dns_cutover.lookup.first import first_good
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.transport import has_route
from dns_cutover.lookup.views import ZoneServers
from dns_cutover.records.name import is_below, parent_names

MAX_HOSTS = 40  # name servers of one zone that are looked at: a hostile delegation must not cost thousands of questions
MAX_LEVELS = 16


@dataclass(slots=True)
class _Delegation:
    names: set[str] = field(default_factory=set)
    ttl: int | None = None
    glue: dict[str, set[str]] = field(default_factory=dict)


def explicit_servers(zone: str, endpoints: Iterable[Endpoint], ignore: Collection[str] = ()) -> ZoneServers:
    """A listed set of servers, for private zones and labs."""
    return ZoneServers(zone, _without(endpoints, ignore))


def _without(endpoints: Iterable[Endpoint], ignore: Collection[str]) -> tuple[Endpoint, ...]:
    """`ignore` has addresses, which cover every port, or address:port."""
    return tuple(e for e in endpoints if e.address not in ignore and str(e) not in ignore)


async def discover(
    asker: Asker,
    zone: str,
    bootstrap: Collection[Endpoint],
    ignore: Collection[str] = (),
    routed: Callable[[str], bool] = has_route,
) -> ZoneServers:
    """Parent NS and child NS, each with every address.

    `bootstrap`: recursive resolvers; asked for the root's NS and for addresses of name-server hosts outside the zone.
    Hosts inside the zone are resolved by the zone's own servers. An address without a route from here (`routed`) is
    left out, and told, if its host has another: a machine without IPv6 is no fault of the zone.
    """
    d = Walk(asker, zone, tuple(bootstrap), routed)
    parents = await d.parents_from_root() or await d.parents_from_bootstrap()
    delegation = await d.delegation(parents)
    if parents and not delegation.names:
        d.problem(f"the parent does not delegate {zone}: list its servers under lookup.authoritative")
    servers = await d.addresses(delegation.names, delegation.glue)
    child_ns, child_ttl = await d.child(endpoints_of(servers))
    servers |= await d.addresses(child_ns - delegation.names, delegation.glue)
    servers |= await d.inside(delegation.names | child_ns, endpoints_of(servers))
    for host in sorted((delegation.names | child_ns) - {host for host, _ in servers}):
        d.problem(f"the name server {host} has no address")
    if not servers:
        d.problem(f"no name server of {zone} was found")
    return ZoneServers(
        zone,
        _without(endpoints_of(servers), ignore),
        tuple(sorted(delegation.names)),
        tuple(sorted(child_ns)),
        delegation.ttl,
        child_ttl,
        tuple(d.problems),
        tuple(parents),
    )


async def enclosing_zone(asker: Asker, owner: str, servers: Collection[Endpoint], *, recurse: bool) -> str:
    """The zone that `owner` is in.

    Recursive resolvers are asked about the parent of `owner`, not about `owner`: a name that does not exist yet must
    not get a negative answer planted. If they know no better, the parent's zone is the answer.
    """
    asked = (parent_names(owner)[0] if parent_names(owner) else ".") if recurse else owner
    for server in servers:
        reply = await asker.ask(server, asked, "SOA", recurse=recurse)
        if isinstance(reply, Reply) and reply.rcode in ("NOERROR", "NXDOMAIN"):
            soa = next((s for s in (*reply.answer, *reply.authority) if s.rdtype == "SOA"), None)
            if soa is not None:
                return soa.owner
    return asked


class Walk:
    """Finding servers for one name: who is asked, and what could not be used."""

    def __init__(self, asker: Asker, zone: str, bootstrap: tuple[Endpoint, ...], routed: Callable[[str], bool]) -> None:
        self._asker = asker
        self._zone = zone
        self._bootstrap = bootstrap
        self._routed = routed
        self.problems: list[str] = []

    def problem(self, text: str) -> None:
        """Something that a person should know; once."""
        if text not in self.problems:
            self.problems.append(text)

    async def root_servers(self) -> tuple[Endpoint, ...]:
        """The root that the bootstrap resolvers know; a private network may have its own."""
        root = await self._recursive(".", "NS")
        hosts = root.find(".", "NS") if root is not None else None
        return endpoints_of(await self.addresses(set(hosts.values), {})) if hosts is not None else ()

    async def parents_from_root(self) -> tuple[Endpoint, ...]:
        """The servers of the zone that delegates ours, walking down from the root; empty if that way is closed."""
        cut, servers = ".", await self.root_servers()
        for _ in range(MAX_LEVELS):
            reply = await self.any_of(servers, self._zone, "NS")
            if reply is None:
                return ()
            referral = referral_of(reply)
            if referral is None or not is_below(self._zone, referral.owner) or not is_below(referral.owner, cut):
                return ()
            if referral.owner == self._zone:
                return await self._whole_parent(cut, servers)
            if referral.owner == cut:
                return ()  # refers to itself
            cut = referral.owner
            names = set(referral.rrset.values)
            servers = endpoints_of(await self.addresses(names, glue_of(reply, names, _above(cut))))
        return ()

    async def _whole_parent(self, cut: str, servers: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        """Servers of the grandparent may serve the parent as well, and not be all of its servers."""
        for ancestor in parent_names(self._zone):
            if ancestor == cut or not is_below(ancestor, cut):
                break
            reply = await self.any_of(servers, ancestor, "NS")
            found = reply.find(ancestor, "NS") if reply is not None and reply.aa else None
            if reply is not None and found is not None:
                names = set(found.values)
                more = endpoints_of(await self.addresses(names, glue_of(reply, names, cut)))
                return tuple(sorted({*servers, *more}))
        return servers

    async def parents_from_bootstrap(self) -> tuple[Endpoint, ...]:
        """The servers of the nearest enclosing zone, as the bootstrap resolvers know them."""
        for ancestor in (*parent_names(self._zone), "."):
            reply = await self._recursive(ancestor, "SOA")
            if reply is None:
                continue
            apex = ancestor if reply.find(ancestor, "SOA") is not None else reply.soa.owner if reply.soa else ""
            if not apex or apex == self._zone or not is_below(self._zone, apex):
                continue
            hosts = await self._recursive(apex, "NS")
            found = hosts.find(apex, "NS") if hosts is not None else None
            if found is not None:
                return endpoints_of(await self.addresses(set(found.values), {}))
        self.problem(f"the parent of {self._zone} was not found: no bootstrap resolver answered usably")
        return ()

    async def delegation(self, parents: Sequence[Endpoint]) -> _Delegation:
        """What every server of the parent says, together: they may differ while a change travels."""
        out = _Delegation()
        replies = await asyncio.gather(*(self._asker.ask(s, self._zone, "NS", recurse=False) for s in parents))
        for server, reply in zip(parents, replies, strict=True):
            if isinstance(reply, NoReply) or reply.rcode != "NOERROR":
                why = reply.reason if isinstance(reply, NoReply) else f"answers {reply.rcode}"
                self.problem(f"the parent's server {server.name} {server}: {why}")
                continue
            referral = referral_of(reply)
            if referral is None or referral.owner != self._zone:
                continue
            out.names.update(referral.rrset.values)
            out.ttl = max(out.ttl or 0, referral.rrset.ttl)
            for host, found in glue_of(reply, out.names, _above(self._zone)).items():
                out.glue.setdefault(host, set()).update(found)
        return out

    async def child(self, servers: Sequence[Endpoint]) -> tuple[set[str], int | None]:
        """The NS set as the zone's own servers give it, and its highest TTL."""
        names: set[str] = set()
        ttl: int | None = None
        for reply in await asyncio.gather(*(self._asker.ask(s, self._zone, "NS", recurse=False) for s in servers)):
            found = reply.find(self._zone, "NS") if isinstance(reply, Reply) and reply.aa else None
            if found is not None:
                names.update(found.values)
                ttl = max(ttl or 0, found.ttl)
        return names, ttl

    async def addresses(self, hosts: Collection[str], glue: Mapping[str, set[str]]) -> set[tuple[str, str]]:
        """(host, address) pairs: the glue, and outside the zone what the bootstrap resolvers say."""
        if len(hosts) > MAX_HOSTS:
            self.problem(f"{len(hosts)} name servers are named; only {MAX_HOSTS} are looked at")
        chosen = sorted(hosts)[:MAX_HOSTS]
        out = {(host, address) for host in chosen for address in glue.get(host, ())}
        outside = [host for host in chosen if not is_below(host, self._zone)]
        jobs = [(host, rdtype) for host in outside for rdtype in ("A", "AAAA")]
        replies = await asyncio.gather(*(self._recursive(*job) for job in jobs))
        out |= {(h, a) for (h, t), r in zip(jobs, replies, strict=True) if r is not None for a in _found(r, t)}
        return self._reachable(out)

    async def inside(self, hosts: Collection[str], servers: Sequence[Endpoint]) -> set[tuple[str, str]]:
        """Addresses of hosts inside the zone at their own authority: they may differ from the parent's glue."""
        own = sorted(host for host in hosts if is_below(host, self._zone))[:MAX_HOSTS]
        jobs = [(host, rdtype) for host in own for rdtype in ("A", "AAAA")]
        replies = await asyncio.gather(*(self.any_of(servers, *job) for job in jobs))
        own_ones = zip(jobs, replies, strict=True)
        return self._reachable({(h, a) for (h, t), r in own_ones if r is not None and r.aa for a in _found(r, t)})

    def _reachable(self, addresses: set[tuple[str, str]]) -> set[tuple[str, str]]:
        routed = {(host, address) for host, address in addresses if self._routed(address)}
        elsewhere = {host for host, _ in routed}
        for host, address in sorted(addresses - routed):
            if host in elsewhere:
                self.problem(f"{host} {address} is not looked at: there is no route to it from here")
        return routed | {(host, address) for host, address in addresses if host not in elsewhere}

    async def _recursive(self, owner: str, rdtype: str) -> Reply | None:
        return await self.any_of(self._bootstrap, owner, rdtype, recurse=True)

    async def any_of(
        self, servers: Sequence[Endpoint], owner: str, rdtype: str, *, recurse: bool = False
    ) -> Reply | None:
        """The first usable answer."""
        return await first_good(self._asker, servers, owner, rdtype, usable, recurse=recurse)


def referral_of(reply: Reply) -> Section | None:
    """The NS RRset of a referral; a server of both zones answers instead of referring."""
    return next((s for s in (*reply.answer, *reply.authority) if s.rdtype == "NS"), None)


def _above(zone: str) -> str:
    return next(iter(parent_names(zone)), ".")


def glue_of(reply: Reply, hosts: Collection[str], bailiwick: str) -> dict[str, set[str]]:
    """Addresses in the additional section of hosts that were named, and only inside `bailiwick`."""
    out: dict[str, set[str]] = {}
    for s in reply.additional:
        if s.rdtype in ("A", "AAAA") and s.owner in hosts and is_below(s.owner, bailiwick):
            out.setdefault(s.owner, set()).update(s.rrset.values)
    return out


def _found(reply: Reply, rdtype: str) -> set[str]:
    """Addresses in the answer, at the end of an alias as well (against RFC 2181 section 10.3, but seen)."""
    return {value for s in reply.answer if s.rdtype == rdtype for value in s.rrset.values}


def endpoints_of(addresses: Iterable[tuple[str, str]]) -> tuple[Endpoint, ...]:
    """One endpoint per address: two host names may share one."""
    by_address: dict[str, str] = {}
    for host, address in sorted(addresses):
        by_address.setdefault(address, host)
    order = sorted(
        (host, ipaddress.ip_address(a).version, ipaddress.ip_address(a).packed, a) for a, host in by_address.items()
    )
    return tuple(Endpoint(host.rstrip("."), address) for host, _, _, address in order)
