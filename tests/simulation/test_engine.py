"""The engine in a virtual world: every crash point, every lost, late or muted message, foreign writes at every time."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import drive
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.engine.journal import to_envelope
from dns_cutover.engine.starting import PROOF_LOOK
from dns_cutover.engine.state import RunState
from dns_cutover.probes.interface import ProbeResult, Verdict
from dns_cutover.providers.rfc2136.update import Question
from dns_cutover.records import RRset
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.model import StepKind
from tests.simulation.invariants import Judged
from tests.simulation.plans import AFTER, BASE, LOCK, MAIL, NAMES, PLAN, ZONE, runbook, variant_of
from tests.simulation.play import begin, play
from tests.simulation.world import Fault, MachineClock, Prober, Secondary


def World(**fields: Any) -> Judged:
    return Judged(random.Random(1), **fields)


def assert_sound(w: Judged, outcome: str | None) -> None:
    assert w.problems == []
    assert LOCK not in w.zone, "the lock was left behind"
    mine = [q for q in NAMES if q not in w.foreign_keys]
    if outcome == "succeeded":
        assert {q: w.zone.get(q) for q in mine} == {q: AFTER[q] for q in mine}
    if outcome in ("rolled_back", "aborted", "conflict"):
        assert {q: w.zone.get(q) for q in mine} == {q: BASE.get(q) for q in mine}


def test_without_faults_it_succeeds_and_restores_ttls():
    w = World()
    state = play(w)
    assert state.outcome == "succeeded"
    assert_sound(w, "succeeded")


def test_a_failing_probe_takes_everything_back():
    w = World(broken=True)
    state = play(w)
    assert state.outcome == "rolled_back"
    assert_sound(w, "rolled_back")


def _calls(broken: bool) -> int:
    w = World(broken=broken)
    play(w)
    return w.calls


@pytest.mark.parametrize("broken", [False, True])
def test_a_crash_at_every_call_changes_nothing_in_the_end(broken):
    for at in range(1, _calls(broken) + 1):
        w = World(broken=broken, crash_at=at)
        state = play(w)
        assert state.outcome == ("rolled_back" if broken else "succeeded"), f"crash at call {at}"
        assert_sound(w, state.outcome)


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("kind", ["lost", "mute", "zombie"])
def test_every_message_may_be_lost_muted_or_late(broken, kind):
    reference = World(broken=broken)
    play(reference)
    for at in range(1, reference.updates + 1):
        for delay in (5.0, 60.0, 4000.0) if kind == "zombie" else (0.0,):
            w = World(broken=broken, fault_at=at, fault=Fault(kind, delay))
            state = play(w)
            w.advance(5000)
            assert state.outcome == ("rolled_back" if broken else "succeeded"), f"{kind} at update {at}"
            assert_sound(w, state.outcome)


# `make simulate` takes every crash point (STRIDE=1), a minute or two; the tests take one of so many.
STRIDE = int(os.environ.get("STRIDE", "5"))


@pytest.mark.simulation
@pytest.mark.parametrize("share", range(4))
@pytest.mark.parametrize("broken", [False, True])
def test_a_crash_at_every_call_with_every_transport_fault(broken, share):
    """With crashes and transport faults alone the outcome is that of a run without any."""
    reference = World(broken=broken)
    play(reference)
    for at in range(1 + share * STRIDE, reference.calls + 1, 4 * STRIDE):
        for kind in ("lost", "mute", "zombie"):
            for update in range(1, reference.updates + 1):
                w = World(broken=broken, crash_at=at, fault_at=update, fault=Fault(kind, 100.0))
                with w.quick():
                    state = play(w)
                w.advance(5000)
                told = f"crash at {at}, {kind} at update {update}"
                assert state.outcome == ("rolled_back" if broken else "succeeded"), told
                assert_sound(w, state.outcome)


FOREIGN: list[tuple[Question, RRset | None]] = [
    ((ZONE, "MX"), RRset(300, ("10 third.test.",))),
    ((f"www.{ZONE}", "A"), RRset(30, ("192.0.2.66",))),
    ((f"nm1.{ZONE}", "CNAME"), RRset(60, ("other.test.",))),
    ((f"nm1.{ZONE}", "A"), RRset(60, ("192.0.2.66",))),
    ((f"www.{ZONE}", "A"), RRset(7200, ("192.0.2.1",))),
]


@pytest.mark.parametrize(("question", "rrset"), FOREIGN)
def test_a_foreign_write_at_any_time_is_never_overwritten(question, rrset):
    for when in [*range(1001, 1060, 7), *range(1100, 7000, 211)]:
        w = World()
        state = play(w, foreign_at={float(when): (question, rrset)})
        assert state.final, f"at {when}: {state.hold}"
        w.advance(9000)  # a write that came after the end of the run happens, too
        assert_sound(w, state.outcome)
        assert question not in w.foreign_keys or w.zone.get(question) == rrset, f"at {when}: {state.outcome}"
        assert state.outcome in ("succeeded", "conflict", "rolled_back", "rollback_failed", "aborted")


def test_what_others_add_to_an_edited_rrset_is_kept():
    for when in range(1100, 7000, 311):
        w = World()
        w.at(float(when), lambda w=w: _add(w))
        state = play(w)
        assert state.outcome == "succeeded", f"at {when}"
        w.advance(9000)
        assert w.problems == []
        assert set(w.zone[ZONE, "TXT"].values) == {'"both"', '"verification"', '"theirs"'}


def _add(w: Judged) -> None:
    old = w.zone[ZONE, "TXT"]
    w.foreign((ZONE, "TXT"), RRset(old.ttl, tuple(sorted((*old.values, '"theirs"')))))


def test_a_longer_ttl_that_was_put_back_is_outlived():
    """Somebody raises the TTL during the wait and puts it back: nobody sees it afterwards, but caches may hold it."""
    w = World()
    low = RRset(30, ("192.0.2.1",))
    w.at(3000.0, lambda: w.foreign((f"www.{ZONE}", "A"), RRset(7200, ("192.0.2.1",))))
    w.at(3100.0, lambda: w.foreign((f"www.{ZONE}", "A"), low))
    w.at(3101.0, w.foreign_keys.clear)
    state = play(w)
    assert state.outcome == "succeeded"
    changed = next(t for t, v in w.served if w.versions[v].get((f"www.{ZONE}", "A"), low).values == ("192.0.2.9",))
    assert changed >= 3100 + 7200


def test_the_journal_folds_to_the_same_state_at_every_length():
    w = World(broken=True)
    play(w)
    from dns_cutover.engine.fold import fold
    from dns_cutover.engine.journal import from_envelope, to_envelope

    events = [from_envelope(e) for e in w.journal]
    assert [to_envelope("r", n, e) for n, e in enumerate(events)] == w.journal
    assert fold("r", events).final


def test_a_committed_stage_keeps_the_older_stages_it_stands_on():
    from dns_cutover.engine.rollback import closed_stages, way_back

    stages = (replace(MAIL.book.stages[0], commit="never"), replace(MAIL.book.stages[1], commit="after"))
    book = replace(MAIL.book, stages=stages)
    assert closed_stages(book, len(book.steps)) == {"one", "two"}
    assert closed_stages(book, 5) == frozenset()
    w = World()
    state = play(w)
    assert all("undo:one" not in step.id for step in way_back(book, state.done, len(book.steps)))


def test_a_rollback_that_the_server_refuses_is_tried_again_with_patience():
    w = World(broken=True)
    w.at(4900.0, lambda: setattr(w, "refuse_until", 9000.0))
    state = play(w)
    assert state.outcome in ("rolled_back", "succeeded", "rollback_failed", "refused")
    assert len(w.journal) < 2000
    assert w.problems == []


def test_an_outage_during_a_rollback_is_outlasted():
    reference = World(broken=True)
    play(reference)
    began = next(e.ts for e in reference.events() if e.type == "rollback_started")
    for start in range(int(began), int(began) + 500, 25):
        w = World(broken=True, outages=[(float(start), float(start) + 7200)], only_ours=True)
        state = play(w)
        assert state.outcome == "rolled_back", f"down from {start}: {state.outcome}"
        assert_sound(w, state.outcome)


@pytest.mark.parametrize("skew", [7200.0, -7200.0])
def test_a_clock_that_is_off_cuts_no_wait_short(skew):
    """A new process with a wrong clock, which cannot ask the provider for the time at first."""
    at = next(n for n in range(1, 400) if _crash_in_the_wait(n))
    w = World(crash_at=at)
    w.at(1045.0, lambda: setattr(w, "skew", skew))  # after the crash, before the next process begins
    w.at(1045.0, lambda: w.outages.append((w.now, w.now + 300)))
    state = play(w)
    starts = [e.ts for e in w.events() if e.type == "claimed"]
    assert len(starts) == 2
    assert state.outcome == "succeeded"
    assert_sound(w, state.outcome)


def _crash_in_the_wait(at: int) -> bool:
    w = World(crash_at=at)
    play(w, restarts=1)
    state = w.state()
    return state is not None and state.step is not None and state.step.kind == "wait_ttl"


def test_a_message_that_was_applied_before_the_lock_was_taken_away_is_not_forgotten():
    """Its reply is lost, and somebody takes the lock away before the fate of the message is known."""
    reference = World()
    play(reference)
    for at in range(2, reference.updates):
        w = World(fault_at=at, fault=Fault("mute"))
        original = w.process

        def process(spec, w=w, original=original):
            rcode = original(spec)
            if w.updates == w.fault_at:
                zone = dict(w.zone)
                zone.pop(LOCK, None)
                w.publish(zone)
            return rcode

        w.process, w.unlocked = process, True
        state = play(w)
        assert state.outcome in ("succeeded", "rolled_back", "conflict", "aborted"), f"at {at}: {state.outcome}"
        assert_sound(w, state.outcome)


def test_a_pause_with_users_exposed_is_watched():
    w = World()
    paused = []

    def pause_and_break() -> None:
        state = w.state()
        if state is not None and state.exposed_since is not None and state.step.stage == "two" and not paused:
            paused.append(w.now)
            w.journal.append(to_envelope("r", state.seq, ev.Command(w.now, "pause", "somebody")))
            w.at(w.now + 30, lambda: setattr(w, "broken", True))
        elif not paused:
            w.at(w.now + 5, pause_and_break)

    w.at(4700.0, pause_and_break)
    state = play(w)
    assert paused
    assert state.outcome == "rolled_back"
    assert_sound(w, state.outcome)


PROVED = PLAN.replace(
    b"    unchanged: [keep/A]\n",
    b"    unchanged: [keep/A]\n"
    b"    confirm: [{id: ready, who: Vendor, says: It is set up., by: probe, probe: p, timeout: 2h}]\n",
)


def _confirmed(w: Judged) -> tuple[float, str] | None:
    return next(((e.ts, e.proof) for e in w.events() if e.type == "step_done" and e.step == "two/confirm:ready"), None)


def test_a_probe_proves_a_confirmation(monkeypatch):
    """It fails at first, which is no failure of the stage: it has not begun."""
    original = Prober.ask

    async def ask(self, probes):
        results = await original(self, probes)
        early = self.w.now < 6000
        return tuple(replace(r, verdict=Verdict.FAILURE) if early else r for r in results)

    monkeypatch.setattr(Prober, "ask", ask)
    w = World(plan=variant_of("proved", runbook(PROVED)))
    state = play(w)
    assert state.outcome == "succeeded"
    proved = _confirmed(w)
    assert proved is not None
    assert 6000 <= proved[0] < 6000 + 2 * PROOF_LOOK
    assert proved[1] == "proved by p"
    assert_sound(w, "succeeded")


def test_a_confirmation_that_no_probe_proves_in_time_takes_the_run_back(monkeypatch):
    async def ask(self, probes):
        await self.w.point()
        return tuple(ProbeResult(p.name, Verdict.FAILURE, self.w.now, 0.01, "not yet") for p in probes)

    monkeypatch.setattr(Prober, "ask", ask)
    w = World(plan=variant_of("proved", runbook(PROVED)))
    state = play(w)
    assert state.outcome == "declined"
    assert _confirmed(w) is None
    assert_sound(w, "rolled_back")


@pytest.mark.parametrize("answer", ["none", "refused"])
def test_before_the_first_write_a_provider_that_never_answers_ends_the_run(answer):
    """Also where TTLs are low already, so that the first step is not a write but a look at the servers."""
    book = runbook(PLAN.replace(b"lower_to: 30s", b"lower_to: 1d"))
    assert book.steps[0].kind is StepKind.PREFLIGHT
    w = World(plan=variant_of("high", book), outages=[(0.0, 1e9)], denies=answer == "refused")
    state = play(w, limit=10_000.0)
    assert state.final
    assert state.outcome == ("unreachable" if answer == "none" else "refused")


def go_on(w: Judged, runner: str, until: Callable[[RunState], bool]) -> RunState:
    """Drive the run by a new process, which dies as soon as the state is so."""
    driver, state = drive(w.state(), w.ports(runner)), w.state()
    while not until(state):
        w.advance(driver.send(None))
        if len(w.journal) != state.seq:
            state = w.state()
    driver.close()
    return state


@pytest.mark.parametrize("skew", [0.0, 120.0])
def test_what_was_noted_by_an_unconfirmed_clock_delays_nothing(skew):
    """A process with a clock ahead finds the provider gone; the next one, whose clock is right, watches and asks."""
    w = World()
    begin(w)
    w.horizon = 0.0
    go_on(w, "p1", lambda s: s.step.id == "two/converge" and s.rounds == 2)
    w.outages, w.skew, began = [(w.now, w.now + 60)], skew, w.now
    state = go_on(w, "p2", lambda s: w.now > began + 30)
    assert state.resolvers is None, "what resolvers say now is not said by that clock"
    w.outages, w.skew = [], 0.0
    state = go_on(w, "p3", lambda s: w.now > began + 45)
    assert any(began + 30 < e.ts <= began + 45 for e in w.events() if isinstance(e, ev.Probed))
    assert go_on(w, "p4", lambda s: s.final).outcome == "succeeded"
    assert_sound(w, "succeeded")


def test_a_longer_ttl_is_taken_in_where_a_runbook_made_by_hand_has_no_preflight():
    book = replace(MAIL.book, steps=tuple(s for s in MAIL.book.steps if s.kind is not StepKind.PREFLIGHT))
    at = next(n for n, s in enumerate(book.steps) if s.kind is StepKind.APPLY)
    state = replace(fold("r", [ev.Created(1.0, runbook_json(book), runbook_sha256(book), "sim")]), i=at)
    key = book.steps[at].edits[0].key
    after = evolve(state, ev.Extended(2.0, book.steps[at].id, key, 3600, 3662.0, 2))
    assert after.i == at
    assert after.dead[key] == 3662.0


@pytest.mark.parametrize("believes", [False, True], ids=["asks again", "believes"])
def test_what_a_machine_saw_after_it_was_moved_does_not_count_as_seen_earlier(believes, monkeypatch):
    """A virtual machine stands still while a secondary is late, goes on, and dies; the next one has the right time.
    By the time that the first one counted, the wait for the old TTL would be over.
    """
    if believes:
        monkeypatch.setattr(MachineClock, "disturbed", lambda self: False)
    w = World(secondaries=[Secondary(3700.0)])
    begin(w)
    w.horizon = 0.0
    go_on(w, "p1", lambda s: s.step.id == "one/lower_ttl/converge" and stands_still(w, s))
    go_on(w, "p3", lambda s: s.final)
    assert bool(w.problems) is believes


def stands_still(w: Judged, s: RunState) -> bool:
    """Both clocks stop once, and the wall clock is set right on waking. Whether the process dies then: it has seen
    all servers agree twice.
    """
    if s.trouble and not w.stopped:
        w.stopped = 3750.0
        w.advance(w.stopped)
        w.secondaries[0].lag = 1.0
    return s.rounds == 2
