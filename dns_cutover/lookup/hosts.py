"""The addresses of a host, as its own authority gives them: iteratively, without a cache in between.

A recursive resolver that is asked for a name before it is there keeps the negative answer, for everybody behind it
(DESIGN principle 6); and it goes on believing its cache after the name has moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dns_cutover.lookup.answer import Outcome, Reply, Section, usable
from dns_cutover.lookup.discovery import MAX_LEVELS, endpoints_of, glue_of, referral_of
from dns_cutover.lookup.first import first_good
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.transport import has_route
from dns_cutover.records.name import is_below, parent_names

MAX_ALIASES = 8
WIDTH = 4  # servers of one zone that are tried for one host


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """`asked`: whether an authority answered at all; without addresses it then says that there are none.

    `links` are the aliases on the way, (owner, TTL in seconds of its CNAME); `ttl` is the highest of the addresses.
    `problem`, for people: why the end was not reached.
    """

    addresses: tuple[str, ...]
    asked: bool
    links: tuple[tuple[str, int], ...] = ()
    ttl: int | None = None
    problem: str = ""


async def host_addresses(
    asker: Asker,
    name: str,
    bootstrap: Collection[Endpoint],
    known: Mapping[str, Sequence[Endpoint]],
    routed: Callable[[str], bool] = has_route,
) -> HostAnswer:
    """A and AAAA of one host; as HostFinder.host."""
    return await HostFinder(asker, bootstrap, known.items(), routed).host(name)


class HostFinder:
    """Finds hosts, and remembers the servers of the zones on the way.

    `bootstrap` resolvers are asked for the root's servers and for name servers' addresses only. `known`: (zone name,
    servers); a zone named twice (two views) is asked in both until one has something. What lies in such a zone is asked
    there and nowhere else, were there no server left: a private zone's names are not for the root.
    """

    def __init__(
        self,
        asker: Asker,
        bootstrap: Collection[Endpoint],
        known: Iterable[tuple[str, Sequence[Endpoint]]] = (),
        routed: Callable[[str], bool] = has_route,
    ) -> None:
        self._asker = asker
        self._bootstrap = tuple(bootstrap)
        self._known = tuple((zone, tuple(servers)) for zone, servers in known)
        self._routed = routed
        self._cuts: dict[str, tuple[Endpoint, ...]] = {}
        self._root: tuple[Endpoint, ...] | None = None
        self._finding_root = asyncio.Lock()

    async def host(self, name: str) -> HostAnswer:
        """A and AAAA of `name` (absolute, canonical), aliases followed. Never raises for the network."""
        links: list[tuple[str, int]] = []
        while len(links) <= MAX_ALIASES:
            replies = await self._both(name)
            if not replies:
                return HostAnswer((), asked=False, links=tuple(links), problem=f"no authority of {name} answered")
            found = [r for t, reply in replies if (r := reply.find(name, t)) is not None]
            alias = next((a for _, reply in replies if (a := reply.find(name, "CNAME")) is not None), None)
            if found or alias is None:
                every = tuple(a for rrset in found for a in rrset.values)
                ttl = max((rrset.ttl for rrset in found), default=None)
                return HostAnswer(tuple(filter(self._routed, every)) or every, True, tuple(links), ttl)
            links.append((name, alias.ttl))
            name = alias.values[0]
        return HostAnswer((), True, tuple(links), problem=f"more than {MAX_ALIASES} aliases, or a circle of them")

    async def answer(self, name: str, rdtype: str) -> tuple[str, Reply] | None:
        """What the authority says about one type at `name`, or at the end of the aliases that begin there: the name at
        the end, and the answer. None where no authority answers.
        """
        for _ in range(MAX_ALIASES + 1):
            reply = await self.at(name, rdtype)
            if reply is None:
                return None
            alias = reply.find(name, "CNAME")
            if alias is None:
                return name, reply
            name = alias.values[0]
        return None

    async def at(self, name: str, rdtype: str) -> Reply | None:
        """What the authority says about one type at `name` itself, no alias followed; None where none answers."""
        reply: Reply | None = None
        for cut, start in await self._starts(name):
            servers, _ = await self._descend(name, cut, start)
            reply = await self._first(servers, name, rdtype, _authoritative)
            if reply is not None and reply.answer:
                break
        return reply

    async def _both(self, name: str) -> list[tuple[str, Reply]]:
        """The authority's answers for A and AAAA, those that came."""
        out: list[tuple[str, Reply]] = []
        for cut, start in await self._starts(name):
            servers, first = await self._descend(name, cut, start)
            second = await self._first(servers, name, "AAAA", _authoritative)
            got = [(t, r) for t, r in (("A", first), ("AAAA", second)) if r is not None]
            out = got or out
            if any(r.answer for _, r in got):
                break
        return out

    async def _starts(self, name: str) -> list[tuple[str, tuple[Endpoint, ...]]]:
        """Where the way to `name` begins: the nearest zone of which servers are known, perhaps in several views."""
        above = [(zone, servers) for zone, servers in (*self._known, *self._cuts.items()) if is_below(name, zone)]
        if above:
            nearest = max((zone for zone, _ in above), key=len)
            return [start for start in above if start[0] == nearest]
        async with self._finding_root:
            if self._root is None:
                self._root = await self._root_servers()
        return [(".", self._root)]

    async def _descend(
        self, name: str, cut: str, servers: tuple[Endpoint, ...]
    ) -> tuple[tuple[Endpoint, ...], Reply | None]:
        """The servers of the zone that `name` is in, and their answer for A; nothing if the way there is closed."""
        for _ in range(MAX_LEVELS):
            reply = await self._first(servers, name, "A", partial(_leads, name, cut))
            if reply is None:
                if cut == ".":
                    self._root = ()  # a network that lets nobody out: the next host need not wait for that again
                return (), None
            if reply.aa:
                return servers, reply
            referral = _below(reply, name, cut)
            assert referral is not None, "_leads has seen it"
            names, cut = sorted(referral.rrset.values), referral.owner
            above = parent_names(cut)[0] if parent_names(cut) else "."
            servers = await self._servers(names, glue_of(reply, names, above), name)
            self._cuts[cut] = servers
        return (), None

    async def _root_servers(self) -> tuple[Endpoint, ...]:
        """The root that the bootstrap resolvers know; a private network may have its own."""
        reply = await self._first(self._bootstrap, ".", "NS", usable, recurse=True)
        hosts = reply.find(".", "NS") if reply is not None else None
        if reply is None or hosts is None:
            return ()
        return await self._servers(hosts.values, glue_of(reply, hosts.values, "."), ".")

    async def _servers(self, hosts: Sequence[str], glue: Mapping[str, set[str]], target: str) -> tuple[Endpoint, ...]:
        """Some servers of a zone: those with glue, else those whose addresses a bootstrap resolver knows."""
        out = {(h, a) for h in hosts for a in glue.get(h, ()) if self._routed(a)}
        # The host that is looked for must not be asked of a cache, whatever a delegation says.
        asked = [h for h in hosts if h != target][:WIDTH] if not out else []
        for rdtype in ("A", "AAAA"):
            if out:
                break
            replies = await asyncio.gather(
                *(self._first(self._bootstrap, h, rdtype, usable, recurse=True) for h in asked)
            )
            for host, reply in zip(asked, replies, strict=True):
                values = [v for s in reply.answer if s.rdtype == rdtype for v in s.rrset.values] if reply else []
                out |= {(host, a) for a in values if self._routed(a)}
        return endpoints_of(out)

    async def _first(
        self,
        servers: Sequence[Endpoint],
        name: str,
        rdtype: str,
        good: Callable[[Outcome], bool],
        *,
        recurse: bool = False,
    ) -> Reply | None:
        return await first_good(self._asker, servers[:WIDTH], name, rdtype, good, recurse=recurse)


def _authoritative(outcome: Outcome) -> bool:
    return isinstance(outcome, Reply) and outcome.aa and usable(outcome)


def _leads(name: str, cut: str, outcome: Outcome) -> bool:
    """Whether it is an answer, or leads further down."""
    return _authoritative(outcome) or (
        isinstance(outcome, Reply) and usable(outcome) and _below(outcome, name, cut) is not None
    )


def _below(reply: Reply, name: str, cut: str) -> Section | None:
    """The referral to a zone between `cut` and `name`."""
    referral = referral_of(reply)
    if referral is None or referral.owner == cut:
        return None
    return referral if is_below(name, referral.owner) and is_below(referral.owner, cut) else None
