"""The brute-force simulation itself: servers, caches and clients behave as the standards say."""

from __future__ import annotations

import math
import random

import pytest

from dns_cutover.records import RRset
from dns_cutover.timing.authority import Authority, DelegatedAuthority, Reply, Server, ZoneState
from dns_cutover.timing.population import CHAIN_LIMIT, Cache, Client, Layer, last_given, populate, spread


def a(ttl: int, host: int = 1) -> RRset:
    return RRset.of("A", ttl, f"192.0.2.{host}")


def cname(ttl: int, target: str) -> RRset:
    return RRset.of("CNAME", ttl, target)


def first(n: int) -> int:
    return 0


ZONE = ZoneState(
    {
        ("www.x.", "A"): a(60),
        ("*.x.", "A"): a(30, 9),
        ("*.x.", "MX"): RRset.of("MX", 40, "10 mx.x."),
        ("deep.ent.x.", "A"): a(50, 5),
        ("alias.x.", "CNAME"): cname(20, "www.x."),
        ("loop.x.", "CNAME"): cname(20, "loop.x."),
    },
    negative_ttl=10,
)


def authority(*states: tuple[float, ZoneState]) -> Authority:
    return Authority((Server(states or ((0, ZONE),)),), first)


@pytest.mark.parametrize(
    ("owner", "rdtype", "reply"),
    [
        ("www.x.", "A", Reply("www.x.", "A", ("192.0.2.1",), 60)),
        ("www.x.", "MX", Reply("www.x.", "MX", None, 10)),
        ("any.x.", "A", Reply("any.x.", "A", ("192.0.2.9",), 30)),
        ("any.x.", "TXT", Reply("any.x.", "TXT", None, 10)),
        ("ent.x.", "A", Reply("ent.x.", "A", None, 10)),
        ("other.ent.x.", "A", Reply("other.ent.x.", "A", None, 10, nxdomain=True)),
        ("alias.x.", "A", Reply("alias.x.", "CNAME", ("www.x.",), 20)),
        ("y.", "A", Reply("y.", "A", None, 10, nxdomain=True)),
    ],
)
def test_a_server_answers_as_rfc_4592_says(owner, rdtype, reply):
    assert ZONE.answer(owner, rdtype) == reply


def test_a_server_serves_the_state_of_the_moment():
    empty = ZoneState({}, 5)
    server = Server(((10, ZONE), (20, empty)))
    assert [server.state(at) for at in (0, 10, 19.9, 20)] == [ZONE, ZONE, ZONE, empty]


def test_a_cache_counts_down_and_asks_again_at_the_end():
    cache = Cache(authority((0, ZONE), (1, ZoneState({("www.x.", "A"): a(60, 2)}, 5))))
    assert [cache.ask("www.x.", "A", at)[0] for at in (0, 59, 60)] == [
        Reply("www.x.", "A", ("192.0.2.1",), 60),
        Reply("www.x.", "A", ("192.0.2.1",), 1),
        Reply("www.x.", "A", ("192.0.2.2",), 60),
    ]


@pytest.mark.parametrize(("floor", "ceiling", "ttl"), [(0, 50, 50), (90, math.inf, 90), (90, 40, 40), (10, 90, 60)])
def test_clamps_change_what_is_stored_and_the_ceiling_wins(floor, ceiling, ttl):
    assert Cache(authority(), floor, ceiling).ask("www.x.", "A", 0)[0].ttl == ttl


def test_a_chain_is_followed_cached_link_by_link_and_served_whole():
    outer = Cache(authority((0, ZONE), (1, ZoneState({("www.x.", "A"): a(60, 2)}, 5))))
    inner = Cache(outer)
    assert [(r.rdtype, r.ttl) for r in inner.ask("alias.x.", "A", 0)] == [("CNAME", 20), ("A", 60)]
    assert [(r.rdtype, r.ttl) for r in inner.ask("alias.x.", "A", 19)] == [("CNAME", 1), ("A", 41)]
    assert inner.ask("alias.x.", "CNAME", 19)[-1].values == ("www.x.",)
    # The link is gone at 20 s, while its target lives on.
    assert inner.ask("alias.x.", "A", 20)[0].nxdomain
    assert inner.ask("www.x.", "A", 59)[0].values == ("192.0.2.1",)


