"""How long answers live, in numbers; and which versions are dead."""

from __future__ import annotations

import math

import pytest

from dns_cutover.records import RRset, RRsetKey
from dns_cutover.timing.lifetime import (
    CachePolicy,
    Version,
    VersionLedger,
    dead_time,
    last_served,
    lifetime,
    negative_ttl,
    unobservable_secondary,
)

KEY = RRsetKey.of("main", "www.example.test.", "A")
OLD = RRset.of("A", 3600, "192.0.2.1")
NEW = RRset.of("A", 60, "192.0.2.2")
BARE = CachePolicy((0.0,), 0.0)


@pytest.mark.parametrize(
    ("ttl", "floors", "client", "expected"),
    [
        (60, (0.0,), 60.0, 120.0),
        (60, (), 60.0, 120.0),
        (5, (20.0, 20.0), 0.0, 40.0),
        (30, (20.0, 5.0), 0.0, 35.0),
        (30, (5.0, 20.0), 0.0, 50.0),
        (0, (0.0,), 0.0, 0.0),
    ],
)
def test_only_the_first_floor_hides_behind_a_longer_ttl(ttl, floors, client, expected):
    assert lifetime(ttl, CachePolicy(floors, client)) == expected


@pytest.mark.parametrize(("floors", "ticks"), [((), 1), ((0.0,), 1), ((5.0, 5.0), 2)])
def test_each_layer_may_add_one_tick(floors, ticks):
    exact, coarse = CachePolicy(floors, 0.0), CachePolicy(floors, 0.0, tick=1.0)
    assert lifetime(60, coarse) - lifetime(60, exact) == ticks


@pytest.mark.parametrize(
    ("ttl", "minimum", "nsec", "expected"),
    [(3600, 300, 0, 300), (60, 300, 0, 60), (60, 300, 900, 900), (60, 300, 30, 60)],
)
def test_absence_is_cached_for_the_lower_of_soa_ttl_and_minimum_and_at_least_the_nsec_ttl(ttl, minimum, nsec, expected):
    soa = RRset.of("SOA", ttl, f"ns.example.test. host.example.test. 7 7200 900 1209600 {minimum}")
    assert negative_ttl(soa, nsec) == expected


def test_a_version_dies_its_lifetime_after_it_was_last_served():
    assert dead_time(1000.0, 60, CachePolicy((0.0,), 60.0)) == 1120.0


@pytest.mark.parametrize(("observed", "expected"), [(1005.0, 1060.0), (1100.0, 1100.0)])
def test_observation_never_shortens_the_providers_bound(observed, expected):
    assert last_served(observed, applied=1000.0, bound=60.0) == expected


@pytest.mark.parametrize(("works", "expected"), [(True, 9100.0), (False, 1210600.0)])
def test_a_hidden_secondary_is_refreshed_and_retried_or_expires(works, expected):
    assert unobservable_secondary(1000.0, 7200, 900, 1209600, transfers_work=works) == expected


def test_a_version_is_its_values_and_absence_lives_for_n():
    assert Version.of(OLD, 300) == Version(("192.0.2.1",), 3600)
    assert Version.of(None, 300) == Version(None, 300)


def ledger() -> VersionLedger:
    return VersionLedger(BARE).published(KEY, Version.of(OLD, 300))


def test_a_served_version_is_never_dead_and_an_unknown_one_is_nobodys_violation():
    led = ledger()
    assert led.dead_at(KEY, OLD.values) == math.inf
    assert not led.is_violation(KEY, OLD.values, 1e12)
    assert led.dead_at(KEY, NEW.values) is None
    assert not led.is_violation(KEY, NEW.values, 1e12)


def test_serving_a_version_from_its_dead_time_on_is_a_violation():
    led = ledger().withdrawn(KEY, OLD.values, 100.0)
    assert led.dead_at(KEY, OLD.values) == 3700.0
    assert not led.is_violation(KEY, OLD.values, 3699.9)
    assert led.is_violation(KEY, OLD.values, 3700.0)


def test_updates_leave_the_ledger_before_them_alone():
    led = ledger()
    led.withdrawn(KEY, OLD.values, 100.0)
    assert led.dead_at(KEY, OLD.values) == math.inf


def test_after_a_lowering_each_ttl_dies_by_itself():
    led = ledger().published(KEY, Version(OLD.values, 60))
    led = led.withdrawn(KEY, OLD.values, 100.0, ttl=3600)
    assert led.ttl_dead_at(KEY, OLD.values, 60) == 3700.0
    assert led.dead_at(KEY, OLD.values) == math.inf
    late = led.withdrawn(KEY, OLD.values, 5000.0)
    assert late.dead_at(KEY, OLD.values) == 5060.0
    early = led.withdrawn(KEY, OLD.values, 200.0)
    assert early.dead_at(KEY, OLD.values) == 3700.0


def test_without_a_longer_ttl_there_is_nothing_to_wait_for_after_a_lowering():
    assert ledger().ttl_dead_at(KEY, OLD.values, 3600) is None
    assert VersionLedger(BARE).ttl_dead_at(KEY, OLD.values, 60) is None


def test_a_longer_ttl_seen_at_one_server_counts():
    led = VersionLedger(BARE).published(KEY, Version(OLD.values, 60)).observed(KEY, Version(OLD.values, 900), 50.0)
    assert led.ttl_dead_at(KEY, OLD.values, 60) == 950.0
    assert led.withdrawn(KEY, OLD.values, 100.0).dead_at(KEY, OLD.values) == 950.0


def test_a_laggard_prolongs_the_life_of_a_withdrawn_version_and_an_older_sighting_does_not_shorten_it():
    led = ledger().withdrawn(KEY, OLD.values, 100.0)
    assert led.observed(KEY, Version.of(OLD, 300), 150.0).dead_at(KEY, OLD.values) == 3750.0
    assert led.observed(KEY, Version.of(OLD, 300), 50.0).dead_at(KEY, OLD.values) == 3700.0


def test_after_a_rollback_the_old_version_lives_again_and_the_new_one_dies():
    led = ledger().withdrawn(KEY, OLD.values, 100.0).published(KEY, Version.of(NEW, 300))
    assert led.is_violation(KEY, OLD.values, 9000.0)
    led = led.published(KEY, Version.of(OLD, 300)).withdrawn(KEY, NEW.values, 9000.0)
    assert not led.is_violation(KEY, OLD.values, 9500.0)
    assert led.is_violation(KEY, NEW.values, 9060.0)


def test_undoing_a_deletion_kills_the_absence_after_n():
    led = VersionLedger(BARE).published(KEY, Version.of(None, 300)).withdrawn(KEY, None, 100.0)
    assert led.dead_at(KEY, None) == 400.0


def test_withdrawing_what_was_never_served_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError):
        ledger().withdrawn(KEY, NEW.values, 1.0)


def test_an_unsigned_zone_that_forbids_negative_caching_has_none():
    soa = RRset(0, ("ns.example.test. host.example.test. 1 7200 900 1209600 300",))
    assert negative_ttl(soa) == 0
