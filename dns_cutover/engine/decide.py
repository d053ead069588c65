"""The next single action of a run. Pure: a function of the state and the time."""

from __future__ import annotations

from typing import assert_never

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
from dns_cutover.engine.rollback import committed_stages
from dns_cutover.engine.state import RunState
from dns_cutover.probes.gate import GateState, gate_verdict
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.runbook.model import Step, StepKind
from dns_cutover.runbook.window import window_opens

LOOK_AGAIN = 2.0  # seconds between rounds while servers disagree: a transfer takes milliseconds to seconds
MISSES_BEFORE_START = 3  # an unreachable provider before the first write ends the run: nothing is at stake yet
PREFLIGHT_PATIENCE = 60.0  # seconds in which a late secondary may still catch up before a stage
PAUSED_LOOK = 60.0


def decide(s: RunState, now: float) -> Action:
    """What to do next at `now` (seconds UTC, bounded by the provider's clock)."""
    if s.final:
        return Done(s.outcome or "aborted")
    if s.misses and now < (retry := _retry_at(s)):
        return _missed(s, now, retry)
    if s.pending is not None:
        return Resolve()
    if s.outcome is not None:
        for zone in s.tokens:
            return Lock(zone, "release")
        return Emit(ev.Finished(now, s.outcome))
    if s.asked is not None and s.back is None:
        return _asked(s, s.asked, now)
    if s.misses and (given_up := _give_up(s, now)) is not None:
        return given_up
    if s.hold is not None and s.back is None:
        return _held(s, s.hold, now)
    if s.lock_lost is not None and (lost := _lock_lost(s, s.lock_lost, now)) is not None:
        return lost
    step = s.step
    if step is None:
        return Emit(ev.Finishing(now, *_ending(s)))
    for zone, token in s.tokens.items():
        if now >= token.until - s.book.grace / 2:
            return Lock(zone, "renew")
    return _step(s, step, now)


# -- how a run ends ---------------------------------------------------------------------------------------------


def _ending(s: RunState) -> tuple[ev.Outcome, str]:
    if s.back is None:
        return "succeeded", ""
    if s.left or s.unproven:
        return "rollback_failed", "not everything could be taken back" if s.left else "it could not be verified"
    cause = s.cause
    if cause is not None and cause.cause == "confirm":
        return "declined", cause.why
    if not s.done:
        return "aborted", cause.why if cause else ""
    return "rolled_back", cause.why if cause else ""


def _asked(s: RunState, command: ev.Command, now: float) -> Action:
    if command.verb == "keep":
        return Emit(ev.Finishing(now, "aborted", f"ended by {command.by}; the records stay as they are"))
    cause = "ignored" if command.subject == "ignored" else "command"
    why = command.by if cause == "ignored" else f"asked for by {command.by}"
    step = s.step.id if s.step else ""
    return Emit(ev.RollbackStarted(now, step, "ignored" if cause == "ignored" else "command", why))


def may_roll_back(s: RunState) -> tuple[bool, str]:
    """Whether a rollback may start by itself now, and if not, why."""
    policy, step = s.book.rollback, s.step
    if not policy.automatic:
        return False, "the plan says rollback: automatic: false"
    if policy.until is not None and s.looked > policy.until:
        return False, "the way back ended (rollback.until)"
    if step is not None and step.stage in committed_stages(s.book, s.i):
        return False, f"stage {step.stage} is past its commit point"
    for spec in step.probes if step else ():
        if spec.role == "way_back" and gate_verdict(s.gates.get(spec.name, GateState()), spec) == "failed":
            return False, f"{spec.name} fails: going back would not help"
    return True, ""


def _fail(s: RunState, now: float, cause: str, why: str) -> Action:
    """Something is wrong: go back by itself, or stand still and page where that is not allowed or no help."""
    step = s.step.id if s.step else ""
    allowed, reason = may_roll_back(s)
    if allowed:
        match cause:
            case "probe" | "deadline" | "violators" | "confirm" | "inconclusive":
                return Emit(ev.RollbackStarted(now, step, cause, why))
            case _:
                raise ValueError(cause)
    kind = "way_back" if "going back would not help" in reason else "committed"
    return Emit(ev.Held(now, step, "way_back" if kind == "way_back" else "committed", f"{why}; {reason}"))


# -- standing still ---------------------------------------------------------------------------------------------