def test_a_loop_ends():
    assert len(Cache(authority()).ask("loop.x.", "A", 0)) == CHAIN_LIMIT


def test_nxdomain_denies_every_type_and_nodata_only_its_own():
    bare = ZoneState({("x.", "A"): a(60), ("www.x.", "A"): a(60)}, 10)
    full = ZoneState({**bare.rrsets, ("new.x.", "A"): a(60), ("new.x.", "MX"): RRset.of("MX", 9, "1 x.")}, 10)
    cache = Cache(authority((0, bare), (1, full)))
    assert cache.ask("new.x.", "A", 0)[0].nxdomain
    assert cache.ask("new.x.", "MX", 9)[0] == Reply("new.x.", "MX", None, 1, nxdomain=True)
    assert cache.ask("new.x.", "MX", 10)[0].values == ("1 x.",)
    cache = Cache(
        authority((0, bare), (1, ZoneState({**full.rrsets, ("www.x.", "MX"): RRset.of("MX", 9, "1 x.")}, 10)))
    )
    assert not cache.ask("www.x.", "TXT", 0)[0].nxdomain
    assert cache.ask("www.x.", "MX", 1)[0].values == ("1 x.",)


def test_that_there_is_no_cname_denies_no_other_type():
    cache = Cache(authority())
    assert cache.ask("www.x.", "CNAME", 0)[0] == Reply("www.x.", "CNAME", None, 10)
    assert cache.ask("www.x.", "A", 1)[0].values == ("192.0.2.1",)
    assert cache.ask("www.x.", "CNAME", 1)[0] == Reply("www.x.", "CNAME", None, 9)


@pytest.mark.parametrize("cuts", [False, True])
def test_where_nxdomain_cuts_the_subtree_a_name_that_nobody_asked_for_is_denied(cuts):
    bare = ZoneState({("x.", "A"): a(60)}, 10)
    cache = Cache(
        authority((0, bare), (1, ZoneState({**bare.rrsets, ("www.new.x.", "A"): a(60)}, 10))), cuts_subtrees=cuts
    )
    cache.ask("new.x.", "A", 0)
    assert cache.ask("www.new.x.", "A", 2)[0].nxdomain == cuts
    assert cache.ask("www.new.x.", "A", 10)[0].values == ("192.0.2.1",)


def test_whole_seconds_keep_an_entry_through_its_last_second():
    changed = (5, ZoneState({("www.x.", "A"): a(60, 2)}, 5))
    cache = Cache(authority((0, ZONE), changed), phase=0.0)
    assert [cache.ask("www.x.", "A", at)[0].values[0][-1] for at in (0.0, 60.9, 61.0)] == ["1", "1", "2"]
    early = Cache(authority((0, ZONE), changed), phase=0.5)
    assert [early.ask("www.x.", "A", at)[0].values[0][-1] for at in (0.0, 60.4, 60.5)] == ["1", "1", "2"]


@pytest.mark.parametrize(("minimum", "grace", "until"), [(0, 0, 20), (60, 0, 60), (60, 60, 120), (5, 7, 27)])
def test_a_client_keeps_the_lowest_ttl_of_the_chain_its_minimum_and_its_grace(minimum, grace, until):
    client = Client(Cache(authority()), minimum, grace)
    got = client.ask("alias.x.", "A", 0)
    assert (got.values, got.until) == (("192.0.2.1",), until)
    assert client.ask("alias.x.", "A", until - 1) is got
    assert client.ask("alias.x.", "A", until).at == until


def test_the_last_old_answer_counts_and_none_is_minus_infinity():
    client = Client(Cache(authority()))
    answers = [client.ask("www.x.", "A", 0), client.ask("any.x.", "A", 5)]
    assert last_given(answers, lambda g: g.values == ("192.0.2.1",)) == 60
    assert last_given(answers, lambda g: g.values is None) == -math.inf


