"""What one answer of one resolver proves, and when to ask it again (DESIGN section 9). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from dns_cutover.lookup.answer import NoReply, Outcome, Reply, negative_ttl
from dns_cutover.lookup.interface import Accept, Evidence, Expectation, ResolverRow
from dns_cutover.records import Edit, RRset, SetEdit, ValueEdit

Side = Literal["old", "new", "other"]
CONTRADICTS = frozenset({Evidence.VIOLATOR, Evidence.BOGUS})

SERVE_STALE_EDE = frozenset({3, 19})  # RFC 8914: stale answer, stale NXDOMAIN answer
STALE_TTL_MAX = 60  # RFC 8767 recommends 30 s for stale answers; a much higher TTL is no serve-stale
STALE_PAUSE = 2.0  # a healthy resolver may give one old answer first and refresh behind it
VIOLATION = 3  # old answers past the dead time: the first, 2 s later, and after the TTL that was returned
EXPIRY_MARGIN = 1.0  # TTLs are whole seconds
ERROR_PAUSE, ERROR_PAUSE_MAX = 5.0, 60.0
VIOLATOR_PAUSE, VIOLATOR_PAUSE_MAX = 10.0, 60.0
MAX_CHAIN = 16
OTHER = "neither the old nor the new answer"

# Maximum TTLs that resolvers have by default or were seen to have (FACTS section 2). An answer at exactly such a TTL is
# taken for our own fetch, cut to the maximum: it proves nothing.
COMMON_CAPS = frozenset({300, 3600, 7200, 21600, 43200, 86400, 604800})


@dataclass(frozen=True, slots=True)
class History:
    """What one cache said about one RRset so far. Times in seconds UTC.

    `answer`, `ttl` and `side` are of the latest usable answer. `saw_old`: it gave something else than the new version.
    `stale`, `late` and `errors` count in a row: stale answers, old ones past the dead time, and failures; `repeats`
    counts answers that were as pending as the one before. `ours_until` is when our own fetch of the new version dies
    there. `jitter` (seconds) spreads the next question.
    """

    asked: int = 0
    saw_old: bool = False
    stale: int = 0
    late: int = 0
    errors: int = 0
    repeats: int = 0
    ours_until: float = float("-inf")
    evidence: Evidence | None = None
    side: Side | None = None
    answer: tuple[str, ...] | None = None
    ttl: int | None = None
    eta: float | None = None
    at: float = 0.0
    jitter: float = 0.0
    detail: str = ""


# -- old or new -------------------------------------------------------------------------------------------------


def side(edit: Edit, found: RRset | None) -> Side:
    """Whether an RRset is the old or the new version, by its data alone; the TTL is a separate question."""
    values = set(found.values) if found is not None else set()
    match edit:
        case SetEdit(_, before, after):
            if values == (set(after.values) if after else set()):
                return "new"
            return "old" if values == (set(before.values) if before else set()) else "other"
        case ValueEdit():
            if set(edit.add) <= values and not set(edit.remove) & values:
                return "new"
            return "old" if set(edit.remove) <= values and not set(edit.add) & values else "other"
        case _:
            assert_never(edit)


def accepted(accept: Accept, reply: Reply, owner: str, rdtype: str) -> bool:
    """Whether an answer that varies by design counts as new, judged at the end of its alias chain."""
    chain = _chain(reply, owner)
    if accept.ends_at and accept.ends_at in chain[1:]:
        return True
    found = reply.find(owner, rdtype) or reply.find(chain[-1], rdtype)
    if found is None:
        return False
    values = set(found.values)
    if accept.one_of and len(values) == 1 and values <= set(accept.one_of):
        return True
    if accept.subset_of and values <= set(accept.subset_of):
        return True
    return bool(accept.cidr) and all(_in_any(value, accept.cidr) for value in values)


def _in_any(value: str, blocks: Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(block, strict=False) for block in blocks)


def _chain(reply: Reply, owner: str) -> list[str]:
    """The owner and every name that CNAMEs lead to, in order; bounded, since the answer may loop."""
    chain = [owner]
    while len(chain) <= MAX_CHAIN and (alias := reply.find(chain[-1], "CNAME")) is not None:
        chain.append(alias.values[0])
    return chain


def answer_rrset(reply: Reply, owner: str, rdtype: str) -> tuple[RRset | None, int | None]:
    """The RRset at the owner itself, and the remaining TTL of what was said; None: it cannot be cached."""
    found = reply.find(owner, rdtype)
    if found is not None:
        return found, found.ttl
    # The owner is an alias: what counts for this RRset is that it is not there.
    alias = reply.find(owner, "CNAME")
    if alias is not None:
        return None, alias.ttl
    return None, negative_ttl(reply.soa) if reply.soa is not None else None


# -- one more answer --------------------------------------------------------------------------------------------


def classify(
    history: History,
    outcome: Outcome,
    x: Expectation,
    now: float,
    jitter: float,
    *,
    bogus: bool = False,
    cap: int | None = None,
) -> History:
    """The history after one more answer; its `evidence` is what the answer proves.

    `jitter` in seconds spreads the questions. `bogus`: the outcome is SERVFAIL, and CD=1 made it work. `cap`: the
    highest TTL that this resolver keeps, in seconds.
    """
    h = replace(history, asked=history.asked + 1, at=now, jitter=jitter, eta=None)
    if isinstance(outcome, NoReply) or outcome.rcode not in ("NOERROR", "NXDOMAIN"):
        h = replace(h, errors=h.errors + 1)
        if bogus:
            return replace(h, evidence=Evidence.BOGUS, detail="SERVFAIL, but not with CD=1")
        detail = outcome.reason if isinstance(outcome, NoReply) else outcome.rcode
        return replace(h, evidence=Evidence.ERROR, detail=detail)
    found, ttl = answer_rrset(outcome, x.key.owner, x.key.rdtype)
    which = side(x.edit, found)
    if which != "new" and x.accept is not None and accepted(x.accept, outcome, x.key.owner, x.key.rdtype):
        which = "new"
    same = history.side == which and history.evidence is Evidence.PENDING
    h = replace(
        h,
        errors=0,
        side=which,
        answer=found.values if found else None,
        ttl=ttl,
        repeats=history.repeats + 1 if same else 0,
        saw_old=h.saw_old or which != "new",
    )
    match which:
        case "new":
            return _new(replace(h, stale=0, late=0), x, now, ttl, cap)
        case "old" | "other":
            return _not_new(h, x, now, ttl, stale=bool(SERVE_STALE_EDE & set(outcome.ede)))
        case _:
            assert_never(which)


def _new(h: History, x: Expectation, now: float, ttl: int | None, cap: int | None) -> History:
    if h.saw_old:
        return replace(h, evidence=Evidence.WITNESSED, detail="old before, new now")
    if h.evidence is Evidence.WARM:
        return replace(h, detail="fetched by others")
    full = min(x.new_ttl, cap) if cap is not None else x.new_ttl
    rest = ttl or 0
    # At full TTL our question fetched it; so it did where an earlier question of ours did and that copy still lives.
    uncached = ttl is None or rest >= full - EXPIRY_MARGIN or rest in COMMON_CAPS
    ours = uncached or now + rest <= h.ours_until + EXPIRY_MARGIN
    if ours:
        until = max(h.ours_until, now + rest)
        return replace(h, evidence=Evidence.COLD, ours_until=until, detail="fetched by us: no proof")
    return replace(h, evidence=Evidence.WARM, detail="fetched by others")


def _not_new(h: History, x: Expectation, now: float, ttl: int | None, *, stale: bool) -> History:
    rest = ttl or 0
    other = OTHER if h.side == "other" else ""
    if now < x.dead_at:
        if stale:
            why = other or "serve-stale: it says so itself (EDE)"
            return replace(h, evidence=Evidence.STALE, stale=h.stale + 1, late=0, detail=why)
        eta = min(now + rest, x.dead_at)
        return replace(h, evidence=Evidence.PENDING, stale=0, late=0, eta=eta, detail=other or "within its life")
    h = replace(h, stale=h.stale + 1, late=h.late + 1)
    kept = h.late >= 2 and rest > STALE_TTL_MAX and not stale
    if h.evidence is Evidence.VIOLATOR or h.late >= VIOLATION or kept:
        late = f"{now - x.dead_at:.0f} s past its life, TTL {rest}, asked {h.asked} times"
        return replace(h, evidence=Evidence.VIOLATOR, detail=f"{other}, {late}" if other else late)
    return replace(
        h, evidence=Evidence.STALE, detail=other or "past its life; asked again, since it may be serve-stale"
    )


# -- when to ask again ------------------------------------------------------------------------------------------


def next_question(h: History, x: Expectation) -> float:
    """When this cache is to be asked again (seconds UTC); 0: now, inf: never.

    Computed from what was seen, never stored: when the dead time moves, so does the question.
    """
    if h.evidence is None:
        return 0.0
    if h.at < x.changed_at and h.evidence is not Evidence.PENDING:
        return 0.0  # it is from before the change; an old answer still says until when it lives
    match h.evidence:
        case Evidence.PENDING:
            # Where nothing is cached (TTL 0) the pause doubles: waiting is not polling.
            rest = max(float(h.ttl or 0), min(2.0**h.repeats - 1, 30.0))
            return max(h.at, min(h.at + rest, x.dead_at)) + EXPIRY_MARGIN + h.jitter
        case Evidence.STALE:
            pause = STALE_PAUSE if h.stale <= 1 else max(float(h.ttl or 0), STALE_PAUSE) + EXPIRY_MARGIN
            return h.at + min(pause, STALE_TTL_MAX + EXPIRY_MARGIN) + h.jitter
        case Evidence.VIOLATOR:
            return h.at + min(max(VIOLATOR_PAUSE, float(h.ttl or 0)), VIOLATOR_PAUSE_MAX) + h.jitter
        case Evidence.BOGUS | Evidence.ERROR:
            return h.at + min(ERROR_PAUSE * 2.0 ** min(h.errors - 1, 10), ERROR_PAUSE_MAX) + h.jitter
        case Evidence.COLD | Evidence.WARM | Evidence.WITNESSED:
            # One last question when the model says that nobody can have the old answer any more.
            return x.dead_at + h.jitter if h.at < x.dead_at else float("inf")
        case _:
            assert_never(h.evidence)


def carried(h: History, x: Expectation) -> History:
    """What an earlier expectation's history is worth for a new one of the same RRset (another stage, the way back).

    If the cache's latest answer is not the new version, that was seen, and *witnessed* stays possible.
    """
    if h.side is None or h.evidence in (None, Evidence.ERROR, Evidence.BOGUS):
        return History()
    latest = RRset(0, h.answer) if h.answer else None
    return History(saw_old=side(x.edit, latest) != "new")


# -- counting ---------------------------------------------------------------------------------------------------


def share_agreeing(rows: Iterable[ResolverRow]) -> tuple[int, int]:
    """(rows that do not contradict the model, rows counted). Errors count on neither side."""
    counted = [row for row in rows if row.evidence is not Evidence.ERROR]
    return sum(row.evidence not in CONTRADICTS for row in counted), len(counted)


def old_share_upper_bound(old: int, samples: int) -> float | None:
    """With no old answer in n samples, at most 3/n of the caches sampled are old (95 %); None if that says nothing."""
    if old or samples <= 0:
        return None
    return min(1.0, 3 / samples)
