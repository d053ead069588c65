"""A plan in, the live view of everything that it touches out. Reads no secrets, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dns_cutover.assembly.setting import Setting

if TYPE_CHECKING:
    from dns_cutover.lookup.views import LiveView, ZoneServers
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.plan.models import LookupConfig
    from dns_cutover.plan.zone_models import ProviderConfig
    from dns_cutover.providers.interface import Guarantees
    from dns_cutover.records import Change, RRsetKey
    from dns_cutover.runbook.compile import LiveFacts
    from dns_cutover.runbook.model import Runbook, ZoneInfo


@dataclass(frozen=True, slots=True)
class Live:
    """What the compiler needs of the live view, and the view itself."""

    facts: LiveFacts
    view: LiveView


async def look(loaded: LoadedPlan, setting: Setting) -> Live:
    """The live view of everything that the plan touches, from every authoritative server."""
    from dns_cutover.lookup.live import take_live_view
    from dns_cutover.plan.expand import expand_changes, unchanged_keys, zone_names
    from dns_cutover.runbook.around import keys_to_ask, whole_names

    plan, names = loaded.plan, zone_names(loaded.plan)
    keys = {p.key for stage in plan.stages for p in expand_changes(plan, stage)}
    keys |= {k for s in plan.stages for k in unchanged_keys(plan, s)}
    zones = {ref: await zone_servers(names[ref], config.lookup, setting) for ref, config in plan.all_zones().items()}
    asked = keys_to_ask(keys, names)
    view = await take_live_view(zones, asked, whole_names(keys), setting.asker(), setting.clock)
    return Live(live_facts(loaded, view, keys), view)


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


def live_facts(loaded: LoadedPlan, view: LiveView, keys: Iterable[RRsetKey]) -> LiveFacts:
    """What the compiler needs of a live view. Pure."""
    from dns_cutover.plan.expand import expand_changes, zone_names
    from dns_cutover.runbook.around import around, contexts
    from dns_cutover.runbook.compile import LiveFacts

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
    from dns_cutover.lookup.resolvers import system_resolvers
    from dns_cutover.plan.types import parse_endpoint

    if setting.lab is not None:
        return explicit_servers(zone, setting.lab.authoritative)
    ignore = {str(parse_endpoint(i.server)) for i in lookup.ignore}
    if lookup.authoritative != "auto":
        return explicit_servers(zone, map(parse_endpoint, lookup.authoritative), ignore)
    bootstrap = tuple(parse_endpoint(b) for b in lookup.bootstrap) or system_resolvers()
    return await discover(setting.asker(), zone, bootstrap, ignore)


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


def promises(config: ProviderConfig) -> Guarantees | None:
    """What a provider promises; None where this version cannot write to it. Needs no secret."""
    if config.type != "rfc2136":
        return None
    from dns_cutover.providers.rfc2136.provider import guarantees

    return guarantees(config.propagation_bound)


def partitions(facts: LiveFacts) -> dict[str, Any]:
    """How each zone's provider groups changes into messages; needs no secret."""
    from dns_cutover.providers.rfc2136.size import partition_changes

    def split(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        return partition_changes(changes)

    return {zone.ref: split for zone in facts.zones}
