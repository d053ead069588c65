"""DC1xx: the plan itself. DC101-DC125 are found while the plan is read, in `plan/`."""

from __future__ import annotations

from dns_cutover.checks import (
    plan_form,
    plan_names,
    plan_notify,
    plan_probes,
    plan_run,
    plan_sense,
    plan_text,
    plan_values,
)
from dns_cutover.checks.interface import Check

CHECKS: tuple[Check, ...] = (
    *plan_form.CHECKS,
    *plan_sense.CHECKS,
    *plan_names.CHECKS,
    *plan_values.CHECKS,
    *plan_text.CHECKS,
    *plan_probes.CHECKS,
    *plan_run.CHECKS,
    *plan_notify.CHECKS,
)
