"""Journals to be told of."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache

from dns_cutover.engine import events as ev
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.engine.journal import to_envelope
from dns_cutover.notify.interface import Notification
from dns_cutover.notify.telling import tell
from dns_cutover.store.memory import MemoryStore
from tests.simulation.play import play
from tests.simulation.world import World


@cache
def journal(*, broken: bool = False) -> tuple[ev.Event, ...]:
    """A run of the simulation from its beginning to its end; `broken`: it is rolled back."""
    world = World(random.Random(1), broken=broken)
    play(world)
    return tuple(world.events())


def told(events: Sequence[ev.Event], run_id: str = "r") -> list[Notification]:
    """Everything that a journal means to people."""
    out: list[Notification] = []
    for n in range(len(events)):
        before = fold(run_id, events[:n]) if n else None
        after = evolve(before, events[n]) if before is not None else fold(run_id, events[:1])
        out += tell(before, events[n], after)
    return out


async def stored(events: Iterable[ev.Event], run_id: str = "r") -> MemoryStore:
    store = MemoryStore()
    assert await store.append([to_envelope(run_id, n, e) for n, e in enumerate(events)])
    return store


def one(kind: str = "hold", **fields: object) -> Notification:
    """A notification as it is, but for `fields`."""
    values: dict[str, object] = {
        "id": "7f3a-0123abcd-41-hold",
        "kind": kind,
        "severity": "error",
        "run_id": "7f3a",
        "seq": 41,
        "at": 1_773_136_800.0,
        "plan": "mail",
        "runbook_sha256": "0123abcd" * 8,
        "zones": ("example.test",),
        "stage": "switch",
        "step": "switch/bake",
        "summary": "mail (run 7f3a) stands still and needs a person",
        "why": "ns2 does not answer",
        "outcome": "",
        "unblock": (("dns-cutover resume 7f3a", "go on"),),
    }
    return Notification(**{**values, **fields})  # type: ignore[arg-type]
