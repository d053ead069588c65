"""Resolvers are asked when their answers die, each cache behind an address has a history of its own."""

import random
from dataclasses import dataclass, field, replace

import pytest
from test_lookup_scripted import ManualClock, Scripted, answer

from dns_cutover.lab.resolver import Resolver
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.answer import NoReply, Reply, Section
from dns_cutover.lookup.interface import Accept, Endpoint, Evidence, Expectation
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.lookup.tracker import MAX_CACHES, LiveLookup, ResolverTracker
from dns_cutover.records import RRset, RRsetKey, SetEdit

OWNER = "www.example.test."
KEY = RRsetKey("z", OWNER, "A")
OLD, NEW = "192.0.2.1", "192.0.2.2"
EDIT = SetEdit(KEY, RRset(60, (OLD,)), RRset(60, (NEW,)))
ONE = Endpoint("one", "192.0.2.53")


def says(value, ttl=60, nsid="", rcode="NOERROR"):
    sections = (Section(OWNER, "A", RRset(ttl, (value,))),) if value else ()
    return Reply(rcode, False, sections, (), (), (), nsid, 0.0, False)


SERVFAIL = says(None, rcode="SERVFAIL")


@dataclass
class Script:
    """Outcomes in turn for every question; the last one again and again."""

    outcomes: list
    unchecked: object = NoReply("no answer")
    asked: list = field(default_factory=list)

    async def ask(self, server, owner, rdtype, *, recurse, checking_disabled=False):
        assert recurse
        self.asked.append((server.name, owner, rdtype, checking_disabled))
        if checking_disabled:
            return self.unchecked
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

    async def ask_many(self, questions, take, *, recurse, checking_disabled=False):
        for q in questions:
            take(q, await self.ask(*q[:3], recurse=recurse, checking_disabled=checking_disabled))


class NoJitter(random.Random):
    def uniform(self, a, b):
        return 0.0


def tracker(script, clock, *resolvers):
    return ResolverTracker(resolvers or (ONE,), script, clock, NoJitter())


def expect(clock, dead=120.0):
    return Expectation(KEY, EDIT, clock.now(), clock.now() + dead, 60)


async def test_an_old_answer_is_asked_again_when_it_dies_and_not_before():
    clock, script = ManualClock(), Script([says(OLD, 40), says(NEW, 60), says(NEW, 10)])
    t, x = tracker(script, clock), expect(clock)
    start = clock.now()
    got = await t.resolvers([x])
    assert (got.rows[0].evidence, got.rows[0].eta, got.next_due) == (Evidence.PENDING, start + 40, start + 41)
    for later in (1, 20, 40):
        clock.time = start + later
        assert (await t.resolvers([x])).rows == got.rows
    assert len(script.asked) == 1
    clock.time = got.next_due
    got = await t.resolvers([x])
    assert (got.rows[0].evidence, got.next_due) == (Evidence.WITNESSED, x.dead_at)
    clock.time = got.next_due
    got = await t.resolvers([x])
    assert (got.rows[0].at, got.rows[0].asked, got.next_due) == (x.dead_at, 3, float("inf"))


async def test_a_baseline_makes_witnessed_possible_and_an_old_answer_is_no_violation_there():
    clock, script = ManualClock(), Script([says(OLD, 30), says(NEW, 60)])
    t, x = tracker(script, clock), expect(clock)
    before = await t.baseline([replace(x, dead_at=clock.now() - 50)])
    assert before.rows[0].evidence is Evidence.PENDING
    clock.time += 10
    x = expect(clock)
    got = await t.resolvers([x])
    assert len(script.asked) == 1  # it said itself until when it holds the old answer
    clock.time = got.next_due
    assert (await t.resolvers([x])).rows[0].evidence is Evidence.WITNESSED


async def test_the_way_back_knows_what_was_seen():
    clock, script = ManualClock(), Script([says(NEW, 60), says(OLD, 60)])
    t = tracker(script, clock)
    await t.resolvers([expect(clock)])
    clock.time += 30
    back = replace(expect(clock), edit=SetEdit(KEY, EDIT.after, EDIT.before))
    got = await t.resolvers([back])
    assert got.rows[0].evidence is Evidence.WITNESSED
    assert got.rows[0].asked == 1


