"""Runs in the virtual world with people who steer them: commands at given times, and where a run was when."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Mapping
from itertools import pairwise

from dns_cutover.engine import events as ev
from dns_cutover.engine.decide import decide
from dns_cutover.engine.driver import drive
from dns_cutover.engine.fold import evolve, start
from dns_cutover.engine.state import RunState
from dns_cutover.runbook.model import Runbook
from tests.simulation.invariants import Judged
from tests.simulation.plans import BASE, runbook, variant_of
from tests.simulation.play import begin, step

HEAD = b"""
version: 1
name: sim
zone: example.test
provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: {env: X}}}
ttl: {lower_to: 30s}
propagation: {deadline: 15m, round_gap: 21s, on_deadline: {wrong: rollback, unreachable: rollback}}
"""
REMOVE = b"rollback: {additive: remove}\n"
WWW = b"{name: www, type: A, from: [192.0.2.1], to: [192.0.2.9]}"
MX = b'{name: "@", type: MX, from: [10 old.test.], to: [10 new.test.], ttl: 300}'
Said = tuple[str, dict[str, str]]


def book(stages: bytes, more: bytes = REMOVE) -> Runbook:
    """The runbook of a plan for the base zone."""
    return runbook(HEAD + more + b"stages:\n" + stages)


def said(verb: str, subject: str = "", **more: str) -> Said:
    """A command, as `play_with` takes it."""
    return verb, {"subject": subject, **more}


def tell(w: Judged, command: Said) -> None:
    """Append a command now, as another process does."""
    verb, more = command
    w.append(ev.Command(w.now, verb, "sim", **more))  # type: ignore[arg-type]


def now(w: Judged) -> RunState:
    """The run as it stands."""
    state = w.state()
    assert state is not None
    return state


def play_with(plan: Runbook, commands: Mapping[float, Said] | None = None, *, broken: bool = False) -> Judged:
    """A run to its end, with commands at these times; nothing else happens."""
    w = world(plan, commands, broken=broken)
    go_on(w)
    return w


def world(plan: Runbook, commands: Mapping[float, Said] | None = None, *, broken: bool = False) -> Judged:
    """A run that has just begun, with commands to come at these times. It is 00:16:40 on Thursday, 1 January 1970."""
    w = Judged(random.Random(1), plan=variant_of("given", plan), broken=broken)
    begin(w)
    for when, command in (commands or {}).items():
        w.at(when, lambda command=command: tell(w, command))  # type: ignore[misc]
    return w


def go_on(w: Judged) -> RunState:
    """Drive the run to its end."""
    step(w, drive(now(w), w.ports(f"p{len(w.journal)}")), 2_000_000.0)
    return now(w)


def look(w: Judged, until: float) -> RunState:
    """Drive the run until that time, and no further: the driver vanishes."""
    w.at(until, _vanish)
    with contextlib.suppress(Vanished):
        step(w, drive(now(w), w.ports(f"q{len(w.journal)}")), 2_000_000.0)
    return now(w)


class Vanished(BaseException):
    """The driver is gone."""


def _vanish() -> None:
    raise Vanished


def waits_for(w: Judged) -> str:
    """Why the run waits now."""
    action = decide(now(w), w.now)
    return str(getattr(action, "why", action))


def moments(events: Iterable[ev.Event]) -> dict[str, float]:
    """The middle of each step's time, by its id."""
    first, *rest = events
    assert isinstance(first, ev.Created)
    state = start("r", first)
    out: dict[str, float] = {}
    spans: list[tuple[str, float]] = []
    for event in rest:
        if state.step is not None and (not spans or spans[-1][0] != state.step.id):
            spans.append((state.step.id, state.since))
        state = evolve(state, event)
    for (name, begun), (_, ended) in pairwise([*spans, ("", state.since)]):
        out[name] = (begun + ended) / 2
    return out


def as_before(w: Judged) -> bool:
    """Whether all records are what they were, TTLs included."""
    return {q: r for q, r in w.zone.items() if q[1] != "SOA"} == {q: r for q, r in BASE.items() if q[1] != "SOA"}
