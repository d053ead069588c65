"""A runbook in, the engine's ports out. Secrets are read here, never for validating or previewing."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dns_cutover.assembly.setting import Setting
from dns_cutover.errors import UsageError
from dns_cutover.lookup.interface import Endpoint

if TYPE_CHECKING:
    from dns_cutover.engine.ports import Ports, Watcher
    from dns_cutover.lookup.live import LiveLookup
    from dns_cutover.probes.resolve import Resolve
    from dns_cutover.providers.interface import Provider
    from dns_cutover.runbook.model import Runbook, ZoneInfo
    from dns_cutover.store.interface import Store


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
    if config["type"] == "route53" and setting.lab is None:
        from dns_cutover.providers.route53 import config as route53

        pace = setting.pace(route53.where_of(zone.name, config).credentials)
        return route53.from_config(zone.ref, zone.name, config, pace=pace)
    if config["type"] != "rfc2136":
        why = "available: rfc2136, route53"
        raise UsageError(f"the provider {config['type']} is not available in this version", "", (why,))
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
        lock=config.get("lock", "zone"),
    )


def writer(zone: ZoneInfo, store: Store, setting: Setting) -> Provider:
    """Where a run writes the zone: with its lock, whose place may be the store. Raises as `provider` does."""
    made = provider(zone, setting)
    if zone.provider.get("lock") != "store":
        return made
    from dns_cutover.engine.lease import LeasedProvider

    return LeasedProvider(made, store, zone.name, time.time)


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
    book: Runbook,
    store: Store,
    setting: Setting,
    *,
    watcher: Watcher | None = None,
    allow_commands: bool = False,
    pulse: Callable[[], None] | None = None,
) -> Ports:
    """Everything that the driver is given. Raises Unavailable, UsageError."""
    from dns_cutover.engine.ports import Ports
    from dns_cutover.engine.state import probe_specs
    from dns_cutover.probes.prober import RealProber, check_specs

    check_specs(tuple(probe_specs(book).values()), allow_commands=allow_commands)
    return Ports(
        store=store,
        providers={zone.ref: writer(zone, store, setting) for zone in book.zones},
        lookup=live_lookup(book, setting),
        prober=RealProber(
            setting.clock, setting.resolve or target_resolve(book, setting), allow_commands=allow_commands
        ),
        clock=setting.clock,
        new_id=lambda: secrets.token_hex(8),
        runner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        watcher=watcher,
        pulse=pulse,
    )
