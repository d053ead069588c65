"""The next single action of a run. Pure: a function of the state and the time."""

from __future__ import annotations

import math
from typing import Literal, assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import (
    Action,
    AskResolvers,
    Baseline,
    Done,
    Emit,
    Lock,
    Observe,
    Probe,
    Resolve,
    Wait,
    Write,
)
from dns_cutover.engine.holding import asked, commands, give_up, held, lock_lost, missed, moving, retry_at
from dns_cutover.engine.starting import confirm, declined, elsewhere, may_not_start, shut
from dns_cutover.engine.state import RunState
from dns_cutover.engine.watching import fail, last_detail, next_probe, watch
from dns_cutover.probes.gate import GateState, gate_verdict
from dns_cutover.runbook.model import Step, StepKind

LOOK_AGAIN = 2.0  # seconds between rounds while servers disagree: a transfer takes milliseconds to seconds
AT_LEAST = 0.5  # seconds between two rounds of questions to resolvers, whatever they said
LONG_AGO = 0.0  # seconds UTC: what nobody cached is dead
PREFLIGHT_PATIENCE = 60.0  # seconds in which a late secondary may still catch up before a stage


def decide(s: RunState, now: float) -> Action:
    """What to do next at `now` (seconds UTC, bounded by the provider's clock)."""
    if s.final:
        return Done(s.outcome or "aborted")
    if s.misses and now < (retry := retry_at(s, now)):
        return missed(s, now, retry)
    if s.pending is not None:
        return Resolve()
    if s.asked is None and (busy := moving(s, now)) is not None:
        return busy
    if s.outcome is not None:
        for zone in s.tokens:
            return Lock(zone, "release")
        return Emit(ev.Finished(now, s.outcome))
    if s.asked is not None and (s.back is None or s.asked.verb == "keep"):
        return asked(s, s.asked, now)
    if s.misses and (given_up := give_up(s, now)) is not None:
        return given_up
    if s.hold is not None and s.back is None:
        return held(s, s.hold, now)
    if s.lock_lost is not None and (lost := lock_lost(s, s.lock_lost, now)) is not None:
        return lost
    step = s.step
    if step is None:
        return Emit(ev.Finishing(now, *_ending(s)))
    for zone, token in s.tokens.items():
        if now >= token.until - s.book.grace / 2:
            return Lock(zone, "renew")
    return _step(s, step, now)


def _ending(s: RunState) -> tuple[ev.Outcome, str]:
    if s.back is None:
        return "succeeded", ""
    if s.left or s.unproven:
        return "rollback_failed", "not everything could be taken back" if s.left else "it could not be verified"
    cause = s.cause
    if cause is not None and (cause.cause == "confirm" or (cause.cause == "timeout" and not s.done)):
        return "declined", cause.why
    if not s.done:
        return "aborted", cause.why if cause else ""
    return "rolled_back", cause.why if cause else ""


def _step(s: RunState, step: Step, now: float) -> Action:
    if s.back is None and (skip := elsewhere(s, step, now)) is not None:
        return skip
    match step.kind:
        case StepKind.LOWER_TTL | StepKind.APPLY | StepKind.RESTORE_TTL:
            return _write(s, step, now)
        case StepKind.CONVERGE:
            return _converge(s, step, now)
        case StepKind.WAIT_TTL:
            return _wait_ttl(s, step, now)
        case StepKind.WAIT:
            return _wait(s, step, now)
        case StepKind.CONFIRM:
            return _release_or(s, confirm(s, step, now), now)
        case StepKind.WINDOW:
            return _window(s, step, now)
        case StepKind.PREFLIGHT:
            return _preflight(s, step, now)
        case StepKind.BAKE:
            return _bake(s, step, now)
        case _:
            assert_never(step.kind)


def _write(s: RunState, step: Step, now: float) -> Action:
    if not step.edits:
        return Emit(ev.StepDone(now, step.id, "nothing to write"))
    if s.back is None and step.kind is StepKind.APPLY:
        # A longer-lived version seen since the wait (Extended) must be dead as well. The way back never waits.
        if any(e.key in s.longer for e in step.edits):
            return _look_before(s, step, now)
        dead = max(s.dead.get(e.key, now) for e in step.edits)
        if now < dead:
            why = "caches may still hold a version with a longer TTL"
            return _release_or(s, Wait(dead, "ttl", why, dead, commands(s, "rollback", "abort --keep")), now)
        held = may_not_start(s, step, now)
        if held is not None:
            return _release_or(s, held, now)
    if step.zone not in s.tokens:
        return Lock(step.zone, "acquire")
    return Write(step, undo=s.back is not None)


