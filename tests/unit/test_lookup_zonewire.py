"""A zone's records read out of a transfer are what dnspython reads, or the message is refused."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_cutover.lookup.zonewire import Malformed, Reader, Record
from dns_cutover.records.rdata import rdata_text

LABEL = st.binary(min_size=1, max_size=12) | st.sampled_from([b"www", b"WWW", b"a.b", b"*", b"_x-1", b"\\", b"\xff"])
NAME = st.lists(LABEL, min_size=0, max_size=4).map(lambda labels: dns.name.Name((*labels, b"Example", b"test", b"")))
DATA = st.sampled_from(
    [
        ("A", "192.0.2.1"),
        ("A", "0.0.0.0"),
        ("AAAA", "2001:db8::1"),
        ("NS", "NS1.example.test."),
        ("CNAME", "a.www.example.test."),
        ("MX", "10 Mail.example.test."),
        ("SRV", "1 2 443 srv.example.test."),
        ("TXT", '"a;\\"b" "\\000\\255"'),
        ("SOA", "ns1.example.test. hostmaster.example.test. 7 3600 600 86400 5"),
        ("CAA", '0 issue "ca.test"'),
        ("HTTPS", "1 . alpn=h2"),
        ("NAPTR", '1 1 "u" "x" "" naptr.example.test.'),
        ("TYPE731", "\\# 3 abcdef"),
    ]
)


def rrset(name: dns.name.Name, ttl: int, data: tuple[str, str]) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, ttl, "IN", *data)


def message(records: list[tuple[dns.name.Name, int, tuple[str, str]]]) -> bytes:
    out = dns.message.make_response(dns.message.make_query("example.test.", "AXFR"))
    out.answer = [rrset(*record) for record in records]
    return out.to_wire()


@settings(deadline=None)
@given(st.lists(st.tuples(NAME, st.integers(0, 2**31 - 1), DATA), max_size=12))
def test_every_record_is_read_as_dnspython_reads_it(records: list[tuple[dns.name.Name, int, tuple[str, str]]]) -> None:
    wire = message(records)
    wanted = [
        (r.name.canonicalize().to_text(), dns.rdatatype.to_text(r.rdtype), r.ttl, rdata_text(r[0]))
        for r in dns.message.from_wire(wire, one_rr_per_rrset=True, xfr=True).answer
    ]
    assert [tuple(r) for r in Reader().records(wire)] == wanted


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(NAME, st.integers(0, 600), DATA), min_size=1, max_size=4), st.data())
def test_bytes_that_were_changed_are_read_or_refused(
    records: list[tuple[dns.name.Name, int, tuple[str, str]]], data: st.DataObject
) -> None:
    wire = bytearray(message(records))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(4, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for raw in (bytes(wire), bytes(wire[:cut])):
        assert all(r.owner.endswith(".") and r.value for r in read(raw) or ())


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80))
def test_random_bytes_are_read_or_refused(raw: bytes) -> None:
    read(raw)


def read(raw: bytes) -> list[Record] | None:
    """The records, None where the message was refused. Anything else that is raised is a fault."""
    try:
        return list(Reader().records(raw))
    except Malformed:
        return None


def test_chains_of_pointers_end() -> None:
    header = b"\x00\x01\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00"
    for chain in (b"\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"".join(bytes((0xC0, n)) for n in range(10, 250, 2))):
        with pytest.raises(Malformed):
            list(Reader().records(header + chain + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04"))


def test_a_ttl_with_its_first_bit_set_is_none() -> None:
    """RFC 2181 section 8."""
    wire = bytearray(message([(dns.name.from_text("a.test."), 5, ("A", "192.0.2.1"))]))
    wire[-10:-6] = b"\x80\x00\x00\x05"
    assert next(iter(Reader().records(bytes(wire)))).ttl == 0
