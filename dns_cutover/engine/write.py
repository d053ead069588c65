"""Writing: guards are read, the intent is journaled, one message is sent, its fate is journaled.

After a lost reply only the lock's token decides: ours is there, the message was applied; the old one is there, it is
burned, and then the message was never applied and never will be; anything else, and the lock is lost. Where the lock is
not in the zone: see `untold`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState
from dns_cutover.engine.untold import lost, shows, without_token
from dns_cutover.providers.interface import (
    ChangeSet,
    Conflict,
    Fence,
    FenceLost,
    Guards,
    Provider,
    Refused,
    Token,
    Unlike,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.records import Change, Mismatch, RRsetKey, ValueEdit, realise
from dns_cutover.runbook.model import Step, StepKind
from dns_cutover.timing.lifetime import CachePolicy, dead_time

if TYPE_CHECKING:
    from dns_cutover.engine.driver import Journal


def lock_until(s: RunState, now: float) -> int:
    """Until when the lock is asked for: the end of the present wait as far as it is planned, plus the grace."""
    step = s.step
    ahead = 0.0
    for following in s.steps[s.index : s.index + 4]:
        ahead += following.seconds if following.kind is StepKind.BAKE else 0.0
        ahead += (
            max((x.old_s for x in following.exposures), default=0.0) if following.kind is StepKind.CONVERGE else 0.0
        )
    waiting = max((s.dead.get(x.key, now) for x in step.exposures), default=now) if step else now
    return int(max(now + ahead, waiting) + s.book.grace)


def next_token(s: RunState, held: Token | None, op: str, now: float) -> Token:
    """The token that replaces `held`."""
    return Token(s.run_id, (held.n if held else 0) + 1, op, lock_until(s, now))


async def _guards(
    journal: Journal, step: str, provider: Provider, keys: tuple[object, ...], edits: Step | None
) -> Guards | None:
    """What a message will be tied to. None: it cannot be read (which is journaled), or it was the first answer that
    tells the time, and what is to be done must be decided again. Raises Unlike, on the way back.
    """
    try:
        guards = await provider.guards([e.key for e in edits.edits] if edits else ())
    except Unreachable as exc:
        await journal.put(ev.Missed(journal.ports.clock.now(), step, exc.what, exc.why, exc.hints))
    except Refused as exc:
        if isinstance(exc, Unlike) and journal.state.back is not None:
            raise
        await journal.put(ev.Denied(journal.ports.clock.now(), step, exc.what, exc.why, exc.hints, exc.facts))
    else:
        return None if journal.prove(guards) else guards
    return None


async def change_lock(journal: Journal, zone: str, purpose: Literal["acquire", "renew", "release"]) -> None:
    """Take, prolong or give back the lock of one zone."""
    s, clock = journal.state, journal.ports.clock
    provider = journal.ports.providers[zone]
    step = s.step.id if s.step else ""
    guards = await _guards(journal, step, provider, (), None)
    if guards is None:
        return
    now = clock.now()
    held = s.tokens.get(zone)
    if guards.lock_blocked:
        why = "The lock of this run has to stand at that name."
        await journal.put(ev.Denied(now, step, guards.lock_blocked, why, ()))
        return
    if purpose == "acquire":
        held = guards.lock
        if held is not None and held.run != s.run_id and now < held.until:
            await lost(journal, zone, held)
            return
    elif guards.lock != held:
        await lost(journal, zone, guards.lock)
        return
    op = journal.ports.new_id()
    after = None if purpose == "release" else next_token(s, held, op, now)
    soa = guards.soa if held is None else ""
    await journal.put(ev.Intent(now, step, op, zone, (), held, after, soa, guards.serial, purpose))
    await _send(journal, provider)


async def write_step(journal: Journal, step: Step, undo: bool) -> None:
    """Make the step's edits exact against what is there now, and send them as one message."""
    s, clock = journal.state, journal.ports.clock
    provider = journal.ports.providers[step.zone]
    try:
        guards = await _guards(journal, step.id, provider, (), step)
    except Unlike as exc:
        await _left_alone(journal, step, exc)
        return
    if guards is None:
        return
    if guards.lock != s.tokens.get(step.zone):
        await lost(journal, step.zone, guards.lock)
        return
    changes: list[Change] = []
    foreign: list[ev.Foreign] = []
    for edit in step.edits:
        result = realise(edit, guards.rrsets.get(edit.key))
        if isinstance(result, Mismatch):
            foreign.append(ev.Foreign(result.key, result.expected, result.found, result.done))
        else:
            changes.append(result)
    if foreign:
        await journal.put(ev.Conflicted(clock.now(), step.id, tuple(foreign)))
        return
    lasting = not undo and step.kind in (StepKind.LOWER_TTL, StepKind.APPLY)
    if lasting and await _extended(journal, provider, step, tuple(changes), guards):
        return
    now = clock.now()
    held = s.tokens[step.zone]
    op = journal.ports.new_id()
    soa = guards.soa if provider.guarantees.serial == "ordered" else ""
    intent = ev.Intent(
        now,
        step.id,
        op,
        step.zone,
        tuple(changes),
        held,
        next_token(s, held, op, now),
        soa,
        guards.serial,
        "undo" if undo else "write",
    )
    await journal.put(intent)
    await _send(journal, provider)


