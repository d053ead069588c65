"""DC7xx: cases in which a careless rule would speak, or be silent, wrongly."""

import dns.dnssec
import dns.name
import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.checks.trust import matches
from dns_cutover.plan.finding import Finding
from dns_cutover.records.rdata import parse_rdata
from tests.unit.checks.situation import findings

ALLOW = "safety: {allow: [delegation, apex_ns, dnssec, delete]}\n"
SUB = "sub 3600 IN NS ns1.old.test.\nsub 3600 IN NS ns2.old.test.\n"
OLD, NEW = "[ns1.old.test., ns2.old.test.]", "[ns1.new.test., ns2.new.test.]"
SERVERS = "ns1.new.test. 3600 IN A 198.51.100.1\nns2.new.test. 3600 IN A 198.51.100.2\n"
TWO_ZONES = (
    "zones:\n"
    "  parent: {zone: example.test, provider: &p {type: rfc2136, server: 192.0.2.53, "
    "key: {name: k, secret: {env: K}}}}\n"
    "  child: {zone: sub.example.test, provider: *p}\n"
)


def key(fill: int, flags: int = 257) -> str:
    """A key of algorithm 13 that is as good as any for digests."""
    import base64

    return f"{flags} 3 13 {base64.b64encode(bytes([fill]) * 64).decode()}"


def ds(fill: int, child: str = "example.test.", digest: str = "SHA256") -> str:
    made = dns.dnssec.make_ds(dns.name.from_text(child), parse_rdata("DNSKEY", key(fill)), digest)  # type: ignore[arg-type]
    return made.to_text()


def stages(*stages: tuple[str, ...]) -> str:
    out = "stages:\n"
    for n, changes in enumerate(stages):
        out += f"  - name: s{n}\n    changes:\n" + "".join(f"      - {c}\n" for c in changes)
    return out


def said(check: str, text: str, zone: str = "", *, offline: bool = False, **more: object) -> list[Finding]:
    found = findings(Example(text, zone, **more), offline=offline)  # type: ignore[arg-type]
    return [f for f in found if f.id == check]


# -- who serves --------------------------------------------------------------------------------------------------------

MOVE = f"{{name: sub, type: NS, from: {OLD}, to: {NEW}}}"


def test_a_delegation_that_moves_in_one_step() -> None:
    [f] = said("DC710", ALLOW + stages((MOVE,)), SUB, elsewhere=SERVERS)
    assert f.message == "sub NS drops ns1.old.test., ns2.old.test. in one step"


def test_an_overlap_is_no_step() -> None:
    both = "[ns1.old.test., ns2.old.test., ns1.new.test., ns2.new.test.]"
    first = f"{{name: sub, type: NS, from: {OLD}, to: {both}}}"
    last = f"{{name: sub, type: NS, from: {both}, to: {NEW}}}"
    assert not said("DC710", ALLOW + stages((first,), (last,)), SUB, elsewhere=SERVERS)


def test_the_zones_own_set_changes_as_a_whole_and_first() -> None:
    """At the apex the whole set at once is what is recommended; after it the delegation may follow in one step."""
    child = f"{{in: child, name: '@', type: NS, from: {OLD}, to: {NEW}}}"
    parent = f"{{in: parent, name: sub, type: NS, from: {OLD}, to: {NEW}}}"
    good = TWO_ZONES + ALLOW + stages((child,), (parent,))
    assert not said("DC710", good, offline=True)
    for bad in (stages((parent,), (child,)), stages((parent, child))):
        assert [f.record for f in said("DC710", TWO_ZONES + ALLOW + bad, offline=True)] == ["sub NS (parent)"]


def test_an_edit_by_value_that_leaves_one() -> None:
    take = "{name: sub, type: NS, remove: [ns1.old.test.]}"
    [f] = said("DC709", ALLOW + stages((take,)), SUB)
    assert f.message == "sub NS leaves ns2.old.test. as the only name server"
    assert not said("DC709", ALLOW + stages((take,)), offline=True)  # what is left is not known


def test_glue_may_come_from_the_plan_or_be_there() -> None:
    change = "{name: sub, type: NS, from: [ns1.old.test., ns2.old.test.], to: [ns.sub, ns2.old.test.]}"
    [f] = said("DC707", ALLOW + stages((change,)), SUB)
    assert "names ns.sub.example.test., which has no address" in f.message
    glue = "{name: ns.sub, type: AAAA, from: absent, to: ['2001:db8::1']}"
    assert not said("DC707", ALLOW + stages((change, glue)), SUB)
    assert said("DC707", ALLOW + stages((change,), (glue,)), SUB)  # a stage too late
    assert not said("DC707", ALLOW + stages((glue,), (change,)), SUB)
    assert not said("DC707", ALLOW + stages((change,)), SUB, elsewhere="ns.sub.example.test. 60 IN A 192.0.2.7\n")