def commands(s: RunState, *verbs: str) -> tuple[tuple[str, str], ...]:
    """(command, effect) pairs for the verbs, in that order."""
    effects = {
        "resume": "go on",
        "rollback": "undo everything",
        "abort --keep": "end the run, leave the records as they are",
    }
    out = []
    for verb in verbs:
        head, _, tail = verb.partition(" ")
        out.append((f"dns-cutover {head} {s.run_id}{' ' + tail if tail else ''}", effects[verb]))
    return tuple(out)


def _held(s: RunState, hold: ev.Held, now: float) -> Action:
    if hold.kind in ("conflict", "refused"):
        if not s.done:
            return Emit(ev.Finishing(now, "conflict" if hold.kind == "conflict" else "refused", hold.why))
        for zone in s.tokens:
            return Lock(zone, "release")
        return Wait(now + PAUSED_LOOK, "conflict", hold.why, None, commands(s, "resume", "rollback", "abort --keep"))
    step = s.step
    end = None
    if s.exposed_since is not None and step is not None and hold.kind in ("violators", "unreachable", "paused"):
        end = hold.ts + s.book.rollback.max_pause
        if now >= end and step.gate.on_inconclusive == "rollback" and may_roll_back(s)[0]:
            return Emit(ev.RollbackStarted(now, step.id, "inconclusive", f"{hold.why}; nobody decided in time"))
        if step.gate.on_inconclusive == "pause":
            end = None
    for zone, token in s.tokens.items():
        if now >= token.until - s.book.grace / 2:
            return Lock(zone, "renew")
    until = min(now + PAUSED_LOOK, end if end is not None else float("inf"))
    return Wait(until, "paused", hold.why, end, commands(s, "resume", "rollback", "abort --keep"))


def _retry_at(s: RunState) -> float:
    return (s.missed.ts if s.missed else 0.0) + min(30.0, float(2 ** min(s.misses, 5)))


def _missed(s: RunState, now: float, retry: float) -> Action:
    what = s.missed.what if s.missed else "the provider cannot be reached"
    return (
        Wait(retry, "provider", what, None, commands(s, "rollback") if s.back is None else ())
        if s.asked is None
        else _asked_or_wait(s, s.asked, now, retry, what)
    )


def _asked_or_wait(s: RunState, asked: ev.Command, now: float, retry: float, what: str) -> Action:
    if s.pending is None and s.outcome is None and s.back is None:
        return _asked(s, asked, now)
    return Wait(retry, "provider", what, None)


def _give_up(s: RunState, now: float) -> Action | None:
    missed = s.missed
    if missed is None:
        return None
    if s.back is None and not s.done:
        if s.misses >= MISSES_BEFORE_START:
            return Emit(ev.Finishing(now, "unreachable", missed.what))
        return None
    deadline = s.missed_since + (s.step.gate.deadline if s.step else 900.0)
    if missed.ts <= deadline:
        return None
    if s.back is None:
        return None if s.hold is not None else Emit(ev.Held(now, missed.step, "unreachable", missed.what))
    return Emit(ev.Finishing(now, "rollback_failed", missed.what))


def _lock_lost(s: RunState, lost: ev.LockLost, now: float) -> Action | None:
    """Somebody else holds the zone: stand back until its time is over; before the first write, give up."""
    if now >= lost.until:
        return None
    if not s.done:
        return Emit(ev.Finishing(now, "locked", f"the lock is held by run {lost.holder}"))
    why = f"run {lost.holder} holds the lock of the zone"
    return Wait(min(now + 30.0, lost.until), "lock", why, float(lost.until))


# -- steps ------------------------------------------------------------------------------------------------------


def _step(s: RunState, step: Step, now: float) -> Action:
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
            return _confirm(s, step, now)
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
        dead = max((s.dead.get(e.key, 0.0) for e in step.edits), default=0.0)
        if now < dead:
            return _release_or(s, Wait(dead, "ttl", "caches may still hold a version with a longer TTL", dead), now)
        shut = _window_shut(s, step, now)
        if shut is not None:
            return shut
    if step.zone not in s.tokens:
        return Lock(step.zone, "acquire")
    return Write(step, undo=s.back is not None)


