"""Records: parsing, canonical equality, edits and their inverses."""

import dns.rdata
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.records import (
    Change,
    InvalidName,
    InvalidRdata,
    Mismatch,
    RRset,
    RRsetKey,
    SetEdit,
    ValueEdit,
    absolute_name,
    canonical_rdata,
    canonical_type,
    inverse,
    quote_text,
    realise,
    relative_name,
    satisfied,
)
from dns_cutover.records.name import is_below, parent_names, wildcards_above
from dns_cutover.records.zonetext import parse_zone_text, zone_text

Z = "example.test."
TXT = RRsetKey("z", Z, "TXT")

SAMPLES = [
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("MX", "10 mail.example.test."),
    ("TXT", '"v=spf1 -all" "more"'),
    ("SRV", "1 2 443 svc.example.test."),
    ("CAA", '0 issue "ca.test"'),
    ("TLSA", "3 1 1 " + "ab" * 32),
    ("SSHFP", "1 1 " + "ab" * 20),
    ("NAPTR", '10 20 "u" "E2U+sip" "!^.*$!sip:x@y!" .'),
    ("HTTPS", '1 . alpn="h2,h3" ipv4hint="192.0.2.1"'),
    ("DS", "1 13 2 " + "ab" * 32),
    ("LOC", "51 30 12.748 N 0 7 39.611 W 0.00m 0.00m 0.00m 0.00m"),
    ("TYPE65280", r"\# 4 0a000001"),
    ("SOA", "ns.example.test. host.example.test. 1 2 3 4 5"),
    ("CNAME", "target.example.test."),
]


@pytest.mark.parametrize(("rdtype", "text"), SAMPLES)
def test_canonical_text_is_a_fixed_point(rdtype, text):
    once = canonical_rdata(rdtype, text)
    assert canonical_rdata(rdtype, once) == once
    rrset = RRset.of(rdtype, 60, text)
    assert RRset.from_rdataset(rrset.to_rdataset(rdtype)) == rrset


@pytest.mark.parametrize(("rdtype", "text"), SAMPLES)
def test_rfc3597_form_equals_the_mnemonic_form(rdtype, text):
    rdata = dns.rdata.from_text("IN", rdtype, text)
    wire = rdata.to_wire()
    assert canonical_rdata(rdtype, rf"\# {len(wire)} {wire.hex()}") == canonical_rdata(rdtype, text)


def test_names_compare_without_case_in_every_type():
    assert canonical_rdata("MX", "10 MAIL.Example.TEST.") == "10 mail.example.test."
    assert canonical_rdata("HTTPS", "1 Svc.Example.test.") == "1 svc.example.test."


def test_text_compares_with_case():
    assert canonical_rdata("TXT", '"A"') != canonical_rdata("TXT", '"a"')


@given(st.binary(max_size=700))
def test_text_of_any_length_and_bytes_survives(raw):
    rdata = dns.rdata.from_text("IN", "TXT", quote_text(raw))
    assert b"".join(rdata.strings) == raw
    assert all(len(s) <= 255 for s in rdata.strings)
    assert canonical_rdata("TXT", quote_text(raw)) == rdata.to_text()


@pytest.mark.parametrize(
    ("rdtype", "text"),
    [("A", "300.1.1.1"), ("MX", "mail"), ("A", ""), ("TXT", '"' + "x" * 256 + '"'), ("A", "192.0.2.1 junk")],
)
def test_bad_rdata_says_so(rdtype, text):
    with pytest.raises(InvalidRdata, match=rdtype):
        canonical_rdata(rdtype, text)


@pytest.mark.parametrize("name", ["ANY", "AXFR", "OPT", "NOPE"])
def test_query_types_are_no_records(name):
    with pytest.raises(InvalidRdata):
        canonical_type(name)


def test_names():
    assert absolute_name("WWW", Z) == "www.example.test."
    assert absolute_name("@", Z) == Z
    assert absolute_name("bücher", Z) == "xn--bcher-kva.example.test."
    assert absolute_name("*.a", Z) == "*.a.example.test."
    assert relative_name("www.example.test.", Z) == "www"
    assert relative_name(Z, Z) == "@"
    assert relative_name("other.test.", Z) == "other.test."
    assert relative_name("com.", ".") == "com"
    assert is_below("a.example.test.", Z)
    assert not is_below("example2.test.", Z)
    assert is_below(r"x\.y.example.test.", Z)
    assert not is_below(r"x\.example.test.", Z), "the dot is in the label"
    assert parent_names("a.b.example.test.") == ("b.example.test.", "example.test.", "test.")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "empty"),
        ("a..b", "empty label"),
        ("x" * 64, "63"),
        (".".join(["x" * 60] * 5), "255"),
        ("a\\", "escape"),
        ("ü" * 70, "too long"),
        ("\u05d0a", "IDNA"),  # right-to-left and left-to-right in one label
    ],
)
def test_bad_names_say_why(bad, why):
    with pytest.raises(InvalidName, match=why):
        absolute_name(bad, Z)


