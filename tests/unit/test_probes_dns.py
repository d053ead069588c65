"""DNS probes against a server on loopback that answers as the test says."""

import asyncio
import struct
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.prober import RealProber, check_specs

NAME = "www.example.test."


class Server(asyncio.DatagramProtocol):
    """`udp(query, n)` gives the n-th datagram's replies (bytes), counted from 0; `tcp(query)` one reply."""

    def __init__(self, udp, tcp=None):
        self.udp, self.tcp = udp, tcp
        self.asked = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        query = dns.message.from_wire(data)
        self.asked.append(query)
        for reply in self.udp(query, len(self.asked) - 1):
            self.transport.sendto(reply, address)

    async def stream(self, reader, writer):
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        reply = self.tcp(dns.message.from_wire(await reader.readexactly(size)))
        writer.write(struct.pack("!H", len(reply)) + reply)
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def open(self):
        # The same port for both; a free TCP port whose UDP port is taken is tried again.
        while True:
            server = await asyncio.start_server(self.stream, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            self.address = f"127.0.0.1:{port}"
            loop = asyncio.get_running_loop()
            try:
                transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", port))
            except OSError:
                server.close()
                continue
            break
        try:
            yield self
        finally:
            transport.close()
            server.close()


def answer(query, *records, rcode=dns.rcode.NOERROR, flags=0) -> bytes:
    reply = dns.message.make_response(query)
    reply.set_rcode(rcode)
    reply.flags |= flags
    reply.answer = [dns.rrset.from_text(*record) for record in records]
    return reply.to_wire()


def a(*addresses, owner=NAME):
    return (owner, 60, "IN", "A", *addresses)


async def ask(server, timeout: float = 20.0, **options) -> ProbeResult:
    spec = ProbeSpec("p", "dns", "health", {"question": NAME, "server": server.address, **options}, timeout=timeout)
    check_specs([spec], allow_commands=False)
    (result,) = await RealProber(SystemClock()).ask([spec])
    assert len(result.detail) <= 200
    assert result.detail.isprintable()
    return result


async def ask_for(*records, rcode=dns.rcode.NOERROR, **options) -> ProbeResult:
    async with Server(lambda query, _n: [answer(query, *records, rcode=rcode)]).open() as server:
        return await ask(server, **options)


async def test_any_answer():
    result = await ask_for(a("192.0.2.2", "192.0.2.1"))
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "192.0.2.1, 192.0.2.2")


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        (["192.0.2.1", "192.0.2.2"], Verdict.SUCCESS),
        (["192.0.2.2", "192.0.2.1"], Verdict.SUCCESS),
        (["192.0.2.1"], Verdict.FAILURE),
        (["192.0.2.1", "192.0.2.2", "192.0.2.3"], Verdict.FAILURE),
        (["192.0.2.9"], Verdict.FAILURE),
    ],
)
async def test_the_whole_set_is_compared(expect, verdict):
    result = await ask_for(a("192.0.2.2", "192.0.2.1"), expect=expect)
    said = "192.0.2.1, 192.0.2.2"
    assert (result.verdict, result.detail) == (verdict, said if verdict is Verdict.SUCCESS else f"wrong answer: {said}")


async def test_data_is_compared_as_data():
    """Case of names and quoting of texts do not matter (RFC 4034 section 6.2)."""
    mx = (NAME, 60, "IN", "MX", "10 MX.NewMail.test.")
    assert (await ask_for(mx, rrtype="mx", expect=["10 mx.newmail.test."])).verdict is Verdict.SUCCESS
    txt = (NAME, 60, "IN", "TXT", 'v=spf1 "-all"')
    assert (await ask_for(txt, rrtype="TXT", expect=['"v=spf1" "-all"'])).verdict is Verdict.SUCCESS


async def test_the_end_of_a_chain():
    cname = (NAME, 60, "IN", "CNAME", "blue.example.test.")
    result = await ask_for(cname, a("192.0.2.1", owner="blue.example.test."), expect=["192.0.2.1"])
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "192.0.2.1")


