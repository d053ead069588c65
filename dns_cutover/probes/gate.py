"""The gate of a probe: results folded to counts, and what the counts mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict

GateVerdict = Literal["passing", "failed", "inconclusive"]
HISTORY = 60  # marks kept for the terminal


@dataclass(frozen=True, slots=True)
class GateState:
    """Counts since the stage's change. `history`: the latest marks (verdict, latency in seconds), oldest first.

    `since`: when the gate began, seconds UTC; unknown by default. An error is in no row and ends none: it could not
    tell, so `consecutive_successes` and `consecutive_failures` are rows among the results that tell something.
    """

    successes: int = 0
    failures: int = 0
    errors: int = 0
    consecutive_successes: int = 0
    consecutive_failures: int = 0
    consecutive_errors: int = 0
    last: ProbeResult | None = None
    last_failure: ProbeResult | None = None
    history: tuple[tuple[Verdict, float], ...] = ()
    since: float | None = None

    @property
    def total(self) -> int:
        """All results that tell something: errors are in neither numerator nor denominator."""
        return self.successes + self.failures


def observe(state: GateState, result: ProbeResult, spec: ProbeSpec) -> GateState:
    """The state after one more result of the probe `spec`.

    A result from before the gate began, or from its `initial_delay`, is shown and counts for nothing: it came too
    early to tell anything about the change.
    """
    history = (*state.history, (result.verdict, result.latency))[-HISTORY:]
    if state.since is not None and result.at < state.since + spec.initial_delay:
        return replace(state, last=result, history=history)
    match result.verdict:
        case Verdict.SUCCESS:
            return replace(
                state,
                last=result,
                history=history,
                successes=state.successes + 1,
                consecutive_successes=state.consecutive_successes + 1,
                consecutive_failures=0,
                consecutive_errors=0,
            )
        case Verdict.FAILURE:
            return replace(
                state,
                last=result,
                history=history,
                failures=state.failures + 1,
                consecutive_failures=state.consecutive_failures + 1,
                consecutive_successes=0,
                consecutive_errors=0,
                last_failure=result,
            )
        case Verdict.ERROR:
            return replace(
                state,
                last=result,
                history=history,
                errors=state.errors + 1,
                consecutive_errors=state.consecutive_errors + 1,
            )
        case _:
            assert_never(result.verdict)


def gate_verdict(state: GateState, spec: ProbeSpec) -> GateVerdict:
    """What the counts mean. The first of these that applies:

    - `passing` for a probe that is `report_only`: it decides nothing, so it must stand in nobody's way;
    - `failed` once `failure_limit` failures in all, or `consecutive_failure_limit` in a row, were seen;
    - `inconclusive` once `consecutive_error_limit` errors in a row were seen;
    - `passing` while the latest `consecutive_successes` telling results are successes;
    - `inconclusive`: no data, or not enough. It is never a pass: at least one success is needed, whatever the limits.

    A limit of None never applies; one below 1 counts as 1.
    """
    if spec.report_only:
        return "passing"
    if _reached(state.failures, spec.failure_limit):
        return "failed"
    if _reached(state.consecutive_failures, spec.consecutive_failure_limit):
        return "failed"
    if _reached(state.consecutive_errors, spec.consecutive_error_limit):
        return "inconclusive"
    return "passing" if _reached(state.consecutive_successes, spec.consecutive_successes) else "inconclusive"


def _reached(count: int, limit: int | None) -> bool:
    return limit is not None and count >= max(1, limit)
