"""What tests of timing bounds share, and its own test: strategies, and an adversary who keeps an old answer alive.

Times are multiples of 1/4 s (1/64 s for the adversary), so that sums are exact in binary.
"""

from __future__ import annotations

from hypothesis import strategies as st

from dns_cutover.records import RRset, RRsetKey
from dns_cutover.timing.authority import Authority, Server, Source, ZoneState
from dns_cutover.timing.lifetime import CachePolicy
from dns_cutover.timing.population import Cache, Client, Given

EPS = 1 / 64
NEAR = 8 * EPS
BARE = CachePolicy((0.0,), 0.0)
POLICIES = [BARE, CachePolicy((7.0,), 3.0), CachePolicy((25.0, 10.0, 30.0), 60.0)]
NAME, EDGE = "www.x.", "edge.x."
KEY = RRsetKey("main", NAME, "A")
APEX = {("x.", "SOA"): RRset(900, ("ns.x. host.x. 1 2 3 4 5",))}

quarters = st.integers(0, 240).map(lambda n: n / 4)
ttls = st.integers(0, 60)


def rrset(rdtype: str, ttl: int, *values: str) -> RRset:
    return RRset.of(rdtype, ttl, *values)


def a(ttl: int, host: int) -> RRset:
    return rrset("A", ttl, f"192.0.2.{host}")


def policies() -> st.SearchStrategy[CachePolicy]:
    return st.builds(CachePolicy, st.lists(quarters, max_size=3).map(tuple), quarters)


def adversary(source: Source, policy: CachePolicy, question: tuple[str, str], stop: float) -> Given:
    """Each cache, and then the client, asks the one before it just before what that one holds changes or ends."""
    above, at = source, stop - EPS
    for floor in policy.resolver_floor:
        cache = Cache(above, floor)
        ttl = min(reply.ttl for reply in cache.ask(*question, at))
        above, at = cache, at + max(0.0, ttl - EPS)
    return Client(above, minimum=policy.client_floor).ask(*question, at)


def test_the_adversary_lets_minimum_ttls_add_up():
    old, new = ZoneState({(NAME, "A"): a(5, 1)}, 5), ZoneState({(NAME, "A"): a(5, 2)}, 5)
    source = Authority((Server(((0, old), (100, new))),), lambda n: 0)
    got = adversary(source, CachePolicy((20.0, 20.0), 0.0), (NAME, "A"), 100)
    assert (got.values, got.until) == (("192.0.2.1",), 140 - 2 * EPS)
