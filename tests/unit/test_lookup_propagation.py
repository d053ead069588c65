"""How far an answer has spread: when resolvers are asked, and what counts as converged, not yet, and contradicted."""

from dataclasses import dataclass, field, replace

from test_lookup_scripted import ManualClock

from dns_cutover.lookup.interface import (
    Accept,
    AuthoritativeRound,
    Endpoint,
    Evidence,
    ResolverRound,
    ResolverRow,
    ServerView,
)
from dns_cutover.lookup.propagation import Propagation
from dns_cutover.lookup.views import Sought
from dns_cutover.records import RRset, RRsetKey

KEY = RRsetKey("z", "www.example.test.", "A")
ALIAS = replace(KEY, rdtype="CNAME")
OLD, NEW = RRset(300, ("192.0.2.1",)), RRset(60, ("192.0.2.2",))
NS1, NS2 = Endpoint("ns1", "192.0.2.53"), Endpoint("ns2", "192.0.2.54")
CACHE = Endpoint("cache", "192.0.2.99")


def row(evidence=Evidence.COLD, **more):
    return ResolverRow(CACHE, KEY, evidence, ("192.0.2.2",), 60, **more)


@dataclass
class Script:
    """What servers and caches say next; `expected` collects what resolvers were asked with."""

    clock: ManualClock
    servers: dict = field(default_factory=lambda: {NS1: {KEY: NEW}, NS2: {KEY: NEW}})
    problems: dict = field(default_factory=dict)
    rows: tuple = (row(),)
    due: float = float("inf")
    rounds: int = 0
    expected: list = field(default_factory=list)

    async def authoritative(self, keys):
        self.rounds += 1
        views = [
            ServerView("z", s, {k: said.get(k) for k in keys}, 7, self.problems.get(s, ""))
            for s, said in self.servers.items()
        ]
        return AuthoritativeRound(self.clock.now(), tuple(views))

    async def resolvers(self, expectations):
        self.expected.append(tuple(expectations))
        rows = tuple(replace(r, key=x.key) for x in expectations for r in self.rows)
        return ResolverRound(self.clock.now(), rows, self.due)

    def say(self, one, two=None):
        self.servers = {NS1: {KEY: one}, NS2: {KEY: two or one}}


def watching(*sought, **script):
    clock = ManualClock()
    s = Script(clock, **script)
    return s, Propagation(s, sought or (Sought(KEY),), clock)


async def test_where_all_agree_and_no_cache_is_behind_it_has_converged():
    _, p = watching()
    (got,) = await p.look()
    assert (got.converged, got.contradicted, got.served, got.points) == (True, False, NEW, ((1_000_000.0, 1, 1),))


async def test_no_resolver_is_asked_before_every_server_has_it():
    s, p = watching()
    s.say(OLD, NEW)
    (got,) = await p.look()
    assert (got.converged, got.agreed, s.expected) == (False, False, [])
    s.problems = {NS2: "no answer in 3 tries"}
    s.say(NEW)
    s.clock.time = p.next_due
    (got,) = await p.look()
    assert (got.converged, s.expected) == (False, [])


async def test_no_resolver_is_asked_for_what_does_not_exist():
    s, p = watching()
    s.servers = {NS1: {}, NS2: {}}
    (got,) = await p.look()
    assert (got.converged, got.agreed, s.expected) == (False, True, [])


async def test_what_is_expected_to_be_gone_is_asked_for():
    s, p = watching(Sought(KEY, absent=True))
    (got,) = await p.look()
    assert (got.contradicted, s.expected) == (True, [])
    s.servers = {NS1: {}, NS2: {}}
    s.clock.time = p.next_due
    (got,) = await p.look()
    ((x,),) = s.expected
    assert (x.edit.before, x.edit.after) == (NEW, None)
    assert not got.contradicted


async def test_another_value_than_expected_contradicts_and_no_resolver_is_asked():
    s, p = watching(Sought(KEY, ("203.0.113.1",)))
    (got,) = await p.look()
    assert (got.contradicted, got.converged, s.expected) == (True, False, [])


async def test_a_value_that_is_expected_later_is_waited_for():
    s, p = watching(Sought(KEY, NEW.values))
    s.say(OLD)
    assert (await p.look())[0].contradicted
    s.say(NEW)
    s.clock.time = p.next_due
    (got,) = await p.look()
    assert not got.contradicted
    assert len(s.expected) == 1


async def test_an_old_answer_holds_it_up_and_is_asked_again_when_it_dies():
    s, p = watching()
    s.rows, s.due = (row(Evidence.PENDING, eta=1_000_040.0),), 1_000_041.0
    (got,) = await p.look()
    assert (got.converged, got.behind, got.points) == (False, got.rows, ((1_000_000.0, 0, 1),))
    s.rows, s.due = (row(Evidence.WITNESSED),), float("inf")
    s.clock.time = 1_000_041.0
    (got,) = await p.look()
    assert (got.converged, got.points[-1]) == (True, (1_000_041.0, 1, 1))


async def test_the_moment_of_the_change_stays_the_same_from_round_to_round():
    """Resolvers that answered would otherwise be asked anew in every round."""
    s, p = watching()
    await p.look()
    s.clock.time += 60
    await p.look()
    assert s.expected[0] == s.expected[1]


async def test_a_change_that_is_seen_gives_a_bound_and_is_looked_at_twice():
    s, p = watching()
    s.say(OLD)
    assert (await p.look())[0].converged
    s.say(NEW)
    s.clock.time = changed = p.next_due
    (got,) = await p.look()
    assert (got.dead_at, got.converged) == (changed + OLD.ttl + 1, False)
    assert s.expected[-1][0].edit.before == OLD
    while p.next_due < changed + 21:
        s.clock.time = p.next_due
        assert not (await p.look())[0].converged
    s.clock.time = changed + 21
    assert (await p.look())[0].converged


async def test_an_alias_is_looked_at_as_an_alias():
    s, p = watching()
    alias = RRset(60, ("edge.example.net.",))
    s.servers = {NS1: {ALIAS: alias}, NS2: {ALIAS: alias}}
    (got,) = await p.look()
    assert (got.key, got.served, got.sought.key) == (ALIAS, alias, KEY)
    assert s.expected[0][0].key == ALIAS


async def test_answers_that_vary_are_judged_by_what_is_accepted():
    accept = Accept(subset_of=("192.0.2.1", "192.0.2.2"))
    s, p = watching(Sought(KEY, accept=accept))
    (got,) = await p.look()
    assert s.expected[0][0].accept == accept
    assert got.converged


async def test_caches_that_do_not_answer_prove_nothing():
    s, p = watching()
    s.rows = (row(Evidence.ERROR),)
    (got,) = await p.look()
    assert (got.converged, got.points) == (False, ((1_000_000.0, 0, 0),))


async def test_servers_are_asked_less_often_once_they_agree():
    s, p = watching()
    s.rows, s.due = (row(Evidence.PENDING),), 1_000_060.0
    while s.clock.time < 1_000_060:
        await p.look()
        s.clock.time = p.next_due
    assert s.rounds <= 9


async def test_a_minimum_is_told():
    s, p = watching()
    s.rows = (replace(row(), ttl=300), replace(row(), ttl=60))
    (got,) = await p.look()
    assert [got.minimum(r) for r in got.rows] == [300, None]
