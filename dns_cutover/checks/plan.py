"""DC1xx: the plan itself. Most of these are found while the plan is read, in `plan/`."""

from __future__ import annotations

from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = ()
