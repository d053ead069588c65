"""How much fits one change batch. Pure.

At most 1,000 ResourceRecord elements and 32,000 characters in all values; UPSERT counts both twice. Source:
docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests-changeresourcerecordsets
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dns_cutover.providers.route53.batch import blindly
from dns_cutover.providers.route53.message import BatchChange
from dns_cutover.providers.route53.spelling import to_api_value
from dns_cutover.records import Change, RRset

MAX_RECORDS = 1000
MAX_CHARACTERS = 32_000

# The lock's DELETE and CREATE.
LOCK_RECORDS = 2
LOCK_CHARACTERS = 2 * 160
# What is there may be spelled at greater length than it would be here.
SPARE = 1_000


def weight(batch: Iterable[BatchChange]) -> tuple[int, int]:
    """Records and characters of a batch, as Route 53 counts them."""
    records = characters = 0
    for c in batch:
        times = 2 if c.action == "UPSERT" else 1
        records += times * max(1, len(c.record.values))
        characters += times * sum(map(len, c.record.values))
    return records, characters


def partition_changes(changes: tuple[Change, ...], zone: str = "") -> tuple[tuple[Change, ...], ...]:
    """The changes in order, in groups that fit one batch each with the lock, those of one owner name together.

    An owner whose own changes do not fit is a group of its own: sending it is refused.
    """
    out: list[tuple[Change, ...]] = []
    group: list[Change] = []
    records, characters = LOCK_RECORDS, LOCK_CHARACTERS + SPARE
    for together in _by_owner(changes):
        more = [_weight(zone, c) for c in together]
        n, size = sum(w[0] for w in more), sum(w[1] for w in more)
        if group and (records + n > MAX_RECORDS or characters + size > MAX_CHARACTERS):
            out.append(tuple(group))
            group, records, characters = [], LOCK_RECORDS, LOCK_CHARACTERS + SPARE
        group += together
        records, characters = records + n, characters + size
    return (*out, tuple(group)) if group else tuple(out)


def _weight(zone: str, change: Change) -> tuple[int, int]:
    if blindly(zone, change):
        n, size = _of(change.after)
        return 2 * n, 2 * size
    before, after = _of(change.before), _of(change.after)
    return before[0] + after[0], before[1] + after[1]


def _of(rrset: RRset | None) -> tuple[int, int]:
    if rrset is None:
        return 0, 0
    return len(rrset.values), sum(len(to_api_value(v)) for v in rrset.values)


def _by_owner(changes: Sequence[Change]) -> list[list[Change]]:
    groups: dict[str, list[Change]] = {}
    for c in changes:
        groups.setdefault(c.key.owner, []).append(c)
    return list(groups.values())
