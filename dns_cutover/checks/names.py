"""DC2xx, the names: whether the zone answers for a name at all, and what else stands there."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.baseline import describe
from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.records import RRsetKey
from dns_cutover.records.name import relative_name


def _stage(*changes: str) -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {change}\n" for change in changes)


_WWW = "www 3600 IN A 192.0.2.10\n"
_CREATE = '{{name: {}, type: A, from: absent, to: ["192.0.2.20"]}}'


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
        name = subject.name_at(c)
        if name is None or not name.cut or not _stays(gone, c, name.cut, "NS"):
            continue
        hosts = name.delegation.values if name.delegation is not None else ()
        glue = c.key.rdtype in ("A", "AAAA") and c.key.owner in hosts
        if glue or (c.key.owner == name.cut and c.key.rdtype in ("NS", "DS")):
            continue
        where = "at" if c.key.owner == name.cut else "below"
        who = ", ".join(h.rstrip(".") for h in hosts) or "other servers"
        message = f"{c.label} is {where} the zone cut {name.cut}: {who} answer for it"
        yield c.spot(message, f"make the change in the zone {name.cut}, with an entry of its own under zones")


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
        name = subject.name_at(c)
        if name is not None and name.dname and _stays(gone, c, name.dname, "DNAME"):
            yield c.spot(f"{c.label} lies below the DNAME at {name.dname}, which answers for it")


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
    until: dict[tuple[str, str], set[str]] = {}
    told: set[tuple[str, str]] = set()
    for c in subject.changes:
        where = (c.key.zone, c.key.owner)
        name = subject.live.names.get(where)
        here = until.setdefault(where, set())
        here |= subject.planned_types[c.n, *where]
        if where in told or (name is not None and (name.problem or name.cut or name.dname)):
            continue
        image = subject.images[c.n + 1]
        if image.get(RRsetKey(*where, "CNAME")) is None:
            continue
        there = {t for t in subject.known_types[where] if image.get(RRsetKey(*where, t)) is not None}
        # What the plan itself puts together is found while it is read (DC114).
        live = there - here
        if len(there) < 2 or not live or not there & here:
            continue
        told.add(where)
        alias = (o for o in subject.changes if (o.n, o.key) == (c.n, RRsetKey(*where, "CNAME")))
        c = next(alias, c)
        also = sorted(live)
        key = RRsetKey(*where, also[0])
        message = (
            f"{c.label} would stand beside {', '.join(also)} that is live there: {describe(subject.live_rrset(key))}"
        )
        owner = relative_name(c.key.owner, subject.names[c.key.zone])
        hint = f'add to the stage {{name: "{owner}", type: {also[0]}, from: live, to: absent}}'
        yield c.spot(message, hint)


CHECKS = (below_a_cut, below_a_dname, cname_beside_live_data)
