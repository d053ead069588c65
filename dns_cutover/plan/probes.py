"""A plan's probes as the plain values that a runbook carries."""

from __future__ import annotations

from dns_cutover.plan.models import CommandProbe, DnsProbe, HttpProbe, ProbeBase, SmtpProbe, TcpProbe
from dns_cutover.probes.interface import ProbeSpec


def probe_spec(probe: TcpProbe | HttpProbe | DnsProbe | CommandProbe | SmtpProbe) -> ProbeSpec:
    """The probe as plain data; what is not a gate field is an option of its type."""
    common = set(ProbeBase.model_fields)
    options = {
        k: v for k, v in probe.model_dump(mode="json").items() if k not in common and k != "type" and v is not None
    }
    return ProbeSpec(
        name=probe.name,
        type=probe.type,
        role=probe.role,
        options=options,
        interval=probe.interval,
        timeout=probe.timeout,
        initial_delay=probe.initial_delay,
        consecutive_successes=probe.consecutive_successes,
        failure_limit=probe.failure_limit,
        consecutive_failure_limit=probe.consecutive_failure_limit,
        consecutive_error_limit=probe.consecutive_error_limit,
        on_inconclusive=probe.on_inconclusive,
        report_only=probe.report_only,
    )
