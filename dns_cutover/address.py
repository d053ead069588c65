"""`host`, `host:port`, `[v6]:port`, or a bare IPv6 address. Pure; used wherever people write a server."""

from __future__ import annotations


def split_address(text: str) -> tuple[str, int | None]:
    """Host and port, None where no port is given. Raises ValueError."""
    host, port = text, ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address: write [2001:db8::1]:53")
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host:
        raise ValueError(f"{text!r} has no host")
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is no port number")
    return host, int(port) if port else None
