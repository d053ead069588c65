"""Evidence: what one answer of one cache proves, and when the next question is due. Pure."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.lookup.answer import NoReply, Reply, Section
from dns_cutover.lookup.evidence import (
    COMMON_CAPS,
    History,
    carried,
    classify,
    next_question,
    old_share_upper_bound,
    share_agreeing,
    side,
)
from dns_cutover.lookup.interface import Accept, Endpoint, Evidence, Expectation, ResolverRow
from dns_cutover.records import RRset, RRsetKey, SetEdit, ValueEdit

OWNER = "www.example.test."
KEY = RRsetKey("z", OWNER, "A")
OLD, NEW, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
CHANGED, DEAD, FULL = 1000.0, 1120.0, 60
EDIT = SetEdit(KEY, RRset(60, (OLD,)), RRset(60, (NEW,)))
X = Expectation(KEY, EDIT, CHANGED, DEAD, FULL)


def says(*values, ttl=60, ede=(), rdtype="A", rcode="NOERROR"):
    answer = (Section(OWNER, rdtype, RRset(ttl, tuple(sorted(values)))),) if values else ()
    return Reply(rcode, False, answer, (), (), tuple(ede), "", 0.0, False)


def absent(ttl=300, minimum=60, rcode="NXDOMAIN"):
    soa = Section("example.test.", "SOA", RRset(ttl, (f"ns. h. 1 2 3 4 {minimum}",)))
    return Reply(rcode, False, (), (soa,), (), (), "", 0.0, False)


SERVFAIL = says(rcode="SERVFAIL")


def watch(*story, x=X, cap=None, history=None):
    """(time, outcome) in turn; jitter is 0."""
    history = history or History()
    for now, outcome in story:
        history = classify(history, outcome, x, now, 0.0, cap=cap)
    return history


# -- the classes of DESIGN section 9 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "evidence"),
    [
        ([(990, says(OLD, ttl=40)), (1031, says(NEW, ttl=60))], Evidence.WITNESSED),
        ([(1001, says(NEW, ttl=37))], Evidence.WARM),
        ([(1001, says(NEW, ttl=60))], Evidence.COLD),
        ([(1001, says(NEW, ttl=59))], Evidence.COLD),
        ([(1001, says(NEW, ttl=300))], Evidence.COLD),
        ([(1001, says(OLD, ttl=40))], Evidence.PENDING),
        ([(1001, says(THIRD, ttl=40))], Evidence.PENDING),
        ([(1119, says(OLD, ttl=40))], Evidence.PENDING),
        ([(1001, says(OLD, ttl=30, ede=[3]))], Evidence.STALE),
        ([(1001, says(OLD, ttl=30, ede=[19]))], Evidence.STALE),
        ([(1120, says(OLD, ttl=30))], Evidence.STALE),
        ([(1120, says(OLD, ttl=30)), (1122, says(OLD, ttl=30))], Evidence.STALE),
        ([(1120, says(OLD, ttl=30)), (1122, says(OLD, ttl=30)), (1153, says(OLD, ttl=30))], Evidence.VIOLATOR),
        ([(1120, says(OLD, ttl=300)), (1122, says(OLD, ttl=298))], Evidence.VIOLATOR),
        ([(1120, says(OLD, ttl=300, ede=[3])), (1122, says(OLD, ttl=298, ede=[3]))], Evidence.STALE),
        ([(1120, says(OLD, ttl=300))], Evidence.STALE),
        ([(1120, says(THIRD)), (1122, says(THIRD)), (1183, says(THIRD))], Evidence.VIOLATOR),
        ([(1120, says(OLD, ttl=30)), (1122, says(NEW))], Evidence.WITNESSED),
        ([(1120, says(OLD, ttl=0)), (1122, says(OLD, ttl=0)), (1125, says(OLD, ttl=0))], Evidence.VIOLATOR),
        ([(1001, NoReply("no answer"))], Evidence.ERROR),
        ([(1001, SERVFAIL)], Evidence.ERROR),
        ([(1001, says(rcode="REFUSED"))], Evidence.ERROR),
        ([(1001, says(OLD)), (1005, NoReply("no answer")), (1062, says(NEW))], Evidence.WITNESSED),
    ],
)
def test_every_story_has_its_evidence(story, evidence):
    assert watch(*story).evidence is evidence


def test_bogus_is_a_servfail_that_works_unchecked():
    got = classify(History(), SERVFAIL, X, 1001, 0.0, bogus=True)
    assert (got.evidence, got.detail) == (Evidence.BOGUS, "SERVFAIL, but not with CD=1")


def test_an_old_answer_tells_when_it_dies_and_never_later_than_the_model():
    assert watch((1001, says(OLD, ttl=40))).eta == 1041
    assert watch((1100, says(OLD, ttl=40))).eta == DEAD
    assert watch((1001, says(NEW, ttl=40))).eta is None


def test_our_own_fetch_that_counts_down_stays_cold_and_one_after_it_is_warm():
    mine = watch((1001, says(NEW, ttl=60)), (1021, says(NEW, ttl=40)))
    assert mine.evidence is Evidence.COLD
    others = watch((1070, says(NEW, ttl=52)), history=mine)
    assert others.evidence is Evidence.WARM
    assert watch((1070, says(NEW, ttl=60)), history=mine).evidence is Evidence.COLD
    assert watch((1100, says(NEW, ttl=60)), history=others).evidence is Evidence.WARM


@pytest.mark.parametrize("cap", sorted(COMMON_CAPS))
def test_an_answer_cut_to_a_maximum_is_our_own_fetch(cap):
    x = replace(X, new_ttl=10**6)
    assert watch((1001, says(NEW, ttl=cap)), x=x).evidence is Evidence.COLD
    assert watch((1001, says(NEW, ttl=cap - 100)), x=x).evidence is Evidence.WARM
    assert watch((1001, says(NEW, ttl=cap - 7)), x=x, cap=cap - 7).evidence is Evidence.COLD


def test_absence_is_old_or_new_like_any_answer():
    created = replace(X, edit=SetEdit(KEY, None, RRset(60, (NEW,))))
    assert watch((1001, absent()), x=created).evidence is Evidence.PENDING
    assert watch((1001, absent()), x=created).eta == 1061
    deleted = replace(X, edit=SetEdit(KEY, RRset(60, (OLD,)), None))
    assert watch((1001, absent(minimum=60)), x=deleted).evidence is Evidence.COLD
    assert watch((1001, absent(ttl=20)), x=deleted).evidence is Evidence.WARM
    assert watch((1001, says(rcode="NXDOMAIN")), x=deleted).evidence is Evidence.COLD
    assert watch((1001, says("web.example.test.", rdtype="CNAME", ttl=20)), x=deleted).evidence is Evidence.WARM


# -- old and new by value ---------------------------------------------------------------------------------------


def values_edit(remove, add):
    return ValueEdit(KEY, tuple(remove), tuple(add), 60, 60)


@pytest.mark.parametrize(
    ("edit", "found", "expected"),
    [
        (EDIT, {OLD}, "old"),
        (EDIT, {NEW}, "new"),
        (EDIT, {OLD, NEW}, "other"),
        (EDIT, set(), "other"),
        (values_edit([OLD], [NEW]), {OLD, THIRD}, "old"),
        (values_edit([OLD], [NEW]), {NEW, THIRD}, "new"),
        (values_edit([OLD], [NEW]), {OLD, NEW}, "other"),
        (values_edit([OLD], [NEW]), set(), "other"),
        (values_edit([], [NEW]), {THIRD}, "old"),
        (values_edit([], [NEW]), {THIRD, NEW}, "new"),
        (values_edit([OLD], []), {THIRD}, "new"),
        (values_edit([OLD], []), {OLD}, "old"),
    ],
)
def test_old_and_new_are_told_by_value(edit, found, expected):
    assert side(edit, RRset(1, tuple(sorted(found))) if found else None) == expected


def chain(*names, address=THIRD):
    links = [Section(a, "CNAME", RRset(60, (b,))) for a, b in pairwise(names)]
    return Reply("NOERROR", False, (*links, Section(names[-1], "A", RRset(60, (address,)))), (), (), (), "", 0.0, False)


@pytest.mark.parametrize(
    ("accept", "answer", "new"),
    [
        (Accept(one_of=(THIRD, "192.0.2.4")), says(THIRD), True),
        (Accept(one_of=(THIRD, "192.0.2.4")), says(THIRD, "192.0.2.4"), False),
        (Accept(subset_of=(THIRD, "192.0.2.4")), says(THIRD, "192.0.2.4"), True),
        (Accept(subset_of=(THIRD,)), says(THIRD, "192.0.2.4"), False),
        (Accept(cidr=("198.51.100.0/24", "192.0.2.0/25")), says(THIRD), True),
        (Accept(cidr=("198.51.100.0/24",)), says(THIRD), False),
        (Accept(cidr=("198.51.100.0/24",)), says("text", rdtype="TXT"), False),
        (Accept(ends_at="lb.test."), chain(OWNER, "a.test.", "lb.test."), True),
        (Accept(ends_at="lb.test."), chain(OWNER, "a.test.", "other.test."), False),
        (Accept(ends_at=OWNER), says(THIRD), False),
        (Accept(cidr=("192.0.2.0/24",)), chain(OWNER, "a.test."), True),
        (Accept(cidr=("192.0.2.0/24",)), absent(), False),
        (Accept(), says(THIRD), False),
    ],
)
def test_answers_that_vary_by_design(accept, answer, new):
    got = watch((1001, answer), x=replace(X, accept=accept))
    assert (got.side == "new") is new


def test_a_chain_that_loops_ends():
    loop = Reply(
        "NOERROR",
        False,
        (Section(OWNER, "CNAME", RRset(60, ("b.",))), Section("b.", "CNAME", RRset(60, (OWNER,)))),
        (),
        (),
        (),
        "",
        0.0,
        False,
    )
    assert watch((1001, loop), x=replace(X, accept=Accept(ends_at="c."))).side == "other"


# -- when to ask again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "due"),
    [
        ([], 0.0),
        ([(1001, says(OLD, ttl=40))], 1042),
        ([(1110, says(OLD, ttl=40))], DEAD + 1),
        ([(1001, says(OLD, ttl=0))], 1002),
        ([(1001, says(OLD, ttl=0)), (1002, says(OLD, ttl=0)), (1004, says(OLD, ttl=0))], 1008),
        ([(990, says(OLD, ttl=60))], 1051),
        ([(990, says(NEW, ttl=60))], 0.0),
        ([(1001, says(OLD, ttl=30, ede=[3]))], 1003),
        ([(1001, says(OLD, ttl=30, ede=[3])), (1003, says(OLD, ttl=30, ede=[3]))], 1034),
        ([(1120, says(OLD, ttl=30))], 1122),
        ([(1120, says(OLD, ttl=30)), (1122, says(OLD, ttl=28))], 1151),
        ([(1120, says(OLD, ttl=86400)), (1122, says(OLD, ttl=86400))], 1182),
        ([(1001, says(NEW, ttl=60))], DEAD),
        ([(1001, says(NEW, ttl=40))], DEAD),
        ([(1120, says(NEW, ttl=40))], float("inf")),
        ([(1001, NoReply("x"))], 1006),
        ([(1001, NoReply("x")), (1006, NoReply("x")), (1016, NoReply("x"))], 1036),
    ],
)
def test_the_next_question_is_due_when_something_can_have_changed(story, due):
    assert next_question(watch(*story), X) == due


def test_the_question_moves_with_the_dead_time():
    fresh = watch((1001, says(NEW, ttl=60)))
    assert next_question(fresh, replace(X, dead_at=2000.0)) == 2000
    late = watch((1120, says(OLD, ttl=30)))
    moved = classify(late, says(OLD, ttl=30), replace(X, dead_at=2000.0), 1122, 0.0)
    assert (moved.evidence, moved.late) == (Evidence.PENDING, 0)


ANSWERS = st.one_of(
    st.builds(
        says,
        st.sampled_from([OLD, NEW, THIRD]),
        ttl=st.integers(0, 100_000),
        ede=st.sampled_from([(), (3,), (19,), (22,)]),
    ),
    st.builds(absent, ttl=st.integers(0, 9999), minimum=st.integers(0, 9999)),
    st.just(NoReply("no answer")),
    st.just(SERVFAIL),
)


@given(st.lists(ANSWERS, max_size=40), st.floats(0, 0.5))
def test_questions_are_never_asked_faster_than_once_a_second(answers, jitter):
    history, now = History(), CHANGED
    for answer in answers:
        history = classify(history, answer, X, now, jitter)
        due = next_question(history, X)
        assert due >= now + 1 or due == DEAD + jitter
        if due == float("inf"):
            return
        now = max(due, now)


@given(st.lists(ANSWERS, min_size=1, max_size=30))
def test_nothing_is_a_violation_within_its_life_and_nothing_new_contradicts(answers):
    history, now = History(), CHANGED
    for answer in answers:
        history = classify(history, answer, X, now, 0.0)
        if history.evidence is Evidence.VIOLATOR:
            assert now > DEAD
            assert history.late >= 2
        if history.side == "new" and history.errors == 0:
            assert history.evidence in (Evidence.COLD, Evidence.WARM, Evidence.WITNESSED)
        if history.evidence is Evidence.WITNESSED:
            assert history.saw_old
        now = min(max(next_question(history, X), now + 1), now + 1000)


@given(age=st.integers(0, 59), others=st.booleans())
def test_a_cache_that_follows_the_model_needs_at_most_four_questions(age, others):
    """It fetched the old version `age` seconds before the change; afterwards users, or only we, ask it."""
    dies = CHANGED + 60 - age
    history, now, asked, fetched = History(), CHANGED + 1, 0, None
    while now != float("inf"):
        if now < dies:
            answer = says(OLD, ttl=int(dies - now))
        else:
            if fetched is None or now >= fetched + 60:
                fetched = now - (now - dies) % 60 if others else now
            answer = says(NEW, ttl=int(fetched + 60 - now))
        history = classify(history, answer, X, now, 0.0)
        asked += 1
        now = next_question(history, X)
    assert asked <= 4
    assert history.at >= DEAD
    assert history.evidence in (Evidence.WITNESSED, Evidence.WARM, Evidence.COLD)


# -- another expectation, and counting --------------------------------------------------------------------------


def test_what_was_seen_counts_for_the_way_back():
    back = replace(X, edit=SetEdit(KEY, EDIT.after, EDIT.before))
    assert carried(watch((1001, says(NEW))), back) == History(saw_old=True)
    assert carried(watch((1001, says(OLD))), back) == History()
    assert carried(watch((1001, NoReply("x"))), back) == History()


def row(evidence):
    return ResolverRow(Endpoint("r", "192.0.2.53"), KEY, evidence)


def test_errors_are_on_neither_side_of_the_share():
    rows = [row(e) for e in Evidence]
    assert share_agreeing(rows) == (5, 7)
    assert share_agreeing([row(Evidence.ERROR)]) == (0, 0)


@pytest.mark.parametrize(
    ("old", "samples", "bound"), [(0, 0, None), (1, 50, None), (0, 1, 1.0), (0, 3, 1.0), (0, 50, 0.06)]
)
def test_zero_old_answers_bound_the_share_of_old_caches(old, samples, bound):
    assert old_share_upper_bound(old, samples) == bound
