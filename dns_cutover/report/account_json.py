"""The account of a run as the JSON document `dns-cutover/report/1`. Pure."""

from __future__ import annotations

from typing import Any

from dns_cutover.report.account import Account
from dns_cutover.report.words import utc


def _at(ts: float | None) -> str | None:
    return utc(ts) if ts is not None else None


def _found(found: tuple[float, str] | None) -> dict[str, Any] | None:
    return {"at": utc(found[0]), "what": found[1]} if found is not None else None


def account_document(a: Account) -> dict[str, Any]:
    """Times are ISO 8601 in UTC, fields that end in `_s` seconds."""
    s = a.state
    return {
        "schema": "dns-cutover/report/1",
        "run_id": s.run_id,
        "plan": s.book.plan,
        "runbook_sha256": s.sha256,
        "outcome": s.outcome if s.final else None,
        "why": s.why,
        "began": utc(a.began),
        "ended": _at(a.ended),
        "impact": {"begin": utc(a.impact.begin), "end": _at(a.impact.end), "why": a.impact.why} if a.impact else None,
        "first_sign": _found(a.first_sign),
        "decision": _found(a.decided),
        "repaired": _at(a.repaired),
        "stages": [
            {
                "name": x.name,
                "applied": utc(x.applied),
                "published": _at(x.published),
                "tail_predicted_s": x.predicted_s,
                "old_answer_seen_s": x.seen_s,
                "taken_back": _at(x.taken_back),
                "rollback_tail_predicted_s": x.back_predicted_s,
            }
            for x in a.stages
        ],
        "commands": [{"at": utc(c.ts), "verb": c.verb, "by": c.by, "subject": c.subject} for c in a.commands],
        "held": [{"from": utc(begun), "to": _at(until), "why": why} for begun, until, why in a.held],
        "processes": a.interruptions + 1,
        "timeline": [{"at": utc(ts), "level": line.level, "what": line.tag, "how": line.text} for ts, line in a.lines],
        "actions": list(a.actions),
    }
