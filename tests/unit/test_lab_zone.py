"""What an authoritative server answers from a zone: RFC 1034 section 4.3.2, wildcards, cuts, aliases, absence."""

import dns.name
import dns.rdatatype
import dns.zone
import pytest

from dns_cutover.lab.zone import ZoneVersion, lineage
from dns_cutover.records import RRset

ZONE = "example.test."
TEXT = """\
@ 3600 IN SOA ns1 host 7 7200 900 1209600 300
@ 3600 IN NS ns1
@ 3600 IN NS ns.elsewhere.test.
@ 3600 IN MX 10 mx
@ 3600 IN TXT "apex"
ns1 3600 IN A 192.0.2.53
mx 3600 IN A 192.0.2.25
mx 3600 IN AAAA 2001:db8::25
www 60 IN A 192.0.2.1
www 60 IN TXT "x"
alias 60 IN CNAME www
away 60 IN CNAME www.elsewhere.test.
dangling 60 IN CNAME missing
loop1 60 IN CNAME loop2
loop2 60 IN CNAME loop1
down 60 IN CNAME host.sub
a.ent 60 IN A 192.0.2.2
*.wild 90 IN A 192.0.2.3
own.wild 90 IN TXT "own"
below.own.wild 90 IN TXT "below"
*.cwild 90 IN CNAME www
x.*.odd 90 IN A 192.0.2.9
sub 3600 IN NS ns.sub
sub 3600 IN DS 1 13 2 abababababababababababababababababababababababababababababababab
ns.sub 3600 IN A 192.0.2.5
old 3600 IN DNAME new
host.new 60 IN A 192.0.2.7
off 3600 IN DNAME elsewhere.test.
long 3600 IN DNAME {long}
a\\.www 60 IN TXT "a dot in a label"
""".format(long=".".join(["l" * 60] * 3))

zone = ZoneVersion.from_text(ZONE, TEXT)


def full(name):
    return ZONE if name == "@" else f"{name}.{ZONE}"


def shown(items):
    return [(i.owner, i.rdtype, i.rrset.ttl, i.rrset.values) for i in items]


def ask(name, rdtype):
    return zone.lookup(full(name), rdtype)


def test_every_rrset_that_dnspython_reads_is_answered_as_it_is():
    parsed = dns.zone.from_text(TEXT, origin=ZONE, relativize=False, check_origin=False)
    cut, hidden = dns.name.from_text(full("sub")), 0
    for name, rdataset in parsed.iterate_rdatasets():
        got = zone.lookup(name.to_text().lower(), dns.rdatatype.to_text(rdataset.rdtype))
        if name.is_subdomain(cut) and rdataset.rdtype != dns.rdatatype.DS:
            hidden += 1
            assert (got.aa, got.answer) == (False, ())
            continue
        assert (got.rcode, got.aa) == ("NOERROR", True)
        assert shown(got.answer) == [
            (
                name.to_text().lower(),
                dns.rdatatype.to_text(rdataset.rdtype),
                rdataset.ttl,
                RRset.from_rdataset(rdataset).values,
            )
        ]
    assert hidden == 2


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "chain"),
    [
        ("www", "MX", "NOERROR", []),  # NODATA
        ("missing", "A", "NXDOMAIN", []),
        ("below.www", "A", "NXDOMAIN", []),
        ("ent", "A", "NOERROR", []),  # an empty non-terminal exists
        ("b.ent", "A", "NXDOMAIN", []),
        ("wild", "A", "NOERROR", []),  # so does the parent of a wildcard
        ("any.wild", "MX", "NOERROR", []),
        ("own.wild", "A", "NOERROR", []),  # a name of its own stops the wildcard (RFC 4592)
        ("other.own.wild", "A", "NXDOMAIN", []),  # and is the closest encloser of what is under it
        ("any.odd", "A", "NOERROR", []),  # the wildcard is an empty non-terminal
        ("dangling", "A", "NXDOMAIN", ["CNAME"]),  # RFC 6604: of the last name
        ("alias", "MX", "NOERROR", ["CNAME"]),
        ("old", "A", "NOERROR", []),  # DNAME says nothing about its own name
    ],
)
def test_absence_has_the_soa_with_the_negative_ttl(name, rdtype, rcode, chain):
    got = ask(name, rdtype)
    assert (got.rcode, got.aa) == (rcode, True)
    assert [i.rdtype for i in got.answer] == chain
    assert shown(got.authority) == [(ZONE, "SOA", 300, zone.soa.values)]


