"""The gate: results folded to counts, and what the counts mean."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.probes.gate import HISTORY, GateState, gate_verdict, observe
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict

MARKS = {"+": Verdict.SUCCESS, "-": Verdict.FAILURE, "?": Verdict.ERROR}
SPEC = ProbeSpec("p", "tcp", "health", {})

marks = st.text("+-?", max_size=30)
limits = st.none() | st.integers(1, 6)
specs = st.builds(
    ProbeSpec,
    st.just("p"),
    st.just("tcp"),
    st.just("health"),
    st.just({}),
    consecutive_successes=st.integers(1, 6),
    failure_limit=limits,
    consecutive_failure_limit=limits,
    consecutive_error_limit=limits,
)


def fold(text: str, spec: ProbeSpec = SPEC, state: GateState | None = None) -> GateState:
    state = state or GateState()
    for n, mark in enumerate(text):
        state = observe(state, ProbeResult("p", MARKS[mark], float(n), n / 100, mark), spec)
    return state


def row(text: str, mark: str) -> int:
    """How many of `mark` the telling results end with."""
    telling = text.replace("?", "")
    return len(telling) - len(telling.rstrip(mark))


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ("", "inconclusive"),
        ("+", "passing"),
        ("-", "inconclusive"),
        ("--", "inconclusive"),
        ("---", "failed"),
        ("-?-?-", "failed"),
        ("--+-", "inconclusive"),
        ("--+--", "inconclusive"),
        ("---+", "passing"),
        ("+-+", "passing"),
        ("?", "inconclusive"),
        ("?????+", "passing"),
        ("+?????", "passing"),
        ("+??????", "inconclusive"),
        ("??????+", "passing"),
        ("---??????", "failed"),
    ],
)
def test_by_default(seen, verdict):
    """Three failures in a row fail; one success passes; six errors in a row cannot tell; one blip does neither."""
    assert gate_verdict(fold(seen), SPEC) == verdict


@pytest.mark.parametrize(
    ("seen", "fields", "verdict"),
    [
        ("-+-+-", {"failure_limit": 3}, "failed"),
        ("-+-+-+++", {"failure_limit": 3}, "failed"),
        ("-+-+", {"failure_limit": 3}, "passing"),
        ("----------", {"consecutive_failure_limit": None}, "inconclusive"),
        ("-", {"consecutive_failure_limit": 1}, "failed"),
        ("++", {"consecutive_successes": 3}, "inconclusive"),
        ("++?+", {"consecutive_successes": 3}, "passing"),
        ("++-+", {"consecutive_successes": 3}, "inconclusive"),
        ("+????????", {"consecutive_error_limit": None}, "passing"),
        ("", {"consecutive_successes": 0}, "inconclusive"),
        ("?", {"consecutive_successes": 0}, "inconclusive"),
        ("+", {"failure_limit": 0, "consecutive_failure_limit": 0}, "passing"),
        ("-----", {"report_only": True}, "passing"),
        ("", {"report_only": True}, "passing"),
    ],
)
def test_by_its_fields(seen, fields, verdict):
    spec = replace(SPEC, **fields)
    assert gate_verdict(fold(seen, spec), spec) == verdict


@given(marks, specs)
def test_counts_are_what_was_seen(text, spec):
    state = fold(text, spec)
    assert (state.successes, state.failures, state.errors) == tuple(text.count(m) for m in "+-?")
    assert state.total == len(text.replace("?", ""))
    assert state.consecutive_successes == row(text, "+")
    assert state.consecutive_failures == row(text, "-")
    assert state.consecutive_errors == len(text) - len(text.rstrip("?"))
    assert (state.last.detail if state.last else "") == text[-1:]
    assert (state.last_failure.at if state.last_failure else -1) == text.rfind("-")


@given(marks, specs)
def test_the_verdict_follows_from_what_was_seen(text, spec):
    """Against the words of the contract, one by one."""

    def reached(count: int, limit: int | None) -> bool:
        return limit is not None and count >= limit

    if reached(text.count("-"), spec.failure_limit) or reached(row(text, "-"), spec.consecutive_failure_limit):
        expected = "failed"
    elif reached(len(text) - len(text.rstrip("?")), spec.consecutive_error_limit):
        expected = "inconclusive"
    else:
        expected = "passing" if row(text, "+") >= spec.consecutive_successes else "inconclusive"
    assert gate_verdict(fold(text, spec), spec) == expected


@given(st.text("?", max_size=20), specs)
def test_errors_alone_are_no_evidence(text, spec):
    """No data, or only errors, neither pass nor fail."""
    assert gate_verdict(fold(text, spec), spec) == "inconclusive"


@given(marks, specs)
def test_a_failed_total_stays_failed(text, spec):
    spec = replace(spec, failure_limit=1)
    if "-" in text:
        assert gate_verdict(fold(text + "+" * 10, spec), spec) == "failed"


@given(marks, marks, specs)
def test_folding_goes_on_from_any_point(first, second, spec):
    """A restarted process folds the journal anew and comes to the same counts."""
    whole, parts = fold(first + second, spec), fold(second, spec, fold(first, spec))
    assert replace(whole, last=None, last_failure=None, history=()) == replace(
        parts, last=None, last_failure=None, history=()
    )


@given(st.text("+-?", min_size=HISTORY - 2, max_size=HISTORY + 20))
def test_history_is_the_latest_marks(text):
    history = fold(text).history
    assert len(history) == min(len(text), HISTORY)
    assert [verdict for verdict, _ in history] == [MARKS[m] for m in text[-HISTORY:]]
    assert [latency for _, latency in history] == [n / 100 for n in range(len(text))][-HISTORY:]


@given(marks, st.integers(0, 15), st.integers(0, 15))
def test_what_comes_before_the_initial_delay_does_not_count(text, since, delay):
    """Marks come at 0, 1, 2 … seconds: those before since + initial_delay are shown, and count for nothing."""
    spec = replace(SPEC, initial_delay=float(delay))
    state = fold(text, spec, GateState(since=float(since)))
    counted = fold(text[since + delay :], spec)
    for name in ("successes", "failures", "errors", "consecutive_successes", "consecutive_failures"):
        assert getattr(state, name) == getattr(counted, name)
    assert gate_verdict(state, spec) == gate_verdict(counted, spec)
    assert len(state.history) == len(text)
