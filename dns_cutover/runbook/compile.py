"""Plan + live view -> runbook. Pure: the same inputs give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dns_cutover.lookup.interface import Accept
from dns_cutover.plan.expand import PlannedChange, expand_changes, unchanged_keys
from dns_cutover.plan.models import Plan, Stage
from dns_cutover.plan.probes import probe_spec
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.records import Change, Edit, Mismatch, RRset, RRsetKey, SetEdit, ValueEdit, realise
from dns_cutover.runbook.model import (
    Confirm,
    Convergence,
    Exposure,
    RollbackPolicy,
    Runbook,
    Seen,
    StageInfo,
    Step,
    StepKind,
    Window,
    ZoneInfo,
)
from dns_cutover.timing.exposure import NameContext, Tail, old_lifetime, rollback_lifetime
from dns_cutover.timing.lifetime import CachePolicy

Partition = Callable[[tuple[Change, ...]], tuple[tuple[Change, ...], ...]]


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What the compiler needs of the live view. `contexts`: what is around each RRset; `around`: the RRsets
    themselves, at the names of those that change and as wildcards above.
    """

    zones: tuple[ZoneInfo, ...]
    rrsets: Mapping[RRsetKey, RRset | None]
    contexts: Mapping[RRsetKey, NameContext]
    around: Mapping[RRsetKey, RRset | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """A planned change that does not fit what is live, or does not fit one message."""

    stage: str
    planned: PlannedChange | None
    key: RRsetKey
    expected: str
    found: RRset | None
    reason: str = "differs"


class DriftFound(Exception):
    """The plan does not fit the live view; `drifts` says where."""

    def __init__(self, drifts: tuple[Drift, ...]) -> None:
        super().__init__(f"{len(drifts)} planned changes do not fit what is live")
        self.drifts = drifts


@dataclass(slots=True)
class _Compiler:
    plan: Plan
    live: LiveFacts
    partition: Mapping[str, Partition]
    image: dict[RRsetKey, RRset | None]
    policy: CachePolicy = field(init=False)
    steps: list[Step] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    final_ttl: dict[RRsetKey, int] = field(default_factory=dict)
    at_name: dict[tuple[str, str], list[RRsetKey]] = field(default_factory=dict)  # by zone reference and owner
    lives: dict[tuple[object, ...], tuple[Tail, Tail]] = field(default_factory=dict)
    created: dict[str, int | None] = field(default_factory=dict)  # by stage: the TTL that its new RRsets take over

    def __post_init__(self) -> None:
        self.policy = CachePolicy(tuple(self.plan.ttl.resolver_floor) or (0.0,), self.plan.ttl.client_floor)
        for key in self.image:
            self.at_name.setdefault((key.zone, key.owner), []).append(key)


def compile_runbook(plan: Plan, plan_sha256: str, live: LiveFacts, partition: Mapping[str, Partition]) -> Runbook:
    """The runbook of `plan` against what is live. `partition` by zone reference. Raises DriftFound."""
    c = _Compiler(plan, live, partition, dict(live.rrsets))
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


def _gate(c: _Compiler, stage: Stage) -> Convergence:
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


def _compile_segment(c: _Compiler, stages: list[Stage]) -> None:
    first = stages[0]
    planned = {stage.name: expand_changes(c.plan, stage) for stage in stages}
    lower = _lower_edits(c, stages, planned)
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
    restore = _restore_edits(c, stages, planned)
    if restore:
        _write(c, f"{stages[-1].name}/restore_ttl", StepKind.RESTORE_TTL, stages[-1], restore, resolvers=False)


def _lead(c: _Compiler, stage: Stage, edit: Edit) -> float:
    """How long before its change an RRset's TTL must be lowered: two rounds prove it, then D and its longest life."""
    exposure = _exposure(c, edit, _must(edit, c.image.get(edit.key)))
    zone = next(z for z in c.live.zones if z.ref == edit.key.zone)
    return _gate(c, stage).round_gap + zone.guarantees.propagation_bound + exposure.old_s


def _low(c: _Compiler, stage: Stage) -> int:
    ttl = stage.ttl or c.plan.ttl
    return int(ttl.lower_to)


def _final(c: _Compiler, stage: Stage, planned: PlannedChange, now: RRset | None) -> int:
    """The TTL that the RRset is to have in the end."""
    if planned.ttl is not None:
        return planned.ttl
    ttl = stage.ttl or c.plan.ttl
    original = c.live.rrsets.get(planned.key)
    if original is None and now is None:
        if stage.name not in c.created:
            c.created[stage.name] = _siblings(c, stage)
        siblings = c.created[stage.name]
        return siblings if siblings is not None else _soa_ttl(c, planned.key.zone)
    before = original or now
    kept = before.ttl if before else _soa_ttl(c, planned.key.zone)
    match ttl.restore:
        case "original":
            return kept
        case "keep":
            return min(int(ttl.lower_to), kept)
        case seconds:
            return int(seconds)


def _siblings(c: _Compiler, stage: Stage) -> int | None:
    """The highest TTL that the stage gives, else the highest that its RRsets have; None if there is none."""
    planned = expand_changes(c.plan, stage)
    given = [p.ttl for p in planned if p.ttl is not None]
    existing = [r.ttl for p in planned if (r := c.live.rrsets.get(p.key)) is not None]
    return max(given or existing, default=None)


def _soa_ttl(c: _Compiler, ref: str) -> int:
    return next(z.soa_ttl for z in c.live.zones if z.ref == ref)


def _lower_edits(c: _Compiler, stages: list[Stage], planned: Mapping[str, tuple[PlannedChange, ...]]) -> list[Edit]:
    out: dict[RRsetKey, Edit] = {}
    for stage in stages:
        for change in planned[stage.name]:
            now = c.image.get(change.key)
            if now is None or change.key in out or change.kind == "ttl":
                continue
            low = min(_low(c, stage), _final(c, stage, change, now))
            if now.ttl <= low:
                continue
            if change.kind == "values":
                # By value, too: what others have at the name, and may change meanwhile, is not ours to pin.
                require = tuple(v for v in change.remove if v in now.values)
                out[change.key] = ValueEdit(change.key, (), (), now.ttl, low, require=require)
            else:
                out[change.key] = SetEdit(change.key, now, now.with_ttl(low))
    return list(out.values())


def _restore_edits(c: _Compiler, stages: list[Stage], planned: Mapping[str, tuple[PlannedChange, ...]]) -> list[Edit]:
    out: dict[RRsetKey, Edit] = {}
    for stage in stages:
        for change in planned[stage.name]:
            now, final = c.image.get(change.key), c.final_ttl.get(change.key)
            if now is None or final is None or now.ttl == final:
                out.pop(change.key, None)
                continue
            if change.kind == "values":
                out[change.key] = ValueEdit(change.key, (), (), now.ttl, final, require=change.add)
            else:
                out[change.key] = SetEdit(change.key, now, now.with_ttl(final))
    return list(out.values())


def _compile_stage(c: _Compiler, stage: Stage, planned: tuple[PlannedChange, ...]) -> None:
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
    unchanged = tuple(_pin(c, key) for key in unchanged_keys(c.plan, stage))
    edits = [e for p in planned if (e := _edit(c, stage, p)) is not None]
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


def _pin(c: _Compiler, key: RRsetKey) -> Edit:
    """An RRset that the stage must not change: what is there before it is what must be there after it."""
    now = c.image.get(key)
    return SetEdit(key, now, now)


def _edit(c: _Compiler, stage: Stage, p: PlannedChange) -> Edit | None:
    """The edit of one planned change at the TTL that holds during the run; None if it does not fit (a Drift)."""
    now = c.image.get(p.key)
    final = _final(c, stage, p, now)
    c.final_ttl[p.key] = final
    low = min(_low(c, stage), final)
    match p.kind:
        case "ttl":
            if now is None:
                c.drifts.append(Drift(stage.name, p, p.key, "present", None))
                return None
            c.final_ttl[p.key] = final
            return SetEdit(p.key, now, now.with_ttl(final))
        case "set":
            before = (
                now if p.before == "live" else None if p.before is None else RRset(now.ttl if now else low, p.before)
            )
            if p.before != "live" and (before.values if before else None) != (now.values if now else None):
                c.drifts.append(Drift(stage.name, p, p.key, ", ".join(p.before) if p.before else "absent", now))
                # Go on as if it had been there: what follows from one mistake is not told again for later stages.
                c.image[p.key] = RRset(low, p.after) if p.after is not None else None
                return None
            return SetEdit(p.key, now, RRset(low, p.after) if p.after is not None else None)
        case "values":
            ttl = now.ttl if now is not None else low
            edit = ValueEdit(p.key, p.remove, p.add, now.ttl if now is not None else None, min(low, ttl))
            result = realise(edit, now)
            if isinstance(result, Mismatch):
                c.drifts.append(Drift(stage.name, p, p.key, result.expected, now))
                meant = (set(now.values if now else ()) - set(p.remove)) | set(p.add)
                c.image[p.key] = RRset(edit.ttl, tuple(sorted(meant))) if meant else None
                return None
            return edit


def _must(edit: Edit, now: RRset | None) -> Change:
    result = realise(edit, now)
    if isinstance(result, Mismatch):
        raise AssertionError(result)
    return result


def _write(
    c: _Compiler,
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
        changes = tuple(_must(e, c.image.get(k)) for k, e in own.items())
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


def _exposure(c: _Compiler, edit: Edit, change: Change) -> Exposure:
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
