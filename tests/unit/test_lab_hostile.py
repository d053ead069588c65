"""Whatever arrives, the lab's servers answer or stay silent; and what they cannot send whole they say."""

import asyncio
import random

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lookup_scripted import ManualClock, Scripted, answer

from dns_cutover.lab.client import OneTry
from dns_cutover.lab.clock import ScaledClock
from dns_cutover.lab.keys import LabKey
from dns_cutover.lab.resolver import Resolver
from dns_cutover.lab.sampler import Sampler
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.wire import records
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.interface import Endpoint

ZONE = "example.test."
KEY = LabKey("key", "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB0aGUgbGFi")
APEX = "@ 60 IN SOA ns1 host 1 2 3 4 5\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n"


def server(text=APEX):
    return Authoritative("ns1", ZoneVersion.from_text(ZONE, text), [KEY])


def query():
    return dns.message.make_query(f"www.{ZONE}", "A", use_edns=0)


def update(signed):
    message = dns.update.UpdateMessage(ZONE)
    message.absent("x", "A")
    message.present("ns1", "A", "192.0.2.1")
    message.add("x", 60, "TXT", '"a"', '"b"')
    message.delete("y")
    if signed:
        message.use_tsig(KEY.tsig())
    return message


def ixfr():
    message = dns.message.make_query(ZONE, "IXFR")
    message.authority.append(dns.rrset.from_text(ZONE, 0, "IN", "SOA", ". . 0 0 0 0 0"))
    message.use_tsig(KEY.tsig())
    return message


SEEDS = [query().to_wire(), update(False).to_wire(), update(True).to_wire(), ixfr().to_wire()]
flips = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.tuples(st.sampled_from(SEEDS), flips, st.integers(0, 40))), st.booleans())
def test_no_message_breaks_a_server(material, tcp):
    if isinstance(material, bytes):
        wire = material
    else:
        changed = bytearray(material[0])
        for at, octet in material[1]:
            changed[at % len(changed)] = octet
        wire = bytes(changed[: len(changed) - material[2]])

    async def both():
        cache = Resolver("cache", {}, ManualClock(), OneTry(), random.Random(1))
        return [*await server().respond(wire, tcp=tcp), *await cache.respond(wire, tcp=tcp)]

    for reply in asyncio.run(both()):
        assert reply[:2] == wire[:2]
        assert reply[2] & 0x80
        records(reply)


@pytest.mark.parametrize("error", [dns.rcode.BADSIG, 99])
async def test_a_request_that_carries_a_tsig_error_is_a_format_error(error):
    message = query()
    message.use_tsig(KEY.tsig(), tsig_error=error)
    (reply,) = await server().respond(message.to_wire(), tcp=False)
    assert reply[3] & 0x0F == dns.rcode.FORMERR


async def test_an_rrset_beyond_64_kib_is_servfail():
    text = APEX + "".join(f'big 60 IN TXT "{n:03}{"x" * 240}"\n' for n in range(300))
    (reply,) = await server(text).respond(dns.message.make_query(f"big.{ZONE}", "TXT").to_wire(), tcp=True)
    got = dns.message.from_wire(reply)
    assert (got.rcode(), got.answer, bool(got.flags & dns.flags.TC)) == (dns.rcode.SERVFAIL, [], False)


@pytest.mark.parametrize("cut", [1, 3, 9, 20])
def test_a_message_that_ends_inside_a_record_is_told(cut):
    wire = SEEDS[1][:-cut]
    with pytest.raises(ValueError, match="ends inside"):
        records(wire)
    assert len(records(SEEDS[1])) == 5


async def test_a_notify_that_is_lost_is_sent_again():
    told = asyncio.Event()

    def respond(message):
        seen.append(message)
        if len(seen) == 1:
            return []
        told.set()
        return [answer(message)]

    seen = []
    async with Scripted(udp=respond) as secondary:
        primary = server()
        await primary.start()
        primary.notify.append(secondary.endpoint)
        primary.publish(ZoneVersion.from_text(ZONE, APEX.replace("host 1 ", "host 2 ")))
        await asyncio.wait_for(told.wait(), 20)
        await primary.stop()
    assert {m.opcode() for m in seen} == {dns.opcode.NOTIFY}
    assert [m.answer[0][0].serial for m in seen] == [2, 2]


async def test_a_sampler_that_failed_says_so():
    sampler = Sampler(ScaledClock(1000.0), random.Random(1))
    sampler.watch([Endpoint("ns1", "192.0.2.1", 1)], [(ZONE, "NO-SUCH-TYPE")], 1.0)
    await asyncio.sleep(0)
    with pytest.raises(dns.rdatatype.UnknownRdatatype):
        await sampler.stop()
