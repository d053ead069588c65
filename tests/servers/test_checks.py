"""Live checks on real servers: from a plan file to findings at their lines, as `validate` makes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.dnssec
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from dns_cutover.assembly import Setting
from dns_cutover.assembly.examining import Examined, examine
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.plan.loader import parse_plan

from .harness import client
from .harness.daemon import PORT
from .harness.hierarchy import NS1, NS2, NS3, Hierarchy
from .harness.knot import Knot
from .harness.primary import Authority
from .harness.relay import Datagrams, by_udp
from .harness.zones import DEFAULT_RECORDS, Zone, make_zone

WWW = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
ZONE_LINE = 3


def plan(zone: Zone, lookup: str, *changes: str, more: str = "") -> str:
    """The zone is named in line 3; the first change stands in line 9."""
    head = f"""\
version: 1
name: move
zone: {zone.origin}
provider: {{type: rfc2136, server: 192.0.2.53, key: {{name: cutover, secret: {{env: NOBODY_READS_THIS}}}}}}
lookup: {lookup}
stages:
  - name: switch
    changes:
"""
    return head + "".join(f"      - {change}\n" for change in changes) + more


def listed(*addresses: str) -> str:
    return f"{{authoritative: [{', '.join(addresses)}]}}"


def found_from(world: Hierarchy) -> str:
    """Servers are found through root and registry."""
    return f"{{bootstrap: [{world.unbound.address}]}}"


async def validate(text: str) -> Examined:
    setting = Setting(asker_=Asker(Timeouts(udp=0.5, tcp=0.5)))
    return await examine(parse_plan(text.encode(), "plan.yaml", {}), setting)


def family(examined: Examined) -> list[tuple[str, int]]:
    """The findings about the live baseline, with their lines."""
    return sorted((f.id, f.line) for f in examined.findings if f.id.startswith("DC2"))


def message(examined: Examined, check: str) -> str:
    (one,) = [f.message for f in examined.findings if f.id == check]
    return one


def delegate(world: Hierarchy, zone: Zone, *servers: str) -> None:
    client.write(world.registry.address, "test.", zone.origin.split(".")[0], 300, "NS", *servers)


def on(world: Hierarchy, names: dict[Authority, str], records: dict[Authority, str] | None = None) -> Zone:
    """A new zone on several servers that do not transfer it from each other, delegated to all of them."""
    origin = world.fresh_origin()
    zones = {s: make_zone(origin, list(names.values()), (records or {}).get(s, DEFAULT_RECORDS)) for s in names}
    for server, zone in zones.items():
        server.add_zone(zone)
    delegate(world, next(iter(zones.values())), *names.values())
    return next(iter(zones.values()))


# -- nothing to find -------------------------------------------------------------------------------------------


async def test_a_plan_that_fits_gives_no_finding_and_costs_few_questions(
    world: Hierarchy, published: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything around the records is known afterwards, from the authorities, for a few dozen questions more."""
    asked: list[tuple[str, str, str]] = []
    really = Asker.ask

    async def counted(self, server, owner, rdtype, **how):
        asked.append((server.address, owner, rdtype))
        return await really(self, server, owner, rdtype, **how)

    monkeypatch.setattr(Asker, "ask", counted)
    mx = '{name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."]}'
    got = await validate(plan(published, found_from(world), WWW, mx))
    assert family(got) == []
    assert got.live is not None
    assert got.live.problems == ()
    assert {host: view.addresses for host, view in got.live.targets.items()} == {
        "mx.newmail.test.": ("198.51.100.25",),
        "mx.oldmail.test.": ("203.0.113.25",),
    }
    assert got.live.zones["default"].parent_ns == got.live.zones["default"].child_ns == (NS1, NS2)
    assert got.live.security["default"].ds_known
    assert [h for h in got.live.health if h.tcp or h.edns] == []
    assert got.live.caa == {f"www.{published.origin}": None}
    assert len(asked) < 80
    recursive = {owner for address, owner, _ in asked if address == world.unbound.address}
    assert not recursive & set(got.live.targets)


# -- servers ---------------------------------------------------------------------------------------------------