def _window_shut(s: RunState, step: Step, now: float) -> Wait | None:
    """Whatever held the run since its window opened: the stage's first message waits for an open window."""
    begun = any(w.stage == step.stage and w.kind is StepKind.APPLY for w in s.done)
    window = next((x.window for x in s.book.steps if x.stage == step.stage and x.window is not None), None)
    if begun or window is None or (opens := window_opens(window, now)) <= now:
        return None
    return Wait(opens, "window", f"the window of stage {step.stage} has closed meanwhile", opens)


def _release_or(s: RunState, wait: Wait, now: float) -> Action:
    """A long wait must not keep other teams out of the zone."""
    if (wait.deadline is None or wait.deadline - now > s.book.grace) and s.exposed_since is None:
        for zone in s.tokens:
            return Lock(zone, "release")
    return wait


def _dead_at(s: RunState, step: Step) -> float:
    return max((s.dead.get(x.key, 0.0) for x in step.exposures), default=0.0)


def _slowest(s: RunState, step: Step) -> str:
    """Why the wait is as long as it is."""
    last = max(step.exposures, key=lambda x: s.dead.get(x.key, 0.0), default=None)
    return f"{s.book.label(last.key)}: {last.old_why}" if last else ""


def _wait_ttl(s: RunState, step: Step, now: float) -> Action:
    dead = _dead_at(s, step)
    if now >= dead:
        return Emit(ev.StepDone(now, step.id, "every cached answer of the old version is dead"))
    why = f"caches may still hold old answers ({_slowest(s, step)})"
    return _release_or(s, Wait(dead, "ttl", why, dead), now)


def _wait(s: RunState, step: Step, now: float) -> Action:
    end = s.stage_ended + step.seconds
    if now >= end:
        return Emit(ev.StepDone(now, step.id, "the plan's pause is over"))
    return _release_or(s, Wait(end, "wait", f"stage {step.stage} waits as the plan says", end), now)


def _confirm(s: RunState, step: Step, now: float) -> Action:
    item = step.confirm
    if item is None or item.id in s.confirmed:
        return Emit(ev.StepDone(now, step.id, "confirmed"))
    if s.declined == item.id:
        return _fail(s, now, "confirm", f"{item.who} declined {item.id}")
    end = s.since + item.timeout if item.timeout is not None else None
    if end is not None and now >= end:
        return _fail(s, now, "confirm", f"{item.who} did not confirm {item.id} in time")
    unblock = ((f"dns-cutover confirm {s.run_id} {item.id} --by NAME", item.says),)
    wait = Wait(
        min(now + PAUSED_LOOK, end or float("inf")),
        "confirm",
        f"{item.who} has not confirmed {item.id} yet",
        end,
        unblock,
    )
    return _release_or(s, wait, now)


def _window(s: RunState, step: Step, now: float) -> Action:
    if step.window is None:
        return Emit(ev.StepDone(now, step.id, "no window"))
    opens = window_opens(step.window, now)
    if opens <= now:
        return Emit(ev.StepDone(now, step.id, "the window is open"))
    return _release_or(s, Wait(opens, "window", f"the window of stage {step.stage} is closed", opens), now)


def _preflight(s: RunState, step: Step, now: float) -> Action:
    for spec in step.probes:
        gate = s.gates.get(spec.name, GateState())
        if spec.role == "way_back" and gate.consecutive_failures:
            # No new stage starts while going back would not help.
            if gate_verdict(gate, spec) == "failed":
                return Emit(ev.Held(now, step.id, "way_back", f"{spec.name} fails: {_last_detail(s, spec)}"))
            return Probe(step, (spec,)) if now >= _next_probe(s, spec) else Wait(_next_probe(s, spec), "bake", "", None)
    if s.rounds >= 1:
        return Baseline(step)
    if s.trouble and s.looked > s.since + PREFLIGHT_PATIENCE:
        first = s.trouble[0]
        kind = "conflict" if all(t.wrong for t in s.trouble) else "unreachable"
        why = f"{first.server}: {first.detail}"
        return Emit(ev.Held(now, step.id, "conflict" if kind == "conflict" else "unreachable", why))
    if s.trouble and now < s.looked + LOOK_AGAIN:
        return Wait(
            s.looked + LOOK_AGAIN,
            "convergence",
            f"{s.trouble[0].server}: {s.trouble[0].detail}",
            s.since + PREFLIGHT_PATIENCE,
        )
    return Observe(step, before=True)


