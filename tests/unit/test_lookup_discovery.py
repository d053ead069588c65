"""Finding the servers of a zone: through the parent, with hostile and broken delegations, and never by asking a
recursive resolver for NS. The network is a table here, since servers are found on port 53 of any address."""

from dataclasses import dataclass, field

import pytest

from dns_cutover.lookup.answer import NoReply, Reply, Section
from dns_cutover.lookup.discovery import MAX_HOSTS, enclosing_zone, explicit_servers
from dns_cutover.lookup.discovery import discover as really_discover
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.transport import has_route
from dns_cutover.records import RRset

ZONE = "example.test."
RECURSIVE = Endpoint("office", "10.0.0.1")


def sections(items):
    return tuple(Section(owner, rdtype, RRset.of(rdtype, ttl, *values)) for owner, ttl, rdtype, *values in items)


def said(*answer, authority=(), additional=(), aa=False, rcode="NOERROR"):
    return Reply(rcode, aa, sections(answer), sections(authority), sections(additional), (), "", 0.0, False)


@dataclass
class Table:
    """(address, owner, type) -> outcome; anything else is not answered."""

    answers: dict
    asked: list = field(default_factory=list)

    async def ask(self, server, owner, rdtype, *, recurse):
        assert recurse is (server == RECURSIVE)
        self.asked.append((server.address, owner, rdtype))
        return self.answers.get((server.address, owner, rdtype), NoReply("no answer in 3 tries"))


def network():
    root, tld, tld2, ns1, ns2 = "192.0.2.1", "192.0.2.10", "192.0.2.11", "192.0.2.20", "192.0.2.21"
    referral = said(
        authority=[(ZONE, 172800, "NS", "ns1.example.test.", "ns.vendor.test.")],
        additional=[("ns1.example.test.", 172800, "A", ns1), ("evil.test.", 60, "A", "203.0.113.66")],
    )
    child = said((ZONE, 3600, "NS", "ns1.example.test.", "ns3.example.test."), aa=True)
    address = {"ns1": ns1, "ns3": "192.0.2.22"}
    answers = {
        ("10.0.0.1", ".", "NS"): said((".", 1, "NS", "a.root.")),
        ("10.0.0.1", "a.root.", "A"): said(("a.root.", 1, "A", root)),
        (root, ZONE, "NS"): said(
            authority=[("test.", 60, "NS", "ns.nic.test.", "ns2.nic.test.")],
            additional=[("ns.nic.test.", 60, "A", tld)],
        ),
        ("10.0.0.1", "ns2.nic.test.", "A"): said(("ns2.nic.test.", 60, "A", tld2)),
        (tld, ZONE, "NS"): referral,
        (tld2, ZONE, "NS"): referral,
        ("10.0.0.1", "ns.vendor.test.", "A"): said(("ns.vendor.test.", 60, "A", ns2)),
        ("10.0.0.1", "ns.vendor.test.", "AAAA"): said(("ns.vendor.test.", 60, "AAAA", "2001:db8::21")),
        (ns1, ZONE, "NS"): child,
        (ns2, ZONE, "NS"): child,
    }
    for host, a in address.items():
        answers[ns1, f"{host}.{ZONE}", "A"] = said((f"{host}.{ZONE}", 60, "A", a), aa=True)
    return answers


def discover(table, zone, bootstrap, ignore=(), routed=lambda address: True):
    return really_discover(table, zone, bootstrap, ignore, routed)


async def test_parent_and_child_name_servers_with_every_address():
    table = Table(network())
    got = await discover(table, ZONE, [RECURSIVE])
    assert got.parent_ns == ("ns.vendor.test.", "ns1.example.test.")
    assert got.child_ns == ("ns1.example.test.", "ns3.example.test.")
    assert (got.parent_ns_ttl, got.child_ns_ttl) == (172800, 3600)
    assert [(e.name, e.address, e.port) for e in got.endpoints] == [
        ("ns.vendor.test", "192.0.2.21", 53),
        ("ns.vendor.test", "2001:db8::21", 53),
        ("ns1.example.test", "192.0.2.20", 53),
        ("ns3.example.test", "192.0.2.22", 53),
    ]
    assert got.problems == ()


