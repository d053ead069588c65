"""The gate of a probe: results folded to counts, and what the counts mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict

GateVerdict = Literal["passing", "failed", "inconclusive"]
HISTORY = 60  # marks kept for the terminal


@dataclass(frozen=True, slots=True)
class GateState:
    """Counts since the stage's change. `history`: the latest results, oldest first."""

    successes: int = 0
    failures: int = 0
    errors: int = 0
    consecutive_successes: int = 0
    consecutive_failures: int = 0
    consecutive_errors: int = 0
    last: ProbeResult | None = None
    last_failure: ProbeResult | None = None
    history: tuple[tuple[Verdict, float], ...] = ()

    @property
    def total(self) -> int:
        """All results that tell something: errors are in neither numerator nor denominator."""
        return self.successes + self.failures


def observe(state: GateState, result: ProbeResult, spec: ProbeSpec) -> GateState:
    """The state after one more result. An error breaks no row of failures and no row of successes' meaning:
    it could not tell, so both rows stand."""
    state = replace(state, last=result, history=(*state.history, (result.verdict, result.latency))[-HISTORY:])
    match result.verdict:
        case Verdict.SUCCESS:
            return replace(
                state,
                successes=state.successes + 1,
                consecutive_successes=state.consecutive_successes + 1,
                consecutive_failures=0,
                consecutive_errors=0,
            )
        case Verdict.FAILURE:
            return replace(
                state,
                failures=state.failures + 1,
                consecutive_failures=state.consecutive_failures + 1,
                consecutive_successes=0,
                consecutive_errors=0,
                last_failure=result,
            )
        case Verdict.ERROR:
            return replace(state, errors=state.errors + 1, consecutive_errors=state.consecutive_errors + 1)
        case _:
            assert_never(result.verdict)


def gate_verdict(state: GateState, spec: ProbeSpec) -> GateVerdict:
    """Failed once a limit of failures is reached; passing once enough successes in a row were seen, and still stand;
    else inconclusive. No data is not a pass."""
    if spec.failure_limit is not None and state.failures >= max(1, spec.failure_limit):
        return "failed"
    limit = spec.consecutive_failure_limit
    if limit is not None and state.consecutive_failures >= max(1, limit):
        return "failed"
    error_limit = spec.consecutive_error_limit
    if error_limit is not None and state.consecutive_errors >= max(1, error_limit):
        return "inconclusive"
    return "passing" if state.consecutive_successes >= spec.consecutive_successes else "inconclusive"
