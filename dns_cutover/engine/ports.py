"""What the driver is given: everything that is not a pure decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dns_cutover.clock import Clock
from dns_cutover.engine.actions import Wait
from dns_cutover.engine.events import Event
from dns_cutover.engine.state import RunState
from dns_cutover.lookup.interface import Lookup, ResolverRow
from dns_cutover.probes.interface import Prober
from dns_cutover.providers.interface import Provider
from dns_cutover.store.interface import Store


class BoundedClock(Clock, Protocol):
    """A clock that can be bounded by the provider's before the first decision."""

    def bound(self, offset: float) -> None:
        """The provider's clock minus ours, in seconds."""
        ...

    def disturbed(self) -> bool:
        """Whether the machine was suspended, or its clock set, since `bound`: what it counts must be bound again."""
        ...


class Watcher(Protocol):
    """Whoever shows the run. Called synchronously; must not raise and must not block."""

    def event(self, state: RunState, event: Event) -> None:
        """This event was stored; `state` includes it."""
        ...

    def waiting(self, state: RunState, wait: Wait) -> None:
        """Nothing to do before `wait.until`."""
        ...

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """What resolvers say now, in full (the journal has the counts only)."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """`providers` by zone reference; `new_id` makes unguessable lower-case ids. A waiting driver looks for commands of
    other processes every `poll` seconds. `pulse` is called between actions, when everything that happened is stored: it
    stops the driver by raising.
    """

    store: Store
    providers: Mapping[str, Provider]
    lookup: Lookup
    prober: Prober
    clock: BoundedClock
    new_id: Callable[[], str]
    runner: str
    watcher: Watcher | None = None
    poll: float = 2.0
    pulse: Callable[[], None] | None = None
