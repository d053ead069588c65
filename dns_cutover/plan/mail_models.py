"""What the plan says about its domains' e-mail: who sends, with which keys, under which envelope domains."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from dns_cutover.plan.types import Identifier, Model, Name
from dns_cutover.records import absolute_name

_SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*", re.ASCII
)


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("a sender is an IP address, one at a time, such as 198.51.100.7") from None


def _selector(value: str) -> str:
    if not _SELECTOR.fullmatch(value):
        raise ValueError("a selector is what stands before ._domainkey, such as s1")
    return value.lower()


def _domain(value: str) -> str:
    return absolute_name(value)


class Sender(Model):
    """An address that sends mail for the plan's domains."""

    address: Annotated[Name, AfterValidator(_address)]
    """The IP address that receivers see."""
    after: Identifier | None = None
    """The stage that lets it send: it must pass SPF once that stage is done. Without it: from the first stage on."""
    until: Identifier | None = None
    """The stage that retires it: it must pass SPF until that stage begins. Without it: to the end."""
    domain: Annotated[Name, AfterValidator(_domain)] | None = None
    """The envelope domain that it sends for; all of them by default."""


class Selector(Model):
    """A DKIM selector that signs mail for the plan's domains."""

    selector: Annotated[Name, AfterValidator(_selector)]
    """What stands before ._domainkey."""
    after: Identifier | None = None
    """The stage that publishes it: there must be a key once that stage is done. Without it: from the first stage on."""
    until: Identifier | None = None
    """The stage that retires it. Without it: to the end."""
    domain: Annotated[Name, AfterValidator(_domain)] | None = None
    """The signing domain (d=); the zone by default."""


def _as_sender(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


def _as_selector(value: Any) -> Any:
    return {"selector": value} if isinstance(value, str) else value


class MailConfig(Model):
    """E-mail of the plan's domains: checked on the live records, and on those that each stage leaves."""

    senders: tuple[Annotated[Sender, BeforeValidator(_as_sender)], ...] = ()
    """Addresses that send, each of which must pass SPF; an address, or one with the stages between which it sends."""
    selectors: tuple[Annotated[Selector, BeforeValidator(_as_selector)], ...] = ()
    """DKIM selectors that sign; a selector, or one with the stages between which it signs."""
    envelope_domains: tuple[Annotated[Name, AfterValidator(_domain)], ...] = Field(default=())
    """Domains of the envelope's sender (MAIL FROM), such as bounces.example.com; the zone by default."""
