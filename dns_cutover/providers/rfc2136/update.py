"""What goes into one UPDATE and what comes back, as plain values, and how changes become an UPDATE. Pure.

Rules that servers taught: a set is replaced by "delete RRset, add" in one message, for a TTL alone too (Knot ignores a
bare add of the same RDATA); the apex NS set cannot be deleted, so its new values are added before the old ones go one
by one; what cannot stand beside a CNAME is ignored with NOERROR, so that deletions come first and prerequisites keep
such a message from being taken at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from dns_cutover.providers.interface import ChangeSet, Fence, Token
from dns_cutover.records import Change, RRset, RRsetKey, quote_text

# Nothing decides by a cached copy of the lock: the server that takes the writes is asked. One minute keeps what others
# may see of it fresh, and avoids 0, which caches clamp or treat each in its own way.
LOCK_TTL = 60

# Seconds by which the time of signing and the server's clock may differ (RFC 8945 section 5.2.3).
FUDGE = 30

# No record can say "nothing but these types is here". These are the types that are found at names in practice.
NEIGHBOURS = (
    *("A", "AAAA", "CAA", "CERT", "DNAME", "DS", "HINFO", "HTTPS", "LOC", "MX", "NAPTR", "NS", "PTR", "SPF", "SRV"),
    *("SSHFP", "SVCB", "TLSA", "TXT", "URI"),
)

# A name server that comes and goes within one message: the only way to change the TTL of the apex NS set on Knot.
SPARE_NS = "dns-cutover.invalid."

PREREQUISITE_FAILED = frozenset({"NXRRSET", "YXRRSET", "YXDOMAIN", "NXDOMAIN"})

Question: TypeAlias = tuple[str, str]  # owner, type


@dataclass(frozen=True, slots=True)
class Prereq:
    """`exists`: an RRset with exactly these values; `absent`: no such RRset; `unused`: nothing at the name at all."""

    kind: Literal["exists", "absent", "unused"]
    owner: str
    rdtype: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditOp:
    """`add` values at a TTL (seconds), `delete` given values, or `clear` the whole RRset. The order counts."""

    kind: Literal["add", "delete", "clear"]
    owner: str
    rdtype: str
    values: tuple[str, ...] = ()
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class UpdateSpec:
    """One UPDATE message. Owners are absolute; values are canonical zone-file text."""

    prereqs: tuple[Prereq, ...]
    edits: tuple[EditOp, ...]


@dataclass(frozen=True, slots=True)
class UpdateReply:
    """What header and signature of a reply say.

    `rcode` is the header's mnemonic. `server_time` is the time that the server put into its signature (seconds UTC),
    None where it gave none. An unsigned reply proves nothing and still hints at what is wrong. `tsig_error` is BADSIG,
    BADKEY, BADTIME … of the TSIG record (RFC 8945 section 5.2), else empty.
    """

    rcode: str
    server_time: float | None = None
    signed: bool = True
    tsig_error: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the zone holds, for a batch of questions. What a wildcard would give is not there: None.

    `failure` is the first reply that was no answer; then `rrsets` is not complete. `detours` says, for questions
    without data, what stands in the way ("a CNAME", "a delegation at sub.example.test.").
    """

    rrsets: Mapping[Question, RRset | None]
    server_time: float | None = None
    failure: UpdateReply | None = None
    detours: Mapping[Question, str] = field(default_factory=dict)


class Transport(Protocol):
    """One zone on one server, as the decisions see it.

    Raises Unreachable when no usable reply came; `maybe_applied` is false only if no octet of an UPDATE was sent.
    """

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        """Send one UPDATE, exactly once. Raises Refused for a message that cannot be sent at all (its size)."""
        ...

    async def query(self, questions: Collection[Question]) -> Answers:
        """Ask the server that takes the updates, over a connection of its own."""
        ...

    async def history(self, since_serial: int) -> Mapping[Question, int] | None:
        """The highest TTL of every RRset that was published after that serial; None where the server does not tell."""
        ...


