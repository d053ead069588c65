"""Precautions taken away, one at a time: without any of them a story must go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from dns_cutover.engine import decide, driver, fold, rollback, write
from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState, changed
from dns_cutover.providers.interface import ChangeSet, Receipt
from dns_cutover.providers.rfc2136 import provider, update
from dns_cutover.records import RRset
from dns_cutover.runbook.model import StepKind

Patch = Callable[[pytest.MonkeyPatch], None]


def no_prerequisites(patch: pytest.MonkeyPatch) -> None:
    """What the records are is not required: others' values are overwritten."""
    patch.setattr(update, "prerequisites", lambda changes: ())


def no_read_back(patch: pytest.MonkeyPatch) -> None:
    """NOERROR is believed: what the server ignored counts as done."""

    async def read_back(self: Any, changes: ChangeSet, fence: Any) -> Receipt:
        return Receipt((), 0)

    patch.setattr(provider.Rfc2136Provider, "_read_back", read_back)


def _build_without(kept: Callable[[Any, str, str], bool]) -> Callable[..., Any]:
    original = update.build

    def build(zone: str, lock_owner: str, changes: ChangeSet, fence: Any) -> Any:
        spec = original(zone, lock_owner, changes, fence)
        return replace(spec, prereqs=tuple(p for p in spec.prereqs if kept(p, zone, lock_owner)))

    return build


def no_token(patch: pytest.MonkeyPatch) -> None:
    """The lock is not required: a message that comes late is applied."""
    patch.setattr(provider, "build", _build_without(lambda p, zone, lock: p.owner != lock))


def no_soa(patch: pytest.MonkeyPatch) -> None:
    """The zone's version is not required: a TTL that was raised since the reading is not seen."""
    patch.setattr(provider, "build", _build_without(lambda p, zone, lock: p.rdtype != "SOA"))


def no_burning(patch: pytest.MonkeyPatch) -> None:
    """A message without a reply counts as never applied, though it may still be under way."""
    original = provider.Rfc2136Provider.apply

    async def apply(self: Any, changes: ChangeSet, fence: Any) -> Receipt:
        if not changes.changes and fence is not None and fence.held is not None and fence.next is not None:
            guards = await self.guards(())
            return Receipt((), guards.serial)
        return await original(self, changes, fence)

    patch.setattr(provider.Rfc2136Provider, "apply", apply)


def act_before_journal(patch: pytest.MonkeyPatch) -> None:
    """The intent is stored after the message was sent: a process killed in between has forgotten it."""
    original = driver.Journal.put

    async def put(self: Any, *events: ev.Event) -> None:
        if any(isinstance(e, ev.Intent) for e in events):
            for e in events:
                self._take(e)
            return
        await original(self, *events)

    patch.setattr(driver.Journal, "put", put)


def waits_anew(patch: pytest.MonkeyPatch) -> None:
    """When a wait ends is not remembered: it is measured from when its step began, whatever was seen before."""
    original = decide._dead_at

    def dead_at(s: RunState, step: Any) -> float:
        return s.since if step.kind is StepKind.WAIT_TTL else original(s, step)

    patch.setattr(decide, "_dead_at", dead_at)


def no_clock_proof(patch: pytest.MonkeyPatch) -> None:
    """The machine's clock is believed."""
    patch.setattr(driver, "_needs_the_time", lambda state, action: False)
    patch.setattr(driver.Journal, "prove", lambda self, *readings: False)


def commands_are_strangers(patch: pytest.MonkeyPatch) -> None:
    """What people say meanwhile is written over: the journal has holes where their commands were."""

    async def refresh(self: Any) -> None:
        for envelope in await self.ports.store.load(self.state.run_id, self.state.seq):
            event = driver.from_envelope(envelope)
            if not isinstance(event, ev.Command):
                raise driver.TakenOver(f"another process drives run {self.state.run_id} now")
            self.state = changed(self.state, seq=self.state.seq + 1)

    patch.setattr(driver.Journal, "refresh", refresh)


def no_finishing(patch: pytest.MonkeyPatch) -> None:
    """The run is over before the lock is given back: a process killed in between leaves it behind."""
    original = fold.evolve

    def evolve(s: RunState, event: ev.Event) -> RunState:
        after = original(s, event)
        return changed(after, final=True) if isinstance(event, ev.Finishing) else after

    patch.setattr(fold, "evolve", evolve)


def early_undo_list(patch: pytest.MonkeyPatch) -> None:
    """The way back is made as soon as somebody asks for it, while a message may be under way."""
    original = fold.evolve

    def evolve(s: RunState, event: ev.Event) -> RunState:
        after = original(s, event)
        asks = isinstance(event, ev.Command) and event.verb in ("rollback", "abort")
        if asks and s.back is None and s.outcome is None and s.pending is not None:
            started = ev.RollbackStarted(event.ts, "", "command", "at once")
            return changed(original(after, started), seq=after.seq)
        return after

    patch.setattr(fold, "evolve", evolve)


def no_history(patch: pytest.MonkeyPatch) -> None:
    """A longer TTL that was put back before the write is not outlived."""

    async def extended(*_: Any) -> bool:
        return False

    patch.setattr(write, "_extended", extended)


def nothing_longer_is_seen(patch: pytest.MonkeyPatch) -> None:
    """A longer TTL at a secondary that has gone back to an older zone is not outlived."""
    patch.setattr(driver, "longer_lived", lambda *_: ())


def one_round(patch: pytest.MonkeyPatch) -> None:
    """What caches hold is not waited for: all servers agree, and that is all."""
    original = fold.evolve

    def evolve(s: RunState, event: ev.Event) -> RunState:
        return changed(original(s, event), dead=MappingProxyType({}))

    patch.setattr(fold, "evolve", evolve)


def undone_at_once(patch: pytest.MonkeyPatch) -> None:
    """The stages are undone one after the other without a wait: what a newer one stands on goes too early."""
    original = rollback._undo_stage

    def undo_stage(*arguments: Any) -> Any:
        return [s for s in original(*arguments) if s.kind is not StepKind.WAIT_TTL]

    patch.setattr(rollback, "_undo_stage", undo_stage)


def no_commit_point(patch: pytest.MonkeyPatch) -> None:
    """Nothing is past its commit point."""
    from dns_cutover.engine import watching

    patch.setattr(watching, "has_begun", lambda *_: False)


def apex_ns_like_others(patch: pytest.MonkeyPatch) -> None:
    """The apex NS set is replaced like any other: servers make the union of it."""

    def apex_ns(owner: str, before: RRset, after: RRset) -> list[update.EditOp]:
        return [update.EditOp("clear", owner, "NS"), update.EditOp("add", owner, "NS", after.values, after.ttl)]

    patch.setattr(update, "_apex_ns", apex_ns)


MUTATIONS: tuple[Patch, ...] = (
    no_prerequisites,
    no_read_back,
    no_token,
    no_soa,
    no_burning,
    act_before_journal,
    waits_anew,
    no_clock_proof,
    commands_are_strangers,
    no_finishing,
    early_undo_list,
    no_history,
    nothing_longer_is_seen,
    one_round,
    undone_at_once,
    no_commit_point,
    apex_ns_like_others,
)
