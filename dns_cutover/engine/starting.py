"""What may keep a stage from starting: approvals, its window, a freeze, and where its way back ends. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Action, Emit, Lock, Probe, Wait
from dns_cutover.engine.holding import PAUSED_LOOK, commands
from dns_cutover.engine.state import RunState
from dns_cutover.engine.watching import fail, last_detail, next_probe
from dns_cutover.probes.gate import GateState
from dns_cutover.runbook.model import Confirm, Step, StepKind
from dns_cutover.runbook.timeline import ahead_of, gains
from dns_cutover.runbook.window import frozen, longest, step_starts, window_closes
from dns_cutover.timing.words import bound

LOWERED, NOT_YET = "the TTLs were lowered already", "not yet: the stage would start no earlier"
PROOF_LOOK = 30.0  # seconds between looks of a probe that proves a confirmation: it may take a day


def may_not_start(s: RunState, step: Step, now: float) -> Action | None:
    """Before a stage's first message: whatever held the run since it was confirmed and its window opened."""
    if any(w.stage == step.stage and w.kind is StepKind.APPLY for w in s.done):
        return None
    own = [x for x in s.book.steps if x.stage == step.stage]
    for asking in own:
        item = asking.confirm
        if item is not None and item.by == "person" and (item.id not in s.confirmed or expired_at(s, asking, now)):
            return confirm(s, asking, now)
    for held in own:
        if held.kind is StepKind.WINDOW and not held.lead and (wait := shut(s, held, now)) is not None:
            return wait
    return _too_late(s, step, now)


def declined(s: RunState, step: Step, now: float) -> Action | None:
    """Somebody said no after all, while the stage waits for its window."""
    own = [x for x in s.book.steps if x.stage == step.stage and x.confirm is not None]
    return next((confirm(s, x, now) for x in own if x.confirm is not None and x.confirm.id in s.declined), None)


def _too_late(s: RunState, step: Step, now: float) -> Action | None:
    """No stage starts whose way back would end before it could be needed, unless somebody says so."""
    policy, stage = s.book.rollback, s.book.stage(step.stage)
    if policy.until is None or not policy.automatic or stage.commit == "before" or step.stage in s.late:
        return None
    if now + stage.needs <= policy.until:
        return None
    why = f"stage {step.stage} needs its way back for {bound(stage.needs)}, and rollback.until is {_utc(policy.until)}"
    return Emit(ev.Held(now, step.id, "until", why))


def shut(s: RunState, step: Step, now: float) -> Action | None:
    """What a window step waits for; None: nothing."""
    needs = s.book.stage(step.stage).needs
    try:
        opens = step_starts(s.book, step, now)
    except ValueError:
        longest_s = longest(step.window, now) if step.window is not None else 0.0
        why = f"stage {step.stage} needs {bound(needs)}, and its window is never open for more than {bound(longest_s)}"
        return Emit(ev.Held(now, step.id, "window", why))
    if opens <= now:
        return None
    freeze = frozen(s.book.freezes, now)
    closes = window_closes(step.window, now) if step.window is not None else now
    if step.lead:
        why = f"TTLs are lowered {bound(step.lead)} before stage {step.stage} may start"
    elif freeze is not None:
        why = f"no stage starts until {_utc(freeze.end)}: {freeze.because}"
    elif closes > now:
        why = f"stage {step.stage} needs {bound(needs)}, and its window closes {_utc(closes)}"
    elif step.window is None:
        why = f"stage {step.stage} needs {bound(needs)} and does not fit before the next freeze"
    else:
        why = f"the window of stage {step.stage} is closed"
    return Wait(opens, "window", why, opens, commands(s, "rollback", "abort --keep"))


