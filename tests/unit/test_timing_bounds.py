"""The table of tails against brute force: never broken, and reached by an adversary."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_timing_worlds import (
    APEX,
    BARE,
    EDGE,
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

from dns_cutover.records import Change, RRset, RRsetKey
from dns_cutover.timing.authority import Authority, Server, ZoneState
from dns_cutover.timing.exposure import (
    NameContext,
    Tail,
    guaranteed_at,
    joint_tail,
    old_lifetime,
    rollback_tail,
    stage_tail,
    usable_at,
)
from dns_cutover.timing.lifetime import CachePolicy, lifetime
from dns_cutover.timing.population import Cache, Given, Layer, last_given, populate


@dataclass(frozen=True)
class Case:
    """A line of the table: what is there before and after, and N. `wildcard` is TTL of what a wildcard synthesises."""

    name: str
    before: dict[tuple[str, str], RRset]
    after: dict[tuple[str, str], RRset]
    n: int
    wildcard: int | None = None
    rest: dict[tuple[str, str], RRset] = field(default_factory=dict)

    def state(self, records: dict[tuple[str, str], RRset]) -> ZoneState:
        return ZoneState({**APEX, **self.rest, **records}, self.n)

    def backwards(self) -> Case:
        return replace(self, before=self.after, after=self.before)

    def changes(self) -> list[tuple[Change, NameContext]]:
        """What the tool would plan, with the context as it is before the change."""
        out = []
        for owner, rdtype in sorted(self.before.keys() | self.after.keys()):
            others = {t: r.ttl for (o, t), r in self.before.items() if o == owner and t != rdtype}
            context = NameContext(self.n, others, self.wildcard, name_exists=bool(others))
            key = RRsetKey("main", owner, rdtype)
            out.append((Change(key, self.before.get((owner, rdtype)), self.after.get((owner, rdtype))), context))
        return out

    def questions(self) -> list[tuple[str, str]]:
        owners = {owner for owner, _ in self.before.keys() | self.after.keys()}
        return [(owner, rdtype) for owner in sorted(owners) for rdtype in ("A", "AAAA", "MX", "TXT", "CNAME")]

    def is_old(self, owner: str, rdtype: str, answer: Given) -> bool:
        """Whether the answer is what the old servers gave and the new ones do not."""
        return answer.values in final(self.state(self.before), owner, rdtype) - final(
            self.state(self.after), owner, rdtype
        )


def final(state: ZoneState, owner: str, rdtype: str) -> set[tuple[str, ...] | None]:
    return {Cache(Authority((Server(((0, state),)),), lambda n: 0)).ask(owner, rdtype, 0)[-1].values}


def cases(old: int, low: int, n: int) -> list[Case]:
    """Every line of the table, with three TTLs of one's choice."""
    mail = {("mx.x.", "A"): a(old, 7)}
    chain = {(NAME, "CNAME"): rrset("CNAME", low, EDGE)}
    return [
        Case("replaced", {(NAME, "A"): a(old, 1)}, {(NAME, "A"): a(low, 2)}, n),
        Case("created", {}, {(NAME, "A"): a(low, 2)}, n),
        Case("deleted", {(NAME, "A"): a(old, 1)}, {}, n),
        Case(
            "new type at an existing name",
            {(NAME, "A"): a(old, 1)},
            {(NAME, "A"): a(old, 1), (NAME, "MX"): rrset("MX", low, "1 mx.x.")},
            n,
        ),
        Case("created under a wildcard", {}, {(NAME, "A"): a(low, 2)}, n, old, {("*.x.", "A"): a(old, 1)}),
        Case(
            "created beside a wildcard's other type",
            {},
            {(NAME, "A"): a(low, 2)},
            n,
            old,
            {("*.x.", "MX"): rrset("MX", old, "1 mx.x.")},
        ),
        Case(
            "CNAME to addresses",
            {(NAME, "CNAME"): rrset("CNAME", old, EDGE)},
            {(NAME, "A"): a(low, 2), (NAME, "AAAA"): rrset("AAAA", low, "2001:db8::2")},
            n,
            rest={(EDGE, "A"): a(old, 9)},
        ),
        Case(
            "addresses to CNAME",
            {(NAME, "A"): a(old, 1), (NAME, "TXT"): rrset("TXT", low, '"t"')},
            {(NAME, "CNAME"): rrset("CNAME", low, EDGE)},
            n,
            rest={(EDGE, t): r for t, r in [("A", a(old, 9)), ("AAAA", rrset("AAAA", old, "2001:db8::9"))]},
        ),
        Case("target of a chain", {(EDGE, "A"): a(old, 1)}, {(EDGE, "A"): a(low, 2)}, n, rest=chain),
        Case(
            "chain, both links",
            {**chain, (EDGE, "A"): a(old, 1), ("edge2.x.", "A"): a(old, 3)},
            {(NAME, "CNAME"): rrset("CNAME", low, "edge2.x."), (EDGE, "A"): a(old, 2), ("edge2.x.", "A"): a(old, 4)},
            n,
        ),
        Case(
            "MX and its target",
            {("x.", "MX"): rrset("MX", low, "1 mx.x."), **mail},
            {("x.", "MX"): rrset("MX", low, "1 mx2.x."), ("mx.x.", "A"): a(old, 8)},
            n,
        ),
    ]


