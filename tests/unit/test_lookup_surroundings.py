"""What stands around a plan's records, at servers on loopback: targets, chain of trust, CAA, parents; within bounds."""

import asyncio
from dataclasses import replace

import pytest
from test_lookup_discovery import RECURSIVE, Table, network
from test_lookup_scripted import ManualClock, Scripted, answer

from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup import surroundings
from dns_cutover.lookup.interface import Endpoint, ServerView
from dns_cutover.lookup.live import take_live_view
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.lookup.surroundings import Wanted, look_around
from dns_cutover.lookup.views import LiveView, TargetView, ZoneServers
from dns_cutover.records import RRset, RRsetKey

ZONE = "example.test."
DIGEST = "ab" * 32
KEY = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
TEXT = f"""\
@ 3600 IN SOA ns1 host 1 7200 900 1209600 300
@ 3600 IN NS ns1
@ 3600 IN NS ns2
@ 3600 IN DNSKEY {KEY}
@ 60 IN MX 10 mx
ns1 3600 IN A 127.0.0.1
ns2 3600 IN A 127.0.0.1
mx 60 IN A 192.0.2.25
mx 90 IN AAAA 2001:db8::25
www 60 IN CNAME edge
edge 20 IN A 192.0.2.80
edge 20 IN CAA 0 issue "edge.test"
shop 60 IN A 192.0.2.81
deep.shop 60 IN A 192.0.2.82
shop 60 IN CAA 0 issue "shop.test"
plain 60 IN A 192.0.2.83
dead 60 IN CNAME nowhere.elsewhere.test.
"""
PARENT = f"""\
@ 3600 IN SOA ns1 host 1 7200 900 1209600 300
@ 3600 IN NS ns1
ns1 3600 IN A 127.0.0.1
example 3600 IN NS ns1.example
example 3600 IN DS 1 13 2 {DIGEST}
ns1.example 3600 IN A 127.0.0.1
"""


@pytest.fixture
async def servers():
    zones = [(ZONE, TEXT), (ZONE, TEXT), ("test.", PARENT)]
    every = [Authoritative(f"ns{n}", ZoneVersion.from_text(o, t)) for n, (o, t) in enumerate(zones, 1)]
    for server in every:
        await server.start()
    yield every
    for server in every:
        await server.stop()


def key(owner, rdtype):
    return RRsetKey("z", f"{owner}.{ZONE}" if owner != "@" else ZONE, rdtype)


async def look(servers, *keys, hosts=(), parents=True, asker=None, **wanted):
    asker = asker or Asker(Timeouts(udp=0.2, tcp=0.2))
    zone = ZoneServers(ZONE, tuple(s.endpoint for s in servers[:2]), ("ns1.example.test.",), ("ns1.example.test.",))
    if parents:
        zone = replace(zone, parents=(servers[2].endpoint,))
    view = await take_live_view({"z": zone}, keys, [], asker, ManualClock())
    addressed = tuple((k.zone, k.owner) for k in keys if k.rdtype in ("A", "CNAME"))
    return await look_around(view, Wanted(hosts, addressed, **wanted), asker, lambda address: True)


async def test_targets_of_new_and_live_values(servers):
    got = await look(servers, key("@", "MX"), key("www", "CNAME"), hosts=(f"www.{ZONE}", f"missing.{ZONE}"))
    assert list(got.targets) == [f"www.{ZONE}", f"missing.{ZONE}", f"mx.{ZONE}", f"edge.{ZONE}"]
    assert got.targets[f"mx.{ZONE}"] == TargetView(f"mx.{ZONE}", (), ("192.0.2.25", "2001:db8::25"), 90)
    assert got.targets[f"www.{ZONE}"] == TargetView(f"www.{ZONE}", ((f"www.{ZONE}", 60),), ("192.0.2.80",), 20)
    assert got.targets[f"missing.{ZONE}"] == TargetView(f"missing.{ZONE}")
    assert got.problems == ()


async def test_a_target_that_nobody_can_be_asked_about(servers):
    got = await look(servers, key("dead", "CNAME"))
    target = got.targets["nowhere.elsewhere.test."]
    assert (target.asked, target.problem) == (False, "no authority of nowhere.elsewhere.test. answered")


async def test_only_so_many_targets_are_looked_for(servers, monkeypatch):
    monkeypatch.setattr(surroundings, "MAX_TARGETS", 2)
    got = await look(servers, key("@", "MX"), hosts=(f"shop.{ZONE}", f"plain.{ZONE}"))
    assert list(got.targets) == [f"shop.{ZONE}", f"plain.{ZONE}"]
    assert got.problems == ("records point to 3 hosts; 2 of them are looked at",)


