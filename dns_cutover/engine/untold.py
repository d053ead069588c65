"""What became of a message whose reply is missing, where no token in the zone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dns_cutover.engine import events as ev
from dns_cutover.providers.interface import ChangeSet, Fence, FenceLost, Guards, Provider, Refused, Token, Unreachable
from dns_cutover.records import RRset, RRsetKey

if TYPE_CHECKING:
    from dns_cutover.engine.driver import Journal


async def lost(journal: Journal, zone: str, found: Token | None, took: tuple[RRsetKey, ...] = ()) -> None:
    """Journal that the lock is not ours: `found` is there instead."""
    holder, until, op = (found.run, found.until, found.op) if found is not None else ("", 0, "")
    ours = zone in journal.state.tokens
    await journal.put(ev.LockLost(journal.ports.clock.now(), zone, holder, until, took, op, ours))


def shows(guards: Guards, key: RRsetKey, image: RRset | None) -> bool:
    """Whether that is what is there. What could not be compared is neither."""
    return key in guards.rrsets and guards.rrsets[key] == image


async def without_token(journal: Journal, provider: Provider, intent: ev.Intent, guards: Guards) -> bool:
    """Decide by images and the SOA, the lease being as it was before the message. Every message of such a provider
    carries the SOA that was read before it. Whether it cannot be applied any more: what is left is to burn the lease,
    against a sender that slept on the way.

    A record that is as the message leaves it: applied. The SOA that was read, for longer than a message lives: it was
    not applied and never will be. Another SOA, so that it cannot be applied any more: the zone's history tells whether
    it was, and was taken back by somebody else; where there is none, nobody can know, and a person must look.
    """
    now = journal.ports.clock.now()
    real = [c for c in intent.changes if c.before != c.after]
    took = tuple(c.key for c in real if shows(guards, c.key, c.after))
    if took:
        try:
            # The lease is swapped after the message: whoever died in between left that to us.
            await provider.apply(ChangeSet(()), Fence(intent.held, intent.next))
        except FenceLost:
            return False  # somebody took it over in between: look again
        left = tuple(c.key for c in real if shows(guards, c.key, c.before))
        await journal.put(ev.Applied(now, intent.step, intent.op, left, guards.serial))
    elif intent.soa and guards.soa != intent.soa:
        await _moved(journal, provider, intent, guards)
    elif (end := _dies(intent, provider)) is None:
        await _hold(journal, intent, guards, "the provider does not say for how long a message may still be applied")
    elif now <= end:
        what = f"it is not known yet what became of the last message to {journal.state.book.zone(intent.zone).name}"
        why = "It may still be under way, and with the lock in the store nothing makes it impossible: it has to expire."
        await journal.put(ev.Missed(now, intent.step, what, why, ()))
    elif intent.soa:
        return True
    else:
        await _hold(journal, intent, guards, "serials of this provider are not ordered")
    return False


def _dies(intent: ev.Intent, provider: Provider) -> float | None:
    """From when on the message cannot be applied any more (seconds UTC); None: nobody knows."""
    life = provider.guarantees.message_life
    return None if life is None else intent.ts + life


async def _moved(journal: Journal, provider: Provider, intent: ev.Intent, guards: Guards) -> None:
    """The records are not as the message leaves them, and the zone changed since: it can never be applied any more."""
    s, now = journal.state, journal.ports.clock.now()
    if s.back is None:
        try:
            published = await provider.history(intent.serial, [c.key for c in intent.changes])
        except (Unreachable, Refused) as exc:
            await journal.put(ev.Missed(now, intent.step, exc.what, exc.why, exc.hints))
            return
        if published is None or any(published.values()):
            await _hold(journal, intent, guards, "the zone changed meanwhile")
            return
    # On the way back the next message takes back what has our value, and nothing else, whatever happened.
    await journal.put(ev.NotApplied(now, intent.step, intent.op, guards.lock, "moved"))


async def _hold(journal: Journal, intent: ev.Intent, guards: Guards, because: str) -> None:
    now = journal.ports.clock.now()
    not_applied = ev.NotApplied(now, intent.step, intent.op, guards.lock, "conflict")
    if journal.state.back is not None:
        await journal.put(not_applied)
        return
    why = f"nobody can tell whether the last message was applied and taken back by somebody else: {because}"
    await journal.put(not_applied, ev.Held(now, intent.step, "lock", why))
