"""A plan in, the live view of everything that it touches out. Reads no secrets, writes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from dns_cutover.assembly.mailing import with_mail
from dns_cutover.assembly.setting import Setting

if TYPE_CHECKING:
    from dns_cutover.lookup.surroundings import Wanted
    from dns_cutover.lookup.views import LiveView, ZoneServers
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.plan.models import LookupConfig, Plan
    from dns_cutover.plan.zone_models import ProviderConfig
    from dns_cutover.providers.interface import Guarantees
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.compiling import LiveFacts
    from dns_cutover.runbook.model import Runbook, ZoneInfo

COUNTED_FROM = 4  # RRsets of a zone that change: 30 % of ten records are more than three
MAX_WHOLE = 200  # names that lose an RRset and at which every type is looked at


@dataclass(frozen=True, slots=True)
class Live:
    """What the compiler needs of the live view, and the view itself."""

    facts: LiveFacts
    view: LiveView


async def look(loaded: LoadedPlan, setting: Setting) -> Live:
    """The live view of everything that the plan touches, from every authoritative server, and of what is around it."""
    from dns_cutover.lookup.live import take_live_view
    from dns_cutover.lookup.surroundings import look_around
    from dns_cutover.plan.expand import expand_changes, unchanged_keys, zone_names
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.around import keys_to_ask, whole_names

    plan, names = loaded.plan, zone_names(loaded.plan)
    keys = {p.key for stage in plan.stages for p in expand_changes(plan, stage)}
    keys |= {k for s in plan.stages for k in unchanged_keys(plan, s)}
    found = await asyncio.gather(
        *(zone_servers(names[ref], config.lookup, setting) for ref, config in plan.all_zones().items())
    )
    zones = dict(zip(names, found, strict=True))
    asked = {*keys_to_ask(keys, names)}
    asked |= {RRsetKey(other, k.owner, k.rdtype) for k in keys for other in _views(k.zone, names)}
    # A name that may cease to exist: everything at it counts.
    gone = (p.key for s in plan.stages for p in expand_changes(plan, s) if p.kind == "set" and p.after is None)
    whole = {*whole_names(keys), *((k.zone, k.owner) for k in islice(gone, MAX_WHOLE)), *lock_names(plan)}
    view = await take_live_view(zones, sorted(asked, key=lambda key: key.place), whole, setting.asker(), setting.clock)
    view = await look_around(view, wanted(loaded, setting), setting.asker())
    view = await with_marks(view, keys, names, setting)
    view = await with_mail(loaded, view, setting)
    return Live(live_facts(loaded, view, keys), view)


def lock_names(plan: Plan) -> Iterator[tuple[str, str]]:
    """(zone reference, owner) of each lock that is to stand in its zone: nothing else may be there."""
    from dns_cutover.plan.expand import zone_names
    from dns_cutover.providers.interface import lock_owner
    from dns_cutover.records.name import is_below

    names = zone_names(plan)
    for ref, config in plan.all_zones().items():
        if config.provider.type == "rfc2136" and config.provider.lock != "store":
            owner = lock_owner(names[ref], config.provider.model_dump(mode="json")["lock"])
            if is_below(owner, names[ref]):
                yield ref, owner


def wanted(loaded: LoadedPlan, setting: Setting) -> Wanted:
    """What the plan makes interesting beside the RRsets that it names. In the lab nobody outside is asked."""
    from dns_cutover.lookup.resolvers import unique
    from dns_cutover.lookup.surroundings import Wanted
    from dns_cutover.plan.expand import expand_changes
    from dns_cutover.records.targets import ADDRESSED, targets_of

    plan, zones = loaded.plan, loaded.plan.all_zones()
    planned = [p for stage in plan.stages for p in expand_changes(plan, stage)]
    hosts = dict.fromkeys(t for p in planned for v in (*(p.after or ()), *p.add) for t in targets_of(p.key.rdtype, v))
    addressed = dict.fromkeys((p.key.zone, p.key.owner) for p in planned if p.key.rdtype in ADDRESSED)
    newcomers = tuple((p.key.owner, h) for p in planned if p.key.rdtype == "NS" for h in (*(p.after or ()), *p.add))
    if setting.lab is not None:
        return Wanted(tuple(hosts), tuple(addressed))
    touched = Counter(p.key.zone for p in {p.key: p for p in planned if p.kind != "ttl"}.values())
    # Counting goes as far as a share of the zone would be told (DC407), and begins where it could be.
    sizes = {ref: 10 * n for ref, n in touched.items() if n >= COUNTED_FROM}
    given = {ref: setting.bootstrap_of(config.lookup.bootstrap) for ref, config in zones.items()}
    bootstrap = unique(e for endpoints in given.values() for e in endpoints)
    # Where servers are listed by hand and no resolver is named the zone may be nobody's business outside.
    named = {ref for ref, c in zones.items() if setting.bootstrap or (setting.trust_plan and c.lookup.bootstrap)}
    listed = {ref: given[ref] for ref, c in zones.items() if c.lookup.authoritative != "auto" and ref in named}
    return Wanted(tuple(hosts), tuple(addressed), bootstrap, listed, newcomers, sizes)


def _views(ref: str, names: Mapping[str, str]) -> list[str]:
    """The plan's other views of the same zone."""
    return [other for other, name in names.items() if other != ref and name == names[ref]]