async def _left_alone(journal: Journal, step: Step, found: Unlike) -> None:
    """On the way back what somebody else made of a record stays, whatever it is, and the rest is taken back."""
    foreign = tuple(ev.Foreign(k, "what this run left there", None, False, kind) for k, kind in found.kinds.items())
    await journal.put(ev.Conflicted(journal.ports.clock.now(), step.id, foreign))


async def _extended(
    journal: Journal, provider: Provider, step: Step, changes: tuple[Change, ...], guards: Guards
) -> bool:
    """Whether the zone's history shows a longer-lived version than the wait was computed for."""
    s = journal.state
    longest: dict[RRsetKey, int] = {}
    # Each RRset from where its history is known: what was outlived once must not be waited for again.
    for since in sorted({s.serials.get(c.key, guards.serial) for c in changes} - {guards.serial}):
        keys = [c.key for c in changes if s.serials.get(c.key) == since]
        try:
            longest.update(await provider.history(since, keys) or {})
        except Unreachable as exc:
            await journal.put(ev.Missed(journal.ports.clock.now(), step.id, exc.what, exc.why, exc.hints))
            return True
    now = journal.ports.clock.now()
    policy = CachePolicy(s.book.floors, s.book.client_floor)
    events = [
        ev.Extended(now, step.id, c.key, ttl, dead_time(now, ttl, policy), guards.serial)
        for c in changes
        if c.before is not None and (ttl := longest.get(c.key, 0)) > c.before.ttl
    ]
    if events:
        await journal.put(*events)
    return bool(events)


