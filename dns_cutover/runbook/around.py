"""What a plan's timing depends on beside the RRsets that it changes: aliases and other types at their names, wildcards.

One place says what must be asked, and what the answers mean, so that a runbook can be compared with what is live later.
Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dns_cutover.records import RRset, RRsetKey
from dns_cutover.records.name import wildcards_above
from dns_cutover.timing.exposure import NameContext


def wildcards(key: RRsetKey, zone: str) -> tuple[RRsetKey, ...]:
    """The wildcard RRsets that could answer for `key` while nothing is at its name (RFC 4592), nearest first."""
    if key.owner == zone or key.owner.startswith("*."):
        return ()
    return tuple(RRsetKey(key.zone, star, key.rdtype) for star in wildcards_above(key.owner, zone))


def keys_to_ask(keys: Collection[RRsetKey], names: Mapping[str, str]) -> tuple[RRsetKey, ...]:
    """The RRsets `keys`, and those around them, sorted. `names`: zone reference -> zone name."""
    beside = {RRsetKey(k.zone, k.owner, "CNAME") for k in keys if k.owner != names[k.zone]}
    above = {w for k in keys for w in wildcards(k, names[k.zone])}
    return tuple(sorted({*keys, *beside, *above}, key=lambda key: key.place))


def whole_names(keys: Iterable[RRsetKey]) -> frozenset[tuple[str, str]]:
    """(zone reference, owner) of names at which every type counts: they become an alias, or stop being one."""
    return frozenset((k.zone, k.owner) for k in keys if k.rdtype == "CNAME")


def around(
    changed: Collection[RRsetKey], rrsets: Mapping[RRsetKey, RRset | None], names: Mapping[str, str]
) -> dict[RRsetKey, RRset | None]:
    """What of `rrsets` counts for the RRsets that change, beside themselves: at their names, and wildcards above."""
    own, whole = frozenset(changed), whole_names(changed)
    above = {w for k in own for w in wildcards(k, names[k.zone])}
    beside = {(k.zone, k.owner, "CNAME") for k in own}
    return {
        k: r
        for k, r in rrsets.items()
        if k not in own and (k in above or (k.zone, k.owner) in whole or (k.zone, k.owner, k.rdtype) in beside)
    }


def contexts(
    keys: Iterable[RRsetKey],
    rrsets: Mapping[RRsetKey, RRset | None],
    negative: Mapping[str, int],
    names: Mapping[str, str],
) -> dict[RRsetKey, NameContext]:
    """What is at the name of each of `keys`; `negative` is N by zone reference, in seconds."""
    at_name: dict[tuple[str, str], dict[str, int]] = {}
    for key, rrset in rrsets.items():
        if rrset is not None:
            at_name.setdefault((key.zone, key.owner), {})[key.rdtype] = rrset.ttl
    out = {}
    for key in keys:
        there = {t: ttl for t, ttl in at_name.get((key.zone, key.owner), {}).items() if t != key.rdtype}
        wild = [r.ttl for w in wildcards(key, names[key.zone]) if (r := rrsets.get(w)) is not None]
        existing = there if key.rdtype == "CNAME" or "CNAME" in there else {}
        out[key] = NameContext(negative.get(key.zone, 0), existing, max(wild, default=None))
    return out
