"""DC7xx: the chain of trust from a parent's DS to the DNSKEY set of the zone below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import dns.dnssec
import dns.exception
import dns.name
from dns.rdtypes.ANY.CDNSKEY import CDNSKEY
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.records import RRsetKey
from dns_cutover.records.name import is_below
from dns_cutover.records.rdata import parse_rdata

Known: TypeAlias = tuple[str, ...] | Literal["unknown"] | None

# "Delete the DS", in CDS and in CDNSKEY (RFC 8078 section 4).
_DELETE = frozenset({"0 0 0 00", "0 3 0 AA==", "0 3 0 AA"})
_ZONE_KEY, _REVOKED = 0x0100, 0x0080

_ALLOWED = "safety: {allow: [delegation, apex_ns, dnssec]}\n"
_KEY = "257 3 13 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
_OTHER = "257 3 13 QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+fw=="
_DS = "59409 13 2 db56d24b6f7514b6a7a206f8729fa59796aa07f1c8fdaf367a6cf54381f4d874"
_NS = '{name: "@", type: NS, from: [ns1.example.test., ns2.example.test.], to: [ns1.new.test., ns2.new.test.]}'


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


def _ds(subject: Subject, child: str, n: int) -> Known:
    """The DS set of a zone (by name) when stage n begins, wherever its parent is."""
    for ref, zone in subject.names.items():
        if zone != child and is_below(child, zone):
            found: Known = subject.images[n].get(RRsetKey(ref, child, "DS"), "unknown")
            if found != "unknown":
                return found
            view = subject.live.names.get((ref, child)) if subject.live is not None else None
            if view is not None and view.cut == child and not view.problem:
                return view.rrsets["DS"].values if "DS" in view.rrsets else None
    for ref, zone in subject.names.items():
        security = subject.live.security.get(ref) if subject.live is not None and zone == child else None
        if security is not None and security.ds_known:
            return security.ds.values if security.ds is not None else None
    return "unknown"


def _dnskey(subject: Subject, child: str, n: int) -> Known:
    """The DNSKEY set of a zone (by name) when stage n begins; unknown where the plan does not have the zone."""
    for ref, zone in subject.names.items():
        if zone != child:
            continue
        found: Known = subject.images[n].get(RRsetKey(ref, child, "DNSKEY"), "unknown")
        if found != "unknown":
            return found
        security = subject.live.security.get(ref) if subject.live is not None else None
        if security is not None and security.dnskey_known:
            return security.dnskey.values if security.dnskey is not None else None
    return "unknown"


def matches(child: str, ds: str, dnskey: str) -> bool:
    """Whether the DS (or CDS) RDATA means this DNSKEY: key tag, algorithm, and the digest (RFC 4034 section 5.1.4).

    A digest of an unknown type counts as right: a resolver that does not know it ignores the DS.
    """
    want, key = parse_rdata("DS", ds), parse_rdata("DNSKEY", dnskey)
    assert isinstance(want, DS)
    assert isinstance(key, DNSKEY)
    if not key.flags & _ZONE_KEY or key.flags & _REVOKED:
        return False
    if (want.key_tag, want.algorithm) != (dns.dnssec.key_id(key), key.algorithm):
        return False
    try:
        made = dns.dnssec.make_ds(dns.name.from_text(child), key, want.digest_type, validating=True)
    except (dns.exception.DNSException, ValueError):
        return True
    return bool(made.digest == want.digest)


@check(
    "DC703",
    "error",
    "name servers change under a DS",
    why="If the new servers sign with other keys, or not at all, every validating resolver gives SERVFAIL.",
    hint="take the DS away first and wait for its TTL, or exchange keys (RFC 8901) and allow: [dnssec]",
    source="RFC 6781 section 4.3.5; RFC 8901",
    needs="live",
    fires=Example(
        "safety: {allow: [apex_ns]}\n" + _stage(_NS),
        elsewhere="example.test. 86400 IN DS 60485 13 2 " + "ab" * 32 + "\n",
        note="The parent has a DS for the zone.",
    ),
    silent=Example("safety: {allow: [apex_ns]}\n" + _stage(_NS), note="The parent has no DS."),
)
def servers_under_ds(subject: Subject) -> Iterator[Spot]:
    """A DS in the parent says which keys the zone below is signed with. Servers of another provider usually have keys
    of their own, and what they give is then bogus for everybody who validates, until the parent's DS has died. Either
    the zone goes insecure for the move, or both providers sign with keys that the DS set and both DNSKEY sets know.
    New servers that serve the zone already are asked for their keys (DC711); of others allow: [dnssec] is a promise.
    """
    if "dnssec" in subject.loaded.plan.safety.allow:
        return
    for c in subject.changes:
        if c.key.rdtype != "NS" or c.planned.kind == "ttl":
            continue
        before, after, ds = subject.before(c), subject.after(c), _ds(subject, c.key.owner, c.n)
        comes = isinstance(before, tuple) and isinstance(after, tuple) and set(after) - set(before)
        if comes and isinstance(ds, tuple):
            yield c.spot(f"{c.label} brings new servers while {c.key.owner} has a DS in its parent")


@check(
    "DC704",
    "error",
    "a DS that no DNSKEY satisfies",
    why="Validating resolvers take the whole zone for bogus, for as long as the DS lives.",
    hint="publish the new DNSKEY first, wait for its TTL, then the DS; take the old DNSKEY away last",
    source="RFC 4035 section 5.2; RFC 4509 section 3; RFC 6781 section 4.1.2",
    needs="live",
    ignorable=False,
    fires=Example(
        _ALLOWED + _stage("{name: '@', type: DNSKEY, from: ['" + _KEY + "'], to: ['" + _OTHER + "']}"),
        zone="@ 3600 IN DNSKEY " + _KEY + "\n",
        elsewhere="example.test. 86400 IN DS " + _DS + "\n",
        note="The parent has a DS of the first key only.",
    ),
    silent=Example(
        _ALLOWED + _stage("{name: '@', type: DNSKEY, add: ['" + _OTHER + "']}"),
        zone="@ 3600 IN DNSKEY " + _KEY + "\n",
        elsewhere="example.test. 86400 IN DS " + _DS + "\n",
    ),
)
def broken_chain(subject: Subject) -> Iterator[Spot]:
    """A zone is valid if at least one DS of its parent has the key tag, the algorithm and the digest of one of its zone
    keys. After each stage that changes one side, the other side is compared, from the plan where it changes that too,
    else as it is live. No word under safety.allow permits a chain that is broken for certain.
    """
    for c in subject.changes:
        if c.key.rdtype not in ("DS", "DNSKEY") or c.planned.kind == "ttl":
            continue
        if c.key.rdtype == "DNSKEY" and c.key.owner != subject.names[c.key.zone]:
            continue
        ds, keys = _ds(subject, c.key.owner, c.n + 1), _dnskey(subject, c.key.owner, c.n + 1)
        if isinstance(ds, tuple) and keys != "unknown":
            if keys is None:
                yield c.spot(f"{c.label}: after stage {c.stage.name} there is a DS for {c.key.owner}, and no DNSKEY")
            elif not any(matches(c.key.owner, d, k) for d in ds for k in keys):
                tags = ", ".join(sorted({d.split()[0] for d in ds}))
                message = (
                    f"{c.label}: after stage {c.stage.name} no DNSKEY of {c.key.owner} fits the DS (key tag {tags})"
                )
                yield c.spot(message)


@check(
    "DC705",
    "error",
    "a DS where nothing is delegated",
    why="A DS belongs beside the NS set of a delegation, in the parent.",
    hint="put it into the parent zone, or add the NS set of the delegation",
    source="RFC 4035 section 2.4",
    needs="live",
    fires=Example(_ALLOWED + _stage("{name: sub, type: DS, from: absent, to: ['60485 13 2 " + "ab" * 32 + "']}")),
    silent=Example(
        _ALLOWED + _stage("{name: sub, type: DS, from: absent, to: ['60485 13 2 " + "ab" * 32 + "']}"),
        zone="sub 3600 IN NS ns1.old.test.\n",
    ),
)
def ds_without_delegation(subject: Subject) -> Iterator[Spot]:
    """At the apex of a zone a DS says nothing, since the parent is asked for it. At a name without NS it says nothing
    either, and some servers refuse to load it. Mostly the DS was meant for another zone or name.
    """
    for c in subject.changes:
        if c.key.rdtype != "DS" or not isinstance(subject.after(c), tuple):
            continue
        if c.key.owner == subject.names[c.key.zone]:
            yield c.spot(f"{c.label} stands at the apex of its own zone, and belongs into the parent")
        elif _delegated(subject, RRsetKey(c.key.zone, c.key.owner, "NS"), c.n + 1) is False:
            yield c.spot(f"{c.label} stands where nothing is delegated: {c.key.owner} has no NS")


def _delegated(subject: Subject, ns: RRsetKey, n: int) -> bool | None:
    """Whether there is an NS set at the name; None if that is not known."""
    found = subject.images[n].get(ns, "unknown")
    if found != "unknown":
        return found is not None
    view = subject.live.names.get((ns.zone, ns.owner)) if subject.live is not None else None
    return None if view is None or view.problem else view.cut == ns.owner or "NS" in view.rrsets


@check(
    "DC706",
    "error",
    "CDS or CDNSKEY that does not fit the DNSKEY set",
    why="A parent that follows it would publish a DS that breaks the zone.",
    hint="make CDS and CDNSKEY from keys that the zone has, or write the form that deletes the DS: "
    "0 0 0 00 in CDS, 0 3 0 AA== in CDNSKEY",
    source="RFC 7344 sections 4.1 and 5; RFC 8078 section 4",
    needs="live",
    fires=Example(
        _ALLOWED + _stage("{name: '@', type: CDNSKEY, from: absent, to: ['" + _OTHER + "']}"),
        zone="@ 3600 IN DNSKEY " + _KEY + "\n",
    ),
    silent=Example(
        _ALLOWED + _stage("{name: '@', type: CDNSKEY, from: absent, to: ['" + _KEY + "']}"),
        zone="@ 3600 IN DNSKEY " + _KEY + "\n",
    ),
)
def wrong_cds(subject: Subject) -> Iterator[Spot]:
    """CDS and CDNSKEY, at the apex, tell the parent which DS to have. Parents that look for them act on them without
    asking anybody, so that a set of which no member means a key of the zone is as bad as a wrong DS.
    """
    for c in subject.changes:
        after = subject.after(c) if c.key.rdtype in ("CDS", "CDNSKEY") and c.planned.kind != "ttl" else None
        if not isinstance(after, tuple) or set(after) <= _DELETE:
            continue
        if c.key.owner != subject.names[c.key.zone]:
            yield c.spot(f"{c.label} does not stand at the apex of a zone, where alone it is looked for")
            continue
        keys = _dnskey(subject, c.key.owner, c.n + 1)
        if keys == "unknown":
            continue
        if not any(_means(c.key.owner, c.key.rdtype, value, key) for value in after for key in keys or ()):
            yield c.spot(f"{c.label} means no key that {c.key.owner} has after stage {c.stage.name}")


def _means(child: str, rdtype: str, value: str, key: str) -> bool:
    if value in _DELETE:
        return False
    if rdtype == "CDS":
        return matches(child, value, key)
    said, has = parse_rdata("CDNSKEY", value), parse_rdata("DNSKEY", key)
    assert isinstance(said, CDNSKEY)
    assert isinstance(has, DNSKEY)
    return (said.flags, said.algorithm, said.key) == (has.flags, has.algorithm, has.key)


@check(
    "DC711",
    "error",
    "a new name server has none of the keys that the parent's DS knows",
    why="What it gives is bogus for everybody who validates, and no permission in the plan changes that.",
    hint="let it sign with a key that the DS set knows (RFC 8901), or take the DS away first and wait for its TTL",
    source="RFC 4035 section 5.2; RFC 8901",
    needs="live",
    ignorable=False,
    fires=Example(
        _ALLOWED + _stage(_NS),
        elsewhere=f"example.test. 86400 IN DS {_DS}\n",
        note="ns1.new.test serves the zone with another key.",
        facts={"newcomers": {("example.test.", "ns1.new.test."): (_OTHER,)}},
    ),
    silent=Example(
        _ALLOWED + _stage(_NS),
        elsewhere=f"example.test. 86400 IN DS {_DS}\n",
        note="ns1.new.test serves the zone with the key that the DS means.",
        facts={"newcomers": {("example.test.", "ns1.new.test."): (_KEY,)}},
    ),
)
def newcomer_without_key(subject: Subject) -> Iterator[Spot]:
    """The servers that a plan brings are asked for the zone's DNSKEY before anybody is sent to them. If the parent has
    a DS when the stage begins, and a new server has no key that it means, validating resolvers that ask it will
    answer SERVFAIL for the whole zone, for as long as the parent's DS and the NS set live. A server that does not
    serve the zone yet, or cannot be asked, says nothing here.
    """
    assert subject.live is not None
    for c in subject.changes:
        before, after = subject.before(c), subject.after(c)
        ds = _ds(subject, c.key.owner, c.n) if c.key.rdtype == "NS" else None
        if not isinstance(ds, tuple) or not isinstance(after, tuple):
            continue
        for host in (h for h in after if not isinstance(before, tuple) or h not in before):
            if (c.key.owner, host) not in subject.live.newcomers:
                continue
            keys = subject.live.newcomers[c.key.owner, host]
            if not any(matches(c.key.owner, d, k) for d in ds for k in (keys.values if keys is not None else ())):
                how = "with other keys than its DS means" if keys is not None else "unsigned, and it has a DS"
                yield c.spot(f"{host} serves {c.key.owner} {how}", "", "to" if c.planned.kind == "set" else "add")


CHECKS = (newcomer_without_key, servers_under_ds, broken_chain, ds_without_delegation, wrong_cds)
