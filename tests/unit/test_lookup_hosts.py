"""Finding hosts at their own authority: from the root, through aliases, and never by telling a cache of them."""

import asyncio
from dataclasses import dataclass, field

import pytest
from test_lookup_discovery import RECURSIVE, said

from dns_cutover.lookup import first
from dns_cutover.lookup.answer import NoReply
from dns_cutover.lookup.hosts import HostAnswer, HostFinder, host_addresses
from dns_cutover.lookup.interface import Endpoint

ROOT, TLD, NEW, EDGE = "192.0.2.1", "192.0.2.10", "192.0.2.20", "192.0.2.30"


@dataclass
class Table:
    """(address, owner, type) -> outcome; what is not there is not answered. `slow` addresses answer never."""

    answers: dict
    slow: tuple = ()
    asked: list = field(default_factory=list)

    async def ask(self, server, owner, rdtype, *, recurse):
        assert recurse is (server == RECURSIVE)
        self.asked.append((server.address, owner, rdtype))
        if server.address in self.slow:
            await asyncio.get_running_loop().create_future()
        return self.answers.get((server.address, owner, rdtype), NoReply("no answer in 3 tries"))

    def told(self, address):
        return {(owner, rdtype) for a, owner, rdtype in self.asked if a == address}


def refers(zone, host, *addresses):
    return said(authority=[(zone, 60, "NS", host)], additional=[(host, 60, "A", a) for a in addresses])


def network(**more):
    answers = {
        (RECURSIVE.address, ".", "NS"): said((".", 1, "NS", "a.root.")),
        (RECURSIVE.address, "a.root.", "A"): said(("a.root.", 1, "A", ROOT)),
    }
    for name in ("www.new.test.", "mx.new.test.", "none.new.test."):
        answers[ROOT, name, "A"] = refers("test.", "ns.nic.test.", TLD)
        answers[TLD, name, "A"] = refers("new.test.", "ns.new.test.", NEW)
    answers[ROOT, "edge.cdn.test.", "A"] = refers("test.", "ns.nic.test.", TLD)
    # Without glue: a cache knows the name server.
    answers[TLD, "edge.cdn.test.", "A"] = refers("cdn.test.", "ns.other.example.")
    answers[RECURSIVE.address, "ns.other.example.", "A"] = said(("ns.other.example.", 60, "A", EDGE))
    for rdtype in ("A", "AAAA"):
        answers[NEW, "www.new.test.", rdtype] = said(("www.new.test.", 30, "CNAME", "edge.cdn.test."), aa=True)
        answers[NEW, "none.new.test.", rdtype] = said(aa=True, rcode="NXDOMAIN")
    answers[NEW, "mx.new.test.", "A"] = said(("mx.new.test.", 300, "A", "198.51.100.2", "198.51.100.1"), aa=True)
    answers[NEW, "mx.new.test.", "AAAA"] = said(("mx.new.test.", 900, "AAAA", "2001:db8::1"), aa=True)
    answers[EDGE, "edge.cdn.test.", "A"] = said(("edge.cdn.test.", 20, "A", "198.51.100.9"), aa=True)
    answers[EDGE, "edge.cdn.test.", "AAAA"] = said(aa=True)
    return Table(answers | more)


def finder(table, known=(), routed=lambda address: True):
    return HostFinder(table, [RECURSIVE], known, routed)


async def test_addresses_with_the_highest_ttl():
    got = await finder(network()).host("mx.new.test.")
    assert got == HostAnswer(("198.51.100.1", "198.51.100.2", "2001:db8::1"), True, (), 900)


async def test_aliases_are_followed_into_other_zones_with_their_ttls():
    got = await finder(network()).host("www.new.test.")
    assert got == HostAnswer(("198.51.100.9",), True, (("www.new.test.", 30),), 20)


async def test_a_host_that_is_not_there():
    assert await finder(network()).host("none.new.test.") == HostAnswer((), True)


async def test_a_cache_hears_of_name_servers_only():
    table = network()
    for host in ("www.new.test.", "mx.new.test.", "none.new.test."):
        await finder(table).host(host)
    names = {(".", "NS"), ("a.root.", "A"), ("ns.other.example.", "A")}
    assert table.told(RECURSIVE.address) == names


async def test_a_delegation_to_the_host_itself_does_not_make_a_cache_hear_of_it():
    table = network()
    table.answers[TLD, "www.new.test.", "A"] = refers("new.test.", "www.new.test.")
    got = await finder(table).host("www.new.test.")
    assert (got.asked, got.problem) == (False, "no authority of www.new.test. answered")
    assert ("www.new.test.", "A") not in table.told(RECURSIVE.address)


async def test_the_way_is_remembered():
    table, find = network(), None
    find = finder(table)
    await find.host("mx.new.test.")
    before = len(table.asked)
    await find.host("none.new.test.")
    assert table.asked[before:] == [(NEW, "none.new.test.", "A"), (NEW, "none.new.test.", "AAAA")]


async def test_addresses_without_a_route_come_last_resort():
    """An IPv6 address counts for nothing here unless it is all there is."""
    v4 = finder(network(), routed=lambda address: ":" not in address)
    assert (await v4.host("mx.new.test.")).addresses == ("198.51.100.1", "198.51.100.2")
    table = network()
    table.answers[NEW, "mx.new.test.", "A"] = said(aa=True)
    assert (await finder(table, routed=lambda a: ":" not in a).host("mx.new.test.")).addresses == ("2001:db8::1",)


