"""DC1xx: the plan itself. DC101-DC125 are found while the plan is read, in `plan/`."""

from __future__ import annotations

from dns_cutover.checks import plan_form, plan_sense
from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = (*plan_form.CHECKS, *plan_sense.CHECKS)
