"""The quick ways of names and addresses give what dnspython gives."""

from __future__ import annotations

import dns.name
import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.records import InvalidName, InvalidRdata, absolute_name, canonical_rdata

LABELS = st.text("abz019-_", min_size=1, max_size=63)
ORIGINS = st.sampled_from(["example.test.", ".", "Example.TEST.", "a\\.b.test.", "example.test", f"{'x' * 60}.test."])


@given(st.lists(LABELS, min_size=1, max_size=6), ORIGINS)
def test_a_plain_relative_name_is_what_dnspython_makes_of_it(labels: list[str], origin: str) -> None:
    text = ".".join(labels)
    try:
        wanted = dns.name.from_text(text, dns.name.from_text(origin)).canonicalize().to_text()
    except dns.name.NameTooLong:
        with pytest.raises(InvalidName):
            absolute_name(text, origin)
    else:
        assert absolute_name(text, origin) == wanted


@given(
    st.lists(
        st.sampled_from(["0", "1", "9", "10", "99", "100", "199", "200", "249", "255", "256", "01", "-1", "٣", ""])
    )
)
def test_an_address_is_taken_or_refused_as_dnspython_does(octets: list[str]) -> None:
    text = ".".join(octets)
    try:
        wanted = dns.rdata.from_text("IN", "A", text).to_text()
    except Exception:
        with pytest.raises(InvalidRdata):
            canonical_rdata("A", text)
    else:
        assert canonical_rdata("A", text) == wanted


def test_an_origin_that_is_no_name_is_refused_on_the_quick_way_too() -> None:
    with pytest.raises(InvalidName):
        absolute_name("www", "a..b.")
