"""The driver: one action after the other through its ports, its journal kept in step, its clock proved."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Wait
from dns_cutover.engine.driver import TakenOver, append_command, append_told, create, drive, load_events
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.engine.journal import from_envelope, to_envelope
from dns_cutover.engine.observe import expectations
from dns_cutover.engine.rollback import Written
from dns_cutover.engine.state import RunState
from dns_cutover.errors import LockHeld
from dns_cutover.lookup.interface import (
    AuthoritativeRound,
    Endpoint,
    Evidence,
    ResolverRound,
    ResolverRow,
    ServerView,
)
from dns_cutover.probes.interface import ProbeResult, Verdict
from dns_cutover.providers.interface import Receipt, Refused, Token, Unreachable
from dns_cutover.records import RRset, RRsetKey, SetEdit, ValueEdit
from dns_cutover.runbook.model import StepKind
from tests.unit.engine_ports import Bench, Provider, Store, complete, guards
from tests.unit.engine_states import BOOK, HEALTH, NOW, at, begun, created, held, passed, token

WWW = RRsetKey("default", "www.example.test.", "A")
NM1 = RRsetKey("default", "nm1.example.test.", "CNAME")
TXT = RRsetKey("default", "example.test.", "TXT")
OLD, NEW = RRset(30, ("192.0.2.1",)), RRset(30, ("192.0.2.9",))
DONE = (Written("one/apply", StepKind.APPLY, "one", (), (), ()),)
OFFLINE = Unreachable("nobody there", "why", maybe_applied=False, hints=("hint",))
REFUSED = Refused("no such key", "why", ("hint",), (("fact", "x"),))
CLAIMED = ev.Claimed(NOW, "me")


class Enough(Exception):
    """The test has seen what it wants to see."""


def driven(
    s: RunState, provider: Provider | None = None, *, turns: int = 1, wait: bool = False, **ports: Any
) -> tuple[list[ev.Event], Wait | None, Bench]:
    """What a driver appends in so many turns (without its claim), and what it waits for if it stops before."""
    left = [turns]

    def pulse() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Enough

    bench = ports.pop("bench", None) or Bench(s, provider or Provider([guards()]), pulse=pulse, **ports)
    waits = None
    with contextlib.suppress(Enough):
        _, waits = complete(drive(s, replace(bench.ports, pulse=pulse), wait=wait))
    events = [from_envelope(line) for line in bench.store.lines]
    assert not events or isinstance(events[0], ev.Claimed)
    return events[1:], waits, bench


# -- the journal ------------------------------------------------------------------------------------------------------


def line(s: RunState, event: ev.Event, ahead: int = 0) -> Any:
    return to_envelope("r", s.seq + ahead, event)


def test_the_first_thing_that_a_process_appends_is_its_claim() -> None:
    bench = Bench(at("one/apply"))
    bench.journal.claimed = False
    complete(bench.journal.put(held()))
    complete(bench.journal.put(held("conflict")))
    assert [from_envelope(e) for e in bench.store.lines] == [CLAIMED, held(), held("conflict")]
    assert bench.watcher.shown == [(2, CLAIMED), (3, held()), (4, held("conflict"))]
    assert bench.journal.state.hold == held("conflict")
    assert [e.seq for e in bench.store.lines] == [1, 2, 3]


def test_commands_and_tidings_of_others_are_taken_in_first() -> None:
    s = at("one/apply")
    command, told = ev.Command(NOW, "pause", "sam"), ev.Told(NOW, "x", 1)
    bench = Bench(s, watcher=None)
    bench.store.intruders = [[line(s, command), line(s, told, 1)]]
    complete(bench.journal.put(ev.Claimed(NOW, "x")))
    assert [from_envelope(e) for e in bench.store.lines] == [command, told, ev.Claimed(NOW, "x")]
    assert bench.journal.state.hold is not None
    assert bench.journal.state.seq == s.seq + 3


def test_anything_else_of_another_process_means_that_it_drives_the_run() -> None:
    s = at("one/apply")
    bench = Bench(s)
    bench.store.intruders = [[line(s, ev.Claimed(NOW, "other"))]]
    with pytest.raises(TakenOver, match="another process drives run r now") as caught:
        complete(bench.journal.put(held()))
    assert caught.value.exit_code == 5
    assert caught.value.hints == ("dns-cutover status r   what it is doing",)
    assert "each other" in caught.value.why
    assert bench.journal.state == s


def test_a_run_is_begun_once() -> None:
    bench = Bench(begun())
    bench.store.first = 0
    state = complete(create("r7", created(), bench.ports))
    assert state == fold("r7", [created()])
    assert bench.watcher.shown == [(1, created())]
    assert bench.store.lines == [to_envelope("r7", 0, created())]
    with pytest.raises(LockHeld, match="a run r7 exists already"):
        complete(create("r7", created(), replace(bench.ports, watcher=None)))
    bench.store.lines = []
    assert complete(create("r7", created(), replace(bench.ports, watcher=None))).seq == 1


# -- the clock --------------------------------------------------------------------------------------------------------


def test_the_clock_is_bounded_by_the_slowest_server_once() -> None:
    journal = Bench(at("one/apply")).journal
    journal.clock_proved = False
    assert not journal.prove()
    assert not journal.clock_proved
    assert journal.prove(guards(clock_offset=5.0), guards(clock_offset=None), guards(clock_offset=2.0))
    assert journal.ports.clock.bounds == [2.0]
    assert not journal.prove(guards(clock_offset=1.0))
    assert journal.ports.clock.bounds == [2.0]


def test_a_server_that_does_not_tell_the_time_proves_it_all_the_same() -> None:
    bench = Bench(at("one/apply"))
    bench.journal.clock_proved = False
    assert bench.journal.prove(guards(clock_offset=None))
    assert bench.journal.clock_proved
    assert bench.clock.bounds == []


def test_before_its_first_decision_a_process_asks_for_the_time() -> None:
    events, waits, bench = driven(at("one/wait_ttl", hold=held()), Provider([guards(clock_offset=4.0)]))
    assert bench.clock.bounds == [4.0]
    assert bench.provider.asked == [()]
    assert events == []
    assert waits is not None
    assert waits.kind == "paused"


def test_every_provider_is_asked_for_the_time_and_one_answer_is_enough() -> None:
    providers = {"a": Provider([OFFLINE]), "b": Provider([guards(clock_offset=1.0)]), "default": Provider([REFUSED])}
    _, waits, bench = driven(at("one/wait_ttl", hold=held()), providers=providers)
    assert bench.clock.bounds == [1.0]
    assert waits is not None


def test_a_run_that_is_over_asks_nobody() -> None:
    s = at("one/apply", final=True, outcome="aborted")
    events, waits, bench = driven(s, Provider())
    assert (events, waits, bench.provider.asked) == ([], None, [])


@pytest.mark.parametrize("step", ["one/wait_ttl", "one/converge", "one/bake"])
def test_no_wait_ends_by_a_clock_that_nobody_confirms(step: str) -> None:
    s = at(step, since=1.0, edits=(), exposures=(), probes=())
    events, _, bench = driven(s, Provider([OFFLINE, OFFLINE]))
    assert events == [ev.Missed(NOW, step, "nobody there", "why", ("hint",))]
    assert bench.provider.asked == [(), ()]
    confirmed, _, _ = driven(s, Provider([guards()]))
    assert [e.type for e in confirmed] == ["step_done"]
    again, _, bench = driven(s, Provider([OFFLINE, guards(clock_offset=-7.0)]), turns=2)
    assert [e.type for e in again] == ["step_done"], "it is decided again by the clock that is confirmed now"
    assert bench.clock.bounds == [-7.0]


def test_the_plan_s_own_pause_ends_by_no_unconfirmed_clock_either() -> None:
    s = at("one/bake", kind=StepKind.WAIT, seconds=1.0, stage_ended=1.0)
    events, _, _ = driven(s, Provider([OFFLINE, OFFLINE]))
    assert [e.type for e in events] == ["missed"]


@pytest.mark.parametrize(
    ("s", "goes_on"),
    [
        (at("one/preflight"), False),
        (at("one/converge"), False),
        (replace(at("one/converge", rounds=2)), False),
        (at("one/apply", edits=()), True),
        (at("one/wait_ttl", hold=held("conflict")), True),
        (replace(at("one/apply"), i=len(BOOK.steps)), True),
        (at("one/bake", hold=held("conflict")), True),
    ],
    ids=["look before", "look after", "ask resolvers", "no time", "end of it", "all done", "end of a bake"],
)
def test_what_needs_the_time_waits_for_a_clock_that_is_confirmed(s: RunState, goes_on: bool) -> None:
    events, _, bench = driven(s, Provider([OFFLINE, OFFLINE]))
    assert len(bench.provider.asked) == (1 if goes_on else 2)
    assert [e.type for e in events] == ([events[0].type] if goes_on else ["missed"])
    assert goes_on == (events[0].type != "missed")


def test_one_provider_that_tells_the_time_is_enough_for_a_decision() -> None:
    s = at("one/bake", since=1.0, probes=())
    providers = {"a": Provider([OFFLINE, OFFLINE]), "default": Provider([OFFLINE, guards()])}
    events, _, _ = driven(s, providers=providers, turns=2)
    assert [e.type for e in events] == ["step_done"]


def test_a_refusal_to_tell_the_time_ends_a_run_that_wrote_nothing_and_no_watching() -> None:
    s = at("one/preflight")
    events, _, _ = driven(s, Provider([REFUSED, REFUSED]))
    assert events == [ev.Denied(NOW, "one/preflight", "no such key", "why", ("hint",), (("fact", "x"),))]
    events, _, _ = driven(replace(s, done=DONE), Provider([REFUSED, REFUSED]))
    assert events == [ev.Missed(NOW, "one/preflight", "no such key", "why", ("hint",))]


def test_a_clock_that_was_disturbed_is_confirmed_anew_before_it_decides() -> None:
    s = at("one/bake", since=1.0, probes=())
    bench = Bench(s, Provider([guards(), guards(clock_offset=9.0)]))
    bench.clock.disturbances = [True]
    events, _, _ = driven(s, bench=bench, turns=2)
    assert [e.type for e in events] == ["step_done"]
    assert bench.clock.bounds == [0.0, 9.0]


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_without_waiting_it_says_what_it_waits_for() -> None:
    s = at("one/wait_ttl", dead={WWW: NOW + 500}, exposed_since=1.0)
    events, waits, bench = driven(s)
    assert events == []
    assert waits is not None
    assert (waits.kind, waits.until) == ("ttl", NOW + 500)
    assert bench.watcher.shown == [waits]
    assert bench.clock.slept == []
    assert driven(s, watcher=None)[1] == waits


def test_it_looks_for_commands_of_others_while_it_waits() -> None:
    s = at("one/wait_ttl", dead={WWW: NOW + 5}, exposed_since=1.0)
    events, waits, bench = driven(s, wait=True, turns=4, poll=2.0)
    assert bench.clock.slept == [NOW + 2, NOW + 4, NOW + 5]
    assert [e.type for e in events] == ["step_done"]
    assert waits is None
    bench = Bench(s, Provider([guards()]), poll=2.0)
    pause = ev.Command(NOW, "pause", "sam")
    bench.store.lines = [line(s, pause)]
    complete(_some(bench, s))
    assert bench.watcher.shown[1] == (s.seq + 1, pause)
    assert bench.watcher.shown[2].kind == "paused"


async def _some(bench: Bench, s: RunState) -> None:
    """Two turns."""
    turns = iter((None, None))

    def pulse() -> None:
        if next(turns, 1) == 1:
            raise Enough

    with pytest.raises(Enough):
        await drive(s, replace(bench.ports, pulse=pulse), wait=True)


def test_waiting_is_what_a_driver_does_unless_it_is_told_not_to() -> None:
    bench = Bench(at("one/wait_ttl", dead={WWW: NOW + 1, NM1: NOW + 9}, exposed_since=1.0), Provider([guards()]))
    bench.store.intruders = [[line(bench.journal.state, ev.Claimed(NOW, "other"))]]
    with pytest.raises(TakenOver):
        complete(drive(bench.journal.state, bench.ports))
    assert bench.clock.slept == [NOW + 1]


def test_a_conflict_is_not_waited_for() -> None:
    s = at("one/apply", hold=held("conflict"), done=DONE)
    _, waits, bench = driven(s, wait=True)
    assert waits is not None
    assert waits.kind == "conflict"
    assert bench.clock.slept == []


@pytest.mark.parametrize(("probes", "watched"), [((HEALTH,), True), ((), False)])
def test_a_conflict_while_users_are_exposed_is_waited_for_if_something_watches(probes: Any, watched: bool) -> None:
    s = at("one/apply", hold=held("conflict"), done=DONE, exposed_since=NOW - 5, probes=probes, probed={"p": NOW - 1})
    _, waits, bench = driven(s, wait=True)
    assert (waits is None) == bool(bench.clock.slept) == watched


LOST = ev.LockLost(NOW - 1, "default", "other", int(NOW) + 500, (), "opx", False)


@pytest.mark.parametrize(
    ("fields", "stops"),
    [
        ({"lock_lost": LOST}, True),
        ({"hold": held("lock")}, True),
        ({"hold": held("paused")}, False),
        ({"lock_lost": LOST, "exposed_since": NOW - 5}, False),
        ({"hold": held("lock"), "exposed_since": NOW - 5}, False),
        ({"lock_lost": LOST, "back": BOOK.steps[4:6]}, False),
    ],
    ids=["another's lock", "held for it", "paused", "users are exposed", "held, users are exposed", "on the way back"],
)
def test_a_zone_that_somebody_took_over_is_not_waited_for_unless_users_depend_on_it(fields: Any, stops: bool) -> None:
    _, waits, bench = driven(at("one/apply", done=DONE, **fields), wait=True)
    assert (waits is not None) == stops
    assert bool(bench.clock.slept) != stops


# -- actions ----------------------------------------------------------------------------------------------------------


def test_events_that_follow_from_the_state_are_appended() -> None:
    s = replace(at("one/apply"), i=len(BOOK.steps))
    events, _, bench = driven(s, turns=3)
    assert events == [ev.Finishing(NOW, "succeeded"), ev.Finished(NOW, "succeeded")]
    assert bench.watcher.shown[-1] == (s.seq + 3, ev.Finished(NOW, "succeeded"))


def test_locks_are_taken_messages_sent_and_their_fate_found_out() -> None:
    s = at("one/lower_ttl", edits=(SetEdit(WWW, OLD, NEW),), serials={})
    first = Token("r", 1, "id1", int(NOW + 3660 + 600))
    lost = Unreachable("no reply", maybe_applied=True)
    shows = [guards(), guards(), guards(first, rrsets={WWW: OLD})]
    provider = Provider(shows, [Receipt((), 8), lost])
    events, waits, bench = driven(s, provider, turns=3)
    assert [e.type for e in events] == ["intent", "applied", "intent", "missed"]
    assert [getattr(e, "purpose", "") for e in events] == ["acquire", "", "write", ""]
    assert waits is not None
    assert waits.kind == "provider"
    pending = bench.journal.state
    for event in [CLAIMED, *events]:
        pending = evolve(pending, event)
    provider = Provider([guards(), guards(pending.pending.next)])
    bench = Bench(pending, provider)
    bench.clock.time = NOW + 5
    _, _, bench = driven(pending, bench=bench)
    assert [from_envelope(e).type for e in bench.store.lines] == ["claimed", "applied"]


def test_undoing_is_told_from_writing() -> None:
    s = at("one/apply", edits=(SetEdit(WWW, OLD, NEW),), tokens={"default": token(1e9)}, serials={})
    s = replace(s, back=(s.step,))
    events, _, _ = driven(s, Provider([guards(), guards(token(1e9), rrsets={WWW: OLD})], [Receipt((), 8)]))
    assert [getattr(e, "purpose", "") for e in events] == ["undo", ""]


def view(rrset: RRset | None) -> AuthoritativeRound:
    return AuthoritativeRound(NOW, (ServerView("default", Endpoint("ns1", "192.0.2.1"), {WWW: rrset}, 7),))


def looking(step: str, rrset: RRset | None, provider: Provider, **fields: Any) -> tuple[list[ev.Event], Bench]:
    s = at(step, edits=(SetEdit(WWW, OLD, NEW),), **fields)
    bench = Bench(s, provider)
    bench.lookup.rounds = [view(rrset)]
    events, _, _ = driven(s, bench=bench)
    return events, bench


def test_all_servers_are_looked_at_for_what_is_expected_then() -> None:
    events, bench = looking("one/preflight", OLD, Provider([guards()]))
    assert events == [ev.Observed(NOW, "one/preflight", 1, (), (7,))]
    assert bench.lookup.asked == [(WWW,)]
    events, _ = looking("one/converge", NEW, Provider([guards()]))
    assert events == [ev.Observed(NOW, "one/converge", 1, (), (7,))]


def test_a_longer_ttl_that_a_server_shows_is_noted_with_the_look() -> None:
    events, _ = looking("one/preflight", RRset(7200, OLD.values), Provider([guards()]))
    assert [e.type for e in events] == ["extended", "observed"]


def test_a_look_by_a_clock_that_was_disturbed_meanwhile_does_not_count() -> None:
    s = at("one/preflight", edits=(SetEdit(WWW, OLD, NEW),))
    bench = Bench(s, Provider([guards()]))
    bench.lookup.rounds = [view(OLD)]
    bench.clock.disturbances = [False, True]
    assert driven(s, bench=bench)[0] == []


def anycast(*settles: Any) -> Provider:
    """A provider that tells whether all of its servers have a change."""
    provider = Provider([guards()], settles=[*settles])
    provider.guarantees = replace(provider.guarantees, sync_wait=True)
    return provider


def test_a_provider_that_can_tell_is_asked_whether_all_of_its_servers_have_it() -> None:
    events, bench = looking("one/converge", NEW, anycast(True), changes={"default": "c1"})
    assert [e.type for e in events] == ["observed"]
    assert bench.provider.asked == [(), Receipt((), 0, "c1")]
    events, bench = looking("one/converge", NEW, anycast(False), servers=4)
    late = ev.ServerTrouble(
        "the provider of example.test.", "", False, "has not brought the change to all of its servers yet"
    )
    assert events == [ev.Observed(NOW, "one/converge", 4, (late,), ())]
    assert bench.provider.asked == [(), Receipt((), 0, "")]
    assert bench.lookup.asked == []
    for error, what in ((OFFLINE, "nobody there"), (REFUSED, "no such key")):
        events, bench = looking("one/converge", NEW, anycast(error))
        assert events == [ev.Missed(NOW, "one/converge", what, "why", ("hint",))]
        assert bench.lookup.asked == []


def test_before_a_change_no_provider_is_asked_for_it() -> None:
    events, bench = looking("one/preflight", OLD, anycast())
    assert [e.type for e in events] == ["observed"]
    assert bench.provider.asked == [()]


def test_of_several_zones_each_provider_is_asked_once() -> None:
    other = replace(WWW, zone="other")
    edits = tuple(SetEdit(k, OLD, NEW) for k in (other, WWW, replace(WWW, rdtype="AAAA")))
    zones = (*BOOK.zones, replace(BOOK.zones[0], ref="other"))
    s = at("one/converge", edits=edits, zones=zones)
    plain, told = Provider([guards()]), anycast(True)
    bench = Bench(s, providers={"other": plain, "default": told})
    bench.lookup.rounds = [AuthoritativeRound(NOW, ())]
    driven(s, bench=bench)
    assert (plain.asked, told.asked) == ([()], [(), Receipt((), 0, "")])


ROW = ResolverRow(Endpoint("cache", "192.0.2.3"), WWW, Evidence.WITNESSED, at=NOW)


def test_resolvers_are_asked_and_shown_in_full() -> None:
    s = at("one/converge", rounds=2, edits=(SetEdit(WWW, OLD, NEW),))
    bench = Bench(s, Provider([guards()]))
    bench.lookup.answers = [ResolverRound(NOW, (ROW,), NOW + 9)]
    events, _, _ = driven(s, bench=bench)
    counts = (("witnessed", 1),)
    assert events == [ev.Resolvers(NOW, "one/converge", counts, 1, 1, (), True, NOW + 9)]
    assert bench.lookup.asked == [("resolvers", expectations(s, s.step))]
    assert (ROW,) in bench.watcher.shown
    quiet = Bench(s, Provider([guards()]), watcher=None)
    quiet.lookup.answers = [ResolverRound(NOW, (ROW,), NOW + 9)]
    assert driven(s, bench=quiet)[0] == events


def result(name: str, verdict: Verdict) -> ProbeResult:
    return ProbeResult(name, verdict, NOW - 1, 0.25, "detail")


def test_probes_are_asked_and_their_results_journaled() -> None:
    other = replace(HEALTH, name="q")
    s = at("two/bake", probes=(HEALTH, other), exposed_since=NOW - 50)
    bench = Bench(s, Provider([guards()]))
    bench.prober.results = [(result("p", Verdict.SUCCESS), result("q", Verdict.FAILURE))]
    events, _, _ = driven(s, bench=bench)
    assert events == [
        ev.Probed(NOW, "two/bake", "p", Verdict.SUCCESS, 0.25, "detail"),
        ev.Probed(NOW, "two/bake", "q", Verdict.FAILURE, 0.25, "detail"),
    ]
    assert bench.prober.asked == [(HEALTH, other)]


# -- the baseline -----------------------------------------------------------------------------------------------------

READY = "every server has what the plan expects"


def baseline(*results: ProbeResult, watcher: bool = True, **fields: Any) -> tuple[list[ev.Event], Bench]:
    given: dict[str, Any] = {"probes": (HEALTH,), "edits": (SetEdit(WWW, OLD, NEW),), **fields}
    s = at("one/preflight", rounds=1, **given)
    bench = Bench(s, Provider([guards()]), **({} if watcher else {"watcher": None}))
    bench.prober.results = [results]
    bench.lookup.answers = [ResolverRound(NOW, (ROW,), NOW)]
    events, _, _ = driven(s, bench=bench)
    return events, bench


def test_before_a_change_probes_and_resolvers_are_asked_once() -> None:
    events, bench = baseline(result("p", Verdict.SUCCESS))
    assert events == [
        ev.Probed(NOW, "one/preflight", "p", Verdict.SUCCESS, 0.25, "detail"),
        ev.StepDone(NOW, "one/preflight", READY),
    ]
    assert bench.prober.asked == [(HEALTH,)]
    ((kind, expected),) = bench.lookup.asked
    assert (kind, [x.key for x in expected]) == ("baseline", [WWW])
    assert (ROW,) in bench.watcher.shown
    assert baseline(result("p", Verdict.SUCCESS), watcher=False)[0] == events


def test_a_probe_that_does_not_pass_before_the_change_is_judged_first() -> None:
    for verdict in (Verdict.FAILURE, Verdict.ERROR):
        events, bench = baseline(result("p", verdict))
        assert [e.type for e in events] == ["probed"]
        assert bench.lookup.asked == []


def test_a_probe_that_was_asked_already_is_not_asked_again() -> None:
    events, bench = baseline(gates={"p": passed()})
    assert events == [ev.StepDone(NOW, "one/preflight", READY)]
    assert bench.prober.asked == []


def test_no_resolver_is_ever_asked_for_what_is_not_there_yet() -> None:
    here, gone = ValueEdit(TXT, (), ('"x"',), 30, 30), ValueEdit(TXT, (), ('"x"',), None, 30)
    created_now = SetEdit(NM1, None, RRset(30, ("x.test.",)))
    for edits, asked in (((created_now, gone), []), ((created_now, here), [TXT])):
        _, bench = baseline(probes=(), edits=edits)
        assert [[x.key for x in expected] for _, expected in bench.lookup.asked] == ([asked] if asked else [])


# -- appending from other processes -----------------------------------------------------------------------------------


def test_a_command_is_appended_after_what_came_meanwhile() -> None:
    s = begun()
    store: Any = Store(0, [to_envelope("r", 0, created())])
    after = complete(append_command(s, store, "pause", "sam", "", NOW))
    assert after == evolve(s, ev.Command(NOW, "pause", "sam"))
    store.intruders = [[to_envelope("r", 2, ev.Claimed(NOW, "me"))]]
    later = complete(append_command(after, store, "confirm", "zoe", "ready", NOW + 1))
    events = complete(load_events("r", store))
    assert events[1:] == (
        ev.Command(NOW, "pause", "sam"),
        ev.Claimed(NOW, "me"),
        ev.Command(NOW + 1, "confirm", "zoe", "ready"),
    )
    assert later == fold("r", events)


def test_a_command_says_for_which_runbook_and_stage_it_is_and_from_where_it_came() -> None:
    store: Any = Store(0, [to_envelope("r", 0, created())])
    where: Any = {"runbook": "abc", "host": "laptop", "user": "root", "origin": "192.0.2.7", "stage": "two"}
    complete(append_command(begun(), store, "rollback", "sam", "x", NOW, **where))
    assert complete(load_events("r", store))[1:] == (ev.Command(NOW, "rollback", "sam", "x", **where),)


def test_what_was_told_is_appended_after_what_came_meanwhile() -> None:
    store: Any = Store(0, [to_envelope("r", 0, created())])
    told = [ev.Told(NOW, "a", 0), ev.Told(NOW, "b", 0)]
    assert complete(append_told("r", store, 1, told)) == 3
    store.intruders = [[to_envelope("r", 3, ev.Claimed(NOW, "me"))]]
    assert complete(append_told("r", store, 3, told[:1])) == 5
    assert [e.type for e in complete(load_events("r", store))] == ["version", "told", "told", "claimed", "told"]
