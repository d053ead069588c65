"""From planned changes to edits with TTLs: what is lowered, what a stage writes, and what is restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from dns_cutover.plan.expand import PlannedChange, expand_changes
from dns_cutover.plan.models import Stage
from dns_cutover.records import Change, Edit, Mismatch, RRset, RRsetKey, SetEdit, ValueEdit, realise
from dns_cutover.runbook.compiling import Compiling, Drift


def low_ttl(c: Compiling, stage: Stage) -> int:
    """The TTL that the stage's records carry during the run, in seconds, where their own is not lower."""
    ttl = stage.ttl or c.plan.ttl
    return int(ttl.lower_to)


def final_ttl(c: Compiling, stage: Stage, planned: PlannedChange, now: RRset | None) -> int:
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


def _siblings(c: Compiling, stage: Stage) -> int | None:
    """The highest TTL that the stage gives, else the highest that its RRsets have; None if there is none."""
    planned = expand_changes(c.plan, stage)
    given = [p.ttl for p in planned if p.ttl is not None]
    existing = [r.ttl for p in planned if (r := c.live.rrsets.get(p.key)) is not None]
    return max(given or existing, default=None)


def _soa_ttl(c: Compiling, ref: str) -> int:
    return next(z.soa_ttl for z in c.live.zones if z.ref == ref)


def lower_edits(c: Compiling, stages: list[Stage], planned: Mapping[str, tuple[PlannedChange, ...]]) -> list[Edit]:
    """What lowers the TTLs of all that the stages change and that is there now."""
    out: dict[RRsetKey, Edit] = {}
    for stage in stages:
        for change in planned[stage.name]:
            now = c.image.get(change.key)
            if now is None or change.key in out or change.kind == "ttl":
                continue
            low = min(low_ttl(c, stage), final_ttl(c, stage, change, now))
            if now.ttl <= low:
                continue
            if change.kind == "values":
                # By value, too: what others have at the name, and may change meanwhile, is not ours to pin.
                require = tuple(v for v in change.remove if v in now.values)
                out[change.key] = ValueEdit(change.key, (), (), now.ttl, low, require=require)
            else:
                out[change.key] = SetEdit(change.key, now, now.with_ttl(low))
    return list(out.values())


def restore_edits(c: Compiling, stages: list[Stage], planned: Mapping[str, tuple[PlannedChange, ...]]) -> list[Edit]:
    """What gives all that the stages changed its final TTL."""
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


def pin(c: Compiling, key: RRsetKey) -> Edit:
    """An RRset that the stage must not change: what is there before it is what must be there after it."""
    now = c.image.get(key)
    return SetEdit(key, now, now)


def stage_edit(c: Compiling, stage: Stage, p: PlannedChange) -> Edit | None:
    """The edit of one planned change at the TTL that holds during the run; None if it does not fit (a Drift)."""
    now = c.image.get(p.key)
    final = final_ttl(c, stage, p, now)
    c.final_ttl[p.key] = final
    low = min(low_ttl(c, stage), final)
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
        case _:
            assert_never(p.kind)


def must(edit: Edit, now: RRset | None) -> Change:
    """The change of an edit that was made for `now`: it fits."""
    result = realise(edit, now)
    assert not isinstance(result, Mismatch), result
    return result
