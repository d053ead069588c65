"""DC2xx, views: zones of one name that different users see, such as a public and a private one."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.baseline import describe
from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.records import RRsetKey

_WWW = "www 3600 IN A 192.0.2.10\n"
_VIEWS = """
zones:
  public: &zone
    zone: example.test
    provider: {type: rfc2136, server: 192.0.2.53, key: {name: cutover, secret: {env: CUTOVER_TSIG}}}
  private: *zone
"""
_PUBLIC = (
    "stages:\n  - name: switch\n    changes:\n"
    '      - {in: [public], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}\n'
)


@check(
    "DC211",
    "warning",
    "the record exists only in one view",
    why="Users of the other view get something else, or nothing, before and after the move.",
    hint="say in which views the change is meant: in: [public, private]",
    source="RFC 9499 section 6 (split DNS)",
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
            yield c.spot(f"{c.label} exists in {other.zone} only ({describe(there)}), not in {c.key.zone}")
        elif here is not None and there is None:
            yield c.spot(f"{c.label} exists in {c.key.zone} only, not in {other.zone}")


@check(
    "DC217",
    "warning",
    "the other view keeps the old value",
    why="Users of the other view stay on the old side, and break when it is switched off.",
    hint="name both views, in: [public, private], if both are to move",
    source="RFC 9499 section 6 (split DNS)",
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
        if c.planned.kind != "ttl" and here is not None and there is not None and here.same_data(there):
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


CHECKS = (only_in_one_view, other_view_stays)
