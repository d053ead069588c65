"""DC7xx: who serves the names below. The chain of trust is in trust."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Located, Spot, Subject, added, check
from dns_cutover.records import RRsetKey
from dns_cutover.records.name import is_below

_DNSSEC = frozenset({"DS", "DNSKEY", "CDS", "CDNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "RRSIG"})
_WHY = "Acts that are hard to take back are named in the plan."


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_ALLOWED = "safety: {allow: [delegation, apex_ns]}\n"
_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


@check(
    "DC701",
    "error",
    "the NS set of the apex or of a delegation changes",
    why=_WHY,
    hint="if that is meant, allow it under safety",
    source="RFC 1034 section 4.2.2",
    fires=Example(_stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.new.test.]}")),
    silent=Example(_REPLACE),
)
def name_servers(subject: Subject) -> Iterator[Spot]:
    """A change of NS moves every name below it at once, resolvers keep the old servers for the parent's TTL plus the
    child's, and taking it back is no undo. It wants both sides to serve the same contents for all that time.
    """
    for c in subject.changes:
        word = "apex_ns" if c.key.owner == subject.names[c.key.zone] else "delegation"
        if c.key.rdtype == "NS" and word not in subject.loaded.plan.safety.allow:
            yield c.spot(f"{c.label} changes who serves the names below it", subject.allow(word))


@check(
    "DC702",
    "error",
    "a DNSSEC record changes",
    why=_WHY,
    hint="if that is meant: safety: {allow: [dnssec]}",
    source="RFC 6781 section 4",
    fires=Example(
        _stage("{name: sub, type: DS, from: absent, to: ['1 8 2 " + "AB" * 32 + "']}"),
    ),
    silent=Example(_REPLACE),
)
def dnssec_records(subject: Subject) -> Iterator[Spot]:
    """A mistake in the chain of trust makes the whole zone bogus for everybody who validates, for as long as the
    parent's DS lives.
    """
    if "dnssec" not in subject.loaded.plan.safety.allow:
        for c in subject.changes:
            if c.key.rdtype in _DNSSEC:
                yield c.spot(f"{c.label} is part of a chain of trust", subject.allow("dnssec"))


def _ns_changes(subject: Subject) -> Iterator[tuple[Located, tuple[str, ...]]]:
    """Changes of NS that leave a set, with that set."""
    for c in subject.changes:
        after = subject.after(c) if c.key.rdtype == "NS" and c.planned.kind != "ttl" else None
        if isinstance(after, tuple):
            yield c, after


def _without_address(subject: Subject, change: Located) -> Iterator[str]:
    """New name servers of which it is known that they have no address, neither live nor by the plan."""
    image = subject.images[change.n + 1]
    for host in added(subject, change):
        planned = (image.get(RRsetKey(ref, host, t)) for ref in subject.names for t in ("A", "AAAA"))
        live = subject.live.targets.get(host) if subject.live is not None else None
        if not any(planned) and live is not None and live.asked and not live.addresses:
            yield host


@check(
    "DC707",
    "error",
    "a name server inside the delegated zone without an address",
    why="Nobody can find a server whose address only that server could tell.",
    hint="add its A or AAAA to the same stage: that is the glue",
    source="RFC 1034 section 4.2.1",
    needs="live",
    fires=Example(
        _ALLOWED + _stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.sub, ns2.new.test.]}"),
        zone="sub 3600 IN NS ns1.old.test.\n",
        elsewhere="ns2.new.test. 3600 IN A 198.51.100.2\n",
    ),
    silent=Example(
        _ALLOWED
        + _stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.sub, ns2.new.test.]}")
        + '      - {name: ns1.sub, type: A, from: absent, to: ["198.51.100.1"]}\n',
        zone="sub 3600 IN NS ns1.old.test.\n",
        elsewhere="ns2.new.test. 3600 IN A 198.51.100.2\n",
    ),
)
def no_glue(subject: Subject) -> Iterator[Spot]:
    """A resolver that follows a delegation needs the address of a name server before it can ask that server anything.
    Where the server's name lies in the delegated zone itself, the address must be given beside the delegation, as glue.
    """
    for c, _ in _ns_changes(subject):
        for host in _without_address(subject, c):
            if is_below(host, c.key.owner):
                hint = f"add to the stage {{name: {host}, type: A, from: absent, to: [ADDRESS]}}"
                yield c.spot(f"{c.label} names {host}, which has no address", hint)


@check(
    "DC708",
    "error",
    "a new name server that does not resolve",
    why="Resolvers that pick it get nothing, and wait for that.",
    hint="create its address first, or correct the name",
    source="RFC 1912 section 2.8",
    needs="live",
    fires=Example(
        _ALLOWED + _stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.old.test., ns2.new.test.]}"),
        zone="sub 3600 IN NS ns1.old.test.\n",
    ),
    silent=Example(
        _ALLOWED + _stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.old.test., ns2.new.test.]}"),
        zone="sub 3600 IN NS ns1.old.test.\n",
        elsewhere="ns2.new.test. 3600 IN A 198.51.100.2\n",
    ),
)
def unresolved_server(subject: Subject) -> Iterator[Spot]:
    """The name of a new name server is looked up at its own authority. If that says that there is no address, the
    delegation leads nowhere: a typing error, or a server that is not set up yet.
    """
    for c, _ in _ns_changes(subject):
        for host in _without_address(subject, c):
            if not is_below(host, c.key.owner):
                yield c.spot(f"{c.label} names {host}, which does not resolve at its own authority")


@check(
    "DC709",
    "warning",
    "a single name server",
    why="If it cannot be reached, nothing below can.",
    hint="name at least two, in different networks",
    source="RFC 2182 section 5; RFC 1034 section 4.1",
    fires=Example(_ALLOWED + _stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.new.test.]}")),
    silent=Example(
        _ALLOWED + _stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.new.test., ns2.new.test.]}")
    ),
)
def single_server(subject: Subject) -> Iterator[Spot]:
    """A zone wants at least two servers that do not fail together: of two operators, or at least in two networks. One
    alone makes its own maintenance an outage of every name below.
    """
    for c, after in _ns_changes(subject):
        if len(after) == 1:
            yield c.spot(f"{c.label} leaves {after[0]} as the only name server", attribute=_last_key(c))


def _last_key(change: Located) -> str:
    return "to" if change.planned.kind == "set" else "remove" if change.planned.remove else "add"


@check(
    "DC710",
    "warning",
    "all old name servers go in one step",
    why="Resolvers learn the old set from the old servers just before the delegation's copy ends, and stay with it.",
    hint="let the old servers give out the new NS set first, wait for its TTL, and only then change the delegation",
    source="RFC 2181 section 5.4.1",
    fires=Example(
        _ALLOWED
        + _stage(
            "{name: sub, type: NS, from: [ns1.old.test., ns2.old.test.], to: [ns1.new.test., ns2.new.test.]}",
        )
    ),
    silent=Example(
        _ALLOWED
        + _stage(
            "{name: sub, type: NS, from: [ns1.old.test., ns2.old.test.], to: [ns1.old.test., ns1.new.test.]}",
        )
    ),
)
def all_at_once(subject: Subject) -> Iterator[Spot]:
    """While the old servers still give out the old NS set, the time for which resolvers may follow it is the sum of the
    TTLs of the delegation and of the zone's own copy, and some renew that copy with every answer. If the old servers
    give out the new set first, it is the longer one of the two. So the zone's own NS set, at its apex, is changed as a
    whole, in a stage before the delegation's; where the plan does that, this is silent.
    """
    for c, after in _ns_changes(subject):
        before = subject.before(c)
        if c.key.owner == subject.names[c.key.zone] or not isinstance(before, tuple) or set(before) & set(after):
            continue
        child = next((ref for ref, name in subject.names.items() if name == c.key.owner), None)
        if child is not None and subject.images[c.n].get(RRsetKey(child, c.key.owner, "NS")) == after:
            continue  # the zone itself gives out the new set by then
        yield c.spot(f"{c.label} drops {', '.join(before)} in one step", attribute=_last_key(c))


CHECKS = (name_servers, dnssec_records, no_glue, unresolved_server, single_server, all_at_once)
