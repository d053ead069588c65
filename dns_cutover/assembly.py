"""The one place where interfaces meet implementations: a plan or runbook in, wired parts out.

Backends are imported when they are named. Secrets are read only for `ports`, never for validating or previewing.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.lookup.interface import Endpoint, ServerView

if TYPE_CHECKING:
    from dns_cutover.engine.ports import BoundedClock, Ports, Watcher
    from dns_cutover.lookup.live import LiveLookup
    from dns_cutover.lookup.question import Asker
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.plan.models import LookupConfig
    from dns_cutover.probes.resolve import Resolve
    from dns_cutover.providers.interface import Provider
    from dns_cutover.records import Change, RRset, RRsetKey
    from dns_cutover.runbook.compile import LiveFacts
    from dns_cutover.runbook.model import Runbook, ZoneInfo
    from dns_cutover.store.interface import Store
    from dns_cutover.timing.exposure import NameContext


@dataclass(frozen=True, slots=True)
class LabOverrides:
    """What the lab puts in the place of the plan's addresses. `ports`: host name -> (address, port) for probes."""

    server: str
    authoritative: tuple[Endpoint, ...]
    resolvers: tuple[Endpoint, ...]
    secret: str = field(repr=False)


@dataclass(slots=True)
class Setting:
    """Where the parts are to work: clock, environment, and the lab's addresses if it is the lab."""

    clock: BoundedClock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    rng: random.Random = field(default_factory=lambda: random.Random(secrets.randbits(64)))  # noqa: S311 - jitter
    lab: LabOverrides | None = None
    resolve: Resolve | None = None
    asker_: Asker | None = None

    def asker(self) -> Asker:
        """One asker for all questions, with its global limit."""
        if self.asker_ is None:
            from dns_cutover.lookup.question import Asker

            self.asker_ = Asker()
        return self.asker_


@dataclass(frozen=True, slots=True)
class Live:
    """The live view of a plan: what the compiler needs, and what every server said."""

    facts: LiveFacts
    views: tuple[ServerView, ...]


# -- looking ----------------------------------------------------------------------------------------------------


async def zone_servers(zone: str, lookup: LookupConfig, setting: Setting) -> tuple[Endpoint, ...]:
    """The authoritative servers: the lab's, the listed ones, or discovered through the parent."""
    from dns_cutover.plan.types import parse_endpoint

    if setting.lab is not None:
        return setting.lab.authoritative
    ignore = {str(parse_endpoint(i.server)) for i in lookup.ignore}
    if lookup.authoritative != "auto":
        return tuple(e for e in map(parse_endpoint, lookup.authoritative) if str(e) not in ignore)
    from dns_cutover.lookup.authoritative import discover
    from dns_cutover.lookup.resolvers import system_resolvers

    bootstrap = tuple(parse_endpoint(b) for b in lookup.bootstrap) or system_resolvers()
    return (await discover(setting.asker(), zone, bootstrap, ignore)).endpoints