def test_a_change_spreads_until_nobody_gets_the_old_answer():
    new = ZoneState({("www.x.", "A"): a(60, 2)}, 5)
    rng = random.Random(7)
    sources = [Authority((Server(((0, ZONE), (100, new))),), rng.randrange)]
    clients = populate(sources, [Layer(width=5), Layer(width=20, floor=30, imposing=0.5)], 200, 60.0, rng)
    assert len(clients) == 200
    shares = spread(clients, "www.x.", "A", lambda g: g.values == ("192.0.2.1",), range(0, 260, 10), rng, activity=0.5)
    assert [share for at, share in shares if at < 100] == [1.0] * 10
    assert 0 < dict(shares)[130] < 1
    assert [share for at, share in shares if at >= 250] == [0.0]


def test_where_nobody_asks_nothing_is_old():
    assert spread((), "www.x.", "A", lambda g: True, [1.0], random.Random(1)) == ((1.0, 0.0),)


NS_OLD, NS_NEW = RRset.of("NS", 30, "old."), RRset.of("NS", 30, "new.")


def delegated(**how: object) -> DelegatedAuthority:
    def side(ns: RRset, ttl: int, host: int) -> Server:
        return Server(((0, ZoneState({("x.", "NS"): ns.with_ttl(ttl), ("x.", "A"): a(60, host)}, 5)),))

    parent = Server(
        ((0, ZoneState({("x.", "NS"): NS_OLD}, 5)), (10, ZoneState({("x.", "NS"): NS_NEW}, 5))),
    )
    servers = {"old.": side(NS_OLD, 100, 1), "new.": side(NS_NEW, 100, 2)}
    return DelegatedAuthority("x.", parent, servers, first, **how)


def test_a_parent_centric_resolver_follows_the_parents_copy():
    resolver = delegated(child_centric=False)
    assert resolver.ask("x.", "A", 9)[0].values == ("192.0.2.1",)
    assert resolver.expires() == 39
    assert resolver.ask("x.", "NS", 38)[0] == Reply("x.", "NS", ("old.",), 100)
    assert resolver.follows(38) == ("old.",)
    assert resolver.ask("x.", "A", 39)[0].values == ("192.0.2.2",)


def test_a_child_centric_resolver_learns_the_old_set_once_and_then_asks_the_parent():
    resolver = delegated(floor=50)
    assert resolver.follows(9) == ("old.",)
    assert resolver.ask("x.", "A", 58)[0].values == ("192.0.2.1",)
    assert resolver.ask("x.", "NS", 157)[0] == Reply("x.", "NS", ("old.",), 1)
    assert resolver.follows(158) == ("new.",)


def test_no_bound_holds_for_a_resolver_that_renews_the_set_from_every_answer():
    resolver = delegated(renews=True)
    for at in range(9, 1000, 90):
        assert resolver.ask("x.", "NS", at)[0].values == ("old.",)


# -- defaults, edges, and what chance decides --------------------------------------------------------------------------


