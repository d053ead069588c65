"""DC4xx: acts that must be deliberate, and what the provider cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dns_cutover.checks.place import finding
from dns_cutover.plan.expand import expand_changes, zone_names
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import LoadedPlan
from dns_cutover.plan.yamltext import Path

CHECKS = {
    "DC401": "an RRset is deleted",
    "DC402": "the NS set of the apex or of a delegation changes",
    "DC403": "too many changes",
    "DC404": "the change does not fit one atomic message",
    "DC405": "a wildcard changes",
    "DC406": "the provider is not available in this version",
    "DC407": "a DNSSEC record changes",
}
_DNSSEC = frozenset({"DS", "DNSKEY", "CDS", "CDNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "RRSIG"})


def safety_findings(loaded: LoadedPlan) -> Iterator[Finding]:
    """All findings of the family that need no network."""
    plan, names = loaded.plan, zone_names(loaded.plan)
    allow = set(plan.safety.allow)
    total = 0
    for n, stage in enumerate(plan.stages):
        planned = expand_changes(plan, stage)
        total += len(planned)
        come = {(p.key.zone, p.key.owner) for p in planned if p.kind == "set" and p.after is not None}
        for p in planned:
            path: Path = ("stages", n, "changes", p.index)
            label = p.key.label(names[p.key.zone])
            where: dict[str, object] = {"path": path, "stage": stage.name, "record": label}
            at = (p.key.zone, p.key.owner)
            # A deletion that makes room for another type at the name is a replacement.
            if p.kind == "set" and p.after is None and at not in come and "delete" not in allow:
                yield _deliberate(loaded, "DC401", f"{label} is deleted", "delete", where)
            if p.key.rdtype == "NS":
                word = "apex_ns" if p.key.owner == names[p.key.zone] else "delegation"
                if word not in allow:
                    yield _deliberate(loaded, "DC402", f"{label} changes who serves the names below it", word, where)
            if p.key.owner.startswith("*.") and "wildcard" not in allow:
                yield _deliberate(loaded, "DC405", f"{label} answers for names that nobody lists", "wildcard", where)
            if p.key.rdtype in _DNSSEC and "dnssec" not in allow:
                yield _deliberate(loaded, "DC407", f"{label} is part of a chain of trust", "dnssec", where)
    if total > plan.safety.max_changes:
        yield finding(
            loaded,
            "DC403",
            "error",
            f"{total} changes, more than safety.max_changes ({plan.safety.max_changes})",
            f"if that is meant: safety: {{max_changes: {total}}}",
            ("safety", "max_changes"),
        )
    for ref, config in plan.all_zones().items():
        if config.provider.type != "rfc2136":
            spot: Path = ("zones", ref, "provider", "type") if plan.zones else ("provider", "type")
            message = f"the provider {config.provider.type} is not available in this version"
            yield finding(loaded, "DC406", "error", message, "available: rfc2136", spot)


def _deliberate(loaded: LoadedPlan, check: str, message: str, word: str, where: Mapping[str, object]) -> Finding:
    path = where["path"]
    assert isinstance(path, tuple)
    return finding(
        loaded,
        check,
        "error",
        message,
        f"if that is meant: safety: {{allow: [{word}]}}",
        path,
        stage=str(where["stage"]),
        record=str(where["record"]),
        why="Acts that are hard to take back are named in the plan.",
    )
