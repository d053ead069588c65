"""The plan file's models: the field names are the contract of DESIGN section 4. All frozen; nothing is read or run."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dns_cutover.plan.types import Address, Duration, HostPort, Share, Ttl

Name = Annotated[str, Field(min_length=1, max_length=1000)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
DEFAULT_ZONE = "default"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Model(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


class SecretRef(Model):
    """Where a secret is: an environment variable or a file. Never the secret itself."""

    env: str | None = Field(None, min_length=1)
    file: str | None = Field(None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretRef):
            raise ValueError("a secret must not stand in a plan: write {env: NAME} or {file: PATH}")
        return value

    @model_validator(mode="after")
    def _one(self) -> SecretRef:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is either {env: NAME} or {file: PATH}")
        return self


class TsigKey(Model):
    """A TSIG key (RFC 8945)."""

    name: Name
    algorithm: Literal["hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret: SecretRef


class Rfc2136Config(Model):
    """Dynamic updates (RFC 2136). `propagation_bound`: D, if not all servers can be observed."""

    type: Literal["rfc2136"]
    server: HostPort
    key: TsigKey
    propagation_bound: Duration = 0.0


class Route53Config(Model):
    """Amazon Route 53."""

    type: Literal["route53"]
    zone_id: str | None = None
    profile: str | None = None
    region: str | None = None


class OctodnsConfig(Model):
    """Any octoDNS provider."""

    type: Literal["octodns"]
    config: str
    provider: str


class ManualConfig(Model):
    """A person makes the change."""

    type: Literal["manual"]


ProviderConfig = Annotated[Rfc2136Config | Route53Config | OctodnsConfig | ManualConfig, Field(discriminator="type")]


class PresetResolver(Model):
    """A named set of public resolvers."""

    preset: Literal["public", "cloudflare", "google", "quad9", "opendns", "system"]


class NamedResolver(Model):
    """One resolver by address."""

    name: Identifier
    address: Address
    transport: Literal["udp", "tcp", "tls", "https", "quic"] = "udp"


class IgnoredServer(Model):
    """An authoritative server whose answers do not count, and why."""

    server: Address
    because: Annotated[str, Field(min_length=3)]


class LookupConfig(Model):
    """Who is asked. `bootstrap`: recursive resolvers used to find things; empty: the system's own."""

    bootstrap: tuple[Address, ...] = ()
    authoritative: Literal["auto"] | tuple[Address, ...] = "auto"
    ignore: tuple[IgnoredServer, ...] = ()
    resolvers: tuple[PresetResolver | NamedResolver, ...] = ()


class ZoneConfig(Model):
    """One zone: its name, where it is written, and who is asked."""

    zone: Name
    provider: ProviderConfig
    lookup: LookupConfig = LookupConfig()


def _restore(value: Any) -> Any:
    if value in ("original", "keep"):
        return value
    from dns_cutover.plan.types import _parse_ttl

    return _parse_ttl(value)


class TtlConfig(Model):
    """TTLs of the run. `resolver_floor`: R1, R2, …; `client_floor`: F."""

    lower_to: Ttl = 60
    restore: Annotated[Literal["original", "keep"] | int, BeforeValidator(_restore)] = "original"
    resolver_floor: tuple[Duration, ...] = (0.0,)
    client_floor: Duration = 60.0


class OnDeadline(Model):
    """What happens when servers do not agree in time: answers are wrong, or servers cannot be reached."""

    wrong: Literal["rollback", "pause"] = "rollback"
    unreachable: Literal["rollback", "pause"] = "pause"


class PropagationConfig(Model):
    """When a change counts as published. `round_gap`: between the two rounds that must agree, longer than an
    authoritative packet cache holds."""

    resolvers: Share = 0.95
    deadline: Duration = 900.0
    on_deadline: OnDeadline = OnDeadline()
    violators: Literal["ignore", "warn", "pause", "rollback"] = "warn"
    round_gap: Duration = 21.0