def test_a_server_whose_authority_cannot_be_asked_is_not_judged() -> None:
    assert {f.message.split()[3] for f in said("DC708", ALLOW + stages((MOVE,)), SUB)} == {
        "ns1.new.test.,",
        "ns2.new.test.,",
    }
    assert not said("DC708", ALLOW + stages((MOVE,)), SUB, facts={"unresolved": ("ns1.new.test.", "ns2.new.test.")})
    assert not said("DC708", ALLOW + stages((MOVE,)), offline=True)


def test_old_servers_without_addresses_are_not_the_plans_fault() -> None:
    both = f"{{name: sub, type: NS, from: {OLD}, to: [ns1.old.test., ns1.new.test.]}}"
    assert not said("DC708", ALLOW + stages((both,)), SUB, elsewhere=SERVERS)


# -- the chain of trust ------------------------------------------------------------------------------------------------

APEX_NS = "{name: '@', type: NS, from: [ns1.example.test., ns2.example.test.], to: [ns1.new.test., ns2.new.test.]}"
ABOVE = f"example.test. 86400 IN DS {ds(1)}\n"


def test_servers_that_only_go_are_no_danger_to_a_ds() -> None:
    less = "{name: '@', type: NS, from: [ns1.example.test., ns2.example.test.], to: [ns1.example.test.]}"
    allow = "safety: {allow: [apex_ns]}\n"
    assert not said("DC703", allow + stages((less,)), elsewhere=ABOVE)
    assert said("DC703", allow + stages((APEX_NS,)), elsewhere=ABOVE)
    assert not said("DC703", ALLOW + stages((APEX_NS,)), elsewhere=ABOVE)  # dnssec is allowed: a promise


def test_a_parent_that_could_not_be_asked_for_ds_is_not_judged() -> None:
    assert not said("DC703", "safety: {allow: [apex_ns]}\n" + stages((APEX_NS,)), facts={"ds_known": False})


def test_a_signed_delegation_inside_the_zone() -> None:
    """The DS stands beside the NS set that changes; taken away in an earlier stage it is no danger any more."""
    live = f"{SUB}sub 3600 IN DS {ds(1, 'sub.example.test.')}\n"
    allow = "safety: {allow: [delegation, delete]}\n"
    [f] = said("DC703", allow + stages((MOVE,)), live, elsewhere=SERVERS)
    assert f.record == "sub NS"
    insecure = "{name: sub, type: DS, from: live, to: absent}"
    assert not said("DC703", allow + stages((insecure,), (MOVE,)), live, elsewhere=SERVERS)
    assert said("DC703", allow + stages((MOVE,), (insecure,)), live, elsewhere=SERVERS)


@pytest.mark.parametrize("digest", ["SHA256", "SHA384"])
def test_a_ds_means_a_key_by_tag_algorithm_and_digest(digest: str) -> None:
    """The owner name is part of the digest (RFC 4034 section 5.1.4)."""
    good = ds(1, digest=digest)
    assert matches("example.test.", good, key(1))
    assert not matches("example.test.", good, key(2))
    assert not matches("other.test.", good, key(1))
    tag, rest = good.split(" ", 1)
    assert not matches("example.test.", f"{(int(tag) + 1) % 65536} {rest}", key(1))
    assert not matches("example.test.", good.replace(" 13 ", " 8 "), key(1))


def test_revoked_keys_and_keys_of_other_uses_satisfy_no_ds() -> None:
    """RFC 5011 section 2.1 and RFC 4034 section 2.1.1; their tags differ, too."""
    for flags in (257 | 0x80, 0):
        other = parse_rdata("DNSKEY", key(1, flags))
        text = f"{dns.dnssec.key_id(other)} 13 2 {'ab' * 32}"  # type: ignore[arg-type]
        assert not matches("example.test.", text, key(1, flags))


def test_a_digest_that_nobody_knows_is_not_called_wrong() -> None:
    tag = ds(1).split()[0]
    assert matches("example.test.", f"{tag} 13 99 abcd", key(1))


ZONE = f"@ 3600 IN DNSKEY {key(1)}\n"


