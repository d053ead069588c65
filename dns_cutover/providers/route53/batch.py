"""What a change is at Route 53. Pure.

"DELETE" must have the same name, type, TTL and values as the set that is there, and "CREATE" fails where one is: both
in one batch, which is applied whole or not at all, are a compare-and-swap on data and TTL. The two sets that a zone
always has, NS and SOA of its apex, cannot be deleted: they are replaced by UPSERT, which overwrites whatever is there.
Source: docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from dns_cutover.providers.interface import ChangeSet, Fence, Token
from dns_cutover.providers.route53.message import BatchChange, RecordSet
from dns_cutover.providers.route53.spelling import from_api_value, to_api_name, to_api_value
from dns_cutover.records import Change, InvalidRdata, RRset, quote_text

LOCK_TTL = 60  # as with dynamic updates: nothing decides by a cached copy

Place: TypeAlias = tuple[str, str, str]  # owner, type, set identifier
Spelled: TypeAlias = Mapping[Place, RecordSet]


def build(
    zone: str, lock_owner: str, changes: ChangeSet, fence: Fence | None, spelled: Spelled
) -> tuple[BatchChange, ...]:
    """The batch that makes `changes` and swaps the lock, if everything still is as expected.

    `spelled` is how Route 53 last spelled what is there: a DELETE repeats that. Deletions come first: a batch is judged
    change by change, and a CNAME is refused while its neighbour is there.
    """
    going: list[RecordSet] = []
    coming: list[RecordSet] = []
    blind: list[RecordSet] = []
    if fence is not None:
        place = (lock_owner, "TXT", "")
        if fence.held is not None:
            # Whoever holds the zone: the TTL of its lock is as it is there.
            there = spelled.get(place)
            found = lock_rrset(fence.held)
            ttl = there.ttl if there is not None and there.ttl is not None else found.ttl
            going.append(_record(place, found.with_ttl(ttl), spelled))
        if fence.next is not None:
            coming.append(_record(place, lock_rrset(fence.next), {}))
    for c in changes.changes:
        place = (c.key.owner, c.key.rdtype, c.key.set_id)
        if blindly(zone, c):
            if c.after is not None and c.after != c.before:
                blind.append(_record(place, c.after, spelled))
            continue
        if c.before is not None:
            going.append(_record(place, c.before, spelled))
        if c.after is not None:
            coming.append(_record(place, c.after, spelled))
    return (
        *(BatchChange("DELETE", r) for r in going),
        *(BatchChange("CREATE", r) for r in coming),
        *(BatchChange("UPSERT", r) for r in blind),
    )


def blindly(zone: str, change: Change) -> bool:
    """Whether Route 53 lets the set only be overwritten, without a condition: NS and SOA of the apex."""
    return change.key.owner == zone and change.key.rdtype in ("NS", "SOA") and change.before is not None


def neighbours(
    changes: tuple[Change, ...], found: Collection[tuple[str, str]]
) -> tuple[tuple[Change, tuple[str, ...]], ...]:
    """Changes that create what cannot stand beside something in `found` (owner and type), and the types of that."""
    leaving = {(c.key.owner, c.key.rdtype) for c in changes if c.after is None}
    stay = sorted(set(found) - leaving)
    out = []
    for c in changes:
        if c.before is None and c.after is not None:
            mine = c.key.rdtype
            others = tuple(t for o, t in stay if o == c.key.owner and t != mine and "CNAME" in (t, mine))
            if others:
                out.append((c, others))
    return tuple(out)


def lock_rrset(token: Token) -> RRset:
    """The lock as it stands in the zone."""
    return RRset(LOCK_TTL, (quote_text(token.text()),))


def _record(place: Place, rrset: RRset, spelled: Spelled) -> RecordSet:
    """An RRset as Route 53 wants it. Values that are there already keep their spelling."""
    owner, rdtype, set_id = place
    there = spelled.get(place)
    if there is not None and to_rrset(there) == rrset:
        return there
    name = there.name if there is not None else to_api_name(owner)
    known = {canonical_value(rdtype, v): v for v in there.values} if there is not None else {}
    values = tuple(known.get(v) or to_api_value(v) for v in rrset.values)
    return RecordSet(name, rdtype, rrset.ttl, values, set_id)


def canonical_value(rdtype: str, text: str) -> str:
    """A value of Route 53 in canonical form; as it is where it cannot be read."""
    try:
        return from_api_value(rdtype, text)
    except InvalidRdata:
        return text


def to_rrset(record: RecordSet) -> RRset | None:
    """A simple record set as an RRset; None for one without TTL and values of its own (an alias)."""
    if record.ttl is None or not record.values:
        return None
    return RRset(record.ttl, tuple(sorted({canonical_value(record.rdtype, v) for v in record.values})))