async def test_recursive_resolvers_are_asked_for_no_ns_but_the_roots_and_for_nothing_in_the_zone():
    table = Table(network())
    await discover(table, ZONE, [RECURSIVE])
    asked = [(owner, rdtype) for address, owner, rdtype in table.asked if address == RECURSIVE.address]
    assert [owner for owner, rdtype in asked if rdtype == "NS"] == ["."]
    assert not [owner for owner, _ in asked if owner.endswith(ZONE)]


async def test_without_the_root_the_enclosing_zone_comes_from_the_bootstrap():
    answers = network()
    del answers["10.0.0.1", ".", "NS"]
    answers["10.0.0.1", "test.", "SOA"] = said(("test.", 60, "SOA", "ns.nic.test. h. 1 2 3 4 5"))
    answers["10.0.0.1", "test.", "NS"] = said(("test.", 60, "NS", "ns.nic.test."))
    answers["10.0.0.1", "ns.nic.test.", "A"] = said(("ns.nic.test.", 60, "A", "192.0.2.10"))
    table = Table(answers)
    got = await discover(table, ZONE, [RECURSIVE])
    assert got.parent_ns == ("ns.vendor.test.", "ns1.example.test.")
    assert ("10.0.0.1", ZONE, "NS") not in table.asked


async def test_the_parents_own_servers_are_asked_when_the_grandparents_answer_for_it():
    zone = "www.example.test."
    answers = network()
    for address in ("192.0.2.10", "192.0.2.11"):
        # The servers of test. have example.test. as well, and refer straight to its child.
        answers[address, zone, "NS"] = said(
            authority=[(zone, 60, "NS", "ns.vendor.test.")], additional=[("ns.vendor.test.", 60, "A", "192.0.2.21")]
        )
        answers[address, ZONE, "NS"] = said((ZONE, 60, "NS", "ns.vendor.test.", "ns9.example.test."), aa=True)
    answers["192.0.2.1", zone, "NS"] = answers["192.0.2.1", ZONE, "NS"]
    answers["10.0.0.1", "ns9.example.test.", "A"] = said(("ns9.example.test.", 60, "A", "192.0.2.99"))
    answers["192.0.2.99", zone, "NS"] = said(authority=[(zone, 90, "NS", "late.vendor.test.")])
    answers["10.0.0.1", "late.vendor.test.", "A"] = said(("late.vendor.test.", 60, "A", "192.0.2.23"))
    got = await discover(Table(answers), zone, [RECURSIVE])
    assert got.parent_ns == ("late.vendor.test.", "ns.vendor.test.")
    assert got.parent_ns_ttl == 90


@pytest.mark.parametrize("ignore", ["192.0.2.21", "2001:db8::21"])
async def test_ignored_servers_are_left_out(ignore):
    whole = await discover(Table(network()), ZONE, [RECURSIVE])
    got = await discover(Table(network()), ZONE, [RECURSIVE], {ignore})
    assert {e.address for e in whole.endpoints} - {e.address for e in got.endpoints} == {ignore}


async def test_listed_servers_are_taken_as_they_are():
    listed = [Endpoint("a", "127.0.0.1", 5300), Endpoint("b", "127.0.0.1", 5301)]
    got = explicit_servers(ZONE, listed, {"127.0.0.1:5301"})
    assert (got.zone, got.endpoints, got.problems) == (ZONE, (listed[0],), ())


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda a: a.clear(), "the parent of example.test. was not found: no bootstrap resolver answered usably"),
        (
            lambda a: a.pop(("192.0.2.11", ZONE, "NS")),
            "the parent's server ns2.nic.test 192.0.2.11: no answer in 3 tries",
        ),
        (
            lambda a: a.update({("192.0.2.11", ZONE, "NS"): said(rcode="REFUSED")}),
            "the parent's server ns2.nic.test 192.0.2.11: answers REFUSED",
        ),
        (lambda a: a.pop(("192.0.2.20", "ns3.example.test.", "A")), "the name server ns3.example.test. has no address"),
    ],
)
async def test_what_is_broken_is_told(break_it, problem):
    answers = network()
    break_it(answers)
    assert problem in (await discover(Table(answers), ZONE, [RECURSIVE])).problems