async def test_records_of_others_are_no_answer():
    result = await ask_for(a("192.0.2.1", owner="other.example.test."), expect=["192.0.2.1"])
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "wrong answer: no such record")


async def test_a_chain_that_bites_its_tail():
    loop = [(NAME, 60, "IN", "CNAME", "b.test."), ("b.test.", 60, "IN", "CNAME", NAME)]
    assert (await ask_for(*loop)).verdict is Verdict.FAILURE


async def test_no_data():
    result = await ask_for()
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "no such record")


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_other_rcodes(rcode):
    result = await ask_for(rcode=rcode)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, dns.rcode.to_text(rcode))


async def test_truncation_leads_to_tcp():
    def udp(query, _n):
        return [answer(query, flags=dns.flags.TC)]

    async with Server(udp, lambda query: answer(query, a("192.0.2.1"))).open() as server:
        result = await ask(server, expect=["192.0.2.1"])
    assert result.verdict is Verdict.SUCCESS


async def test_one_lost_datagram_is_no_failing_service():
    def udp(query, n):
        return [answer(query, a("192.0.2.1"))] if n else []

    async with Server(udp).open() as server:
        result = await ask(server, timeout=1.0)
    assert result.verdict is Verdict.SUCCESS
    assert len(server.asked) == 2


async def test_silence():
    async with Server(lambda _query, _n: []).open() as server:
        result = await ask(server, timeout=0.2)
    assert result.verdict is Verdict.FAILURE
    assert result.detail.startswith("timed out")
    assert len(server.asked) == 2


async def test_what_does_not_fit_the_question_is_no_answer():
    """Noise, another id, another question and a query: the true answer that comes after them counts."""

    def udp(query, _n):
        other_id = dns.message.from_wire(query.to_wire())
        other_id.id ^= 1
        other_name = dns.message.make_query("other.test.", "A", id=query.id)
        lie = "192.0.2.66"
        return [
            b"\x1b[2J",
            answer(other_id, a(lie)),
            answer(other_name, a(lie, owner="other.test.")),
            query.to_wire(),
            answer(query, a("192.0.2.1")),
        ]

    async with Server(udp).open() as server:
        result = await ask(server)
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "192.0.2.1")


async def test_noise_over_tcp():
    async with Server(lambda query, _n: [answer(query, flags=dns.flags.TC)], lambda _query: b"noise").open() as server:
        result = await ask(server)
    assert result.verdict is Verdict.FAILURE
    assert "no DNS message" in result.detail


async def test_hostile_data_is_escaped():
    txt = (NAME, 60, "IN", "TXT", '"\\027[2J\\010% <b>\\195\\164"')
    result = await ask_for(txt, rrtype="TXT")
    assert result.verdict is Verdict.SUCCESS
    assert "\x1b" not in result.detail


async def test_no_local_route():
    spec = ProbeSpec("p", "dns", "health", {"question": NAME, "server": "255.255.255.255"})
    (result,) = await RealProber(SystemClock()).ask([spec])
    assert result.verdict is Verdict.ERROR


@pytest.mark.parametrize(
    "options",
    [
        {"server": "192.0.2.1"},
        {"question": NAME},
        {"question": "a..b", "server": "192.0.2.1"},
        {"question": NAME, "server": "ns.example.test"},
        {"question": NAME, "server": "192.0.2.1:0"},
        {"question": NAME, "server": "192.0.2.1", "rrtype": "NIX"},
        {"question": NAME, "server": "192.0.2.1", "rrtype": "AXFR"},
        {"question": NAME, "server": "192.0.2.1", "expect": ["x"]},
        {"question": NAME, "server": "192.0.2.1", "expect": "192.0.2.1"},
        {"name": NAME, "question": NAME, "server": "192.0.2.1"},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options):
    with pytest.raises(UsageError, match="probe d: the option"):
        check_specs([ProbeSpec("d", "dns", "health", options)], allow_commands=False)
