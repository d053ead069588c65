"""Simulated authoritative servers: what each of them serves at which time, and how a resolver finds them.

Times and TTLs are in seconds, on any clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias

from dns_cutover.records import RRset
from dns_cutover.records.name import parent_names
from dns_cutover.timing.lifetime import Values

# Which of n servers is asked: an index below n. `random.Random(seed).randrange` is one.
Pick: TypeAlias = Callable[[int], int]

_ancestors = lru_cache(maxsize=4096)(parent_names)


@dataclass(frozen=True, slots=True)
class Reply:
    """One RRset as somebody answers it, with the TTL that is left. `values` None: absence, NODATA or NXDOMAIN."""

    owner: str
    rdtype: str
    values: Values
    ttl: float
    nxdomain: bool = False


class Source(Protocol):
    """Whom a cache or a client asks."""

    def ask(self, owner: str, rdtype: str, at: float) -> tuple[Reply, ...]:
        """The answer: the CNAME chain as far as the source follows it, its last reply last."""
        ...


@dataclass(frozen=True, slots=True)
class ZoneState:
    """What a server publishes: RRsets by owner and type (owners "*.…" are wildcards), and N for everything else."""

    rrsets: Mapping[tuple[str, str], RRset]
    negative_ttl: int

    def answer(self, owner: str, rdtype: str) -> Reply:
        """The authoritative answer (RFC 1034 section 4.3.2), with wildcards and empty non-terminals (RFC 4592)."""
        there = {name for known, _ in self.rrsets for name in (known, *_ancestors(known))}
        source = owner
        if owner not in there:
            source = "*." + next((name for name in _ancestors(owner) if name in there), "")
            if source not in there:
                return Reply(owner, rdtype, None, self.negative_ttl, nxdomain=True)
        for kind in (rdtype, "CNAME"):
            rrset = self.rrsets.get((source, kind))
            if rrset is not None:
                return Reply(owner, kind, rrset.values, rrset.ttl)
        return Reply(owner, rdtype, None, self.negative_ttl)


@dataclass(frozen=True, slots=True)
class Server:
    """One server: (since, state) in ascending order; before the first moment it serves the first state."""

    states: tuple[tuple[float, ZoneState], ...]

    def state(self, at: float) -> ZoneState:
        """What it serves at that moment."""
        current = self.states[0][1]
        for since, state in self.states:
            if since <= at:
                current = state
        return current


@dataclass(frozen=True, slots=True)
class Authority:
    """The servers of a zone; each question goes to the one that `pick` names."""

    servers: Sequence[Server]
    pick: Pick

    def ask(self, owner: str, rdtype: str, at: float) -> tuple[Reply, ...]:
        """The answer of one server, without following CNAMEs."""
        return (self.servers[self.pick(len(self.servers))].state(at).answer(owner, rdtype),)


class DelegatedAuthority:
    """A zone as one resolver finds it: through the NS set that it holds from the parent or from the child.

    `servers` by the name that NS values give. A `child_centric` resolver replaces the parent's copy by the child's own
    NS set as soon as it asks there (RFC 2181 section 5.4.1); one that `renews` does so on every answer. `floor` is R1.
    """

    def __init__(
        self,
        zone: str,
        parent: Server,
        servers: Mapping[str, Server],
        pick: Pick,
        *,
        floor: float = 0.0,
        child_centric: bool = True,
        renews: bool = False,
    ) -> None:
        self._zone, self._parent, self._servers, self._pick = zone, parent, servers, pick
        self._floor, self._child_centric, self._renews = floor, child_centric, renews
        self._held: Reply | None = None
        self._until = 0.0
        self._from_child = False

    def follows(self, at: float) -> Values:
        """The NS set that the resolver uses at that moment; it asks the parent if it holds none."""
        return self._delegation(at).values

    def expires(self) -> float:
        """Until when it uses the NS set that it holds."""
        return self._until

    def ask(self, owner: str, rdtype: str, at: float) -> tuple[Reply, ...]:
        """The answer of one server of the NS set; questions for the set itself come from the child's copy if held."""
        held = self._delegation(at)
        if self._from_child and (owner, rdtype) == (self._zone, "NS") and not self._renews:
            return (Reply(owner, rdtype, held.values, self._until - at),)
        names = held.values or ()
        state = self._servers[names[self._pick(len(names))]].state(at)
        if self._child_centric and (self._renews or not self._from_child):
            self._hold(state.answer(self._zone, "NS"), at)
            self._from_child = True
        return (state.answer(owner, rdtype),)

    def _delegation(self, at: float) -> Reply:
        if self._held is None or at >= self._until:
            self._from_child = False
            return self._hold(self._parent.state(at).answer(self._zone, "NS"), at)
        return self._held

    def _hold(self, reply: Reply, at: float) -> Reply:
        self._held, self._until = reply, at + max(reply.ttl, self._floor)
        return reply
