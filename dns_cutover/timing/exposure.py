"""What a change, or its undoing, leaves in caches, and for how long: the table of DESIGN section 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dns_cutover.records import Change, RRset
from dns_cutover.timing.lifetime import CachePolicy, lifetime


@dataclass(frozen=True, slots=True)
class NameContext:
    """What is at an owner name around a change; all TTLs in seconds.

    `negative_ttl` is N of the zone. `existing_ttls` has the TTL of every *other* RRset at the name, by type.
    `wildcard_ttl` is the highest TTL of what a wildcard synthesises while nothing explicit is at the name, None if no
    wildcard covers it. `name_exists` tells NODATA from NXDOMAIN; both are cached for N.
    """

    negative_ttl: int
    existing_ttls: Mapping[str, int] = field(default_factory=dict)
    wildcard_ttl: int | None = None
    name_exists: bool = True


@dataclass(frozen=True, slots=True)
class Tail:
    """A worst case in seconds, and what decides it."""

    seconds: float
    why: str


NOTHING = Tail(0.0, "nothing changes")


def joint_tail(tails: Iterable[Tail]) -> Tail:
    """The longest of several, the first one if equal: a stage is as slow as what changes slowest in it.

    So are a CNAME chain, and MX or SRV with their targets: only the links that change count, each with its own TTL.
    """
    return max(tails, key=lambda tail: tail.seconds, default=NOTHING)


def old_lifetime(change: Change, context: NameContext, policy: CachePolicy) -> Tail:
    """Seconds after the last server changed for which a cache or client may still give `change.before`.

    Absence counts as a version: it lives for N. A new type at an existing name is an absence as well (NODATA).
    """
    if change.before == change.after:
        return NOTHING
    held = joint_tail(_held(change, context))
    return Tail(lifetime(held.seconds, policy), held.why)


def rollback_lifetime(change: Change, context: NameContext, policy: CachePolicy) -> Tail:
    """The same after `change` was undone: how long caches may give `change.after`.

    Undoing a creation leaves the positive answer for its TTL; undoing a deletion leaves the absence for N.
    """
    return old_lifetime(Change(change.key, change.after, change.before), context, policy)


def change_tail(change: Change, context: NameContext, policy: CachePolicy, bound: float) -> Tail:
    """The tail counted from the write: the provider's propagation bound D, then the life of the old version."""
    return _after(bound, old_lifetime(change, context, policy))


def rollback_tail(change: Change, context: NameContext, policy: CachePolicy, bound: float) -> Tail:
    """The tail counted from the write that undoes `change`."""
    return _after(bound, rollback_lifetime(change, context, policy))


def stage_tail(changes: Iterable[tuple[Change, NameContext]], policy: CachePolicy, bound: float) -> Tail:
    """The tail of changes that are made together, with the reason that decides it."""
    return joint_tail(change_tail(change, context, policy, bound) for change, context in changes)


def alias_lifetime(target_ttl: float, provider_refresh: float, served_ttl: float, policy: CachePolicy) -> float:
    """ALIAS and flattened names (seconds): the provider's copy of the target, its refresh and the served TTL add up."""
    return target_ttl + provider_refresh + lifetime(served_ttl, policy)


def delegation_tail(
    parent_ttl: float,
    child_ns_ttl: float,
    old_servers_serve_old_ns: bool,
    policy: CachePolicy,
    *,
    content_ttl: float | None = None,
) -> Tail:
    """For how long resolvers may follow the old NS set, counted from the parent's last server changing.

    While the old servers still serve the old NS set, a child-centric resolver can learn it there just before the
    parent's copy ends (RFC 2181 section 5.4.1): both lives add up, each lifted to R1 by itself. Once they serve the new
    set, the longer one counts. `content_ttl` is the highest TTL among answers in which old and new servers differ; None
    says that they serve the same. No sum bounds a resolver that renews the NS set from every answer of the old servers:
    it moves when they serve the new set or stop.
    """
    parent, child = max(parent_ttl, policy.first_floor), max(child_ns_ttl, policy.first_floor)
    if old_servers_serve_old_ns:
        seconds, why = parent + child, f"NS at {parent_ttl:g} s in the parent, then at {child_ns_ttl:g} s in the child"
    elif parent >= child:
        seconds, why = parent, f"NS at {parent_ttl:g} s in the parent"
    else:
        seconds, why = child, f"NS at {child_ns_ttl:g} s in the child"
    if content_ttl is None:
        return Tail(seconds + policy.beyond_first, why)
    return Tail(seconds + lifetime(content_ttl, policy), f"{why}, then old content at {content_ttl:g} s")


def usable_at(at: float, bound: float) -> float:
    """When a name created at `at` answers where nobody asked before (seconds UTC); `bound` is D.

    A promise only where no cache can deny what it was not asked: in a signed zone one may (RFC 8198), and so may one
    that knows an ancestor of the name not to exist (RFC 8020).
    """
    return at + bound


def guaranteed_at(at: float, bound: float, context: NameContext, policy: CachePolicy) -> float:
    """When a name or type created at `at` answers everywhere (seconds UTC): D, then the life of what was there."""
    return at + bound + lifetime(joint_tail(_held_absence(context)).seconds, policy)


def _after(bound: float, tail: Tail) -> Tail:
    return tail if tail is NOTHING else Tail(bound + tail.seconds, tail.why)


def _held(change: Change, context: NameContext) -> Iterable[Tail]:
    """What caches may hold at the name while `change.before` is served, before floors; the RRset itself first."""
    yield from _held_version(change.key.rdtype, change.before, context)
    if (change.before is None) == (change.after is None):
        return
    if context.existing_ttls and "CNAME" in (change.key.rdtype, *context.existing_ttls):
        # CNAME and other types exchange places: the answers for every type at the name change at once.
        yield from (Tail(ttl, f"{kind} at the same name at {ttl} s") for kind, ttl in context.existing_ttls.items())
        yield _absence(context)
    elif context.wildcard_ttl is not None and not context.existing_ttls:
        # While something explicit is at the name, the wildcard's other types are denied (RFC 4592 section 2.2.1).
        yield _absence(context)


def _held_version(rdtype: str, what: RRset | None, context: NameContext) -> Iterable[Tail]:
    return _held_absence(context) if what is None else (Tail(what.ttl, f"{rdtype} at {what.ttl} s"),)


def _held_absence(context: NameContext) -> Iterable[Tail]:
    yield _absence(context)
    if context.wildcard_ttl is not None:
        yield Tail(context.wildcard_ttl, f"a wildcard answers with TTL {context.wildcard_ttl}")


def _absence(context: NameContext) -> Tail:
    return Tail(context.negative_ttl, f"its absence is cached for {context.negative_ttl} s")
