"""The whole lab: scaled time, services that break, users who measure tails, and the product's own parts on it."""

import asyncio
import random
import time

import httpcore
import pytest
from test_lookup_scripted import Scripted, a_record, answer

from dns_cutover.lab.cache import Clamps
from dns_cutover.lab.client import OneTry
from dns_cutover.lab.clock import ScaledClock
from dns_cutover.lab.sampler import Sample, Sampler
from dns_cutover.lab.services import MailGreeter, WebServer
from dns_cutover.lab.world import KEY_SECRET, LabWorld, parent_of
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker
from dns_cutover.providers.rfc2136.transport import DnsTransport, TsigKey
from dns_cutover.providers.rfc2136.update import EditOp, Prereq, UpdateSpec
from dns_cutover.providers.secret import Secret
from dns_cutover.records import RRset

ZONE = "example.test."
MX = (ZONE, "MX")


# -- time -------------------------------------------------------------------------------------------------------


async def test_lab_time_runs_at_its_factor():
    clock = ScaledClock(100.0, start=5000.0)
    real = time.monotonic()
    lab = clock.now()
    assert 5000.0 <= lab < 5100.0
    await clock.sleep_until(lab + 3.0)
    passed, took = clock.now() - lab, time.monotonic() - real
    assert passed >= 3.0
    assert took >= 0.03
    assert passed <= took * 100.0
    await clock.sleep_until(lab)  # has passed
    clock.bound(-400.0)
    assert clock.now() >= lab + 3.0


async def test_at_factor_one_lab_time_is_real_time():
    before = time.time()
    clock = ScaledClock()
    assert before - 0.01 <= clock.now() <= time.time() + 0.01
    began = time.monotonic()
    await clock.sleep_until(clock.now() + 0.02)
    assert time.monotonic() - began >= 0.02


async def test_many_sleepers_wake_in_their_order():
    clock, woken = ScaledClock(1000.0, start=0.0), []

    async def sleeper(when):
        await clock.sleep_until(when)
        assert clock.now() >= when
        woken.append(when)

    await asyncio.gather(*(sleeper(w) for w in (60.0, 20.0, 40.0)))
    assert woken == [20.0, 40.0, 60.0]


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_time_that_stands_still_is_no_clock(factor):
    with pytest.raises(ValueError, match="forward"):
        ScaledClock(factor)


# -- services ---------------------------------------------------------------------------------------------------


async def talk(port, *lines):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = [await reader.readline()]
    for line in lines:
        writer.write(line.encode() + b"\r\n")
        got.append(await reader.readline())
    rest = await reader.read() if not lines or lines[-1] == "QUIT" else b""
    writer.close()
    return [g.decode().strip() for g in got], rest


async def test_a_mail_greeter_greets_and_breaks():
    greeter = MailGreeter("mx.test")
    await greeter.start()
    port = greeter.port
    lines, rest = await talk(port, "EHLO me", "MAIL FROM:<>", "QUIT")
    assert [line[:3] for line in lines] == ["220", "250", "502", "221"]
    assert (lines[0], rest) == ("220 mx.test ESMTP", b"")
    greeter.break_()
    assert (await talk(port))[0][0].startswith("421 ")
    greeter.break_("silent")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"EHLO me\r\n")
    silent = asyncio.ensure_future(reader.read())
    greeter.repair()
    assert (await talk(port, "QUIT"))[0][0].startswith("220 ")
    assert not silent.done()
    await greeter.stop()  # which ends the silent connection
    assert await asyncio.gather(silent, return_exceptions=True)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await greeter.start()
    assert (greeter.port, greeter.endpoint) == (port, Endpoint("mx.test", "127.0.0.1", port, "tcp"))
    assert (await talk(port, "QUIT"))[0][0].startswith("220 ")
    await greeter.stop()


async def test_a_web_server_answers_what_it_is_told():
    server = WebServer("www.test", body="blue\n")
    await server.start()
    url = f"http://127.0.0.1:{server.port}/"
    async with httpcore.AsyncConnectionPool() as client:
        got = await client.request("GET", url)
        assert (got.status, got.content) == (200, b"blue\n")
        assert (await client.request("HEAD", url)).content == b""
        server.status, server.body = 500, "wrong"
        assert (await client.request("GET", url)).status == 500
        server.break_()
        assert (await client.request("GET", url)).status == 503
    assert server.connections == 4
    await server.stop()


# -- users ------------------------------------------------------------------------------------------------------


def sample(asked, values, who="r1", question=MX, rcode="NOERROR", ttl=60):
    return Sample(asked, asked + 0.5, who, question, rcode, values, ttl)