async def look(loaded: LoadedPlan, setting: Setting) -> Live:
    """The live view of everything that the plan touches, from every authoritative server."""
    from dns_cutover.lookup.authoritative import ask_all
    from dns_cutover.plan.expand import expand_changes, unchanged_keys, zone_names
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.compile import LiveFacts

    plan, names = loaded.plan, zone_names(loaded.plan)
    planned = [p for stage in plan.stages for p in expand_changes(plan, stage)]
    keys = {p.key for p in planned} | {k for s in plan.stages for k in unchanged_keys(plan, s)}
    aliases = {(k.zone, k.owner) for k in keys if k.rdtype == "CNAME"}
    # A name that becomes an alias, or stops being one: everything at it counts.
    extra = {RRsetKey(z, o, t) for z, o in aliases for t in ("A", "AAAA", "MX", "TXT")}
    extra |= {RRsetKey(k.zone, k.owner, "CNAME") for k in keys if k.owner != names[k.zone]}
    extra |= {w for k in keys for w in _wildcards(k, names[k.zone])}
    extra |= {RRsetKey(ref, name, "SOA") for ref, name in names.items()}
    zones = {
        ref: (names[ref], await zone_servers(names[ref], config.lookup, setting))
        for ref, config in plan.all_zones().items()
    }
    asked = await ask_all(setting.asker(), zones, sorted(keys | extra), setting.clock)
    rrsets: dict[RRsetKey, RRset | None] = {}
    for view in asked.views:
        if not view.problem:
            for key, found in view.rrsets.items():
                rrsets.setdefault(key, found)
                # The highest TTL that any server gives is the one that must die.
                before = rrsets[key]
                if before is not None and found is not None and before.same_data(found) and found.ttl > before.ttl:
                    rrsets[key] = found
    infos = tuple(
        info for ref in names if (info := _zone_info(loaded, ref, names[ref], zones[ref][1], rrsets)) is not None
    )
    facts = LiveFacts(infos, {k: rrsets.get(k) for k in keys}, _contexts(keys, rrsets, infos, names))
    return Live(facts, asked.views)


def _wildcards(key: RRsetKey, zone: str) -> list[RRsetKey]:
    from dns_cutover.records import RRsetKey
    from dns_cutover.records.name import is_below, parent_names

    if key.owner == zone or key.owner.startswith("*."):
        return []
    return [RRsetKey(key.zone, f"*.{p}", key.rdtype) for p in parent_names(key.owner) if is_below(p, zone)]


def _contexts(
    keys: set[RRsetKey], rrsets: Mapping[RRsetKey, RRset | None], infos: tuple[ZoneInfo, ...], names: Mapping[str, str]
) -> dict[RRsetKey, NameContext]:
    from dns_cutover.timing.exposure import NameContext

    negative = {i.ref: i.negative_ttl for i in infos}
    out = {}
    for key in keys:
        there = {
            k.rdtype: r.ttl for k, r in rrsets.items() if r and (k.zone, k.owner) == (key.zone, key.owner) and k != key
        }
        wild = [r.ttl for w in _wildcards(key, names[key.zone]) if (r := rrsets.get(w)) is not None]
        existing = dict(there) if key.rdtype == "CNAME" or "CNAME" in there else {}
        out[key] = NameContext(negative.get(key.zone, 0), existing, max(wild, default=None))
    return out


def _zone_info(
    loaded: LoadedPlan, ref: str, name: str, servers: tuple[Endpoint, ...], rrsets: Mapping[RRsetKey, RRset | None]
) -> ZoneInfo | None:
    from dns_cutover.providers.rfc2136.provider import guarantees
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.model import ZoneInfo
    from dns_cutover.timing.lifetime import negative_ttl

    soa = rrsets.get(RRsetKey(ref, name, "SOA"))
    if soa is None:
        return None
    config = loaded.plan.all_zones()[ref]
    return ZoneInfo(
        ref=ref,
        name=name,
        provider=config.provider.model_dump(mode="json"),
        lookup=config.lookup.model_dump(mode="json"),
        servers=servers,
        soa=soa.values[0],
        soa_ttl=soa.ttl,
        serial=int(soa.values[0].split()[2]),
        negative_ttl=negative_ttl(soa),
        guarantees=guarantees(getattr(config.provider, "propagation_bound", 0.0)),
    )


