"""The lab's authoritative server on the wire: EDNS, truncation, errors, TSIG, transfers, faults. dnspython asks."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import dns.xfr
import dns.zone
import pytest

from dns_cutover.lab.client import exchange
from dns_cutover.lab.keys import LabKey
from dns_cutover.lab.secondary import from_dnspython, to_dnspython
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.wire import records
from dns_cutover.lab.zone import ZoneVersion

ZONE = "example.test."
SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB0aGUgbGFi"
KEYS = [
    LabKey("full", SECRET),
    LabKey("reader", SECRET, update=False),
    LabKey("narrow", SECRET, owners=(f"_acme.{ZONE}",), transfer=False),
    LabKey("long", SECRET, "hmac-sha512"),
]
TEXT = """\
@ 3600 IN SOA ns1 host 1 7200 900 1209600 300
@ 3600 IN NS ns1
@ 3600 IN MX 10 mx
ns1 3600 IN A 192.0.2.53
mx 3600 IN A 192.0.2.25
www 60 IN A 192.0.2.1
alias 60 IN CNAME www
big 60 IN TXT {big}
sub 60 IN NS {ns}
{glue}
""".format(
    big=" ".join(f'"{n:02}{"x" * 200}"' for n in range(10)),
    ns="\nsub 60 IN NS ".join(f"ns{n}.sub" for n in range(12)),
    glue="\n".join(f"ns{n}.sub 60 IN AAAA 2001:db8::{n}" for n in range(12)),
)


@asynccontextmanager
async def running(*servers):
    async with AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        yield servers[0]


def primary(**more):
    return Authoritative("ns1", ZoneVersion.from_text(ZONE, TEXT), KEYS, **more)


async def udp(server, query, **more):
    return await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=5, **more)


async def tcp(server, query):
    return await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=5)


def key_of(name="full", secret=SECRET, algorithm="hmac-sha256"):
    return dns.tsig.Key(name, secret, algorithm)


def update(name="probe", key=None):
    message = dns.update.UpdateMessage(ZONE)
    message.add(name, 60, "A", "192.0.2.9")
    if key is not None:
        message.use_tsig(key)
    return message


async def test_udp_and_tcp_share_a_port_and_give_the_same_answer():
    async with running(primary()) as server:
        query = dns.message.make_query(f"WWW.{ZONE}", "A", flags=dns.flags.RD)
        for got in (await udp(server, query), await udp(server, query), await tcp(server, query)):
            assert got.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD
            assert got.question[0].name.labels[0] == b"WWW"  # the case of the question comes back
            assert got.answer[0].to_text() == f"WWW.{ZONE} 60 IN A 192.0.2.1".replace(
                "WWW", got.answer[0].name.labels[0].decode()
            )
        assert server.queries == 3


async def test_an_answer_that_was_kept_ready_ends_with_its_version():
    async with running(primary()) as server:
        query = dns.message.make_query(f"www.{ZONE}", "A")
        await udp(server, query)
        await tcp(server, update("www", key_of()))
        assert {r.address for r in (await udp(server, query)).answer[0]} == {"192.0.2.1", "192.0.2.9"}


async def test_edns_comes_back_only_where_it_was_asked():
    async with running(primary(nsid="lab-1")) as server:
        assert (await udp(server, dns.message.make_query(f"www.{ZONE}", "A"))).edns == -1
        got = await udp(server, dns.message.make_query(f"www.{ZONE}", "A", use_edns=0))
        assert (got.edns, got.payload, got.options) == (0, 1232, ())
        nsid = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
        got = await udp(server, dns.message.make_query(f"www.{ZONE}", "A", options=[nsid]))
        assert [o.nsid for o in got.options] == [b"lab-1"]
        got = await udp(server, dns.message.make_query(f"www.{ZONE}", "A", use_edns=1))
        assert (got.rcode(), got.edns, got.answer) == (dns.rcode.BADVERS, 0, [])


@pytest.mark.parametrize(("payload", "cut"), [(None, True), (1232, True), (4096, False)])
async def test_what_does_not_fit_is_cut_off_and_whole_over_tcp(payload, cut):
    edns = {} if payload is None else {"use_edns": 0, "payload": payload}
    async with running(primary()) as server:
        query = dns.message.make_query(f"big.{ZONE}", "TXT", **edns)
        got = await udp(server, query)
        assert bool(got.flags & dns.flags.TC) == cut
        assert bool(got.answer) != cut
        assert len(got.to_wire()) <= (payload or 512)
        whole = await tcp(server, query)
        assert not whole.flags & dns.flags.TC
        assert len(whole.answer[0][0].strings) == 10


async def test_glue_that_does_not_fit_is_cut_off_too():
    async with running(primary()) as server:
        query = dns.message.make_query(f"x.sub.{ZONE}", "A")
        assert (await udp(server, query)).flags & dns.flags.TC
        got = await tcp(server, query)
        assert not got.flags & dns.flags.AA
        assert len(got.additional) == 12


async def test_many_questions_on_one_connection_are_answered_in_order():
    async with running(primary()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        queries = [dns.message.make_query(f"{name}.{ZONE}", "A") for name in ("www", "alias", "missing", "mx")]
        writer.write(b"".join(q.to_wire(prepend_length=True) for q in queries))
        for query in queries:
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert query.is_response(dns.message.from_wire(await reader.readexactly(size)))
        writer.close()


def raw(flags, counts=(0, 0, 0, 0), rest=b""):
    return b"\x12\x34" + flags.to_bytes(2, "big") + b"".join(c.to_bytes(2, "big") for c in counts) + rest


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (raw(0x0000, (1, 0, 0, 0), b"\x03www"), dns.rcode.FORMERR),  # cut in the question
        (raw(0x0000, (1, 0, 0, 0), b"\xc0\x0c\x00\x01\x00\x01"), dns.rcode.FORMERR),  # a name that points at itself
        (raw(0x0000), dns.rcode.FORMERR),  # no question
        (raw(0x0000, (2, 0, 0, 0), 2 * b"\x04test\x00\x00\x01\x00\x01"), dns.rcode.FORMERR),
        (raw(0x0800), dns.rcode.NOTIMP),  # IQUERY
        (raw(0x3000), dns.rcode.NOTIMP),  # an opcode without a name
        (raw(0x2800), dns.rcode.FORMERR),  # UPDATE without a zone
        (raw(0x0000, (1, 0, 0, 0), b"\x05other\x04test\x00\x00\x01\x00\x01"), dns.rcode.REFUSED),
        (raw(0x0000, (1, 0, 0, 0), b"\x07version\x04bind\x00\x00\x10\x00\x03"), dns.rcode.REFUSED),  # class CH
    ],
)
async def test_what_is_not_understood_is_an_error(wire, rcode):
    async with running(primary()) as server:
        got = await exchange(server.endpoint, wire, 5)
        assert got[2] & 0x80
        assert got[2] & 0x78 == wire[2] & 0x78
        assert got[3] & 0x0F == rcode


async def test_what_is_no_request_is_not_answered():
    async with running(primary()) as server:
        for wire in (b"\x00" * 11, raw(0x8000), b""):
            assert await server.respond(wire, tcp=False) == ()
        assert server.queries == 0


# -- TSIG and updates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [key_of(), key_of("long", algorithm="hmac-sha512"), key_of("FULL")])
async def test_a_signed_update_is_done_and_its_response_is_signed(key):
    async with running(primary()) as server:
        got = await tcp(server, update(key=key))  # dnspython raises if the response is not signed well
        assert (got.rcode(), got.had_tsig, got.opcode()) == (dns.rcode.NOERROR, True, dns.opcode.UPDATE)
        assert server.zone.serial == 2
        query = dns.message.make_query(f"probe.{ZONE}", "A")
        query.use_tsig(key)
        got = await udp(server, query)
        assert (got.had_tsig, got.answer[0][0].address) == (True, "192.0.2.9")
        assert abs(got.tsig[0].time_signed - time.time()) < 60  # the server's own clock


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (key_of(secret="d3Jvbmc="), dns.tsig.PeerBadSignature),
        (key_of("stranger"), dns.tsig.PeerBadKey),
        (key_of(algorithm="hmac-sha512"), dns.tsig.PeerBadKey),
    ],
)
async def test_a_wrong_key_gets_its_error_and_changes_nothing(key, error):
    async with running(primary()) as server:
        with pytest.raises(error):
            await tcp(server, update(key=key))
        message = update(key=key)
        got = dns.message.from_wire(await exchange(server.endpoint, message.to_wire(), 5), keyring=False)
        assert (got.rcode(), got.tsig[0].mac) == (dns.rcode.NOTAUTH, b"")
        assert server.zone.serial == 1


@pytest.mark.parametrize("skew", [-400, 400])
async def test_a_clock_that_is_off_gets_a_signed_error_with_the_servers_time(skew):
    async with running(primary(signing_clock=lambda: time.time() + skew)) as server:
        message = update(key=key_of())
        wire = message.to_wire()
        with pytest.raises(dns.tsig.PeerBadTime):
            await tcp(server, update(key=key_of()))
        reply = await exchange(server.endpoint, wire, 5)
        rdata = dns.message.from_wire(reply, keyring=False).tsig[0]
        assert (rdata.error, rdata.time_signed) == (dns.rcode.BADTIME, message.tsig[0].time_signed)
        assert abs(int.from_bytes(rdata.other, "big") - time.time() - skew) < 60
        # The signature covers the error (RFC 8945 section 5.2.3).
        unsigned = bytearray(reply[: records(reply)[-1].start])
        unsigned[10:12] = (int.from_bytes(unsigned[10:12], "big") - 1).to_bytes(2, "big")
        blank = rdata.replace(mac=b"")
        signed, _ = dns.tsig.sign(bytes(unsigned), key_of(), blank, rdata.time_signed, message.mac)
        assert signed.mac == rdata.mac
        assert server.zone.serial == 1


async def test_a_bad_signature_and_a_bad_clock_is_a_bad_signature():
    async with running(primary(signing_clock=lambda: time.time() + 400)) as server:
        with pytest.raises(dns.tsig.PeerBadSignature):
            await tcp(server, update(key=key_of(secret="d3Jvbmc=")))


async def test_a_server_whose_clock_is_ahead_a_little_shows_it():
    async with running(primary(signing_clock=lambda: time.time() + 100)) as server:
        got = await tcp(server, update(key=key_of()))
        assert 90 < got.tsig[0].time_signed - time.time() < 110


async def test_a_signed_response_that_does_not_fit_is_cut_off_within_the_limit():
    async with running(primary()) as server:
        query = dns.message.make_query(f"big.{ZONE}", "TXT", use_edns=0, payload=1232)
        query.use_tsig(key_of())
        wire = await exchange(server.endpoint, query.to_wire(), 5)
        got = dns.message.from_wire(wire, keyring=key_of(), request_mac=query.mac)
        assert got.flags & dns.flags.TC
        assert got.had_tsig
        assert len(wire) <= 1232


@pytest.mark.parametrize(
    ("key", "name", "zone", "rcode"),
    [
        (None, "probe", ZONE, dns.rcode.REFUSED),
        (key_of("reader"), "probe", ZONE, dns.rcode.REFUSED),
        (key_of("narrow"), "probe", ZONE, dns.rcode.REFUSED),
        (key_of("narrow"), "a._acme", ZONE, dns.rcode.NOERROR),
        (key_of(), "probe", "other.test.", dns.rcode.NOTAUTH),
    ],
)
async def test_who_may_write_what(key, name, zone, rcode):
    async with running(primary()) as server:
        message = dns.update.UpdateMessage(zone)
        message.add(name, 60, "A", "192.0.2.9")
        if key is not None:
            message.use_tsig(key)
        got = await tcp(server, message)
        assert (got.rcode(), got.had_tsig) == (rcode, key is not None)
        assert server.zone.serial == (2 if rcode == dns.rcode.NOERROR else 1)


async def test_a_frozen_zone_refuses_and_a_failed_prerequisite_says_so():
    async with running(primary()) as server:
        server.frozen = True
        assert (await tcp(server, update(key=key_of()))).rcode() == dns.rcode.REFUSED
        server.frozen = False
        message = update()
        message.present("missing")
        message.use_tsig(key_of())
        assert (await tcp(server, message)).rcode() == dns.rcode.NXDOMAIN
        assert server.zone.serial == 1


async def test_a_secret_shows_nowhere():
    assert SECRET not in repr(KEYS)


# -- transfers --------------------------------------------------------------------------------------------------


async def transfer(server, copy, key="full", **more):
    query, _ = dns.xfr.make_query(copy, keyring=key and key_of(key), **more)
    await dns.asyncquery.inbound_xfr("127.0.0.1", copy, query, port=server.port, timeout=5)
    return from_dnspython(ZONE, copy)


async def test_axfr_brings_the_whole_zone():
    async with running(primary()) as server:
        empty = dns.zone.Zone(ZONE, relativize=False)
        assert (await transfer(server, empty)).rrsets == server.zone.rrsets


async def test_a_large_zone_comes_in_several_signed_messages():
    many = TEXT + "".join(f'n{n} 60 IN TXT "{"y" * 200}"\n' for n in range(600))
    async with running(Authoritative("ns1", ZoneVersion.from_text(ZONE, many), KEYS)) as server:
        empty = dns.zone.Zone(ZONE, relativize=False)
        assert (await transfer(server, empty)).rrsets == server.zone.rrsets
        query = dns.message.make_query(ZONE, "AXFR")
        query.use_tsig(key_of())
        replies = await server.respond(query.to_wire(), tcp=True)
        assert len(replies) > 5
        assert all(records(reply)[-1].rdtype == 250 for reply in replies)


async def ixfr_records(server, since):
    query = dns.message.make_query(ZONE, "IXFR")
    query.authority.append(dns.rrset.from_text(ZONE, 0, "IN", "SOA", f". . {since} 0 0 0 0"))
    query.use_tsig(key_of())
    replies = await server.respond(query.to_wire(), tcp=True)
    message = dns.message.from_wire(
        replies[0], keyring=key_of(), request_mac=query.mac, xfr=True, one_rr_per_rrset=True
    )

    def name(r):
        return r.name.to_text().removesuffix(ZONE).rstrip(".") or "@"

    return [
        ("SOA", r[0].serial) if r.rdtype == 6 else (name(r), r.ttl, r[0].to_text().removesuffix(f".{ZONE}"))
        for r in message.answer
    ]


async def test_ixfr_brings_what_changed_step_by_step():
    async with running(primary()) as server:
        copy = to_dnspython(server.zone)
        message = dns.update.UpdateMessage(ZONE, keyring=key_of())
        message.replace("www", 5, "A", "192.0.2.1")  # a TTL alone
        message.add("ns1", 3600, "A", "192.0.2.54")
        await tcp(server, message)
        message = dns.update.UpdateMessage(ZONE, keyring=key_of())
        message.delete("alias")
        await tcp(server, message)
        assert await ixfr_records(server, 1) == [
            ("SOA", 3),
            *[("SOA", 1), ("www", 60, "192.0.2.1")],
            *[("SOA", 2), ("ns1", 3600, "192.0.2.54"), ("www", 5, "192.0.2.1")],
            *[("SOA", 2), ("alias", 60, "www")],
            ("SOA", 3),
            ("SOA", 3),
        ]
        assert (await transfer(server, copy)).rrsets == server.zone.rrsets
        assert await ixfr_records(server, 3) == [("SOA", 3)]
        assert await ixfr_records(server, 4) == [("SOA", 3)]
        assert (await ixfr_records(server, 2))[:2] == [("SOA", 3), ("SOA", 2)]


async def test_without_history_ixfr_is_the_whole_zone():
    async with running(primary(journal=0)) as server:
        await tcp(server, update(key=key_of()))
        got = await ixfr_records(server, 1)
        assert (got[0], got[-1], got.count(("SOA", 2))) == (("SOA", 2), ("SOA", 2), 2)
        assert len(got) > 5


@pytest.mark.parametrize("key", [None, "narrow"])
@pytest.mark.parametrize("rdtype", ["AXFR", "IXFR"])
async def test_transfers_need_a_key_that_may(key, rdtype):
    async with running(primary()) as server:
        query = dns.message.make_query(ZONE, rdtype)
        if rdtype == "IXFR":
            query.authority.append(dns.rrset.from_text(ZONE, 0, "IN", "SOA", ". . 1 0 0 0 0"))
        if key:
            query.use_tsig(key_of(key))
        assert (await tcp(server, query)).rcode() == dns.rcode.REFUSED


async def test_transfers_over_udp():
    async with running(primary()) as server:
        query = dns.message.make_query(ZONE, "AXFR")
        query.use_tsig(key_of())
        assert (await udp(server, query)).rcode() == dns.rcode.FORMERR
        query = dns.message.make_query(ZONE, "IXFR")
        query.use_tsig(key_of())
        assert (await udp(server, query)).rcode() == dns.rcode.FORMERR  # without a SOA
        query = dns.message.make_query(ZONE, "IXFR")
        query.authority.append(dns.rrset.from_text(ZONE, 0, "IN", "SOA", ". . 0 0 0 0 0"))
        query.use_tsig(key_of())
        assert [r.rdtype for r in (await udp(server, query)).answer] == [6]
        query = dns.message.make_query("other.test.", "AXFR")
        query.use_tsig(key_of())
        assert (await tcp(server, query)).rcode() == dns.rcode.NOTAUTH


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode"),
    [(ZONE, "SOA", "NOERROR"), ("other.test.", "SOA", "NOTAUTH"), (ZONE, "A", "NOTIMP")],
)
async def test_a_primary_takes_a_notify(name, rdtype, rcode):
    async with running(primary()) as server:
        message = dns.message.make_query(name, rdtype)
        message.set_opcode(dns.opcode.NOTIFY)
        got = await udp(server, message)
        assert (got.opcode(), dns.rcode.to_text(got.rcode())) == (dns.opcode.NOTIFY, rcode)


# -- faults -----------------------------------------------------------------------------------------------------


async def test_a_stopped_server_refuses_and_comes_back_on_its_port():
    async with running(primary()) as server:
        port = server.port
        query = dns.message.make_query(f"www.{ZONE}", "A")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(query.to_wire(prepend_length=True))
        await reader.readexactly(2)
        await reader.read(100)
        await server.stop()
        assert not server.running
        assert await reader.read() == b""  # open connections end
        writer.close()
        assert await exchange(server.endpoint, query.to_wire(), 5) is None
        with pytest.raises(ConnectionRefusedError):
            await tcp(server, query)
        await server.start()
        assert (server.running, server.port) == (True, port)
        assert (await udp(server, query)).answer


async def test_a_port_that_was_taken_meanwhile_is_told():
    async with running(primary()) as server:
        await server.stop()
        taken, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, ("127.0.0.1", server.port)
        )
        with pytest.raises(OSError, match="in use"):
            await server.start()
        taken.abort()


async def test_messages_are_dropped_replies_lost_and_answers_late():
    async with running(primary()) as server:
        query = dns.message.make_query(f"www.{ZONE}", "A")
        server.faults.drop = 1.0
        assert await exchange(server.endpoint, query.to_wire(), 0.05) is None
        assert server.queries == 0
        server.faults.drop = 0.0
        server.faults.mute = True
        assert await exchange(server.endpoint, update(key=key_of()).to_wire(), 0.05) is None
        assert server.zone.serial == 2  # it was applied
        server.faults.mute = False
        server.faults.delay = 0.02
        began = time.monotonic()
        assert (await udp(server, query)).answer
        assert time.monotonic() - began >= 0.02
