"""What `decide` may ask the driver to do next. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dns_cutover.engine.events import Event, Outcome
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.runbook.model import Step

WaitKind = Literal["ttl", "wait", "confirm", "window", "convergence", "bake", "paused", "conflict", "provider", "lock"]


@dataclass(frozen=True, slots=True)
class Emit:
    """Append this event; it follows from the state and the time alone."""

    event: Event


@dataclass(frozen=True, slots=True)
class Write:
    """Read the guards, make the step's edits exact, journal the intent, send one message."""

    step: Step
    undo: bool


@dataclass(frozen=True, slots=True)
class Lock:
    """Take the zone's lock, prolong it, or give it back."""

    zone: str
    purpose: Literal["acquire", "renew", "release"]


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find out what became of the pending intent."""


@dataclass(frozen=True, slots=True)
class Observe:
    """Ask all authoritative servers once; `before`: for what the edits expect, else for what they leave."""

    step: Step
    before: bool


@dataclass(frozen=True, slots=True)
class Baseline:
    """All servers agree before the change: ask probes and resolvers once, so that later answers can be compared."""

    step: Step


@dataclass(frozen=True, slots=True)
class AskResolvers:
    """Ask those resolvers whose question is due."""

    step: Step


@dataclass(frozen=True, slots=True)
class Probe:
    """Run these probes once."""

    step: Step
    probes: tuple[ProbeSpec, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (seconds UTC) or an event. `deadline` is what people see as the end.

    `unblock` has (command, effect) pairs that a person may use; empty: it goes on by itself.
    """

    until: float
    kind: WaitKind
    why: str
    deadline: float | None
    unblock: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """The run is over."""

    outcome: Outcome


Act: TypeAlias = Emit | Write | Lock | Resolve | Observe | Baseline | AskResolvers | Probe
Action: TypeAlias = Act | Wait | Done
