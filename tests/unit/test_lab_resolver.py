"""Caching resolvers: TTLs count down and are clamped, absence is cached, aliases are followed, stale answers say so."""

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from test_lookup_scripted import ManualClock, Scripted, answer

from dns_cutover.lab.cache import Cache, Clamps
from dns_cutover.lab.client import OneTry
from dns_cutover.lab.resolver import Resolver, Stale
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion

ZONE = "example.test."
TEXT = """\
@ 3600 IN SOA ns host 1 7200 900 1209600 300
@ 3600 IN NS ns
ns 3600 IN A 127.0.0.1
www 60 IN A 192.0.2.1
zero 0 IN A 192.0.2.9
alias 30 IN CNAME www
deep 90 IN CNAME alias
away 90 IN CNAME www.other.test.
loop 60 IN CNAME loop
big 60 IN TXT {big}
sub 60 IN NS ns.sub
""".format(big=" ".join(f'"{n}{"x" * 200}"' for n in range(10)))
OTHER = "@ 60 IN SOA ns host 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\nwww 20 IN A 192.0.2.77\n"


class World:
    def __init__(self, **more):
        self.clock = ManualClock()
        self.servers = [Authoritative(f"ns{n}", ZoneVersion.from_text(ZONE, TEXT)) for n in (1, 2)]
        self.other = Authoritative("other", ZoneVersion.from_text("other.test.", OTHER))
        self.more = more

    def publish(self, text):
        for server in self.servers:
            server.publish(ZoneVersion.from_text(ZONE, text))

    async def ask(self, name, rdtype="A", flags=dns.flags.RD, **more):
        query = dns.message.make_query(name if name.endswith(".") else f"{name}.{ZONE}", rdtype, flags=flags, **more)
        return await dns.asyncquery.udp(query, "127.0.0.1", port=self.cache.port, timeout=10)

    async def seen(self, name, rdtype="A"):
        """(rcode, [(type, ttl)…]) of an answer, or of the SOA of a negative one."""
        got = await self.ask(name, rdtype)
        shown = got.answer or got.authority
        return dns.rcode.to_text(got.rcode()), [(dns.rdatatype.to_text(r.rdtype), r.ttl) for r in shown]

    def upstream(self):
        return sum(s.queries for s in (*self.servers, self.other))


@asynccontextmanager
async def world(**more):
    made = World()
    async with AsyncExitStack() as stack:
        for server in (*made.servers, made.other):
            await server.start()
            stack.push_async_callback(server.stop)
        delegations = {ZONE: tuple(s.endpoint for s in made.servers), "other.test.": (made.other.endpoint,)}
        made.cache = Resolver("cache", delegations, made.clock, OneTry(), random.Random(1), **more)
        await made.cache.start()
        stack.push_async_callback(made.cache.stop)
        yield made


async def test_the_ttl_counts_down_to_the_second_and_the_answer_dies_with_it():
    async with world() as w:
        assert await w.seen("www") == ("NOERROR", [("A", 60)])
        for passed, left in ((0.0, 60), (0.9, 60), (0.1, 59), (58.9, 1)):
            w.clock.time += passed
            assert await w.seen("www") == ("NOERROR", [("A", left)])
        assert w.upstream() == 1
        w.publish(TEXT.replace("192.0.2.1\n", "192.0.2.2\n"))
        assert (await w.ask("www")).answer[0][0].address == "192.0.2.1"
        w.clock.time += 0.1
        got = await w.ask("www")
        assert (got.answer[0][0].address, got.answer[0].ttl) == ("192.0.2.2", 60)
        assert w.upstream() == 2


async def test_an_answer_is_that_of_a_resolver():
    async with world() as w:
        for _ in range(2):
            got = await w.ask("WWW")
            assert got.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
            assert got.question[0].name.labels[0] == b"WWW"


@pytest.mark.parametrize(
    ("clamps", "name", "left"),
    [
        (Clamps(minimum=100), "www", 100),
        (Clamps(maximum=40), "www", 40),
        (Clamps(minimum=5), "zero", 5),
        (Clamps(), "zero", 0),
    ],
)
async def test_clamps(clamps, name, left):
    async with world(clamps=clamps) as w:
        assert await w.seen(name) == ("NOERROR", [("A", left)])
        asked = w.upstream()
        w.clock.time += max(0, left - 1)
        assert await w.seen(name) == ("NOERROR", [("A", min(left, 1))])
        assert w.upstream() == asked + (left == 0)
        w.clock.time += 1
        await w.seen(name)
        assert w.upstream() == asked + 1 + (left == 0)


