"""Answers recognised by their bytes are what parsing would have made of them."""

import random

import dns.edns
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.lookup.answer import Reply, make_question, read_matched
from dns_cutover.lookup.encoded import encode
from dns_cutover.lookup.known import KnownAnswer

OWNER = "www.example.test."
QUESTION = encode(OWNER, "A", recurse=True)
SOA = "ns. host. 1 2 3 4 60"


def message(*records, authority=(), rcode=0, nsid=b""):
    query = dns.message.make_query(OWNER, "A", use_edns=0)
    response = dns.message.make_response(query)
    response.set_rcode(rcode)
    for section, items in ((response.answer, records), (response.authority, authority)):
        for owner, ttl, rdtype, *values in items:
            section.append(dns.rrset.from_text(owner, ttl, "IN", rdtype, *values))
    response.use_edns(0, options=[dns.edns.NSIDOption(nsid)] if nsid else [])
    random.seed(1)  # dnspython shuffles the records of an RRset
    return response.to_wire()


def parsed(data):
    reply = read_matched(data, 0.0, tcp=False)
    assert isinstance(reply, Reply)
    return reply


def known(data):
    return KnownAnswer(data, QUESTION.end, parsed(data))


TTLS = st.integers(0, 2**31 - 1)


def many(ttl, other):
    return [
        message((OWNER, ttl, "A", "192.0.2.1")),
        message((OWNER, ttl, "A", "192.0.2.1", "192.0.2.2"), nsid=b"res1"),
        message((OWNER, ttl, "CNAME", "a.test."), ("a.test.", other, "A", "192.0.2.1", "192.0.2.3")),
        message(authority=[("example.test.", ttl, "SOA", SOA)], rcode=3),
        message((OWNER, ttl, "A", "192.0.2.1"), authority=[("example.test.", other, "NS", "ns1.test.", "ns2.test.")]),
    ]


@given(TTLS, TTLS, TTLS, TTLS)
def test_a_recognised_answer_equals_the_parsed_one(ttl, other, later, other_later):
    for before, after in zip(many(ttl, other), many(later, other_later), strict=True):
        it = known(before)
        assert it.recognise(before, QUESTION.end) == parsed(before)
        assert it.recognise(after, QUESTION.end) == parsed(after)
        assert it.recognise(before, QUESTION.end) == parsed(before)


@given(st.lists(st.tuples(st.integers(2, 200), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 5))
def test_what_is_recognised_in_spite_of_damage_is_damaged_in_ttls_alone(damage, cut):
    for before in many(60, 300):
        after = bytearray(before)
        for at, octet in damage:
            after[at % len(after)] = octet
        data = bytes(after[: len(after) - cut])
        found = known(before).recognise(data, QUESTION.end)
        if found is not None:
            assert found == parsed(before[:2] + data[2:12] + before[12 : QUESTION.end] + data[QUESTION.end :])


@pytest.mark.parametrize(
    "other",
    [
        message((OWNER, 60, "A", "192.0.2.9")),
        message((OWNER, 60, "A", "192.0.2.1"), rcode=2),
        message((OWNER, 60, "A", "192.0.2.1", "192.0.2.2")),
        message((OWNER, 60, "A", "192.0.2.1"), nsid=b"res1"),
        message(authority=[("example.test.", 60, "SOA", SOA)], rcode=3),
    ],
    ids=["value", "rcode", "more", "nsid", "absence"],
)
def test_another_answer_is_not_recognised(other):
    assert known(message((OWNER, 60, "A", "192.0.2.1"))).recognise(other, QUESTION.end) is None


def test_an_rrset_whose_records_do_not_stand_together_is_always_parsed():
    """Which TTL belongs to which RRset could not be told."""
    one, two = (dns.rrset.from_text(OWNER, ttl, "IN", "A", a) for ttl, a in ((60, "192.0.2.1"), (50, "192.0.2.2")))
    between = dns.rrset.from_text("x.test.", 60, "IN", "A", "192.0.2.3")

    def apart(ttl):
        query = dns.message.make_query(OWNER, "A", use_edns=0)
        response = dns.message.make_response(query)
        two.ttl = ttl
        response.answer = [one, between, two]
        return response.to_wire()

    it = known(apart(50))
    assert it.recognise(apart(50), QUESTION.end) is not None
    assert it.recognise(apart(40), QUESTION.end) is None


def test_a_ttl_beyond_the_limit_is_left_to_the_parser():
    data = message((OWNER, 60, "A", "192.0.2.1"))
    huge = data.replace(b"\0\1\0\1\0\0\0\x3c", b"\0\1\0\1\xff\0\0\0")
    assert huge != data
    assert known(data).recognise(huge, QUESTION.end) is None
    assert parsed(huge).answer[0].rrset.ttl == 0


@given(
    st.sampled_from(["www.example.test.", "Www.Example.TEST.", ".", r"a\.b.test.", r"\000\255.test.", "_x.y.test."]),
    st.sampled_from(["A", "HTTPS", "TYPE65280"]),
    st.tuples(*[st.booleans()] * 4),
    st.binary(min_size=64, max_size=64),
)
def test_an_encoded_question_is_what_dnspython_makes_of_it(owner, rdtype, flags, octets):
    recurse, edns, checking_disabled, dnssec = flags
    options = {"recurse": recurse, "edns": edns, "checking_disabled": checking_disabled, "dnssec": dnssec}
    query, ours = make_question(owner, rdtype, **options), encode(owner, rdtype, **options)
    ident = query.id.to_bytes(2, "big")
    assert (ident + ours.head + ours.plain + ours.tail).lower() == query.to_wire().lower()
    mixed = ours.cased(octets[: ours.spread - 2])
    assert mixed.lower() == ours.plain.lower()
    assert mixed[-4:] == ours.plain[-4:]
    assert dns.message.from_wire(ident + ours.head + mixed + ours.tail) == query
