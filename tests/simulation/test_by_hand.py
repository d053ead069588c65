"""The tool dies at any call, and never comes back: the scripts of that moment put everything back."""

from __future__ import annotations

import random

import pytest

from dns_cutover.engine.state import RunState
from dns_cutover.providers.interface import Token
from dns_cutover.providers.rfc2136.update import EditOp, Prereq, UpdateSpec, operations, prerequisites
from dns_cutover.records import quote_text
from dns_cutover.report.by_hand import from_run
from tests.simulation import server
from tests.simulation.play import play
from tests.simulation.world import BASE, LOCK, SOA, ZONE, Fault, World

pytestmark = pytest.mark.simulation


def sent_by_hand(state: RunState, zone: server.Zone) -> server.Zone:
    """What a person leaves who sends all scripts in their order, whatever the server says to each of them."""
    found = from_run(state)
    for token in (t for tokens in found.locks.values() for t in tokens):
        _, zone = server.process(zone, ZONE, unlock(token), "bind")
    for m in (*found.back.messages, *found.left):
        spec = UpdateSpec((Prereq("absent", *LOCK), *prerequisites(m.changes)), operations(m.changes, ZONE))
        _, zone = server.process(zone, ZONE, spec, "bind")
    return zone


def unlock(token: Token) -> UpdateSpec:
    value = (quote_text(token.text()),)
    held = Prereq("exists", *LOCK, value)
    return UpdateSpec((held,), (EditOp("delete", *LOCK, value),))


def crashed(at: int, *, broken: bool, fault_at: int = -1, kind: str = "mute") -> World:
    """A run whose only process died at that call; the same without a crash where it makes fewer calls."""
    world = World(random.Random(1), broken=broken, crash_at=at, fault_at=fault_at, fault=Fault(kind))
    play(world, restarts=1)
    return world


def no_soa(zone: server.Zone) -> server.Zone:
    return {q: r for q, r in zone.items() if q != SOA}


@pytest.mark.parametrize(
    ("broken", "fault_at", "kind", "stride"),
    [(False, -1, "mute", 2), (True, -1, "mute", 2), (True, 3, "mute", 5), (False, 4, "lost", 7), (True, 6, "lost", 7)],
)
def test_whenever_the_tool_dies_its_scripts_put_everything_back(
    broken: bool, fault_at: int, kind: str, stride: int
) -> None:
    """At the calls of a run, on its way forward and back; with a reply or a message lost before, too."""
    at, told = 1 - stride, 0
    while True:
        at += stride
        world = crashed(at, broken=broken, fault_at=fault_at, kind=kind)
        state = world.state()
        assert state is not None
        if not world.dead:
            break
        told += 1
        left = no_soa(sent_by_hand(state, world.zone))
        assert left == no_soa(BASE), (at, state.seq, state.step, state.pending)
    assert told > 80 // stride