async def test_targets_take_no_longer_than_they_may(servers, monkeypatch):
    """An authority that is silent for ever holds up nobody, and those whose turn did not come are not known."""
    monkeypatch.setattr(surroundings, "PATIENCE_FOR_ALL", 0.05)
    async with Scripted(udp=lambda q: []) as silent:
        asker = Asker(Timeouts(udp=30.0))
        hosts = ("a.silent.test.", "b.silent.test.")
        zones = {"s": ZoneServers("silent.test.", (silent.endpoint,), (), ("ns.silent.test.",))}
        view = LiveView(zones, 0.0, (ServerView("s", silent.endpoint, {}, 1),), {}, {}, {}, (), ())
        monkeypatch.setattr(surroundings, "servers_health", _no_health)
        monkeypatch.setattr(surroundings, "_security", _no_security)
        async with asyncio.timeout(5):
            got = await look_around(view, Wanted(hosts), asker, lambda address: True)
    assert [(t.asked, t.problem) for t in got.targets.values()] == [(False, "its authority did not answer in time")] * 2


async def _no_health(*_):
    return ()


async def _no_security(*_):
    return None


async def test_ds_and_keys(servers):
    got = await look(servers, key("plain", "A"))
    security = got.security["z"]
    assert security.ds == RRset(3600, (f"1 13 2 {DIGEST}",))
    assert security.ds_known
    assert security.dnskey == RRset.of("DNSKEY", 3600, KEY)
    assert security.signatures_expire is None  # the lab does not sign


async def test_ds_is_not_known_where_no_parent_can_be_asked(servers):
    security = (await look(servers, key("plain", "A"), parents=False)).security["z"]
    assert (security.ds, security.ds_known) == (None, False)
    servers[2].publish(ZoneVersion.from_text("test.", PARENT.replace(f"example 3600 IN DS 1 13 2 {DIGEST}\n", "")))
    security = (await look(servers, key("plain", "A"))).security["z"]
    assert (security.ds, security.ds_known) == (None, True)
    await servers[2].stop()
    security = (await look(servers, key("plain", "A"))).security["z"]
    assert (security.ds, security.ds_known) == (None, False)


async def test_the_first_signature_to_expire_counts():
    """Among all servers and signatures of the SOA; those of other types are of no interest."""

    def signed(soa_until, other="20300101000000"):
        def respond(query):
            owner, rdtype = query.question[0].name.to_text(), query.question[0].rdtype
            if owner != ZONE:
                return [answer(query, rcode="NXDOMAIN")]
            if rdtype == 48:
                return [answer(query, (ZONE, 60, "DNSKEY", KEY))]
            records = [(ZONE, 60, "SOA", "ns1.example.test. host.example.test. 1 7200 900 1209600 300")]
            if query.ednsflags & 0x8000:
                records += [(ZONE, 60, "RRSIG", f"SOA 13 2 60 {u} 20260101000000 1 {ZONE} AAAA") for u in soa_until]
                records += [(ZONE, 60, "RRSIG", f"NS 13 2 60 {other} 20260101000000 1 {ZONE} AAAA")]
            return [answer(query, *records)]

        return respond

    one, two = signed(["20260601000000", "20260501000000"]), signed(["20260420000000"], "20260101000000")
    async with Scripted(udp=one, tcp=one) as first, Scripted(udp=two, tcp=two) as second:
        view = await take_live_view(
            {"z": ZoneServers(ZONE, (first.endpoint, second.endpoint))}, [], [], Asker(), ManualClock()
        )
        got = await look_around(view, Wanted(), Asker())
        assert not [q for _, q, _ in first.seen if q.ednsflags & 0x8000 and q.question[0].rdtype != 6]
    assert got.security["z"].signatures_expire == 1776643200.0


async def test_caa_is_the_nearest_one_above(servers):
    got = await look(servers, key("shop", "A"), key("deep.shop", "A"), key("new.shop", "A"), key("plain", "A"))
    shop = (f"shop.{ZONE}", RRset(60, ('0 issue "shop.test"',)))
    assert got.caa == {
        f"shop.{ZONE}": shop,
        f"deep.shop.{ZONE}": shop,
        f"new.shop.{ZONE}": shop,
        f"plain.{ZONE}": None,
    }


async def test_caa_of_an_alias_is_that_at_its_end(servers):
    """Or the nearest above the alias itself; where the end cannot be asked nothing is said."""
    got = await look(servers, key("www", "CNAME"), key("dead", "CNAME"))
    assert got.caa == {f"www.{ZONE}": (f"edge.{ZONE}", RRset(20, ('0 issue "edge.test"',)))}
    text = TEXT.replace('edge 20 IN CAA 0 issue "edge.test"', '@ 20 IN CAA 0 issue "apex.test"')
    servers[0].publish(ZoneVersion.from_text(ZONE, text))
    servers[1].publish(ZoneVersion.from_text(ZONE, text))
    got = await look(servers, key("www", "CNAME"))
    assert got.caa == {f"www.{ZONE}": (ZONE, RRset(20, ('0 issue "apex.test"',)))}


