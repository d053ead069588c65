"""Probes decide: act on a verdict, ask those that are due; and whether a rollback may start by itself. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Action, Emit, Probe, Wait
from dns_cutover.engine.rollback import has_begun
from dns_cutover.engine.state import RunState
from dns_cutover.probes.gate import GateState, gate_verdict
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.runbook.model import Step

Cause: TypeAlias = Literal["probe", "deadline", "violators", "confirm", "inconclusive", "timeout"]


def may_roll_back(s: RunState, now: float) -> tuple[bool, str]:
    """Whether a rollback may start by itself now, and if not, why."""
    policy, step = s.book.rollback, s.step
    if not policy.automatic:
        return False, "the plan says rollback: automatic: false"
    if policy.until is not None and now > policy.until:
        return False, "the way back ended (rollback.until)"
    if committed := next((c for c in s.book.stages if c.commit == "before" and has_begun(s.book, c.name, s.i)), None):
        return False, f"stage {committed.name} is past its commit point"
    for spec in step.probes if step else ():
        if spec.role == "way_back" and gate_verdict(s.gates.get(spec.name, GateState()), spec) == "failed":
            return False, f"{spec.name} fails: going back would not help"
    return True, ""


def fail(s: RunState, now: float, cause: Cause, why: str) -> Action:
    """Something is wrong: go back by itself, or stand still and page where that is not allowed or no help."""
    step = s.step.id if s.step else ""
    allowed, reason = may_roll_back(s, now)
    if allowed:
        return Emit(ev.RollbackStarted(now, step, cause, why))
    kind: Literal["way_back", "committed"] = "way_back" if "going back would not help" in reason else "committed"
    return Emit(ev.Held(now, step, kind, f"{why}; {reason}"))


def watch(s: RunState, step: Step, now: float) -> Action | None:
    """Probes: act on a verdict, ask those that are due, else wait for the next; None: there are none."""
    for spec in step.probes:
        if spec.role != "health" or spec.report_only:
            continue
        match gate_verdict(s.gates.get(spec.name, GateState()), spec):
            case "failed":
                return fail(s, now, "probe", f"{spec.name} failed: {last_detail(s, spec)}")
            case "inconclusive":
                why = f"{spec.name} cannot tell: {last_detail(s, spec)}"
                if errors_in_a_row(s, spec):  # fewer, or no result yet, is no verdict
                    if spec.on_inconclusive == "rollback":
                        return fail(s, now, "inconclusive", why)
                    return Emit(ev.Held(now, step.id, "paused", why))
            case "passing":
                pass
            case _ as never:
                assert_never(never)
    due = [p for p in step.probes if now >= next_probe(s, p, now)]
    if due:
        controls = [p for p in step.probes if p.role == "control" and p not in due]
        return Probe(step, (*due, *controls))
    if not step.probes:
        return None
    return Wait(min(next_probe(s, p, now) for p in step.probes), "bake", "", None)


def next_probe(s: RunState, spec: ProbeSpec, now: float) -> float:
    """When the probe is due (seconds UTC): at once if it was asked later than now, by a clock that nobody confirmed."""
    last = s.probed.get(spec.name)
    if last is None:
        return (s.exposed_since or s.since) + spec.initial_delay
    return now if last > now else last + spec.interval


def last_detail(s: RunState, spec: ProbeSpec) -> str:
    """What the probe saw last; hostile text."""
    gate = s.gates.get(spec.name)
    return gate.last.detail if gate is not None and gate.last is not None else "no result yet"


def errors_in_a_row(s: RunState, spec: ProbeSpec) -> bool:
    """Whether the probe could not tell so often in a row that it counts."""
    gate = s.gates.get(spec.name)
    limit = spec.consecutive_error_limit
    return gate is not None and limit is not None and gate.consecutive_errors >= limit


def watch_held(s: RunState, step: Step, now: float) -> Action | None:
    """While users are exposed somebody must watch, also when the run stands still: a failing probe takes it back."""
    for spec in step.probes:
        failed = gate_verdict(s.gates.get(spec.name, GateState()), spec) == "failed"
        if spec.role == "health" and not spec.report_only and failed and may_roll_back(s, now)[0]:
            return Emit(ev.RollbackStarted(now, step.id, "probe", f"{spec.name} failed: {last_detail(s, spec)}"))
    due = tuple(p for p in step.probes if now >= next_probe(s, p, now))
    return Probe(step, due) if due else None
