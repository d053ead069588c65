"""DC804-DC806, DC814: how long the way back takes, and for how long it is open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.checks.moves import additive, by_stage, decides
from dns_cutover.checks.ttl import course, first_late
from dns_cutover.plan.models import Plan, Stage
from dns_cutover.plan.types import as_written
from dns_cutover.runbook.model import Exposure, StepKind

_ZONE = "www 3600 IN A 192.0.2.10\n"
_PROBE = "{type: http, name: green, url: https://www.example.test/, address: 192.0.2.20}"
_GONE = "safety: {allow: [delete]}\nstages:\n  - name: retire\n    changes:\n      - {name: www, type: A, %s}\n%s"
_TO = 'from: ["192.0.2.10"], to: ["192.0.2.20"]'
_DELETE = 'from: ["192.0.2.10"], to: absent'


def _moved(bake: str) -> str:
    change = f"{{name: www, type: A, {_TO}}}"
    return f"stages:\n  - name: switch\n    changes: [{change}]\n    bake: {bake}\n    probes: [{_PROBE}]\n"


def _exposures(subject: Subject) -> Iterator[tuple[int, Stage, list[Exposure]]]:
    """Per stage that may be taken back: what its writes leave in caches, without what a rollback leaves in place."""
    assert subject.book is not None
    plan, stay = subject.loaded.plan, set()
    if plan.rollback.additive == "keep":
        stay = {(c.stage.name, c.key) for c in subject.changes if additive(subject, c)}
    found: dict[str, list[Exposure]] = {}
    for step in subject.book.steps:
        if step.kind is StepKind.APPLY:
            found.setdefault(step.stage, []).extend(x for x in step.exposures if (step.stage, x.key) not in stay)
    for n, stage in enumerate(plan.stages):
        if stage.commit != "before" and (exposures := found.get(stage.name)):
            yield n, stage, exposures


@check(
    "DC804",
    "warning",
    "the rollback's tail is longer than the bake",
    why="A fault that is seen in the bake stays with some users for longer than the bake itself.",
    hint="lengthen the bake, or shorten what decides the tail",
    source="RFC 2308 section 5",
    needs="live",
    fires=Example(_moved("1m"), zone=_ZONE),
    silent=Example(_moved("10m"), zone=_ZONE),
)
def tail_beyond_bake(subject: Subject) -> Iterator[Spot]:
    """After a rollback caches still hold the new answer for its TTL, or the absence of the old one for the zone's
    negative TTL. A bake that is shorter than this ends before anybody could know how a rollback would have gone, and
    the next stage adds to it.
    """
    if subject.book is None:
        return
    for n, stage, exposures in _exposures(subject):
        worst = max(exposures, key=lambda x: x.undo_s)
        watches = any(map(decides, stage.probes))
        if worst.undo_s <= stage.bake or not (stage.bake or watches):
            continue
        name = subject.book.label(worst.key)
        message = f"after a rollback of {name} the new answer lives for up to {as_written(worst.undo_s)} "
        message += f"({worst.undo_why}), and stage {stage.name} bakes for {as_written(stage.bake)}"
        key = "bake" if subject.loaded.document.has(("stages", n, "bake")) else "name"
        yield Spot(("stages", n, key), message, f"write bake: {as_written(worst.undo_s)} or more", stage.name, name)


@check(
    "DC805",
    "info",
    "a stage whose way back is slower than its way there",
    why="Who decides about a rollback should know that it helps users late.",
    hint="look for another way back: a change that replaces is undone faster than one that deletes",
    source="RFC 2308 section 5",
    needs="live",
    fires=Example(
        _GONE % (_TO, "") + '      - {name: old, type: A, from: ["192.0.2.30"], to: absent}\n',
        zone=_ZONE + "old 3600 IN A 192.0.2.30\n",
    ),
    silent=Example(_GONE % (_TO, ""), zone=_ZONE),
)
def slow_undo(subject: Subject) -> Iterator[Spot]:
    """The way there replaces answers that were lowered for it. The way back replaces what this stage has published: a
    deletion leaves an absence, which caches keep for the zone's negative TTL, and nothing lowers that one beforehand. A
    stage that does nothing but delete is told elsewhere, and one that changes only TTLs has nothing to take back.
    """
    if subject.book is None:
        return
    changes = by_stage(subject)
    for n, stage, exposures in _exposures(subject):
        own = [c for c in changes[n] if c.planned.kind != "ttl"]
        keys = {c.key for c in own}
        exposures = [x for x in exposures if x.key in keys]
        if not exposures or all(subject.after(c) is None for c in own):
            continue
        there = max(x.old_s for x in exposures)
        worst = max(exposures, key=lambda x: x.undo_s)
        if worst.undo_s < 2 * there or worst.undo_s - there <= 60:
            continue
        name = subject.book.label(worst.key)
        message = f"stage {stage.name} is over for users after {as_written(there)}, and taking {name} back takes "
        message += f"{as_written(worst.undo_s)} ({worst.undo_why})"
        yield Spot(("stages", n, "name"), message, stage=stage.name, record=name)


@check(
    "DC806",
    "warning",
    "rollback.until ends before the way back does",
    why="After that moment nothing goes back by itself, and part of the run lies behind it.",
    hint="start earlier, shorten the bakes, or move rollback.until",
    source="the plan format, rollback",
    fires=Example('rollback: {until: "2026-03-10T12:30:00Z"}\n' + _moved("1h"), note="Now it is 12:00 UTC."),
    silent=Example('rollback: {until: "2026-03-11T12:00:00Z"}\n' + _moved("1h"), note="Now it is 12:00 UTC."),
)
def too_early(subject: Subject) -> Iterator[Spot]:
    """rollback.until says when the old side is gone, with an old certificate for example. A run that bakes beyond it,
    even if it starts at this moment and nobody is late, has stages that cannot be taken back. Once it has passed the
    whole run has no way back.
    """
    policy = subject.loaded.plan.rollback
    if policy.until is None or not policy.automatic:
        return
    if first_late(subject) is not None:
        return  # DC312 says so
    until = policy.until.timestamp()
    at = ("rollback", "until")
    if until <= subject.now:
        message = f"rollback.until {policy.until.isoformat(timespec='minutes')} has passed: nothing goes back by itself"
        yield Spot(at, message, "write a later time, or rollback: {automatic: false}", severity="error")
        return
    needed, last = _by_plan(subject.loaded.plan)
    if subject.now + needed > until:
        yield _too_early(subject, policy.until, needed, last)


def _too_early(subject: Subject, until: datetime, needed: float, stage: str) -> Spot:
    minute = math.ceil((subject.now + needed) / 60) * 60  # what is written is cut off at minutes
    when = datetime.fromtimestamp(minute, until.tzinfo).isoformat(timespec="minutes")
    message = f"started now, stage {stage} needs its way back until {when} at least, and rollback.until is "
    message += until.isoformat(timespec="minutes")
    return Spot(("rollback", "until"), message, f"write until: {when} or later, if the old side is there for so long")


def _by_plan(plan: Plan) -> tuple[float, str]:
    """Seconds from the start until the last stage that can be taken back has baked, by its waits and bakes alone; and
    its name.
    """
    sums, total, name = 0.0, 0.0, plan.stages[0].name
    for stage in plan.stages:
        gate = stage.propagation or plan.propagation
        sums += (stage.wait or 0.0) + stage.bake + gate.round_gap
        if stage.commit != "before":
            total, name = sums, stage.name
    return total, name


@check(
    "DC814",
    "warning",
    "the timeline needs the way back beyond rollback.until",
    why="After that moment nothing goes back by itself, and part of the run lies behind it.",
    hint="start earlier, shorten the bakes, or move rollback.until",
    source="the plan format, rollback",
    needs="live",
    fires=Example(
        'rollback: {until: "2026-03-10T13:30:00Z"}\n' + _moved("30m"), zone=_ZONE, note="Now it is 12:00 UTC."
    ),
    silent=Example(
        'rollback: {until: "2026-03-10T15:00:00Z"}\n' + _moved("30m"), zone=_ZONE, note="Now it is 12:00 UTC."
    ),
)
def too_early_live(subject: Subject) -> Iterator[Spot]:
    """The same as DC806 with all that live DNS adds: the wait until the old TTL is dead, the tails of the changes, and
    the time in which the undoing of the last stage reaches everybody.
    """
    policy = subject.loaded.plan.rollback
    if policy.until is None or not policy.automatic or subject.book is None or first_late(subject) is not None:
        return
    until = policy.until.timestamp()
    if until < subject.now + _by_plan(subject.loaded.plan)[0]:
        return  # DC806 says so
    ends = {m.step.stage: m.end - subject.now for m in course(subject) if m.step.kind is StepKind.BAKE}
    after = [(stage.name, max(x.undo_s for x in xs)) for _, stage, xs in _exposures(subject) if stage.name in ends]
    needed = [(ends[name] + undo, name) for name, undo in after]
    longest, last = max(needed, default=(0.0, ""))
    if subject.now + longest > until:
        yield _too_early(subject, policy.until, longest, last)


CHECKS = (tail_beyond_bake, slow_undo, too_early, too_early_live)
