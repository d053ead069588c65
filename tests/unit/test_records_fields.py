"""The fields of RDATA that rules look into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.records import InvalidRdata, canonical_rdata, quote_text, text_strings
from dns_cutover.records.fields import ServiceBinding, rdata_words, service_binding, txt_strings, unescaped


@given(st.binary(max_size=600))
def test_text_comes_back(octets: bytes) -> None:
    """Any octets survive quoting, splitting and joining."""
    value = canonical_rdata("TXT", quote_text(octets))
    assert b"".join(txt_strings(value)) == octets
    assert all(len(s) <= 255 for s in txt_strings(value))


def test_text_for_people_is_decoded_as_far_as_it_can_be() -> None:
    assert text_strings('"plain" "B\\195\\188cher"') == ("plain", "Bücher")
    assert text_strings('"\\255"') == ("\N{REPLACEMENT CHARACTER}",)
    with pytest.raises(InvalidRdata):
        text_strings('"open')


@given(st.binary(max_size=200))
def test_escapes_come_back(octets: bytes) -> None:
    assert unescaped(quote_text(octets)[1:-1]) == octets


@pytest.mark.parametrize("text", ["\\", "\\25", "\\999"])
def test_broken_escapes(text: str) -> None:
    with pytest.raises(InvalidRdata):
        unescaped(text)


def test_words() -> None:
    assert rdata_words('0 issue "a.test; x=1"') == ("0", "issue", "a.test; x=1")


def test_service_binding() -> None:
    """RFC 9460 in its own terms; lists as tuples, no value as None."""
    text = "1 . alpn=h2,h3 no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2"
    binding = service_binding("HTTPS", canonical_rdata("HTTPS", text))
    assert (binding.priority, binding.target, binding.port) == (1, ".", 8443)
    assert binding.items("ipv4hint") == ("192.0.2.1", "192.0.2.2")
    assert binding.params["no-default-alpn"] is None
    alias = service_binding("SVCB", "0 other.test.")
    assert alias == ServiceBinding(0, "other.test.", {})
    assert alias.port is None
    assert alias.items("alpn") == ()
