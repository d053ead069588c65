"""Plan + live view -> runbook. Pure: the same inputs give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping

from dns_cutover.plan.expand import expand_changes, unchanged_keys
from dns_cutover.plan.models import Plan, Stage
from dns_cutover.plan.notify_models import NotifyBase, notify_names
from dns_cutover.plan.probes import probe_spec
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.runbook.compiling import Compiling, DriftFound, LiveFacts, Partition
from dns_cutover.runbook.edits import pin, restore_edits, stage_edit
from dns_cutover.runbook.lowering import add_lowering, restored_after, segments_of, window_of
from dns_cutover.runbook.model import (
    Confirm,
    Freeze,
    Notify,
    RollbackPolicy,
    Runbook,
    Seen,
    StageInfo,
    Step,
    StepKind,
)
from dns_cutover.runbook.timeline import probes_pass
from dns_cutover.runbook.writing import add_write, gate_of


def compile_runbook(plan: Plan, plan_sha256: str, live: LiveFacts, partition: Mapping[str, Partition]) -> Runbook:
    """The runbook of `plan` against what is live. `partition` by zone reference. Raises DriftFound."""
    c = Compiling(plan, live, partition, dict(live.rrsets))
    segments = segments_of(plan)
    for n, segment in enumerate(segments):
        add_lowering(c, segment, segments[n + 1] if n + 1 < len(segments) else [])
        for stage in segment:
            _compile_stage(c, stage)
        _restore(c, segment[-1], restored_after(segments, n))
    if c.drifts:
        raise DriftFound(tuple(c.drifts))
    return Runbook(
        plan=plan.name,
        summary=plan.summary or "",
        owner=plan.owner or "",
        plan_sha256=plan_sha256,
        zones=live.zones,
        stages=tuple(StageInfo(s.name, s.summary or "", s.commit, needs=c.needs[s.name]) for s in plan.stages),
        steps=tuple(c.steps),
        seen=_seen(plan, live),
        allow=tuple(sorted(plan.safety.allow)),
        notify=_notify(plan),
        rollback=RollbackPolicy(
            automatic=plan.rollback.automatic,
            scope=plan.rollback.scope,
            additive=plan.rollback.additive,
            after=plan.rollback.after,
            until=plan.rollback.until.timestamp() if plan.rollback.until is not None else None,
            max_pause=plan.rollback.max_pause,
            keep_for=plan.rollback.keep_for,
        ),
        freezes=tuple(sorted((Freeze(f.starts, f.ends, f.because) for f in plan.freeze), key=lambda f: f.start)),
        floors=tuple(plan.ttl.resolver_floor),
        client_floor=plan.ttl.client_floor,
        grace=plan.safety.lock_grace,
    )


def _notify(plan: Plan) -> tuple[Notify, ...]:
    common = {*NotifyBase.model_fields, "type"}
    return tuple(
        Notify(name, c.type, c.on, c.model_dump(mode="json", exclude=common, exclude_none=True))
        for name, c in zip(notify_names(plan.notify), plan.notify, strict=True)
    )


def _seen(plan: Plan, live: LiveFacts) -> tuple[Seen, ...]:
    """What the runbook depends on, sorted."""
    changed = {p.key for stage in plan.stages for p in expand_changes(plan, stage)}
    own = (Seen(key, found, "changed" if key in changed else "unchanged") for key, found in live.rrsets.items())
    names = {key.owner for key in live.rrsets}
    beside = (
        Seen(k, found, "beside" if k.owner in names else "wildcard")
        for k, found in live.around.items()
        if found is not None and k not in live.rrsets
    )
    return tuple(sorted((*own, *beside), key=lambda seen: seen.key.place))


def _restore(c: Compiling, last: Stage, stages: list[Stage]) -> None:
    """Give all that `stages` changed its final TTL."""
    restore = restore_edits(c, stages, {stage.name: expand_changes(c.plan, stage) for stage in stages})
    if restore:
        add_write(c, f"{last.name}/restore_ttl", StepKind.RESTORE_TTL, last, restore, resolvers=False)


def _compile_stage(c: Compiling, stage: Stage) -> None:
    planned = expand_changes(c.plan, stage)
    probes = tuple(probe_spec(p) for p in stage.probes)
    gate = gate_of(c, stage)
    for item in stage.confirm:
        confirm = Confirm(
            item.id,
            item.who,
            item.says,
            item.by,
            item.probe or "",
            item.undo or "",
            item.timeout,
            item.on_timeout,
            item.valid_for,
        )
        proof = tuple(p for p in probes if p.name == item.probe)
        c.steps.append(
            Step(f"{stage.name}/confirm:{item.id}", StepKind.CONFIRM, stage.name, probes=proof, confirm=confirm)
        )
    if stage.window is not None or c.plan.freeze:
        c.steps.append(Step(f"{stage.name}/window", StepKind.WINDOW, stage.name, window=window_of(stage)))
    unchanged = tuple(pin(c, key) for key in unchanged_keys(c.plan, stage))
    edits = [e for p in planned if (e := stage_edit(c, stage, p)) is not None]
    early = tuple(p for p in probes if p.role != "health")
    c.steps.append(
        Step(
            f"{stage.name}/preflight", StepKind.PREFLIGHT, stage.name, "", (*edits, *unchanged), probes=early, gate=gate
        )
    )
    accepts = tuple((p.key, p.accept) for p in planned if p.accept is not None)
    add_write(
        c,
        f"{stage.name}/apply",
        StepKind.APPLY,
        stage,
        edits,
        resolvers=True,
        probes=probes,
        unchanged=unchanged,
        accepts=accepts,
    )
    c.steps.append(
        Step(f"{stage.name}/bake", StepKind.BAKE, stage.name, seconds=stage.bake or 0.0, probes=probes, gate=gate)
    )
    c.needs[stage.name] = _needs(c, stage, c.steps[-2], probes)


def _needs(c: Compiling, stage: Stage, converge: Step, probes: tuple[ProbeSpec, ...]) -> float:
    """Seconds from the stage's first message to the end of its rollback, at worst: either the servers agree, the old
    answers die and the stage bakes, or the deadline for that ends it; then its undoing reaches everybody.
    """
    gap = converge.gate.round_gap
    bounds = {z.ref: z.guarantees.propagation_bound for z in c.live.zones}
    there = gap + max((bounds[x.key.zone] + x.old_s for x in converge.exposures), default=0.0)
    forward = max(there + (stage.bake or 0.0), probes_pass(probes), converge.gate.deadline)
    if stage.commit == "before":
        return forward
    return forward + gap + max((bounds[x.key.zone] + x.undo_s for x in converge.exposures), default=0.0)