# Each of the three TTLs is the longest, the middle and the lowest one once.
ORDERS = [(50, 20, 5), (5, 50, 20), (20, 5, 50), (50, 5, 20)]


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    case = draw(st.sampled_from(cases(draw(ttls), draw(ttls), draw(ttls))))
    return draw(st.sampled_from([case, case.backwards()]))


@settings(deadline=None)
@given(
    case=any_case(),
    undo=st.booleans(),
    policy=policies(),
    stops=st.lists(quarters, min_size=1, max_size=4),
    ceilings=st.lists(quarters | st.just(math.inf), min_size=3, max_size=3),
    asked=st.lists(st.tuples(st.integers(0, 1000).map(lambda n: n / 4), st.integers(0, 99)), max_size=60),
    rng=st.randoms(use_true_random=False),
)
def test_no_population_of_caches_gives_the_old_answer_longer_than_the_tail(
    case, undo, policy, stops, ceilings, asked, rng
):
    if undo:
        tail = joint_tail(rollback_tail(change, context, policy, 0) for change, context in case.changes())
        case = case.backwards()
    else:
        tail = stage_tail(case.changes(), policy, 0)
    servers = [Server(((0, case.state(case.before)), (stop, case.state(case.after)))) for stop in stops]
    layers = [Layer(3, f, c, 0.7) for f, c in zip(policy.resolver_floor or (0.0,), ceilings, strict=False)]
    clients = populate([Authority(servers, rng.randrange)], layers, 4, policy.client_floor, rng)
    questions = case.questions()
    for at, which in sorted(asked):
        owner, rdtype = questions[which % len(questions)]
        answer = clients[which % len(clients)].ask(owner, rdtype, at)
        if case.is_old(owner, rdtype, answer):
            assert answer.until <= max(stops) + tail.seconds


# What the tool knows of a name does not tell which types a wildcard has, and N is the worst of a CNAME's two
# directions: such a line of the table is as tight as its worst case.
JOINT = {"under a wildcard": "wildcard", "beside a wildcard's": "wildcard", "CNAME to": "CNAME", "to CNAME": "CNAME"}


def lines() -> dict[str, list[Case]]:
    out: dict[str, list[Case]] = {}
    for order in ORDERS:
        for case in cases(*order):
            joint = next((line for words, line in JOINT.items() if words in case.name), None)
            if joint == "CNAME":
                out.setdefault(f"{case.name} and back {order}", []).extend([case, case.backwards()])
            else:
                out.setdefault(f"{joint or case.name} {order}", []).append(case)
                out.setdefault(f"{joint or case.name}, backwards {order}", []).append(case.backwards())
    return out


def reached(case: Case, policy: CachePolicy) -> float:
    """How long after the last of two servers stopped an adversary got an old answer."""
    servers = [Server(((0, case.state(case.before)), (stop, case.state(case.after)))) for stop in (90, 100)]
    answers = [
        last_given(
            [adversary(Authority(servers, lambda n: n - 1), policy, question, 100)],
            lambda answer, question=question: case.is_old(*question, answer),
        )
        for question in case.questions()
    ]
    return max(answers) - 100


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("line", "worlds"), lines().items())
def test_an_adversary_reaches_the_tail_of_every_line_of_the_table(line, worlds, policy):
    tails = [stage_tail(case.changes(), policy, 0).seconds for case in worlds]
    longest = [reached(case, policy) for case in worlds]
    assert all(got <= tail for got, tail in zip(longest, tails, strict=True)), line
    assert max(longest) >= max(tails) - NEAR


@pytest.mark.parametrize("order", ORDERS)
def test_a_cname_that_comes_carries_the_life_of_every_type_at_its_name(order):
    case = next(c for c in cases(*order) if c.name == "addresses to CNAME")
    tail = next(old_lifetime(c, context, BARE) for c, context in case.changes() if c.key.rdtype == "CNAME")
    assert tail.seconds - NEAR <= reached(case, BARE) <= tail.seconds


def test_while_a_cname_gives_way_its_absence_was_never_served_so_that_n_is_only_caution():
    case = next(c for c in cases(20, 5, 50) if c.name == "CNAME to addresses")
    assert stage_tail(case.changes(), BARE, 0) == Tail(50.0, "its absence is cached for 50 s")
    assert 20 - NEAR <= reached(case, BARE) <= 20


@pytest.mark.parametrize("policy", POLICIES)
def test_a_created_name_is_guaranteed_when_its_absence_is_dead_and_that_is_later_than_n_alone(policy):
    case = next(c for c in cases(50, 20, 5) if c.name == "created")
    guaranteed = guaranteed_at(100, 0, case.changes()[0][1], policy)
    assert guaranteed - NEAR <= 100 + reached(case, policy) <= guaranteed
    assert guaranteed == 100 + lifetime(5, policy)
    assert (guaranteed > 100 + 5) == (policy is not BARE)


@settings(deadline=None)
@given(stops=st.lists(quarters, min_size=1, max_size=4), later=quarters, rng=st.randoms(use_true_random=False))
def test_a_created_name_is_usable_after_d_where_nobody_asked(stops, later, rng):
    case = next(c for c in cases(50, 20, 5) if c.name == "created")
    servers = [Server(((0, case.state({})), (stop, case.state(case.after)))) for stop in stops]
    got = Cache(Authority(servers, rng.randrange)).ask(NAME, "A", usable_at(0, max(stops)) + later)
    assert got[-1].values == ("192.0.2.2",)
