"""Models of a stage's probes. Nothing is connected to or run when a plan is loaded."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from dns_cutover.address import split_address
from dns_cutover.plan.types import Address, Count, Duration, Flag, Identifier, Model, Name, Port, Status, Values

# Headers that carry credentials: a plan is shown to everybody.
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})


class ProbeBase(Model):
    """Gate fields and role, common to all probes."""

    name: Identifier
    """The probe's name, unique in the plan."""
    role: Literal["health", "way_back", "control"] = "health"
    """health: a failure rolls back. way_back: is a rollback still possible? control: if it fails, the fault is ours."""
    interval: Duration = 10.0
    """From one question to the next."""
    timeout: Duration = 5.0
    """How long one question may take; longer is a failure."""
    initial_delay: Duration = 0.0
    """From the change to the first question."""
    consecutive_successes: Count = 1
    """How many successes in a row make the probe pass."""
    failure_limit: Count | None = None
    """How many failures in all make the gate fail."""
    consecutive_failure_limit: Count | None = 3
    """How many failures in a row make the gate fail."""
    consecutive_error_limit: Count | None = 6
    """How many errors in a row make the gate inconclusive."""
    on_inconclusive: Literal["pause", "rollback"] = "pause"
    """What happens when it cannot be told whether the service is well."""
    report_only: Flag = False
    """Show its results, but decide nothing by them."""

    @field_validator("interval", "timeout")
    @classmethod
    def _positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("a duration of more than 0 is needed")
        return value


def _true_false_or_file(value: object) -> object:
    if value in ("yes", "no", "on", "off", ""):
        raise ValueError("write true, false, or the path of a file with certificates")
    return value


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if any(c in value for c in ":/@[] "):
            raise ValueError("a target is a host name or an address; the port has a key of its own") from None
    return value


Host = Annotated[Name, AfterValidator(_host)]


class TcpProbe(ProbeBase):
    """A TCP connection, optionally with a banner."""

    type: Literal["tcp"]
    """A TCP connection."""
    target: Host
    """Host name or address."""
    port: Port
    """TCP port."""
    expect: str | None = None
    """Text that the banner must contain."""
    send: str | None = None
    """Text to send first."""


class HttpProbe(ProbeBase):
    """An HTTP request, optionally pinned to an address."""

    type: Literal["http"]
    """An HTTP request."""
    url: Annotated[str, Field(pattern=r"^https?://")]
    """What is asked for."""
    address: str | None = None
    """Connect to this address[:port] whatever the URL's host resolves to."""
    expect_status: tuple[Status, ...] = ()
    """Status codes that count as success; 200 to 399 by default."""
    expect_body: str | None = None
    """Text that the body must contain."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further request headers; none that carry credentials."""
    verify: Flag | str = True
    """Whether to verify the certificate, or a file with the authorities to trust."""

    @field_validator("expect_status", mode="before")
    @classmethod
    def _one_status(cls, value: object) -> object:
        return (value,) if isinstance(value, int | str) else value

    @field_validator("verify", mode="before")
    @classmethod
    def _flag_or_file(cls, value: object) -> object:
        return _true_false_or_file(value)

    @field_validator("url")
    @classmethod
    def _no_credentials(cls, value: str) -> str:
        parts = urlsplit(value)  # raises ValueError for a broken address
        if "@" in parts.netloc:
            raise ValueError("a secret must not stand in a plan")
        if not parts.hostname or parts.port == 0 or any(c.isspace() for c in value):
            raise ValueError("a URL has a scheme, a host and no spaces, such as https://www.example.com/health")
        return value

    @field_validator("address")
    @classmethod
    def _pin(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ipaddress.ip_address(split_address(value)[0])
            except ValueError:
                raise ValueError("an address is an IP address, optionally with :port") from None
        return value

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name.lower() in _SECRET_HEADERS:
                raise ValueError("a secret must not stand in a plan")
            if not name or not all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name) or not name.isascii():
                raise ValueError("a header's name has letters, digits and hyphens only")
            if any(ord(c) < 0x20 and c != "\t" for c in text):
                raise ValueError("a header is one line")
        return value


class DnsProbe(ProbeBase):
    """A DNS question to one server."""

    type: Literal["dns"]
    """A DNS question."""
    question: Name
    """The name asked for, absolute."""
    rrtype: Name = "A"
    """The type asked for."""
    server: Address
    """Who is asked: address[:port]."""
    expect: Values = ()
    """The answer as RDATA, as a set; any answer by default."""


class CommandProbe(ProbeBase):
    """An argument list, run without a shell, only with --allow-commands."""

    type: Literal["command"]
    """A command: exit code 0 is success, 75 an error, any other a failure."""
    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    """The command and its arguments; no shell is involved."""

    @field_validator("argv")
    @classmethod
    def _runnable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0]:
            raise ValueError("the command is empty")
        return value


def _line(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("what is said to a mail host is one line of printable ASCII")
    return value


def _mailbox(value: str) -> str:
    if value and (value.count("@") != 1 or any(c in value for c in " <>") or value[0] == "@" or value[-1] == "@"):
        raise ValueError("a mailbox is written as postmaster@example.com")
    return _line(value)


Line = Annotated[Name, AfterValidator(_line)]


class SmtpProbe(ProbeBase):
    """An SMTP dialogue up to EHLO, STARTTLS or a recipient; no message is sent."""

    type: Literal["smtp"]
    """An SMTP dialogue up to EHLO, STARTTLS or a recipient; no message is sent."""
    target: Host
    """The mail host's name, which its certificate must have too, or an address."""
    address: str | None = None
    """Connect to this IP address whatever the target resolves to."""
    port: Port = 25
    """TCP port."""
    starttls: Literal["required", "optional", "never"] = "optional"
    """Whether the dialogue goes on to TLS."""
    verify: Flag | str | None = None
    """Whether to verify the certificate, or a file with the authorities to trust; true where STARTTLS is required."""
    valid_for: Duration = 0.0
    """How long the certificate must still be valid."""
    banner: Line | None = None
    """Text that the greeting must contain."""
    recipient: Annotated[Name, AfterValidator(_mailbox)] | None = None
    """A mailbox that must be taken (RCPT TO); nothing is sent to it."""
    sender: Annotated[str, AfterValidator(_mailbox)] = ""
    """The envelope's sender for it; the null sender by default."""
    helo: Line | None = None
    """The name in EHLO; by default this machine's address, as an address literal."""

    @field_validator("verify", mode="before")
    @classmethod
    def _flag_or_file(cls, value: object) -> object:
        return _true_false_or_file(value)

    @field_validator("address")
    @classmethod
    def _pin(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError("an address is an IP address; the port has a key of its own") from None
        return value


ProbeConfig = Annotated[TcpProbe | HttpProbe | DnsProbe | CommandProbe | SmtpProbe, Field(discriminator="type")]
