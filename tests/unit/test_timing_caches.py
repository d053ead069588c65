"""Stacked floors, whole seconds, lowerings, and versions that come back, against brute force."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_timing_worlds import (
    APEX,
    BARE,
    KEY,
    NAME,
    NEAR,
    POLICIES,
    a,
    adversary,
    policies,
    quarters,
    ttls,
)

from dns_cutover.timing.authority import Authority, Server, Source, ZoneState
from dns_cutover.timing.lifetime import CachePolicy, Version, VersionLedger, dead_time, lifetime
from dns_cutover.timing.population import Cache, Client, Layer, populate


def test_ttl_5_behind_two_caches_with_minimum_20_lives_39_seconds():
    old, new = ZoneState({(NAME, "A"): a(5, 1)}, 5), ZoneState({(NAME, "A"): a(5, 2)}, 5)
    outer = Cache(Authority((Server(((0, old), (1, new))),), lambda n: 0), floor=20)
    inner = Cache(outer, floor=20)
    outer.ask(NAME, "A", 0)
    # Looking once a second, as the measurement did.
    seen = [inner.ask(NAME, "A", at)[-1].values for at in range(19, 60)]
    assert 19 + seen.index(("192.0.2.2",)) == 39
    assert lifetime(5, CachePolicy((20.0, 20.0), 0.0)) == 40


@settings(deadline=None)
@given(
    policy=policies(),
    ttl=ttls,
    asked=st.lists(st.integers(0, 1000).map(lambda n: n / 4), max_size=60),
    phases=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75]), min_size=3, max_size=3),
    stop=quarters,
)
def test_caches_that_count_whole_seconds_stay_within_one_tick_a_layer(policy, ttl, asked, phases, stop):
    policy = replace(policy, tick=1.0)
    old, new = ZoneState({(NAME, "A"): a(ttl, 1)}, 5), ZoneState({(NAME, "A"): a(ttl, 2)}, 5)
    above: Source = Authority((Server(((0, old), (stop, new))),), lambda n: 0)
    clients = []
    for floor, phase in zip(policy.resolver_floor or (0.0,), phases, strict=False):
        above = Cache(above, floor, phase=phase)
        clients += [Client(above, policy.client_floor), Client(above, 0, policy.client_floor)]
    for n, at in enumerate(sorted(asked)):
        answer = clients[n % len(clients)].ask(NAME, "A", at)
        if answer.values == ("192.0.2.1",):
            assert answer.until <= dead_time(stop, ttl, policy)


def test_caches_that_count_whole_seconds_outlive_the_bound_of_exact_ones():
    old, new = ZoneState({(NAME, "A"): a(5, 1)}, 5), ZoneState({(NAME, "A"): a(5, 2)}, 5)
    outer = Cache(Authority((Server(((0, old), (0.25, new))),), lambda n: 0), phase=0.0)
    inner = Cache(outer, phase=0.25)
    outer.ask(NAME, "A", 0)
    assert inner.ask(NAME, "A", 5.75)[-1].values == ("192.0.2.1",)
    assert inner.ask(NAME, "A", 6.5)[-1].values == ("192.0.2.1",)
    assert dead_time(0.25, 5, BARE) < 6.5
    assert dead_time(0.25, 5, CachePolicy((0.0, 0.0), 0.0, tick=1.0)) > 6.5


@settings(deadline=None)
@given(
    policy=policies(),
    lives=st.lists(
        st.tuples(st.sampled_from([None, 1, 2]), st.integers(1, 60), quarters, quarters), min_size=2, max_size=5
    ),
    asked=st.lists(st.integers(0, 4000).map(lambda n: n / 4), max_size=60),
    rng=st.randoms(use_true_random=False),
)
def test_no_cache_is_called_a_violator_while_versions_come_go_and_come_back(policy, lives, asked, rng):
    n, quick, slow, now = 30, [], [], 0.0
    ledgers = [(-math.inf, VersionLedger(policy))]
    version: Version | None = None
    for host, ttl, after, lag in lives:
        published = None if host is None else a(ttl, host)
        state = ZoneState({**APEX} if published is None else {**APEX, (NAME, "A"): published}, n)
        now += after
        quick.append((now, state))
        slow.append((now + lag, state))
        before, version = version, Version.of(published, n)
        ledgers.append((now, ledgers[-1][1].published(KEY, version)))
        now += lag
        if before not in (None, version):
            ledgers.append((now, ledgers[-1][1].withdrawn(KEY, before.values, now, ttl=before.ttl)))
    servers = [Server(tuple(quick)), Server(tuple(slow))]
    layers = [Layer(2, floor) for floor in policy.resolver_floor or (0.0,)]
    clients = populate([Authority(servers, rng.randrange)], layers, 3, policy.client_floor, rng)
    for which, at in enumerate(sorted(asked)):
        answer = clients[which % 3].ask(NAME, "A", at + quick[0][0])
        if answer.until > answer.at:
            # The last moment at which it was given, as exactly as numbers go.
            end = math.nextafter(answer.until, 0)
            known = [ledger for since, ledger in ledgers if since <= end][-1]
            assert not known.is_violation(KEY, answer.values, end)


@pytest.mark.parametrize("policy", POLICIES)
def test_after_a_lowering_a_copy_at_the_old_ttl_lives_until_its_dead_time(policy):
    high, low = ZoneState({(NAME, "A"): a(50, 1)}, 5), ZoneState({(NAME, "A"): a(5, 1)}, 5)
    got = adversary(Authority((Server(((0, high), (100, low))),), lambda n: 0), policy, (NAME, "A"), 100)
    ledger = VersionLedger(policy).published(KEY, Version.of(a(50, 1), 5)).published(KEY, Version.of(a(5, 1), 5))
    dead = ledger.withdrawn(KEY, a(50, 1).values, 100, ttl=50).ttl_dead_at(KEY, a(50, 1).values, 5)
    assert dead - NEAR <= got.until <= dead
