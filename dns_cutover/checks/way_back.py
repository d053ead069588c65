"""DC8xx: whether there is a way back, and how long it is open."""

from __future__ import annotations

from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = ()
