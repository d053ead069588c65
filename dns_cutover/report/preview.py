"""`preview`: what will change, when, and how long somebody may still get the other answer. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dns_cutover.records import Edit, RRset, SetEdit, ValueEdit
from dns_cutover.report.words import duration, safe, utc
from dns_cutover.runbook.model import Runbook, StepKind
from dns_cutover.runbook.timeline import finish_after, old_side_off, tails, timeline

WIDTH = 60


def edit_lines(book: Runbook, edit: Edit, final: int | None) -> list[str]:
    """The diff of one edit."""
    label = book.label(edit.key)
    match edit:
        case SetEdit(_, before, after):
            verb = "create" if before is None else "delete" if after is None else "replace"
            ttl = _ttl(before, after, final)
            lines = [f"  {verb:<8} {label}   {ttl}"]
            if before is not None and before.same_data(after):
                return [f"  ttl      {label}   {ttl}"]
            lines += [f"    - {safe(v)}" for v in (before.values if before else ())]
            lines += [f"    + {safe(v)}" for v in (after.values if after else ())]
            return lines
        case ValueEdit():
            lines = [f"  edit     {label}   ttl {edit.ttl}" + (f", then {final}" if final else "")]
            lines += [f"    - {safe(v)}" for v in edit.remove]
            lines += [f"    + {safe(v)}" for v in edit.add]
            return [*lines, "    = other values stay"]


def _ttl(before: RRset | None, after: RRset | None, final: int | None) -> str:
    parts = []
    if before is not None and after is not None and before.ttl != after.ttl:
        parts.append(f"ttl {before.ttl} -> {after.ttl}")
    elif after is not None:
        parts.append(f"ttl {after.ttl}")
    if final is not None and after is not None and final != after.ttl:
        parts.append(f"then {final}")
    return ", ".join(parts)


def final_ttls(book: Runbook) -> dict[Any, int]:
    """The TTL that each RRset has in the end, where the run restores it."""
    out = {}
    for step in book.steps:
        if step.kind is StepKind.RESTORE_TTL:
            for edit in step.edits:
                match edit:
                    case SetEdit(key, _, after):
                        if after is not None:
                            out[key] = after.ttl
                    case ValueEdit():
                        out[edit.key] = edit.ttl
    return out


def preview_text(book: Runbook, sha256: str, now: float) -> str:
    """The whole preview as plain text, 100 columns; colour adds nothing to it."""
    final = final_ttls(book)
    changes = [(s, e) for s in book.steps if s.kind is StepKind.APPLY for e in s.edits]
    zones = ", ".join(z.name.rstrip(".") for z in book.zones)
    out = [f"{safe(book.plan)} · {zones} · {len(changes)} changes in {len(book.stages)} stages   live view {utc(now)}"]
    if book.summary:
        out.append(safe(book.summary))
    for stage in book.stages:
        own = [e for s, e in changes if s.stage == stage.name]
        out += ["", f"{stage.name}  {safe(stage.summary)}"]
        for edit in own:
            out += edit_lines(book, edit, final.get(edit.key))
        out += _gates(book, stage.name)
    out += ["", "Timeline  if started now and nobody is late", *_picture(book, now), ""]
    out.append(
        f"finish        {utc(now + finish_after(book, now))} at the earliest, after {duration(finish_after(book, now))}"
    )
    off = old_side_off(book, now)
    out.append(f"old side off  {utc(now + off)} at the earliest, and then when its traffic is zero")
    floor = duration(book.client_floor)
    out += ["", f"Worst case  how long somebody may still get the other answer, {floor} for clients included"]
    out.append(f"{'':<20}{'after change':>14}{'after rollback':>16}  decided by")
    for t in tails(book):
        out.append(f"{t.stage:<20}{duration(t.after_change_s):>14}{duration(t.after_rollback_s):>16}  {safe(t.why)}")
    for zone in book.zones:
        out += [
            "",
            f"Provider  {zone.provider.get('type')} at {safe(str(zone.provider.get('server', '')))} for {zone.name}",
        ]
        g = zone.guarantees
        for has, name, text in (
            (g.atomic, "atomic", "each stage is one message"),
            (g.compare_and_swap, "compare and swap", "values are checked by the server; the TTL is read back"),
            (g.fenced, "fenced", f"lock TXT _dns-cutover.{zone.name} in every message"),
            (g.sync_wait, "sync wait", f"all {len(zone.servers)} servers are watched instead"),
        ):
            out.append(f"{'✓' if has else '–'} {name:<18}{text if has or name == 'sync wait' else 'no'}")
    if len(book.zones) > 1:
        out += ["", "! writes are atomic in each zone, not across zones"]
    out += ["", f"Runbook  {len(book.steps)} steps", f"sha256 {sha256}"]
    return "\n".join(line.rstrip() for line in out) + "\n"


def _gates(book: Runbook, stage: str) -> list[str]:
    out = []
    for step in book.steps:
        if step.stage != stage:
            continue
        if step.confirm is not None:
            c = step.confirm
            within = f", within {duration(c.timeout)}" if c.timeout else ""
            out.append(f"  confirm  {c.id}  {safe(c.who)}{within}: {safe(c.says)}")
        if step.window is not None:
            w = step.window
            days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            out.append(f"  window   {' '.join(days[d - 1] for d in w.days)} {w.start}-{w.end} {w.timezone}")
        if step.kind is StepKind.BAKE:
            for p in step.probes:
                effect = {
                    "health": f"{p.consecutive_failure_limit} failures in a row roll back",
                    "way_back": "says if a rollback would help",
                    "control": "if it fails too, the fault is ours",
                }[p.role]
                out.append(f"  probe    {p.name}  {p.type} every {duration(p.interval)}, {effect}")
    return out


def _picture(book: Runbook, now: float) -> list[str]:
    """░ wait, ▓ old answers possible, ━ bake, ◆ one moment."""
    total = max(finish_after(book, now), 1.0)
    out = []
    for m in timeline(book, now):
        if m.step.kind in (StepKind.PREFLIGHT,) or (m.step.kind is StepKind.CONVERGE and not m.step.resolvers):
            continue
        begin = int(m.start / total * WIDTH)
        length = max(1, round((m.end - m.start) / total * WIDTH))
        symbol = {
            StepKind.WAIT_TTL: "░",
            StepKind.WAIT: "░",
            StepKind.CONVERGE: "▓",
            StepKind.BAKE: "━",
        }.get(m.step.kind, "◆")
        bar = " " * begin + symbol * (1 if symbol == "◆" else length)
        name = m.step.id.replace("/", " ").replace("_", " ")
        out.append(f"{name:<26}{bar[:WIDTH]:<{WIDTH}} {duration(m.end - m.start) if m.end > m.start else ''}")
    out.append(f"{'':<26}░ wait   ▓ old answers possible   ━ bake   ◆ moment")
    return out


def preview_document(book: Runbook, sha256: str, now: float) -> dict[str, Any]:
    """`preview --format json`."""
    moments = timeline(book, now)
    first = next((m.start for m in moments if m.step.kind is StepKind.APPLY), 0.0)
    return {
        "schema": "dns-cutover/preview/1",
        "plan": book.plan,
        "runbook_sha256": sha256,
        "changes": [
            {
                "stage": s.stage,
                "name": e.key.owner,
                "type": e.key.rdtype,
                "zone": e.key.zone,
                **_images(e),
            }
            for s in book.steps
            if s.kind is StepKind.APPLY
            for e in s.edits
        ],
        "steps": [
            {"id": m.step.id, "kind": m.step.kind.value, "stage": m.step.stage, "start_s": m.start, "end_s": m.end}
            for m in moments
        ],
        "timeline": {
            "earliest_change": utc(now + first),
            "earliest_finish": utc(now + finish_after(book, now)),
            "old_side_off": {
                "at": utc(now + old_side_off(book, now)),
                "reason": "every old answer is dead and the way back over",
            },
        },
        "tails": [asdict(t) for t in tails(book)],
        "guarantees": {
            z.ref: {
                "atomic": z.guarantees.atomic,
                "compare_and_swap": z.guarantees.compare_and_swap,
                "fenced": z.guarantees.fenced,
                "propagation_bound_s": z.guarantees.propagation_bound,
            }
            for z in book.zones
        },
    }


def _images(edit: Edit) -> dict[str, Any]:
    match edit:
        case SetEdit(_, before, after):
            return {"before": _image(before), "after": _image(after)}
        case ValueEdit():
            return {
                "before": {"ttl": edit.ttl_before, "values": list(edit.remove)},
                "after": {"ttl": edit.ttl, "values": list(edit.add)},
                "by_value": True,
            }


def _image(rrset: RRset | None) -> dict[str, Any] | None:
    return None if rrset is None else {"ttl": rrset.ttl, "values": list(rrset.values)}
