"""The catalogue of resolvers: public presets, the system's, and the plan's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from dns_cutover.lookup.interface import Endpoint, Transport

RESOLV_CONF = Path("/etc/resolv.conf")


def _both(name: str, *addresses: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(name, address) for address in addresses)


# Addresses as published by their operators.
PRESETS: Mapping[str, tuple[Endpoint, ...]] = MappingProxyType(
    {
        "cloudflare": _both("cloudflare", "1.1.1.1", "1.0.0.1"),
        "google": _both("google", "8.8.8.8", "8.8.4.4"),
        "quad9": _both("quad9", "9.9.9.9", "149.112.112.112"),
        "opendns": _both("opendns", "208.67.222.222", "208.67.220.220"),
    }
)

# The highest TTL, in seconds, that a public resolver was seen to keep (FACTS section 2: one author's measure of 2023).
_CAPS = {"google": 21600, "quad9": 43200, "opendns": 3600}
KNOWN_CAPS: Mapping[str, int] = MappingProxyType({e.address: _CAPS[name] for name in _CAPS for e in PRESETS[name]})


# What the operators offer beside plain DNS on port 53 (their own documentation).
PRESET_TRANSPORTS: Mapping[str, tuple[Transport, ...]] = MappingProxyType(
    {
        "cloudflare": ("udp", "tcp", "tls", "https"),
        "google": ("udp", "tcp", "tls", "https"),
        "quad9": ("udp", "tcp", "tls", "https"),
        "opendns": ("udp", "tcp", "https"),
    }
)


def preset_cap(name: str) -> int | None:
    """The highest TTL, in seconds, that a preset was seen to keep; None: none was seen."""
    return _CAPS.get(name)


def preset(name: str, resolv_conf: Path = RESOLV_CONF) -> tuple[Endpoint, ...]:
    """The resolvers of a preset; "public" is all of them, "system" those of resolv.conf. Raises KeyError."""
    if name == "public":
        return tuple(e for group in PRESETS.values() for e in group)
    if name == "system":
        return system_resolvers(resolv_conf)
    return PRESETS[name]


def catalogue(entries: Iterable[str | Endpoint], resolv_conf: Path = RESOLV_CONF) -> tuple[Endpoint, ...]:
    """Presets by name and resolvers by address, as a plan lists them, without repeats. Raises KeyError."""
    return unique(e for entry in entries for e in (preset(entry, resolv_conf) if isinstance(entry, str) else (entry,)))


def known_cap(endpoint: Endpoint) -> int | None:
    """The highest TTL that this resolver keeps, in seconds, where that is known."""
    return KNOWN_CAPS.get(endpoint.address)


def system_resolvers(resolv_conf: Path = RESOLV_CONF) -> tuple[Endpoint, ...]:
    """The name servers of resolv.conf(5), without repeats; empty where there is none."""
    try:
        lines = resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = (line.split() for line in lines)
    found = (w[1] for w in words if len(w) >= 2 and w[0] == "nameserver")
    # A link-local address keeps its zone (%eth0): without it nothing can be sent there.
    return unique(Endpoint("system", address) for address in found if _is_address(address))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def unique(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Without repeats by address, port and transport; the first name wins."""
    seen: dict[tuple[str, int, str], Endpoint] = {}
    for e in endpoints:
        seen.setdefault((e.address, e.port, e.transport), e)
    return tuple(seen.values())
