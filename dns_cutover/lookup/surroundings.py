"""What stands around the records of a plan: where they point to, the chain of trust, the servers' manners, CAA.

Everything is asked at its own authority, within bounds: an ordinary plan costs a few dozen questions more, and a plan
of ten thousand names not one for each of them. Network trouble is a value: what could not be learned is left out.
"""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeAlias, TypeVar

from dns_cutover.lookup.answer import Outcome, Reply, usable
from dns_cutover.lookup.discovery import discover
from dns_cutover.lookup.first import first_good
from dns_cutover.lookup.health import servers_health
from dns_cutover.lookup.hosts import WIDTH, HostFinder
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.newcomers import newcomers_keys
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.transfer import zone_size
from dns_cutover.lookup.transport import has_route
from dns_cutover.lookup.views import LiveView, TargetView, ZoneSecurity, ZoneServers
from dns_cutover.lookup.zonecopy import ZoneCopy
from dns_cutover.records import RRset
from dns_cutover.records.name import is_below, parent_names
from dns_cutover.records.targets import targets_of

MAX_TARGETS = 60
MAX_OWNERS = 200  # owner names for which CAA is looked up
PATIENCE = 10.0  # real seconds for one target, and for finding one parent: beyond it the answer is "not known"
PATIENCE_FOR_ALL = 20.0  # for all targets together
AT_ONCE = 8  # groups of targets that are looked for side by side

_T = TypeVar("_T")
Unknown: TypeAlias = Literal["unknown"]  # nobody who would know could be asked


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the plan makes interesting.

    `hosts`: absolute names that its new values point to. `addressed`: (zone reference, owner) whose addresses or alias
    change: certificates are issued for such names. `bootstrap` resolvers know the root. `parents_of`: by reference of
    zones whose servers are listed by hand, the resolvers from which the way down to their parents may be taken.
    `newcomers`: (zone name, host name) of name servers that the plan brings to a zone. `sizes`: by zone reference, up
    to how many records of the zone are worth counting.
    """

    hosts: tuple[str, ...] = ()
    addressed: tuple[tuple[str, str], ...] = ()
    bootstrap: tuple[Endpoint, ...] = ()
    parents_of: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    newcomers: tuple[tuple[str, str], ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)


async def look_around(
    view: LiveView, wanted: Wanted, asker: Asker, routed: Callable[[str], bool] = has_route
) -> LiveView:
    """The view with `targets`, `security`, `health`, `caa` and `newcomers`, and what parents and children say of
    listed zones.

    Never raises for the network; no recursive resolver is asked for a target's own name.
    """
    names = {ref: zone.zone for ref, zone in view.zones.items()}
    good = {ref: _good(view, ref) for ref in names}
    found = await asyncio.gather(
        *(_relatives(asker, z, good[ref], wanted.parents_of.get(ref, ()), routed) for ref, z in view.zones.items())
    )
    zones = dict(zip(names, found, strict=True))
    finder = HostFinder(asker, wanted.bootstrap, ((names[ref], good[ref]) for ref in names), routed)
    live = (t for k, r in view.rrsets.items() if r is not None for v in r.values for t in targets_of(k.rdtype, v))
    hosts = tuple(dict.fromkeys((*wanted.hosts, *live)))
    owners = tuple(dict.fromkeys(wanted.addressed))
    targets, security, health = await asyncio.gather(
        _targets(finder, hosts[:MAX_TARGETS]),
        asyncio.gather(*(_security(asker, zones[ref], good[ref]) for ref in names)),
        servers_health(asker, view.servers, names),
    )
    # Afterwards: it may follow aliases, and by now the way to their targets is known.
    caa = await _Caa(asker, zones, good, finder, targets, view.copies).of(owners[:MAX_OWNERS])
    keys = await newcomers_keys(asker, wanted.newcomers, targets)
    records = await _sizes(view, wanted.sizes, good)
    problems = list(view.problems)
    if len(hosts) > MAX_TARGETS:
        problems.append(f"records point to {len(hosts)} hosts; {MAX_TARGETS} of them are looked at")
    if len(owners) > MAX_OWNERS:
        problems.append(f"{len(owners)} names change addresses; CAA is looked up for {MAX_OWNERS} of them")
    return replace(
        view,
        zones=MappingProxyType(zones),
        targets=MappingProxyType(targets),
        security=MappingProxyType(dict(zip(names, security, strict=True))),
        health=health,
        caa=MappingProxyType(caa),
        newcomers=MappingProxyType(keys),
        records=MappingProxyType({**view.records, **records}),
        problems=tuple(problems),
    )


def _good(view: LiveView, ref: str) -> tuple[Endpoint, ...]:
    """The zone's servers that answered with authority. One that is dead would be waited for at every question."""
    return tuple(v.server for v in view.servers if v.zone == ref and v.serial is not None)


