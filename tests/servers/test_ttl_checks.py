"""DC3xx and DC7xx against real servers: TTLs that differ, negative TTLs, the parent's copy, a delegation's DS."""

from __future__ import annotations

from dns_cutover.assembly.examining import examine
from dns_cutover.assembly.setting import Setting
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import parse_plan

from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.zones import Timers, Zone, make_zone

HEAD = """
version: 1
name: example
zone: {zone}
provider: {{type: rfc2136, server: 192.0.2.53, key: {{name: k, secret: {{env: CUTOVER_TSIG}}}}}}
lookup: {lookup}
safety: {{allow: [delete, apex_ns, delegation, dnssec]}}
stages:
  - name: switch
    changes:
"""
WWW = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'


async def findings(zone: Zone, lookup: str, *changes: str) -> dict[str, list[Finding]]:
    """All findings by id."""
    text = HEAD.format(zone=zone.origin, lookup=lookup) + "".join(f"      - {c}\n" for c in changes)
    examined = await examine(parse_plan(text.encode(), "plan.yaml", {}), Setting(environ={}))
    out: dict[str, list[Finding]] = {}
    for f in examined.findings:
        out.setdefault(f.id, []).append(f)
    return out


async def test_servers_with_one_address_at_two_ttls(bind: Bind, knot: Knot, hierarchy: Hierarchy) -> None:
    """The same data everywhere: no disagreement, and still two lives of the old answer."""
    origin = hierarchy.fresh_origin()
    bind.add_zone(make_zone(origin, ["ns1.nic.test."], "www 60 A 192.0.2.10\n"))
    zone = make_zone(origin, ["ns1.nic.test."], "www 7200 A 192.0.2.10\n")
    knot.add_zone(zone)
    found = await findings(zone, f"{{authoritative: [{bind.address}, {knot.address}]}}", WWW)
    [differ] = found["DC304"]
    assert differ.message == f"the servers give www A different TTLs: 60 s and 7200 s (the highest at {knot.address})"
    assert "DC203" not in found
    assert "DC302" not in found  # the longer one must be lowered, and waited for


async def test_the_negative_ttl_of_the_zone(bind: Bind, hierarchy: Hierarchy) -> None:
    """A creation waits for it, and so does undoing a deletion."""
    zone = hierarchy.fresh_zone(bind, timers=Timers(minimum=1800, soa_ttl=900))
    gone = '{name: mail, type: A, from: ["192.0.2.30"], to: absent}'
    new = '{name: new, type: A, from: absent, to: ["192.0.2.20"]}'
    found = await findings(zone, f"{{authoritative: [{bind.address}]}}", gone, new)
    assert [f.record for f in found["DC306"]] == ["new A"]
    assert "up to 16m 00s, its absence is cached for 900 s" in found["DC306"][0].message
    assert [f.record for f in found["DC307"]] == ["mail A"]
    assert "its absence is cached for 900 s" in found["DC307"][0].message
    [low] = found["DC302"]
    assert low.message.startswith("the TTL is 60 s already")


async def test_the_parents_copy_of_ns_is_read_at_the_parent(world: Hierarchy, published: Zone) -> None:
    """The registry has the delegation at 300 s: that is what resolvers hold, whatever the zone's own copy says."""
    change = "{name: '@', type: NS, from: live, to: [ns7.elsewhere.test., ns8.elsewhere.test.]}"
    found = await findings(published, f"{{bootstrap: [{world.unbound.address}]}}", change)
    [parent] = found["DC310"]
    assert parent.message.startswith(f"the parent gives the NS of {published.origin} with TTL 300: ")
    assert "for up to 6m 00s after the parent has changed, and for 11m 00s if" in parent.message


async def test_a_ds_with_and_without_a_delegation(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(bind, "sub 300 NS ns1.elsewhere.test.\nhost 300 A 192.0.2.1\n")
    ds = "type: DS, from: absent, to: ['4711 13 2 " + "ab" * 32 + "']}"
    lookup = f"{{authoritative: [{bind.address}]}}"
    found = await findings(zone, lookup, "{name: sub, " + ds, "{name: host, " + ds)
    assert [f.record for f in found["DC705"]] == ["host DS"]


async def test_servers_that_change_under_a_signed_delegation(bind: Bind, hierarchy: Hierarchy) -> None:
    """The DS beside the delegation is seen although the plan does not touch it."""
    signed = "sub 300 NS ns1.elsewhere.test.\nsub 300 DS 4711 13 2 " + "ab" * 32 + "\n"
    zone = hierarchy.fresh_zone(bind, signed)
    text = "{name: sub, type: NS, from: [ns1.elsewhere.test.], to: [ns2.elsewhere.test., ns3.elsewhere.test.]}"
    plan = HEAD.format(zone=zone.origin, lookup=f"{{authoritative: [{bind.address}]}}").replace(", dnssec", "")
    examined = await examine(parse_plan(f"{plan}      - {text}\n".encode(), "plan.yaml", {}), Setting(environ={}))
    assert [f.record for f in examined.findings if f.id == "DC703"] == ["sub NS"]
