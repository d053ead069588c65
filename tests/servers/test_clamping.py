"""Resolvers that give answers another life than their TTL, asked by `validate --resolver`."""

from __future__ import annotations

import pytest

from dns_cutover.assembly.examining import Request, examine
from dns_cutover.assembly.setting import Setting
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import parse_plan

from .harness.caches import CacheLimits
from .harness.hierarchy import Hierarchy
from .harness.zones import Zone

PLAN = """
version: 1
name: example
zone: {zone}
provider: {{type: rfc2136, server: 192.0.2.53, key: {{name: k, secret: {{env: CUTOVER_TSIG}}}}}}
lookup: {{authoritative: [{servers}]}}
ttl: {{resolver_floor: [{floor}]}}
stages:
  - name: switch
    changes:
      - {{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}}
      - {{name: new, type: A, from: absent, to: ["192.0.2.20"]}}
      - {{name: y.wild, type: A, from: absent, to: ["192.0.2.20"]}}
"""


async def said(world: Hierarchy, zone: Zone, *resolvers: Endpoint, floor: str = "0s") -> list[Finding]:
    text = PLAN.format(zone=zone.origin, servers=", ".join(world.authoritative), floor=floor)
    loaded = parse_plan(text.encode(), "plan.yaml", {})
    examined = await examine(loaded, Setting(environ={}), Request(resolvers=resolvers))
    return [f for f in examined.findings if f.id == "DC308"]


async def test_a_resolver_with_a_minimum_is_named_and_no_new_name_is_asked(world: Hierarchy, published: Zone) -> None:
    """The record has 60 s and lives for 300; names that are not there yet are never asked for."""
    cache = world.extra_unbound(CacheLimits(min_ttl=300))
    [finding] = await said(world, published, Endpoint("office", cache.address))
    assert finding.message == (
        f"the resolver office {cache.address} keeps www A for 300 s, longer than its TTL of 60 s"
    )
    assert {q.name for q in cache.questions()} == {f"www.{published.origin}"}
    assert await said(world, published, Endpoint("office", cache.address), floor="300s") == []


@pytest.mark.parametrize("limits", [CacheLimits(), CacheLimits(max_ttl=5)], ids=["honest", "maximum"])
async def test_a_resolver_that_counts_down_or_forgets_earlier_is_no_news(
    limits: CacheLimits, world: Hierarchy, published: Zone
) -> None:
    cache = world.extra_unbound(limits)
    assert await said(world, published, Endpoint("office", cache.address)) == []


async def test_a_resolver_that_does_not_answer_is_left_out(world: Hierarchy, published: Zone) -> None:
    assert await said(world, published, Endpoint("nobody", world.spare_address())) == []
