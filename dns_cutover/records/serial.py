"""Serial numbers of zones (RFC 1982). Pure."""

from __future__ import annotations


def serial_newer(a: int, b: int) -> bool:
    """Whether SOA serial `a` comes after `b` (RFC 1982 section 3.2)."""
    return a != b and (a - b) % 2**32 < 2**31