async def test_a_lame_server(world: Hierarchy) -> None:
    """NSD is named by parent and zone, and does not have the zone."""
    zone = on(world, {world.bind: NS1})
    world.bind.add_zone(extra := make_zone(world.fresh_origin(), [NS1, NS2]))
    delegate(world, extra, NS1, NS2)
    got = await validate(plan(extra, found_from(world), WWW))
    assert family(got) == [("DC204", ZONE_LINE)]
    address = world.nsd.address
    assert message(got, "DC204") == (
        f"ns2.nic.test {address} is named as a server of {extra.origin} but does not serve it: answers REFUSED"
    )
    assert family(await validate(plan(zone, found_from(world), WWW))) == []


async def test_a_dead_server(world: Hierarchy, published: Zone) -> None:
    """Nothing listens there any more: that is told apart from a server that does not know the zone."""
    world.nsd.stop()
    got = await validate(plan(published, found_from(world), WWW))
    assert family(got) == [("DC204", ZONE_LINE)]
    assert message(got, "DC204") == (f"ns2.nic.test {world.nsd.address} cannot be reached: port unreachable in 3 tries")


async def test_a_server_without_authority(world: Hierarchy, published: Zone) -> None:
    """A cache that is listed as a server answers from what it knows, and without authority."""
    for rdtype in ("SOA", "A"):
        client.ask(world.recursor.address, published.origin, rdtype)
    got = await validate(plan(published, listed(world.bind.address, world.recursor.address), WWW))
    assert family(got) == [("DC204", ZONE_LINE)]
    assert message(got, "DC204") == (
        f"{world.recursor.address} answers, but without authority: it is not authoritative for the zone (lame)"
    )


async def test_a_secondary_with_other_data(world: Hierarchy, knot: Knot) -> None:
    """BIND and Knot have different addresses; the finding says who has what, at the change that is concerned."""
    other = DEFAULT_RECORDS.replace("192.0.2.10", "192.0.2.11")
    zone = on(world, {world.bind: NS1, knot: NS3}, {knot: other})
    got = await validate(plan(zone, found_from(world), "{name: pool, type: A, ttl: 30s}", WWW))
    assert family(got) == [("DC203", 10)]
    assert message(got, "DC203") == (
        f"the servers of {zone.origin} disagree about www A: ns1.nic.test has 192.0.2.10; ns3.nic.test has 192.0.2.11"
    )


async def test_a_secondary_that_lags_without_harm(world: Hierarchy, knot: Knot) -> None:
    """The same data under an older serial is a warning, and says who is behind."""
    zone = on(world, {world.bind: NS1, knot: NS3})
    client.write(world.bind.address, zone.origin, "unrelated", 60, "A", "192.0.2.99")
    got = await validate(plan(zone, found_from(world), WWW))
    assert family(got) == [("DC206", ZONE_LINE)]
    assert "ns3.nic.test has 1 (older)" in message(got, "DC206")


async def test_parent_and_child_name_different_servers(world: Hierarchy, knot: Knot) -> None:
    zone = on(world, {world.bind: NS1, knot: NS3})
    delegate(world, zone, NS1)
    got = await validate(plan(zone, found_from(world), WWW))
    assert family(got) == [("DC207", ZONE_LINE)]
    assert message(got, "DC207") == (
        f"{zone.origin} is delegated to ns1.nic.test, but itself names ns1.nic.test, ns3.nic.test"
    )


async def test_listed_servers_are_told_from_another_view_of_the_name(world: Hierarchy, knot: Knot) -> None:
    """The parent counts where it delegates to one of the listed servers, and not for a private view of the name."""
    zone = make_zone(world.fresh_origin(), [NS1, NS2])
    world.bind.add_zone(zone)
    knot.add_zone(make_zone(zone.origin, [NS3]))
    delegate(world, zone, NS1)
    ways = f"bootstrap: [{world.unbound.address}]"
    got = await validate(plan(zone, f"{{{ways}, authoritative: [{world.bind.address}]}}", WWW))
    assert family(got) == [("DC207", ZONE_LINE)]
    got = await validate(plan(zone, f"{{{ways}, authoritative: [{knot.address}]}}", WWW))
    assert family(got) == []
    assert got.live is not None
    assert got.live.zones["default"].child_ns == (NS3,)


