"""When each stage can happen: lowerings, changes, bakes, the restore, and the old side's end (DESIGN section 5).

All offsets are in seconds from the start of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class NoWindow(ValueError):
    """A stage is ready after the last of its windows; the message names it."""


@dataclass(frozen=True, slots=True)
class StageTiming:
    """What decides when a stage happens, in seconds.

    `lead_s` is how long before the change its TTLs must be lowered (lifetime of the old TTL + D; 0: nothing to lower),
    `tail_s` the tail after the change, `wait_s` the pause after the previous stage. `windows` are the (opens, closes)
    offsets between which it may start, in order; empty: any time. A stage `shares_lowering` with the one before it
    unless a wait or a window parts them. `restore`: TTLs are raised after it, or after the last stage of its lowering.
    """

    name: str
    lead_s: float
    tail_s: float
    bake_s: float
    wait_s: float = 0.0
    shares_lowering: bool = True
    restore: bool = True
    windows: tuple[tuple[float, float], ...] = ()

    @property
    def joins(self) -> bool:
        """Whether its TTLs are lowered together with those of the stage before it."""
        return self.shares_lowering and not self.wait_s and not self.windows


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happens in `stage` at `offset` seconds from the start."""

    stage: str
    offset: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The earliest course of a run. `lowering` and `restore_at` name the first and last stage of each shared lowering.

    `starts` is when each stage changes records, `converged` when the old version is dead everywhere, `baked` the end of
    its bake. The old side may be switched off at `old_side_off`, once its traffic is zero.
    """

    lowering: tuple[Moment, ...]
    starts: tuple[Moment, ...]
    converged: tuple[Moment, ...]
    baked: tuple[Moment, ...]
    restore_at: tuple[Moment, ...]
    finish: float
    old_side_off: float


def plan_timeline(stages: Sequence[StageTiming], *, way_back_ends: float | None = None) -> Timeline:
    """The earliest timeline of `stages`, one after the other.

    A lowering begins as late as it can, overlapping earlier bakes, and no earlier than the start of the run.
    `way_back_ends` is the offset after which nothing is rolled back any more; by default the end of the run. Raises
    NoWindow.
    """
    lowering, starts, converged, baked, restore_at = [], [], [], [], []
    ready = 0.0
    for group in _groups(stages):
        first, lead = group[0], max(stage.lead_s for stage in group)
        start = _opening(first, max(ready + first.wait_s, lead))
        if lead:
            lowering.append(Moment(first.name, start - lead))
        for stage in group:
            starts.append(Moment(stage.name, start))
            converged.append(Moment(stage.name, start + stage.tail_s))
            ready = start = raise_ttl_not_before(start + stage.tail_s, stage.bake_s)
            baked.append(Moment(stage.name, ready))
        if any(stage.restore for stage in group):
            restore_at.append(Moment(group[-1].name, ready))
    dead = max((moment.offset for moment in converged), default=0.0)
    off = old_side_off(dead, ready if way_back_ends is None else way_back_ends)
    return Timeline(tuple(lowering), tuple(starts), tuple(converged), tuple(baked), tuple(restore_at), ready, off)


def raise_ttl_not_before(dead_old: float, bake: float) -> float:
    """The earliest moment to raise the TTL of the new version: the old one is dead, and the new one has baked.

    Both times on one clock. Before it a rollback would have to wait for the long TTL.
    """
    return dead_old + bake


def old_side_off(dead_old: float, way_back_ends: float) -> float:
    """When the old side may be switched off: no cache sends users there, and no rollback needs it (same clock)."""
    return max(dead_old, way_back_ends)


def _groups(stages: Sequence[StageTiming]) -> Iterable[list[StageTiming]]:
    """Runs of stages that share one lowering of TTLs."""
    group: list[StageTiming] = []
    for stage in stages:
        if group and not stage.joins:
            yield group
            group = []
        group.append(stage)
    if group:
        yield group


def _opening(stage: StageTiming, ready: float) -> float:
    """The first moment from `ready` on at which the stage may start."""
    if not stage.windows:
        return ready
    for opens, closes in stage.windows:
        if ready < closes:
            return max(ready, opens)
    raise NoWindow(f"stage {stage.name!r} is ready {ready:g} s after the start, when its last window has closed")