def test_the_wildcards_that_could_answer_for_a_name():
    assert wildcards_above("a.b.example.test.", Z) == ("*.b.example.test.", "*.example.test.")
    assert wildcards_above(r"x\.y.example.test.", Z) == ("*.example.test.",)
    assert wildcards_above(Z, Z) == ()
    assert wildcards_above("a.test.", ".") == ("*.test.", "*.")
    assert wildcards_above("test.", ".") == ("*.",)


def test_an_empty_rrset_is_not_an_rrset():
    with pytest.raises(ValueError, match="absence"):
        RRset(60, ())


def test_key_label():
    assert RRsetKey.of("z", "@", "mx", Z).label(Z) == "@ MX"
    assert RRsetKey.of("z", "www", "a", Z, set_id="blue").label(Z) == "www A [blue]"


def test_zone_text_round_trip():
    rrsets = {
        RRsetKey("z", "www." + Z, "A"): RRset.of("A", 60, "192.0.2.1", "192.0.2.2"),
        RRsetKey("z", Z, "TXT"): RRset.of("TXT", 300, '"a"', '"b \\"q\\" ;"'),
        RRsetKey("z", "u." + Z, "TYPE65280"): RRset.of("TYPE65280", 5, r"\# 1 00"),
    }
    assert parse_zone_text(zone_text(rrsets), "z", Z) == rrsets
    with pytest.raises(InvalidRdata):
        parse_zone_text("www A not-an-address\n", "z", Z)


values = st.frozensets(st.sampled_from(["a", "b", "c", "d"]), max_size=4)


def rrset_of(vals, ttl=60):
    return RRset(ttl, tuple(sorted(vals))) if vals else None


@given(values, values, values)
def test_set_edit_fits_only_its_before_and_its_inverse_undoes_it(before, after, found):
    edit = SetEdit(TXT, rrset_of(before), rrset_of(after))
    result = realise(edit, rrset_of(found))
    if found != before:
        assert isinstance(result, Mismatch)
        assert result.done == (found == after)
        return
    assert result == Change(TXT, rrset_of(before), rrset_of(after))
    assert satisfied(edit, result.after)
    back = realise(inverse(edit, result), result.after)
    assert isinstance(back, Change)
    assert back.after == rrset_of(before)


@given(values, values, values, values)
def test_value_edit_keeps_strangers_and_its_inverse_too(found, remove, add, strangers):
    add = add - remove
    edit = ValueEdit(TXT, tuple(sorted(remove)), tuple(sorted(add)), 60 if found else None, 30)
    result = realise(edit, rrset_of(found))
    fits = remove <= found and not add & found
    assert isinstance(result, Change) == fits
    if not fits or not (add or remove):
        return
    now = set(result.after.values) if result.after else set()
    assert now == (found - remove) | add
    assert satisfied(edit, result.after)
    strangers = strangers - add - remove
    there = rrset_of(now | strangers, 30)
    back = realise(inverse(edit, result), there)
    if there is None and add:
        return
    assert isinstance(back, Change)
    assert set(back.after.values if back.after else ()) == (found | strangers)


def test_ttl_only_edit_by_value():
    edit = ValueEdit(TXT, (), (), 3600, 60, require=("a",))
    change = realise(edit, RRset(3600, ("a", "b")))
    assert change == Change(TXT, RRset(3600, ("a", "b")), RRset(60, ("a", "b")))
    assert isinstance(realise(edit, RRset(300, ("a", "b"))), Mismatch)
    assert isinstance(realise(edit, None), Mismatch)
    assert not satisfied(edit, None)
    assert not satisfied(edit, RRset(3600, ("a",)))
    mismatch = realise(edit, RRset(3600, ("b",)))
    assert isinstance(mismatch, Mismatch)
    assert mismatch.expected == "with a, TTL 3600"
    assert "absent" in realise(SetEdit(TXT, None, RRset(1, ("a",))), RRset(1, ("b",))).expected
