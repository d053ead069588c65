"""What one answer of one resolver proves (DESIGN section 9). Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Literal

from dns_cutover.lookup.interface import Accept, Evidence, Expectation
from dns_cutover.lookup.question import NoReply, Outcome, Reply
from dns_cutover.records import Edit, RRset, SetEdit, ValueEdit

Side = Literal["old", "new", "other"]
SERVE_STALE_EDE = frozenset({3, 19})  # RFC 8914: stale answer, stale NXDOMAIN answer
STALE_PAUSE = 2.0  # a healthy resolver may give one old answer first and refresh behind it (RFC 8767)
EXPIRY_MARGIN = 1.0
ERROR_PAUSE = 5.0
ENOUGH = 4  # questions after the dead time before an old answer is a violation


@dataclass(frozen=True, slots=True)
class History:
    """What one resolver said about one RRset so far. Times in seconds UTC."""

    asked: int = 0
    saw_old: bool = False
    old_after_death: int = 0
    evidence: Evidence | None = None
    answer: tuple[str, ...] | None = None
    ttl: int | None = None
    eta: float | None = None
    at: float = 0.0
    due: float = 0.0
    detail: str = ""


def side(edit: Edit, accept: Accept | None, found: RRset | None) -> Side:
    """Whether an answer is the old or the new version, by its data alone."""
    values = set(found.values) if found is not None else set()
    if accept is not None and found is not None and _accepted(accept, values):
        return "new"
    match edit:
        case SetEdit(_, before, after):
            if values == (set(after.values) if after else set()):
                return "new"
            return "old" if values == (set(before.values) if before else set()) else "other"
        case ValueEdit():
            if set(edit.add) <= values and not set(edit.remove) & values:
                return "new"
            return "old" if set(edit.remove) <= values and not set(edit.add) & values else "other"


def _accepted(accept: Accept, values: set[str]) -> bool:
    if accept.one_of and len(values) == 1 and values <= set(accept.one_of):
        return True
    if accept.subset_of and values and values <= set(accept.subset_of):
        return True
    if accept.ends_at and values == {accept.ends_at}:
        return True
    if accept.cidr and values:
        nets = [ipaddress.ip_network(c, strict=False) for c in accept.cidr]
        try:
            return all(any(ipaddress.ip_address(v) in net for net in nets) for v in values)
        except ValueError:
            return False
    return False


def answer_rrset(reply: Reply, owner: str, rdtype: str) -> tuple[RRset | None, int | None]:
    """The RRset at the owner itself, and the remaining TTL of the answer; absence has the SOA's TTL (RFC 2308)."""
    found = reply.find(owner, rdtype)
    if found is not None:
        return found, found.ttl
    if rdtype != "CNAME":
        # The owner is an alias: what counts for this RRset is that it is not there.
        alias = reply.find(owner, "CNAME")
        if alias is not None:
            return None, alias.ttl
    soa = next((s.rrset for s in reply.authority if s.rdtype == "SOA"), None)
    if soa is None:
        return None, None
    return None, min(soa.ttl, int(soa.values[0].split()[6]))


def classify(
    history: History, outcome: Outcome, x: Expectation, now: float, jitter: float, *, bogus: bool = False
) -> History:
    """The history after one more answer. `jitter` in seconds spreads the questions; `bogus`: CD=1 made it work."""
    history = replace(history, asked=history.asked + 1, at=now)
    if bogus:
        return replace(
            history, evidence=Evidence.BOGUS, eta=None, due=_later(x, now), detail="SERVFAIL, but not with CD=1"
        )
    if isinstance(outcome, NoReply) or outcome.rcode not in ("NOERROR", "NXDOMAIN"):
        detail = outcome.reason if isinstance(outcome, NoReply) else outcome.rcode
        pause = ERROR_PAUSE * min(2 ** min(history.asked, 6), 60)
        return replace(history, evidence=Evidence.ERROR, eta=None, due=now + pause, detail=detail)
    found, ttl = answer_rrset(outcome, x.key.owner, x.key.rdtype)
    which = side(x.edit, x.accept, found)
    history = replace(history, answer=found.values if found else None, ttl=ttl, detail="")
    if which == "new":
        return _new(history, x, now, ttl)
    return _old(history, outcome, x, now, ttl, jitter, other=which == "other")


def _new(history: History, x: Expectation, now: float, ttl: int | None) -> History:
    if history.saw_old or history.evidence is Evidence.WITNESSED:
        evidence, detail = Evidence.WITNESSED, "old before, new now"
    elif ttl is not None and ttl < x.new_ttl:
        evidence, detail = Evidence.WARM, "fetched by others"
    else:
        evidence, detail = Evidence.COLD, "fetched by us: no proof"
    if history.evidence is Evidence.WARM and evidence is Evidence.COLD:
        evidence, detail = Evidence.WARM, "fetched by others"
    return replace(history, evidence=evidence, eta=None, due=_later(x, now), detail=detail)


def _later(x: Expectation, now: float) -> float:
    """One more question when the model says that nobody can have the old answer any more."""
    return x.dead_at if now < x.dead_at else float("inf")


def _old(
    history: History, reply: Reply, x: Expectation, now: float, ttl: int | None, jitter: float, *, other: bool
) -> History:
    rest = float(ttl or 0)
    what = "neither the old nor the new answer" if other else ""
    if now >= x.dead_at:
        count = history.old_after_death + 1
        history = replace(history, old_after_death=count, eta=None)
        if count >= ENOUGH or (count >= 2 and not _stale(reply, history)):
            late = now - x.dead_at
            detail = f"{late:.0f} s past its life, asked {history.asked} times"
            return replace(
                history, evidence=Evidence.VIOLATOR, due=now + max(10.0, min(rest, 60.0)), detail=what or detail
            )
        # It may have served a stale copy while it fetched: ask again soon, and after the TTL that it gave.
        pause = STALE_PAUSE if count < 3 else rest + EXPIRY_MARGIN
        return replace(
            history, evidence=Evidence.STALE, due=now + pause + jitter, detail=what or "old once past its life"
        )
    if SERVE_STALE_EDE & set(reply.ede):
        due = now + STALE_PAUSE + jitter
        return replace(
            history, saw_old=not other, evidence=Evidence.STALE, eta=None, due=due, detail="serve-stale, EDE 3"
        )
    due = min(now + rest, x.dead_at) + EXPIRY_MARGIN + jitter
    return replace(
        history,
        saw_old=history.saw_old or not other,
        evidence=Evidence.PENDING,
        eta=now + rest,
        due=due,
        detail=what or "within its life",
    )


def _stale(reply: Reply, history: History) -> bool:
    return bool(SERVE_STALE_EDE & set(reply.ede)) or history.ttl == 0


def old_share_upper_bound(old: int, samples: int) -> float | None:
    """With no old answer in n samples, at most 3/n of the caches sampled are old (95 %); None if that says nothing."""
    if old or not samples:
        return None
    return min(1.0, 3 / samples)