async def _sizes(view: LiveView, wanted: Mapping[str, int], good: Mapping[str, Sequence[Endpoint]]) -> dict[str, int]:
    """How many records small zones have, where no copy told it and a server gives its zone to everybody."""
    refs = [ref for ref in wanted if ref not in view.records and good.get(ref)]
    found = await asyncio.gather(*(zone_size(good[r][0], view.zones[r].zone, wanted[r]) for r in refs))
    return {ref: size for ref, size in zip(refs, found, strict=True) if size is not None}


def _authoritative(outcome: Outcome) -> bool:
    return isinstance(outcome, Reply) and outcome.aa and usable(outcome)


async def _within(seconds: float, work: Awaitable[_T]) -> _T | None:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        return None


# -- parent and child of zones whose servers are listed -----------------------------------------------------------


async def _relatives(
    asker: Asker,
    zone: ZoneServers,
    good: Sequence[Endpoint],
    bootstrap: Sequence[Endpoint],
    routed: Callable[[str], bool],
) -> ZoneServers:
    """What the zone's servers say about its NS, where discovery did not ask; and the parent, where it delegates to
    them. Listed servers to which nobody delegates are another view of the name: its parent says nothing about them.
    """
    if zone.child_ns or zone.parents or not good:
        return zone
    replies = await asyncio.gather(*(asker.ask(s, zone.zone, "NS", recurse=False) for s in good))
    sets = [found for r in replies if isinstance(r, Reply) and r.aa and (found := r.find(zone.zone, "NS")) is not None]
    names = tuple(sorted({host for rrset in sets for host in rrset.values}))
    zone = replace(zone, child_ns=names, child_ns_ttl=max((rrset.ttl for rrset in sets), default=None))
    if not bootstrap:
        return zone
    public = await _within(PATIENCE, discover(asker, zone.zone, bootstrap, (), routed))
    if public is None or not {e.address for e in public.endpoints} & {e.address for e in zone.endpoints}:
        return zone
    return replace(zone, parent_ns=public.parent_ns, parent_ns_ttl=public.parent_ns_ttl, parents=public.parents)


# -- targets ---------------------------------------------------------------------------------------------------


async def _targets(finder: HostFinder, hosts: Sequence[str]) -> dict[str, TargetView]:
    """Each host at its own authority. Neighbours one after another, so that the second knows the way."""
    groups: dict[str, list[str]] = {}
    for host in hosts:
        groups.setdefault(next(iter(parent_names(host)), "."), []).append(host)
    limit = asyncio.Semaphore(AT_ONCE)
    now = asyncio.get_running_loop().time
    end = now() + PATIENCE_FOR_ALL

    async def group(members: Iterable[str]) -> list[TargetView]:
        async with limit:
            return [await _target(finder, host, min(PATIENCE, end - now())) for host in members]

    found = await asyncio.gather(*map(group, groups.values()))
    views = {view.owner: view for views in found for view in views}
    return {host: views[host] for host in hosts}


async def _target(finder: HostFinder, host: str, patience: float) -> TargetView:
    answer = await _within(patience, finder.host(host)) if patience > 0 else None
    if answer is None:
        return TargetView(host, asked=False, problem="its authority did not answer in time")
    return TargetView(host, answer.links, answer.addresses, answer.ttl, answer.asked, answer.problem)


# -- the chain of trust ----------------------------------------------------------------------------------------


