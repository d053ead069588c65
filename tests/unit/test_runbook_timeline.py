"""Predicted times: windows, waits, bounds of providers, and the engine's own fault-free run as the judge."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.runbook.changes import stage_changes
from dns_cutover.runbook.model import Runbook, Window
from dns_cutover.runbook.timeline import finish_after, gains, old_side, old_side_off, tails, timeline
from dns_cutover.runbook.window import window_closes, window_opens
from tests.simulation.plans import BOOK, PLAN, runbook
from tests.simulation.play import play
from tests.simulation.world import World
from tests.unit import preview_world

WWW = "www 3600 IN A 192.0.2.1\n"
CHANGE = '{name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}'


def book_of(plan: str, zone: str = WWW) -> Runbook:
    return preview_world.book_of(plan, zone)


def times(book: Runbook, now: float | None = None) -> dict[str, tuple[float, float]]:
    return {m.step.id: (m.start, m.end) for m in timeline(book, now)}


HELD = (
    PLAN.replace(b"    unchanged: [keep/A]\n", b"    unchanged: [keep/A]\n    wait: 2d\n")
    + b'    window: {days: mon-sun, from: "09:00", to: "10:00", timezone: Europe/Berlin}\n'
)


@pytest.mark.parametrize("book", [BOOK, runbook(HELD)])
def test_the_prediction_is_what_a_run_without_faults_does(book):
    w = World(random.Random(1))
    began = w.now
    assert play(w, book=book).outcome == "succeeded"
    ended = {e.step: e.ts - began for e in w.events() if isinstance(e, ev.StepDone)}
    ended |= {
        intent.step: e.ts - began
        for intent, e in pairwise(w.events())
        if isinstance(intent, ev.Intent) and intent.purpose == "write" and isinstance(e, ev.Applied)
    }
    predicted = times(book, began)
    assert set(predicted) == set(ended)
    # What comes on top is transport, and the 3 s for which the virtual secondary lags after each write.
    for name, (_, end) in predicted.items():
        assert end <= ended[name] <= end + 30, name
    finish = next(e.ts for e in w.events() if isinstance(e, ev.Finished)) - began
    assert finish_after(book, began) <= finish <= finish_after(book, began) + 30


def test_a_stage_after_the_lowering_begins_when_the_old_ttl_is_dead():
    book = book_of(f"stages: [{{name: s, bake: 5m, changes: [{CHANGE}]}}]")
    got = times(book)
    assert got["s/lower_ttl"] == (0, 0)
    assert got["s/wait_ttl"] == (21, 21 + 3600 + 60)
    assert got["s/apply"] == (3681, 3681)
    assert got["s/converge"] == (3681, 3681 + 21 + 60 + 60)
    assert got["s/bake"] == (3822, 3822 + 300)
    assert finish_after(book) == 4122 + 21
    assert old_side_off(book) == finish_after(book) + 86400  # the way back is kept for a day


def test_the_provider_s_propagation_bound_delays_everything():
    provider = (
        "provider: {type: rfc2136, server: 192.0.2.53, propagation_bound: 100s, key: {name: k, secret: {env: X}}}\n"
    )
    book = book_of(provider + f"stages: [{{name: s, changes: [{CHANGE}]}}]")
    assert times(book)["s/apply"][0] == 21 + 100 + 3660
    assert [(t.after_change_s, t.after_rollback_s) for t in tails(book)] == [(220, 220)]


@pytest.mark.parametrize(
    ("start", "opens"),
    [
        ("2026-03-10T12:00:00", "2026-03-11T08:00:00"),  # ready at 13:01, when it has closed; opens 09:00 in Berlin
        ("2026-03-11T07:00:00", "2026-03-11T08:01:21"),  # ready when it is open already
        ("2026-03-12T12:00:00", "2026-03-16T08:00:00"),  # the weekend is no day of it
        ("2026-03-26T12:00:00", "2026-03-30T07:00:00"),  # summer time has begun meanwhile
    ],
)
def test_a_window_holds_its_stage_until_it_opens(start, opens):
    window = 'window: {days: mon-thu, from: "09:00", to: "13:00", timezone: Europe/Berlin}'
    book = book_of(f"stages: [{{name: s, {window}, changes: [{CHANGE}]}}]")
    began = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    at = times(book, began)["s/apply"][0] + began
    assert datetime.fromtimestamp(at, UTC) == datetime.fromisoformat(opens).replace(tzinfo=UTC)


FREEZE = "freeze: [{from: 2026-03-10T13:30:00Z, to: 2026-03-10T14:00:00Z, because: audit}]\n"


@pytest.mark.parametrize(
    ("start", "lowered", "applied"),
    [
        # Ready at 13:29:21, but it needs some minutes: it starts after the freeze, and TTLs are lowered no earlier.
        ("2026-03-10T12:28:00", "2026-03-10T12:58:39", "2026-03-10T14:00:00"),
        # Begun in the freeze: the TTLs, too, are lowered after it.
        ("2026-03-10T13:40:00", "2026-03-10T14:00:00", "2026-03-10T15:01:21"),
        ("2026-03-10T14:00:00", "2026-03-10T14:00:00", "2026-03-10T15:01:21"),
    ],
)
def test_no_ttl_is_lowered_and_no_stage_starts_in_a_freeze(start, lowered, applied):
    book = book_of(FREEZE + f"stages: [{{name: s, changes: [{CHANGE}]}}]")
    began = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    got = times(book, began)
    shown = [datetime.fromtimestamp(began + got[x][0], UTC).replace(tzinfo=None) for x in ("s/lower_ttl", "s/apply")]
    assert shown == [datetime.fromisoformat(x) for x in (lowered, applied)]


def test_without_a_date_windows_are_open():
    book = book_of(f'stages: [{{name: s, window: {{from: "09:00", to: "09:01", timezone: UTC}}, changes: [{CHANGE}]}}]')
    assert times(book)["s/apply"][0] == 3681


def test_a_waiting_stage_lowers_its_ttls_just_in_time():
    mx = '{name: "@", type: MX, from: ["10 a.test."], to: ["10 b.test."]}'
    book = book_of(
        f"stages: [{{name: a, changes: [{CHANGE}]}}, {{name: b, wait: 14d, changes: [{mx}]}}]",
        WWW + "@ 7200 IN MX 10 a.test.\n",
    )
    got = times(book)
    baked = got["a/bake"][1]
    assert got["b/apply"][0] == baked + 14 * 86400
    assert got["b/lower_ttl"][0] == baked + 14 * 86400 - (21 + 7200 + 60)
    assert got["a/restore_ttl"][0] == baked  # given back meanwhile


def test_an_rrset_whose_ttl_was_raised_again_holds_the_next_stage_s_message():
    book = book_of(
        "stages:\n  - {name: a, changes: [{name: www, type: A, from: ['192.0.2.1'], to: ['192.0.2.2']}]}\n"
        "  - {name: b, wait: 1m, changes: [{name: www, type: A, from: ['192.0.2.2'], to: ['192.0.2.3']}]}"
    )
    got = times(book)
    assert got["b/apply"][0] == got["b/lower_ttl"][0] + 21 + 3660


def test_a_bake_lasts_until_its_probes_can_have_passed():
    probe = (
        "{type: tcp, name: p, target: x.test, port: 25, interval: 10s, initial_delay: 10m, consecutive_successes: 4}"
    )
    book = book_of(f"stages: [{{name: s, bake: 1m, probes: [{probe}], changes: [{CHANGE}]}}]")
    got = times(book)
    assert got["s/bake"][1] == got["s/apply"][0] + 600 + 30


def test_tails_say_what_decides():
    book = book_of("stages: [{name: s, changes: [{name: new, type: A, from: absent, to: ['192.0.2.2'], ttl: 60}]}]")
    (tail,) = tails(book)
    assert (tail.after_change_s, tail.after_rollback_s) == (360, 120)
    assert "absence is cached for 300 s" in tail.why
    assert tail.rollback_why == "new A: A at 60 s"


def test_a_window_that_never_opens_is_an_error():
    window = Window((), "09:00", "10:00", "UTC")
    with pytest.raises(ValueError, match="does not open"):
        window_opens(window, 0.0)
    assert window_closes(window, 5.0) == 5.0


def test_the_runbook_knows_its_zones():
    book = preview_world.two_zones()
    assert [book.zone(ref).name for ref in ("public", "private")] == ["example.test.", "corp.test."]
    with pytest.raises(KeyError):
        book.zone("other")


def test_mail_that_is_queued_keeps_the_old_side_alive():
    told = old_side(preview_world.mail())
    assert told.after_s == times(preview_world.mail())["switch/converge"][1] + 5 * 86400
    assert "RFC 5321" in told.reason
    assert "open connections" in old_side(preview_world.single()).reason


def test_the_old_side_is_needed_for_as_long_as_the_way_back_is_open():
    book = preview_world.single()
    finish = finish_after(book, 0.0)
    assert old_side(book, 0.0).after_s == finish + 86400
    assert "24h 00m after the run" in old_side(book, 0.0).reason
    until = replace(book, rollback=replace(book.rollback, until=finish + 600.0))
    assert old_side(until, 0.0).after_s == finish + 600
    assert "10m 00s after the run" in old_side(until, 0.0).reason
    assert old_side(until).after_s == finish + 86400, "without a date it is late enough"
    passed = replace(book, rollback=replace(book.rollback, until=finish - 1.0))
    closed = replace(book, stages=(*book.stages[:-1], replace(book.stages[-1], commit="after")))
    for none in (passed, closed):
        assert old_side(none, 0.0).after_s == finish
        assert "the way back over;" in old_side(none, 0.0).reason


def test_a_lowering_ahead_of_a_stage_that_changes_nothing_gains_nothing():
    mx = '{name: "@", type: MX, from: ["10 a.test."], to: ["10 b.test."]}'
    book = book_of(
        f"stages: [{{name: a, changes: [{CHANGE}]}}, {{name: b, wait: 1m, changes: [{mx}]}}]",
        WWW + "@ 7200 IN MX 10 a.test.\n",
    )
    n = next(n for n, step in enumerate(book.steps) if step.ahead)
    assert gains(book, n, 0.0, 0.0, {})
    without = replace(book, steps=tuple(s for s in book.steps if s.id != "b/apply"))
    assert not gains(without, n, 0.0, 0.0, {})


def test_a_runbook_whose_edits_do_not_fit_shows_what_it_can():
    book = preview_world.single()
    assert stage_changes(replace(book, seen=())) == ()
    steps = tuple(
        replace(s, edits=tuple(replace(e, after=None) for e in s.edits)) if s.kind == "restore_ttl" else s
        for s in book.steps
    )
    assert [c.ttl_final for c in stage_changes(replace(book, steps=steps))] == [60]
