"""`LiveLookup`: the asking of one run or one `check`, over the network."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping

from dns_cutover.clock import Clock
from dns_cutover.lookup.authoritative import ask_all
from dns_cutover.lookup.evidence import History, classify
from dns_cutover.lookup.interface import AuthoritativeRound, Endpoint, Evidence, Expectation, ResolverRound, ResolverRow
from dns_cutover.lookup.question import Asker, Reply
from dns_cutover.records import RRsetKey


class LiveLookup:
    """Implements `lookup.interface.Lookup`. `zones`: reference -> (zone name, authoritative servers).

    Keeps one history per resolver and RRset, so that each is asked when its cached answer dies and not before. A new
    expectation for an RRset (another stage, or the way back) begins a new history.
    """

    def __init__(
        self,
        zones: Mapping[str, tuple[str, tuple[Endpoint, ...]]],
        resolvers: tuple[Endpoint, ...],
        clock: Clock,
        rng: random.Random,
        asker: Asker,
    ) -> None:
        self._zones = zones
        self._resolvers = resolvers
        self._clock = clock
        self._rng = rng
        self._asker = asker
        self._histories: dict[tuple[Endpoint, RRsetKey], tuple[Expectation, History]] = {}

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        """See the interface."""
        return await ask_all(self._asker, self._zones, keys, self._clock)

    async def baseline(self, expectations: Collection[Expectation]) -> ResolverRound:
        """See the interface: an old answer seen now makes *witnessed* possible later."""
        return await self._ask(expectations)

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        """See the interface."""
        return await self._ask(expectations)

    def _history(self, resolver: Endpoint, x: Expectation) -> History:
        old, history = self._histories.get((resolver, x.key), (x, History()))
        if old.edit != x.edit:
            return History()
        if old.dead_at != x.dead_at or old.changed_at != x.changed_at:
            # The same change, now published: what was seen before stays seen, the question is due.
            return History(asked=history.asked, saw_old=history.saw_old, evidence=None)
        return history

    async def _ask(self, expectations: Collection[Expectation]) -> ResolverRound:
        now = self._clock.now()
        jobs = []
        for x in expectations:
            for resolver in self._resolvers:
                history = self._history(resolver, x)
                self._histories[resolver, x.key] = (x, history)
                if history.due <= now:
                    jobs.append(self._one(resolver, x, history))
        await asyncio.gather(*jobs)
        rows = []
        due = float("inf")
        for x in expectations:
            for resolver in self._resolvers:
                _, h = self._histories[resolver, x.key]
                due = min(due, h.due)
                evidence = h.evidence or Evidence.ERROR
                rows.append(ResolverRow(resolver, x.key, evidence, h.answer, h.ttl, h.eta, h.asked, h.detail, h.at))
        return ResolverRound(self._clock.now(), tuple(rows), due)

    async def _one(self, resolver: Endpoint, x: Expectation, history: History) -> None:
        outcome = await self._asker.ask(resolver, x.key.owner, x.key.rdtype, recurse=True)
        bogus = False
        if isinstance(outcome, Reply) and outcome.rcode == "SERVFAIL":
            unchecked = await self._asker.ask(resolver, x.key.owner, x.key.rdtype, recurse=True, checking_disabled=True)
            bogus = isinstance(unchecked, Reply) and unchecked.rcode in ("NOERROR", "NXDOMAIN")
        now = self._clock.now()
        after = classify(history, outcome, x, now, self._rng.uniform(0.0, 0.5), bogus=bogus)
        self._histories[resolver, x.key] = (x, after)
