"""Names and values between zone files and Route 53, both ways."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.providers.route53.batch import to_rrset
from dns_cutover.providers.route53.message import RecordSet
from dns_cutover.providers.route53.spelling import from_api_name, from_api_value, to_api_name, to_api_value
from dns_cutover.records import InvalidName, RRset, canonical_rdata, quote_text


@pytest.mark.parametrize(
    ("owner", "api"),
    [
        ("www.example.test.", "www.example.test."),
        ("*.example.test.", "*.example.test."),
        ("a.*.example.test.", r"a.\052.example.test."),
        (r"a\.b.example.test.", r"a\056b.example.test."),
        (r"\195\164.example.test.", r"\303\244.example.test."),
        ("_dns-cutover.example.test.", "_dns-cutover.example.test."),
        (r"a/b.example.test.", r"a\057b.example.test."),
        (".", "."),
    ],
)
def test_names_as_route_53_wants_them(owner: str, api: str) -> None:
    assert to_api_name(owner) == api


@pytest.mark.parametrize(
    ("api", "owner"),
    [
        (r"\052.example.test.", "*.example.test."),
        ("WWW.Example.test", "www.example.test."),
        (r"a\056b.example.test.", r"a\.b.example.test."),
        (r"\303\244.example.test.", r"\195\164.example.test."),
        (".".join(["a" * 63] * 3 + ["b" * 61]) + ".", ".".join(["a" * 63] * 3 + ["b" * 61]) + "."),
    ],
)
def test_names_as_route_53_gives_them(api: str, owner: str) -> None:
    assert from_api_name(api) == owner


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(InvalidName):
        from_api_name("a..b")


LABELS = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5)


@given(LABELS)
def test_every_name_comes_back(labels: list[bytes]) -> None:
    owner = dns.name.Name((*labels, b"")).canonicalize().to_text()
    assert from_api_name(to_api_name(owner)) == owner


@given(st.binary(max_size=600))
def test_every_text_comes_back(octets: bytes) -> None:
    value = canonical_rdata("TXT", quote_text(octets))
    assert from_api_value("TXT", to_api_value(value)) == value


@given(LABELS)
def test_every_target_comes_back(labels: list[bytes]) -> None:
    value = canonical_rdata("MX", f"10 {dns.name.Name((*labels, b'')).to_text()}")
    assert from_api_value("MX", to_api_value(value)) == value


@pytest.mark.parametrize(
    ("rdtype", "api", "value"),
    [
        ("CNAME", "Edge.CDN.test", "edge.cdn.test."),
        ("TXT", r'"b\303\244r" "b"', r'"b\195\164r" "b"'),
        ("TXT", r'"say \"hi\""', r'"say \"hi\""'),
        ("TXT", r'"a\134b"', r'"a\\b"'),
        ("CAA", '0 issue "ca.test"', '0 issue "ca.test"'),
        ("SRV", "1 10 5269 xmpp.example.test", "1 10 5269 xmpp.example.test."),
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
    ],
)
def test_values_as_route_53_gives_them(rdtype: str, api: str, value: str) -> None:
    assert from_api_value(rdtype, api) == value


def test_an_rrset_has_its_values_in_order_and_once_whatever_the_order_there() -> None:
    record = RecordSet("x.test.", "MX", 60, ("20 b.test", "10 A.test.", "10 a.test"))
    assert to_rrset(record) == RRset(60, ("10 a.test.", "20 b.test."))


def test_a_value_that_cannot_be_read_stays_as_it_is() -> None:
    assert to_rrset(RecordSet("x.test.", "A", 60, ("not an address",))) == RRset(60, ("not an address",))


def test_an_alias_is_no_rrset() -> None:
    assert to_rrset(RecordSet("x.test.", "A", None, (), rest='{"AliasTarget": {}}')) is None
