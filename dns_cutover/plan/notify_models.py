"""Models of a plan's notifications: who is told what. Nothing is sent and no secret is read when a plan is loaded."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from dns_cutover.plan.types import Identifier, Model, one_or_many
from dns_cutover.plan.zone_models import SecretRef

Kind = Literal["started", "step", "confirm", "hold", "resumed", "rollback", "end"]
KINDS: tuple[Kind, ...] = ("started", "step", "confirm", "hold", "resumed", "rollback", "end")
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(one_or_many), Field(min_length=1)]


class NotifyBase(Model):
    """What all kinds of notification have."""

    name: Identifier | None = None
    """What it is called in messages and in the journal, unique in the plan; its type by default."""
    on: Kinds = KINDS
    """What is told: started, step, confirm (one is awaited), hold, resumed, rollback, end; everything by default."""


def usable_url(value: str) -> str:
    """A URL that can be sent as it is. Raises ValueError without quoting it."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("a URL is printable ASCII: write the host as xn--… and the rest percent-encoded")
    parts = urlsplit(value)  # raises ValueError for a broken address
    if "@" in parts.netloc:
        raise ValueError("a secret must not stand in a plan")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("a URL has http or https and a host, such as https://hooks.example.com/dns")
    return value


def _plain_url(value: str) -> str:
    """One that may stand in a plan."""
    if urlsplit(usable_url(value)).hostname == "hooks.slack.com":
        raise ValueError("a secret must not stand in a plan")
    return value


class WebhookNotify(NotifyBase):
    """A signed JSON document by HTTP POST."""

    type: Literal["webhook"]
    """A signed JSON document by HTTP POST."""
    url: Annotated[str, Field(max_length=2048)] | SecretRef
    """Where it is sent; {env: NAME} or {file: PATH} where the address itself is a secret."""
    secret: SecretRef
    """Where the signing secret is: {env: NAME} or {file: PATH}."""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str | SecretRef) -> str | SecretRef:
        return _plain_url(value) if isinstance(value, str) else value


class SlackNotify(NotifyBase):
    """A message by a Slack incoming webhook."""

    type: Literal["slack"]
    """A message by a Slack incoming webhook."""
    url: SecretRef
    """Where the webhook's address is, which is a secret: {env: NAME} or {file: PATH}."""


class PagerDutyNotify(NotifyBase):
    """PagerDuty Events API v2."""

    type: Literal["pagerduty"]
    """PagerDuty Events API v2: steps are change events; a hold or a rollback triggers, the run's end resolves."""
    routing_key: SecretRef
    """Where the integration's key is: {env: NAME} or {file: PATH}."""
    region: Literal["us", "eu"] = "us"
    """The service region of the account."""


class ExecNotify(NotifyBase):
    """An argument list, run without a shell, only with --allow-commands."""

    type: Literal["exec"]
    """A command that gets the notification as JSON on its standard input."""
    argv: Annotated[tuple[str, ...], Field(min_length=1, max_length=1024)]
    """The command and its arguments; no shell is involved, and nothing is filled in."""

    @field_validator("argv")
    @classmethod
    def _runnable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0] or any("\0" in argument for argument in value):
            raise ValueError("the command is empty or holds a NUL")
        return value


NotifyConfig = Annotated[WebhookNotify | SlackNotify | PagerDutyNotify | ExecNotify, Field(discriminator="type")]
MAX_NOTIFY = 16


def notify_names(configs: tuple[NotifyBase, ...]) -> tuple[str, ...]:
    """The name of each: its own, or else its type, numbered where that is taken. Raises ValueError for a name twice."""
    given = [c.name for c in configs if c.name is not None]
    if twice := next((n for n in given if given.count(n) > 1), None):
        raise ValueError(f"two notifications are named {twice}: give each a name of its own")
    out: list[str] = []
    for c in configs:
        kind = str(getattr(c, "type", ""))
        free = (n for n in (kind, *(f"{kind}-{k}" for k in range(2, MAX_NOTIFY + 2))) if n not in given + out)
        out.append(c.name or next(free))
    return tuple(out)
