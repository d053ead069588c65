"""The small types of the plan file: durations, shares, secrets' places, endpoints."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from dns_cutover.address import split_address
from dns_cutover.lookup.interface import Endpoint, Transport

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
DURATION_PATTERN = r"^\d+(\.\d+)?(ms|s|m|h|d|w)$"


def parse_duration(value: Any) -> float:
    """`90s`, `15m`, `48h`, `2d` in seconds. Raises ValueError; a bare number is refused."""
    if isinstance(value, bool) or not isinstance(value, str):
        raise ValueError("a duration is a number with a unit, such as 90s, 15m, 48h or 2d")
    if not re.fullmatch(DURATION_PATTERN[1:-1], value):
        raise ValueError(f"{value!r} is no duration: write a number with a unit, such as 90s, 15m, 48h or 2d")
    digits = value.rstrip("smhdw")
    return float(digits) * _UNITS[value[len(digits) :]]


def _parse_ttl(value: Any) -> int:
    number = isinstance(value, int) and not isinstance(value, bool)
    seconds = float(value) if number else parse_duration(value)
    if not 0 <= seconds <= 2**31 - 1 or seconds != int(seconds):
        raise ValueError("a TTL is a whole number of seconds from 0 to 2147483647 (RFC 2181 section 8)")
    return int(seconds)


def _parse_share(value: Any) -> float:
    text = value.removesuffix("%") if isinstance(value, str) else None
    if text is None or text == value:
        raise ValueError("a share is a percentage, such as 95%")
    try:
        share = float(text) / 100
    except ValueError:
        raise ValueError(f"{value!r} is no percentage") from None
    if not 0 < share <= 1:
        raise ValueError("a share is more than 0% and at most 100%")
    return share


Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
]
Ttl = Annotated[
    int,
    BeforeValidator(_parse_ttl),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": DURATION_PATTERN}]}),
]
Share = Annotated[
    float, BeforeValidator(_parse_share), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$"})
]


def parse_endpoint(text: str, name: str = "", transport: Transport = "udp") -> Endpoint:
    """`address[:port]` as an endpoint. Raises ValueError if the host is no IP address."""
    host, given = split_address(text)
    port = given or (853 if transport in ("tls", "quic") else 443 if transport == "https" else 53)
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"{host!r} is no IP address") from None
    return Endpoint(name or text, address, port, transport)


def _check_endpoint(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("an address is text: address[:port]")
    parse_endpoint(value)
    return value


def _check_host_port(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a server is text: host[:port]")
    split_address(value)
    return value


Address = Annotated[str, BeforeValidator(_check_endpoint)]
HostPort = Annotated[str, BeforeValidator(_check_host_port)]
