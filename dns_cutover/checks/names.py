"""DC2xx, the names: whether the zone answers for a name at all, and what else stands there or would stop."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.baseline import describe
from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.lookup.views import NameView
from dns_cutover.records import RRsetKey
from dns_cutover.records.name import is_below, parent_names, relative_name


def _stage(*changes: str) -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {change}\n" for change in changes)


_WWW = "www 3600 IN A 192.0.2.10\n"
_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')
_CREATE = '{{name: {}, type: A, from: absent, to: ["192.0.2.20"]}}'
_VIEWS = """
zones:
  public: &zone
    zone: example.test
    provider: {type: rfc2136, server: 192.0.2.53, key: {name: cutover, secret: {env: CUTOVER_TSIG}}}
  private: *zone
"""
_PUBLIC = _stage('{in: [public], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


def _name(subject: Subject, change: Located) -> NameView | None:
    assert subject.live is not None
    found = subject.live.names.get((change.key.zone, change.key.owner))
    return found if found is not None and not found.problem else None


def _gone(subject: Subject) -> dict[RRsetKey, int]:
    """The RRsets that the plan takes away, and in which stage first."""
    out: dict[RRsetKey, int] = {}
    for c in subject.changes:
        if c.planned.kind == "set" and c.planned.after is None:
            out.setdefault(c.key, c.n)
    return out


def _stays(gone: dict[RRsetKey, int], change: Located, owner: str, rdtype: str) -> bool:
    """Whether that RRset of the change's zone is still there after the change's stage."""
    return gone.get(RRsetKey(change.key.zone, owner, rdtype), change.n + 1) > change.n


def _planned_types(subject: Subject) -> dict[tuple[int, str, str], set[str]]:
    """The types that each stage touches at each name, by (stage, zone reference, owner)."""
    out: dict[tuple[int, str, str], set[str]] = {}
    for c in subject.changes:
        out.setdefault((c.n, c.key.zone, c.key.owner), set()).add(c.key.rdtype)
    return out


@check(
    "DC208",
    "error",
    "the name lies below a zone cut",
    why="Other servers answer for the name, so the change would have no effect.",
    hint="make the change in the zone below",
    source="RFC 1034 section 4.2.1, RFC 2181 section 6",
    needs="live",
    fires=Example(_stage(_CREATE.format("www.shop")), zone="shop 3600 IN NS ns1.shophost.test.\n"),
    silent=Example(_stage(_CREATE.format("www.shop")), zone="shop 3600 IN A 192.0.2.1\n"),
)
def below_a_cut(subject: Subject) -> Iterator[Spot]:
    """Where a zone delegates a name, the servers named there answer for it and for all below. Records that the parent
    zone holds there are not served, except the delegation itself and the addresses of its servers. The update would
    succeed, every server would have it, and no user would see it.
    """
    gone = _gone(subject)
    for c in subject.changes:
        name = _name(subject, c)
        if name is None or not name.cut or not _stays(gone, c, name.cut, "NS"):
            continue
        hosts = name.delegation.values if name.delegation is not None else ()
        glue = c.key.rdtype in ("A", "AAAA") and c.key.owner in hosts
        if glue or (c.key.owner == name.cut and c.key.rdtype in ("NS", "DS")):
            continue
        where = "at" if c.key.owner == name.cut else "below"
        message = f"{c.label} is {where} the zone cut {name.cut}: {', '.join(hosts) or 'other servers'} answer for it"
        yield c.spot(message, f"make the change in the zone {name.cut}, with an entry of its own under zones")


@check(
    "DC209",
    "warning",
    "a wildcard answers for the name today, and would stop",
    why="Once a name exists the wildcard gives it nothing any more, of no type.",
    hint="create at the name whatever it shall keep of the wildcard's records",
    source="RFC 4592 section 2.2.1",
    needs="live",
    fires=Example(
        _stage(_CREATE.format("shop.apps")), zone="*.apps 3600 IN A 192.0.2.1\n*.apps 3600 IN AAAA 2001:db8::1\n"
    ),
    silent=Example(_stage(_CREATE.format("shop.apps")), zone="apps 3600 IN A 192.0.2.1\n"),
)
def wildcard_stops(subject: Subject) -> Iterator[Spot]:
    """A wildcard answers only for names that do not exist. With its first record a name exists, and the wildcard's
    other types are gone for it; so are they for the names between it and the wildcard, which exist from then on
    without any data. Users of those get no error, but no address either.
    """
    told: set[tuple[str, str]] = set()
    planned = _planned_types(subject)
    for c in subject.changes:
        name, where = _name(subject, c), (c.key.zone, c.key.owner)
        comes = c.planned.add or (c.planned.kind == "set" and c.planned.after is not None)
        if name is None or not name.wildcard or not comes or where in told:
            continue
        told.add(where)
        zone = subject.names[c.key.zone]
        lost = sorted(set(name.rrsets) - planned[c.n, *where])
        base = name.wildcard.removeprefix("*.")
        between = [relative_name(a, zone) for a in parent_names(c.key.owner) if a != base and is_below(a, base)]
        message = (
            f"{relative_name(name.wildcard, zone)} answers for {relative_name(c.key.owner, zone)} today and would stop"
        )
        message += f"; its {', '.join(lost)} would be gone there" if lost else ""
        message += f"; so it would for {', '.join(between)}" if between else ""
        yield c.spot(message)


@check(
    "DC210",
    "error",
    "the name lies below a DNAME",
    why="Names below a DNAME are answered from the tree that it points to; nothing of their own is served.",
    hint="take the DNAME away first, or make the change where it points to",
    source="RFC 6672 section 2.4",
    needs="live",
    fires=Example(_stage(_CREATE.format("www.brand")), zone="brand 3600 IN DNAME brand.other.test.\n"),
    silent=Example(_stage(_CREATE.format("www.brand")), zone="brand 3600 IN A 192.0.2.1\n"),
)
def below_a_dname(subject: Subject) -> Iterator[Spot]:
    """A DNAME redirects everything below its owner, and records must not exist there. Servers refuse the update, take
    it and ignore the record, or serve it beside the redirection; in no case do all users get it.
    """
    gone = _gone(subject)
    for c in subject.changes:
        name = _name(subject, c)
        if name is not None and name.dname and _stays(gone, c, name.dname, "DNAME"):
            yield c.spot(f"{c.label} lies below the DNAME at {name.dname}, which answers for it")


@check(
    "DC211",
    "warning",
    "the record exists only in one view",
    why="Users of the other view get something else, or nothing, before and after the move.",
    hint="say in which views the change is meant: in: [public, private]",
    source="RFC 8499 section 6 (split DNS)",
    needs="live",
    fires=Example(
        _VIEWS + _PUBLIC,
        note="www is only in the public view.",
        facts={"views": {"public": _WWW, "private": "intra 3600 IN A 10.0.0.1\n"}},
    ),
    silent=Example(_VIEWS + _PUBLIC, zone=_WWW),
)
def only_in_one_view(subject: Subject) -> Iterator[Spot]:
    """Two zone references of one name are two views, such as a public and a private one. A record that the plan changes
    in one of them and that the other does not have is either meant so, or has been forgotten there; users who are
    inside learn of the move in neither case.
    """
    for c, other in _siblings(subject):
        assert subject.live is not None
        here = subject.live.rrsets.get(c.key)
        there = subject.live.rrsets.get(other)
        if here is None and there is not None:
            yield c.spot(
                f"{c.label} exists in {other.zone} ({describe(there)}), and the plan creates it in {c.key.zone}"
            )
        elif here is not None and there is None:
            yield c.spot(f"{c.label} exists in {c.key.zone} only, not in {other.zone}")


@check(
    "DC217",
    "warning",
    "the other view keeps the old value",
    why="Users of the other view stay on the old side, and break when it is switched off.",
    hint="name both views, in: [public, private], if both are to move",
    source="RFC 8499 section 6 (split DNS)",
    needs="live",
    fires=Example(_VIEWS + _PUBLIC, zone=_WWW, note="Both views have the same address, and one of them moves."),
    silent=Example(_VIEWS + _PUBLIC.replace("[public]", "[public, private]"), zone=_WWW),
)
def other_view_stays(subject: Subject) -> Iterator[Spot]:
    """Where two views of a zone hold the same data and the plan changes one of them, the other goes on sending its
    users to the old side. That is seldom meant, since the same data was there for the same reason.
    """
    for c, other in _siblings(subject):
        assert subject.live is not None
        here, there = subject.live.rrsets.get(c.key), subject.live.rrsets.get(other)
        if here is not None and there is not None and here.same_data(there):
            yield c.spot(f"{c.label} has the same value in {other.zone}, which keeps it: {describe(there)}")


def _siblings(subject: Subject) -> Iterator[tuple[Located, RRsetKey]]:
    """Changes of RRsets that another view of the zone could have, too, and that the plan does not touch there."""
    assert subject.live is not None
    touched = {c.key for c in subject.changes}
    told: set[RRsetKey] = set()
    for c in subject.changes:
        if c.key in told:
            continue
        told.add(c.key)
        for ref, zone in subject.names.items():
            other = RRsetKey(ref, c.key.owner, c.key.rdtype)
            if ref == c.key.zone or zone != subject.names[c.key.zone] or other in touched:
                continue
            views = [subject.live.names.get((r, c.key.owner)) for r in (c.key.zone, ref)]
            answered = all(v is not None and not (v.problem or v.wildcard or v.cut or v.dname) for v in views)
            if answered and other in subject.live.rrsets:
                yield c, other


@check(
    "DC214",
    "error",
    "a CNAME would stand beside other data that is live",
    why="Servers ignore or refuse such an update, so that the stage would be applied in part or not at all.",
    hint="take the other data away in the same stage",
    source="RFC 1034 section 3.6.2, RFC 2136 section 3.4.2.2",
    needs="live",
    fires=Example(
        _stage("{name: www, type: CNAME, from: absent, to: edge.newhost.test.}"),
        zone=_WWW,
        elsewhere="edge.newhost.test. 300 IN A 198.51.100.1\n",
    ),
    silent=Example(
        _stage(
            "{name: www, type: CNAME, from: absent, to: edge.newhost.test.}",
            '{name: www, type: A, from: ["192.0.2.10"], to: absent}',
        ),
        zone=_WWW,
        elsewhere="edge.newhost.test. 300 IN A 198.51.100.1\n",
    ),
)
def cname_beside_live_data(subject: Subject) -> Iterator[Spot]:
    """A name with a CNAME has no other data. The plan may look right in itself and still meet an alias, or an address,
    that it does not mention. BIND and Knot answer such an update with NOERROR and leave the conflicting part out,
    PowerDNS refuses it.
    """
    assert subject.live is not None
    types: dict[tuple[str, str], set[str]] = {}
    for key in (*subject.live.rrsets, *(c.key for c in subject.changes)):
        types.setdefault((key.zone, key.owner), set()).add(key.rdtype)
    planned = _planned_types(subject)
    until: dict[tuple[str, str], set[str]] = {}
    told: set[tuple[str, str]] = set()
    for c in subject.changes:
        where = (c.key.zone, c.key.owner)
        name = subject.live.names.get(where)
        here = until.setdefault(where, set())
        here |= planned[c.n, *where]
        if where in told or (name is not None and (name.problem or name.cut or name.dname)):
            continue
        there = {t for t in types[where] if subject.images[c.n + 1].get(RRsetKey(*where, t)) is not None}
        # What the plan itself puts together is found while it is read (DC114).
        live = there - here
        if "CNAME" not in there or len(there) < 2 or not live or not there & here:
            continue
        told.add(where)
        also = sorted(live)
        key = RRsetKey(*where, also[0])
        message = (
            f"{c.label} would stand beside {', '.join(also)} that is live there: {describe(subject.live_rrset(key))}"
        )
        owner = relative_name(c.key.owner, subject.names[c.key.zone])
        hint = f'add to the stage: {{name: "{owner}", type: {also[0]}, from: live, to: absent}}'
        yield c.spot(message, hint)


CHECKS = (below_a_cut, wildcard_stops, below_a_dname, only_in_one_view, other_view_stays, cname_beside_live_data)