def _utc(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def elsewhere(s: RunState, step: Step, now: float) -> Action | None:
    """A lowering that has two places: whether this one is not the one that is used."""
    if step.unless and written(s, step.unless):
        return Emit(ev.StepDone(now, step.id, LOWERED))
    if not step.ahead or written(s, ahead_of(step)):
        return None
    if (
        step.kind is StepKind.LOWER_TTL
        and frozen(s.book.freezes, now) is None
        and gains(s.book, s.i, now, s.stage_ended, s.dead)
    ):
        return None
    return Emit(ev.StepDone(now, step.id, NOT_YET))


def written(s: RunState, name: str) -> bool:
    """Whether a message of the write `name` was applied; a write may have several."""
    return any(w.step == name or w.step.startswith(f"{name}:") for w in s.done)


def expired_at(s: RunState, step: Step, now: float) -> float | None:
    """When what was confirmed came to count no more (seconds UTC); None: it counts, or was never given."""
    item = step.confirm
    said = s.confirmed.get(item.id) if item is not None else None
    if item is None or said is None or item.valid_for is None or now < said.ts + item.valid_for:
        return None
    return said.ts + item.valid_for


def confirm(s: RunState, step: Step, now: float) -> Action:
    """A stage waits for a person, or for a probe that proves the fact."""
    item = step.confirm
    if item is None:
        return Emit(ev.StepDone(now, step.id, "nothing to confirm"))
    if s.back is not None:
        return _opposite(s, step, item, now)
    if item.id in s.declined:
        return fail(s, now, "confirm", f"{item.who} declined {item.id}")
    expired = expired_at(s, step, now)
    if item.id in s.confirmed and expired is None:
        said = s.confirmed[item.id]
        return Emit(ev.StepDone(now, step.id, f"confirmed by {said.by}"))
    end = max(s.since, expired or 0.0) + item.timeout if item.timeout is not None else None
    if end is not None and now >= end:
        why = f"{item.who} did not confirm {item.id} in time"
        if item.on_timeout == "pause":
            return Emit(ev.Held(now, step.id, "confirm", why))
        return fail(s, now, "confirm" if item.on_timeout == "decline" else "timeout", why)
    again, why = now + PAUSED_LOOK, f"{item.who} has not confirmed {item.id} yet"
    if expired is not None:
        why = f"{item.who} confirmed {item.id} too long ago ({_utc(s.confirmed[item.id].ts)}): it is needed again"
    for spec in step.probes:
        gate = s.gates.get(spec.name, GateState())
        if gate.consecutive_successes >= max(1, spec.consecutive_successes):
            return Emit(ev.StepDone(now, step.id, f"proved by {spec.name}"))
        again = max(next_probe(s, spec, now), s.probed.get(spec.name, s.since) + PROOF_LOOK if gate.last else 0.0)
        if now >= again:
            return Probe(step, (spec,))
        why = f"{spec.name} does not prove {item.id} yet: {last_detail(s, spec)}"
    head = f"dns-cutover confirm {s.run_id} {item.id}"
    unblock = ((f"{head} --by NAME", item.says), (f"{head} --decline --by NAME", "it is not so: the run goes back"))
    return Wait(min(again, end or float("inf")), "confirm", why, end, (*unblock, *commands(s, "rollback")))


def _opposite(s: RunState, step: Step, item: Confirm, now: float) -> Action:
    """On the way back: what was confirmed has to be undone by those who confirmed it, before anything older is."""
    if item.id in s.undone:
        return Emit(ev.StepDone(now, step.id, "undone, says who confirmed it"))
    if item.id in s.waived:
        return Emit(ev.StepDone(now, step.id, "not confirmed: somebody decided to go on without it"))
    for zone in s.tokens:
        return Lock(zone, "release")
    head = f"dns-cutover confirm {s.run_id} {item.id}"
    unblock = ((f"{head} --undone --by NAME", item.undo), (f"{head} --waive --by NAME", "go on without it"))
    why = f"{item.who} has not confirmed yet that {item.id} is undone"
    return Wait(now + PAUSED_LOOK, "confirm", why, None, unblock)
