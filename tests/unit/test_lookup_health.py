"""How servers take TCP and EDNS: what a sound server does is no fault, and each fault has its words."""

import dns.edns
import dns.message
import dns.rcode
import pytest
from test_lookup_scripted import Scripted, answer

from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.authoritative import ask_server
from dns_cutover.lookup.health import servers_health
from dns_cutover.lookup.interface import Fault, ServerView
from dns_cutover.lookup.question import Asker, Timeouts

ZONE = "example.test."
SOA = (ZONE, 60, "SOA", "ns1.example.test. host.example.test. 1 7200 900 1209600 300")
QUICK = Timeouts(udp=0.05, tcp=0.1)


def sound(query):
    response = answer(query, SOA)
    if query.edns >= 0:
        response.use_edns(0)
    if query.edns > 0:
        response.set_rcode(dns.rcode.BADVERS)  # its upper bits are in the OPT record
    return [response]


def without_edns(query):
    plain = dns.message.make_query(query.question[0].name, query.question[0].rdtype)
    plain.id = query.id
    return [answer(plain, SOA)]


def option(query):
    return any(o.otype == 100 for o in query.options)


def echo(query):
    (response,) = sound(query)
    if option(query):
        response.use_edns(0, options=[dns.edns.GenericOption(100, b"")])
    return [response]


async def edns(udp):
    async with Scripted(udp=udp) as server:
        view = ServerView("z", server.endpoint, {}, 1)
        (got,) = await servers_health(Asker(QUICK), [view], {"z": ZONE})
        return got.edns, server.count("udp")


@pytest.mark.parametrize(
    ("udp", "fault", "questions"),
    [
        (sound, "", 2),
        (without_edns, "", 2),  # a server that ignores EDNS altogether disturbs nobody
        (
            lambda q: [answer(q, rcode="FORMERR")] if q.edns >= 0 else sound(q),
            "a question with EDNS gets FORMERR",
            3,
        ),
        (
            lambda q: [answer(q, rcode="FORMERR")] if option(q) else sound(q),
            "a question with an unknown EDNS option gets FORMERR",
            3,
        ),
        (
            lambda q: [] if option(q) else sound(q),
            "a question with an unknown EDNS option gets no answer",
            5,
        ),
        (echo, "an unknown EDNS option is sent back", 2),
        (
            lambda q: [answer(q, SOA, options=[dns.edns.NSIDOption(b"x")])] if q.edns == 100 else sound(q),
            "a question with an unknown EDNS version gets NOERROR instead of BADVERS",
            2,
        ),
        (
            lambda q: [] if q.edns == 100 else sound(q),
            "a question with an unknown EDNS version gets no answer",
            4,
        ),
    ],
)
async def test_edns(udp, fault, questions):
    assert await edns(udp) == (fault, questions)


async def test_one_lost_datagram_is_no_fault():
    lost = []

    def udp(query):
        if option(query) and not lost:
            lost.append(query)
            return []
        return sound(query)

    assert await edns(udp) == ("", 3)


async def test_the_labs_server_is_sound():
    text = f"@ 60 IN SOA {SOA[3]}\n@ 60 IN NS ns1\nns1 60 IN A 127.0.0.1\n"
    server = Authoritative("ns1", ZoneVersion.from_text(ZONE, text))
    await server.start()
    try:
        view = await ask_server(Asker(QUICK), "z", ZONE, server.endpoint, [])
        (got,) = await servers_health(Asker(QUICK), [view], {"z": ZONE})
    finally:
        await server.stop()
    assert (view.fault, got.tcp, got.edns) == (Fault.NONE, "", "")


async def test_a_server_of_several_zones_is_tried_once():
    async with Scripted(udp=sound) as server:
        views = [ServerView(ref, server.endpoint, {}, 1) for ref in ("a", "b", "c")]
        got = await servers_health(Asker(QUICK), views, dict.fromkeys(("a", "b", "c"), ZONE))
        assert server.count("udp") == 2
    assert [(h.zone, h.server, h.edns) for h in got] == [(ref, server.endpoint, "") for ref in ("a", "b", "c")]


async def test_tcp_that_is_closed_is_the_servers_only_fault():
    async with Scripted(udp=sound) as server:
        view = await ask_server(Asker(QUICK), "z", ZONE, server.endpoint, [])
        (got,) = await servers_health(Asker(QUICK), [view], {"z": ZONE})
    assert (view.fault, view.problem, view.wrong) == (Fault.TCP, "TCP: port unreachable", False)
    assert (got.tcp, got.edns) == ("port unreachable", "")


@pytest.mark.parametrize(
    ("udp", "fault", "edns_fault"),
    [
        (lambda q: [], Fault.SILENT, ""),
        (lambda q: sound(q) if q.edns < 0 else [], Fault.SILENT, "it answers only questions without EDNS"),
        (lambda q: [answer(q, rcode="REFUSED", aa=False)], Fault.REFUSES, ""),
        (lambda q: [answer(q, SOA, aa=False)], Fault.NO_AUTHORITY, ""),
        (lambda q: [b"garbage, and more than twelve"], Fault.WRONG, ""),
    ],
)
async def test_a_server_that_cannot_be_used_has_a_kind_of_fault(udp, fault, edns_fault):
    async with Scripted(udp=udp) as server:
        view = await ask_server(Asker(QUICK), "z", ZONE, server.endpoint, [])
        (got,) = await servers_health(Asker(QUICK), [view], {"z": ZONE})
    assert (view.fault, got.tcp, got.edns) == (fault, "", edns_fault)
