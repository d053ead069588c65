"""How long an answer can live after the last server stopped giving it (DESIGN section 5).

dead(v) = last_served(v) + max(TTL(v), R1) + R2 + … + F
"""

from __future__ import annotations

from dataclasses import dataclass

from dns_cutover.records import RRset


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """R1, R2, … (minimum TTLs that stacked caches impose, outermost first) and F (what clients add), in seconds."""

    resolver_floor: tuple[float, ...] = (0.0,)
    client_floor: float = 60.0


def lifetime(ttl: float, policy: CachePolicy) -> float:
    """Seconds for which a cache, and the client behind it, may hold an answer fetched with `ttl` at the last moment.

    The innermost cache lifts a TTL below its minimum; each further cache can fetch at that cache's last moment and hold
    the answer for its own minimum: minimum TTLs add up.
    """
    first, *more = policy.resolver_floor or (0.0,)
    return max(ttl, first) + sum(more) + policy.client_floor


def dead_time(last_served: float, ttl: float, policy: CachePolicy) -> float:
    """When the last cache or client may still hold the version (seconds UTC)."""
    return last_served + lifetime(ttl, policy)


def last_served(observed: float, applied: float, bound: float) -> float:
    """When the last authoritative server stopped serving a version: the later of what was observed and the provider's
    own bound D, since an anycast address shows only one of its sites."""
    return max(observed, applied + bound)


def unobservable_secondary(
    applied: float, refresh: float, retry: float, expire: float, *, transfers_work: bool
) -> float:
    """Until when a secondary that cannot be observed may serve the old version (RFC 1035 section 3.3.13)."""
    return applied + (refresh + retry if transfers_work else expire)


def negative_ttl(soa: RRset, nsec_ttl: int = 0) -> int:
    """N: for how long absence is cached: min(SOA TTL, SOA MINIMUM) (RFC 2308 section 5).

    In signed zones at least the NSEC or NSEC3 TTL as well (RFC 8198, RFC 9077).
    """
    minimum = int(soa.values[0].split()[6])
    return max(min(soa.ttl, minimum), nsec_ttl)
