"""DC2xx, wildcards: what a name that comes takes from them, and what one that goes leaves to them."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.records import RRsetKey
from dns_cutover.records.name import is_below, parent_names, relative_name


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_SHOP = _stage('{name: shop.apps, type: A, from: absent, to: ["192.0.2.20"]}')
_GO = "safety: {allow: [delete]}\n" + _stage('{name: old.apps, type: A, from: ["192.0.2.10"], to: absent}')

# Types that are looked at only where everything at a name is.
_WHOLE = {"TXT", "MX"}


@check(
    "DC209",
    "warning",
    "a wildcard answers for the name today, and would stop",
    why="Once a name exists the wildcard gives it nothing any more, of no type.",
    hint="create at the name whatever it shall keep of the wildcard's records",
    source="RFC 4592 section 2.2",
    needs="live",
    fires=Example(_SHOP, zone="*.apps 3600 IN A 192.0.2.1\n*.apps 3600 IN AAAA 2001:db8::1\n"),
    silent=Example(_SHOP, zone="apps 3600 IN A 192.0.2.1\n"),
)
def wildcard_stops(subject: Subject) -> Iterator[Spot]:
    """A wildcard answers only for names that do not exist. With its first record a name exists, and the wildcard's
    other types are gone for it; so are they for the names between it and the wildcard, which exist from then on
    without any data. Users of those get no error, but no address either.
    """
    told: set[tuple[str, str]] = set()
    for c in subject.changes:
        name, where = subject.name_at(c), (c.key.zone, c.key.owner)
        comes = c.planned.add or (c.planned.kind == "set" and c.planned.after is not None)
        if name is None or not name.wildcard or not comes or where in told:
            continue
        told.add(where)
        zone = subject.names[c.key.zone]
        lost = sorted(set(name.rrsets) - subject.planned_types[c.n, *where])
        base = name.wildcard.removeprefix("*.")
        between = [relative_name(a, zone) for a in parent_names(c.key.owner) if a != base and is_below(a, base)]
        message = (
            f"{relative_name(name.wildcard, zone)} answers for {relative_name(c.key.owner, zone)} today and would stop"
        )
        message += f"; its {', '.join(lost)} would be gone there" if lost else ""
        message += f"; so it would for {', '.join(between)}" if between else ""
        yield c.spot(message)


@check(
    "DC218",
    "warning",
    "a wildcard would answer in the place of what is deleted",
    why="Users would not learn that the name is gone: they would be sent where the wildcard points.",
    hint="if the name is to have no answer at all, keep it with a record that does no harm",
    source="RFC 4592 section 3.3.1",
    needs="live",
    fires=Example(
        _GO,
        zone="old.apps 3600 IN A 192.0.2.10\n*.apps 3600 IN A 192.0.2.1\n",
    ),
    silent=Example(
        _GO,
        zone="old.apps 3600 IN A 192.0.2.10\nold.apps 3600 IN TXT kept\n*.apps 3600 IN TXT x\n",
    ),
)
def wildcard_begins(subject: Subject) -> Iterator[Spot]:
    """When the last record at a name is deleted the name ceases to exist, and a wildcard beside it answers from then
    on. The old service may be switched off in the belief that nobody gets its name any more, while users reach another.
    """
    assert subject.live is not None
    for c in subject.changes:
        ref, owner, image = c.key.zone, c.key.owner, subject.images[c.n + 1]
        if c.planned.kind != "set" or c.planned.after is not None or owner == subject.names[ref]:
            continue
        name = subject.name_at(c)
        if name is None or not set(name.types) >= _WHOLE:
            continue  # whatever else is there keeps the name in being
        beside = next(iter(parent_names(owner)), "")
        wild = image.get(RRsetKey(ref, f"*.{beside}", c.key.rdtype))
        left = any(image.get(RRsetKey(ref, owner, t)) is not None for t in subject.known_types[ref, owner])
        if wild is not None and not left:
            star = relative_name(f"*.{beside}", subject.names[ref])
            yield c.spot(f"{star} would answer for {c.label} once it is deleted: {', '.join(wild)}")


CHECKS = (wildcard_stops, wildcard_begins)
