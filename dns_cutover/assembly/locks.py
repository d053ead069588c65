"""The locks of a plan's or a runbook's zones: whose they are, and taking one away. Reads secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dns_cutover.assembly.looking import bare_zones
from dns_cutover.assembly.setting import Setting
from dns_cutover.assembly.wiring import writer

if TYPE_CHECKING:
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.providers.interface import Provider, Token
    from dns_cutover.runbook.model import ZoneInfo
    from dns_cutover.store.interface import Store


@dataclass(frozen=True, slots=True)
class ZoneLock:
    """The lock of one zone as it is now. `now` is the provider's time (seconds UTC), `blocked` what stands in the
    lock's place, empty if nothing does.
    """

    zone: ZoneInfo
    provider: Provider
    token: Token | None
    now: float
    blocked: str = ""


async def locks(zones: Iterable[ZoneInfo], store: Store, setting: Setting) -> tuple[ZoneLock, ...]:
    """The locks of all zones. Raises Refused, Unreachable, Unavailable."""
    found = []
    for zone in zones:
        provider = writer(zone, store, setting)
        guards = await provider.guards(())
        if guards.clock_offset is not None:
            setting.clock.bound(guards.clock_offset)
        found.append(ZoneLock(zone, provider, guards.lock, setting.clock.now(), guards.lock_blocked))
    return tuple(found)


async def plan_locks(loaded: LoadedPlan, store: Store, setting: Setting) -> tuple[ZoneLock, ...]:
    """The same for a plan's zones, without a run: where its journal is lost."""
    return await locks(bare_zones(loaded), store, setting)


async def take_away(lock: ZoneLock) -> None:
    """Remove this very lock. It is a swap: whatever message still carries it is refused from then on, and so is one
    that would have taken the lock anew, since the zone has moved.

    Raises FenceLost if another one is there by now, Refused, Unreachable, Unavailable.
    """
    from dns_cutover.providers.interface import ChangeSet, Fence, Unreachable

    try:
        await lock.provider.apply(ChangeSet(()), Fence(lock.token, None))
    except Unreachable as exc:
        if not exc.maybe_applied or (await lock.provider.guards(())).lock == lock.token:
            raise
