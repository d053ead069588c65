"""Brute force: caches upon caches, with clients behind them, that ask at arbitrary moments.

The other modules say how long an old answer can live at most; this one lets it live. Randomness comes in as an
argument. Times and TTLs are in seconds, on any clock; questions must be asked in the order of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dns_cutover.records.name import parent_names
from dns_cutover.timing.authority import Reply, Source
from dns_cutover.timing.lifetime import Values

# Longer CNAME chains end here, and so do loops.
CHAIN_LIMIT = 8
# An NXDOMAIN denies every type at its name: it is held under no type.
_EVERY_TYPE = ""


class RandomSource(Protocol):
    """The part of `random.Random` that populations use."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...

    def randrange(self, stop: int, /) -> int:
        """An integer in [0, stop)."""
        ...


class Cache:
    """A resolver's cache: RRsets and absences by name and type, TTLs clamped and counted down (RFC 2308, RFC 2181).

    `floor` and `ceiling` clamp what it stores; the ceiling wins. With `cuts_subtrees` an NXDOMAIN also denies every
    name below it (RFC 8020). `phase` None is an exact clock; else the cache counts whole seconds, which begin `phase`
    seconds early, and keeps an entry through the second in which it ends.
    """

    def __init__(
        self,
        source: Source,
        floor: float = 0.0,
        ceiling: float = math.inf,
        *,
        cuts_subtrees: bool = False,
        phase: float | None = None,
    ) -> None:
        self._source, self._floor, self._ceiling = source, floor, ceiling
        self._cuts_subtrees, self._phase = cuts_subtrees, phase
        self._entries: dict[tuple[str, str], tuple[Reply, float]] = {}

    def ask(self, owner: str, rdtype: str, at: float) -> tuple[Reply, ...]:
        """The whole CNAME chain and its end, from the cache as far as it reaches, each with the TTL that is left."""
        chain: list[Reply] = []
        while len(chain) < CHAIN_LIMIT:
            reply = self._cached(owner, rdtype, at) or self._fetch(owner, rdtype, at)
            chain.append(reply)
            if reply.values is None or reply.rdtype == rdtype:
                break
            owner = reply.values[0]
        return tuple(chain)

    def _clock(self, at: float) -> float:
        return at if self._phase is None else math.floor(at + self._phase)

    def _cached(self, owner: str, rdtype: str, at: float) -> Reply | None:
        now, grace = self._clock(at), 0 if self._phase is None else 1
        above = parent_names(owner) if self._cuts_subtrees else ()
        for key in ((owner, rdtype), (owner, "CNAME"), *((name, _EVERY_TYPE) for name in (owner, *above))):
            entry = self._entries.get(key)
            if entry is None or now >= entry[1] + grace:
                continue
            reply, until = entry
            if reply.values is None and key[1] == "CNAME" != rdtype:
                continue  # that there is no CNAME says nothing of other types
            kind = rdtype if reply.nxdomain else reply.rdtype
            return replace(reply, owner=owner, rdtype=kind, ttl=until - now)
        return None

    def _fetch(self, owner: str, rdtype: str, at: float) -> Reply:
        got = [
            replace(reply, ttl=min(max(reply.ttl, self._floor), self._ceiling))
            for reply in self._source.ask(owner, rdtype, at)
        ]
        for reply in got:
            kind = _EVERY_TYPE if reply.nxdomain else reply.rdtype
            self._entries[reply.owner, kind] = reply, self._clock(at) + reply.ttl
        return got[0]


@dataclass(frozen=True, slots=True)
class Given:
    """What a client gives its user, from the moment it was fetched (`at`) until just before `until`."""

    replies: tuple[Reply, ...]
    at: float
    until: float

    @property
    def values(self) -> Values:
        """What the user gets at the end of the chain."""
        return self.replies[-1].values


class Client:
    """A browser or a stub with a cache of its own: answers are kept for `minimum` at least, and `grace` longer.

    It knows one TTL per answer, the lowest of the chain. F is minimum + grace.
    """

    def __init__(self, source: Source, minimum: float = 0.0, grace: float = 0.0) -> None:
        self._source, self._minimum, self._grace = source, minimum, grace
        self._held: dict[tuple[str, str], Given] = {}

    def ask(self, owner: str, rdtype: str, at: float) -> Given:
        """What the user gets at that moment."""
        held = self._held.get((owner, rdtype))
        if held is None or at >= held.until:
            replies = self._source.ask(owner, rdtype, at)
            ttl = max(min(reply.ttl for reply in replies), self._minimum)
            held = self._held[owner, rdtype] = Given(replies, at, at + ttl + self._grace)
        return held


@dataclass(frozen=True, slots=True)
class Layer:
    """Caches side by side: how many, their clamps, and which share of them imposes the floor at all."""

    width: int = 1
    floor: float = 0.0
    ceiling: float = math.inf
    imposing: float = 1.0


def populate(
    sources: Sequence[Source], layers: Sequence[Layer], clients: int, client_floor: float, rng: RandomSource
) -> tuple[Client, ...]:
    """That many clients behind layers of caches, the first layer asking `sources`; each asks one of the layer above.

    Each client adds `client_floor` either as a minimum or as a grace.
    """
    above: Sequence[Source] = sources
    for layer in layers:
        above = [
            Cache(
                above[rng.randrange(len(above))],
                layer.floor if rng.random() < layer.imposing else 0.0,
                layer.ceiling,
            )
            for _ in range(layer.width)
        ]
    out = []
    for _ in range(clients):
        minimum = client_floor if rng.random() < 0.5 else 0.0
        out.append(Client(above[rng.randrange(len(above))], minimum, client_floor - minimum))
    return tuple(out)


def last_given(given: Iterable[Given], is_old: Callable[[Given], bool]) -> float:
    """The moment from which on no user got an old answer; minus infinity if none ever did."""
    return max((answer.until for answer in given if is_old(answer)), default=-math.inf)


def spread(
    clients: Sequence[Client],
    owner: str,
    rdtype: str,
    is_old: Callable[[Given], bool],
    moments: Iterable[float],
    rng: RandomSource,
    *,
    activity: float = 1.0,
) -> tuple[tuple[float, float], ...]:
    """How a change spreads: for each of the ascending `moments` the share of users who asked and got an old answer.

    At each moment a client asks with the probability `activity`. Where nobody asked, the share is 0.
    """
    out = []
    for at in moments:
        answers = [client.ask(owner, rdtype, at) for client in clients if rng.random() < activity]
        out.append((at, sum(map(is_old, answers)) / max(1, len(answers))))
    return tuple(out)
