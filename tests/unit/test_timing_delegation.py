"""Aliases and delegations against brute force: lives that add up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_timing_worlds import (
    BARE,
    EDGE,
    EPS,
    NAME,
    NEAR,
    POLICIES,
    a,
    adversary,
    policies,
    quarters,
    rrset,
    ttls,
)

from dns_cutover.timing.authority import Authority, DelegatedAuthority, Reply, Server, Source, ZoneState
from dns_cutover.timing.exposure import (
    alias_lifetime,
    delegation_tail,
)
from dns_cutover.timing.lifetime import CachePolicy, lifetime
from dns_cutover.timing.population import Cache, Client, Given


@dataclass
class Flattening:
    """A provider that asks its own resolver every `refresh` seconds, and serves what it got at a TTL of its own."""

    resolver: Cache
    refresh: float
    first: float
    ttl: int

    def ask(self, owner: str, rdtype: str, at: float) -> tuple[Reply, ...]:
        polled = self.first
        got = self.resolver.ask(EDGE, rdtype, polled)[-1]
        while polled + self.refresh <= at:
            polled += self.refresh
            got = self.resolver.ask(EDGE, rdtype, polled)[-1]
        return (replace(got, owner=owner, ttl=self.ttl),)


@settings(deadline=None)
@given(
    policy=policies(), target=ttls, refresh=st.integers(4, 60), served=ttls, first=quarters, at=quarters, warm=quarters
)
def test_an_alias_lives_no_longer_than_target_refresh_and_served_ttl(policy, target, refresh, served, first, at, warm):
    got = alias(policy, target, refresh, served, warm=min(warm, first), first=first, stop=30 + at)
    assert got.values == ("192.0.2.2",) or got.until <= 30 + at + alias_lifetime(target, refresh, served, policy)


def alias(
    policy: CachePolicy, target: int, refresh: int, served: int, *, warm: float, first: float, stop: float
) -> Given:
    states = ((0, ZoneState({(EDGE, "A"): a(target, 1)}, 5)), (stop, ZoneState({(EDGE, "A"): a(target, 2)}, 5)))
    resolver = Cache(Authority((Server(states),), lambda n: 0))
    resolver.ask(EDGE, "A", warm)
    return adversary(Flattening(resolver, refresh, first, served), policy, (NAME, "A"), first + refresh)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_adversary_makes_the_lives_behind_an_alias_add_up(policy):
    got = alias(policy, 50, 10, 20, warm=100 - EPS, first=150 - 2 * EPS, stop=100)
    bound = 100 + alias_lifetime(50, 10, 20, policy)
    assert got.values == ("192.0.2.1",)
    assert bound - NEAR <= got.until <= bound


def delegation(
    parent_ttl: int, child_ttl: int, moved: float, old_moved: float, content_ttl: int, floor: float
) -> DelegatedAuthority:
    """x. moves from old. to new. at `moved` in the parent; old. serves the new NS set from `old_moved` on."""

    def state(side: str, ttl: int, host: int) -> ZoneState:
        return ZoneState({("x.", "NS"): rrset("NS", ttl, side), (NAME, "A"): a(content_ttl, host)}, 5)

    parent = Server(((0, state("old.", parent_ttl, 0)), (moved, state("new.", parent_ttl, 0))))
    old = Server(((0, state("old.", child_ttl, 1)), (old_moved, state("new.", child_ttl, 1))))
    new = Server(((0, state("new.", child_ttl, 2)),))
    return DelegatedAuthority("x.", parent, {"old.": old, "new.": new}, lambda n: 0, floor=floor)


@settings(deadline=None)
@given(
    policy=policies(),
    parent_ttl=ttls,
    child_ttl=ttls,
    moved=quarters,
    keep=st.booleans(),
    content=ttls,
    asked=st.lists(st.tuples(st.integers(0, 1000).map(lambda n: n / 4), st.booleans()), max_size=60),
)
def test_no_resolver_follows_the_old_servers_longer_than_the_delegation_tail(
    policy, parent_ttl, child_ttl, moved, keep, content, asked
):
    first = policy.first_floor
    resolver = delegation(parent_ttl, child_ttl, moved, math.inf if keep else moved, content, first)
    above: Source = resolver
    for floor in policy.resolver_floor or (0.0,):
        above = Cache(above, floor)
    users = Client(above, policy.client_floor)
    ns = (
        moved
        + delegation_tail(parent_ttl, child_ttl, keep, replace(policy, resolver_floor=(first,), client_floor=0)).seconds
    )
    dead = moved + delegation_tail(parent_ttl, child_ttl, keep, policy, content_ttl=content).seconds
    for at, by_user in sorted(asked):
        if by_user:
            answer = users.ask(NAME, "A", at)
            assert answer.values == ("192.0.2.2",) or answer.until <= dead
        elif resolver.follows(at) == ("old.",):
            assert at < ns


def last_old_set(resolver: DelegatedAuthority) -> float:
    """The adversary asks just before the parent changes, and again just before that copy ends."""
    resolver.follows(100 - EPS)
    at = resolver.expires() - EPS
    resolver.ask(NAME, "A", at)
    assert resolver.follows(at) == ("old.",)
    return resolver.expires() - EPS


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("parent_ttl", "child_ttl"), [(50, 20), (20, 50), (5, 5)])
def test_an_adversary_adds_the_childs_life_to_the_parents(policy, parent_ttl, child_ttl):
    resolver = delegation(parent_ttl, child_ttl, 100, math.inf, 30, policy.first_floor)
    at = last_old_set(resolver)
    behind = replace(policy, resolver_floor=policy.resolver_floor[1:])
    got = adversary(resolver, behind, ("x.", "NS"), at + EPS)
    bound = 100 + delegation_tail(parent_ttl, child_ttl, True, policy).seconds
    assert got.values == ("old.",)
    assert bound - NEAR <= got.until <= bound


def test_floors_lift_the_parents_and_the_childs_copy_each_by_itself():
    policy = CachePolicy((20.0,), 0.0)
    end = last_old_set(delegation(5, 5, 100, math.inf, 30, 20.0))
    assert end > 100 + lifetime(5 + 5, policy)
    assert delegation_tail(5, 5, True, policy).seconds == 40


@pytest.mark.parametrize("policy", POLICIES)
def test_old_servers_with_other_content_add_its_ttl(policy):
    resolver = delegation(50, 20, 100, math.inf, 30, policy.first_floor)
    got = adversary(resolver, policy, (NAME, "A"), last_old_set(resolver) + EPS)
    bound = 100 + delegation_tail(50, 20, True, policy, content_ttl=30).seconds
    assert got.values == ("192.0.2.1",)
    assert bound - NEAR <= got.until <= bound


@pytest.mark.parametrize(("parent_ttl", "child_ttl"), [(50, 20), (20, 50)])
def test_once_old_servers_serve_the_new_set_the_longer_copy_counts(parent_ttl, child_ttl):
    from_parent = delegation(parent_ttl, child_ttl, 100, 100, 30, 0)
    from_parent.follows(100 - EPS)
    from_child = delegation(parent_ttl, child_ttl, 100, 100, 30, 0)
    from_child.ask(NAME, "A", 100 - EPS)
    bound = 100 + delegation_tail(parent_ttl, child_ttl, False, BARE).seconds
    assert bound - NEAR <= max(from_parent.expires(), from_child.expires()) <= bound


def test_equal_lives_at_parent_and_child_count_once_and_the_parent_is_named():
    tail = delegation_tail(300, 300, False, BARE)
    assert (tail.seconds, tail.why) == (300, "NS at 300 s in the parent")
