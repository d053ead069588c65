"""When TTLs are lowered, and which stages share a lowering (DESIGN section 5)."""

from __future__ import annotations

from dataclasses import replace

from dns_cutover.plan.expand import expand_changes, unchanged_keys
from dns_cutover.plan.models import Plan, Stage
from dns_cutover.records import Edit
from dns_cutover.runbook.compiling import Compiling
from dns_cutover.runbook.edits import lower_edits, must
from dns_cutover.runbook.model import Step, StepKind, Window
from dns_cutover.runbook.writing import add_write, exposure, gate_of


def segments_of(plan: Plan) -> list[list[Stage]]:
    """Stages that share one lowering of TTLs: a stage with `wait` or `window` begins a new segment."""
    out: list[list[Stage]] = []
    for stage in plan.stages:
        if not out or stage.wait or stage.window:
            out.append([])
        out[-1].append(stage)
    return out


def restored_after(segments: list[list[Stage]], n: int) -> list[Stage]:
    """The stages whose TTLs are restored after segment `n`: all since the last `wait`, where the next has one. A window
    alone gives no TTL back: until all of it has baked the way back must be quick.
    """
    if n + 1 < len(segments) and not segments[n + 1][0].wait:
        return []
    begin = n
    while begin and not segments[begin][0].wait:
        begin -= 1
    return [stage for segment in segments[begin : n + 1] for stage in segment]


def add_lowering(c: Compiling, stages: list[Stage], then: list[Stage]) -> None:
    """What comes before the first of the stages that share one lowering: their TTLs are lowered, as late as possible,
    and the old ones die. `then`: the stages of the next lowering.
    """
    first = stages[0]
    planned = {stage.name: expand_changes(c.plan, stage) for stage in stages}
    offered = c.offered.pop(first.name, None)
    lower = offered if offered is not None else lower_edits(c, stages, planned)
    unless = f"{first.name}/lower_ttl_ahead" if offered else ""
    if lower:
        lead = max(_lead(c, first, e) for e in lower)
        if first.wait:
            seconds = max(0.0, first.wait - lead)
            _wait(c, Step(f"{first.name}/wait_before_lowering", StepKind.WAIT, first.name, "", seconds=seconds), unless)
        if first.window or c.plan.freeze:
            held = Step(f"{first.name}/window_before_lowering", StepKind.WINDOW, first.name, window=window_of(first))
            _wait(c, replace(held, lead=lead), unless)
        at = len(c.steps)
        add_write(c, f"{first.name}/lower_ttl", StepKind.LOWER_TTL, first, lower, resolvers=False)
        c.steps[at:] = [replace(step, unless=unless) for step in c.steps[at:]]
    last = c.steps[-1] if lower else None
    _offer(c, stages, then)
    if last is not None:
        c.steps.append(
            Step(
                f"{first.name}/wait_ttl", StepKind.WAIT_TTL, first.name, "", last.edits, last.exposures, gate=last.gate
            )
        )
    if first.wait:
        c.steps.append(Step(f"{first.name}/wait", StepKind.WAIT, first.name, seconds=first.wait))


def _wait(c: Compiling, step: Step, unless: str) -> None:
    c.steps.append(replace(step, unless=unless))


def _offer(c: Compiling, stages: list[Stage], then: list[Stage]) -> None:
    """Lower the TTLs of the next segment already here, if it would be late otherwise. Whether it happens is decided in
    the run, so that nothing that these stages change or assert may be among it.
    """
    if not then:
        return
    planned = {stage.name: expand_changes(c.plan, stage) for stage in then}
    image = dict(c.image)
    lower = lower_edits(c, then, planned)
    first = then[0]
    changed = {p.key for stage in stages for p in expand_changes(c.plan, stage)}
    asserted = {key for stage in stages for key in unchanged_keys(c.plan, stage)}
    # After a wait the TTLs of what changed before have been restored, and want to be lowered at their own place.
    again = {p.key for own in planned.values() for p in own} & changed if first.wait else set()
    if not lower or again or any(e.key in changed | asserted for e in lower):
        return
    if first.wait and not first.window and first.wait >= max(_lead(c, first, e) for e in lower):
        return
    at, told = len(c.steps), len(c.drifts)
    add_write(c, f"{first.name}/lower_ttl_ahead", StepKind.LOWER_TTL, first, lower, resolvers=False)
    c.steps[at:] = [replace(step, ahead=True) for step in c.steps[at:]]
    # The same message stands again at its own place, from the same images: what is wrong with it is told there.
    c.image.update(image)
    del c.drifts[told:]
    c.offered[first.name] = lower


def _lead(c: Compiling, stage: Stage, edit: Edit) -> float:
    """How long before its change an RRset's TTL must be lowered: two rounds prove it, then D and its longest life."""
    lives = exposure(c, edit, must(edit, c.image.get(edit.key)))
    zone = next(z for z in c.live.zones if z.ref == edit.key.zone)
    return gate_of(c, stage).round_gap + zone.guarantees.propagation_bound + lives.old_s


def window_of(stage: Stage) -> Window | None:
    """The stage's window as the runbook has it."""
    w = stage.window
    if w is None:
        return None
    return Window(tuple(w.iso_days), w.from_.strftime("%H:%M"), w.to.strftime("%H:%M"), w.timezone)
