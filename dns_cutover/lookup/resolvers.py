"""The catalogue of resolvers: public presets, the system's, and the plan's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dns_cutover.lookup.interface import Endpoint

# Addresses as published by their operators.
PRESETS: dict[str, tuple[Endpoint, ...]] = {
    "cloudflare": (Endpoint("cloudflare", "1.1.1.1"), Endpoint("cloudflare", "1.0.0.1")),
    "google": (Endpoint("google", "8.8.8.8"), Endpoint("google", "8.8.4.4")),
    "quad9": (Endpoint("quad9", "9.9.9.9"), Endpoint("quad9", "149.112.112.112")),
    "opendns": (Endpoint("opendns", "208.67.222.222"), Endpoint("opendns", "208.67.220.220")),
}


def preset(name: str, resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[Endpoint, ...]:
    """The resolvers of a preset; "public" is all of them, "system" those of resolv.conf. Raises KeyError."""
    if name == "public":
        return tuple(e for group in PRESETS.values() for e in group)
    if name == "system":
        return system_resolvers(resolv_conf)
    return PRESETS[name]


def system_resolvers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[Endpoint, ...]:
    """The name servers of resolv.conf(5); empty where there is none."""
    try:
        lines = resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = (line.split() for line in lines)
    return tuple(Endpoint("system", w[1].partition("%")[0]) for w in words if len(w) >= 2 and w[0] == "nameserver")


def unique(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Without repeats by address, port and transport; the first name wins."""
    seen: dict[tuple[str, int, str], Endpoint] = {}
    for e in endpoints:
        seen.setdefault((e.address, e.port, e.transport), e)
    return tuple(seen.values())