def _converge(s: RunState, step: Step, now: float) -> Action:
    watched = _watch(s, step, now) if s.back is None else None
    if watched is not None and not isinstance(watched, Wait):
        return watched
    next_probe = watched.until if watched is not None else float("inf")
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
            return _fail(s, now, "deadline", why)
        return Emit(ev.Held(now, step.id, "unreachable", why))
    again = s.looked + (LOOK_AGAIN if s.trouble or s.rounds == 0 else step.gate.round_gap) if s.looked else now
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
    if seen is None or now >= seen.next_due:
        return AskResolvers(step)
    if now < dead:
        why = f"caches may still hold old answers ({_slowest(s, step)})"
        return Wait(min(dead, seen.next_due, next_probe), "convergence", why, dead, commands(s, "rollback"))
    if not seen.complete and now < dead + step.gate.deadline:
        return Wait(
            min(seen.next_due, now + LOOK_AGAIN, next_probe), "convergence", "asking resolvers a last time", None
        )
    share = seen.agree / seen.counted if seen.counted else 1.0
    unsure = sum(n for name, n in seen.counts if name == "error")
    total = seen.counted + unsure
    proof = f"{seen.agree}/{seen.counted} resolvers agree with the model"
    if seen.counted and share < step.gate.share:
        why = f"{len(seen.violators)} resolvers serve the old answer past its life"
        match step.gate.violators:
            case "ignore" | "warn":
                return Emit(ev.StepDone(now, step.id, f"{proof}; {why}"))
            case "pause":
                return Emit(ev.Held(now, step.id, "violators", why))
            case "rollback":
                return _fail(s, now, "violators", why)
            case _:
                assert_never(step.gate.violators)
    if total and unsure / total > 1 - step.gate.share:
        why = f"{unsure} of {total} resolvers could not be asked"
        if step.gate.on_inconclusive == "rollback":
            return _fail(s, now, "inconclusive", why)
        return Emit(ev.Held(now, step.id, "violators", why))
    return Emit(ev.StepDone(now, step.id, proof))


def _watch(s: RunState, step: Step, now: float) -> Action | None:
    """Probes: act on a verdict, ask those that are due, else wait for the next; None: there are none."""
    for spec in step.probes:
        if spec.role != "health" or spec.report_only:
            continue
        match gate_verdict(s.gates.get(spec.name, GateState()), spec):
            case "failed":
                return _fail(s, now, "probe", f"{spec.name} failed: {_last_detail(s, spec)}")
            case "inconclusive":
                why = f"{spec.name} cannot tell: {_last_detail(s, spec)}"
                if _errors_in_a_row(s, spec):  # fewer, or no result yet, is no verdict
                    if spec.on_inconclusive == "rollback":
                        return _fail(s, now, "inconclusive", why)
                    return Emit(ev.Held(now, step.id, "paused", why))
            case _:
                pass
    due = [p for p in step.probes if now >= _next_probe(s, p)]
    if due:
        controls = [p for p in step.probes if p.role == "control" and p not in due]
        return Probe(step, (*due, *controls))
    if not step.probes:
        return None
    return Wait(min(_next_probe(s, p) for p in step.probes), "bake", "", None)


def _next_probe(s: RunState, spec: ProbeSpec) -> float:
    last = s.probed.get(spec.name)
    if last is None:
        return (s.exposed_since or s.since) + spec.initial_delay
    return last + spec.interval


def _last_detail(s: RunState, spec: ProbeSpec) -> str:
    gate = s.gates.get(spec.name)
    return gate.last.detail if gate is not None and gate.last is not None else "no result yet"


def _errors_in_a_row(s: RunState, spec: ProbeSpec) -> bool:
    gate = s.gates.get(spec.name)
    limit = spec.consecutive_error_limit
    return gate is not None and limit is not None and gate.consecutive_errors >= limit


def _bake(s: RunState, step: Step, now: float) -> Action:
    end = s.since + step.seconds
    watched = _watch(s, step, now)
    if watched is not None and not isinstance(watched, Wait):
        return watched
    passing = all(
        gate_verdict(s.gates.get(p.name, GateState()), p) == "passing"
        for p in step.probes
        if p.role == "health" and not p.report_only
    )
    if now >= end and passing:
        return Emit(ev.StepDone(now, step.id, "baked"))
    until = min(end if now < end else float("inf"), watched.until if watched is not None else float("inf"))
    why = "watched at the low TTL, so that a rollback is quick" if now < end else "waiting for every probe to pass"
    return Wait(max(until, now), "bake", why, end if now < end else None, commands(s, "rollback"))
