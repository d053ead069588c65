"""UPDATE as real servers process it (RFC 2136), traps included: what is built with dnspython goes through the wire."""

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update
import pytest

from dns_cutover.lab.update import ANY, IN, NONE, Rr, apply_update, read_sections
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.records import RRset

ZONE = "example.test."
zone = ZoneVersion.from_text(
    ZONE,
    """\
@ 3600 IN SOA ns1 host 7 7200 900 1209600 300
@ 3600 IN NS ns1
@ 3600 IN NS ns2
@ 3600 IN NS ns3
ns3 60 IN A 192.0.2.53
@ 3600 IN MX 10 mx.old.test.
@ 3600 IN TXT "One"
@ 3600 IN TXT "two"
www 60 IN A 192.0.2.1
www 60 IN A 192.0.2.2
alias 60 IN CNAME www
a.ent 60 IN A 192.0.2.2
""",
)


def processed(build, permitted=None):
    """The outcome of a message that `build` fills."""
    message = dns.update.UpdateMessage(ZONE)
    build(message)
    wire = message.to_wire()
    sections = read_sections(dns.message.from_wire(wire), wire)
    return apply_update(zone, *sections, *([permitted] if permitted else []))


def values(version, name, rdtype):
    rrset = version.rrsets.get((ZONE if name == "@" else f"{name}.{ZONE}", rdtype))
    return rrset and (rrset.ttl, rrset.values)


def add_probe(message):
    message.add("probe", 5, "A", "192.0.2.9")


