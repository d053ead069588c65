"""The replay as text and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dns_cutover.lab.replay.arms import KINDS, MAIL_EVERY, MINUTE
from dns_cutover.lab.replay.figures import ArmResult, middle, worst
from dns_cutover.lab.replay.playing import BEFORE
from dns_cutover.lab.replay.words import MODELLED, NOT_MODELLED, bound, minutes
from dns_cutover.report.words import safe

SCHEMA = "dns-cutover/demo-incident/1"
_WIDTH = 16


def text(results: Sequence[ArmResult]) -> str:
    """The table, the picture, and what both leave out."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Sequence[ArmResult]) -> Iterator[str]:
    yield f"The incident, replayed: {results[0].phases} cache phases for each kind of resolver. Minutes of lab time."
    yield ""
    yield f"{'mail refused, median/worst':<20}" + "".join(f"{k.name:>{_WIDTH}}" for k in KINDS)
    for r in results:
        cells = (f"{minutes(middle(r.of(k.name)))} / {minutes(worst(r.of(k.name)))}" for k in KINDS)
        yield f"  {r.name:<18}" + "".join(f"{c:>{_WIDTH}}" for c in cells)
    yield ""
    heads = ("lost messages", "detected", "old DNS back", "in all", "false rollbacks", "bound")
    yield f"{'':<20}" + "".join(f"{h:>{_WIDTH}}" for h in heads)
    for r in results:
        limit = bound(r)
        values = (str(r.refused), minutes(r.detection), minutes(r.repair), minutes(r.duration), str(r.false_rollbacks))
        yield f"  {r.name:<18}" + "".join(f"{c:>{_WIDTH}}" for c in (*values, minutes(limit)))
    yield "detected, old DNS back: from when the fault begins."
    yield "bound: 3 probe intervals + rollback + low TTL + what measuring adds."
    yield ""
    every = f"{MAIL_EVERY / MINUTE:.0f} minutes"
    yield f"Receivers that refuse mail, in tenths, one mark for {every}; | mail goes by the new vendor."
    at = round(BEFORE / MAIL_EVERY)
    for r in results:
        marks = "".join("." if x == 0 else "#" if x == 1 else str(max(1, int(x * 10))) for x in r.picture)
        yield f"  {r.name:<18}{marks[:at]}|{marks[at:]}"
    yield ""
    for r in results:
        yield f"  {r.name:<18}{safe(r.what)}: {safe(r.outcome)}"
        if r.why:
            yield f"  {'':<18}{safe(r.why)}"
    for title, told in (("What is modelled", MODELLED), ("What is not", NOT_MODELLED)):
        yield ""
        yield f"{title}:"
        yield from (f"- {sentence}" for sentence in told)


def document(results: Sequence[ArmResult]) -> dict[str, Any]:
    """All figures, in seconds of lab time."""
    return {
        "schema": SCHEMA,
        "scenario": "incident",
        "phases": results[0].phases,
        "arms": [_arm(r) for r in results],
        "modelled": list(MODELLED),
        "not_modelled": list(NOT_MODELLED),
    }


def _arm(r: ArmResult) -> dict[str, Any]:
    def after(at: float | None) -> float | None:
        return None if at is None else round(at - r.zero, 1)

    return {
        "name": r.name,
        "what": r.what,
        "outcome": r.outcome,
        "why": r.why,
        "outage_s": {
            k.name: {"median": round(middle(r.of(k.name)), 1), "worst": round(worst(r.of(k.name)), 1)} for k in KINDS
        },
        "refused": r.refused,
        "detection_s": r.detection,
        "noticed_by": r.noticed_by,
        "repair_s": r.repair,
        "rollback_s": r.rollback,
        "bound_s": bound(r),
        "duration_s": r.duration,
        "false_rollbacks": r.false_rollbacks,
        "moments": [{"at_s": after(m.at), "what": m.what} for m in r.moments],
        "refusing_share": {"from_s": -BEFORE, "every_s": MAIL_EVERY, "values": list(r.picture)},
        "receivers": [
            {**asdict(x.subject), "outage_s": x.outage, "refused": x.refused, "deferred": x.deferred, "sent": x.sent}
            for x in r.receivers
        ],
    }