def partitions(facts: LiveFacts) -> dict[str, Any]:
    """How each zone's provider groups changes into messages; needs no secret."""
    from dns_cutover.providers.rfc2136.size import partition_changes

    def split(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        return partition_changes(changes)

    return {zone.ref: split for zone in facts.zones}


# -- wiring -----------------------------------------------------------------------------------------------------


def resolver_endpoints(book: Runbook, setting: Setting) -> tuple[Endpoint, ...]:
    """The resolvers whose answers count as users' answers."""
    from dns_cutover.lookup.resolvers import preset, unique
    from dns_cutover.plan.types import parse_endpoint

    if setting.lab is not None:
        return setting.lab.resolvers
    out: list[Endpoint] = []
    for zone in book.zones:
        for item in zone.lookup.get("resolvers") or ():
            if "preset" in item:
                out += preset(item["preset"])
            else:
                out.append(parse_endpoint(item["address"], item["name"], item["transport"]))
    return unique(out)


def live_lookup(book: Runbook, setting: Setting) -> LiveLookup:
    """The asking of one run."""
    from dns_cutover.lookup.live import LiveLookup

    zones = {z.ref: (z.name, z.servers) for z in book.zones}
    return LiveLookup(zones, resolver_endpoints(book, setting), setting.clock, setting.rng, setting.asker())


def provider(zone: ZoneInfo, setting: Setting) -> Provider:
    """Where the zone is written. Reads its secret. Raises Unavailable, UsageError, Refused."""
    config = zone.provider
    if config["type"] != "rfc2136":
        raise UsageError(f"the provider {config['type']} is not available in this version", "", ("available: rfc2136",))
    from dns_cutover.providers.rfc2136.config import from_config
    from dns_cutover.providers.secret import Secret, read_secret

    key = config["key"]
    lab = setting.lab
    return from_config(
        zone.ref,
        zone.name,
        server=lab.server if lab else config["server"],
        key_name=key["name"],
        algorithm=key["algorithm"],
        secret=lambda: Secret(lab.secret, "the lab") if lab else read_secret(key["secret"], setting.environ),
        propagation_bound=zone.guarantees.propagation_bound,
    )


def target_resolve(book: Runbook, setting: Setting) -> Resolve:
    """Probes' targets are resolved at their own authority, never through a cache that would keep a "no".

    Where no authority can be reached at all (a network that lets only its resolver out), and for names without a
    dot, the machine's own resolver is asked.
    """
    from dns_cutover.lookup.hosts import host_addresses
    from dns_cutover.lookup.resolvers import system_resolvers, unique
    from dns_cutover.plan.types import parse_endpoint
    from dns_cutover.probes.resolve import NoSuchName, system_resolve
    from dns_cutover.records import InvalidName, absolute_name

    listed = (parse_endpoint(b) for zone in book.zones for b in zone.lookup.get("bootstrap") or ())
    bootstrap = unique(listed) or system_resolvers()
    known = {zone.name: zone.servers for zone in book.zones}

    async def resolve(name: str) -> tuple[str, ...]:
        if "." not in name.strip("."):
            return await system_resolve(name)
        try:
            owner = absolute_name(name)
        except InvalidName as exc:
            raise NoSuchName(str(exc)) from None
        answer = await host_addresses(setting.asker(), owner, bootstrap, known)
        if not answer.asked:
            return await system_resolve(name)
        if not answer.addresses:
            raise NoSuchName(f"{name} does not resolve at its own authority")
        return answer.addresses

    return resolve


def ports(
    book: Runbook, store: Store, setting: Setting, *, watcher: Watcher | None = None, allow_commands: bool = False
) -> Ports:
    """Everything that the driver is given. Raises Unavailable, UsageError."""
    from dns_cutover.engine.ports import Ports
    from dns_cutover.engine.state import probe_specs
    from dns_cutover.probes.prober import RealProber, check_specs

    check_specs(tuple(probe_specs(book).values()), allow_commands=allow_commands)
    return Ports(
        store=store,
        providers={zone.ref: provider(zone, setting) for zone in book.zones},
        lookup=live_lookup(book, setting),
        prober=RealProber(
            setting.clock, setting.resolve or target_resolve(book, setting), allow_commands=allow_commands
        ),
        clock=setting.clock,
        new_id=lambda: secrets.token_hex(8),
        runner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        watcher=watcher,
    )