@pytest.mark.parametrize(
    ("clamps", "life"), [(Clamps(), 300), (Clamps(negative=50), 50), (Clamps(negative_minimum=400), 400)]
)
@pytest.mark.parametrize(("name", "rcode"), [("missing", "NXDOMAIN"), ("www", "NOERROR")])
async def test_absence_is_cached_for_the_soas_minimum(name, rcode, clamps, life):
    async with world(clamps=clamps) as w:
        assert await w.seen(name, "MX") == (rcode, [("SOA", life)])
        w.publish(TEXT + f"{name} 60 IN MX 10 mx\n")
        w.clock.time += life - 1
        assert await w.seen(name, "MX") == (rcode, [("SOA", 1)])
        w.clock.time += 1
        assert await w.seen(name, "MX") == ("NOERROR", [("MX", 60)])


async def test_a_name_that_is_not_there_has_no_type_and_nothing_under_it():
    async with world() as w:
        await w.seen("missing", "A")
        assert (await w.seen("missing", "MX"))[0] == "NXDOMAIN"
        assert (await w.seen("below.missing", "A"))[0] == "NXDOMAIN"
        assert w.upstream() == 1


def test_the_cut_of_rfc_8020_can_be_left_out():
    cache = Cache(Clamps(), cut=False)
    assert cache.find(f"below.missing.{ZONE}", "A", 0) is None


async def test_each_part_of_a_chain_has_its_own_life():
    async with world() as w:
        assert await w.seen("deep") == ("NOERROR", [("CNAME", 90), ("CNAME", 30), ("A", 60)])
        assert w.upstream() == 1
        w.clock.time += 40
        # The alias is fetched anew, and its answer brings the address along.
        assert await w.seen("deep") == ("NOERROR", [("CNAME", 50), ("CNAME", 30), ("A", 60)])
        w.clock.time += 20
        assert await w.seen("www") == ("NOERROR", [("A", 40)])
        assert w.upstream() == 2
        w.clock.time -= 20
        assert await w.seen("alias", "CNAME") == ("NOERROR", [("CNAME", 30)])
        assert await w.seen("alias", "TXT") == ("NOERROR", [("CNAME", 30)])


async def test_an_alias_into_another_zone_is_followed():
    async with world() as w:
        assert await w.seen("away") == ("NOERROR", [("CNAME", 90), ("A", 20)])
        assert (await w.seen("away", "TXT"))[1][0] == ("CNAME", 90)
        assert w.other.queries == 2


@pytest.mark.parametrize("name", ["loop", "nobody.example.", "sub", "x.sub"])
async def test_what_cannot_be_resolved_is_servfail(name):
    async with world() as w:
        assert (await w.ask(name)).rcode() == dns.rcode.SERVFAIL
        asked = w.upstream()
        assert (await w.ask(name)).rcode() == dns.rcode.SERVFAIL
        assert w.upstream() == asked  # remembered for a while


async def test_answers_that_do_not_fit_come_over_tcp():
    async with world() as w:
        assert (await w.ask("big", "TXT")).flags & dns.flags.TC
        query = dns.message.make_query(f"big.{ZONE}", "TXT")
        got = await dns.asyncquery.tcp(query, "127.0.0.1", port=w.cache.port, timeout=10)
        assert len(got.answer[0][0].strings) == 10


async def test_both_servers_are_asked_and_a_dead_one_is_avoided():
    async with world() as w:
        for _ in range(40):
            w.clock.time += 100
            await w.seen("www")
        assert min(s.queries for s in w.servers) > 5
        await w.servers[1].stop()
        before = w.servers[0].queries
        for _ in range(10):
            w.clock.time += 60
            assert (await w.seen("www"))[0] == "NOERROR"
        assert w.servers[0].queries - before == 10


async def test_many_who_wait_for_the_same_cost_one_question():
    async with world() as w:
        for server in w.servers:
            server.faults.delay = 0.05
        got = await asyncio.gather(*(w.ask("www") for _ in range(10)))
        assert {g.answer[0].ttl for g in got} == {60}
        assert w.upstream() == 1


async def test_a_violator_keeps_answers_longer():
    async with world(stretch=3.0) as w:
        await w.seen("www")
        w.publish(TEXT.replace("192.0.2.1\n", "192.0.2.2\n"))
        w.clock.time += 179
        assert (await w.ask("www")).answer[0][0].address == "192.0.2.1"
        w.clock.time += 1
        assert (await w.ask("www")).answer[0][0].address == "192.0.2.2"