async def test_another_acceptance_is_another_expectation():
    clock, script = ManualClock(), Script([says("192.0.2.9", 60)])
    t, x = tracker(script, clock), expect(clock)
    assert (await t.resolvers([x])).rows[0].evidence is Evidence.PENDING
    wide = replace(x, accept=Accept(cidr=("192.0.2.0/24",)))
    clock.time += 2
    assert (await t.resolvers([wide])).rows[0].evidence in (Evidence.COLD, Evidence.WITNESSED)


async def test_caches_behind_one_address_are_told_apart_by_nsid():
    clock, script = ManualClock(), Script([says(OLD, 40, "a"), says(NEW, 20, "b"), says(NEW, 60, "a")])
    t, x = tracker(script, clock), expect(clock)
    start = clock.now()
    await t.resolvers([x])
    clock.time = start + 41
    await t.resolvers([x])
    clock.time += 2
    got = await t.resolvers([x])
    assert {(r.nsid, r.evidence) for r in got.rows} == {("a", Evidence.WITNESSED), ("b", Evidence.WARM)}


async def test_a_cache_that_is_not_met_again_is_given_up_after_a_few_questions():
    clock, script = ManualClock(), Script([says(OLD, 10, "a"), says(NEW, 20, "b")])
    t, x = tracker(script, clock), expect(clock)
    for _ in range(20):
        got = await t.resolvers([x])
        if got.next_due == float("inf"):
            break
        clock.time = got.next_due
    assert [(r.nsid, r.evidence) for r in got.rows] == [("b", Evidence.WARM)]
    assert got.rows[0].at >= x.dead_at
    assert len(script.asked) <= 8


async def test_a_violator_behind_a_shared_address_stays_in_evidence():
    clock, script = ManualClock(), Script([says(OLD, 300, "a"), says(OLD, 298, "a"), says(NEW, 20, "b")])
    t, x = tracker(script, clock), expect(clock, dead=0.0)
    for _ in range(12):
        got = await t.resolvers([x])
        clock.time = max(got.next_due, clock.time + 1)
    assert {(r.nsid, r.evidence) for r in got.rows} == {("a", Evidence.VIOLATOR), ("b", Evidence.WARM)}


async def test_no_more_caches_are_kept_than_the_limit():
    clock, most = ManualClock(), 0
    script = Script([says(OLD, 1000, f"cache{n}") for n in range(120)])
    t, x = tracker(script, clock), expect(clock, dead=1e9)
    for _ in range(120):
        got = await t.resolvers([x])
        clock.time = got.next_due
        most = max(most, len(got.rows))
    assert most == MAX_CACHES


async def test_failures_have_no_nsid_and_the_first_answer_takes_their_place():
    clock, script = ManualClock(), Script([NoReply("no answer in 3 tries"), says(NEW, 60, "a")])
    t, x = tracker(script, clock), expect(clock)
    got = await t.resolvers([x])
    assert [(r.nsid, r.evidence, r.detail) for r in got.rows] == [("", Evidence.ERROR, "no answer in 3 tries")]
    clock.time = got.next_due
    got = await t.resolvers([x])
    assert [(r.nsid, r.evidence, r.asked) for r in got.rows] == [("a", Evidence.COLD, 2)]


async def test_dead_resolvers_are_asked_ever_more_rarely_and_for_ever():
    clock, script = ManualClock(), Script([NoReply("no answer")])
    t, x = tracker(script, clock), expect(clock)
    start = clock.now()
    while clock.now() < start + 600:
        clock.time = (await t.resolvers([x])).next_due
    assert 10 <= len(script.asked) <= 15


@pytest.mark.parametrize(
    ("unchecked", "evidence"), [(says(NEW), Evidence.BOGUS), (SERVFAIL, Evidence.ERROR), (NoReply("x"), Evidence.ERROR)]
)
async def test_servfail_is_asked_again_unchecked(unchecked, evidence):
    clock, script = ManualClock(), Script([SERVFAIL], unchecked)
    got = await tracker(script, clock).resolvers([expect(clock)])
    assert [cd for *_, cd in script.asked] == [False, True]
    assert got.rows[0].evidence is evidence


