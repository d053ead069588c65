"""The addresses of a host, as its own authority gives them: iteratively, without a cache in between.

A recursive resolver that is asked for a name before it is there keeps the negative answer, for everybody behind it
(DESIGN principle 6); and it goes on believing its cache after the name has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dns_cutover.lookup.answer import Reply
from dns_cutover.lookup.discovery import MAX_LEVELS, Walk, endpoints_of, glue_of, referral_of
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.transport import has_route
from dns_cutover.records.name import is_below, parent_names

MAX_ALIASES = 8


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """`asked`: whether an authority answered at all; without addresses it then says that there are none."""

    addresses: tuple[str, ...]
    asked: bool


async def host_addresses(
    asker: Asker,
    name: str,
    bootstrap: Collection[Endpoint],
    known: Mapping[str, Sequence[Endpoint]],
    routed: Callable[[str], bool] = has_route,
) -> HostAnswer:
    """A and AAAA of `name` (absolute, canonical), aliases followed. `known`: servers of zones by zone name.

    `bootstrap` resolvers are asked for the root's servers and for name servers' addresses only.
    """
    for _ in range(MAX_ALIASES):
        servers = await _servers(asker, name, tuple(bootstrap), known, routed)
        found: list[str] = []
        alias, asked = "", False
        for rdtype in ("A", "AAAA"):
            for server in servers:
                reply = await asker.ask(server, name, rdtype, recurse=False)
                if isinstance(reply, Reply) and reply.aa and reply.rcode in ("NOERROR", "NXDOMAIN"):
                    asked = True
                    rrset, cname = reply.find(name, rdtype), reply.find(name, "CNAME")
                    found += rrset.values if rrset is not None else ()
                    alias = cname.values[0] if cname is not None else alias
                    break
        if not alias or found:
            return HostAnswer(tuple(a for a in found if routed(a)) or tuple(found), asked)
        name = alias
    return HostAnswer((), True)


async def _servers(
    asker: Asker,
    name: str,
    bootstrap: tuple[Endpoint, ...],
    known: Mapping[str, Sequence[Endpoint]],
    routed: Callable[[str], bool],
) -> tuple[Endpoint, ...]:
    """The servers of the zone that `name` is in; empty if the way there is closed."""
    for zone in sorted((z for z in known if is_below(name, z)), key=len, reverse=True):
        return tuple(known[zone])
    walk = Walk(asker, name, bootstrap, routed)
    cut, servers = ".", await walk.root_servers()
    for _ in range(MAX_LEVELS):
        reply = await walk.any_of(servers, name, "A")
        referral = referral_of(reply) if reply is not None else None
        if reply is None or reply.aa or referral is None:
            return servers  # an answer with authority may carry the zone's own NS set, too
        if not is_below(name, referral.owner) or not is_below(referral.owner, cut) or referral.owner == cut:
            return ()
        cut = referral.owner
        names = set(referral.rrset.values)
        above = parent_names(cut)[0] if parent_names(cut) else "."
        servers = endpoints_of(await walk.addresses(names, glue_of(reply, names, above)))
    return ()
