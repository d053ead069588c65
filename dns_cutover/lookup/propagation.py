"""How far an answer has spread, without a plan: every authoritative server, then resolvers when their answers die.

What was there before is not known, unless it is seen to change: everything that is not what the servers agree on counts
as old, and until when it may live has no bound.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dns_cutover.clock import Clock
from dns_cutover.lookup.authoritative import ROUND_GAP_S
from dns_cutover.lookup.evidence import OTHER
from dns_cutover.lookup.interface import (
    AuthoritativeRound,
    Evidence,
    Expectation,
    ResolverRound,
    ResolverRow,
    ServerView,
)
from dns_cutover.lookup.views import BEHIND, Sought, Spread
from dns_cutover.records import RRset, RRsetKey, SetEdit

SERVERS_PAUSE = 2.0  # seconds between two rounds at servers that do not agree yet
SERVERS_PAUSE_MAX = 10.0  # and at servers that do: something may change again
_NEVER = float("inf")


class Asks(Protocol):
    """The part of `lookup.interface.Lookup` that is needed."""

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        """See the interface."""
        ...

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        """See the interface."""
        ...


@dataclass(slots=True)
class _Tracked:
    sought: Sought
    key: RRsetKey
    views: tuple[ServerView, ...] = ()
    agreed: bool = False
    served: RRset | None = None
    agreed_at: float = _NEVER
    differed: bool = False
    dead_at: float = _NEVER
    known: bool = False
    expectation: Expectation | None = None
    rows: tuple[ResolverRow, ...] = ()
    points: list[tuple[float, int, int]] = field(default_factory=list)


class Propagation:
    """Watches `sought`; `look` asks what is due and tells how it stands.

    Recursive resolvers are asked only for what every authoritative server gives, so that no negative answer is planted.
    """

    def __init__(self, lookup: Asks, sought: Sequence[Sought], clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock
        self._tracked = [_Tracked(s, s.key) for s in sought]
        self._servers_due = 0.0
        self._resolvers_due = 0.0
        self._pause = SERVERS_PAUSE

    @property
    def next_due(self) -> float:
        """When `look` has something to ask again (seconds UTC)."""
        return min(self._servers_due, self._resolvers_due)

    async def look(self) -> tuple[Spread, ...]:
        """Ask whoever is due. Never raises for the network."""
        if self._clock.now() >= self._servers_due:
            await self._servers()
        await self._resolvers()
        return tuple(self._spread(t) for t in self._tracked)

    # -- authoritative servers --------------------------------------------------------------------------------------

    async def _servers(self) -> None:
        keys = dict.fromkeys(k for t in self._tracked for k in (t.sought.key, _alias(t.sought.key)))
        looked = await self._lookup.authoritative(tuple(keys))
        by_zone: dict[str, list[ServerView]] = {}
        for view in looked.views:
            by_zone.setdefault(view.zone, []).append(view)
        for t in self._tracked:
            _judge_servers(t, tuple(by_zone.get(t.key.zone, ())), looked.at)
        settled = all(t.agreed and not _contradicted(t) for t in self._tracked)
        self._pause = min(self._pause * 2, SERVERS_PAUSE_MAX) if settled else SERVERS_PAUSE
        self._servers_due = self._clock.now() + self._pause

    # -- resolvers --------------------------------------------------------------------------------------------------

    async def _resolvers(self) -> None:
        asked = [t for t in self._tracked if t.expectation is not None]
        if not asked:
            self._resolvers_due = _NEVER
            return
        looked = await self._lookup.resolvers([t.expectation for t in asked if t.expectation is not None])
        rows: dict[RRsetKey, list[ResolverRow]] = {}
        for row in looked.rows:
            rows.setdefault(row.key, []).append(row)
        for t in asked:
            t.rows = tuple(r if t.known else _without_old(r) for r in rows.get(t.key, ()))
            new, counted = _share(t.rows)
            if not t.points or t.points[-1][1:] != (new, counted):
                t.points.append((looked.at, new, counted))
        self._resolvers_due = looked.next_due

    # -- how it stands ----------------------------------------------------------------------------------------------

    def _spread(self, t: _Tracked) -> Spread:
        behind = any(r.evidence in BEHIND for r in t.rows)
        new, _ = _share(t.rows)
        now = self._clock.now()
        # Servers that were seen to change may answer from a packet cache: a second look has to agree.
        steady = not t.differed or now - t.agreed_at >= ROUND_GAP_S
        done = t.expectation is not None and t.agreed and not behind and steady and (new > 0 or not t.rows)
        if t.expectation is not None and not steady:
            self._resolvers_due = min(self._resolvers_due, t.agreed_at + ROUND_GAP_S)
        return Spread(
            t.sought,
            t.key,
            t.views,
            t.agreed,
            t.served,
            t.rows,
            done,
            _contradicted(t),
            t.dead_at if t.known else None,
            tuple(t.points),
        )


def _alias(key: RRsetKey) -> RRsetKey:
    return replace(key, rdtype="CNAME")


def _judge_servers(t: _Tracked, views: tuple[ServerView, ...], at: float) -> None:
    """What all servers say; a name that is an alias there is followed as one: that is the RRset that the zone has."""
    usable = [v for v in views if not v.problem]
    asked, alias = t.sought.key, _alias(t.sought.key)
    is_alias = any(v.rrsets.get(alias) is not None for v in usable) and all(v.rrsets.get(asked) is None for v in usable)
    key = alias if is_alias and t.sought.accept is None else asked
    answers = [v.rrsets.get(alias if is_alias else key) for v in usable]
    first = answers[0] if answers else None
    agreed = len(usable) == len(views) > 0 and all(_same(first, a) for a in answers)
    served = max((a for a in answers if a is not None), key=lambda a: a.ttl, default=None) if agreed else None
    if agreed and (not t.agreed or key != t.key or not _same(served, t.served)):
        if t.views and (not t.agreed or not _same(served, t.served)):
            t.differed = True
        _expect_new(t, key, served, at)
    if not agreed and t.agreed:
        t.differed = True
    t.views, t.agreed, t.key = views, agreed, key
    if agreed:
        t.served = served
    if not agreed or _contradicted(t) or (served is None and not t.sought.absent):
        t.expectation = None  # no question to a resolver before every server has it


def _expect_new(t: _Tracked, key: RRsetKey, served: RRset | None, at: float) -> None:
    before = t.served
    t.agreed_at = at
    t.served = served
    if before is not None and not _same(before, served):
        # Seen before the change: so long may a copy that was fetched at the last moment live.
        t.dead_at, t.known = at + before.ttl + 1.0, True
    ttl = served.ttl if served is not None else min((v.ttl for v in (before,) if v is not None), default=300)
    old = RRset(ttl, ("",)) if before is None or _same(before, served) else before
    t.expectation = Expectation(key, SetEdit(key, old, served), at, t.dead_at, ttl, t.sought.accept)


def _contradicted(t: _Tracked) -> bool:
    if not t.agreed or t.sought.accept is not None:
        return False
    if t.sought.absent:
        return t.served is not None
    values = t.served.values if t.served is not None else ()
    return bool(t.sought.expect) and values != t.sought.expect


def _same(one: RRset | None, other: RRset | None) -> bool:
    return one is other or (one is not None and one.same_data(other))


def _without_old(row: ResolverRow) -> ResolverRow:
    """Where the old version is not known, there is no telling it from any other."""
    return replace(row, detail="within its life") if row.detail == OTHER else row


def _share(rows: Iterable[ResolverRow]) -> tuple[int, int]:
    """(caches that answer the new version, caches that answered)."""
    counted = [r for r in rows if r.evidence is not Evidence.ERROR]
    return sum(r.evidence not in BEHIND for r in counted), len(counted)
