"""What authoritative servers say, over both transports, and what of it can be used."""

import dns.name
import pytest
from test_lookup_scripted import ManualClock, Scripted, answer

from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.answer import NoReply, Reply, Section
from dns_cutover.lookup.authoritative import AuthoritativeAsker, Problem, ask_all, ask_server, judge, serial_newer
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.records import RRset, RRsetKey

ZONE = "example.test."
SOA = "ns. host. 7 7200 900 1209600 300"
WWW = RRsetKey("z", f"www.{ZONE}", "A")
SHORT = Timeouts(udp=0.05, tcp=0.3)


def reply(*records, rcode="NOERROR", aa=True, authority=()):
    def sections(items):
        return tuple(Section(owner, rdtype, RRset.of(rdtype, ttl, *values)) for owner, ttl, rdtype, *values in items)

    return Reply(rcode, aa, sections(records), sections(authority), (), (), "", 0.0, False)


NEGATIVE = [(ZONE, 300, "SOA", SOA)]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (reply((WWW.owner, 60, "A", "192.0.2.1")), RRset(60, ("192.0.2.1",))),
        (reply(authority=NEGATIVE), None),
        (reply(rcode="NXDOMAIN", authority=NEGATIVE), None),
        (reply(rcode="NXDOMAIN"), None),
        (reply((WWW.owner, 60, "CNAME", "web.example.test."), ("web.example.test.", 60, "A", "192.0.2.9")), None),
        (reply((WWW.owner, 60, "CNAME", "gone.example.test."), rcode="NXDOMAIN", authority=NEGATIVE), None),
        (reply((ZONE, 60, "DNAME", "other.test."), (WWW.owner, 60, "CNAME", "www.other.test.")), None),
        (reply(rcode="SERVFAIL", aa=False), Problem("answers SERVFAIL", wrong=True)),
        (reply(rcode="REFUSED", aa=False), Problem("answers REFUSED", wrong=True)),
        (NoReply("no answer in 3 tries"), Problem("no answer in 3 tries", wrong=False)),
        (NoReply("an answer that is no DNS message", wrong=True), Problem("an answer that is no DNS message", True)),
        (
            reply((WWW.owner, 60, "A", "192.0.2.1"), aa=False),
            Problem("is not authoritative for the zone (lame)", wrong=True),
        ),
        (
            reply(aa=False, authority=[("test.", 60, "NS", "ns.test.")]),
            Problem("is not authoritative for the zone (lame)", wrong=True),
        ),
        (
            reply(aa=False, authority=[(ZONE, 60, "NS", "ns.test.")]),
            Problem("is not authoritative for the zone (lame)", wrong=True),
        ),
        (
            reply(aa=False, authority=[(WWW.owner, 60, "NS", "ns.test.")]),
            Problem(f"refers to {WWW.owner}: the name lies below a zone cut", wrong=True),
        ),
        (
            reply(rcode="NXDOMAIN", authority=[("test.", 300, "SOA", SOA)]),
            Problem("answers for the zone test. instead", wrong=True),
        ),
        (
            reply(("evil.test.", 60, "A", "203.0.113.66")),
            Problem("answers something else than it was asked", wrong=True),
        ),
    ],
)
def test_an_authoritative_answer_is_an_rrset_absence_or_a_problem(outcome, expected):
    assert judge(outcome, ZONE, WWW) == expected


def test_the_type_cname_is_asked_for_itself():
    alias = RRsetKey("z", WWW.owner, "CNAME")
    outcome = reply((WWW.owner, 60, "CNAME", "web.example.test."))
    assert judge(outcome, ZONE, alias) == RRset(60, ("web.example.test.",))


def test_the_ns_of_a_cut_is_the_referral_of_the_parent():
    cut = RRsetKey("z", f"sub.{ZONE}", "NS")
    outcome = reply(aa=False, authority=[(cut.owner, 3600, "NS", "ns1.sub.example.test.")])
    assert judge(outcome, ZONE, cut) == RRset(3600, ("ns1.sub.example.test.",))
    below = RRsetKey("z", f"deep.sub.{ZONE}", "NS")
    assert isinstance(judge(outcome, ZONE, below), Problem)


