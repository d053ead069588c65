"""DC9xx: other tools that keep the same records."""

from __future__ import annotations

from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = ()