async def look_again(book: Runbook, setting: Setting) -> LiveView:
    """The same view as the one that the runbook was made from, as it is now: servers are found anew."""
    from dns_cutover.lookup.live import take_live_view
    from dns_cutover.plan.models import LookupConfig
    from dns_cutover.runbook.around import keys_to_ask, whole_names
    from dns_cutover.runbook.stale import keys_of

    keys = keys_of(book)
    zones = {
        z.ref: await zone_servers(z.name, LookupConfig.model_validate(dict(z.lookup)), setting) for z in book.zones
    }
    asked = keys_to_ask(keys, {z.ref: z.name for z in book.zones})
    return await take_live_view(zones, asked, whole_names(keys), setting.asker(), setting.clock)


async def with_marks(view: LiveView, keys: Iterable[RRsetKey], names: Mapping[str, str], setting: Setting) -> LiveView:
    """The view with what other tools have marked beside the RRsets, read from one server of each zone."""
    from dns_cutover.checks.marks import mark_keys
    from dns_cutover.lookup.marks import read_marks

    # Names of zones without a usable server are not asked for.
    servers = {ref: tuple(v.server for v in view.servers if v.zone == ref and not v.problem) for ref in names}
    places = mark_keys(keys, {ref: name for ref, name in names.items() if servers[ref]})
    known = {
        key: rrset
        for ref, copy in view.copies.items()
        for key, rrset in copy.server_view(ref, [k for k in places if k.zone == ref]).rrsets.items()
        if rrset is not None
    }
    asked = await read_marks(setting.asker(), servers, [k for k in places if k.zone not in view.copies])
    return replace(view, marks={**known, **asked})


def live_facts(loaded: LoadedPlan, view: LiveView, keys: Iterable[RRsetKey]) -> LiveFacts:
    """What the compiler needs of a live view. Pure."""
    from dns_cutover.plan.expand import expand_changes, zone_names
    from dns_cutover.runbook.around import around, contexts
    from dns_cutover.runbook.compiling import LiveFacts

    names, keys = zone_names(loaded.plan), tuple(keys)
    infos = tuple(info for ref in names if (info := _zone_info(loaded, ref, names[ref], view)) is not None)
    changed = {p.key for stage in loaded.plan.stages for p in expand_changes(loaded.plan, stage)}
    negative = {i.ref: i.negative_ttl for i in infos}
    return LiveFacts(
        infos,
        {k: view.rrsets.get(k) for k in keys},
        contexts(keys, view.rrsets, negative, names),
        around(changed, view.rrsets, names),
    )


async def zone_servers(zone: str, lookup: LookupConfig, setting: Setting) -> ZoneServers:
    """Who serves the zone: the lab's servers, the listed ones, or those found through the parent."""
    from dns_cutover.lookup.discovery import discover, explicit_servers
    from dns_cutover.plan.types import parse_endpoint

    if setting.lab is not None:
        return explicit_servers(zone, setting.lab.authoritative)
    ignore = {str(parse_endpoint(i.server)) for i in lookup.ignore}
    if lookup.authoritative != "auto":
        return explicit_servers(zone, map(parse_endpoint, lookup.authoritative), ignore)
    return await discover(setting.asker(), zone, setting.bootstrap_of(lookup.bootstrap), ignore)


def _zone_info(loaded: LoadedPlan, ref: str, name: str, view: LiveView) -> ZoneInfo | None:
    from dns_cutover.runbook.model import ZoneInfo
    from dns_cutover.timing.lifetime import negative_ttl

    soa, config = view.soa.get(ref), loaded.plan.all_zones()[ref]
    promised = promises(config.provider)
    if soa is None or promised is None:
        return None
    return ZoneInfo(
        ref=ref,
        name=name,
        provider=config.provider.model_dump(mode="json"),
        lookup=config.lookup.model_dump(mode="json"),
        servers=view.zones[ref].endpoints,
        soa=soa.values[0],
        soa_ttl=soa.ttl,
        serial=int(soa.values[0].split()[2]),
        negative_ttl=negative_ttl(soa),
        guarantees=promised,
    )


def bare_zones(loaded: LoadedPlan) -> Iterator[ZoneInfo]:
    """As much of a plan's zones as their providers need; nothing was asked. Without those that this version cannot
    write to.
    """
    from dns_cutover.plan.expand import zone_names
    from dns_cutover.runbook.model import ZoneInfo

    for ref, name in zone_names(loaded.plan).items():
        config = loaded.plan.all_zones()[ref]
        promised = promises(config.provider)
        if promised is None:
            continue
        yield ZoneInfo(
            ref=ref,
            name=name,
            provider=config.provider.model_dump(mode="json"),
            lookup=config.lookup.model_dump(mode="json"),
            servers=(),
            soa="",
            soa_ttl=0,
            serial=0,
            negative_ttl=0,
            guarantees=promised,
        )


def promises(config: ProviderConfig) -> Guarantees | None:
    """What a provider promises; None where this version cannot write to it. Needs no secret."""
    if config.type == "rfc2136":
        from dns_cutover.providers.rfc2136.provider import guarantees

        return guarantees(config.propagation_bound, fenced=config.lock != "store")
    if config.type == "route53":
        from dns_cutover.providers.route53.provider import guarantees as of_route53

        return of_route53()
    return None


def partitions(facts: LiveFacts) -> dict[str, Any]:
    """How each zone's provider groups changes into messages; needs no secret."""
    return {zone.ref: _partition(zone) for zone in facts.zones}


def _partition(zone: ZoneInfo) -> Any:
    if zone.provider["type"] == "route53":
        from dns_cutover.providers.route53.size import partition_changes as into_batches

        return partial(into_batches, zone=zone.name)
    from dns_cutover.providers.rfc2136.size import partition_changes

    return partition_changes
