"""Ports that do as they are told, for tests of the driver and of writing; coroutines are run without a loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import Journal
from dns_cutover.engine.journal import from_envelope
from dns_cutover.engine.ports import Ports
from dns_cutover.engine.state import RunState
from dns_cutover.lookup.interface import AuthoritativeRound, ResolverRound
from dns_cutover.probes.interface import ProbeResult, ProbeSpec
from dns_cutover.providers.interface import ChangeSet, Fence, Guards, Receipt, Token
from dns_cutover.providers.rfc2136.provider import guarantees
from dns_cutover.store.interface import Envelope
from tests.unit.engine_states import NOW

T = TypeVar("T")
SOA = "ns.example.test. host.example.test. 7 7200 900 1209600 300"


def complete(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end; the ports here never wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


def guards(lock: Token | None = None, **fields: Any) -> Guards:
    """What the provider shows: an unlocked zone at serial 7, a clock like ours."""
    return replace(Guards(lock, "", SOA, 7, {}, 0.0), **fields)


@dataclass
class Provider:
    """Answers from lists: a value is returned, an exception raised; `sent` has what it was asked to apply."""

    shows: list[Any] = field(default_factory=list)
    replies: list[Any] = field(default_factory=list)
    settles: list[Any] = field(default_factory=list)
    published: list[Any] = field(default_factory=list)
    guarantees: Any = field(default_factory=guarantees)
    asked: list[Any] = field(default_factory=list)
    sent: list[tuple[ChangeSet, Fence | None]] = field(default_factory=list)

    async def guards(self, keys: Any) -> Guards:
        self.asked.append(tuple(keys))
        return _next(self.shows)

    async def apply(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        self.sent.append((changes, fence))
        return _next(self.replies)

    async def settled(self, receipt: Receipt) -> bool:
        self.asked.append(receipt)
        return _next(self.settles)

    async def history(self, since: int, keys: Any) -> Any:
        self.asked.append((since, tuple(keys)))
        return _next(self.published)


def _next(answers: list[Any]) -> Any:
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class Clock:
    """Stands still unless it is waited for."""

    time: float = NOW
    bounds: list[float] = field(default_factory=list)
    disturbances: list[bool] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def bound(self, offset: float) -> None:
        self.bounds.append(offset)

    def disturbed(self) -> bool:
        return self.disturbances.pop(0) if self.disturbances else False

    async def sleep_until(self, when: float) -> None:
        self.slept.append(when)
        self.time = max(self.time, when)


@dataclass
class Store:
    """One journal, of which the first entries are not kept."""

    first: int
    lines: list[Envelope] = field(default_factory=list)
    intruders: list[list[Envelope]] = field(default_factory=list)

    async def append(self, envelopes: Any) -> bool:
        if self.intruders:
            self.lines += self.intruders.pop(0)
        first = envelopes[0].seq
        assert [e.seq for e in envelopes] == [*range(first, first + len(envelopes))]
        if self.first + len(self.lines) != first:
            return False
        self.lines += envelopes
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        return tuple(self.lines[start - self.first :])


@dataclass
class Lookup:
    """Answers from lists, and keeps what it was asked for."""

    rounds: list[AuthoritativeRound] = field(default_factory=list)
    answers: list[ResolverRound] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    async def authoritative(self, keys: Any) -> AuthoritativeRound:
        self.asked.append(tuple(keys))
        return self.rounds.pop(0)

    async def resolvers(self, expectations: Any) -> ResolverRound:
        self.asked.append(("resolvers", tuple(expectations)))
        return self.answers.pop(0)

    async def baseline(self, expectations: Any) -> ResolverRound:
        self.asked.append(("baseline", tuple(expectations)))
        return self.answers.pop(0)


@dataclass
class Prober:
    """Gives the results it was given."""

    results: list[tuple[ProbeResult, ...]] = field(default_factory=list)
    asked: list[tuple[ProbeSpec, ...]] = field(default_factory=list)

    async def ask(self, probes: Any) -> tuple[ProbeResult, ...]:
        self.asked.append(tuple(probes))
        return self.results.pop(0)


@dataclass
class Watcher:
    """Keeps what it was shown."""

    shown: list[Any] = field(default_factory=list)

    def event(self, state: RunState, event: ev.Event) -> None:
        self.shown.append((state.seq, event))

    def waiting(self, state: RunState, wait: Any) -> None:
        self.shown.append(wait)

    def resolvers(self, state: RunState, rows: Any) -> None:
        self.shown.append(rows)


class Bench:
    """A driver's journal with ports that do as they are told, claimed already and with a proved clock."""

    def __init__(self, state: RunState, provider: Provider | None = None, **ports: Any) -> None:
        self.provider = provider or Provider()
        self.store, self.clock = Store(state.seq), Clock()
        self.lookup, self.prober, self.watcher = Lookup(), Prober(), Watcher()
        numbers = itertools.count(1)
        given: dict[str, Any] = {"providers": {"default": self.provider}, "watcher": self.watcher, **ports}
        self.ports = Ports(
            store=self.store,
            lookup=self.lookup,
            prober=self.prober,
            clock=self.clock,
            new_id=lambda: f"id{next(numbers)}",
            runner="me",
            **given,
        )
        self.journal = Journal(state, self.ports, claimed=True, clock_proved=True)

    def do(self, what: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> list[ev.Event]:
        """The events that it appended."""
        before = len(self.store.lines)
        complete(what(self.journal, *arguments))
        return [from_envelope(line) for line in self.store.lines[before:]]
