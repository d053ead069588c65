"""What keeps a stage from starting, on the edge of each rule: approvals, windows, freezes, where its way back ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Emit, Lock, Wait
from dns_cutover.engine.decide import decide
from dns_cutover.engine.rollback import Written
from dns_cutover.engine.starting import LOWERED, NOT_YET, elsewhere, may_not_start
from dns_cutover.engine.state import RunState
from dns_cutover.runbook.model import Confirm, Freeze, RollbackPolicy, StageInfo, Step, StepKind, Window
from tests.unit.engine_states import NOW, at, begun, position, token
from tests.unit.preview_world import book_of

TUESDAY = datetime(2026, 3, 10, tzinfo=UTC).timestamp()
HOUR = 3600.0
TEN_TO_FOUR = Window((1, 2, 3, 4, 5), "10:00", "16:00", "UTC")
READY = Confirm("ready", "Vendor", "It is set up.", undo="It is taken away.", timeout=7200.0, valid_for=HOUR)
SAID = ev.Command(NOW, "confirm", "sam", "ready")
LEAVE = (
    ("dns-cutover rollback r", "undo everything"),
    ("dns-cutover abort r --keep", "end the run, leave the records as they are"),
)


def step_of(s: RunState) -> Step:
    assert s.step is not None
    return s.step


def with_step(s: RunState, name: str, **fields: Any) -> RunState:
    steps = list(s.book.steps)
    steps[position(name)] = replace(steps[position(name)], **fields)
    return replace(s, book=replace(s.book, steps=tuple(steps)))


# -- approvals --------------------------------------------------------------------------------------------------------


def test_what_was_confirmed_too_long_ago_is_asked_for_again_before_the_first_message() -> None:
    s = at("one/apply", confirmed={"ready": SAID})
    s = with_step(s, "one/preflight", kind=StepKind.CONFIRM, confirm=READY)
    assert may_not_start(s, step_of(s), NOW + HOUR - 1) is None
    wait = may_not_start(s, step_of(s), NOW + HOUR)
    assert isinstance(wait, Wait)
    assert wait.why == "Vendor confirmed ready too long ago (1970-01-01T02:46:40Z): it is needed again"
    assert (wait.until, wait.deadline) == (NOW + HOUR + 60, NOW + HOUR + 7200), "they have the whole timeout again"
    assert wait.unblock[0] == ("dns-cutover confirm r ready --by NAME", "It is set up.")
    again = replace(s, confirmed={"ready": replace(SAID, ts=NOW + HOUR)})
    assert may_not_start(again, step_of(again), NOW + HOUR) is None
    under_way = replace(s, done=(Written("one/apply:1", StepKind.APPLY, "one", (), (), ()),))
    assert may_not_start(under_way, step_of(s), NOW + HOUR) is None, "a stage that has begun is not stopped by it"


def test_what_was_never_confirmed_holds_the_first_message_unless_a_probe_proves_it() -> None:
    s = with_step(at("one/apply"), "one/preflight", kind=StepKind.CONFIRM, confirm=READY)
    wait = may_not_start(s, step_of(s), NOW)
    assert isinstance(wait, Wait)
    assert wait.why == "Vendor has not confirmed ready yet"
    proved = with_step(s, "one/preflight", confirm=replace(READY, by="probe"))
    assert may_not_start(proved, step_of(proved), NOW) is None


def test_a_no_is_heard_while_the_stage_waits_for_its_window() -> None:
    s = at("one/bake", kind=StepKind.WINDOW, window=TEN_TO_FOUR, confirmed={"ready": SAID})
    s = with_step(s, "one/preflight", kind=StepKind.CONFIRM, confirm=READY)
    assert isinstance(decide(s, TUESDAY), Wait)
    no = replace(s, declined=frozenset({"ready"}))
    why = "Vendor declined ready"
    assert decide(no, TUESDAY) == Emit(ev.RollbackStarted(TUESDAY, "one/bake", "confirm", why))


@pytest.mark.parametrize(
    ("on_timeout", "event"),
    [
        ("pause", ev.Held(NOW + 7200, "one/bake", "confirm", "Vendor did not confirm ready in time")),
        (
            "rollback",
            ev.RollbackStarted(NOW + 7200, "one/bake", "timeout", "Vendor did not confirm ready in time"),
        ),
    ],
)
def test_silence_means_what_the_plan_says(on_timeout: Any, event: ev.Event) -> None:
    s = at("one/bake", kind=StepKind.CONFIRM, confirm=replace(READY, on_timeout=on_timeout))
    assert isinstance(decide(s, NOW + 7199), Wait)
    assert decide(s, NOW + 7200) == Emit(event)


def test_on_the_way_back_what_was_confirmed_is_undone_by_those_who_confirmed_it() -> None:
    step = Step("undo:one/confirm:ready", StepKind.CONFIRM, "one", confirm=READY)
    s = at("one/bake", back=(step,), confirmed={"ready": SAID}, tokens={"default": token(1e10)})
    assert decide(s, NOW) == Lock("default", "release"), "it may take days"
    assert decide(replace(s, exposed_since=NOW - 1), NOW) == Lock("default", "release"), "whoever is exposed meanwhile"
    s = replace(s, tokens={})
    unblock = (
        ("dns-cutover confirm r ready --undone --by NAME", "It is taken away."),
        ("dns-cutover confirm r ready --waive --by NAME", "go on without it"),
    )
    why = "Vendor has not confirmed yet that ready is undone"
    assert decide(s, NOW + 1e6) == Wait(NOW + 1e6 + 60, "confirm", why, None, unblock), "without end"
    undone, waived = replace(s, undone=frozenset({"ready"})), replace(s, waived=frozenset({"ready"}))
    assert decide(undone, NOW) == Emit(ev.StepDone(NOW, step.id, "undone, says who confirmed it"))
    text = "not confirmed: somebody decided to go on without it"
    assert decide(waived, NOW) == Emit(ev.StepDone(NOW, step.id, text))


# -- where the way back ends ------------------------------------------------------------------------------------------


def test_no_stage_starts_whose_way_back_would_end_too_early() -> None:
    stages = (StageInfo("one", needs=HOUR), StageInfo("two"))
    s = at("one/apply", stages=stages, rollback=RollbackPolicy(until=NOW + HOUR))
    assert may_not_start(s, step_of(s), NOW) is None
    why = "stage one needs its way back for 1h 00m, and rollback.until is 1970-01-01T03:46:40Z"
    assert may_not_start(s, step_of(s), NOW + 1) == Emit(ev.Held(NOW + 1, "one/apply", "until", why))
    by_hand = replace(s.book, rollback=RollbackPolicy(until=NOW + HOUR, automatic=False))
    closed = replace(s.book, stages=(replace(stages[0], commit="before"), stages[1]))
    for other in (replace(s, late=frozenset({"one"})), replace(s, book=by_hand), replace(s, book=closed)):
        assert may_not_start(other, step_of(other), NOW + 1) is None
    assert may_not_start(replace(s, late=frozenset({"two"})), step_of(s), NOW + 1) is not None


# -- windows and freezes ----------------------------------------------------------------------------------------------


def waiting(needs: float = HOUR, window: Window | None = TEN_TO_FOUR, freezes: tuple[Freeze, ...] = ()) -> RunState:
    s = at("one/bake", kind=StepKind.WINDOW, window=window, stages=(StageInfo("one", needs=needs), StageInfo("two")))
    return replace(s, book=replace(s.book, freezes=freezes))


def test_a_stage_that_fits_in_no_window_stands_still_and_says_why() -> None:
    why = "stage one needs 7h 00m, and its window is never open for more than 6h 00m"
    assert decide(waiting(7 * HOUR), TUESDAY) == Emit(ev.Held(TUESDAY, "one/bake", "window", why))
    assert isinstance(decide(waiting(6 * HOUR), TUESDAY), Wait)


NOON = TUESDAY + 12 * HOUR


@pytest.mark.parametrize(
    ("s", "now", "opens", "why"),
    [
        (
            waiting(),
            TUESDAY + 15.5 * HOUR,
            TUESDAY + 34 * HOUR,
            "stage one needs 1h 00m, and its window closes 2026-03-10T16:00:00Z",
        ),
        (
            waiting(freezes=(Freeze(TUESDAY, NOON, "year end"),)),
            TUESDAY + 11 * HOUR,
            NOON,
            "no stage starts until 2026-03-10T12:00:00Z: year end",
        ),
        (
            waiting(window=None, freezes=(Freeze(NOON, NOON + HOUR, "audit"),)),
            NOON - HOUR / 2,
            NOON + HOUR,
            "stage one needs 1h 00m and does not fit before the next freeze",
        ),
    ],
    ids=["too late in its window", "frozen", "a freeze is near"],
)
def test_why_a_stage_waits_and_until_when(s: RunState, now: float, opens: float, why: str) -> None:
    assert decide(s, now) == Wait(opens, "window", why, opens, LEAVE)
    assert isinstance(decide(s, opens), Emit)


# -- a lowering that has two places -----------------------------------------------------------------------------------

TWO = """\
stages:
  - {name: a, changes: [{name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}]}
  - {name: b, wait: WAIT, changes: [{name: "@", type: MX, from: ["10 a.test."], to: ["10 b.test."]}]}
