"""`preview --format json`: the document `dns-cutover/preview/1`. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dns_cutover.records import RRset, SetEdit
from dns_cutover.report.foreseen import Foreseen, foresee
from dns_cutover.report.words import utc
from dns_cutover.runbook.changes import StageChange
from dns_cutover.runbook.model import Runbook, Step, StepKind, Window
from dns_cutover.runbook.otherwise import Otherwise
from dns_cutover.runbook.timeline import kept_for


def preview_document(book: Runbook, sha256: str, now: float) -> dict[str, Any]:
    """Times are ISO 8601 in UTC, fields that end in `_s` seconds, TTLs whole seconds."""
    f = foresee(book, sha256, now)
    return {
        "schema": "dns-cutover/preview/1",
        "plan": book.plan,
        "summary": book.summary,
        "owner": book.owner,
        "runbook_sha256": sha256,
        "live_view_at": utc(now),
        "zones": [
            {
                "ref": z.ref,
                "name": z.name,
                "serial": z.serial,
                "negative_ttl": z.negative_ttl,
                "servers": [{"name": s.name, "address": s.address, "port": s.port} for s in z.servers],
            }
            for z in book.zones
        ],
        "stages": [_stage(book, s.name) for s in book.stages],
        "changes": [_change(book, c) for c in f.changes],
        "steps": [
            {
                "id": m.step.id,
                "kind": m.step.kind.value,
                "stage": m.step.stage,
                "zone": m.step.zone,
                "skipped": m.skipped,
                "start_s": m.start,
                "end_s": m.end,
                "start": utc(now + m.start),
                "end": utc(now + m.end),
            }
            for m in f.moments
        ],
        "steps_back": f.steps_back,
        "freezes": [{"from": utc(z.start), "to": utc(z.end), "because": z.because} for z in book.freezes],
        "way_back": {
            "until": utc(book.rollback.until) if book.rollback.until is not None else None,
            "keep_for_s": book.rollback.keep_for,
            "open_after_finish_s": kept_for(book, now + f.finish),
        },
        "timeline": _timeline(f),
        "tails": [
            {
                "stage": t.stage,
                "after_change_s": t.after_change_s,
                "after_rollback_s": t.after_rollback_s,
                "why": t.why,
                "rollback_why": t.rollback_why,
            }
            for t in f.tails
        ],
        "otherwise": {"after_restore": _otherwise(book, f.restored), "if_done_now": _otherwise(book, f.at_once)},
        "guarantees": {z.ref: asdict(z.guarantees) for z in book.zones},
        "atomic_across_zones": len(book.zones) == 1,
    }


def _timeline(f: Foreseen) -> dict[str, Any]:
    return {
        "earliest_change": utc(f.now + f.first_change),
        "earliest_finish": utc(f.now + f.finish),
        "finish_after_s": f.finish,
        "old_side_off": {
            "at": utc(f.now + f.old_side.after_s),
            "after_s": f.old_side.after_s,
            "reason": f.old_side.reason,
        },
    }


def _stage(book: Runbook, name: str) -> dict[str, Any]:
    info = next(s for s in book.stages if s.name == name)
    own = [s for s in book.steps if s.stage == name]
    return {
        "name": name,
        "summary": info.summary,
        "commit": info.commit,
        "needs_s": info.needs,
        "wait_s": next((s.seconds for s in reversed(own) if s.kind is StepKind.WAIT), None),
        "bake_s": next((s.seconds for s in own if s.kind is StepKind.BAKE), 0.0),
        "confirm": [asdict(s.confirm) for s in own if s.confirm is not None],
        "window": next((_window(s.window) for s in own if s.window is not None), None),
        "probes": [
            {"name": p.name, "type": p.type, "role": p.role, "interval_s": p.interval, "options": dict(p.options)}
            for p in next((s.probes for s in own if s.kind is StepKind.BAKE), ())
        ],
        "unchanged": _unchanged(book, own),
    }


def _window(window: Window) -> dict[str, Any]:
    """ISO weekdays, local times."""
    return {"days": list(window.days), "from": window.start, "to": window.end, "timezone": window.timezone}


def _unchanged(book: Runbook, own: list[Step]) -> list[dict[str, Any]]:
    return [
        {"zone": e.key.zone, "name": e.key.owner, "type": e.key.rdtype, **(_image(e.before) or {"values": []})}
        for s in own
        if s.kind is StepKind.PREFLIGHT
        for e in s.edits
        if isinstance(e, SetEdit) and e.before == e.after
    ]


def _change(book: Runbook, c: StageChange) -> dict[str, Any]:
    return {
        "stage": c.stage,
        "zone": c.key.zone,
        "name": c.key.owner,
        "type": c.key.rdtype,
        "does": c.verb,
        "by_value": c.by_value,
        "before": _image(c.before, c.ttl_before),
        "after": _image(c.after, c.ttl_final),
        "ttl_during_run": c.ttl,
        "removed": list(c.removed),
        "added": list(c.added),
        "other_values": c.stays,
    }


def _image(rrset: RRset | None, ttl: int | None = None) -> dict[str, Any] | None:
    """The whole RRset; `ttl` instead of the one that it has for a while."""
    return None if rrset is None else {"ttl": rrset.ttl if ttl is None else ttl, "values": list(rrset.values)}


def _otherwise(book: Runbook, other: Otherwise | None) -> dict[str, Any] | None:
    if other is None:
        return None
    return {
        "after_change_s": other.after_change_s,
        "after_rollback_s": other.after_rollback_s,
        "name": other.change.key.owner,
        "type": other.change.key.rdtype,
        "ttl": other.ttl,
    }
