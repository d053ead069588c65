"""Plan + live view -> runbook. Pure: the same inputs give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dns_cutover.lookup.interface import Accept
from dns_cutover.plan.expand import PlannedChange, expand_changes, unchanged_keys
from dns_cutover.plan.models import Plan, Stage
from dns_cutover.plan.notify_models import NotifyBase, notify_names
from dns_cutover.plan.probes import probe_spec
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.records import Change, Edit, RRsetKey
from dns_cutover.runbook.compiling import Compiling, Drift, DriftFound, LiveFacts, Partition
from dns_cutover.runbook.edits import lower_edits, must, pin, restore_edits, stage_edit
from dns_cutover.runbook.model import (
    Confirm,
    Convergence,
    Exposure,
    Notify,
    RollbackPolicy,
    Runbook,
    Seen,
    StageInfo,
    Step,
    StepKind,
    Window,
)
from dns_cutover.timing.exposure import old_lifetime, rollback_lifetime


def compile_runbook(plan: Plan, plan_sha256: str, live: LiveFacts, partition: Mapping[str, Partition]) -> Runbook:
    """The runbook of `plan` against what is live. `partition` by zone reference. Raises DriftFound."""
    c = Compiling(plan, live, partition, dict(live.rrsets))
    for segment in _segments(plan):
        _compile_segment(c, segment)
    if c.drifts:
        raise DriftFound(tuple(c.drifts))
    return Runbook(
        plan=plan.name,
        summary=plan.summary or "",
        owner=plan.owner or "",
        plan_sha256=plan_sha256,
        zones=live.zones,
        stages=tuple(StageInfo(s.name, s.summary or "", s.commit) for s in plan.stages),
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
        ),
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


def _segments(plan: Plan) -> list[list[Stage]]:
    """Stages that share one lowering of TTLs: a stage with `wait` begins a new segment."""
    out: list[list[Stage]] = []
    for stage in plan.stages:
        if not out or stage.wait:
            out.append([])
        out[-1].append(stage)
    return out


def _gate(c: Compiling, stage: Stage) -> Convergence:
    p = stage.propagation or c.plan.propagation
    return Convergence(
        share=p.resolvers,
        deadline=p.deadline,
        wrong=p.on_deadline.wrong,
        unreachable=p.on_deadline.unreachable,
        violators=p.violators,
        round_gap=p.round_gap,
        on_inconclusive=p.on_inconclusive,
    )


def _compile_segment(c: Compiling, stages: list[Stage]) -> None:
    first = stages[0]
    planned = {stage.name: expand_changes(c.plan, stage) for stage in stages}
    lower = lower_edits(c, stages, planned)
    lead = max((_lead(c, first, e) for e in lower), default=0.0)
    if first.wait and lower:
        c.steps.append(
            Step(f"{first.name}/wait_before_lowering", StepKind.WAIT, first.name, seconds=max(0.0, first.wait - lead))
        )
    if lower:
        _write(c, f"{first.name}/lower_ttl", StepKind.LOWER_TTL, first, lower, resolvers=False)
        last = c.steps[-1]
        c.steps.append(
            Step(
                f"{first.name}/wait_ttl", StepKind.WAIT_TTL, first.name, "", last.edits, last.exposures, gate=last.gate
            )
        )
    if first.wait:
        c.steps.append(Step(f"{first.name}/wait", StepKind.WAIT, first.name, seconds=first.wait))
    for stage in stages:
        _compile_stage(c, stage, planned[stage.name])
    restore = restore_edits(c, stages, planned)
    if restore:
        _write(c, f"{stages[-1].name}/restore_ttl", StepKind.RESTORE_TTL, stages[-1], restore, resolvers=False)


def _lead(c: Compiling, stage: Stage, edit: Edit) -> float:
    """How long before its change an RRset's TTL must be lowered: two rounds prove it, then D and its longest life."""
    exposure = _exposure(c, edit, must(edit, c.image.get(edit.key)))
    zone = next(z for z in c.live.zones if z.ref == edit.key.zone)
    return _gate(c, stage).round_gap + zone.guarantees.propagation_bound + exposure.old_s