def test_a_tail_ends_with_the_last_old_answer_before_the_next_change():
    sampler = Sampler(ScaledClock(), random.Random(1))
    old, new = ("10 old.test.",), ("10 new.test.",)
    sampler.samples += [
        sample(90, old),
        sample(110, old),
        sample(150, old, who="r2"),
        sample(151, new),
        sample(152, old, question=(ZONE, "TXT")),
        sample(153, old, rcode="SERVFAIL"),
        sample(400, old),  # lives again
    ]

    def is_old(s):
        return s.values == old

    assert sampler.tail(MX, is_old, changed=100, until=300) == 50
    assert sampler.tail(MX, is_old, changed=100, until=300, who={"r1"}) == 10
    assert sampler.tail(MX, is_old, changed=100) == 300
    assert sampler.tail(MX, is_old, changed=160, until=300) is None
    assert len(sampler.matching(MX, lambda s: not s.values)) == 0


async def test_a_sampler_asks_all_the_time_and_counts_silence():
    clock = ScaledClock(1000.0)
    enough = asyncio.Event()

    class Counting(list):
        def append(self, item):
            super().append(item)
            if len(self) == 20:
                enough.set()

    async with Scripted() as dead:
        closed = Endpoint("closed", "127.0.0.1", dead.port)

    def respond(query):
        seen.append(query.id)
        if len(seen) == 3:
            return [query.id.to_bytes(2, "big") + b"\xff" * 11]
        return [answer(query, rcode="NXDOMAIN") if len(seen) % 2 else a_record(query, ttl=len(seen))]

    seen = []
    async with Scripted(udp=respond) as server:
        sampler = Sampler(clock, random.Random(1), samples=Counting())
        question = ("www.example.test.", "A")
        sampler.watch([server.endpoint, closed], [question], 10.0)
        await asyncio.wait_for(enough.wait(), 20)
        await sampler.stop()
    assert {(s.rcode, s.values) for s in sampler.samples} == {("NOERROR", ("192.0.2.1",)), ("NXDOMAIN", ())}
    assert all(s.asked <= s.at and s.who == "scripted" for s in sampler.samples)
    gaps = [b.asked - a.at for a, b in zip(sampler.samples, sampler.samples[1:], strict=False)]
    assert min(gaps) >= 5.0
    assert len({round(g) for g in gaps}) > 3  # at random moments
    assert sampler.unanswered["closed"] > 0
    assert sampler.unanswered["scripted"] == 1  # garbage is no answer


async def test_a_sampler_goes_to_tcp_for_what_is_cut_off():
    clock, done = ScaledClock(1000.0), asyncio.Event()

    def whole(query):
        done.set()
        return [a_record(query)]

    async with Scripted(udp=lambda q: [answer(q, tc=True)], tcp=whole) as server:
        sampler = Sampler(clock, random.Random(1))
        sampler.watch([server.endpoint], [("www.example.test.", "A")], 1.0)
        await asyncio.wait_for(done.wait(), 20)
        while not sampler.samples:
            await asyncio.sleep(0)
        await sampler.stop()
    assert sampler.samples[0].values == ("192.0.2.1",)


# -- the world --------------------------------------------------------------------------------------------------


def key():
    return TsigKey("cutover", "hmac-sha256", Secret(KEY_SECRET, "the lab"))


async def test_everything_is_there_and_gone_afterwards():
    async with LabWorld(ScaledClock(100.0), resolvers=3) as lab:
        endpoints = (*lab.authoritative, lab.parent.endpoint, *lab.resolvers)
        assert len({e.port for e in endpoints}) == 6
        assert [e.name for e in lab.authoritative] == ["ns1.example.test", "ns2.example.test"]
        asker = Asker()
        for server in lab.authoritative:
            got = await asker.ask(server, *MX, recurse=False)
            assert (got.aa, got.find(*MX)) == (True, RRset(3600, ("10 mx.oldmail.test.",)))
        for server in lab.resolvers:
            got = await asker.ask(server, f"om1._domainkey.{ZONE}", "TXT", recurse=True)
            assert (got.aa, got.nsid) == (False, server.name)
            assert [s.rdtype for s in got.answer] == ["CNAME", "TXT"]
        referral = await asker.ask(lab.parent.endpoint, *MX, recurse=False)
        assert (referral.aa, referral.authority[0].owner) == (False, ZONE)
        assert {s.owner for s in referral.additional} == {f"ns1.{ZONE}", f"ns2.{ZONE}"}
        assert set(lab.services) == {"mx.oldmail.test", "mx.newmail.test", "www.example.test"}
        assert (await talk(lab.mail["mx.oldmail.test"].port, "QUIT"))[0][0].startswith("220 mx.oldmail.test")
    for server in endpoints:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)


