"""Names and the live view at real authoritative servers on loopback."""

import pytest
from test_lookup_scripted import ManualClock, Scripted, answer

from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.authoritative import AuthoritativeAsker
from dns_cutover.lookup.discovery import ZoneServers, explicit_servers
from dns_cutover.lookup.interface import Endpoint, ServerView
from dns_cutover.lookup.live import merge_views, take_live_view
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.lookup.resolvers import catalogue, known_cap, preset, system_resolvers, unique
from dns_cutover.records import RRset, RRsetKey

ZONE = "example.test."
TEXT = """\
@ 3600 IN SOA ns1 host {serial} 7200 900 1209600 300
@ 3600 IN NS ns1
@ {ttl} IN MX 10 mx
ns1 3600 IN A 127.0.0.1
www 60 IN A 192.0.2.1
www 60 IN TXT "x"
alias 60 IN CNAME www
a.ent 60 IN A 192.0.2.2
*.wild 90 IN A 192.0.2.3
own.wild 90 IN A 192.0.2.4
sub 3600 IN NS ns.sub
sub 3600 IN DS 1 13 2 {digest}
ns.sub 3600 IN A 192.0.2.5
"""


def zone(serial=1, ttl=3600):
    return ZoneVersion.from_text(ZONE, TEXT.format(serial=serial, ttl=ttl, digest="ab" * 32))


@pytest.fixture
async def servers():
    both = [Authoritative(f"ns{n}", zone()) for n in (1, 2)]
    for server in both:
        await server.start()
    yield both
    for server in both:
        await server.stop()


async def look(servers, owner):
    asker = AuthoritativeAsker(Asker(), {"z": (ZONE, tuple(s.endpoint for s in servers))}, ManualClock())
    return await asker.read_name("z", f"{owner}.{ZONE}" if owner != "@" else ZONE)


async def test_a_name_has_its_rrsets(servers):
    got = await look(servers, "www")
    assert (got.exists, got.wildcard, got.cut, got.dname, got.problem) == (True, "", "", "", "")
    assert got.rrsets == {"A": RRset(60, ("192.0.2.1",)), "TXT": RRset(60, ('"x"',))}
    assert got.negative_ttl == 300
    assert got.server == servers[0].endpoint


async def test_an_alias_has_only_its_cname(servers):
    assert (await look(servers, "alias")).rrsets == {"CNAME": RRset(60, (f"www.{ZONE}",))}


async def test_the_apex_has_its_ns_and_soa(servers):
    assert set((await look(servers, "@")).rrsets) == {"SOA", "NS", "MX"}


async def test_a_name_that_is_not_there_costs_one_question(servers):
    before = servers[0].queries
    got = await look(servers, "missing")
    assert (got.exists, got.rrsets, got.negative_ttl, got.problem) == (False, {}, 300, "")
    assert servers[0].queries - before == 1


async def test_an_empty_non_terminal_exists(servers):
    got = await look(servers, "ent")
    assert (got.exists, got.rrsets, got.wildcard) == (True, {}, "")


async def test_a_wildcard_is_told_from_a_name_of_its_own(servers):
    got = await look(servers, "any.wild")
    assert (got.exists, got.wildcard) == (False, f"*.wild.{ZONE}")
    assert got.rrsets == {"A": RRset(90, ("192.0.2.3",))}
    deep = await look(servers, "more.any.wild")
    assert (deep.exists, deep.wildcard) == (False, f"*.wild.{ZONE}")
    own = await look(servers, "own.wild")
    assert (own.exists, own.wildcard) == (True, "")
    star = await look(servers, "*.wild")
    assert (star.exists, star.wildcard) == (True, "")


async def test_a_zone_cut_has_the_parents_side(servers):
    got = await look(servers, "sub")
    assert (got.exists, got.cut) == (True, f"sub.{ZONE}")
    assert got.delegation == RRset(3600, (f"ns.sub.{ZONE}",))
    assert set(got.rrsets) == {"NS", "DS"}
    below = await look(servers, "deep.sub")
    assert (below.exists, below.cut, below.rrsets) == (False, f"sub.{ZONE}", {})
    assert below.delegation == got.delegation


async def test_a_dname_above_is_seen():
    def respond(query):
        owner = query.question[0].name.to_text()
        return [answer(query, (ZONE, 60, "DNAME", "other.test."), (owner, 60, "CNAME", "www.other.test."))]

    async with Scripted(udp=respond) as server:
        zones = {"z": (ZONE, (server.endpoint,))}
        got = await AuthoritativeAsker(Asker(), zones, ManualClock()).read_name("z", f"www.{ZONE}")
    assert (got.exists, got.dname) == (False, ZONE)


@pytest.mark.parametrize(
    ("respond", "problem"),
    [
        (lambda q: [answer(q, rcode="REFUSED", aa=False)], "answers REFUSED"),
        (lambda q: [answer(q, aa=False)], "is not authoritative for the zone (lame)"),
        (lambda q: [], "no answer in 3 tries"),
        (
            lambda q: [answer(q, rcode="SERVFAIL" if q.question[0].rdtype == 15 else "NOERROR")],
            "MX: answers SERVFAIL",
        ),
    ],
)
async def test_a_name_that_cannot_be_read_says_why(respond, problem):
    async with Scripted(udp=respond) as server:
        zones = {"z": (ZONE, (server.endpoint,))}
        asker = AuthoritativeAsker(Asker(Timeouts(udp=0.05)), zones, ManualClock())
        got = await asker.read_name("z", f"www.{ZONE}")
        assert got.problem == f"scripted {server.endpoint}: {problem}"
        assert (await AuthoritativeAsker(Asker(), {"z": (ZONE, ())}, ManualClock()).read_name("z", ZONE)).problem


