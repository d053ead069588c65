"""Asking resolvers when their cached answers die, and not before; `LiveLookup` is all asking of one run or `check`."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from dns_cutover.clock import Clock
from dns_cutover.lookup.answer import Outcome, Reply
from dns_cutover.lookup.authoritative import ask_all
from dns_cutover.lookup.evidence import History, carried, classify, next_question
from dns_cutover.lookup.interface import AuthoritativeRound, Endpoint, Evidence, Expectation, ResolverRound, ResolverRow
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.resolvers import known_cap
from dns_cutover.records import RRset, RRsetKey, SetEdit

JITTER = 0.5  # seconds
MIN_GAP = 2.0  # seconds between two questions for one RRset to one address
MEETINGS = 4  # questions in which a cache behind a shared address may fail to be met before it is given up
MAX_CACHES = 16  # caches kept apart behind one address

_EVIDENCE_KEPT = frozenset({Evidence.VIOLATOR, Evidence.BOGUS})
_SERVFAIL = Reply("SERVFAIL", False, (), (), (), (), "", 0.0, False)
_UNANSWERED = ""  # the cache of an address that has not answered yet; also of resolvers without NSID


@dataclass(slots=True)
class _Tracked:
    """One address and one RRset: every cache behind the address that answered, by NSID."""

    x: Expectation
    caches: dict[str, History] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    last: float = float("-inf")

    def due(self) -> float:
        """When the address is to be asked: it is not ours to choose which of its caches answers."""
        if not self.caches:
            return 0.0
        return max(min(next_question(h, self.x) for h in self.caches.values()), self.last + MIN_GAP)

    def due_caches(self, now: float) -> list[str]:
        return [nsid for nsid, h in self.caches.items() if next_question(h, self.x) <= now]


_Question: TypeAlias = tuple[Endpoint, str, str, Expectation, _Tracked]


class ResolverTracker:
    """Keeps one history per cache (address and NSID) and RRset. Loses nothing but *witnessed* if it is made anew."""

    def __init__(self, resolvers: Iterable[Endpoint], asker: Asker, clock: Clock, rng: random.Random) -> None:
        self._resolvers = tuple(dict.fromkeys(resolvers))
        self._asker = asker
        self._clock = clock
        self._rng = rng
        self._tracked: dict[tuple[Endpoint, RRsetKey], _Tracked] = {}

    async def baseline(self, expectations: Collection[Expectation]) -> ResolverRound:
        """Every resolver once, before the change: an old answer is simply the present one, however long it lives."""
        return await self._round([replace(x, dead_at=float("inf")) for x in expectations])

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        """Those whose question is due; all rows."""
        return await self._round(expectations)

    async def _round(self, expectations: Collection[Expectation]) -> ResolverRound:
        tracked = [(r, x, self._expect(r, x)) for x in expectations for r in self._resolvers]
        now = self._clock.now()
        await self._ask([(r, x.key.owner, x.key.rdtype, x, t) for r, x, t in tracked if t.due() <= now])
        rows = tuple(row for r, x, t in tracked for row in _rows(r, x.key, t))
        return ResolverRound(self._clock.now(), rows, min((t.due() for _, _, t in tracked), default=float("inf")))

    def _expect(self, resolver: Endpoint, x: Expectation) -> _Tracked:
        t = self._tracked.get((resolver, x.key))
        if t is None:
            t = self._tracked[resolver, x.key] = _Tracked(x)
        elif (t.x.edit, t.x.accept) == (x.edit, x.accept):
            t.x = x  # the same change, now published, or its dead time has moved
        else:
            known = {nsid: h for nsid, old in t.caches.items() if (h := carried(old, x)).saw_old}
            t = self._tracked[resolver, x.key] = _Tracked(x, known)
        return t

    async def _ask(self, questions: Sequence[_Question]) -> None:
        failed: list[_Question] = []

        def take(question: _Question, outcome: Outcome) -> None:
            if isinstance(outcome, Reply) and outcome.rcode == "SERVFAIL":
                failed.append(question)
            else:
                self._learn(question, outcome, bogus=False)

        def take_unchecked(question: _Question, outcome: Outcome) -> None:
            bogus = isinstance(outcome, Reply) and outcome.rcode in ("NOERROR", "NXDOMAIN")
            self._learn(question, _SERVFAIL, bogus=bogus)

        await self._asker.ask_many(questions, take, recurse=True)
        if failed:
            await self._asker.ask_many(failed, take_unchecked, recurse=True, checking_disabled=True)

    def _learn(self, question: _Question, outcome: Outcome, *, bogus: bool) -> None:
        resolver, _, _, x, t = question
        now = self._clock.now()
        t.asked += 1
        t.last = now
        for nsid in self._whose(t, outcome, now):
            history = t.caches.get(nsid, History())
            jitter = self._rng.uniform(0.0, JITTER)
            t.caches[nsid] = classify(history, outcome, x, now, jitter, bogus=bogus, cap=known_cap(resolver))
            t.missed.pop(nsid, None)
        _give_up(t, now)

    def _whose(self, t: _Tracked, outcome: Outcome, now: float) -> list[str]:
        """The caches that this outcome tells about: the one that answered; a failure tells about all that are due."""
        if not isinstance(outcome, Reply) or outcome.rcode not in ("NOERROR", "NXDOMAIN"):
            return t.due_caches(now) or list(t.caches)[:1] or [_UNANSWERED]
        if outcome.nsid and _UNANSWERED in t.caches and t.caches[_UNANSWERED].side is None:
            # What failed so far has a name now.
            history = t.caches.pop(_UNANSWERED)
            t.caches.setdefault(outcome.nsid, history)
        return [outcome.nsid]


def _give_up(t: _Tracked, now: float) -> None:
    """Caches that are due but were not met: the address has others that answer instead.

    P(missing one of k caches in m questions) = (1 - 1/k)^m; the model, not this question, is what a run relies on.
    """
    for nsid in t.due_caches(now):
        t.missed[nsid] = t.missed.get(nsid, 0) + 1
        if t.missed[nsid] >= MEETINGS and len(t.caches) > 1 and t.caches[nsid].evidence not in _EVIDENCE_KEPT:
            del t.caches[nsid], t.missed[nsid]
    while len(t.caches) > MAX_CACHES:
        spare = [n for n, h in t.caches.items() if h.evidence not in _EVIDENCE_KEPT] or list(t.caches)
        oldest = min(spare, key=lambda n: t.caches[n].at)
        del t.caches[oldest]
        t.missed.pop(oldest, None)


def _rows(resolver: Endpoint, key: RRsetKey, t: _Tracked) -> Iterable[ResolverRow]:
    for nsid, h in t.caches.items():
        if h.evidence is not None:
            yield ResolverRow(resolver, key, h.evidence, h.answer, h.ttl, h.eta, h.asked, h.detail, h.at, nsid)


class LiveLookup:
    """Implements `lookup.interface.Lookup`. `zones`: reference -> (zone name, authoritative servers)."""

    def __init__(
        self,
        zones: Mapping[str, tuple[str, tuple[Endpoint, ...]]],
        resolvers: tuple[Endpoint, ...],
        clock: Clock,
        rng: random.Random,
        asker: Asker,
    ) -> None:
        self._zones = zones
        self._clock = clock
        self._asker = asker
        self._tracker = ResolverTracker(resolvers, asker, clock, rng)
        self._wild: dict[RRsetKey, RRset | None] = {}

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        """See the interface."""
        looked = await ask_all(self._asker, self._zones, keys, self._clock)
        for view in looked.views:
            self._wild |= dict.fromkeys(view.rrsets) | dict(view.synthesised)
        return looked

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        """See the interface."""
        unknown = [x.key for x in expectations if _deletes(x) and x.key not in self._wild and x.key.zone in self._zones]
        if unknown:  # made anew after a crash
            await self.authoritative(unknown)
        return await self._tracker.resolvers([self._under_wildcard(x) for x in expectations])

    async def baseline(self, expectations: Collection[Expectation]) -> ResolverRound:
        """See the interface."""
        return await self._tracker.baseline(expectations)

    def _under_wildcard(self, x: Expectation) -> Expectation:
        """Where a name was taken away from under a wildcard, the wildcard's answer is what resolvers come to."""
        wild = self._wild.get(x.key)
        if wild is None or not isinstance(x.edit, SetEdit) or x.edit.after is not None:
            return x
        return replace(x, edit=replace(x.edit, after=wild), new_ttl=wild.ttl)


def _deletes(x: Expectation) -> bool:
    return isinstance(x.edit, SetEdit) and x.edit.after is None