class Scripted:
    """Chance as one writes it."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)

    def randrange(self, stop: int, /) -> int:
        return stop - 1


def test_a_name_below_a_wildcard_at_the_root_is_synthesised():
    root = ZoneState({("*.", "A"): a(30, 9)}, negative_ttl=10)
    assert root.answer("y.", "A") == Reply("y.", "A", ("192.0.2.9",), 30)


def test_without_settings_a_cache_keeps_a_ttl_as_it_is_and_cuts_no_subtree():
    gone = ZoneState({("x.", "A"): a(0)}, negative_ttl=100)
    cache = Cache(authority((0, gone), (5, ZONE)))
    assert cache.ask("x.", "A", 0)[0].ttl == 0
    assert cache.ask("ent.x.", "A", 0)[0].nxdomain
    assert cache.ask("deep.ent.x.", "A", 6)[0].values == ("192.0.2.5",)


def test_a_client_without_settings_adds_nothing():
    assert Client(authority()).ask("www.x.", "A", 7).until == 67
    assert Client(authority((0, ZoneState({("x.", "A"): a(0)}, 10)))).ask("x.", "A", 7).until == 7


def test_that_there_is_no_alias_is_no_answer_for_other_types_but_a_denied_parent_is():
    """Absence of a CNAME is held, and then everything below a name above it is denied."""
    empty = ZoneState({("ent.x.", "A"): a(60), ("deep.ent.x.", "A"): a(60)}, negative_ttl=100)
    gone = ZoneState({("x.", "A"): a(60)}, negative_ttl=100)
    cache = Cache(authority((0, empty), (5, gone)), cuts_subtrees=True)
    assert cache.ask("deep.ent.x.", "CNAME", 0)[0].values is None
    assert cache.ask("ent.x.", "TXT", 0)[0].values is None
    assert cache.ask("ent.x.", "MX", 6)[0].nxdomain
    assert cache.ask("deep.ent.x.", "A", 7) == (Reply("deep.ent.x.", "A", None, 99, nxdomain=True),)


def test_only_some_caches_impose_the_floor_and_all_have_the_ceiling():
    layers = [Layer(width=2, floor=20, ceiling=40, imposing=0.5)]
    short, long = ZoneState({("x.", "A"): a(0)}, 10), ZoneState({("x.", "A"): a(100)}, 10)
    for numbers, ttl in (((0.49, 0.49), 20), ((0.5, 0.5), 0), ((0.49, 0.5), 0), ((0.5, 0.49), 20)):
        (client,) = populate([authority((0, short))], layers, 1, 0.0, Scripted(*numbers, 0.9))
        assert client.ask("x.", "A", 0).replies[0].ttl == ttl
    (client,) = populate([authority((0, long))], layers, 1, 0.0, Scripted(0.1, 0.1, 0.9))
    assert client.ask("x.", "A", 0).replies[0].ttl == 40


def test_half_of_the_clients_have_a_minimum_and_the_others_a_grace():
    clients = populate([authority()], [], 3, 60.0, Scripted(0.49, 0.5, 0.51))
    assert [client.ask("any.x.", "A", 100).until for client in clients] == [160, 190, 190]
    without = populate([authority((0, ZoneState({("x.", "A"): a(0)}, 10)))], [], 1, 0.0, Scripted(0.9))
    assert without[0].ask("x.", "A", 100).until == 100


def test_who_asks_is_a_matter_of_chance_and_the_share_is_of_those_who_did():
    clients = [Client(authority((0, ZONE))) for _ in range(2)]

    def spread_with(*numbers: float, activity: float = 0.5) -> tuple[tuple[float, float], ...]:
        return spread(clients, "www.x.", "A", lambda given: True, [1.0], Scripted(*numbers), activity=activity)

    assert spread_with(0.49, 0.5) == ((1.0, 1.0),)
    assert spread_with(0.5, 0.5) == ((1.0, 0.0),)
    assert spread_with(0.0, 0.0, activity=0.0) == ((1.0, 0.0),)
    assert spread(clients, "www.x.", "A", lambda given: True, [1.0], Scripted(0.99, 0.99)) == ((1.0, 1.0),)


def test_before_it_asked_a_resolver_holds_no_delegation_and_then_for_its_ttl():
    servers = {"a.": Server(((0, ZONE),)), "b.": Server(((0, ZONE),))}
    parent = Server(((0, ZoneState({("x.", "NS"): RRset(0, ("a.", "b."))}, 10)),))
    picked: list[int] = []

    def last(n: int) -> int:
        picked.append(n)
        return n - 1

    resolver = DelegatedAuthority("x.", parent, servers, last, child_centric=False)
    assert resolver.expires() == 0.0
    assert resolver.ask("www.x.", "A", 50)[0].values == ("192.0.2.1",)
    assert resolver.expires() == 50
    assert picked == [2]