async def test_the_next_server_is_asked_when_one_cannot_answer(servers):
    async with Scripted(udp=lambda q: [answer(q, rcode="REFUSED", aa=False)]) as broken:
        zones = {"z": (ZONE, (broken.endpoint, servers[0].endpoint))}
        got = await AuthoritativeAsker(Asker(), zones, ManualClock()).read_name("z", f"www.{ZONE}")
    assert (got.problem, got.server) == ("", servers[0].endpoint)


def key(owner, rdtype):
    return RRsetKey("z", f"{owner}.{ZONE}" if owner != "@" else ZONE, rdtype)


async def test_the_live_view_has_everything_the_plan_touches(servers):
    zones = {"z": explicit_servers(ZONE, [s.endpoint for s in servers])}
    keys = [key("@", "MX"), key("new", "CNAME"), key("any.wild", "A"), key("www", "A")]
    got = await take_live_view(zones, keys, [("z", f"alias.{ZONE}"), ("z", f"www.{ZONE}")], Asker(), ManualClock(7.0))
    assert got.at == 7.0
    assert (got.disagreements, got.problems) == ((), ())
    assert got.soa["z"].values[0].split()[2] == "1"
    assert got.rrsets[key("@", "MX")] == RRset(3600, (f"10 mx.{ZONE}",))
    assert got.rrsets[key("new", "CNAME")] is None
    assert got.rrsets[key("www", "TXT")] == RRset(60, ('"x"',))
    assert got.rrsets[key("www", "AAAA")] is None
    assert got.rrsets[key("alias", "CNAME")] == RRset(60, (f"www.{ZONE}",))
    # The zone has nothing at a name that a wildcard answers for.
    assert got.rrsets[key("any.wild", "A")] is None
    assert got.names["z", f"any.wild.{ZONE}"].wildcard == f"*.wild.{ZONE}"
    assert set(got.names) == {("z", k.owner) for k in keys} | {("z", f"alias.{ZONE}")}
    assert len(got.servers) == 2


async def test_servers_that_differ_are_told_and_a_lagging_serial_alone_is_not(servers):
    zones = {"z": explicit_servers(ZONE, [s.endpoint for s in servers])}
    servers[1].publish(zone(serial=2))
    got = await take_live_view(zones, [key("@", "MX")], [], Asker(), ManualClock())
    assert got.disagreements == ()
    assert got.soa["z"].values[0].split()[2] == "2"
    servers[1].publish(zone(serial=3, ttl=7200))
    got = await take_live_view(zones, [key("@", "MX")], [], Asker(), ManualClock())
    assert [(d.key, [e.name for e, _ in d.answers]) for d in got.disagreements] == [(key("@", "MX"), ["ns1", "ns2"])]
    # The higher TTL is the one that must die.
    assert got.rrsets[key("@", "MX")] == RRset(7200, (f"10 mx.{ZONE}",))


async def test_what_went_wrong_is_in_the_view(servers):
    async with Scripted() as dead:
        endpoint = dead.endpoint
    servers_of = ZoneServers(ZONE, (endpoint, servers[0].endpoint), problems=("the parent's server x: no answer",))
    got = await take_live_view({"z": servers_of}, [key("www", "A")], [], Asker(), ManualClock())
    assert got.problems == (
        "the parent's server x: no answer",
        f"scripted {endpoint}: port unreachable in 3 tries",
    )
    assert got.rrsets[key("www", "A")] == RRset(60, ("192.0.2.1",))


def test_serials_that_wrapped_are_newer():
    soa = [RRset(60, (f"ns. h. {serial} 1 1 1 1",)) for serial in (2**32 - 1, 3)]
    apex = key("@", "SOA")
    views = [ServerView("z", Endpoint("s", "192.0.2.1"), {apex: s}) for s in soa]
    assert merge_views(views)[0][apex] == soa[1]
    assert merge_views(reversed(views))[0][apex] == soa[1]


# -- the catalogue ----------------------------------------------------------------------------------------------


def test_presets_and_entries(tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text(
        "# x\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver 10.0.0.1\nnameserver\nnameserver no\n"
    )
    assert [e.address for e in system_resolvers(conf)] == ["10.0.0.1", "fe80::1%eth0"]
    assert preset("system", conf) == system_resolvers(conf)
    assert system_resolvers(tmp_path / "missing") == ()
    assert len(preset("public")) == 8
    own = Endpoint("office", "8.8.8.8")
    assert catalogue([own, "google", "system"], conf) == (
        own,
        Endpoint("google", "8.8.4.4"),
        *system_resolvers(conf),
    )
    with pytest.raises(KeyError):
        preset("unknown")


def test_the_same_address_over_another_transport_is_another_resolver():
    a, b = Endpoint("a", "192.0.2.1", 853, "tls"), Endpoint("b", "192.0.2.1", 853, "tcp")
    assert unique([a, b, a]) == (a, b)


def test_known_caps():
    assert known_cap(Endpoint("x", "8.8.8.8")) == 21600
    assert known_cap(Endpoint("x", "1.1.1.1")) is None