"""
ZONE = "www 3600 IN A 192.0.2.1\n@ 7200 IN MX 10 a.test.\n"


def lowering(*, ahead: bool) -> RunState:
    """A run whose second stage comes after a pause of a minute, at one of the two places of its lowering."""
    s = begun(book_of(TWO.replace("WAIT", "1m"), ZONE))
    own = [n for n, x in enumerate(s.book.steps) if x.kind is StepKind.LOWER_TTL and x.stage == "b"]
    return replace(s, i=next(n for n in own if s.book.steps[n].ahead is ahead), since=NOW)


def test_ttls_are_lowered_ahead_where_the_stage_starts_earlier_for_it() -> None:
    s = lowering(ahead=True)
    step = step_of(s)
    assert elsewhere(s, step, NOW) is None
    skipped = Emit(ev.StepDone(NOW, step.id, NOT_YET))
    frozen = replace(s, book=replace(s.book, freezes=(Freeze(NOW - 1, NOW + 1, "year end"),)))
    assert elsewhere(frozen, step, NOW) == skipped, "no TTL is lowered in a freeze"
    pause = tuple(replace(x, seconds=14 * 86400.0) if x.id == "b/wait" else x for x in s.book.steps)
    long = replace(s, book=replace(s.book, steps=pause))
    assert elsewhere(long, step, NOW) == skipped, "the pause is long enough to lower them in it"


def test_what_was_lowered_ahead_is_verified_there_and_not_lowered_again() -> None:
    ahead, own = lowering(ahead=True), lowering(ahead=False)
    assert elsewhere(own, step_of(own), NOW) is None
    done = (Written("b/lower_ttl_ahead:2", StepKind.LOWER_TTL, "b", (), (), ()),)
    assert elsewhere(replace(own, done=done), step_of(own), NOW) == Emit(ev.StepDone(NOW, step_of(own).id, LOWERED))
    verify = next(x for x in ahead.book.steps if x.ahead and x.kind is StepKind.CONVERGE)
    assert elsewhere(replace(ahead, done=done), verify, NOW) is None
    assert elsewhere(ahead, verify, NOW) == Emit(ev.StepDone(NOW, verify.id, NOT_YET))
