"""The messages of one write, what they leave in caches, and the step that verifies them."""

from __future__ import annotations

from dataclasses import replace

from dns_cutover.lookup.interface import Accept
from dns_cutover.plan.models import Stage
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.records import Change, Edit, RRsetKey
from dns_cutover.runbook.compiling import Compiling, Drift
from dns_cutover.runbook.edits import must
from dns_cutover.runbook.model import Convergence, Exposure, Step, StepKind
from dns_cutover.timing.exposure import old_lifetime, rollback_lifetime


def gate_of(c: Compiling, stage: Stage) -> Convergence:
    """The gate of the stage's writes."""
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


def add_write(
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
    gate = gate_of(c, stage)
    exposures: dict[RRsetKey, Exposure] = {}
    refs = list(dict.fromkeys(e.key.zone for e in edits))
    several = len(refs) > 1
    for ref in refs:
        own = {e.key: e for e in edits if e.key.zone == ref}
        changes = tuple(must(e, c.image.get(k)) for k, e in own.items())
        for change in changes:
            exposures[change.key] = exposure(c, own[change.key], change)
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


def exposure(c: Compiling, edit: Edit, change: Change) -> Exposure:
    """What the change leaves in caches, and what its undoing leaves there."""
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