async def _security(asker: Asker, zone: ZoneServers, good: Sequence[Endpoint]) -> ZoneSecurity:
    """DS at the parent's servers, DNSKEY and the SOA's signatures at the zone's own (RFC 4033 section 3)."""
    from_parent, from_zone = await asyncio.gather(
        first_good(asker, zone.parents[:WIDTH], zone.zone, "DS", _authoritative),
        first_good(asker, good, zone.zone, "DNSKEY", _authoritative),
    )
    ds = from_parent.find(zone.zone, "DS") if from_parent is not None else None
    keys = from_zone.find(zone.zone, "DNSKEY") if from_zone is not None else None
    expire = None
    if keys is not None:  # an unsigned zone has no signatures to ask for
        replies = await asyncio.gather(*(asker.ask(s, zone.zone, "SOA", recurse=False, dnssec=True) for s in good))
        expire = min((at for r in replies if isinstance(r, Reply) for at in _expirations(r, zone.zone)), default=None)
    return ZoneSecurity(ds, from_parent is not None, keys, expire, from_zone is not None)


def _expirations(reply: Reply, zone: str) -> Iterable[float]:
    """When the SOA's signatures expire, seconds UTC (RFC 4034 section 3.2: the fifth field)."""
    for s in reply.answer:
        if s.rdtype == "RRSIG" and s.owner == zone:
            for words in (value.split() for value in s.rrset.values):
                if words[0] == "SOA":
                    yield float(calendar.timegm(time.strptime(words[4], "%Y%m%d%H%M%S")))


# -- CAA -------------------------------------------------------------------------------------------------------


class _Caa:
    """Finds the CAA set that governs a name (RFC 8659 section 3): its own, or the nearest one above.

    Every name is asked about once.
    """

    def __init__(
        self,
        asker: Asker,
        zones: Mapping[str, ZoneServers],
        good: Mapping[str, Sequence[Endpoint]],
        finder: HostFinder,
        targets: Mapping[str, TargetView],
        copies: Mapping[str, ZoneCopy],
    ) -> None:
        self._asker = asker
        self._copies = copies
        self._zones = zones
        self._good = good
        self._finder = finder
        self._targets = targets
        self._asked: dict[tuple[str, str], asyncio.Task[tuple[str, RRset] | Unknown | None]] = {}

    async def of(self, owners: Sequence[tuple[str, str]]) -> dict[str, tuple[str, RRset] | None]:
        """By owner. One of which that could not be learned is left out."""
        found = await asyncio.gather(*(self._governs(ref, owner) for ref, owner in owners))
        told = zip((owner for _, owner in owners), found, strict=True)
        return {owner: what for owner, what in told if not isinstance(what, str)}

    async def _governs(self, ref: str, owner: str) -> tuple[str, RRset] | Unknown | None:
        for name in (owner, *parent_names(owner)):
            found = await self._at(ref, name)
            if found is not None:
                return found
        return None

    async def _at(self, ref: str, name: str) -> tuple[str, RRset] | Unknown | None:
        copy = self._copies.get(ref)
        if copy is not None and name in copy.names and "CNAME" not in copy.at(name) and not copy.cut_above(name):
            found = copy.at(name).get("CAA")
            return (name, found) if found is not None else None
        if (ref, name) not in self._asked:
            self._asked[ref, name] = asyncio.ensure_future(self._ask(self._zones[ref], self._good[ref], name))
        return await self._asked[ref, name]

    async def _ask(self, zone: ZoneServers, good: Sequence[Endpoint], name: str) -> tuple[str, RRset] | Unknown | None:
        """From the zone's servers, and above the apex from its parent's, as far as they serve."""
        inside = is_below(name, zone.zone)
        reply = await first_good(self._asker, good if inside else zone.parents[:WIDTH], name, "CAA", _authoritative)
        if reply is None:
            # Above the parent zone's apex there are names of registries, where nobody puts CAA.
            return None if zone.parents and not inside else "unknown"
        alias = reply.find(name, "CNAME")
        if alias is not None:
            return await self._at_end(alias.values[0])
        found = reply.find(name, "CAA")
        return (name, found) if found is not None else None

    async def _at_end(self, host: str) -> tuple[str, RRset] | Unknown | None:
        """What stands at the end of an alias counts as the alias's own. Targets have been looked for by now; one that
        could not be asked need not be waited for again.
        """
        if host not in self._targets or not self._targets[host].asked:
            return "unknown"
        told = await _within(PATIENCE, self._finder.answer(host, "CAA"))
        if told is None:
            return "unknown"
        found = told[1].find(told[0], "CAA")
        return (told[0], found) if found is not None else None
