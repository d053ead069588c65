"""What a zone transfer consists of: AXFR (RFC 5936) and IXFR (RFC 1995). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dns_cutover.lab.zone import Item, ZoneVersion
from dns_cutover.records import RRset

ENVELOPE = 16_000  # octets of one message of a transfer, roughly


def axfr(version: ZoneVersion) -> list[Item]:
    """The whole zone, one record each, between two copies of its SOA."""
    soa = Item(version.origin, "SOA", version.soa)
    return [soa, *_records(version), soa]


def ixfr(versions: Sequence[ZoneVersion], since: int) -> list[Item]:
    """The difference sequences from serial `since` to the newest of `versions` (oldest first).

    One SOA if `since` is not older than the newest (section 2); the whole zone if its serial is not known any more.
    """
    newest = versions[-1]
    soa = Item(newest.origin, "SOA", newest.soa)
    if (newest.serial - since) % 2**32 >= 2**31 or newest.serial == since:
        return [soa]
    start = next((n for n in reversed(range(len(versions))) if versions[n].serial == since), None)
    if start is None:
        return axfr(newest)
    out = [soa]
    for old, new in zip(versions[start:], versions[start + 1 :], strict=False):
        before, after = set(_records(old)), set(_records(new))
        out.append(Item(old.origin, "SOA", old.soa))
        out += sorted(before - after, key=_order)
        out.append(Item(new.origin, "SOA", new.soa))
        out += sorted(after - before, key=_order)
    return [*out, soa]


def _order(item: Item) -> tuple[str, str, tuple[str, ...]]:
    return item.owner, item.rdtype, item.rrset.values


def _records(version: ZoneVersion) -> Iterator[Item]:
    for (owner, rdtype), rrset in version.rrsets.items():
        if rdtype != "SOA":
            for value in rrset.values:
                yield Item(owner, rdtype, RRset(rrset.ttl, (value,)))


def envelopes(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The records in portions that fit a message each, in order."""
    portion: list[Item] = []
    size = 0
    for item in items:
        # A record never takes much more on the wire than its text does, but for addresses.
        cost = len(item.owner) + len(item.rrset.values[0]) + 32
        if portion and size + cost > ENVELOPE:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += cost
    if portion:
        yield portion
