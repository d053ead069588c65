"""The plan file's models: the field names are the contract of DESIGN section 4. All frozen; nothing is read or run."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from dns_cutover.plan.change_models import ChangeConfig, Expect
from dns_cutover.plan.mail_models import MailConfig
from dns_cutover.plan.memo import Memo
from dns_cutover.plan.notify_models import MAX_NOTIFY, NotifyConfig, notify_names
from dns_cutover.plan.probe_models import (
    CommandProbe,
    DnsProbe,
    HttpProbe,
    ProbeBase,
    ProbeConfig,
    SmtpProbe,
    TcpProbe,
)
from dns_cutover.plan.types import Count, Duration, Flag, Identifier, Model, Name, Reason, Restore, Share, Ttl, Values
from dns_cutover.plan.waiting_models import ConfirmItem, FreezeConfig, WindowConfig
from dns_cutover.plan.zone_models import LookupConfig, NamedResolver, PresetResolver, ProviderConfig, ZoneConfig

DEFAULT_ZONE = "default"


class TtlConfig(Model):
    """TTLs of the run."""

    lower_to: Ttl = 60
    """The TTL during the run."""
    restore: Restore = "original"
    """The TTL afterwards: original, keep (the low one), or a duration."""
    resolver_floor: tuple[Duration, ...] = (0.0,)
    """Minimum TTLs that layers of caches impose, outermost first; they add up."""
    client_floor: Duration = 60.0
    """What clients add on top of resolvers."""


class OnDeadline(Model):
    """What happens when servers do not agree in time."""

    wrong: Literal["rollback", "pause"] = "rollback"
    """Servers answer, but wrongly."""
    unreachable: Literal["rollback", "pause"] = "pause"
    """Servers cannot be reached."""


class PropagationConfig(Model):
    """When a change counts as published."""

    resolvers: Share = 0.95
    """Share of resolvers that must not contradict the model; authoritative servers must always agree, all of them."""
    deadline: Duration = 900.0
    """Counted from the change, waits for TTLs excluded."""
    on_deadline: OnDeadline = OnDeadline()
    """What happens at the deadline."""
    violators: Literal["ignore", "warn", "pause", "rollback"] = "warn"
    """What happens when more than the tolerated share serve a version past its dead time."""
    round_gap: Duration = 21.0
    """Between the two rounds that must agree; longer than an authoritative packet cache holds."""
    on_inconclusive: Literal["pause", "rollback"] = "pause"
    """What happens when too few resolvers can be asked, and when nobody has ended a pause after rollback.max_pause."""


class RollbackConfig(Model):
    """How a run goes back."""

    automatic: Flag = True
    """Go back without asking when a gate fails."""
    scope: Literal["run", "stage"] = "run"
    """How far: the whole run, or the failing stage."""
    additive: Literal["keep", "remove"] = "keep"
    """What only added names or values stays in place, or is removed too."""
    after: Literal["restore_ttl", "keep_low_ttl"] = "restore_ttl"
    """What becomes of the TTLs afterwards."""
    until: datetime | None = None
    """A time after which the way back is gone, in a run and after it."""
    keep_for: Duration = 86400.0
    """For how long a run that succeeded can still be rolled back by command; until, where it is given, ends it too."""
    max_pause: Duration = 1800.0
    """A pause that leaves users on an unproven side ends after this."""

    @field_validator("until", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if value is not None and (not isinstance(value, str | datetime) or re.fullmatch(r"[-+0-9.]*", str(value))):
            raise ValueError("a time is written as 2026-03-10T16:00:00+01:00")
        return value

    @field_validator("until")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time needs an offset or Z, such as 2026-03-10T16:00:00+01:00")
        return value


class IgnoredCheck(Model):
    """A check that was decided to be ignored, and why."""

    check: Annotated[str, Field(pattern=r"^DC[0-9]{3}$")]
    """The check's id, such as DC305."""
    because: Reason
    """Why it is ignored; shown in every report."""


class SafetyConfig(Model):
    """Deliberate acts must be named here."""

    max_changes: Count = 50
    """How many RRsets the plan may change."""
    allow: tuple[Literal["apex_ns", "wildcard", "delete", "dnssec", "last_mx", "split", "delegation"], ...] = ()
    """Acts that are refused unless they are named."""
    ignore: tuple[IgnoredCheck, ...] = ()
    """Checks that were decided to be ignored."""
    lock_grace: Annotated[Duration, Field(ge=1.0)] = 600.0
    """How long a lock is good for after the end of the wait that it was taken for; then others may take it over."""


