"""What the same move would cost otherwise: made at once, or taken back after TTLs were restored. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dns_cutover.records import Change, RRset
from dns_cutover.runbook.changes import StageChange
from dns_cutover.runbook.model import Runbook
from dns_cutover.runbook.timeline import propagation_bound
from dns_cutover.timing.exposure import Tail, old_lifetime, rollback_lifetime
from dns_cutover.timing.lifetime import CachePolicy


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Worst cases in seconds, None where there is none; `change` decides them."""

    after_change_s: float | None
    after_rollback_s: float | None
    change: StageChange
    ttl: int | None


def if_done_now(book: Runbook, changes: Iterable[StageChange]) -> Otherwise | None:
    """The same changes at the TTLs that are live, without lowering them first; None if nothing changes."""
    told = [
        (c, _tail(book, c, Change(c.key, _at(c.before, c.ttl_before), _at(c.after, c.ttl_final))))
        for c in changes
        if c.changes
    ]
    if not told:
        return None
    worst, (old, _) = max(told, key=lambda item: item[1][0].seconds)
    back = max(undo.seconds for _, (_, undo) in told)
    return Otherwise(old.seconds, back, worst, worst.ttl_before)


def after_restore(book: Runbook, changes: Iterable[StageChange]) -> Otherwise | None:
    """Taking the changes back after their TTLs were restored; None if no TTL is restored."""
    told = [
        (c, _tail(book, c, Change(c.key, c.before, _at(c.after, c.ttl_final)))[1])
        for c in changes
        if c.ttl_final is not None and c.ttl_final != c.ttl
    ]
    if not told:
        return None
    worst, tail = max(told, key=lambda item: (item[1].seconds, item[0].before is not None))
    return Otherwise(None, tail.seconds, worst, worst.ttl_final)


def _at(rrset: RRset | None, ttl: int | None) -> RRset | None:
    return rrset.with_ttl(ttl) if rrset is not None and ttl is not None else rrset


def _tail(book: Runbook, c: StageChange, change: Change) -> tuple[Tail, Tail]:
    """After the change, and after taking it back, D included."""
    policy = CachePolicy(book.floors or (0.0,), book.client_floor)
    bound = propagation_bound(book, c.key)
    old, undo = old_lifetime(change, c.context, policy), rollback_lifetime(change, c.context, policy)
    return Tail(old.seconds + bound, old.why), Tail(undo.seconds + bound, undo.why)