async def test_a_zone_that_is_not_delegated_is_told():
    answers = network()
    for address in ("192.0.2.10", "192.0.2.11"):
        answers[address, ZONE, "NS"] = said(
            authority=[("test.", 60, "SOA", "ns. h. 1 2 3 4 5")], aa=True, rcode="NXDOMAIN"
        )
    answers["10.0.0.1", "test.", "SOA"] = said(("test.", 60, "SOA", "ns.nic.test. h. 1 2 3 4 5"))
    answers["10.0.0.1", "test.", "NS"] = said(("test.", 60, "NS", "ns2.nic.test."))
    got = await discover(Table(answers), ZONE, [RECURSIVE])
    assert got.endpoints == ()
    assert f"no name server of {ZONE} was found" in got.problems


@pytest.mark.parametrize("owner", [".", "test.", "elsewhere.example."])
async def test_a_referral_that_leads_nowhere_ends(owner):
    answers = network()
    for address in ("192.0.2.1", "192.0.2.10", "192.0.2.11"):
        answers[address, ZONE, "NS"] = said(authority=[(owner, 60, "NS", "ns2.nic.test.")])
    table = Table(answers)
    got = await discover(table, ZONE, [RECURSIVE])
    assert got.endpoints == ()
    assert len(table.asked) < 20


async def test_a_delegation_to_thousands_of_hosts_costs_a_bounded_number_of_questions():
    hosts = [f"h{n}.victim.test." for n in range(1000)]
    answers = network()
    for address in ("192.0.2.10", "192.0.2.11"):
        answers[address, ZONE, "NS"] = said(authority=[(ZONE, 60, "NS", *hosts)])
    table = Table(answers)
    got = await discover(table, ZONE, [RECURSIVE])
    assert f"1000 name servers are named; only {MAX_HOSTS} are looked at" in got.problems
    assert len(table.asked) < 3 * MAX_HOSTS


async def test_the_enclosing_zone_is_found_without_asking_a_recursor_for_the_name():
    table = Table({("10.0.0.1", ZONE, "SOA"): said((ZONE, 60, "SOA", "ns. h. 1 2 3 4 5"))})
    assert await enclosing_zone(table, f"new.{ZONE}", [RECURSIVE], recurse=True) == ZONE
    assert table.asked == [("10.0.0.1", ZONE, "SOA")]
    own = Endpoint("ns", "192.0.2.20")
    table = Table({("192.0.2.20", f"new.{ZONE}", "SOA"): said(authority=[(ZONE, 60, "SOA", "ns. h. 1 2 3 4 5")])})
    assert await enclosing_zone(table, f"new.{ZONE}", [own], recurse=False) == ZONE
    assert await enclosing_zone(Table({}), f"new.{ZONE}", [RECURSIVE], recurse=True) == ZONE


async def test_an_address_without_a_route_is_left_out_and_told_if_its_host_has_another():
    got = await discover(Table(network()), ZONE, [RECURSIVE], routed=lambda address: ":" not in address)
    assert [e.address for e in got.endpoints] == ["192.0.2.21", "192.0.2.20", "192.0.2.22"]
    assert got.problems == ("ns.vendor.test. 2001:db8::21 is not looked at: there is no route to it from here",)
    none = await discover(Table(network()), ZONE, [RECURSIVE], routed=lambda address: False)
    assert len(none.endpoints) == 4  # the questions will tell


async def test_loopback_is_routed_and_broadcast_is_not():
    assert has_route("127.0.0.1")
    assert not has_route("255.255.255.255")


async def test_a_server_of_both_zones_answers_instead_of_referring():
    answers = network()
    for address in ("192.0.2.10", "192.0.2.11"):
        answers[address, ZONE, "NS"] = said((ZONE, 600, "NS", "ns.vendor.test."), aa=True)
    got = await discover(Table(answers), ZONE, [RECURSIVE])
    assert (got.parent_ns, got.parent_ns_ttl) == (("ns.vendor.test.",), 600)


async def test_walking_down_ends_where_no_server_of_a_level_answers():
    answers = network()
    del answers["192.0.2.10", ZONE, "NS"], answers["192.0.2.11", ZONE, "NS"]
    got = await discover(Table(answers), ZONE, [RECURSIVE])
    assert got.endpoints == ()
