"""What a change, or its undoing, leaves in caches, and for how long: the table of DESIGN section 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dns_cutover.records import Change, RRset
from dns_cutover.timing.lifetime import CachePolicy, lifetime


@dataclass(frozen=True, slots=True)
class NameContext:
    """What is at an owner name around a change.

    `negative_ttl` is N of the zone, `existing_ttls` the TTL of every other RRset at the name by type, `wildcard_ttl`
    the TTL of what a wildcard synthesises there today.
    """

    negative_ttl: int
    existing_ttls: Mapping[str, int] = field(default_factory=dict)
    wildcard_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """A worst case in seconds, and what decides it."""

    seconds: float
    why: str


def _held(what: RRset | None, change: Change, context: NameContext) -> Tail:
    """The longest TTL under which a cache may hold `what` at the name, before floors."""
    if what is not None:
        own = Tail(what.ttl, f"{change.key.rdtype} at {what.ttl} s")
    else:
        own = Tail(context.negative_ttl, f"its absence is cached for {context.negative_ttl} s")
        if context.wildcard_ttl is not None and context.wildcard_ttl > own.seconds:
            # A wildcard answered for the name while it was absent (RFC 4592).
            own = Tail(context.wildcard_ttl, f"a wildcard answers with TTL {context.wildcard_ttl}")
    # CNAME and another type exchange places: every RRset at the name, and its absence, may be cached.
    if change.key.rdtype == "CNAME" and context.existing_ttls and (change.before is None or change.after is None):
        kind, ttl = max(context.existing_ttls.items(), key=lambda item: item[1])
        if ttl > own.seconds:
            return Tail(ttl, f"{kind} at the same name at {ttl} s")
    if "CNAME" in context.existing_ttls and context.existing_ttls["CNAME"] > own.seconds:
        return Tail(context.existing_ttls["CNAME"], f"CNAME at the same name at {context.existing_ttls['CNAME']} s")
    return own


def old_lifetime(change: Change, context: NameContext, policy: CachePolicy) -> Tail:
    """Seconds after the last server changed for which a cache or client may still give `change.before`.

    Absence counts as a version: it lives for N. A new type at an existing name is an absence as well (NODATA).
    """
    if change.before == change.after:
        return Tail(0.0, "nothing changes")
    held = _held(change.before, change, context)
    return Tail(lifetime(held.seconds, policy), held.why)


def rollback_lifetime(change: Change, context: NameContext, policy: CachePolicy) -> Tail:
    """The same after `change` was undone: how long caches may give `change.after`.

    Undoing a creation leaves the positive answer for its TTL; undoing a deletion leaves the absence for N.
    """
    return old_lifetime(Change(change.key, change.after, change.before), context, policy)


def joint_tail(tails: Iterable[Tail]) -> Tail:
    """The longest of several: a chain, a target, or a whole stage is as slow as what changes slowest in it."""
    return max(tails, key=lambda tail: tail.seconds, default=Tail(0.0, "nothing changes"))


def alias_lifetime(target_ttl: float, provider_refresh: float, served_ttl: float, policy: CachePolicy) -> float:
    """ALIAS and flattened names: the provider's copy of the target, its refresh and the served TTL add up."""
    return target_ttl + provider_refresh + lifetime(served_ttl, policy)


def delegation_lifetime(
    parent_ttl: float, child_ttl: float, policy: CachePolicy, *, old_servers_serve_old_ns: bool
) -> float:
    """A delegation: a child-centric resolver can learn the old NS set just before the parent's copy ends.

    Once the old servers serve the new NS set, only the longer of the two counts.
    """
    both = parent_ttl + child_ttl if old_servers_serve_old_ns else max(parent_ttl, child_ttl)
    return lifetime(both, policy)
