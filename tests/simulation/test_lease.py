"""Runs whose lock is a lease in the store: the zone has no token, so that the records and the SOA have to tell."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.lease import LeasedProvider, lease_journal
from dns_cutover.engine.ports import Ports
from dns_cutover.providers.interface import Token
from dns_cutover.records import RRset
from dns_cutover.store.interface import Envelope
from dns_cutover.store.memory import MemoryStore
from tests.simulation.invariants import Judged
from tests.simulation.plans import AFTER, BASE, BOOK, LOCK, NAMES, ZONE
from tests.simulation.play import play
from tests.simulation.world import Fault

LIFE = next(z.guarantees.message_life for z in BOOK.zones) or 0.0
LEASE = lease_journal(ZONE)


@dataclass
class LeaseWorld(Judged):
    """The world with its locks in a store. A message that comes later than it may live is refused by its signature."""

    leases: MemoryStore = field(default_factory=MemoryStore)

    def ports(self, runner: str) -> Ports:
        ports = super().ports(runner)
        inner = ports.providers["default"]
        leased = LeasedProvider(inner, self.leases, ZONE, lambda: self.now + self.skew)
        return replace(ports, providers={"default": leased})

    def judge_write(self, before, after):
        """No write is held to a lock in the zone; the rest is."""
        held = len(self.problems)
        super().judge_write(before, after)
        self.problems[held:] = [p for p in self.problems[held:] if p != "a write without holding the lock"]

    def _note(self, spec, changed):
        """No token says whose message it is: it is the pending one."""
        pending = self.folded.pending if self.folded is not None else None
        if pending is not None:
            self.taken.add(pending.op)
            self.effects[pending.op] = self.effects.get(pending.op, frozenset()) | changed

    def witness(self, before, event, after):
        """A swap of the lease is no message to the server."""
        held = len(self.problems)
        super().witness(before, event, after)
        if before.pending is not None and not before.pending.changes:
            self.problems[held:] = [p for p in self.problems[held:] if not p.startswith("the journal has")]

    def lease(self) -> Token | None:
        rows = self.leases._runs.get(LEASE, [])
        return Token.parse(rows[-1].body.split('"')[3]) if rows else None


def sound(w: LeaseWorld, outcome: str | None) -> None:
    assert w.problems == []
    assert LOCK not in w.zone
    assert w.lease() is None, "the lease was left behind"
    mine = [q for q in NAMES if q not in w.foreign_keys]
    wanted = {"succeeded": AFTER}.get(outcome or "", BASE)
    assert {q: w.zone.get(q) for q in mine} == {q: wanted.get(q) for q in mine}, outcome


@pytest.mark.parametrize(("broken", "outcome"), [(False, "succeeded"), (True, "rolled_back")])
def test_without_faults_nothing_stands_in_the_zone(broken, outcome):
    w = LeaseWorld(random.Random(1), broken=broken)
    assert play(w).outcome == outcome
    sound(w, outcome)
    assert all(LOCK not in version for version in w.versions)


@pytest.mark.parametrize("kind", ["lost", "mute", "zombie"])
@pytest.mark.parametrize(("broken", "outcome"), [(False, "succeeded"), (True, "rolled_back")])
def test_every_message_may_be_lost_muted_or_late(broken, outcome, kind):
    """A late one comes before its signature expires, at whatever time, or never."""
    reference = LeaseWorld(random.Random(1), broken=broken)
    play(reference)
    for at in range(1, reference.updates + 1):
        for delay in (5.0, LIFE - 15.0) if kind == "zombie" else (0.0,):
            w = LeaseWorld(random.Random(1), broken=broken, fault_at=at, fault=Fault(kind, delay))
            state = play(w)
            w.advance(5000)
            assert state.outcome == outcome, f"{kind} after {delay} s at update {at}"
            sound(w, outcome)


def test_a_crash_at_every_seventeenth_call_changes_nothing_in_the_end():
    reference = LeaseWorld(random.Random(1))
    play(reference)
    for at in range(1, reference.calls + 1, 17):
        w = LeaseWorld(random.Random(1), crash_at=at)
        state = play(w)
        assert state.outcome == "succeeded", f"crash at call {at}"
        sound(w, "succeeded")


def test_a_lost_reply_and_a_foreign_revert_are_told_by_the_history():
    """The records say "not applied"; the zone moved, and its history has what the message published."""
    reference = LeaseWorld(random.Random(1))
    play(reference)
    applied = [e for e in reference.events() if isinstance(e, ev.Intent) and e.step == "two/apply"]
    changes = applied[0].changes
    at = 1 + [e.op for e in reference.events() if isinstance(e, ev.Intent) and e.purpose in ("write", "undo")].index(
        applied[0].op
    )
    w = LeaseWorld(random.Random(1), fault_at=at, fault=Fault("mute"))

    def revert() -> None:
        zone = dict(w.zone)
        for c in changes:
            zone.pop((c.key.owner, c.key.rdtype), None)
            if c.before is not None:
                zone[c.key.owner, c.key.rdtype] = c.before
        w.publish(zone)

    w.at(applied[0].ts + 5, revert)
    state = play(w, restarts=1)
    assert (state.final, state.hold is not None) == (False, True)  # until a person decides
    held = [e for e in w.events() if isinstance(e, ev.Held)]
    assert [h.kind for h in held] == ["lock"]
    assert "taken back by somebody else" in held[0].why


def test_a_zone_that_moves_elsewhere_after_a_lost_message_is_no_reason_to_hold():
    """The history shows that nothing of the message was published."""
    w = LeaseWorld(random.Random(1), fault_at=2, fault=Fault("lost"))
    writes = {float(t): ((f"else.{ZONE}", "A"), RRset(60, (f"192.0.2.{t % 200}",))) for t in range(1001, 9000, 40)}
    state = play(w, foreign_at=writes)
    assert state.outcome == "succeeded"
    assert not [e for e in w.events() if isinstance(e, ev.Held)]


def test_a_lease_of_another_run_is_respected_until_it_ends():
    w = LeaseWorld(random.Random(1))
    other = Token("other", 1, "0ther", 2000)
    body = '{"lock":"' + other.text() + '"}'
    w.leases._runs[LEASE] = [Envelope(LEASE, 0, 900.0, body)]
    state = play(w)
    assert state.outcome == "locked"
    lost = [e for e in w.events() if isinstance(e, ev.LockLost)]
    assert [(e.holder, e.op, e.until) for e in lost] == [("other", "0ther", 2000)]
    late = LeaseWorld(random.Random(1), now=2100.0)
    late.leases = w.leases
    assert play(late).outcome == "succeeded"


def test_a_lock_in_the_zone_is_respected_too():
    """Of a run that may keep one there."""
    w = LeaseWorld(random.Random(1))
    zone = dict(w.zone)
    zone[LOCK] = RRset(60, (f'"{Token("other", 1, "0ther", 2000).text()}"',))
    w.versions[-1] = zone
    state = play(w)
    assert state.outcome == "locked"
    assert state.why == f"run other holds the lock of {ZONE}"