@pytest.mark.parametrize(
    ("a", "b", "newer"), [(2, 1, True), (1, 2, False), (1, 1, False), (0, 2**32 - 1, True), (2**31, 0, False)]
)
def test_serials_compare_around_the_circle(a, b, newer):
    assert serial_newer(a, b) is newer


def zone_answers(addresses=("192.0.2.1",), serial=7):
    """SOA at the apex, an A at www, else NODATA there and NXDOMAIN elsewhere."""

    def respond(query):
        owner, rdtype = query.question[0].name.to_text(), query.question[0].rdtype
        soa = (ZONE, 300, "SOA", SOA.replace(" 7 ", f" {serial} "))
        if rdtype == 6 and owner == ZONE:
            return [answer(query, soa)]
        if rdtype == 1 and owner == WWW.owner:
            return [answer(query, (WWW.owner, 60, "A", *addresses))]
        rcode = "NOERROR" if owner in (ZONE, WWW.owner) else "NXDOMAIN"
        return [answer(query, rcode=rcode, authority=[soa])]

    return respond


async def view(server, *keys, timeouts=None):
    return await ask_server(Asker(timeouts), "z", ZONE, server.endpoint, keys)


MX = RRsetKey("z", ZONE, "MX")


async def test_a_server_that_says_the_same_over_both_transports_has_a_view():
    async with Scripted(udp=zone_answers(), tcp=zone_answers()) as server:
        got = await view(server, WWW, MX)
        assert len({port for kind, _, port in server.seen if kind == "tcp"}) == 1
        # Three questions over each, and one for a wildcard beside the name.
        assert (server.count("udp"), server.count("tcp")) == (4, 3)
    assert (got.problem, got.wrong, got.serial) == ("", False, 7)
    assert got.rrsets == {WWW: RRset(60, ("192.0.2.1",)), MX: None}


async def test_udp_and_tcp_must_agree():
    async with Scripted(udp=zone_answers(), tcp=zone_answers(("192.0.2.2",))) as server:
        got = await view(server, WWW)
    assert got.wrong
    assert got.problem == f"{WWW.owner} A is 192.0.2.1 over UDP and 192.0.2.2 over TCP"


async def test_a_zone_that_changes_between_the_two_is_asked_once_more():
    old, new = zone_answers(), zone_answers(("192.0.2.2",))
    async with Scripted(udp=lambda q: (new if server.count("udp") > 2 else old)(q), tcp=new) as server:
        got = await view(server, WWW)
    assert got.problem == ""
    assert got.rrsets == {WWW: RRset(60, ("192.0.2.2",))}


async def test_a_server_without_tcp_has_a_problem_and_keeps_what_it_said():
    async with Scripted(udp=zone_answers()) as server:
        got = await view(server, WWW)
    assert (got.problem, got.wrong) == ("TCP: port unreachable", False)
    assert got.rrsets == {WWW: RRset(60, ("192.0.2.1",))}


async def test_a_dead_server_costs_three_questions_whatever_is_asked():
    async with Scripted() as server:
        got = await view(server, WWW, MX, timeouts=SHORT)
        assert len(server.seen) == 3
    assert (got.problem, got.wrong, got.rrsets) == ("no answer in 3 tries", False, {})


@pytest.mark.parametrize(
    ("respond", "problem"),
    [
        (lambda q: [answer(q, rcode="REFUSED", aa=False)], "answers REFUSED"),
        (
            lambda q: [answer(q, aa=False, authority=[("test.", 60, "NS", "ns.test.")])],
            "is not authoritative for the zone (lame)",
        ),
        (lambda q: [answer(q)], "is not authoritative for the zone (no SOA)"),
    ],
)
async def test_a_lame_server_is_wrong(respond, problem):
    async with Scripted(udp=respond, tcp=respond) as server:
        got = await view(server, WWW)
    assert (got.problem, got.wrong, got.rrsets) == (problem, True, {})


