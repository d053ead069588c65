"""DC3xx: TTLs, and what the waits cannot make good."""

from __future__ import annotations

from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = ()