async def test_clamps_and_violations_go_round_over_the_resolvers():
    async with LabWorld(
        ScaledClock(), resolvers=4, clamps=(Clamps(), Clamps(maximum=100)), stretch=(1, 1, 1, 2)
    ) as lab:
        asker = Asker()
        got = [(await asker.ask(server, *MX, recurse=True)).find(*MX).ttl for server in lab.resolvers]
    assert got == [3600, 100, 3600, 200]


def test_a_world_needs_a_zone_with_a_parent_and_servers():
    soa = "@ 1 IN SOA ns h 1 2 3 4 5\n"
    assert parent_of(ZoneVersion.from_text("corp.internal.", soa + "@ 1 IN NS ns\n")).origin == "internal."
    with pytest.raises(ValueError, match="parent"):
        parent_of(ZoneVersion.from_text("test.", soa))
    with pytest.raises(ValueError, match="no NS"):
        parent_of(ZoneVersion.from_text(ZONE, soa))


async def test_the_products_transport_works_on_it_as_on_a_real_server():
    async with LabWorld(ScaledClock(100.0), resolvers=0) as lab:
        transport = DnsTransport(ZONE, "127.0.0.1", lab.primary.port, key())
        serial = lab.primary.zone.serial
        spec = UpdateSpec(
            (Prereq("exists", *MX, ("10 mx.oldmail.test.",)), Prereq("unused", f"_lock.{ZONE}")),
            (
                EditOp("clear", *MX),
                EditOp("add", *MX, ("10 mx.newmail.test.",), 60),
                EditOp("add", f"_lock.{ZONE}", "TXT", ('"x"',), 5),
            ),
        )
        assert (await transport.update(spec)).rcode == "NOERROR"
        assert (await transport.update(spec)).rcode in ("NXRRSET", "YXDOMAIN")
        got = await transport.query([MX, (f"_lock.{ZONE}", "TXT"), (f"none.{ZONE}", "A")])
        assert got.rrsets[MX] == RRset(60, ("10 mx.newmail.test.",))
        assert got.rrsets[f"none.{ZONE}", "A"] is None
        assert got.server_time == pytest.approx(time.time(), abs=5)
        assert await transport.history(serial) == {MX: 60, (f"_lock.{ZONE}", "TXT"): 5}


async def test_users_measure_a_tail_within_what_ttl_and_lag_allow():
    """A change at TTL 60 under users: the last old answer comes before TTL + lag, and not at once."""
    clock = ScaledClock(50.0)
    async with LabWorld(clock, resolvers=6, clamps=(Clamps(), Clamps(maximum=30)), secondary_lag=4.0) as lab:
        transport = DnsTransport(ZONE, "127.0.0.1", lab.primary.port, key())
        old, new = "10 mx.oldmail.test.", "10 mx.newmail.test."

        async def publish(value):
            ops = (EditOp("clear", *MX), EditOp("add", *MX, (value,), 60))
            assert (await transport.update(UpdateSpec((), ops))).rcode == "NOERROR"

        async def served_everywhere():
            serial = lab.primary.zone.serial
            while lab.secondary.zone.serial != serial:
                await clock.sleep_until(clock.now() + 0.5)
            return clock.now()

        await publish(old)
        await served_everywhere()
        for cache in lab.caches:
            cache.flush()
        lab.sampler.watch(lab.resolvers, [MX], 5.0)
        lab.sampler.watch(lab.authoritative, [MX], 5.0, recurse=False)
        while len({s.who for s in lab.sampler.samples}) < 8:
            await clock.sleep_until(clock.now() + 1.0)
        await publish(new)
        changed = clock.now()
        settled = await served_everywhere()
        everybody = {e.name for e in (*lab.resolvers, *lab.authoritative)}
        while {s.who for s in lab.sampler.samples if s.asked > settled + 61.0} != everybody:
            await clock.sleep_until(clock.now() + 1.0)
        await lab.sampler.stop()
        names = {e.name for e in lab.resolvers}
        short = {e.name for e in lab.resolvers[1::2]}
        is_old = lambda s: s.values == (old,)  # noqa: E731
        tail = lab.sampler.tail(MX, is_old, changed=changed, who=names)
        assert tail is not None
        assert 0 < tail <= settled - changed + 60
        assert (lab.sampler.tail(MX, is_old, changed=changed, who=short) or 0) <= settled - changed + 30
        last = {s.who: s.values for s in lab.sampler.samples}
        assert set(last.values()) == {(new,)}
        assert lab.sampler.matching(MX, lambda s: not s.values) == []  # no gap, ever


async def test_one_try_is_one_try():
    async with Scripted(udp=lambda q: []) as silent:
        got = await OneTry(0.02).ask(silent.endpoint, *MX, recurse=False)
        assert (got.reason, silent.count("udp")) == ("no answer", 1)