async def silence(w):
    for server in w.servers:
        await server.stop()


async def test_stale_answers_when_no_server_answers():
    async with world(stale=Stale(max_age=1000)) as w:
        await w.seen("www")
        await silence(w)
        w.clock.time += 500
        for _ in range(2):
            got = await w.ask("www", use_edns=0)
            assert (got.answer[0].ttl, [int(o.code) for o in got.options]) == (30, [3])
        w.clock.time += 600
        assert (await w.ask("www")).rcode() == dns.rcode.SERVFAIL
        for server in w.servers:
            await server.start()
        w.clock.time += 5
        assert await w.seen("www") == ("NOERROR", [("A", 60)])


async def test_stale_answers_without_a_word_and_none_where_it_is_off():
    async with world(stale=Stale(ttl=3, ede=False)) as w:
        await w.seen("www")
        await silence(w)
        w.clock.time += 60
        got = await w.ask("www", use_edns=0)
        assert (got.answer[0].ttl, got.options) == (3, ())
    async with world() as w:
        await w.seen("www")
        await silence(w)
        w.clock.time += 60
        assert (await w.ask("www")).rcode() == dns.rcode.SERVFAIL


async def test_one_stale_answer_comes_first_where_that_is_the_policy():
    async with world(stale=Stale(at_once=True)) as w:
        await w.seen("www")
        w.publish(TEXT.replace("192.0.2.1\n", "192.0.2.2\n"))
        w.clock.time += 60
        got = await w.ask("www")
        assert (got.answer[0][0].address, got.answer[0].ttl) == ("192.0.2.1", 30)
        while (got := await w.ask("www")).answer[0].ttl == 30:
            await asyncio.sleep(0)
        assert (got.answer[0][0].address, got.answer[0].ttl) == ("192.0.2.2", 60)


async def test_nsid_tells_caches_apart():
    async with world(nsid="cache-7") as w:
        option = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
        for _ in range(2):
            assert [o.nsid for o in (await w.ask("www", options=[option])).options] == [b"cache-7"]
        assert (await w.ask("www", use_edns=0)).options == ()


async def test_a_flushed_cache_asks_again():
    async with world() as w:
        await w.seen("www")
        w.cache.flush()
        w.clock.time += 10
        assert await w.seen("www") == ("NOERROR", [("A", 60)])


async def test_what_is_no_recursive_question_is_refused():
    async with world() as w:
        assert (await w.ask("www", flags=0)).rcode() == dns.rcode.REFUSED
        assert (await w.ask("www", rdtype="ANY")).rcode() == dns.rcode.NOTIMP
        assert (await w.ask("www", use_edns=1)).rcode() == dns.rcode.BADVERS
        for opcode, rcode in ((dns.opcode.NOTIFY, dns.rcode.NOTIMP), (dns.opcode.QUERY, dns.rcode.FORMERR)):
            query = dns.message.Message() if opcode == dns.opcode.NOTIFY else dns.message.QueryMessage()
            query.set_opcode(opcode)
            got = await dns.asyncquery.udp(query, "127.0.0.1", port=w.cache.port, timeout=5)
            assert got.rcode() == rcode
        assert await w.cache.respond(b"\x00" * 11, tcp=False) == ()
        assert (await w.cache.respond(b"\x00" * 4 + b"\x00\x01" + b"\x00" * 6, tcp=False))[0][3] == dns.rcode.FORMERR
        assert w.upstream() == 0


async def test_absence_without_a_soa_is_not_kept_and_foreign_data_not_believed():
    chain = [("x.example.test.", 60, "CNAME", "www.other.test."), ("www.other.test.", 60, "A", "192.0.2.66")]
    answers = [lambda q: answer(q), lambda q: answer(q, *chain)]
    async with Scripted(udp=lambda q: [answers.pop(0)(q)]) as script, world() as w:
        w.cache = Resolver(
            "c",
            {ZONE: (script.endpoint,), "other.test.": (w.other.endpoint,)},
            w.clock,
            OneTry(),
            random.Random(1),
        )
        await w.cache.start()
        try:
            assert await w.seen("x") == ("NOERROR", [])
            got = await w.ask("x")
            assert got.answer[1][0].address == "192.0.2.77"
        finally:
            await w.cache.stop()