@pytest.mark.parametrize(
    ("prerequisite", "rcode"),
    [
        (lambda m: m.present("www"), "NOERROR"),  # name is in use
        (lambda m: m.present("missing"), "NXDOMAIN"),
        (lambda m: m.present("ent"), "NXDOMAIN"),  # an empty non-terminal is not in use
        (lambda m: m.absent("missing"), "NOERROR"),  # name is not in use
        (lambda m: m.absent("www"), "YXDOMAIN"),
        (lambda m: m.absent("ent"), "NOERROR"),
        (lambda m: m.present("www", "A"), "NOERROR"),  # RRset exists
        (lambda m: m.present("www", "MX"), "NXRRSET"),
        (lambda m: m.present("missing", "A"), "NXRRSET"),
        (lambda m: m.absent("www", "MX"), "NOERROR"),  # RRset does not exist
        (lambda m: m.absent("www", "A"), "YXRRSET"),
        (lambda m: m.present("www", "A", "192.0.2.2", "192.0.2.1"), "NOERROR"),  # exactly these values
        (lambda m: m.present("www", "A", "192.0.2.1"), "NXRRSET"),
        (lambda m: m.present("www", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"), "NXRRSET"),
        (lambda m: m.present("WWW", "A", "192.0.2.2", "192.0.2.1"), "NOERROR"),
        (lambda m: m.present("@", "MX", "10 MX.old.test."), "NOERROR"),  # names compare without case
        (lambda m: m.present("@", "TXT", '"One"', '"two"'), "NOERROR"),
        (lambda m: m.present("@", "TXT", '"one"', '"two"'), "NXRRSET"),  # text does not
        (lambda m: m.present("@", "SOA", f"ns1.{ZONE} host.{ZONE} 7 7200 900 1209600 300"), "NOERROR"),
        (lambda m: m.present("@", "SOA", f"ns1.{ZONE} host.{ZONE} 6 7200 900 1209600 300"), "NXRRSET"),
        (lambda m: m.present("www.other.test."), "NOTZONE"),
        (lambda m: (m.present("www", "A"), m.absent("alias", "CNAME")), "YXRRSET"),  # all must hold
    ],
)
def test_prerequisites(prerequisite, rcode):
    got, after = processed(lambda m: (prerequisite(m), add_probe(m)))
    assert got == rcode
    assert values(after, "probe", "A") == ((5, ("192.0.2.9",)) if rcode == "NOERROR" else None)
    assert after is zone or rcode == "NOERROR"


def test_a_prerequisite_with_a_ttl_is_a_format_error():
    rdataset = RRset(60, ("192.0.2.1", "192.0.2.2")).to_rdataset("A")
    got, after = processed(lambda m: (m.present("www", rdataset), add_probe(m)))
    assert (got, after) == ("FORMERR", zone)


@pytest.mark.parametrize("kind", [ANY, NONE])
def test_a_ttl_that_parsers_do_not_keep_is_seen(kind):
    message = dns.update.UpdateMessage(ZONE)
    message.absent("missing") if kind == NONE else message.present("www")
    add_probe(message)
    wire = bytearray(message.to_wire())
    at = bytes(wire).index(b"\x00\xff" + kind.to_bytes(2, "big") + bytes(4)) + 4
    wire[at + 3] = 9
    sections = read_sections(dns.message.from_wire(bytes(wire)), bytes(wire))
    assert apply_update(zone, *sections) == ("FORMERR", zone)


@pytest.mark.parametrize(
    "rr",
    [
        Rr(f"www.{ZONE}", "A", 3),  # class CH
        Rr(f"www.{ZONE}", "A", IN),
        Rr(f"www.{ZONE}", "A", ANY, 0, "192.0.2.1"),
    ],
)
def test_prerequisites_of_a_wrong_form(rr):
    assert apply_update(zone, [rr], []) == ("FORMERR", zone)


@pytest.mark.parametrize(
    ("rr", "rcode"),
    [
        (Rr("www.other.test.", "A", IN, 5, "192.0.2.1"), "NOTZONE"),
        (Rr(f"www.{ZONE}", "ANY", IN, 5, "x"), "FORMERR"),
        (Rr(f"www.{ZONE}", "A", IN, 5), "FORMERR"),
        (Rr(f"www.{ZONE}", "A", ANY, 5), "FORMERR"),
        (Rr(f"www.{ZONE}", "A", ANY, 0, "192.0.2.1"), "FORMERR"),
        (Rr(f"www.{ZONE}", "AXFR", ANY), "FORMERR"),
        (Rr(f"www.{ZONE}", "A", NONE, 5, "192.0.2.1"), "FORMERR"),
        (Rr(f"www.{ZONE}", "ANY", NONE, 0, "x"), "FORMERR"),
        (Rr(f"www.{ZONE}", "A", NONE), "FORMERR"),
        (Rr(f"www.{ZONE}", "A", 3, 5, "192.0.2.1"), "FORMERR"),
    ],
)
def test_nothing_is_done_if_one_update_is_malformed(rr, rcode):
    fine = Rr(f"probe.{ZONE}", "A", IN, 5, "192.0.2.9")
    assert apply_update(zone, [], [fine, rr]) == (rcode, zone)


@pytest.mark.parametrize(
    ("what", "name", "rdtype", "expected"),
    [
        # TTL only, as BIND and PowerDNS have it; Knot differs
        (lambda m: m.replace("@", 60, "MX", "10 mx.old.test."), "@", "MX", (60, ("10 mx.old.test.",))),
        (lambda m: m.add("@", 60, "MX", "10 mx.old.test."), "@", "MX", (60, ("10 mx.old.test.",))),
        (lambda m: m.add("www", 5, "A", "192.0.2.3"), "www", "A", (5, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))),
        (lambda m: m.delete("www", "A", "192.0.2.1"), "www", "A", (60, ("192.0.2.2",))),
        (lambda m: m.delete("www", "A", "192.0.2.9"), "www", "A", (60, ("192.0.2.1", "192.0.2.2"))),
        (lambda m: m.delete("www", "A"), "www", "A", None),
        (lambda m: m.delete("www"), "www", "A", None),
        # the apex NS set never becomes empty
        (
            lambda m: m.replace("@", 60, "NS", "ns9.o.test."),
            "@",
            "NS",
            (60, (f"ns1.{ZONE}", f"ns2.{ZONE}", f"ns3.{ZONE}", "ns9.o.test.")),
        ),
        (lambda m: m.delete("@", "NS"), "@", "NS", (3600, (f"ns1.{ZONE}", f"ns2.{ZONE}", f"ns3.{ZONE}"))),
        (
            lambda m: (
                m.delete("@", "NS", "ns3"),
                m.delete("@", "NS", "ns1"),
                m.delete("@", "NS", "ns2"),
                m.add("@", 60, "NS", "ns9.o.test."),
            ),
            "@",
            "NS",
            (60, (f"ns2.{ZONE}", "ns9.o.test.")),
        ),
        (
            lambda m: (
                m.add("@", 60, "NS", "ns9.o.test."),
                m.delete("@", "NS", "ns3"),
                m.delete("@", "NS", "ns1"),
                m.delete("@", "NS", "ns2"),
            ),
            "@",
            "NS",
            (60, ("ns9.o.test.",)),
        ),
        (lambda m: m.delete("@"), "@", "MX", None),
        (lambda m: m.delete("@"), "@", "NS", (3600, (f"ns1.{ZONE}", f"ns2.{ZONE}", f"ns3.{ZONE}"))),
        # CNAME and other data: NOERROR, and ignored
        (lambda m: m.add("alias", 60, "A", "192.0.2.9"), "alias", "A", None),
        (lambda m: m.add("www", 60, "CNAME", "alias"), "www", "CNAME", None),
        (lambda m: m.add("alias", 30, "CNAME", "other"), "alias", "CNAME", (30, (f"other.{ZONE}",))),
        (
            lambda m: (m.delete("alias", "CNAME"), m.add("alias", 60, "A", "192.0.2.9")),
            "alias",
            "A",
            (60, ("192.0.2.9",)),
        ),
        (
            lambda m: (m.delete("www", "A"), m.add("www", 60, "CNAME", "alias")),
            "www",
            "CNAME",
            (60, (f"alias.{ZONE}",)),
        ),
    ],
)
def test_updates(what, name, rdtype, expected):
    rcode, after = processed(what)
    assert rcode == "NOERROR"
    assert values(after, name, rdtype) == expected


@pytest.mark.parametrize(
    "what",
    [
        lambda m: m.add("@", 60, "NS", "nowhere"),
        lambda m: m.delete("ns3", "A"),
        lambda m: (m.add("@", 60, "NS", "ns9"), m.add("ns9", 60, "TXT", '"no address"')),
    ],
)
def test_a_name_server_that_nobody_finds_is_refused(what):
    assert processed(what) == ("REFUSED", zone)


def test_a_name_server_with_its_address_or_that_only_passes_is_not():
    def both(m):
        m.add("@", 60, "NS", "ns9")
        m.add("ns9", 60, "AAAA", "2001:db8::9")
        m.add("@", 60, "NS", "spare")
        m.delete("@", "NS", "spare")

    rcode, after = processed(both)
    assert (rcode, f"ns9.{ZONE}" in after.rrsets[ZONE, "NS"].values) == ("NOERROR", True)


def test_the_ignored_half_of_a_message_does_not_stop_the_other():
    rcode, after = processed(lambda m: (m.add("alias", 60, "A", "192.0.2.9"), add_probe(m)))
    assert (rcode, values(after, "alias", "A"), values(after, "probe", "A")) == ("NOERROR", None, (5, ("192.0.2.9",)))


def test_each_change_has_a_new_serial_and_no_change_has_none():
    assert processed(add_probe)[1].serial == 8
    assert processed(lambda m: m.add("www", 60, "A", "192.0.2.1"))[1] is zone
    assert processed(lambda m: m.replace("www", 60, "A", "192.0.2.1", "192.0.2.2"))[1] is zone
    assert processed(lambda m: m.delete("missing"))[1] is zone
    assert processed(lambda m: m.delete("@", "SOA"))[1] is zone


@pytest.mark.parametrize(("serial", "after"), [(9, 9), (7, 7), (6, 7), (2**31 + 6, 2**31 + 6), (2**31 + 8, 7)])
def test_a_soa_counts_only_with_a_newer_serial(serial, after):
    soa = f"ns1.{ZONE} host.{ZONE} {serial} 7200 900 1209600 60"
    got = processed(lambda m: m.add("@", 3600, "SOA", soa))[1]
    assert got.serial == after
    assert (got is zone) == (after == 7)
    assert processed(lambda m: m.add("www", 3600, "SOA", soa))[1] is zone


def test_a_serial_wraps_and_skips_zero():
    last = ZoneVersion.of(
        ZONE, {**zone.rrsets, (ZONE, "SOA"): RRset(60, (f"ns1.{ZONE} host.{ZONE} {2**32 - 1} 1 1 1 1",))}
    )
    assert apply_update(last, [], [Rr(f"probe.{ZONE}", "A", IN, 5, "192.0.2.9")])[1].serial == 1


def test_a_key_without_the_right_writes_nothing():
    rcode, after = processed(
        lambda m: (add_probe(m), m.add("www", 60, "A", "192.0.2.9")), lambda owner, rdtype: owner == f"probe.{ZONE}"
    )
    assert (rcode, after) == ("REFUSED", zone)
    # A prerequisite needs no right.
    assert processed(lambda m: (m.present("www", "A"), add_probe(m)), lambda o, t: o == f"probe.{ZONE}")[0] == "NOERROR"
