"""Standing still, and being asked to stop: holds, an unreachable provider, a lost lock, commands. Pure."""

from __future__ import annotations

import math

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import Action, Emit, Lock, Wait
from dns_cutover.engine.state import RunState
from dns_cutover.engine.watching import may_roll_back, next_probe, watch_held

MISSES_BEFORE_START = 3  # an unreachable provider before the first write ends the run: nothing is at stake yet
MOVES_AT_ONCE = 4
PAUSED_LOOK = 60.0  # seconds
LOCK_LOOK = 30.0  # seconds between looks at a lock that somebody else holds: it may be given back early


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


def held(s: RunState, hold: ev.Held, now: float) -> Action:
    """What a run that stands still does: it gives locks back, watches while users are exposed, and waits."""
    if hold.kind in ("conflict", "refused"):
        if not s.done:
            return Emit(ev.Finishing(now, "conflict" if hold.kind == "conflict" else "refused", hold.why))
        until = now + PAUSED_LOOK
        if s.exposed_since is not None and s.step is not None:
            # One zone was written and another one refused: nobody may stop looking at what users get by now.
            watched = watch_held(s, s.step, now)
            if watched is not None:
                return watched
            until = min([until, *(max(next_probe(s, p, now), now + 0.1) for p in s.step.probes)])
        for zone in s.tokens:
            return Lock(zone, "release")
        return Wait(until, "conflict", hold.why, None, commands(s, "resume", "rollback", "abort --keep"))
    step = s.step
    end, watching = None, s.exposed_since is not None and hold.kind in ("violators", "unreachable", "paused", "lock")
    if watching and step is not None:
        end = hold.ts + s.book.rollback.max_pause
        undecided = step.gate.on_inconclusive == "rollback" and may_roll_back(s, now)[0]
        if now >= end and undecided:
            return Emit(ev.RollbackStarted(now, step.id, "inconclusive", f"{hold.why}; nobody decided in time"))
        if not undecided:
            end = None  # a person decides, however long it takes
        watched = watch_held(s, step, now)
        if watched is not None:
            return watched
    for zone, token in s.tokens.items():
        if now >= token.until - s.book.grace / 2:
            return Lock(zone, "renew")
    watched_probes = step.probes if step is not None and watching else ()
    probe = min((next_probe(s, p, now) for p in watched_probes), default=math.inf)
    until = min(now + PAUSED_LOOK, end if end is not None else math.inf, max(probe, now + 0.1))
    unblock = commands(s, "resume", "rollback", "abort --keep")
    if hold.kind == "lock" and s.lock_lost is not None and now < s.lock_lost.until:
        unblock += unlock_command(s.lock_lost)
    return Wait(until, "paused", hold.why, end, unblock)


def retry_at(s: RunState, now: float) -> float:
    """When the provider is tried again (seconds UTC): 2, 4, 8, … seconds after it was missed, at most 30.

    At once if it was missed later than now, by a clock that nobody had confirmed.
    """
    last = s.missed.ts if s.missed else 0.0
    return now if last > now else last + min(30.0, float(2 ** min(s.misses, 5)))


def moving(s: RunState, now: float) -> Wait | None:
    """A zone that changes again and again between reading and writing: a few tries at once, then ever more slowly."""
    if s.moved <= MOVES_AT_ONCE or s.moved_at > now:
        return None
    again = s.moved_at + min(30.0, float(2 ** min(s.moved - MOVES_AT_ONCE, 5)))
    if now >= again:
        return None
    why = "the zone keeps changing between reading and writing"
    return Wait(again, "provider", why, None, commands(s, "rollback") if s.back is None else ())


