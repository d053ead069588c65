"""What the engine asks of probes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol


class Verdict(StrEnum):
    """Failure: the service is wrong (a timeout, a reset, a TLS fault and a target that does not resolve at its own
    authority included). Error: we could not tell (no local route, a missing credential, a failing control)."""

    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


KINDS = ("tcp", "http", "dns", "smtp", "command")
"""The types of probe that this version can run; the plan format knows more."""
MAX_TIMEOUT = 600.0
"""Seconds: no runbook makes a probe hang for longer."""

Role = Literal["health", "way_back", "control"]


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """One probe of a runbook: plain data. `options` are the type's own (target, url, argv, …).

    Gate fields as in DESIGN section 7; durations in seconds; a limit of None never triggers.
    """

    name: str
    type: str
    role: Role
    options: Mapping[str, Any]
    interval: float = 10.0
    timeout: float = 5.0
    initial_delay: float = 0.0
    consecutive_successes: int = 1
    failure_limit: int | None = None
    consecutive_failure_limit: int | None = 3
    consecutive_error_limit: int | None = 6
    on_inconclusive: Literal["pause", "rollback"] = "pause"
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe saw. `at` seconds UTC, `latency` seconds, `detail` hostile text: escape it where shown."""

    name: str
    verdict: Verdict
    at: float
    latency: float
    detail: str = ""


class Prober(Protocol):
    """Runs probes of one run."""

    async def ask(self, probes: Collection[ProbeSpec]) -> tuple[ProbeResult, ...]:
        """Run the given probes at once, each within its timeout; one result per probe, in their order. Never raises."""
        ...
