"""What checks know only because an option asked for it, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dns_cutover.mail.transport_policy import StsPolicy
from dns_cutover.records import RRset, RRsetKey


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a TLS server showed for a name. `names` are its DNS names and addresses; times are seconds UTC.

    `problem`: why there is none ("connection refused", "not trusted: …"), else empty.
    """

    host: str
    address: str
    port: int
    names: tuple[str, ...] = ()
    not_after: float | None = None
    issuer: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class OwnedRecords:
    """What another tool's own file says it keeps. `tool` is its name for people, `file` where that stands.

    `rrsets` by (absolute owner name, type): what its next run would put there; None is known to be owned, but not what
    it is. `places` by the same keys: the resource's address, or the line ("line 12").
    """

    tool: Literal["Terraform", "octoDNS"]
    file: str
    rrsets: Mapping[tuple[str, str], RRset | None]
    places: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """`certificates` come with --probe, `permissions` (zone reference -> what is refused, empty if all is granted) with
    --probe-write, `owned` with --owner-file. None: nobody asked. `grants`: what would mend a refusal, by zone
    reference. `clamps`: the highest TTL that a resolver gave for an RRset at this moment, by (resolver's name and
    address, RRset); `caps`: the highest TTL that it is known to keep, by its name and address; both with --resolver.
    `policies`, by absolute domain, are MTA-STS policies, with --probe.
    """

    certificates: tuple[Certificate, ...] | None = None
    permissions: Mapping[str, str] | None = None
    owned: tuple[OwnedRecords, ...] = ()
    clamps: Mapping[tuple[str, RRsetKey], int] = field(default_factory=dict)
    grants: Mapping[str, str] = field(default_factory=dict)
    caps: Mapping[str, int] = field(default_factory=dict)
    policies: Mapping[str, StsPolicy] = field(default_factory=dict)
