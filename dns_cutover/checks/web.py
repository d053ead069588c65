"""DC6xx: new targets, certificates and hints of web moves."""

from __future__ import annotations

from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = ()