class RollbackConfig(Model):
    """How a run goes back."""

    automatic: bool = True
    scope: Literal["run", "stage"] = "run"
    additive: Literal["keep", "remove"] = "keep"
    after: Literal["restore_ttl", "keep_low_ttl"] = "restore_ttl"
    until: datetime | None = None
    max_pause: Duration = 1800.0

    @field_validator("until")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time needs an offset or Z, such as 2026-03-10T16:00:00+01:00")
        return value


class IgnoredCheck(Model):
    """A check that was decided to be ignored, and why."""

    check: Annotated[str, Field(pattern=r"^DC\d{3}$")]
    because: Annotated[str, Field(min_length=3)]


class SafetyConfig(Model):
    """Deliberate acts must be named here."""

    max_changes: Annotated[int, Field(ge=1)] = 50
    allow: tuple[Literal["apex_ns", "wildcard", "delete", "dnssec", "last_mx", "split", "delegation"], ...] = ()
    ignore: tuple[IgnoredCheck, ...] = ()


class Expect(Model):
    """Answers that vary by design."""

    one_of: tuple[str, ...] = ()
    subset_of: tuple[str, ...] = ()
    cidr: tuple[str, ...] = ()
    ends_at: str = ""


Values: TypeAlias = tuple[str, ...]


def _values(value: Any) -> Any:
    return (value,) if isinstance(value, str) and value not in ("absent", "live") else value


OldValues = Annotated[Literal["absent", "live"] | Values, BeforeValidator(_values)]
NewValues = Annotated[Literal["absent"] | Values, BeforeValidator(_values)]


class ChangeConfig(Model):
    """One or more RRsets and what becomes of them: whole-set, value-level, or TTL only."""

    in_: tuple[str, ...] = Field((), alias="in")
    name: Name | None = None
    names: tuple[Name, ...] = ()
    type: Name
    from_: OldValues | None = Field(None, alias="from")
    to: NewValues | None = None
    remove: Annotated[Values, BeforeValidator(_values)] = ()
    add: Annotated[Values, BeforeValidator(_values)] = ()
    ttl: Ttl | None = None
    expect: Expect | None = None

    @model_validator(mode="after")
    def _shape(self) -> ChangeConfig:
        if (self.name is None) == (not self.names):
            raise ValueError("a change has either name or names")
        whole, by_value = self.from_ is not None or self.to is not None, bool(self.remove or self.add)
        if whole and by_value:
            raise ValueError("a change is either whole-set (from and to) or by value (add, remove), not both")
        if whole and (self.from_ is None or self.to is None):
            missing = "from" if self.from_ is None else "to"
            raise ValueError(f"a whole-set change says from and to; {missing} is missing")
        if not whole and not by_value and self.ttl is None:
            raise ValueError("a change says what becomes of the RRset: from and to, add or remove, or ttl")
        if self.from_ == () or self.to == ():
            raise ValueError("an empty list of values: write absent")
        return self


class ConfirmItem(Model):
    """A fact that a named party must confirm before the stage."""

    id: Identifier
    who: Name
    says: Name
    by: Literal["person", "probe"] = "person"
    probe: str | None = None
    undo: str | None = None
    timeout: Duration | None = None


