"""What goes into one UPDATE, as plain values, and how a change becomes it. Pure.

Rules that servers taught (FACTS section 1): replacing is "delete RRset, add" in one message, for a TTL alone too (Knot
ignores a bare add of the same RDATA); the apex NS set cannot be deleted, so its new values are added before the old
ones are deleted one by one; a CNAME beside other data is ignored with NOERROR, so that deletions come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dns_cutover.records import Change, RRset, RRsetKey

# The lock's own TTL: short, since somebody may look at it; long enough not to load anybody.
LOCK_TTL = 60


@dataclass(frozen=True, slots=True)
class Prereq:
    """`exists`: an RRset with exactly these values; `absent`: no such RRset; `unused`: nothing at the name at all."""

    kind: Literal["exists", "absent", "unused"]
    owner: str
    rdtype: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Op:
    """`add` values at a TTL, `delete` given values, or `clear` the whole RRset."""

    kind: Literal["add", "delete", "clear"]
    owner: str
    rdtype: str
    values: tuple[str, ...] = ()
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class UpdateSpec:
    """One UPDATE message for `zone` (absolute name)."""

    zone: str
    prereqs: tuple[Prereq, ...]
    ops: tuple[Op, ...]


Question: TypeAlias = tuple[str, str]  # owner, type


def require(key_owner: str, rdtype: str, before: RRset | None, *, new_cname: bool) -> tuple[Prereq, ...]:
    """What must hold for an RRset whose before-image is `before`."""
    if before is not None:
        return (Prereq("exists", key_owner, rdtype, before.values),)
    if new_cname:
        return (Prereq("unused", key_owner),)
    return (Prereq("absent", key_owner, rdtype),)


def prerequisites(changes: tuple[Change, ...]) -> tuple[Prereq, ...]:
    """Value-dependent prerequisites; a new CNAME needs an unused name, unless the same message clears it."""
    leaving = {(c.key.owner, c.key.rdtype) for c in changes if c.before is not None and c.after is None}
    out: list[Prereq] = []
    for c in changes:
        cleared = any(owner == c.key.owner for owner, _ in leaving)
        new_cname = c.before is None and c.key.rdtype == "CNAME" and not cleared
        out += require(c.key.owner, c.key.rdtype, c.before, new_cname=new_cname)
        if c.before is None and c.key.rdtype != "CNAME" and (c.key.owner, "CNAME") not in leaving:
            out.append(Prereq("absent", c.key.owner, "CNAME"))
    return tuple(dict.fromkeys(out))


def operations(changes: tuple[Change, ...], zone: str) -> tuple[Op, ...]:
    """All changes, deletions of whole RRsets first."""
    gone = [Op("clear", c.key.owner, c.key.rdtype) for c in changes if c.after is None]
    rest: list[Op] = []
    for c in changes:
        if c.after is None:
            continue
        owner, rdtype = c.key.owner, c.key.rdtype
        if rdtype == "NS" and owner == zone and c.before is not None:
            rest += _apex_ns(owner, c.before, c.after)
            continue
        if c.before is not None:
            rest.append(Op("clear", owner, rdtype))
        rest.append(Op("add", owner, rdtype, c.after.values, c.after.ttl))
    return (*gone, *rest)


def _apex_ns(owner: str, before: RRset, after: RRset) -> list[Op]:
    """The apex NS set is never empty: servers keep a last NS whatever is asked (RFC 2136 section 3.4.2.4).

    A TTL alone changes only with a new value on Knot: a name server that does not exist comes and goes.
    """
    new = tuple(v for v in after.values if v not in before.values)
    old = tuple(v for v in before.values if v not in after.values)
    kept = tuple(v for v in after.values if v in before.values)
    ops = [Op("add", owner, "NS", after.values, after.ttl)]
    if not new and before.ttl != after.ttl:
        spare = f"spare-ns.{owner}"
        ops = [Op("add", owner, "NS", (spare,), after.ttl), Op("add", owner, "NS", kept, after.ttl)]
        old = (*old, spare)
    if old:
        ops.append(Op("delete", owner, "NS", old))
    return ops


def owners_together(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
    """The changes grouped by owner name, in order: what belongs to one name is never split."""
    groups: dict[str, list[Change]] = {}
    for c in changes:
        groups.setdefault(c.key.owner, []).append(c)
    return tuple(tuple(g) for g in groups.values())


def wire_estimate(change: Change) -> int:
    """An upper bound of the octets that a change and its prerequisites take, without name compression."""
    name = len(change.key.owner) + 2
    fixed = name + 10
    before = sum(fixed + len(v) + 8 for v in change.before.values) if change.before else 2 * fixed
    after = sum(fixed + len(v) + 8 for v in change.after.values) if change.after else 0
    return 2 * before + fixed + after


def keys_questions(keys: tuple[RRsetKey, ...]) -> tuple[Question, ...]:
    """The questions for these keys, without repeats."""
    return tuple(dict.fromkeys((k.owner, k.rdtype) for k in keys))
