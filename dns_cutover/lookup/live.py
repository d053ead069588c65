"""The live view: what DNS says now about everything a plan touches. The hand-over to `checks` and `runbook`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from dns_cutover.clock import Clock
from dns_cutover.lookup.authoritative import serial_newer
from dns_cutover.lookup.bulk import Looked, look_at_all
from dns_cutover.lookup.interface import Endpoint, ServerView
from dns_cutover.lookup.names import FEW, TYPES, read_name
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.tracker import LiveLookup
from dns_cutover.lookup.views import Disagreement, LiveView, NameView, ZoneServers
from dns_cutover.records import RRset, RRsetKey

__all__ = ["Disagreement", "LiveLookup", "LiveView", "merge_views", "take_live_view"]


async def take_live_view(
    zones: Mapping[str, ZoneServers],
    keys: Collection[RRsetKey],
    whole: Collection[tuple[str, str]],
    asker: Asker,
    clock: Clock,
) -> LiveView:
    """Ask every server for `keys` and the SOA, and one server of each zone about the keys' owners: what decides about
    most changes, and every type at the owners (zone reference, owner) in `whole`. Where a plan needs a great many, a
    server that gives its zone by transfer is asked for that instead. No recursive resolver is asked. Never raises for
    the network.
    """
    targets = {ref: (z.zone, z.endpoints) for ref, z in zones.items()}
    soa_keys = {ref: RRsetKey(ref, z.zone, "SOA") for ref, z in zones.items()}
    wanted = tuple(dict.fromkeys((*soa_keys.values(), *keys)))
    places = {(k.zone, k.owner): FEW for k in keys} | dict.fromkeys(whole, TYPES)
    beside = Counter(ref for (ref, _), types in places.items() for _ in types)
    looked = await look_at_all(asker, targets, wanted, beside)
    views = await _names(asker, zones, places, looked)
    rrsets, disagreements = merge_views(looked.views)
    for view in views:
        for rdtype in view.types:
            key = RRsetKey(view.zone, view.owner, rdtype)
            if view.wildcard or key not in rrsets:
                rrsets[key] = None if view.wildcard else view.rrsets.get(rdtype)
    return LiveView(
        MappingProxyType(dict(zones)),
        clock.now(),
        looked.views,
        MappingProxyType({ref: soa for ref, key in soa_keys.items() if (soa := rrsets.get(key)) is not None}),
        MappingProxyType(rrsets),
        MappingProxyType({(v.zone, v.owner): v for v in views}),
        disagreements,
        tuple(_problems(zones, looked.views, views)),
        records=MappingProxyType({ref: copy.records for ref, copy in looked.copies.items()}),
        copies=looked.copies,
    )


async def _names(
    asker: Asker,
    zones: Mapping[str, ZoneServers],
    places: Mapping[tuple[str, str], Sequence[str]],
    looked: Looked,
) -> list[NameView]:
    """A view of each name in `places`, by the zone's copy where there is one."""
    usable = {ref: _usable(ref, looked.views) for ref in zones}
    asked = {(ref, owner): types for (ref, owner), types in places.items() if ref not in looked.copies}
    answers = await asyncio.gather(
        *(read_name(asker, ref, zones[ref].zone, usable[ref], owner, types) for (ref, owner), types in asked.items())
    )
    known = dict(zip(asked, answers, strict=True))
    return [
        known[ref, owner] if (ref, owner) in known else looked.copies[ref].name_view(ref, owner, types)
        for (ref, owner), types in places.items()
    ]


def _usable(ref: str, views: Iterable[ServerView]) -> tuple[Endpoint, ...]:
    """The zone's servers that are there, those that answered well first. Dead ones would be waited for at each name."""
    there = [v for v in views if v.zone == ref and v.serial is not None]
    return tuple(v.server for v in sorted(there, key=lambda v: bool(v.problem)))


def merge_views(views: Iterable[ServerView]) -> tuple[dict[RRsetKey, RRset | None], tuple[Disagreement, ...]]:
    """One answer per RRset from what all servers said, and where they differ.

    The data of the first server counts, at the highest TTL that any server gives it. The newest SOA counts (RFC 1982),
    and a lagging serial alone is no disagreement.
    """
    said: dict[RRsetKey, list[tuple[Endpoint, RRset | None]]] = {}
    for view in views:
        for key, found in view.rrsets.items():
            said.setdefault(key, []).append((view.server, found))
    merged: dict[RRsetKey, RRset | None] = {}
    differ = []
    for key, answers in said.items():
        every = [rrset for _, rrset in answers]
        if key.rdtype == "SOA":
            merged[key] = _newest([rrset for rrset in every if rrset is not None])
            continue
        first = every[0]
        same = [rrset for rrset in every if rrset is not None and rrset.same_data(first)]
        merged[key] = max(same, key=lambda rrset: rrset.ttl) if same else first
        if len(set(every)) > 1:
            differ.append(Disagreement(key, tuple(answers)))
    return merged, tuple(differ)


def _newest(soas: list[RRset]) -> RRset | None:
    best: RRset | None = None
    for soa in soas:
        if (
            best is None
            or serial_newer(_serial(soa), _serial(best))
            or (_same_serial(soa, best) and soa.ttl > best.ttl)
        ):
            best = soa
    return best


def _serial(soa: RRset) -> int:
    return int(soa.values[0].split()[2])


def _same_serial(one: RRset, other: RRset) -> bool:
    return _serial(one) == _serial(other)


def _problems(
    zones: Mapping[str, ZoneServers], views: Iterable[ServerView], names: Iterable[NameView]
) -> Iterable[str]:
    for zone in zones.values():
        yield from zone.problems
    for view in views:
        if view.problem:
            yield f"{view.server.name} {view.server}: {view.problem}"
    for name in names:
        if name.problem:
            yield f"{name.owner}: {name.problem}"
