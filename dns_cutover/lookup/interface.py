"""What the engine and the checks learn from DNS, as frozen values, and the two protocols that bring it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from dns_cutover.records import Edit, RRset, RRsetKey

Transport = Literal["udp", "tcp", "tls", "https", "quic"]


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A server to ask. `name` is for people; `address` is an IP address."""

    name: str
    address: str
    port: int = 53
    transport: Transport = "udp"

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == 53 else f"{host}:{self.port}"


class Fault(StrEnum):
    """What kind of problem a server's view has; `problem` says it in words."""

    NONE = ""
    SILENT = "silent"
    """No usable answer came: nothing is listening, or nothing gets through."""
    REFUSES = "refuses"
    """It answers with an error: it does not serve the zone, or cannot."""
    NO_AUTHORITY = "no-authority"
    """It answers, but not as one of the zone's servers: from a cache, or with a referral to elsewhere."""
    CUT = "cut"
    """It refers to a zone below: right of it, but the name asked for is not this zone's."""
    TCP = "tcp"
    """All is well over UDP, and nothing comes over TCP."""
    WRONG = "wrong"
    """It answers what cannot be right."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """What one authoritative server says about the RRsets asked for, at one moment.

    `rrsets` has one entry per key that was answered usably (None is proved absence). `problem` is empty, or says
    why the server's view cannot be used ("no answer in 3 tries", "not authoritative", "SERVFAIL", …).
    `wrong` tells a server that answers wrongly from one that cannot be reached, `fault` more of that. `synthesised` is
    what a wildcard gives at owners that the zone does not have: their entry in `rrsets` is None.
    """

    zone: str
    server: Endpoint
    rrsets: Mapping[RRsetKey, RRset | None]
    serial: int | None = None
    problem: str = ""
    wrong: bool = False
    synthesised: Mapping[RRsetKey, RRset] = field(default_factory=dict)
    fault: Fault = Fault.NONE


@dataclass(frozen=True, slots=True)
class AuthoritativeRound:
    """One question round to every authoritative server of the zones concerned. `at`: seconds UTC, when it ended."""

    at: float
    views: tuple[ServerView, ...]


class Evidence(StrEnum):
    """What one answer of one resolver proves (DESIGN section 9). Worst first."""

    VIOLATOR = "violator"
    BOGUS = "bogus"
    STALE = "stale"
    ERROR = "error"
    PENDING = "pending"
    COLD = "cold"
    WARM = "warm"
    WITNESSED = "witnessed"


@dataclass(frozen=True, slots=True)
class Accept:
    """Answers that vary by design: what else counts as new. Texts are canonical RDATA, CIDR blocks, or a name."""

    one_of: tuple[str, ...] = ()
    subset_of: tuple[str, ...] = ()
    cidr: tuple[str, ...] = ()
    ends_at: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What resolvers should say about one RRset.

    `edit` tells old from new by value. `changed_at` is when the change was published (seconds UTC), `dead_at`
    until when an old answer is within its life. `new_ttl` is the full TTL of the new version (an answer at
    exactly this TTL is *cold*); for absence it is the negative TTL.
    """

    key: RRsetKey
    edit: Edit
    changed_at: float
    dead_at: float
    new_ttl: int
    accept: Accept | None = None


@dataclass(frozen=True, slots=True)
class ResolverRow:
    """The latest evidence of one resolver about one RRset.

    `ttl` is the remaining TTL in the answer (seconds), `eta` when an old answer that is still within its life
    dies at this resolver (seconds UTC), `asked` how many questions it got, `answer` canonical RDATA (None: absence).
    One address can hide several caches: `nsid` tells them apart where the resolver has one (RFC 5001), and each has a
    row of its own.
    """

    resolver: Endpoint
    key: RRsetKey
    evidence: Evidence
    answer: tuple[str, ...] | None = None
    ttl: int | None = None
    eta: float | None = None
    asked: int = 0
    detail: str = ""
    at: float = 0.0
    nsid: str = ""


@dataclass(frozen=True, slots=True)
class ResolverRound:
    """All rows as they stand after one round, and when the next question is due (seconds UTC; inf: none is)."""

    at: float
    rows: tuple[ResolverRow, ...]
    next_due: float = field(default=float("inf"))


class Lookup(Protocol):
    """Asking, for one run or one `check`. Keeps what it learned per resolver; safe to make anew after a crash."""

    async def authoritative(self, keys: Collection[RRsetKey]) -> AuthoritativeRound:
        """Ask every authoritative server of the keys' zones once, over UDP and TCP. Never raises for the network."""
        ...

    async def resolvers(self, expectations: Collection[Expectation]) -> ResolverRound:
        """Ask those resolvers whose question is due, and return all rows.

        An old answer with remaining TTL ρ is asked again at ρ + 1 s + jitter. Must be called only when every
        authoritative server agreed: asking earlier plants negative answers. Never raises for the network.
        """
        ...

    async def baseline(self, expectations: Collection[Expectation]) -> ResolverRound:
        """Ask resolvers before the change, only for RRsets that exist, so that *witnessed* becomes possible."""
        ...