def _release_or(s: RunState, wait: Action, now: float) -> Action:
    """A long wait must not keep other teams out of the zone."""
    if not isinstance(wait, Wait):
        return wait
    if (wait.deadline is None or wait.deadline - now > s.book.grace) and s.exposed_since is None:
        for zone in s.tokens:
            return Lock(zone, "release")
    return wait


def _dead_at(s: RunState, step: Step) -> float:
    return max((s.dead.get(x.key, LONG_AGO) for x in step.exposures), default=LONG_AGO)


def _slowest(s: RunState, step: Step) -> str:
    """Why the wait is as long as it is."""
    last = max(step.exposures, key=lambda x: s.dead.get(x.key, LONG_AGO))
    return f"{s.book.label(last.key)}: {last.old_why}"


def _wait_ttl(s: RunState, step: Step, now: float) -> Action:
    dead = _dead_at(s, step)
    if now >= dead:
        return Emit(ev.StepDone(now, step.id, "every cached answer of the old version is dead"))
    why = f"caches may still hold old answers ({_slowest(s, step)})"
    out = commands(s, "rollback", "abort --keep") if s.back is None else ()
    return _release_or(s, Wait(dead, "ttl", why, dead, out), now)


def _wait(s: RunState, step: Step, now: float) -> Action:
    end = s.stage_ended + step.seconds
    if now >= end:
        return Emit(ev.StepDone(now, step.id, "the plan's pause is over"))
    why = f"stage {step.stage} waits as the plan says"
    return _release_or(s, Wait(end, "wait", why, end, commands(s, "rollback", "abort --keep")), now)


def _window(s: RunState, step: Step, now: float) -> Action:
    held = declined(s, step, now) or shut(s, step, now)
    if held is None:
        proof = "TTLs are lowered now" if step.lead else "the window is open" if step.window else "nothing is frozen"
        return Emit(ev.StepDone(now, step.id, proof))
    return _release_or(s, held, now)


def _preflight(s: RunState, step: Step, now: float) -> Action:
    for spec in step.probes:
        gate = s.gates.get(spec.name, GateState())
        if spec.role == "way_back" and gate.consecutive_failures:
            # No new stage starts while going back would not help.
            if gate_verdict(gate, spec) == "failed":
                return Emit(ev.Held(now, step.id, "way_back", f"{spec.name} fails: {last_detail(s, spec)}"))
            due = next_probe(s, spec, now)
            return Probe(step, (spec,)) if now >= due else Wait(due, "bake", "", None)
    # Where a longer TTL was seen, the wait counts from the last server: one agreeing round is not enough for that.
    if s.rounds >= (2 if any(e.key in s.longer for e in step.edits) else 1):
        return Baseline(step)
    return _look_before(s, step, now)


def _look_before(s: RunState, step: Step, now: float) -> Action:
    """Look at all servers again, until they have what the step expects."""
    if s.rounds and now < s.looked + step.gate.round_gap:
        gap = s.looked + step.gate.round_gap
        return Wait(gap, "convergence", "a longer TTL was published meanwhile; a second look", gap)
    if s.trouble and s.looked > s.since + PREFLIGHT_PATIENCE:
        first = s.trouble[0]
        kind: Literal["conflict", "unreachable"] = "conflict" if all(t.wrong for t in s.trouble) else "unreachable"
        why = f"{first.server}: {first.detail}"
        return Emit(ev.Held(now, step.id, kind, why))
    if s.trouble and now < s.looked + LOOK_AGAIN:
        return Wait(
            s.looked + LOOK_AGAIN,
            "convergence",
            f"{s.trouble[0].server}: {s.trouble[0].detail}",
            s.since + PREFLIGHT_PATIENCE,
        )
    return Observe(step, before=True)