async def test_one_rrset_that_fails_leaves_the_others():
    def respond(query):
        if query.question[0].name == dns.name.from_text(WWW.owner):
            return [answer(query, rcode="SERVFAIL", aa=False)]
        return zone_answers()(query)

    async with Scripted(udp=respond, tcp=respond) as server:
        got = await view(server, WWW, MX)
    assert (got.problem, got.wrong, got.rrsets) == ("answers SERVFAIL", True, {MX: None})


async def test_a_round_asks_every_server_of_every_zone_for_its_own_keys():
    text = "@ 300 IN SOA ns host 9 2 3 4 60\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\nwww 60 IN A 192.0.2.7\n"
    servers = [Authoritative(f"ns{n}", ZoneVersion.from_text(ZONE, text)) for n in range(2)]
    other = Authoritative("other", ZoneVersion.from_text("other.test.", text))
    for server in (*servers, other):
        await server.start()
    zones = {
        "a": (ZONE, tuple(s.endpoint for s in servers)),
        "b": ("other.test.", (other.endpoint,)),
        "unused": ("x.test.", (other.endpoint,)),
    }
    keys = [RRsetKey("a", WWW.owner, "A"), RRsetKey("b", "www.other.test.", "A"), RRsetKey("a", WWW.owner, "A")]
    clock = ManualClock(5.0)
    got = await ask_all(Asker(), zones, keys, clock)
    again = await AuthoritativeAsker(Asker(), zones, clock).authoritative(keys)
    for server in (*servers, other):
        await server.stop()
    assert got == again
    assert got.at == 5.0
    assert [(v.zone, v.server.name, v.problem, v.serial) for v in got.views] == [
        ("a", "ns0", "", 9),
        ("a", "ns1", "", 9),
        ("b", "other", "", 9),
    ]
    assert all(list(v.rrsets.values()) == [RRset(60, ("192.0.2.7",))] for v in got.views)


WILD = """\
@ 300 IN SOA ns host 9 2 3 4 60
@ 300 IN NS ns
ns 300 IN A 127.0.0.1
* 90 IN A 192.0.2.3
same 90 IN A 192.0.2.3
own 90 IN A 192.0.2.4
ent.a 60 IN A 192.0.2.5
"""


async def test_what_a_wildcard_gives_is_absence_in_the_zone():
    server = Authoritative("ns", ZoneVersion.from_text(ZONE, WILD))
    await server.start()
    keys = {name: RRsetKey("z", f"{name}.{ZONE}", "A") for name in ("any", "same", "own", "deep.any", "*", "a", "x.a")}
    got = await ask_server(Asker(), "z", ZONE, server.endpoint, list(keys.values()))
    await server.stop()
    assert got.problem == ""
    wild = RRset(90, ("192.0.2.3",))
    assert got.synthesised == {keys["any"]: wild, keys["deep.any"]: wild}
    assert {name: got.rrsets[key] for name, key in keys.items()} == {
        "any": None,
        "deep.any": None,
        "same": wild,
        "own": RRset(90, ("192.0.2.4",)),
        "*": wild,
        "a": None,
        "x.a": None,
    }


async def test_a_server_whose_wildcards_reach_too_far_hides_no_name_of_its_own():
    """Every name below the apex gets the wildcard's answer, also under names that exist (against RFC 4592)."""

    def respond(query):
        owner = query.question[0].name.to_text()
        if owner == ZONE:
            return zone_answers()(query)
        return [answer(query, (owner, 60, "A", "192.0.2.1" if owner == WWW.owner else "192.0.2.3"))]

    async with Scripted(udp=respond, tcp=respond) as server:
        got = await view(server, WWW)
    assert (got.rrsets, got.synthesised) == ({WWW: RRset(60, ("192.0.2.1",))}, {})
