"""`check` as JSON: `dns-cutover/check/1`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dns_cutover.lookup.interface import Evidence, ResolverRow
from dns_cutover.lookup.views import Spread
from dns_cutover.report.check import old_share
from dns_cutover.report.words import utc

SCHEMA = "dns-cutover/check/1"


def check_document(spreads: Sequence[Spread], *, many: bool) -> dict[str, Any]:
    """One name's document, or for several names their documents under `names`."""
    if not many:
        return {"schema": SCHEMA, **_one(spreads[0])}
    return {
        "schema": SCHEMA,
        "converged": all(s.converged for s in spreads),
        "contradicted": any(s.contradicted for s in spreads),
        "names": [_one(s) for s in spreads],
    }


def _one(s: Spread) -> dict[str, Any]:
    good = [r for r in s.rows if r.evidence in (Evidence.COLD, Evidence.WARM, Evidence.WITNESSED)]
    return {
        "name": s.sought.key.owner,
        "type": s.sought.key.rdtype,
        "alias": s.key != s.sought.key,
        "authoritative": [
            {
                "name": x.server.name,
                "address": str(x.server),
                "problem": x.problem,
                "serial": x.serial,
                "answer": list(rrset.values) if (rrset := x.rrsets.get(s.key)) is not None else None,
                "ttl": rrset.ttl if rrset is not None else None,
            }
            for x in s.servers
        ],
        "agreed": s.agreed,
        "contradicted": s.contradicted,
        "resolvers": [_row(s, r) for r in s.rows],
        "new": len(good),
        "converged": s.converged,
        "dead_at": utc(s.dead_at) if s.dead_at is not None else None,
        "curve": [{"at": utc(at), "new": new, "answered": answered} for at, new, answered in s.points],
        "old_share_upper_bound": old_share(s),
    }


def _row(s: Spread, r: ResolverRow) -> dict[str, Any]:
    return {
        "name": r.resolver.name,
        "address": str(r.resolver),
        "transport": r.resolver.transport,
        "nsid": r.nsid or None,
        "evidence": r.evidence.value,
        "answer": list(r.answer) if r.answer is not None else None,
        "ttl": r.ttl,
        "eta": utc(r.eta) if r.eta is not None else None,
        "minimum_ttl": s.minimum(r),
        "asked": r.asked,
        "detail": r.detail,
    }
