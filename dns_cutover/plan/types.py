"""The small types of the plan file: durations, shares, counts, endpoints."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dns_cutover.address import split_address
from dns_cutover.lookup.interface import Endpoint, Transport


class Model(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_MAX_SECONDS = 10 * 366 * 86400.0
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)")
DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d|w)$"
VARIABLE_PATTERN = r"\$\{[^}]*\}"  # the schema looks at the file before variables are filled in
_IN_TEXT = {"type": "string", "pattern": VARIABLE_PATTERN}


def parse_duration(value: Any) -> float:
    """`90s`, `15m`, `48h`, `2d` in seconds, ten years at most. Raises ValueError; a bare number is refused."""
    if isinstance(value, bool) or not isinstance(value, str):
        bare = f", such as {value}s" if isinstance(value, int) and not isinstance(value, bool) else ""
        raise ValueError(f"a duration is a number with a unit{bare or ', such as 90s, 15m, 48h or 2d'}")
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError(f"{shorten(value)} is no duration: write a number with a unit, such as 90s, 15m, 48h or 2d")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _MAX_SECONDS:
        raise ValueError(f"{value} is longer than ten years")
    return seconds


def as_written(seconds: float) -> str:
    """A duration as the plan writes it: in the largest unit that leaves a whole number, `90s`, `15m`, `2d`."""
    whole = round(seconds)
    if abs(seconds - whole) > 1e-6:
        return f"{seconds:g}s"
    units = ((u, round(_UNITS[u])) for u in ("d", "h", "m"))
    return next((f"{whole // size}{unit}" for unit, size in units if whole and whole % size == 0), f"{whole}s")


def shorten(text: str, limit: int = 60) -> str:
    """`text` quoted as Python would, cut to `limit`: it may be hostile, and long."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def parse_ttl(value: Any) -> int:
    """A TTL: whole seconds, bare or as a duration. Raises ValueError."""
    number = isinstance(value, int) and not isinstance(value, bool)
    digits = isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value)  # a variable's value is text
    if not number and not digits and not (isinstance(value, str) and _DURATION.fullmatch(value)):
        raise ValueError("a TTL is a whole number of seconds, or a duration such as 5m")
    seconds = float(value) if number or digits else parse_duration(value)
    if not 0 <= seconds <= 2**31 - 1 or seconds != int(seconds):
        raise ValueError("a TTL is a whole number of seconds from 0 to 2147483647 (RFC 2181 section 8)")
    return int(seconds)


def parse_restore(value: Any) -> Any:
    """`original`, `keep`, or a TTL. Raises ValueError."""
    return value if value in ("original", "keep") else parse_ttl(value)


def _parse_share(value: Any) -> float:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?%", value):
        raise ValueError("a share is a percentage, such as 95%")
    share = float(value[:-1]) / 100
    if not 0 < share <= 1:
        raise ValueError("a share is more than 0% and at most 100%")
    return share


def _count(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
        return int(value)  # a variable's value is text
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("write a whole number")
    return value


def _flag(value: Any) -> Any:
    if value in ("true", "false"):
        return value == "true"  # a variable's value is text
    if not isinstance(value, bool):
        raise ValueError("write true or false: in YAML 1.2 yes, no, on and off are texts")
    return value


_TTL_SCHEMA = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_DURATION_SCHEMA = {"type": "string", "pattern": DURATION_PATTERN}
Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"anyOf": [_DURATION_SCHEMA, _IN_TEXT], "examples": ["15m"]})
]
Ttl = Annotated[int, BeforeValidator(parse_ttl), WithJsonSchema({"anyOf": [_TTL_SCHEMA, _DURATION_SCHEMA, _IN_TEXT]})]
Restore = Annotated[
    str | int,
    BeforeValidator(parse_restore),
    WithJsonSchema({"anyOf": [{"enum": ["original", "keep"]}, _TTL_SCHEMA, _DURATION_SCHEMA, _IN_TEXT]}),
]
Share = Annotated[
    float,
    BeforeValidator(_parse_share),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})?%$"}, _IN_TEXT]}),
]
Flag = Annotated[bool, BeforeValidator(_flag)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_count)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_count)]
Status = Annotated[int, Field(ge=100, le=599), BeforeValidator(_count)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
Reason = Annotated[str, Field(min_length=3, max_length=1000)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def parse_endpoint(text: str, name: str = "", transport: Transport = "udp") -> Endpoint:
    """`address[:port]` as an endpoint; the port is the transport's own by default. Raises ValueError."""
    host, given = split_address(text)
    port = given or (853 if transport in ("tls", "quic") else 443 if transport == "https" else 53)
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"{shorten(host)} is no IP address") from None
    return Endpoint(name or text, address, port, transport)


def _check_endpoint(value: str) -> str:
    given = ipaddress.ip_address(parse_endpoint(value).address)
    address = getattr(given, "ipv4_mapped", None) or given
    # Whoever reads the plan sends there: to one server, never to all machines of a network or to this one's neighbours.
    if address.is_multicast or address.is_unspecified or address.is_link_local or address == _BROADCAST:
        raise ValueError(f"{shorten(value)} is not the address of one server")
    return value


def _check_host_port(value: str) -> str:
    split_address(value)
    return value


Address = Annotated[str, AfterValidator(_check_endpoint), WithJsonSchema({"type": "string", "minLength": 1})]
HostPort = Annotated[str, AfterValidator(_check_host_port), WithJsonSchema({"type": "string", "minLength": 1})]


def one_or_many(value: Any) -> Any:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


_TEXTS = {"type": "array", "items": {"type": "string"}}
Values = Annotated[
    tuple[str, ...], BeforeValidator(one_or_many), WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS]})
]