async def test_every_resolver_and_rrset_has_a_row_and_repeats_are_one_resolver():
    clock, script = ManualClock(), Script([says(NEW, 10)])
    other = RRsetKey("z", "mail.example.test.", "MX")
    x = expect(clock)
    y = replace(x, key=other, edit=SetEdit(other, None, RRset(60, ("10 mx.test.",))))
    two = Endpoint("two", "192.0.2.54")
    got = await tracker(script, clock, ONE, two, ONE).resolvers([x, y])
    assert [(r.resolver.name, r.key) for r in got.rows] == [("one", KEY), ("two", KEY), ("one", other), ("two", other)]
    none = await tracker(script, clock).resolvers([])
    assert (none.rows, none.next_due) == ((), float("inf"))


async def test_over_the_network_only_the_rrset_itself_is_asked_for():
    def respond(query):
        return [answer(query, (OWNER, 60, "A", NEW), aa=False)]

    async with Scripted(udp=respond) as server:
        clock = ManualClock()
        lookup = LiveLookup({}, (server.endpoint,), clock, random.Random(1), Asker(Timeouts()))
        got = await lookup.resolvers([expect(clock)])
        asked = {(str(q.question[0].name), int(q.question[0].rdtype)) for _, q, _ in server.seen}
    assert got.rows[0].evidence is Evidence.COLD
    assert asked == {(OWNER, 1)}


async def test_a_real_cache_is_witnessed_with_few_questions():
    """A caching resolver on loopback, on a clock of its own: from the old answer to the proof."""
    text = "@ 300 IN SOA ns host {} 2 3 4 60\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\nwww 60 IN A {}\n"
    zone = "example.test."
    primary = Authoritative("ns", ZoneVersion.from_text(zone, text.format(1, OLD)))
    clock, asker = ManualClock(), Asker()
    await primary.start()
    cache = Resolver("cache", {zone: (primary.endpoint,)}, clock, asker, random.Random(1))
    await cache.start()
    lookup = LiveLookup({"z": (zone, (primary.endpoint,))}, (cache.endpoint,), clock, NoJitter(), asker)
    await asker.ask(cache.endpoint, OWNER, "A", recurse=True)  # a user
    clock.time += 25
    before = await lookup.baseline([expect(clock)])
    primary.publish(ZoneVersion.from_text(zone, text.format(2, NEW)))
    x = expect(clock, dead=60.0)
    seen = [before.rows[0].evidence]
    served = await lookup.authoritative([KEY])
    got = await lookup.resolvers([x])
    while got.next_due != float("inf"):
        clock.time = got.next_due
        got = await lookup.resolvers([x])
        seen.append(got.rows[0].evidence)
    await cache.stop()
    await primary.stop()
    assert [(v.problem, v.serial, v.rrsets[KEY]) for v in served.views] == [("", 2, RRset(60, (NEW,)))]
    assert seen == [Evidence.PENDING, Evidence.WITNESSED, Evidence.WITNESSED]
    assert got.rows[0].asked == 3


async def test_a_name_taken_from_under_a_wildcard_comes_to_the_wildcards_answer():
    zone = "example.test."
    text = "@ 300 IN SOA ns host 2 2 3 4 60\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\n* 90 IN A 192.0.2.3\n"
    primary = Authoritative("ns", ZoneVersion.from_text(zone, text))
    await primary.start()
    clock, asker = ManualClock(), Asker()
    cache = Resolver("cache", {zone: (primary.endpoint,)}, clock, asker, random.Random(1))
    await cache.start()
    gone = replace(expect(clock), edit=SetEdit(KEY, RRset(60, (OLD,)), None))

    def made_anew():
        return LiveLookup({"z": (zone, (primary.endpoint,))}, (cache.endpoint,), clock, NoJitter(), asker)

    first = made_anew()
    looked = await first.authoritative([KEY])
    got = await first.resolvers([gone])
    again = await made_anew().resolvers([gone])  # nothing is lost by a crash
    await cache.stop()
    await primary.stop()
    assert looked.views[0].rrsets == {KEY: None}
    assert (got.rows[0].evidence, got.rows[0].answer) == (Evidence.COLD, ("192.0.2.3",))
    assert again.rows[0].evidence is Evidence.COLD


async def test_without_a_wildcard_a_deletion_comes_to_absence():
    clock, script = ManualClock(), Script([says(None)])
    lookup = LiveLookup({}, (ONE,), clock, NoJitter(), script)
    got = await lookup.resolvers([replace(expect(clock), edit=SetEdit(KEY, RRset(60, (OLD,)), None))])
    assert (got.rows[0].evidence, got.rows[0].answer) == (Evidence.COLD, None)