class WindowConfig(Model):
    """When the stage may start."""

    days: str | tuple[str, ...] = "mon-sun"
    from_: time = Field(alias="from")
    to: time
    timezone: str

    @field_validator("days")
    @classmethod
    def _known_days(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not _iso_days(value):
            raise ValueError("a window that never opens: it has no days")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone: write a name such as Europe/Berlin or UTC") from None
        return value

    @model_validator(mode="after")
    def _opens(self) -> WindowConfig:
        if self.from_ == self.to:
            raise ValueError("a window that never opens: from and to are the same")
        return self

    @property
    def iso_days(self) -> tuple[int, ...]:
        """ISO weekdays, 1 is Monday."""
        return _iso_days(self.days)


def _iso_days(value: str | tuple[str, ...]) -> tuple[int, ...]:
    out: set[int] = set()
    for part in value.split(",") if isinstance(value, str) else value:
        first, dash, last = part.strip().lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{part!r} is no day or range of days: write mon, tue or mon-thu")
        a, b = DAYS.index(first), DAYS.index(last if dash else first)
        out.update(range(a + 1, b + 2) if a <= b else [*range(a + 1, 8), *range(1, b + 2)])
    return tuple(sorted(out))


class ProbeBase(Model):
    """Gate fields and role, common to all probes."""

    name: Identifier
    role: Literal["health", "way_back", "control"] = "health"
    interval: Duration = 10.0
    timeout: Duration = 5.0
    initial_delay: Duration = 0.0
    consecutive_successes: Annotated[int, Field(ge=1)] = 1
    failure_limit: Annotated[int, Field(ge=1)] | None = None
    consecutive_failure_limit: Annotated[int, Field(ge=1)] | None = 3
    consecutive_error_limit: Annotated[int, Field(ge=1)] | None = 6
    on_inconclusive: Literal["pause", "rollback"] = "pause"
    report_only: bool = False

    @field_validator("interval", "timeout")
    @classmethod
    def _positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("must be more than 0")
        return value


Port = Annotated[int, Field(ge=1, le=65535)]


class TcpProbe(ProbeBase):
    """A TCP connection, optionally with a banner."""

    type: Literal["tcp"]
    target: Name
    port: Port
    expect: str | None = None
    send: str | None = None


class HttpProbe(ProbeBase):
    """An HTTP request, optionally pinned to an address."""

    type: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    address: str | None = None
    expect_status: tuple[int, ...] = ()
    expect_body: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    verify: bool | str = True


class DnsProbe(ProbeBase):
    """A DNS question to one server."""

    type: Literal["dns"]
    question: Name
    rrtype: Name = "A"
    server: Address
    expect: Annotated[Values, BeforeValidator(_values)] = ()


class CommandProbe(ProbeBase):
    """An argument list, run without a shell, only with --allow-commands."""

    type: Literal["command"]
    argv: Annotated[tuple[str, ...], Field(min_length=1)]


class SmtpProbe(ProbeBase):
    """An SMTP dialogue up to EHLO or STARTTLS."""

    type: Literal["smtp"]
    target: Name
    port: Port = 25
    starttls: Literal["required", "optional", "never"] = "optional"


ProbeConfig = Annotated[TcpProbe | HttpProbe | DnsProbe | CommandProbe | SmtpProbe, Field(discriminator="type")]


class Stage(Model):
    """A named group of changes applied together, then verified and baked."""

    name: Identifier
    summary: str | None = None
    changes: Annotated[tuple[ChangeConfig, ...], Field(min_length=1)]
    unchanged: tuple[Name, ...] = ()
    confirm: tuple[ConfirmItem, ...] = ()
    window: WindowConfig | None = None
    probes: tuple[ProbeConfig, ...] = ()
    bake: Duration = 0.0
    wait: Duration | None = None
    commit: Literal["before", "after", "never"] = "never"
    ttl: TtlConfig | None = None
    propagation: PropagationConfig | None = None


class Plan(Model):
    """One migration plan. `zones` is the long form; `zone`, `provider` and `lookup` are short for one entry of it."""

    version: Literal[1]
    name: Identifier
    summary: str | None = None
    owner: str | None = None
    zone: Name | None = None
    provider: ProviderConfig | None = None
    lookup: LookupConfig | None = None
    zones: dict[str, ZoneConfig] = Field(default_factory=dict)
    variables: dict[str, str | int | float | bool] = Field(default_factory=dict)
    ttl: TtlConfig = TtlConfig()
    propagation: PropagationConfig = PropagationConfig()
    rollback: RollbackConfig = RollbackConfig()
    safety: SafetyConfig = SafetyConfig()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _zones(self) -> Plan:
        if self.zones and (self.zone or self.provider or self.lookup):
            raise ValueError("a plan has either zone, provider and lookup, or zones, not both")
        if not self.zones and (self.zone is None or self.provider is None):
            raise ValueError("a plan has zone and provider, or zones")
        return self

    def all_zones(self) -> dict[str, ZoneConfig]:
        """The zones by reference; the short form's reference is "default"."""
        if self.zones:
            return self.zones
        assert self.zone is not None
        assert self.provider is not None
        lookup = self.lookup or LookupConfig()
        return {DEFAULT_ZONE: ZoneConfig(zone=self.zone, provider=self.provider, lookup=lookup)}