async def _send(journal: Journal, provider: Provider) -> None:
    """Send the pending intent. A missing reply leaves it pending: `resolve` finds out."""
    intent = journal.state.pending
    assert intent is not None, "nothing is pending"
    clock = journal.ports.clock
    fence = Fence(intent.held, intent.next)
    try:
        receipt = await provider.apply(ChangeSet(intent.changes, intent.soa or None), fence)
    except Conflict as exc:
        now = clock.now()
        if _still_fits(journal, exc):
            # Others added to a set of which only some values are ours: read again, and swap on what is there now.
            await journal.put(ev.NotApplied(now, intent.step, intent.op, intent.held, "moved"))
            return
        found = tuple(ev.Foreign(m.key, m.expected, m.found, m.done) for m in exc.mismatches)
        await journal.put(
            ev.NotApplied(now, intent.step, intent.op, intent.held, "conflict", exc.what),
            ev.Conflicted(now, intent.step, found),
        )
    except FenceLost as exc:
        if intent.changes:
            return  # it may have been applied before the lock was taken: `resolve` looks
        await lost(journal, intent.zone, exc.found)
    except ZoneMoved:
        await journal.put(
            ev.NotApplied(clock.now(), intent.step, intent.op, intent.held if _ours(journal, intent) else None, "moved")
        )
    except Refused as exc:
        now = clock.now()
        token = intent.held if _ours(journal, intent) else None
        await journal.put(
            ev.NotApplied(now, intent.step, intent.op, token, "refused", exc.what),
            ev.Denied(now, intent.step, exc.what, exc.why, exc.hints, exc.facts),
        )
    except Unreachable as exc:
        now = clock.now()
        missed = ev.Missed(now, intent.step, exc.what, exc.why, exc.hints)
        if exc.maybe_applied:
            await journal.put(missed)
            return
        token = intent.held if _ours(journal, intent) else None
        await journal.put(ev.NotApplied(now, intent.step, intent.op, token, "unreachable", exc.what), missed)
    else:
        await journal.put(
            ev.Applied(clock.now(), intent.step, intent.op, receipt.ignored, receipt.serial, receipt.change)
        )


def _still_fits(journal: Journal, conflict: Conflict) -> bool:
    step = journal.state.step
    edits = {e.key: e for e in step.edits} if step is not None else {}
    return all(
        isinstance(edit := edits.get(m.key), ValueEdit) and isinstance(realise(edit, m.found), Change)
        for m in conflict.mismatches
    )


def _ours(journal: Journal, intent: ev.Intent) -> bool:
    return intent.held is not None and intent.held.run == journal.state.run_id


async def _comparable(provider: Provider, keys: list[RRsetKey]) -> Guards:
    """The guards without what cannot be compared: the fate of a message must not depend on it."""
    try:
        return await provider.guards(keys)
    except Unlike as exc:
        return await provider.guards([k for k in keys if k not in exc.kinds])


async def resolve(journal: Journal) -> None:
    """Decide a pending intent whose reply is missing, by the token; images only show what the server made of it."""
    s, clock = journal.state, journal.ports.clock
    intent = s.pending
    assert intent is not None, "nothing is pending"
    provider = journal.ports.providers[intent.zone]
    try:
        guards = await _comparable(provider, [c.key for c in intent.changes])
    except (Unreachable, Refused) as exc:
        await journal.put(ev.Missed(clock.now(), intent.step, exc.what, exc.why, exc.hints))
        return
    journal.prove(guards)
    untold = bool(intent.changes) and not provider.guarantees.fenced and guards.lock == intent.held
    if untold and not await without_token(journal, provider, intent, guards):
        return
    now, lock = clock.now(), guards.lock
    gone = intent.next is None and (lock is None or lock.run != s.run_id)
    if gone or (intent.next is not None and lock == intent.next):
        left = tuple(c.key for c in intent.changes if c.before != c.after and shows(guards, c.key, c.before))
        await journal.put(ev.Applied(now, intent.step, intent.op, left, guards.serial))
        return
    if lock is not None and lock in s.burns:
        await journal.put(ev.NotApplied(now, intent.step, intent.op, lock, "burned"))
        return
    if lock != intent.held:
        took = tuple(c.key for c in intent.changes if c.before != c.after and shows(guards, c.key, c.after))
        await lost(journal, intent.zone, lock, took)
        return
    burn = next_token(s, lock, journal.ports.new_id(), now)
    await journal.put(ev.Burning(now, intent.op, intent.zone, burn))
    try:
        await provider.apply(ChangeSet((), guards.soa if lock is None else None), Fence(lock, burn))
    except (FenceLost, ZoneMoved, Conflict):
        return  # somebody moved in between: look again
    except (Unreachable, Refused) as exc:
        await journal.put(ev.Missed(clock.now(), intent.step, exc.what, exc.why, exc.hints))
        return
    await journal.put(ev.NotApplied(clock.now(), intent.step, intent.op, burn, "burned"))