def _converge(s: RunState, step: Step, now: float) -> Action:
    watched = watch(s, step, now) if s.back is None else None
    if watched is not None and not isinstance(watched, Wait):
        return watched
    next_probe = watched.until if watched is not None else math.inf
    if not step.edits:
        return Emit(ev.StepDone(now, step.id, "nothing to verify"))
    if s.rounds < 2:
        return _authoritative(s, step, now, next_probe)
    if not step.resolvers or s.back is not None:
        return Emit(ev.StepDone(now, step.id, f"read back at {s.servers}/{s.servers} servers, two rounds"))
    return _resolvers(s, step, now, next_probe)


def _authoritative(s: RunState, step: Step, now: float, next_probe: float) -> Action:
    deadline = s.since + step.gate.deadline
    if s.trouble and s.looked > deadline:
        # An observation made after the deadline: a runner that was dead must not turn into a rollback.
        first = s.trouble[0]
        why = f"{first.server} {first.detail}"
        if s.back is not None:
            # This one cannot be proved: take back the rest all the same, and say so at the end.
            return Emit(ev.StepDone(now, step.id, why, proven=False))
        wrong = any(t.wrong for t in s.trouble)
        if (step.gate.wrong if wrong else step.gate.unreachable) == "rollback":
            return fail(s, now, "deadline", why)
        return Emit(ev.Held(now, step.id, "unreachable", why))
    again = s.looked + (LOOK_AGAIN if s.trouble or s.rounds == 0 else step.gate.round_gap)
    if now >= again:
        return Observe(step, before=False)
    if s.trouble:
        why = f"{s.trouble[0].server} {s.trouble[0].detail}"
        return Wait(
            min(again, next_probe), "convergence", why, deadline, commands(s, "rollback") if s.back is None else ()
        )
    return Wait(min(again, next_probe), "convergence", "all servers agree; asking once more", again)


def _resolvers(s: RunState, step: Step, now: float, next_probe: float) -> Action:
    dead = _dead_at(s, step)
    seen = s.resolvers
    due = max(seen.next_due, seen.ts + AT_LEAST) if seen is not None else now
    if seen is None or now >= due:
        return AskResolvers(step)
    if now < dead:
        why = f"caches may still hold old answers ({_slowest(s, step)})"
        return Wait(min(dead, due, next_probe), "convergence", why, dead, commands(s, "rollback"))
    if not seen.complete and now < dead + step.gate.deadline:
        return Wait(min(due, now + LOOK_AGAIN, next_probe), "convergence", "asking resolvers a last time", None)
    unsure = sum(n for name, n in seen.counts if name == "error")
    total = seen.counted + unsure
    proof = f"{seen.agree}/{seen.counted} resolvers agree with the model"
    if not total:
        proof = "the model alone says so: the plan lists no resolvers"
    if seen.counted and seen.agree / seen.counted < step.gate.share:
        why = f"{len(seen.violators)} resolvers serve the old answer past its life"
        match step.gate.violators:
            case "ignore" | "warn":
                return Emit(ev.StepDone(now, step.id, f"{proof}; {why}"))
            case "pause":
                return Emit(ev.Held(now, step.id, "violators", why))
            case "rollback":
                return fail(s, now, "violators", why)
            case _:
                assert_never(step.gate.violators)
    if total and unsure / total > 1 - step.gate.share:
        why = f"{unsure} of {total} resolvers could not be asked"
        if step.gate.on_inconclusive == "rollback":
            return fail(s, now, "inconclusive", why)
        return Emit(ev.Held(now, step.id, "violators", why))
    return Emit(ev.StepDone(now, step.id, proof))


def _bake(s: RunState, step: Step, now: float) -> Action:
    end = s.since + step.seconds
    watched = watch(s, step, now)
    if watched is not None and not isinstance(watched, Wait):
        return watched
    passing = all(
        gate_verdict(s.gates.get(p.name, GateState()), p) == "passing"
        for p in step.probes
        if p.role == "health" and not p.report_only
    )
    if now >= end and passing:
        return Emit(ev.StepDone(now, step.id, "baked"))
    until = min(end if now < end else math.inf, watched.until if watched is not None else math.inf)
    why = "watched at the low TTL, so that a rollback is quick" if now < end else "waiting for every probe to pass"
    return Wait(max(until, now), "bake", why, end if now < end else None, commands(s, "rollback"))
