"""What a provider promises, in words: one line each, with what it means for this runbook. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dns_cutover.providers.interface import lock_owner
from dns_cutover.records import SetEdit
from dns_cutover.report.words import brief, plural
from dns_cutover.runbook.model import Runbook, StepKind, ZoneInfo

Verdict = Literal["proved", "none", "mind"]
Said = tuple[Verdict, str, str]


def guarantee_words(book: Runbook, zone: ZoneInfo) -> Iterator[Said]:
    """Verdict, name, and what it means. `mind`: something is missing that this runbook would need."""
    g = zone.guarantees
    yield _atomic(book, zone)
    if _swaps_alias(book, zone):
        gap = f"a name that becomes an alias has no answer for a moment, and caches keep that for {zone.negative_ttl} s"
        yield (
            ("proved", "replace type", "CNAME and other types change places in one message")
            if g.replace_type
            else (
                "mind",
                "replace type",
                f"no: {gap}",
            )
        )
    if g.compare_and_swap:
        ttl = "; the TTL is read back" if g.sees_ttl else ""
        yield "proved", "compare and swap", f"values are checked by the server{ttl}"
    else:
        yield "mind", "compare and swap", "no: what somebody else writes between reading and writing is lost"
    if not g.apex_ns_swap and _apex_ns(book, zone):
        yield "mind", "apex NS", "overwritten without a condition: what somebody else writes there meanwhile is lost"
    if not g.sees_ttl:
        yield "mind", "sees TTL", "no: a TTL that somebody else changes is not seen"
    if g.fenced:
        owner = lock_owner(zone.name, zone.provider.get("lock"))
        yield "proved", "fenced", f"lock TXT {owner.rstrip('.')} in every message"
    else:
        yield "mind", "fenced", "no: a lease in the store of runs keeps its runs apart, nothing in DNS does"
        yield _lost_reply(zone)
    if g.history:
        yield "proved", "history", "IXFR shows every TTL that was served since the live view"
    else:
        yield "none", "history", "no: TTLs are looked at every minute instead"
    servers = plural(len(zone.servers), "server")
    if g.sync_wait:
        yield "proved", "sync wait", "the provider says when all its servers have a change"
    else:
        yield "none", "sync wait", f"no: all {servers} are watched instead"
    if g.propagation_bound:
        text = f"{brief(g.propagation_bound)} in every worst case, for servers that nobody can watch"
        yield "mind", "propagation", text


def _lost_reply(zone: ZoneInfo) -> Said:
    g = zone.guarantees
    if g.serial == "none":
        return "mind", "lost reply", "the run holds: without ordered serials nobody can tell what became of a message"
    if g.message_life is None:
        return "mind", "lost reply", "the run holds: nobody knows for how long the message may still be applied"
    expire = f"waits {brief(g.message_life)} until the message cannot come any more"
    return "mind", "lost reply", f"told by the records and the SOA; {expire}, and holds where that does not tell"


def _atomic(book: Runbook, zone: ZoneInfo) -> Said:
    if not zone.guarantees.atomic:
        gap = f"a name can be without an answer for a moment, and caches keep that for {zone.negative_ttl} s"
        return "mind", "atomic", f"no: {gap}"
    stages = [s.stage for s in book.steps if s.kind is StepKind.APPLY and s.zone == zone.ref and s.edits]
    several = sorted({s for s in stages if stages.count(s) > 1})
    if several:
        return "mind", "atomic", f"each message is, but {', '.join(several)} needs several"
    return "proved", "atomic", "each stage is one message"


def _apex_ns(book: Runbook, zone: ZoneInfo) -> bool:
    edits = [e for step in book.steps for e in step.edits if e.key.zone == zone.ref]
    return any(e.key.owner == zone.name and e.key.rdtype == "NS" for e in edits)


def _swaps_alias(book: Runbook, zone: ZoneInfo) -> bool:
    """Whether a name goes from CNAME to another type, or back, in one step."""
    for step in book.steps:
        edits = [e for e in step.edits if step.kind is StepKind.APPLY and e.key.zone == zone.ref]
        gone = {e.key.owner for e in edits if isinstance(e, SetEdit) and e.before is not None and e.after is None}
        come = {e.key.owner for e in edits if isinstance(e, SetEdit) and e.before is None and e.after is not None}
        alias = {e.key.owner for e in edits if e.key.rdtype == "CNAME"}
        if gone & come & alias:
            return True
    return False
