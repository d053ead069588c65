"""Probe targets are resolved at their own authority: no cache learns of them before they are there."""

from __future__ import annotations

from dns_cutover.lookup.hosts import host_addresses
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker

from .harness import client
from .harness.hierarchy import Hierarchy
from .harness.zones import Zone


async def test_a_host_is_found_from_the_root_and_no_cache_is_told(world: Hierarchy, published: Zone) -> None:
    bootstrap = [Endpoint("unbound", world.unbound.address)]
    name = f"fresh.{published.origin}"
    world.unbound.mark_log()
    answer = await host_addresses(Asker(), name, bootstrap, {})
    assert (answer.addresses, answer.asked) == ((), True)
    client.write(world.bind.address, published.origin, "fresh", 60, "A", "192.0.2.200")
    world.settle(published.origin)
    answer = await host_addresses(Asker(), name, bootstrap, {})
    assert answer.addresses == ("192.0.2.200",)
    # The same through a cache, which has no negative answer to keep.
    assert client.ask(world.unbound.address, name, "A").values == ("192.0.2.200",)
    answer = await host_addresses(Asker(), "mx.newmail.test.", bootstrap, {})
    assert answer.addresses == ("198.51.100.25",)


async def test_known_servers_and_aliases(world: Hierarchy, published: Zone) -> None:
    known = {published.origin: [Endpoint("bind", world.bind.address)]}
    answer = await host_addresses(Asker(), f"alias.{published.origin}", [], known)
    assert answer.addresses == ("192.0.2.10",)
    assert not (await host_addresses(Asker(), "elsewhere.test.", [], known)).asked
