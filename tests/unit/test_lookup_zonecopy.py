"""What a copy of a zone says where the server would not serve what the copy has."""

from dns_cutover.lookup.interface import Endpoint, Fault
from dns_cutover.lookup.zonecopy import ZoneCopy, copy_of
from dns_cutover.lookup.zonewire import Record
from dns_cutover.records import RRset, RRsetKey

ZONE = "example.test."


def copy(*records: tuple[str, str, str]) -> ZoneCopy:
    soa = Record(ZONE, "SOA", 300, f"ns1.{ZONE} hostmaster.{ZONE} 7 7200 900 1209600 300")
    return copy_of(ZONE, Endpoint("ns1", "192.0.2.1"), [soa, *(Record(o, t, 300, v) for o, t, v in records)])


def key(owner: str, rdtype: str) -> RRsetKey:
    return RRsetKey("z", f"{owner}.{ZONE}", rdtype)


def test_a_name_below_a_cut_is_no_fault_of_the_server() -> None:
    """As where it is asked: the name's matter, told at the name alone, and not as a server that cannot be used."""
    got = copy((f"sub.{ZONE}", "NS", "ns.elsewhere.test.")).server_view("z", [key("www.sub", "A"), key("sub", "NS")])
    assert got.fault is Fault.CUT
    assert got.problem == f"refers to sub.{ZONE}: the name lies below a zone cut"
    assert got.rrsets == {key("sub", "NS"): RRset(300, ("ns.elsewhere.test.",))}


def test_what_stands_below_a_dname_is_not_served() -> None:
    """RFC 6672 section 2.4; the alias that is made from it is."""
    zone = copy((f"tree.{ZONE}", "DNAME", "other.test."), (f"www.tree.{ZONE}", "A", "192.0.2.1"))
    got = zone.server_view("z", [key("www.tree", "A"), key("www.tree", "CNAME")])
    assert got.rrsets == {key("www.tree", "A"): None, key("www.tree", "CNAME"): RRset(300, ("www.other.test.",))}
    assert zone.name_view("z", f"www.tree.{ZONE}", ("A",)).dname == f"tree.{ZONE}"
    assert got.fault is Fault.NONE


def test_a_dname_may_lead_to_the_root() -> None:
    got = copy((f"tree.{ZONE}", "DNAME", ".")).server_view("z", [key("www.tree", "CNAME")])
    assert got.rrsets == {key("www.tree", "CNAME"): RRset(300, ("www.",))}