def test_the_negative_ttl_is_the_lower_of_soa_ttl_and_minimum():
    low = ZoneVersion.from_text(ZONE, TEXT.replace("@ 3600 IN SOA", "@ 120 IN SOA"))
    assert low.lookup(full("missing"), "A").authority[0].rrset.ttl == 120


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("any.wild", "A", [("any.wild", "A", 90, "192.0.2.3")]),
        ("more.any.wild", "A", [("more.any.wild", "A", 90, "192.0.2.3")]),
        ("*.wild", "A", [("*.wild", "A", 90, "192.0.2.3")]),
        ("any.cwild", "A", [("any.cwild", "CNAME", 90, f"www.{ZONE}"), ("www", "A", 60, "192.0.2.1")]),
        ("alias", "A", [("alias", "CNAME", 60, f"www.{ZONE}"), ("www", "A", 60, "192.0.2.1")]),
        ("alias", "CNAME", [("alias", "CNAME", 60, f"www.{ZONE}")]),
        ("away", "A", [("away", "CNAME", 60, "www.elsewhere.test.")]),
        (
            "host.old",
            "A",
            [
                ("old", "DNAME", 3600, f"new.{ZONE}"),
                ("host.old", "CNAME", 3600, f"host.new.{ZONE}"),
                ("host.new", "A", 60, "192.0.2.7"),
            ],
        ),
        ("x.old", "CNAME", [("old", "DNAME", 3600, f"new.{ZONE}"), ("x.old", "CNAME", 3600, f"x.new.{ZONE}")]),
        (
            "www.off",
            "A",
            [("off", "DNAME", 3600, "elsewhere.test."), ("www.off", "CNAME", 3600, "www.elsewhere.test.")],
        ),
        ("a\\.www", "TXT", [("a\\.www", "TXT", 60, '"a dot in a label"')]),
    ],
)
def test_wildcards_and_chains(name, rdtype, expected):
    got = ask(name, rdtype)
    assert (got.rcode, got.aa, got.authority) == ("NOERROR", True, ())
    assert shown(got.answer) == [(full(o), t, ttl, (v,)) for o, t, ttl, v in expected]


def test_a_chain_that_ends_nowhere_ends():
    got = ask("loop1", "A")
    assert got.rcode == "SERVFAIL"
    assert [(i.owner, i.rdtype) for i in got.answer] == [(full("loop1"), "CNAME"), (full("loop2"), "CNAME")]


@pytest.mark.parametrize(("name", "rdtype"), [("sub", "A"), ("sub", "NS"), ("deep.sub", "A"), ("ns.sub", "A")])
def test_below_a_cut_is_a_referral_with_glue(name, rdtype):
    got = ask(name, rdtype)
    assert (got.rcode, got.aa, got.glue, got.answer) == ("NOERROR", False, True, ())
    assert shown(got.authority) == [(full("sub"), "NS", 3600, (full("ns.sub"),))]
    assert shown(got.additional) == [(full("ns.sub"), "A", 3600, ("192.0.2.5",))]


def test_an_alias_into_a_delegated_zone_is_answered_as_far_as_it_goes():
    got = ask("down", "A")
    assert (got.aa, [i.rdtype for i in got.answer], [i.rdtype for i in got.authority]) == (True, ["CNAME"], ["NS"])


def test_addresses_of_mail_and_name_servers_come_along():
    assert [(i.owner, i.rdtype) for i in ask("@", "MX").additional] == [(full("mx"), "A"), (full("mx"), "AAAA")]
    assert [(i.owner, i.rdtype) for i in ask("@", "NS").additional] == [(full("ns1"), "A")]


def test_any_gets_one_rrset():
    assert shown(ask("www", "ANY").answer) == [(full("www"), "A", 60, ("192.0.2.1",))]
    assert (ask("missing", "ANY").rcode, ask("ent", "ANY").answer) == ("NXDOMAIN", ())


def test_a_dname_that_makes_a_name_too_long():
    got = ask("k" * 60 + "." + "k" * 20, "A")
    assert got.rcode == "NXDOMAIN"
    got = ask("k" * 60 + "." + "k" * 20 + ".long", "A")
    assert (got.rcode, [i.rdtype for i in got.answer]) == ("YXDOMAIN", ["DNAME"])


def test_labels_with_dots_are_not_mistaken():
    assert not zone.holds("a\\.example.test.")
    assert zone.holds("a\\.b.example.test.")
    assert lineage("a\\.b.test.") == ("a\\.b.test.", "test.", ".")
    assert lineage(".") == (".",)


def test_versions_are_values():
    assert (zone.serial, zone.timers) == (7, (7200, 900, 1209600))
    assert full("ent") in zone.names
    with pytest.raises(TypeError):
        zone.rrsets[ZONE, "A"] = RRset(1, ("192.0.2.1",))
    with pytest.raises(ValueError, match="no SOA"):
        ZoneVersion.from_text(ZONE, "www 60 IN A 192.0.2.1\n")
    with pytest.raises(ValueError, match="not in the zone"):
        ZoneVersion.of(ZONE, {**zone.rrsets, ("other.test.", "A"): RRset(1, ("192.0.2.1",))})