@pytest.mark.parametrize(
    "referral",
    [
        refers("test.", "ns.nic.test.", TLD),  # to itself
        refers(".", "a.root.", ROOT),  # upwards
        refers("victim.test.", "ns.victim.test.", NEW),  # sideways
        said(),  # nowhere
        said(rcode="REFUSED"),
    ],
)
async def test_a_way_that_does_not_lead_down_is_not_gone(referral):
    table = network()
    table.answers[TLD, "mx.new.test.", "A"] = referral
    got = await finder(table).host("mx.new.test.")
    assert (got.asked, got.problem) == (False, "no authority of mx.new.test. answered")
    assert not table.told(NEW)


async def test_a_circle_of_aliases_ends():
    table = network()
    for rdtype in ("A", "AAAA"):
        table.answers[NEW, "mx.new.test.", rdtype] = said(("mx.new.test.", 5, "CNAME", "www.new.test."), aa=True)
        table.answers[NEW, "www.new.test.", rdtype] = said(("www.new.test.", 5, "CNAME", "mx.new.test."), aa=True)
    got = await finder(table).host("mx.new.test.")
    assert (got.addresses, got.asked, got.problem) == ((), True, "more than 8 aliases, or a circle of them")


async def test_no_root_is_no_answer():
    got = await finder(Table({})).host("mx.new.test.")
    assert (got.asked, got.addresses) == (False, ())
    assert not (await HostFinder(Table({}), []).host("mx.new.test.")).asked


async def test_a_root_that_nobody_reaches_is_tried_once():
    table = network()
    for name in ("mx.new.test.", "www.new.test."):
        table.answers[ROOT, name, "A"] = NoReply("no answer in 3 tries")
    find = finder(table)
    assert not (await find.host("mx.new.test.")).asked
    before = len(table.asked)
    assert not (await find.host("www.new.test.")).asked
    assert len(table.asked) == before


@pytest.mark.parametrize("slow", [(), ("192.0.2.19",)])
async def test_the_next_server_is_asked_when_one_is_dead_or_slow(slow, monkeypatch):
    monkeypatch.setattr(first, "STAGGER", 0.01)
    table = network()
    table.slow = slow
    two = said(
        authority=[("new.test.", 60, "NS", "a.new.test.", "b.new.test.")],
        additional=[("a.new.test.", 60, "A", "192.0.2.19"), ("b.new.test.", 60, "A", NEW)],
    )
    table.answers[TLD, "mx.new.test.", "A"] = two
    assert (await finder(table).host("mx.new.test.")).ttl == 900
    assert ("mx.new.test.", "A") in table.told("192.0.2.19")


async def test_zones_of_the_plan_are_asked_at_their_servers():
    """Even below a delegation in them, and in both views of a name until one has something."""
    known = [("new.test.", [Endpoint("a", "10.0.0.2")]), ("new.test.", [Endpoint("b", "10.0.0.3")])]
    nothing = said(aa=True, rcode="NXDOMAIN")
    table = Table({("10.0.0.2", "mx.new.test.", t): nothing for t in ("A", "AAAA")})
    table.answers["10.0.0.3", "mx.new.test.", "A"] = said(("mx.new.test.", 60, "A", "10.1.1.1"), aa=True)
    table.answers["10.0.0.3", "mx.new.test.", "AAAA"] = said(aa=True)
    assert (await finder(table, known).host("mx.new.test.")).addresses == ("10.1.1.1",)
    table.answers["10.0.0.2", "x.sub.new.test.", "A"] = refers("sub.new.test.", "ns.sub.new.test.", "10.0.0.4")
    table.answers["10.0.0.4", "x.sub.new.test.", "A"] = said(("x.sub.new.test.", 60, "A", "10.1.1.2"), aa=True)
    assert (await finder(table, known).host("x.sub.new.test.")).addresses == ("10.1.1.2",)
    assert not table.told(RECURSIVE.address)


async def test_a_zone_of_the_plan_without_servers_is_nobody_elses_business():
    table = network()
    assert not (await finder(table, [("new.test.", ())]).host("mx.new.test.")).asked
    assert table.asked == []


async def test_one_answer_at_the_end_of_aliases():
    table = network()
    table.answers[NEW, "www.new.test.", "CAA"] = said(("www.new.test.", 30, "CNAME", "edge.cdn.test."), aa=True)
    table.answers[EDGE, "edge.cdn.test.", "CAA"] = said(("edge.cdn.test.", 60, "CAA", '0 issue "ca.test"'), aa=True)
    find = finder(table)
    name, reply = await find.answer("www.new.test.", "CAA")
    assert name == "edge.cdn.test."
    assert reply.find(name, "CAA").values == ('0 issue "ca.test"',)
    assert await find.answer("mx.new.test.", "CAA") is None
    table.answers[EDGE, "edge.cdn.test.", "CAA"] = said(("edge.cdn.test.", 30, "CNAME", "www.new.test."), aa=True)
    assert await find.answer("www.new.test.", "CAA") is None


async def test_one_host_by_the_short_way():
    known = {"new.test.": [Endpoint("ns", NEW)]}
    got = await host_addresses(network(), "mx.new.test.", [], known, lambda address: True)
    assert got.addresses[0] == "198.51.100.1"
