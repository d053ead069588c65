"""How many changes fit one message. Pure.

A message has at most 65,535 octets over TCP (RFC 1035 section 4.2.2), its signature included, and only one message is
atomic.
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception

from dns_cutover.providers.rfc2136.update import EditOp, Prereq, UpdateSpec, operations, prerequisites
from dns_cutover.providers.rfc2136.wire import build_update
from dns_cutover.records import Change
from dns_cutover.records.rdata import parse_rdata

MAX_MESSAGE = 65535

# Header and zone (300), the lock's prerequisite and its two edits with the longest names and texts (1,600), the SOA's
# prerequisite (800), the longest TSIG record (700).
RESERVED = 3400
BUDGET = MAX_MESSAGE - RESERVED

# Types with names in their RDATA, which may be written as two octets (RFC 3597 section 4).
_COMPRESSIBLE = frozenset({"CNAME", "MX", "NS", "PTR", "SOA", "SRV", "NAPTR", "DNAME"})


def partition_changes(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
    """The changes in order, in groups that fit one signed message each, those of one owner name together.

    An owner whose own changes do not fit is a group of its own: sending it is refused.
    """
    owners = _by_owner(changes)
    out: list[tuple[Change, ...]] = []
    start = 0
    while start < len(owners):
        end = _longest_fit(owners, start)
        out.append(tuple(c for together in owners[start:end] for c in together))
        start = end
    return tuple(out)


def _by_owner(changes: tuple[Change, ...]) -> list[tuple[Change, ...]]:
    groups: dict[str, list[Change]] = {}
    for c in changes:
        groups.setdefault(c.key.owner, []).append(c)
    return [tuple(g) for g in groups.values()]


def _longest_fit(owners: Sequence[tuple[Change, ...]], start: int) -> int:
    """Up to where the owners from `start` fit one message: one of them at least."""
    # What names take depends on all the others (compression, RFC 1035 section 4.1.4): messages are rendered only
    # between the two bounds, where names take all of it or nearly nothing.
    most = least = 0
    low = high = start
    while high < len(owners):
        bounds = _bounds(owners[high])
        most, least = most + bounds[0], least + bounds[1]
        if least > BUDGET:
            break
        high += 1
        if most <= BUDGET:
            low = high
    low, high = max(low, start + 1), max(high, start + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if _fits([c for together in owners[start:middle] for c in together]):
            low = middle
        else:
            high = middle - 1
    return low


def _spec(changes: Sequence[Change]) -> UpdateSpec:
    # Which zone it is matters to the apex NS set only, and there the other way takes about as much.
    given = tuple(changes)
    return UpdateSpec(prerequisites(given), operations(given, ""))


def _bounds(changes: tuple[Change, ...]) -> tuple[int, int]:
    """The most and the least octets that these changes can take."""
    spec = _spec(changes)
    records: tuple[Prereq | EditOp, ...] = (*spec.prereqs, *spec.edits)
    most = least = 0
    for record in records:
        sizes = [len(parse_rdata(record.rdtype, v).to_wire() or b"") for v in record.values] or [0]
        most += sum(sizes) + len(sizes) * (len(record.owner) + 1 + 10)
        least += len(sizes) * (2 + 10) + (0 if record.rdtype in _COMPRESSIBLE else sum(sizes))
    return most, least


def _fits(changes: Sequence[Change]) -> bool:
    try:
        return len(build_update(".", _spec(changes)).to_wire()) <= BUDGET
    except dns.exception.TooBig:
        return False