def test_one_good_ds_is_enough() -> None:
    """A rollover has two DS, of which one fits at any time (RFC 6781 section 4.1.2)."""
    swap = f"{{name: '@', type: DNSKEY, from: ['{key(1)}'], to: ['{key(2)}']}}"
    both = ABOVE + f"example.test. 86400 IN DS {ds(2)}\n"
    [f] = said("DC704", ALLOW + stages((swap,)), ZONE, elsewhere=ABOVE)
    assert f.message.endswith(f"fits the DS (key tag {ds(1).split()[0]})")
    assert not said("DC704", ALLOW + stages((swap,)), ZONE, elsewhere=both)
    assert not said("DC704", ALLOW + stages((swap,)), ZONE)  # no DS: nobody validates


def test_taking_all_keys_away_under_a_ds() -> None:
    gone = "{name: '@', type: DNSKEY, from: live, to: absent}"
    [f] = said("DC704", ALLOW + stages((gone,)), ZONE, elsewhere=ABOVE)
    assert f.message == "@ DNSKEY: after stage s0 there is a DS for example.test., and no DNSKEY"


def test_both_sides_in_one_plan_are_followed_from_stage_to_stage() -> None:
    """Key first, then DS, then the old key goes: good. Both keys at once: broken until the DS follows."""
    child = "sub.example.test."
    first = f"{{in: child, name: '@', type: DNSKEY, from: ['{key(1)}'], to: ['{key(1)}', '{key(2)}']}}"
    swap = f"{{in: parent, name: sub, type: DS, from: ['{ds(1, child)}'], to: ['{ds(2, child)}']}}"
    last = f"{{in: child, name: '@', type: DNSKEY, from: ['{key(1)}', '{key(2)}'], to: ['{key(2)}']}}"
    at_once = f"{{in: child, name: '@', type: DNSKEY, from: ['{key(1)}'], to: ['{key(2)}']}}"
    live = f"{ZONE}{SUB}sub 3600 IN DS {ds(1, child)}\n"
    head = TWO_ZONES + ALLOW
    assert not said("DC704", head + stages((first,), (swap,), (last,)), live)
    assert [f.stage for f in said("DC704", head + stages((swap,), (first,), (last,)), live)] == ["s0"]
    assert [f.stage for f in said("DC704", head + stages((at_once,), (swap,)), live)] == ["s0"]


def test_keys_that_could_not_be_asked_for_are_not_called_missing() -> None:
    """No answer about DNSKEY is no proof that there is none."""
    swap = f"{{in: parent, name: sub, type: DS, from: absent, to: ['{ds(1, 'sub.example.test.')}']}}"
    [f] = said("DC704", TWO_ZONES + ALLOW + stages((swap,)), SUB)
    assert f.message.endswith("there is a DS for sub.example.test., and no DNSKEY")
    assert not said("DC704", TWO_ZONES + ALLOW + stages((swap,)), SUB, facts={"dnskey_known": False})


def test_a_ds_at_the_apex_belongs_to_the_parent() -> None:
    [f] = said("DC705", ALLOW + stages((f"{{name: '@', type: DS, from: absent, to: ['{ds(1)}']}}",)))
    assert "belongs into the parent" in f.message


def test_a_ds_beside_a_delegation_that_the_plan_makes() -> None:
    signed = f"{{name: sub, type: DS, from: absent, to: ['{ds(1, 'sub.example.test.')}']}}"
    made = "{name: sub, type: NS, from: absent, to: [ns1.new.test., ns2.new.test.]}"
    assert said("DC705", ALLOW + stages((signed,)))
    assert not said("DC705", ALLOW + stages((made, signed)))
    assert said("DC705", ALLOW + stages((signed,), (made,)))
    assert not said("DC705", ALLOW + stages((signed,)), offline=True)  # a delegation may be there


def test_cds_may_ask_for_no_ds_at_all() -> None:
    """RFC 8078 section 4."""
    for rdtype, value in (("CDS", "0 0 0 00"), ("CDNSKEY", "0 3 0 AA==")):
        change = f"{{name: '@', type: {rdtype}, from: absent, to: ['{value}']}}"
        assert not said("DC706", ALLOW + stages((change,)), ZONE)


def test_cds_is_compared_with_the_keys_after_the_stage() -> None:
    cds = f"{{name: '@', type: CDS, from: absent, to: ['{ds(2)}']}}"
    comes = f"{{name: '@', type: DNSKEY, add: ['{key(2)}']}}"
    assert said("DC706", ALLOW + stages((cds,)), ZONE)
    assert not said("DC706", ALLOW + stages((cds, comes)), ZONE)
    assert not said("DC706", ALLOW + stages((cds,)), offline=True)
    [f] = said("DC706", ALLOW + stages((cds.replace("'@'", "sub"),)), ZONE)
    assert "does not stand at the apex" in f.message