def build(zone: str, lock_owner: str, changes: ChangeSet, fence: Fence | None) -> UpdateSpec:
    """The message that makes `changes` and swaps the lock, if everything still is as expected."""
    prereqs: list[Prereq] = []
    edits: list[EditOp] = []
    if fence is not None:
        if fence.held is None:
            if changes.soa is None:
                # "Absent" can become true again: without a version of the zone a late message could take the lock.
                raise ValueError("a lock is taken against one version of the zone: the SOA is needed")
            # "Name not in use" rather than "no such RRset": beside a CNAME a server says NOERROR and stores no lock.
            prereqs.append(Prereq("unused", lock_owner))
        else:
            prereqs.append(Prereq("exists", lock_owner, "TXT", (_lock_value(fence.held),)))
            edits.append(EditOp("clear", lock_owner, "TXT"))
        if fence.next is not None:
            edits.append(EditOp("add", lock_owner, "TXT", (_lock_value(fence.next),), LOCK_TTL))
    if changes.soa is not None:
        prereqs.append(Prereq("exists", zone, "SOA", (changes.soa,)))
    prereqs += prerequisites(changes.changes)
    edits += operations(changes.changes, zone)
    return UpdateSpec(tuple(prereqs), tuple(edits))


def _lock_value(token: Token) -> str:
    text = token.text()
    if text != text.lower():
        raise ValueError("a lock has lower-case letters only: PowerDNS compares TXT without case")
    return quote_text(text)


def prerequisites(changes: tuple[Change, ...]) -> tuple[Prereq, ...]:
    """What must hold for every change: exact values or absence, and nothing that a CNAME could not stand beside."""
    leaving = {(c.key.owner, c.key.rdtype) for c in changes if c.before is not None and c.after is None}
    mentioned = {(c.key.owner, c.key.rdtype) for c in changes}
    out: list[Prereq] = []
    for c in changes:
        owner, rdtype = c.key.owner, c.key.rdtype
        if c.before is not None:
            out.append(Prereq("exists", owner, rdtype, c.before.values))
        elif c.after is None:
            out.append(Prereq("absent", owner, rdtype))
        elif rdtype != "CNAME":
            out.append(Prereq("absent", owner, rdtype))
            if (owner, "CNAME") not in leaving:
                out.append(Prereq("absent", owner, "CNAME"))
        elif any(name == owner for name, _ in leaving):
            out.append(Prereq("absent", owner, "CNAME"))
            out += (Prereq("absent", owner, t) for t in NEIGHBOURS if (owner, t) not in mentioned)
        else:
            out.append(Prereq("unused", owner))
    return tuple(dict.fromkeys(out))


def operations(changes: tuple[Change, ...], zone: str) -> tuple[EditOp, ...]:
    """All changes, deletions of whole RRsets first. A change from something to the same is a prerequisite only."""
    real = [c for c in changes if c.before != c.after]
    out = [EditOp("clear", c.key.owner, c.key.rdtype) for c in real if c.after is None]
    for c in real:
        if c.after is None:
            continue
        owner, rdtype = c.key.owner, c.key.rdtype
        if rdtype == "NS" and owner == zone and c.before is not None:
            out += _apex_ns(owner, c.before, c.after)
            continue
        if c.before is not None and rdtype != "SOA":  # one SOA replaces the other (RFC 2136 section 3.4.2.2)
            out.append(EditOp("clear", owner, rdtype))
        out.append(EditOp("add", owner, rdtype, c.after.values, c.after.ttl))
    return tuple(out)


def _apex_ns(owner: str, before: RRset, after: RRset) -> list[EditOp]:
    """The apex NS set is never empty (RFC 2136 section 3.4.2.4): "delete RRset, add" gives the union on BIND and Knot.

    A value that was not there takes the TTL of the whole set along on every server; on Knot nothing else does.
    """
    new = tuple(v for v in after.values if v not in before.values)
    kept = tuple(v for v in after.values if v in before.values)
    old = tuple(v for v in before.values if v not in after.values)
    if not new and before.ttl != after.ttl:
        new, old = (SPARE_NS,), (*old, SPARE_NS)
    out = []
    if new:
        out.append(EditOp("add", owner, "NS", new, after.ttl))
    if kept and before.ttl != after.ttl:
        out.append(EditOp("add", owner, "NS", kept, after.ttl))
    if old:
        out.append(EditOp("delete", owner, "NS", old))
    return out


def questions_of(keys: Collection[RRsetKey]) -> tuple[Question, ...]:
    """The questions for these keys, without repeats."""
    return tuple(dict.fromkeys((k.owner, k.rdtype) for k in keys))