def missed(s: RunState, now: float, retry: float) -> Action:
    """Waiting for a provider that was missed; a command to stop is heard all the same."""
    what = s.missed.what if s.missed else "the provider cannot be reached"
    if s.asked is not None and s.pending is None and s.outcome is None and (s.back is None or s.asked.verb == "keep"):
        return asked(s, s.asked, now)
    if s.back is None and s.exposed_since is not None and s.step is not None and s.pending is None:
        # The provider is away, the users are not.
        watched = watch_held(s, s.step, now)
        if watched is not None:
            return watched
        retry = min([retry, *(max(next_probe(s, p, now), now + 0.1) for p in s.step.probes)])
    return Wait(retry, "provider", what, None, commands(s, "rollback" if s.back is None else "abort --keep"))


def asked(s: RunState, command: ev.Command, now: float) -> Action:
    """What a command to go back, or to end the run as it is, means now."""
    if command.verb == "keep":
        outcome: ev.Outcome = "aborted" if s.back is None else "rollback_failed"
        return Emit(ev.Finishing(now, outcome, f"ended by {command.by}; the records stay as they are"))
    step = s.step.id if s.step else ""
    if command.subject == "ignored":
        allowed, reason = may_roll_back(s, now)
        if not allowed:
            return Emit(ev.Held(now, step, "committed", f"{command.by}; {reason}"))
        return Emit(ev.RollbackStarted(now, step, "ignored", command.by))
    return Emit(ev.RollbackStarted(now, step, "command", f"asked for by {command.by}", command.stage))


def give_up(s: RunState, now: float) -> Action | None:
    """What follows from missing the provider for long: the end before the first write, later a hold."""
    last = s.missed
    if last is None:
        return None
    if s.back is None and not s.done:
        if s.misses >= MISSES_BEFORE_START:
            return Emit(ev.Finishing(now, "unreachable", last.what))
        return None
    deadline = s.missed_since + (s.step.gate.deadline if s.step else 900.0)
    if last.ts <= deadline:
        return None
    if s.back is not None:
        return None  # the way back is never given up: it is tried for as long as somebody drives the run
    return None if s.hold is not None else Emit(ev.Held(now, last.step, "unreachable", last.what))


def lock_lost(s: RunState, lost: ev.LockLost, now: float) -> Action | None:
    """Somebody else holds the zone: stand back until its time is over; before the first write, give up.

    Nothing can be written meanwhile, and still the probes are watched while users are exposed.
    """
    zone, step = s.book.zone(lost.zone).name, s.step
    if lost.ours and s.back is None and s.exposed_since is None:
        # Who knows what was written meanwhile. Where users depend on the next step, or on the way back, standing still
        # is no help: there it goes on when the lock is free, and every write says what it expects to replace.
        by = f"run {lost.holder}" if lost.holder else "somebody, who has given it back since,"
        why = f"{by} took the lock of {zone} over while this run was away: another run may have written there"
        if not s.done:
            return Emit(ev.Finishing(now, "locked", why))
        return Emit(ev.Held(now, step.id if step is not None else "", "lock", why))
    if now >= lost.until:
        return None
    why = f"run {lost.holder} holds the lock of {zone}"
    if not s.done:
        return Emit(ev.Finishing(now, "locked", why))
    again = lost.ts + LOCK_LOOK
    if now >= again or lost.ts > now:
        return Lock(lost.zone, "acquire")
    unblock = unlock_command(lost)
    if s.back is None:
        if step is not None and s.exposed_since is not None:
            watched = watch_held(s, step, now)
            if watched is not None:
                return watched
            again = min(again, *(max(next_probe(s, p, now), now + 0.1) for p in step.probes), again)
        unblock = (*commands(s, "rollback", "abort --keep"), *unblock)
    return Wait(min(again, lost.until), "lock", why, float(lost.until), unblock)


def unlock_command(lost: ev.LockLost) -> tuple[tuple[str, str], ...]:
    """What takes away the lock that was found. One (command, effect) pair, none where there is no lock."""
    if not lost.op:
        return ()
    command = f"dns-cutover unlock {lost.holder} {lost.op}"
    return ((command, f"take the lock away, if nobody drives run {lost.holder} any more"),)
