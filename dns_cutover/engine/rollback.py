"""The way back: which steps take a run back to where it began, newest stage first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from dns_cutover.records import Change, Edit, RRset, RRsetKey, SetEdit, ValueEdit, inverse
from dns_cutover.runbook.model import Convergence, Exposure, Runbook, Step, StepKind


@dataclass(frozen=True, slots=True)
class Written:
    """One message of ours that was applied: the step, its edits, and the changes that took effect."""

    step: str
    kind: StepKind
    stage: str
    edits: tuple[Edit, ...]
    changes: tuple[Change, ...]
    exposures: tuple[Exposure, ...]


def is_additive(edit: Edit) -> bool:
    """Whether the edit only added a name or values, so that leaving it in place harms nobody."""
    match edit:
        case SetEdit(_, before, after):
            return before is None and after is not None
        case ValueEdit():
            return not edit.remove and bool(edit.add)
        case _:
            assert_never(edit)


def kept(book: Runbook, applied: Iterable[Written]) -> Callable[[Edit], bool]:
    """Which edits of `applied` stay in place when all of it is undone: with `additive: keep`, what only added.

    An alias and the data whose place it took, or the other way round, are one replacement: a name cannot have both
    (RFC 1034 section 3.6.2), so that what comes back needs the other one gone.
    """
    taken: dict[tuple[str, str], set[str]] = {}
    for w in applied:
        for c in w.changes:
            if c.before is not None and c.after is None:
                taken.setdefault((c.key.zone, c.key.owner), set()).add(c.key.rdtype)

    def stays(edit: Edit) -> bool:
        if book.rollback.additive != "keep" or not is_additive(edit):
            return False
        others = taken.get((edit.key.zone, edit.key.owner), set()) - {edit.key.rdtype}
        return not others or (edit.key.rdtype != "CNAME" and "CNAME" not in others)

    return stays


_BEGUN = (StepKind.APPLY, StepKind.BAKE)


def has_begun(book: Runbook, stage: str, i: int) -> bool:
    """Whether the stage began, when step `i` is the current one: with its first message. While it waits to start, and
    while its TTLs are lowered, nothing of it is done.
    """
    return any(step.stage == stage and step.kind in _BEGUN for step in book.steps[: i + 1])


def has_ended(book: Runbook, stage: str, i: int) -> bool:
    """Whether all steps of the stage are done, when step `i` is the current one."""
    return has_begun(book, stage, i) and all(step.stage != stage for step in book.steps[i:])


def closed_stages(book: Runbook, i: int) -> frozenset[str]:
    """Stages whose way back is closed: up to the newest one with `commit: after` that has baked.

    An older stage never goes back alone: what a newer one stands on must stay with it.
    """
    names = [s.name for s in book.stages]
    ended = (n for n, s in enumerate(book.stages) if s.commit == "after" and has_ended(book, s.name, i))
    return frozenset(names[: max(ended, default=-1) + 1])


def undone_stages(book: Runbook, done: tuple[Written, ...], i: int, *, stage: str = "") -> list[str]:
    """Which stages a rollback takes back, newest first. See `way_back`."""
    closed = closed_stages(book, i)
    names = list(dict.fromkeys(w.stage for w in reversed(done) if w.kind is StepKind.APPLY and w.stage not in closed))
    if stage in names:
        return names[: names.index(stage) + 1]
    return names[:1] if book.rollback.scope == "stage" else names


def way_back(book: Runbook, done: tuple[Written, ...], i: int, *, stage: str = "") -> tuple[Step, ...]:
    """The steps that undo `done`, at forward position `i`; with `stage`, down to that stage and no further.

    Per stage, newest first: undo by compare-and-swap against our own after-image, verify at every authoritative
    server, wait until the after-image is dead; then whoever confirmed something for the stage that has to be undone
    confirms that, before an older stage goes back. TTLs are restored and verified; what is left to be confirmed then
    comes last.
    """
    stages = undone_stages(book, done, i, stage=stage)
    applied = [w for w in done if w.kind is StepKind.APPLY and w.stage in stages]
    image: dict[RRsetKey, RRset | None] = {c.key: c.after for w in done for c in w.changes}
    undone: set[RRsetKey] = set()
    steps: list[Step] = []
    stays = kept(book, applied)
    opposite: list[Step] = []
    for name in stages:
        undo = _undo_stage(book, name, [w for w in reversed(applied) if w.stage == name], image, undone, stays)
        if undo:
            steps += opposite + undo
            opposite = _opposite(book, name)
    if book.rollback.after == "restore_ttl":
        steps += _restore(book, done, image, undone)
    return tuple(steps + opposite)


def _opposite(book: Runbook, stage: str) -> list[Step]:
    """What was confirmed before the stage and has to be undone by those who confirmed it."""
    return [
        Step(f"undo:{stage}/confirm:{s.confirm.id}", StepKind.CONFIRM, stage, confirm=s.confirm)
        for s in book.steps
        if s.stage == stage and s.confirm is not None and s.confirm.undo
    ]


def _gate(book: Runbook, stage: str = "") -> Convergence:
    """The verification that the plan wants, for a stage or for the run."""
    gates = [s.gate for s in book.steps if s.kind is StepKind.CONVERGE and stage in ("", s.stage)]
    return gates[0] if gates else Convergence()


def _undo_stage(
    book: Runbook,
    stage: str,
    written: list[Written],
    image: dict[RRsetKey, RRset | None],
    undone: set[RRsetKey],
    stays: Callable[[Edit], bool],
) -> list[Step]:
    steps: list[Step] = []
    gate = _gate(book, stage)
    for w in written:
        edits, exposures = [], []
        by_key = {c.key: c for c in w.changes}
        lives: dict[RRsetKey, list[Exposure]] = {}
        for x in w.exposures:
            lives.setdefault(x.key, []).append(x)
        for edit in w.edits:
            change = by_key.get(edit.key)
            if change is None or stays(edit):
                continue
            now = image.get(edit.key)
            edits.append(_undo(edit, change, now))
            # A TTL that was restored since is what caches may hold now.
            longer = max(0, now.ttl - change.after.ttl) if now is not None and change.after is not None else 0
            image[edit.key] = change.before
            undone.add(edit.key)
            exposures += [replace(x, old_s=x.undo_s + longer, old_why=x.undo_why) for x in lives.get(edit.key, ())]
        if edits:
            zone = edits[0].key.zone
            steps.append(Step(f"undo:{w.step}", StepKind.APPLY, stage, zone, tuple(edits), tuple(exposures), gate=gate))
    if steps:
        edits_all = tuple(e for s in steps for e in s.edits)
        exposures_all = tuple(x for s in steps for x in s.exposures)
        steps.append(Step(f"undo:{stage}/converge", StepKind.CONVERGE, stage, "", edits_all, exposures_all, gate=gate))
        steps.append(Step(f"undo:{stage}/wait_ttl", StepKind.WAIT_TTL, stage, "", edits_all, exposures_all, gate=gate))
    return steps


def _undo(edit: Edit, change: Change, now: RRset | None) -> Edit:
    """The inverse, stated against what we left there last (a later TTL restore may have raised the TTL)."""
    back = inverse(edit, change)
    match back:
        case SetEdit(key, _, after):
            return SetEdit(key, now, after)
        case ValueEdit():
            return replace(back, ttl_before=now.ttl if now else None)
        case _:
            assert_never(back)


def _restore(
    book: Runbook, done: tuple[Written, ...], image: dict[RRsetKey, RRset | None], undone: set[RRsetKey]
) -> list[Step]:
    """Give every RRset that still carries a lowered TTL the TTL it ought to have now."""
    applied = {c.key for w in done if w.kind is StepKind.APPLY for c in w.changes}
    original: dict[RRsetKey, int] = {}
    for w in done:
        if w.kind is StepKind.LOWER_TTL:
            for c in w.changes:
                if c.before is not None:
                    original.setdefault(c.key, c.before.ttl)
    final: dict[RRsetKey, int] = {}
    templates: dict[RRsetKey, Edit] = {}
    for step in book.steps:
        if step.kind in (StepKind.LOWER_TTL, StepKind.RESTORE_TTL):
            for e in step.edits:
                templates.setdefault(e.key, e)
                if step.kind is StepKind.RESTORE_TTL:
                    final[e.key] = _ttl_after(e)
    per_zone: dict[str, list[Edit]] = {}
    for key, now in sorted(image.items()):
        stays = key in applied and key not in undone
        target = final.get(key) if stays else original.get(key)
        if now is None or target is None or now.ttl == target:
            continue
        per_zone.setdefault(key.zone, []).append(_ttl_edit(templates.get(key), key, now, target))
    steps = [
        Step(f"undo:restore_ttl:{zone}", StepKind.RESTORE_TTL, "", zone, tuple(edits), gate=_gate(book))
        for zone, edits in per_zone.items()
    ]
    if steps:
        everything = tuple(e for s in steps for e in s.edits)
        steps.append(Step("undo:restore_ttl/converge", StepKind.CONVERGE, "", "", everything, gate=_gate(book)))
    return steps


def _ttl_after(edit: Edit) -> int:
    match edit:
        case SetEdit(_, _, after):
            return after.ttl if after else 0
        case ValueEdit():
            return edit.ttl
        case _:
            assert_never(edit)


def _ttl_edit(template: Edit | None, key: RRsetKey, now: RRset, ttl: int) -> Edit:
    """By value where the plan edits by value: what others added meanwhile keeps its place."""
    if isinstance(template, ValueEdit):
        return ValueEdit(key, (), (), now.ttl, ttl)
    return SetEdit(key, now, now.with_ttl(ttl))