def _compile_stage(c: Compiling, stage: Stage, planned: tuple[PlannedChange, ...]) -> None:
    probes = tuple(probe_spec(p) for p in stage.probes)
    gate = _gate(c, stage)
    for item in stage.confirm:
        confirm = Confirm(item.id, item.who, item.says, item.by, item.probe or "", item.undo or "", item.timeout)
        proof = tuple(p for p in probes if p.name == item.probe)
        c.steps.append(
            Step(f"{stage.name}/confirm:{item.id}", StepKind.CONFIRM, stage.name, probes=proof, confirm=confirm)
        )
    if stage.window is not None:
        w = stage.window
        window = Window(tuple(w.iso_days), w.from_.strftime("%H:%M"), w.to.strftime("%H:%M"), w.timezone)
        c.steps.append(Step(f"{stage.name}/window", StepKind.WINDOW, stage.name, window=window))
    unchanged = tuple(pin(c, key) for key in unchanged_keys(c.plan, stage))
    edits = [e for p in planned if (e := stage_edit(c, stage, p)) is not None]
    early = tuple(p for p in probes if p.role != "health")
    c.steps.append(
        Step(
            f"{stage.name}/preflight", StepKind.PREFLIGHT, stage.name, "", (*edits, *unchanged), probes=early, gate=gate
        )
    )
    accepts = tuple((p.key, p.accept) for p in planned if p.accept is not None)
    _write(
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


def _write(
    c: Compiling,
    name: str,
    kind: StepKind,
    stage: Stage,
    edits: list[Edit],
    *,
    resolvers: bool,
    probes: tuple[ProbeSpec, ...] = (),
    unchanged: tuple[Edit, ...] = (),
    accepts: tuple[tuple[RRsetKey, Accept], ...] = (),
) -> None:
    """The messages of one write, zone after zone (they are not atomic across zones), and their verification."""
    gate = _gate(c, stage)
    exposures: dict[RRsetKey, Exposure] = {}
    refs = list(dict.fromkeys(e.key.zone for e in edits))
    several = len(refs) > 1
    for ref in refs:
        own = {e.key: e for e in edits if e.key.zone == ref}
        changes = tuple(must(e, c.image.get(k)) for k, e in own.items())
        for change in changes:
            exposures[change.key] = _exposure(c, own[change.key], change)
        groups = c.partition[ref](changes)
        if len(groups) > 1 and "split" not in c.plan.safety.allow:
            c.drifts.append(Drift(stage.name, None, changes[0].key, f"{len(changes)} changes", None, "too_large"))
        for n, group in enumerate(groups, 1):
            suffix = (f":{ref}" if several else "") + (f":{n}" if len(groups) > 1 else "")
            keys = [ch.key for ch in group]
            c.steps.append(
                Step(
                    name + suffix,
                    kind,
                    stage.name,
                    ref,
                    tuple(own[k] for k in keys),
                    tuple(exposures[k] for k in keys),
                    probes=probes,
                    gate=gate,
                )
            )
        for change in changes:
            c.image[change.key] = change.after
    c.steps.append(
        Step(
            f"{name}/converge" if kind is not StepKind.APPLY else f"{stage.name}/converge",
            StepKind.CONVERGE,
            stage.name,
            "",
            (*edits, *unchanged),
            tuple(exposures.values()),
            accepts=accepts,
            resolvers=resolvers,
            probes=probes,
            gate=gate,
        )
    )


def _exposure(c: Compiling, edit: Edit, change: Change) -> Exposure:
    context = c.live.contexts[change.key]
    # What else is at the name now, as this run has left it so far.
    here = c.at_name.get((change.key.zone, change.key.owner), ())
    others = {k.rdtype: r.ttl for k in here if k != change.key and (r := c.image.get(k))} if len(here) > 1 else {}
    existing = {**context.existing_ttls, **others} if others else context.existing_ttls
    before, after = change.before, change.after
    # Nothing else decides: ten thousand changes are a handful of cases.
    case = (
        change.key.rdtype,
        before.ttl if before is not None else None,
        after.ttl if after is not None else None,
        before == after,
        context.negative_ttl,
        context.wildcard_ttl,
        context.name_exists,
        tuple(existing.items()),
    )
    if case not in c.lives:
        context = replace(context, existing_ttls=existing)
        c.lives[case] = old_lifetime(change, context, c.policy), rollback_lifetime(change, context, c.policy)
    old, undo = c.lives[case]
    return Exposure(change.key, old.seconds, old.why, undo.seconds, undo.why)
