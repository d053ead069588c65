"""Models of a plan's zones: where they are written, and who is asked. Secrets are named, never read."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from dns_cutover.plan.types import Address, Duration, HostPort, Identifier, Model, Name, Reason
from dns_cutover.records import absolute_name


class SecretRef(Model):
    """Where a secret is: an environment variable or a file. Never the secret itself."""

    env: str | None = Field(None, min_length=1)
    """The environment variable that holds the secret when the plan is run."""
    file: str | None = Field(None, min_length=1)
    """The file that holds the secret; only its owner may read it."""

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretRef):
            raise ValueError("a secret must not stand in a plan")
        return value

    @model_validator(mode="after")
    def _one(self) -> SecretRef:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is in the environment or in a file: write {env: NAME} or {file: PATH}")
        return self


def _domain_name(value: str) -> str:
    absolute_name(value)
    return value


class TsigKey(Model):
    """A TSIG key (RFC 8945)."""

    name: Annotated[Name, AfterValidator(_domain_name)]
    """The key's name, as the server knows it."""
    algorithm: Literal["hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    """The key's algorithm."""
    secret: SecretRef
    """Where the secret is: {env: NAME} or {file: PATH}."""


class LockName(Model):
    """Another owner name for the zone's lock."""

    name: Annotated[Name, AfterValidator(_domain_name)]
    """The owner name of the lock's TXT record, relative to the zone: for keys whose policy allows no other."""


def _lock_place(value: Any) -> Any:
    if not isinstance(value, dict | LockName) and value not in ("zone", "store"):
        raise ValueError("write zone, store, or a mapping with the name of the lock")
    return value


LockPlace = Annotated[Literal["zone", "store"] | LockName, BeforeValidator(_lock_place)]


class Rfc2136Config(Model):
    """Dynamic updates (RFC 2136)."""

    type: Literal["rfc2136"]
    """Dynamic updates (RFC 2136)."""
    server: HostPort
    """The primary: host or address, optionally with :port."""
    key: TsigKey
    """The TSIG key that signs the updates."""
    propagation_bound: Duration = 0.0
    """How long after a write a server that cannot be observed may still serve the old version."""
    lock: LockPlace = "zone"
    """Where the zone's lock is: zone (TXT at `_dns-cutover`), {name: OWNER}, or store (a lease, which binds less)."""


class AssumeRole(Model):
    """A role of this or another AWS account that is taken for the run."""

    role_arn: str = Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", max_length=2048)
    """The role's ARN."""
    external_id: str | None = Field(None, min_length=2, max_length=1224)
    """What the role's trust policy asks for, where it asks for an external id. It is not a secret."""
    session_name: str | None = Field(None, pattern=r"^[A-Za-z0-9_+=,.@-]{2,64}$")
    """How the session is called in CloudTrail; dns-cutover by default."""


def _zone_id(value: str) -> str:
    return value.removeprefix("/hostedzone/")


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("an endpoint is http:// or https:// and a host, without a user name")
    return value


class Route53Config(Model):
    """Amazon Route 53."""

    type: Literal["route53"]
    """Amazon Route 53."""
    zone_id: Annotated[str, AfterValidator(_zone_id), Field(pattern=r"^(/hostedzone/)?Z[A-Z0-9]{1,31}$")] | None = None
    """The hosted zone's id, where the name alone does not tell: several zones may have one name."""
    private: bool | None = None
    """Whether the private or the public zone of that name is meant; either, where there is one only."""
    profile: str | None = Field(None, min_length=1)
    """The profile of the AWS configuration; the AWS credential chain's own choice by default."""
    region: str | None = Field(None, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$")
    """The AWS region; Route 53 has one endpoint for all of a partition."""
    assume_role: AssumeRole | None = None
    """A role that is taken for the run, for zones of another account."""
    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """The address of another server with the same interface, for tests and private endpoints."""
    propagation_bound: Duration = 60.0
    """How long after a write a name server may still serve the old version. Counts only where the reply was lost and
    Route 53 cannot be asked whether all of its servers have the change."""


class OctodnsConfig(Model):
    """Any octoDNS provider."""

    type: Literal["octodns"]
    """Any octoDNS provider."""
    config: str
    """The octoDNS configuration file."""
    provider: str
    """The provider's name in that file."""


class ManualConfig(Model):
    """A person makes the change."""

    type: Literal["manual"]
    """A person makes the change; the tool shows it and watches for it."""


ProviderConfig = Annotated[Rfc2136Config | Route53Config | OctodnsConfig | ManualConfig, Field(discriminator="type")]


class PresetResolver(Model):
    """A named set of public resolvers."""

    preset: Literal["public", "cloudflare", "google", "quad9", "opendns", "system"]
    """The set: one operator's, `public` for all operators, `system` for this machine's."""


class NamedResolver(Model):
    """One resolver by address."""

    name: Identifier
    """What the resolver is called in output."""
    address: Address
    """Its IP address, optionally with :port; [2001:db8::1]:53 for IPv6."""
    transport: Literal["udp", "tcp", "tls", "https", "quic"] = "udp"
    """How it is asked."""


class IgnoredServer(Model):
    """An authoritative server whose answers do not count, and why."""

    server: Address
    """Its IP address, optionally with :port."""
    because: Reason
    """Why its answers do not count."""


def _kind(value: Any) -> str:
    preset = "preset" in value if isinstance(value, dict) else isinstance(value, PresetResolver)
    return "(preset)" if preset else "(address)"


ResolverConfig = Annotated[
    Annotated[PresetResolver, Tag("(preset)")] | Annotated[NamedResolver, Tag("(address)")], Discriminator(_kind)
]


MAX_LISTED = 64  # more than any zone has: each of them gets at least a question


def _auto_or_list(value: Any) -> Any:
    if not isinstance(value, str | list | tuple):
        raise ValueError("write auto, or a list of address[:port]")
    if not isinstance(value, str) and len(value) > MAX_LISTED:
        raise ValueError(f"{len(value)} servers are listed; a zone has at most {MAX_LISTED}")
    return (value,) if isinstance(value, str) and value != "auto" else value


Servers = Annotated[
    Literal["auto"] | tuple[Address, ...],
    BeforeValidator(_auto_or_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class LookupConfig(Model):
    """Who is asked."""

    bootstrap: tuple[Address, ...] = ()
    """Recursive resolvers used to find things; the system's own by default."""
    authoritative: Servers = "auto"
    """The zone's servers: auto, or a list of address[:port] for private zones and labs."""
    ignore: tuple[IgnoredServer, ...] = ()
    """Authoritative servers whose answers do not count."""
    resolvers: tuple[ResolverConfig, ...] = ()
    """Recursive resolvers whose answers count as users' answers."""


class ZoneConfig(Model):
    """One zone: its name, where it is written, and who is asked."""

    zone: Annotated[Name, AfterValidator(_domain_name)]
    """The zone's name."""
    provider: ProviderConfig
    """Where its records are written."""
    lookup: LookupConfig = LookupConfig()
    """Who is asked."""
