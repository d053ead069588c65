"""The live view as frozen values: what DNS says now about everything that a plan touches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from dns_cutover.lookup.interface import Accept, Endpoint, Evidence, ResolverRow, ServerView
from dns_cutover.mail.answers import Found, Question
from dns_cutover.records import RRset, RRsetKey

if TYPE_CHECKING:
    from dns_cutover.lookup.zonecopy import ZoneCopy


@dataclass(frozen=True, slots=True)
class ZoneServers:
    """Who serves a zone. `parent_ns` and `child_ns` are name-server host names; `problems` are for people.

    `parents` are the servers of the zone that delegates it, where that was found.
    """

    zone: str
    endpoints: tuple[Endpoint, ...]
    parent_ns: tuple[str, ...] = ()
    child_ns: tuple[str, ...] = ()
    parent_ns_ttl: int | None = None
    child_ns_ttl: int | None = None
    problems: tuple[str, ...] = ()
    parents: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class NameView:
    """One owner name at its authority. `zone` is the zone reference, `rrsets` are by type.

    `exists`: the zone has the name itself, were it only as an empty non-terminal. `wildcard`: the owner of the wildcard
    that answers for it (`rrsets` are then what it synthesises, RFC 4592), else empty. `cut`: the delegation point at or
    above the name, inside the zone, with the NS set that the parent gives (`delegation`). `dname`: the DNAME above it
    (RFC 6672). `negative_ttl`: N as a negative answer showed it, in seconds. `problem`: why nothing could be learned.
    `types`: those that were asked for; what is not in `rrsets` of them is not there.
    """

    zone: str
    owner: str
    exists: bool
    rrsets: Mapping[str, RRset] = field(default_factory=lambda: MappingProxyType({}))
    wildcard: str = ""
    cut: str = ""
    delegation: RRset | None = None
    dname: str = ""
    negative_ttl: int | None = None
    server: Endpoint | None = None
    problem: str = ""
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Servers of one zone that answer differently about one RRset."""

    key: RRsetKey
    answers: tuple[tuple[Endpoint, RRset | None], ...]


@dataclass(frozen=True, slots=True)
class TargetView:
    """A host that records point to, at its own authority. `owner` is absolute and canonical.

    `links` are the aliases on the way, (owner name, TTL in seconds of its CNAME); `addresses` what stands at their end,
    with `ttl`, the highest of its address RRsets. `asked`: whether an authority answered at all; without addresses it
    then says that there are none. `problem` is for people.
    """

    owner: str
    links: tuple[tuple[str, int], ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: int | None = None
    asked: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ZoneSecurity:
    """A zone's chain of trust. `ds` is what the parent has (None: nothing, if `ds_known`), `dnskey` what the zone has
    (None: nothing, if `dnskey_known`).

    `signatures_expire`: the earliest expiration of the SOA's RRSIGs at any server, seconds UTC; None where it is not
    signed.
    """

    ds: RRset | None = None
    ds_known: bool = False
    dnskey: RRset | None = None
    signatures_expire: float | None = None
    dnskey_known: bool = False


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What one server does badly beside answering: texts for people, empty where all is well.

    `tcp`: a query over TCP gets no answer (RFC 7766). `edns`: EDNS breaks it (RFC 6891): FORMERR, silence, or an answer
    to an unknown option or version that is not as it must be.
    """

    zone: str
    server: Endpoint
    tcp: str = ""
    edns: str = ""


@dataclass(frozen=True, slots=True)
class LiveView:
    """`at`: seconds UTC, when the looking ended. `zones` and `soa` by zone reference, `names` by (reference, owner).

    `rrsets` has the RRsets asked for, from every server, and the types looked at of each name; None is absence. Where
    servers agree about the data the highest TTL counts, since that is the one that must die. A name that only a
    wildcard answers for has nothing of its own: its RRsets are None, and `names` says what is synthesised.
    `newcomers`: the DNSKEY set that a name server which the plan brings has for the zone, by (zone name, host
    name); None: it serves the zone unsigned. `targets` by absolute host name. `security` by zone reference. `caa`:
    the CAA set that governs a name, by owner, with the name at which it was found (RFC 8659 section 3); None: none
    is there. `records`: how many records the zone has, where a transfer showed it; `copies` are the zones
    themselves then. `marks`: what is there of the names beside the plan's own by which other tools mark what they
    keep (from one server each; they are no part of `rrsets`). `mail`: what the rules about e-mail asked for beyond the
    plan's own RRsets; None where nobody answered.
    """

    zones: Mapping[str, ZoneServers]
    at: float
    servers: tuple[ServerView, ...]
    soa: Mapping[str, RRset]
    rrsets: Mapping[RRsetKey, RRset | None]
    names: Mapping[tuple[str, str], NameView]
    disagreements: tuple[Disagreement, ...]
    problems: tuple[str, ...]
    targets: Mapping[str, TargetView] = field(default_factory=lambda: MappingProxyType({}))
    security: Mapping[str, ZoneSecurity] = field(default_factory=lambda: MappingProxyType({}))
    health: tuple[ServerHealth, ...] = ()
    caa: Mapping[str, tuple[str, RRset] | None] = field(default_factory=lambda: MappingProxyType({}))
    newcomers: Mapping[tuple[str, str], RRset | None] = field(default_factory=lambda: MappingProxyType({}))
    records: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    copies: Mapping[str, ZoneCopy] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    marks: Mapping[RRsetKey, RRset] = field(default_factory=lambda: MappingProxyType({}))
    mail: Mapping[Question, Found | None] = field(default_factory=lambda: MappingProxyType({}))


BEHIND = frozenset({Evidence.VIOLATOR, Evidence.BOGUS, Evidence.STALE, Evidence.PENDING})


@dataclass(frozen=True, slots=True)
class Sought:
    """An RRset whose spread is looked at. `expect`: its values (canonical, sorted), or none: whatever the servers agree
    on. `absent`: it is to be gone. `accept`: answers that vary by design.
    """

    key: RRsetKey
    expect: tuple[str, ...] = ()
    absent: bool = False
    accept: Accept | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the answer for `sought` has spread. `key` is what is asked: the alias where the name is one.

    `agreed`: every server answered, and alike; `served` is what they serve then. `dead_at`: until when an old copy may
    live (seconds UTC), None where the old version was not seen: no bound. `points`: (seconds UTC, caches with the new
    version, caches that answered), one for each change.
    """

    sought: Sought
    key: RRsetKey
    servers: tuple[ServerView, ...]
    agreed: bool
    served: RRset | None
    rows: tuple[ResolverRow, ...]
    converged: bool
    contradicted: bool
    dead_at: float | None
    points: tuple[tuple[float, int, int], ...]

    @property
    def behind(self) -> tuple[ResolverRow, ...]:
        """Caches that answer otherwise than the servers, or not for who validates."""
        return tuple(r for r in self.rows if r.evidence in BEHIND)

    def minimum(self, row: ResolverRow) -> int | None:
        """The TTL, in seconds, that this cache gives the new version although its own is lower; None: it does not."""
        if self.served is None or row.ttl is None or row.evidence in BEHIND or row.ttl <= self.served.ttl:
            return None
        return row.ttl
