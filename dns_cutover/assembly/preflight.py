"""Before a run exists: whether its keys may write, and whether its locks can stand where they have to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from dns_cutover.errors import LockHeld

if TYPE_CHECKING:
    from dns_cutover.providers.interface import Guards, Provider
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.model import Runbook, ZoneInfo

MAX_ASKED = 500  # RRsets of each zone: PowerDNS takes some 10 ms for each


async def preflight(book: Runbook, providers: Mapping[str, Provider]) -> None:
    """Ask the primary of every zone, without changing anything: what is forbidden in the last zone must not be found
    out when the first one is written.

    Raises Refused (the key, its policy, what stands in the lock's place), LockHeld. A server that cannot be reached is
    the run's own business: it tries again.
    """
    from dns_cutover.providers.interface import Refused, Unreachable

    for zone in book.zones:
        provider = providers[zone.ref]
        try:
            guards = await provider.guards(())
            _free(zone, guards)
            await _allowed(book, zone, provider)
        except Refused as exc:
            raise Refused(f"{exc.what}. Nothing was written", exc.why, exc.hints, exc.facts) from None
        except Unreachable:
            continue


def _free(zone: ZoneInfo, guards: Guards) -> None:
    from dns_cutover.providers.interface import Refused

    if guards.lock_blocked:
        raise Refused(
            guards.lock_blocked,
            "The lock of a run has to stand at that name, and nothing else can stand there with it.",
            ("move it away, or give the lock another name: provider: {lock: {name: _lock}}",),
        )
    lock, now = guards.lock, time.time() + (guards.clock_offset or 0.0)
    if lock is not None and now < lock.until:
        until = datetime.fromtimestamp(lock.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raise LockHeld(
            f"run {lock.run} holds the lock of {zone.name} until {until}. Nothing was written",
            "Two runs that write to one zone could undo each other's work.",
            (
                "wait until it has finished, then run the same command again",
                f"dns-cutover unlock {lock.run} {lock.op}   take its lock away, if nobody drives it any more",
                f"dns-cutover unlock --plan PLAN {lock.op}   the same, where its store is not at hand",
            ),
        )


async def _allowed(book: Runbook, zone: ZoneInfo, provider: Provider) -> None:
    from dns_cutover.engine.lease import LeasedProvider
    from dns_cutover.providers.interface import Refused
    from dns_cutover.providers.rfc2136.provider import Rfc2136Provider

    asked = provider.inner if isinstance(provider, LeasedProvider) else provider
    if not isinstance(asked, Rfc2136Provider):
        return
    found = await asked.permission(dict(islice(_offered(book, zone.ref).items(), MAX_ASKED)))
    if found.reason:
        hints = [found.grant]
        if found.denied == ((asked.lock_owner, "TXT"),):
            hints += [
                "or a name that it may change: provider: {lock: {name: NAME}}",
                "or provider: {lock: store}, which keeps apart the runs of one store only",
            ]
        hints.append("dns-cutover validate --probe-write PLAN   asks again, and changes nothing")
        raise Refused(found.reason, "Its policy forbids what the run would write.", tuple(hints))


def _offered(book: Runbook, ref: str) -> dict[RRsetKey, tuple[str, ...]]:
    """What the runbook writes in that zone: every RRset, with the values that it brings."""
    from dns_cutover.records import SetEdit, ValueEdit

    out: dict[RRsetKey, tuple[str, ...]] = {}
    for edit in (e for step in book.steps if step.zone == ref for e in step.edits):
        brought: tuple[str, ...] = ()
        if isinstance(edit, SetEdit) and edit.after is not None:
            brought = edit.after.values
        elif isinstance(edit, ValueEdit):
            brought = tuple(edit.add)
        out[edit.key] = (*out.get(edit.key, ()), *brought)
    return out
