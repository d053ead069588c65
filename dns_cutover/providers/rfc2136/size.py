"""How many changes fit one message. Pure.

A message has at most 65,535 octets over TCP (RFC 1035 section 4.2.2), its signature included, and only one message is
atomic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

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
# Of these, what stands before the only name, in octets.
_TARGET_AFTER = {"CNAME": 0, "NS": 0, "PTR": 0, "MX": 2}
_SIZES = {"A": 4, "AAAA": 16}
_FIXED = 10  # type, class, TTL, length of the data
_POINTABLE = 0x3FFF


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
    message, end = _Growing(), start
    while end < len(owners):
        message.add(owners[end])
        if message.size > BUDGET:
            break
        end += 1
    if end == len(owners) or message.exact:
        return max(end, start + 1)
    return _longest_rendered(owners, start)


@dataclass(slots=True)
class _Growing:
    """The size of a message while changes are added to it, without rendering it again for each of them.

    A name is written until a suffix that stands in the first 16 KiB, and then points there (RFC 1035 section 4.1.4).
    Every owner stands in the prerequisites first, which only grow at their end. Names in the data of edits are taken to
    teach nothing, so that the size is at most too large; it is `exact` if they stand behind the first 16 KiB anyway.
    """

    prereqs: int = 12 + 5  # header and zone
    edits: int = 0
    known: set[str] = field(default_factory=set)
    named: bool = False  # an edit has names in its data
    guessed: bool = False

    @property
    def size(self) -> int:
        """Octets, at most."""
        return self.prereqs + self.edits

    @property
    def exact(self) -> bool:
        """Whether it is as large as `size` says."""
        return not self.guessed and (not self.named or self.prereqs > _POINTABLE)

    def add(self, changes: tuple[Change, ...]) -> None:
        """All changes of one owner."""
        if len(changes) == 1 and self._replace(changes[0]):
            return
        spec = _spec(changes)
        for p in spec.prereqs:
            for value in p.values or ("",):
                self.prereqs += self._name(p.owner, self.prereqs) + _FIXED
                self.prereqs += self._data(p.rdtype, value, self.prereqs)
        for e in spec.edits:
            for value in e.values or ("",):
                self.edits += self._name(e.owner) + _FIXED + self._data(e.rdtype, value)

    def _replace(self, change: Change) -> bool:
        """Most changes of a large plan give an RRset other addresses or another TTL: that is a prerequisite for each
        old value, "delete RRset", and each new value. Says whether it was such a change.
        """
        size, before, after = _SIZES.get(change.key.rdtype), change.before, change.after
        if size is None or before is None or after is None or before == after:
            return False
        owner = change.key.owner
        for _ in before.values:
            self.prereqs += self._name(owner, self.prereqs) + _FIXED + size
        name = self._name(owner) + _FIXED
        self.edits += name + len(after.values) * (name + size)
        return True

    def _name(self, name: str, at: int | None = None) -> int:
        """What a name takes at the place `at` of the prerequisites, or in the edits."""
        if "\\" in name:
            self.guessed = True
            return len(name) + 1
        octets = 0
        while name != ".":
            if name in self.known:
                return octets + 2
            if at is not None and at + octets <= _POINTABLE:
                self.known.add(name)
            label, _, rest = name.partition(".")
            octets += len(label) + 1
            name = rest or "."
        return octets + 1

    def _data(self, rdtype: str, value: str, at: int | None = None) -> int:
        if not value:
            return 0
        before = _TARGET_AFTER.get(rdtype)
        if before is not None:
            self.named = self.named or at is None
            return before + self._name(value.rpartition(" ")[2], at + before if at is not None else None)
        self.guessed = self.guessed or rdtype in _COMPRESSIBLE
        return _data_size(rdtype, value)


@lru_cache(maxsize=65536)
def _data_size(rdtype: str, value: str) -> int:
    return _SIZES.get(rdtype) or len(parse_rdata(rdtype, value).to_wire() or b"")


def _longest_rendered(owners: Sequence[tuple[Change, ...]], start: int) -> int:
    # What names take depends on all the others: messages are rendered only between the two bounds, where names take all
    # of it or nearly nothing.
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
        sizes = [_data_size(record.rdtype, v) for v in record.values] or [0]
        most += sum(sizes) + len(sizes) * (len(record.owner) + 1 + 10)
        least += len(sizes) * (2 + 10) + (0 if record.rdtype in _COMPRESSIBLE else sum(sizes))
    return most, least


def _fits(changes: Sequence[Change]) -> bool:
    try:
        return len(build_update(".", _spec(changes)).to_wire()) <= BUDGET
    except dns.exception.TooBig:
        return False
