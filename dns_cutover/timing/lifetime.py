"""How long an answer can live after the last server stopped giving it (DESIGN section 5).

dead(v) = last_served(v) + max(TTL(v), R1) + R2 + … + F
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from dns_cutover.records import RRset, RRsetKey

Values: TypeAlias = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """R1, R2, … (minimum TTLs that stacked caches impose) and F (what clients add), in seconds.

    R1 belongs to the cache that asks the authoritative servers, the last one to the cache that clients ask: the order
    matters, since only R1 hides behind a longer TTL. `tick` is what each layer may add by counting whole seconds on a
    clock of its own (0 leaves it out, 1 covers every common cache).
    """

    resolver_floor: tuple[float, ...] = (0.0,)
    client_floor: float = 60.0
    tick: float = 0.0

    @property
    def first_floor(self) -> float:
        """R1."""
        return self.resolver_floor[0] if self.resolver_floor else 0.0

    @property
    def beyond_first(self) -> float:
        """What everything behind the first cache adds: R2 + … + F, and the ticks of all layers (seconds)."""
        return sum(self.resolver_floor[1:]) + self.client_floor + self.tick * max(1, len(self.resolver_floor))


def lifetime(ttl: float, policy: CachePolicy) -> float:
    """Seconds for which a cache, and the client behind it, may hold an answer fetched with `ttl` at the last moment.

    The first cache lifts a TTL below its minimum. Each further cache can fetch at that cache's last moment and hold the
    answer for its own minimum, so minimum TTLs add up.
    """
    return max(ttl, policy.first_floor) + policy.beyond_first


def negative_ttl(soa: RRset, nsec_ttl: int = 0) -> int:
    """N: for how long absence is cached: min(SOA TTL, SOA MINIMUM) (RFC 2308 section 5).

    `soa` holds canonical SOA RDATA. In signed zones give the TTL of NSEC or NSEC3 as `nsec_ttl`: caches that deny from
    these records keep them for their own TTL, so N is at least that (RFC 8198 section 5.4, RFC 9077 section 3).
    """
    minimum = int(soa.values[0].split()[6])
    return max(min(soa.ttl, minimum), nsec_ttl)


def dead_time(last_served: float, ttl: float, policy: CachePolicy) -> float:
    """When the last cache or client may still hold the version (seconds UTC): from this moment on, none does."""
    return last_served + lifetime(ttl, policy)


def last_served(observed: float, applied: float, bound: float) -> float:
    """When the last authoritative server stopped serving a version (seconds UTC).

    The later of what was observed and of the write plus the provider's propagation bound D: an anycast address shows
    only one of its sites.
    """
    return max(observed, applied + bound)


def unobservable_secondary(applied: float, refresh: float, retry: float, expire: float, transfers_work: bool) -> float:
    """Until when a secondary that nobody can observe may serve the old version (RFC 1035 section 3.3.13).

    `refresh`, `retry` and `expire` are the SOA's, in seconds. Where transfers may not work only `expire` ends it: the
    secondary may have confirmed its copy just before the change.
    """
    return applied + (refresh + retry if transfers_work else expire)


@dataclass(frozen=True, slots=True)
class Version:
    """One published state of an RRset, or its absence: what caches hold (`values`) and for how long (`ttl`, seconds).

    Versions are told apart by their values alone. Absence (None) has the TTL N.
    """

    values: Values
    ttl: int

    @classmethod
    def of(cls, rrset: RRset | None, negative_ttl: int) -> Version:
        """The version that `rrset` is; `negative_ttl` is N, for absence."""
        return cls(None, negative_ttl) if rrset is None else cls(rrset.values, rrset.ttl)


@dataclass(frozen=True, slots=True)
class Spell:
    """A version was served with `ttl` until `until` (seconds UTC); infinity while a server may still serve it."""

    ttl: int
    until: float


@dataclass(frozen=True, slots=True)
class VersionLedger:
    """What authoritative servers served, kept per key, values and TTL. Updates return a new ledger.

    One spell per TTL, since each TTL dies by itself: after a lowering the old TTL runs out while the version lives on,
    and from then on the low TTL decides. A version that is published again lives again, and its earlier death is void.
    """

    policy: CachePolicy
    spells: Mapping[tuple[RRsetKey, Values], tuple[Spell, ...]] = field(default_factory=dict)

    def published(self, key: RRsetKey, version: Version) -> VersionLedger:
        """`version` is served until it is withdrawn; an earlier death of the same values is void."""
        return self._with(key, version.values, Spell(version.ttl, math.inf))

    def observed(self, key: RRsetKey, version: Version, at: float) -> VersionLedger:
        """A server gave `version` at `at`: a laggard, or a longer TTL. It was served until then at least."""
        return self._with(key, version.values, Spell(version.ttl, at))

    def withdrawn(self, key: RRsetKey, values: Values, at: float, *, ttl: int | None = None) -> VersionLedger:
        """The last server stopped serving `values` at `at` (see `last_served`); with `ttl`, only at that TTL.

        Raises KeyError where no such version was ever published or observed.
        """
        closed = tuple(
            replace(s, until=at) if s.until == math.inf and ttl in (None, s.ttl) else s
            for s in self.spells[key, values]
        )
        return replace(self, spells={**self.spells, (key, values): closed})

    def dead_at(self, key: RRsetKey, values: Values) -> float | None:
        """From when no cache or client holds the version (seconds UTC): infinity while it is served, None if never."""
        spells = self.spells.get((key, values))
        return None if spells is None else max(dead_time(s.until, s.ttl, self.policy) for s in spells)

    def ttl_dead_at(self, key: RRsetKey, values: Values, low: int) -> float | None:
        """From when no cache holds the version with a TTL above `low`: the earliest safe change after a lowering.

        None where no longer TTL was ever served.
        """
        longer = [s for s in self.spells.get((key, values), ()) if s.ttl > low]
        return max((dead_time(s.until, s.ttl, self.policy) for s in longer), default=None)

    def is_violation(self, key: RRsetKey, values: Values, at: float) -> bool:
        """Whether a cache that gives the version at `at` breaks the model: the version is dead and was not revived.

        A version that was never served is somebody else's data, which is another fault and no violation.
        """
        dead = self.dead_at(key, values)
        return dead is not None and at >= dead

    def _with(self, key: RRsetKey, values: Values, spell: Spell) -> VersionLedger:
        known = {s.ttl: s for s in self.spells.get((key, values), ())}
        before = known.get(spell.ttl, spell)
        known[spell.ttl] = replace(spell, until=max(before.until, spell.until))
        return replace(self, spells={**self.spells, (key, values): tuple(known[t] for t in sorted(known))})