async def test_caa_above_the_apex_comes_from_the_parents_servers(servers):
    """And without them nobody knows whether there is one."""
    servers[2].publish(ZoneVersion.from_text("test.", PARENT + '@ 60 IN CAA 0 issue "top.test"\n'))
    got = await look(servers, key("plain", "A"))
    assert got.caa == {f"plain.{ZONE}": ("test.", RRset(60, ('0 issue "top.test"',)))}
    assert (await look(servers, key("plain", "A"), parents=False)).caa == {}


async def test_caa_is_looked_up_for_so_many_names_and_each_name_once(servers, monkeypatch):
    monkeypatch.setattr(surroundings, "MAX_OWNERS", 3)
    keys = [key(f"n{n}", "A") for n in range(5)]
    asked = []
    really = Asker.ask

    async def counted(self, server, owner, rdtype, **how):
        asked.append((owner, rdtype))
        return await really(self, server, owner, rdtype, **how)

    monkeypatch.setattr(Asker, "ask", counted)
    got = await look(servers, *keys)
    assert list(got.caa) == [f"n{n}.{ZONE}" for n in range(3)]
    assert got.problems == ("5 names change addresses; CAA is looked up for 3 of them",)
    assert sorted(o for o, t in asked if t == "CAA") == sorted([*got.caa, ZONE, "test."])


async def test_dead_servers_cost_no_more_waiting(servers):
    await servers[1].stop()
    before = servers[0].queries
    got = await look(servers, key("plain", "A"))
    assert got.security["z"].dnskey is not None
    assert got.caa == {f"plain.{ZONE}": None}
    assert servers[0].queries > before


async def test_nothing_is_known_where_no_server_answers(servers):
    for server in servers:
        await server.stop()
    got = await look(servers, key("plain", "A"), hosts=(f"mx.{ZONE}",))
    assert (got.caa, got.targets[f"mx.{ZONE}"].asked, got.security["z"].ds_known) == ({}, False, False)


# -- zones whose servers are listed ----------------------------------------------------------------------------


def listed(*addresses, **more):
    servers = tuple(Endpoint(a, a) for a in addresses)
    views = tuple(ServerView("z", s, {}, 1) for s in servers)
    return LiveView({"z": ZoneServers(ZONE, servers, **more)}, 0.0, views, {}, {}, {}, (), ())


NS_ANSWER = network()["192.0.2.20", ZONE, "NS"]


class Patient(Table):
    """The network of the discovery tests; EDNS is not its matter."""

    async def ask_edns(self, *_, **__):
        return NS_ANSWER


async def around(view, **wanted):
    table = Patient(network())
    return (await look_around(view, Wanted(**wanted), table, lambda address: True)).zones["z"], table


async def test_listed_servers_are_asked_for_their_ns():
    zone, table = await around(listed("192.0.2.20"))
    assert (zone.child_ns, zone.child_ns_ttl) == (("ns1.example.test.", "ns3.example.test."), 3600)
    assert (zone.parent_ns, zone.parents) == ((), ())
    assert not [asked for asked in table.asked if asked[0] == RECURSIVE.address]


async def test_the_parent_counts_where_it_delegates_to_a_listed_server():
    zone, _ = await around(listed("192.0.2.20"), parents_of={"z": (RECURSIVE,)})
    assert zone.parent_ns == ("ns.vendor.test.", "ns1.example.test.")
    assert zone.parent_ns_ttl == 172800
    assert [e.address for e in zone.parents] == ["192.0.2.10", "192.0.2.11"]


async def test_another_view_of_the_name_has_no_parent():
    view = listed("10.0.0.9")
    table = Patient(network() | {("10.0.0.9", ZONE, "NS"): NS_ANSWER})
    zone = (await look_around(view, Wanted(parents_of={"z": (RECURSIVE,)}), table, lambda a: True)).zones["z"]
    assert zone.child_ns == ("ns1.example.test.", "ns3.example.test.")
    assert (zone.parent_ns, zone.parents) == ((), ())


async def test_what_discovery_found_is_not_asked_again():
    view = listed("192.0.2.20", child_ns=("a.test.",), parent_ns=("b.test.",))
    zone, table = await around(view, parents_of={"z": (RECURSIVE,)})
    assert (zone.child_ns, zone.parent_ns) == (("a.test.",), ("b.test.",))
    assert ("192.0.2.20", ZONE, "NS") not in table.asked