class Stage(Model):
    """A named group of changes applied together, then verified and baked."""

    name: Identifier
    """The stage's name, unique in the plan."""
    summary: Name | None = None
    """What it is for, in one sentence."""
    changes: Annotated[tuple[ChangeConfig, ...], Field(min_length=1)]
    """What changes, in as few atomic messages as possible."""
    unchanged: Values = ()
    """RRsets as name/TYPE that are asserted to be the same before and after."""
    confirm: tuple[ConfirmItem, ...] = ()
    """What must be confirmed before it starts."""
    window: WindowConfig | None = None
    """When it may start."""
    probes: tuple[ProbeConfig, ...] = ()
    """What is watched from the change to the end of the bake."""
    bake: Duration = 0.0
    """How long it is watched before the next stage."""
    wait: Duration | None = None
    """From the previous stage to this one; TTLs and the lock are given back meanwhile."""
    commit: Literal["before", "after", "never"] = "never"
    """From when nothing is rolled back automatically."""
    ttl: TtlConfig | None = None
    """TTLs of this stage, where they differ from the plan's."""
    propagation: PropagationConfig | None = None
    """When this stage counts as published, where that differs from the plan's."""


MAX_ZONES = 1000  # the servers of each are looked for and asked
MAX_SERVERS = 256  # listed ones, of all zones together: each gets a question, whoever it is


class Plan(Model):
    """One migration plan. `zones` is the long form; `zone`, `provider` and `lookup` are short for one entry of it.

    A loaded plan has `zones` in either case, with absolute canonical names.
    """

    version: Literal[1]
    """The version of the plan format."""
    name: Identifier
    """The plan's name."""
    summary: Name | None = None
    """What it is for, in one sentence."""
    owner: Name | None = None
    """Who answers for it."""
    zone: Name | None = None
    """The zone's name, if there is one zone."""
    provider: ProviderConfig | None = None
    """Where its records are written."""
    lookup: LookupConfig | None = None
    """Who is asked."""
    zones: dict[Identifier, ZoneConfig] = Field(default_factory=dict)
    """Several zones, by reference."""
    variables: dict[Identifier, str | int | float | bool] = Field(default_factory=dict)
    """Values for ${name} anywhere in the plan; --var overrides them."""
    ttl: TtlConfig = TtlConfig()
    """TTLs of the run."""
    propagation: PropagationConfig = PropagationConfig()
    """When a change counts as published."""
    rollback: RollbackConfig = RollbackConfig()
    """How a run goes back."""
    safety: SafetyConfig = SafetyConfig()
    """Deliberate acts."""
    notify: Annotated[tuple[NotifyConfig, ...], Field(max_length=MAX_NOTIFY)] = ()
    """Who is told what the run does."""
    mail: MailConfig | None = None
    """E-mail of the plan's domains: who sends, with which keys."""
    freeze: tuple[FreezeConfig, ...] = ()
    """Times in which no stage starts and no TTL is lowered."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    """What is done, in order."""

    _memo: Memo = PrivateAttr(default_factory=Memo)

    @property
    def memo(self) -> Memo:
        """What others worked out of this plan."""
        return self._memo

    @model_validator(mode="after")
    def _zones(self) -> Plan:
        if self.zones and (self.zone or self.provider or self.lookup):
            raise ValueError("a plan has either zone, provider and lookup, or zones, not both")
        if len(self.zones) > MAX_ZONES:
            raise ValueError(f"a plan has at most {MAX_ZONES} zones, and this one has {len(self.zones)}: split it")
        listed = {s for c in self.zones.values() if c.lookup.authoritative != "auto" for s in c.lookup.authoritative}
        if len(listed) > MAX_SERVERS:
            raise ValueError(f"a plan lists at most {MAX_SERVERS} servers, and this one {len(listed)}: split it")
        if not self.zones and (self.zone is None or self.provider is None):
            raise ValueError("a plan has zone and provider, or zones")
        return self

    @field_validator("notify")
    @classmethod
    def _named(cls, value: tuple[NotifyConfig, ...]) -> tuple[NotifyConfig, ...]:
        notify_names(value)
        return value

    def all_zones(self) -> dict[str, ZoneConfig]:
        """The zones by reference; the short form's reference is "default"."""
        if self.zones:
            return self.zones
        assert self.zone is not None
        assert self.provider is not None
        lookup = self.lookup or LookupConfig()
        return {DEFAULT_ZONE: ZoneConfig.model_construct(zone=self.zone, provider=self.provider, lookup=lookup)}


__all__ = [
    "DEFAULT_ZONE",
    "ChangeConfig",
    "CommandProbe",
    "ConfirmItem",
    "DnsProbe",
    "Expect",
    "FreezeConfig",
    "HttpProbe",
    "LookupConfig",
    "NamedResolver",
    "Plan",
    "PresetResolver",
    "ProbeBase",
    "ProbeConfig",
    "PropagationConfig",
    "ProviderConfig",
    "RollbackConfig",
    "SafetyConfig",
    "SmtpProbe",
    "Stage",
    "TcpProbe",
    "TtlConfig",
    "WindowConfig",
    "ZoneConfig",
]