# -- names -----------------------------------------------------------------------------------------------------


async def test_a_name_below_a_zone_cut(primary: Authority, hierarchy: Hierarchy) -> None:
    """The delegation's own glue may change; what lies below and beside it has no effect."""
    records = "shop 300 NS ns1.shop\nshop 300 NS ns.elsewhere.test.\nns1.shop 300 A 192.0.2.80\n"
    zone = hierarchy.fresh_zone(primary, DEFAULT_RECORDS + records)
    below = '{name: www.shop, type: A, from: absent, to: ["192.0.2.20"]}'
    at = '{name: shop, type: TXT, from: absent, to: ["x"]}'
    got = await validate(plan(zone, listed(primary.address), WWW, below, at))
    assert family(got) == [("DC208", 10), ("DC208", 11)]


async def test_a_wildcard_that_would_stop(primary: Authority, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(primary, DEFAULT_RECORDS + "*.wild 60 AAAA 2001:db8::50\n")
    deep = '{name: a.shop.wild, type: A, from: absent, to: ["192.0.2.20"]}'
    beside = '{name: shop.mild, type: A, from: absent, to: ["192.0.2.20"]}'
    got = await validate(plan(zone, listed(primary.address), beside, deep))
    assert family(got) == [("DC209", 10)]
    assert message(got, "DC209") == (
        "*.wild answers for a.shop.wild today and would stop; its AAAA would be gone there; so it would for shop.wild"
    )


async def test_a_wildcard_that_would_begin(primary: Authority, hierarchy: Hierarchy) -> None:
    """Where a name goes, and not where other data keeps it in being."""
    records = 'old.wild 60 A 192.0.2.51\nkept.wild 60 A 192.0.2.52\nkept.wild 60 TXT "x"\n'
    zone = hierarchy.fresh_zone(primary, DEFAULT_RECORDS + records)
    gone = '{name: old.wild, type: A, from: ["192.0.2.51"], to: absent}'
    kept = '{name: kept.wild, type: A, from: ["192.0.2.52"], to: absent}'
    got = await validate(plan(zone, listed(primary.address), kept, gone))
    assert family(got) == [("DC218", 10)]
    assert message(got, "DC218") == "*.wild would answer for old.wild A once it is deleted: 192.0.2.50"


@pytest.mark.parametrize("which", ["bind", "knot"])
async def test_a_dname_above(which: str, hierarchy: Hierarchy) -> None:
    """PowerDNS serves DNAME only when told to."""
    server: Authority = getattr(hierarchy, which)
    hierarchy.ensure(server)
    zone = hierarchy.fresh_zone(server, DEFAULT_RECORDS + "brand 60 DNAME brand.elsewhere.test.\n")
    change = '{name: www.brand, type: A, from: absent, to: ["192.0.2.20"]}'
    assert family(await validate(plan(zone, listed(server.address), WWW, change))) == [("DC210", 10)]


async def test_a_cname_conflict(primary: Authority, zone: Zone) -> None:
    """An alias for a name with an address, and an address for a name with an alias; replaced whole it is right."""
    lookup = listed(primary.address)
    alias = "{name: mail, type: CNAME, from: absent, to: mail.newhost.test.}"
    address = '{name: alias, type: TXT, from: absent, to: ["x"]}'
    got = await validate(plan(zone, lookup, alias, address))
    assert family(got) == [("DC214", 9), ("DC214", 10)]
    gone = '{name: mail, type: A, from: ["192.0.2.30"], to: absent}'
    assert family(await validate(plan(zone, lookup, alias, gone))) == []


async def test_a_record_in_one_view_only(hierarchy: Hierarchy) -> None:
    """The public view is on BIND, the private one on Knot; each is asked about what the plan does in the other."""
    hierarchy.ensure(hierarchy.bind, hierarchy.knot)
    origin = hierarchy.fresh_origin()
    hierarchy.bind.add_zone(make_zone(origin, [NS1], DEFAULT_RECORDS))
    hierarchy.knot.add_zone(make_zone(origin, [NS3], DEFAULT_RECORDS.replace("www 60", "intra 60")))
    views = "".join(
        f"  {ref}:\n    zone: {origin}\n    lookup: {listed(server.address)}\n    provider:\n      type: rfc2136\n"
        "      server: 192.0.2.53\n      key: {name: cutover, secret: {env: NOBODY_READS_THIS}}\n"
        for ref, server in (("public", hierarchy.bind), ("private", hierarchy.knot))
    )
    mail = '{in: [public], name: mail, type: A, from: ["192.0.2.30"], to: ["192.0.2.31"]}'
    text = f"version: 1\nname: move\nzones:\n{views}stages:\n  - name: switch\n    changes:\n"
    text += f"      - {WWW.replace('{', '{in: [public], ', 1)}\n      - {mail}\n"
    first = text.splitlines().index("    changes:") + 2
    assert family(await validate(text)) == [("DC211", first), ("DC217", first + 1)]


async def test_unchanged_that_is_not_there(primary: Authority, zone: Zone) -> None:
    text = plan(zone, listed(primary.address), WWW, more='    unchanged: ["mail/A", "post/A"]\n')
    got = await validate(text)
    assert family(got) == [("DC215", 10)]
    assert message(got, "DC215") == "post A is not there"


# -- servers that answer, but not as they should ------------------------------------------------------------------

Spoil = Callable[[dns.message.Message], bytes | None]


@asynccontextmanager
async def before(server: str, address: str, spoil: Spoil) -> AsyncIterator[None]:
    """At `address` a front of `server` for UDP alone. What `spoil` gives is the answer; empty is none; None passes."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def take(wire: bytes, reply: Callable[[bytes], None]) -> None:
        own = spoil(dns.message.from_wire(wire))
        if own is None:
            tasks.add(task := loop.create_task(pass_on(wire, reply)))
            task.add_done_callback(tasks.discard)
        elif own:
            reply(own)

    async def pass_on(wire: bytes, reply: Callable[[bytes], None]) -> None:
        reply(await by_udp(server, wire, lambda: None))

    transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(take), local_addr=(address, PORT))
    try:
        yield
    finally:
        transport.close()
        for task in tasks:
            task.cancel()


async def test_a_server_without_tcp(hierarchy: Hierarchy, bind: Authority) -> None:
    zone, address = hierarchy.fresh_zone(bind), hierarchy.spare_address()
    async with before(bind.address, address, lambda _: None):
        got = await validate(plan(zone, listed(bind.address, address), WWW))
    assert family(got) == [("DC212", 3)]
    assert message(got, "DC212") == f"{address} does not answer over TCP: port unreachable"


def _formerr(query: dns.message.Message) -> bytes | None:
    if not query.options:
        return None
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.FORMERR)
    return answer.to_wire()


def _no_badvers(query: dns.message.Message) -> bytes | None:
    if query.edns <= 0:
        return None
    query.use_edns(0)
    return dns.message.make_response(query).to_wire()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_formerr, "a question with an unknown EDNS option gets FORMERR"),
        (_no_badvers, "a question with an unknown EDNS version gets NOERROR instead of BADVERS"),
        (lambda q: b"" if q.edns > 0 else None, "a question with an unknown EDNS version gets no answer"),
    ],
)
async def test_a_server_with_broken_edns(hierarchy: Hierarchy, bind: Authority, spoil: Spoil, fault: str) -> None:
    zone, address = hierarchy.fresh_zone(bind), hierarchy.spare_address()
    async with before(bind.address, address, spoil):
        got = await validate(plan(zone, listed(bind.address, address), WWW))
    assert family(got) == [("DC212", 3), ("DC213", 3)]
    assert message(got, "DC213") == f"{address} handles EDNS wrongly: {fault}"


async def test_a_server_that_drops_edns_looks_dead_and_says_why(hierarchy: Hierarchy, bind: Authority) -> None:
    zone, address = hierarchy.fresh_zone(bind), hierarchy.spare_address()
    async with before(bind.address, address, lambda q: b"" if q.edns >= 0 else None):
        got = await validate(plan(zone, listed(bind.address, address), WWW))
    assert family(got) == [("DC204", 3), ("DC213", 3)]
    assert "answers only questions without EDNS" in message(got, "DC213")


# -- around the records ----------------------------------------------------------------------------------------


async def test_targets_at_their_own_authority(world: Hierarchy, published: Zone) -> None:
    """A target that is not there, one behind an alias in another zone, and one that no authority can be asked about."""
    other = world.publish("edge 30 CNAME www\nwww 600 A 192.0.2.90\n")
    lost = make_zone(world.fresh_origin(), [NS2])
    delegate(world, lost, NS2)
    values = f'["10 edge.{other.origin}", "20 nope.newmail.test.", "30 mx.{lost.origin}"]'
    text = plan(published, found_from(world), f'{{name: "@", type: MX, from: ["10 mx.oldmail.test."], to: {values}}}')
    world.unbound.mark_log()
    got = await validate(text)
    assert got.live is not None
    there, nope, unknown = (
        got.live.targets[h] for h in (f"edge.{other.origin}", "nope.newmail.test.", f"mx.{lost.origin}")
    )
    assert (there.links, there.addresses, there.ttl) == (((f"edge.{other.origin}", 30),), ("192.0.2.90",), 600)
    assert (nope.asked, nope.addresses) == (True, ())
    assert (unknown.asked, unknown.problem) == (False, f"no authority of mx.{lost.origin} answered")
    # No cache has heard of them.
    asked = world.unbound.log_since_mark()
    assert "nope.newmail.test." not in asked
    assert f"mx.{lost.origin}" not in asked


def signed(world: Hierarchy, knot: Knot) -> tuple[Zone, list[str], str]:
    """A zone that Knot signs and that the registry has a DS for: the zone, its keys, and the DS."""
    origin = world.fresh_origin()
    knot.signed.add(origin)
    knot.add_zone(zone := make_zone(origin, [NS3], DEFAULT_RECORDS + '@ 60 CAA 0 issue "ca.elsewhere.test"\n'))
    client.wait_until(lambda: bool(client.ask(knot.address, origin, "DNSKEY").values), "the zone is signed")
    keys = dns.rrset.from_text_list(origin, 60, "IN", "DNSKEY", client.ask(knot.address, origin, "DNSKEY").values)
    ksk = next(key for key in keys if key.flags & 1)
    ds = dns.dnssec.make_ds(dns.name.from_text(origin), ksk, "SHA256").to_text()
    delegate(world, zone, NS3)
    client.write(world.registry.address, "test.", origin.split(".")[0], 60, "DS", ds)
    return zone, [key.to_text() for key in keys], ds


async def test_a_signed_zone_with_ds(world: Hierarchy, knot: Knot) -> None:
    """Knot signs; the registry has the DS; the view has the whole chain, and CAA as it governs the names."""
    zone, keys, ds = signed(world, knot)
    origin = zone.origin
    got = await validate(plan(zone, found_from(world), WWW))
    assert family(got) == []
    assert got.live is not None
    security = got.live.security["default"]
    assert security.ds is not None
    assert security.ds.values[0].lower() == ds.lower()
    assert security.dnskey is not None
    assert len(security.dnskey.values) == len(keys)
    assert security.signatures_expire is not None
    assert 86400 < security.signatures_expire - got.live.at < 40 * 86400
    governing = got.live.caa[f"www.{origin}"]
    assert governing is not None
    assert (governing[0], governing[1].values) == (origin, ('0 issue "ca.elsewhere.test"',))


async def test_new_servers_that_the_ds_does_not_fit(world: Hierarchy, knot: Knot) -> None:
    """BIND serves the zone unsigned: whoever asked it through the parent's DS would get bogus answers."""
    zone, _, _ = signed(world, knot)
    world.bind.add_zone(make_zone(zone.origin, [NS1], DEFAULT_RECORDS))
    change = f'{{name: "@", type: NS, from: [{NS3}], to: [{NS1}]}}'
    allowed = "safety: {allow: [apex_ns, dnssec]}\n"
    got = await validate(plan(zone, found_from(world), change, more=allowed))
    assert message(got, "DC711") == f"{NS1} serves {zone.origin} unsigned, and it has a DS"
    both = f'{{name: "@", type: NS, from: [{NS3}], to: [{NS3}, ns5.nic.test.]}}'
    got = await validate(plan(zone, found_from(world), both, more=allowed))
    assert "DC711" not in {f.id for f in got.findings}
