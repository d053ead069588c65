"""DC2xx: what the plan expects, against what is live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dns_cutover.checks.place import change_path, finding
from dns_cutover.lookup.interface import ServerView
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import LoadedPlan
from dns_cutover.records import RRset
from dns_cutover.runbook.compile import Drift

CHECKS = {
    "DC201": "the live RRset is not what the plan expects",
    "DC202": "a value to remove is not there, or a value to add is there already",
    "DC203": "authoritative servers disagree",
    "DC204": "an authoritative server cannot be used",
    "DC205": "no authoritative server is known",
}


def drift_findings(loaded: LoadedPlan, drifts: Iterable[Drift], names: Mapping[str, str]) -> tuple[Finding, ...]:
    """The compiler's drifts as findings."""
    return tuple(_drift(loaded, d, names) for d in drifts)


def _drift(loaded: LoadedPlan, d: Drift, names: Mapping[str, str]) -> Finding:
    label = d.key.label(names[d.key.zone])
    path = change_path(loaded, d.stage, d.planned)
    if d.reason == "too_large":
        return finding(
            loaded,
            "DC404",
            "error",
            f"{d.expected} of stage {d.stage} do not fit one atomic message",
            "split the stage, or allow: [split] under safety",
            path,
            stage=d.stage,
            why="Between two messages users could see one half of the change.",
        )
    by_value = d.planned is not None and d.planned.kind == "values"
    attribute = ("remove" if d.planned and d.planned.remove else "add") if by_value else "from"
    return finding(
        loaded,
        "DC202" if by_value else "DC201",
        "error",
        f"the live {label} is not what the plan expects: {describe(d.found)}",
        f"the plan expects {d.expected}; write what is live into it, or from: live",
        (*path, attribute),
        stage=d.stage,
        record=label,
        why="A change that starts from something else would remove what nobody decided to remove.",
    )


def _who(view: ServerView) -> str:
    name, address = view.server.name, str(view.server)
    return name if name == address else f"{name} {address}"


def describe(rrset: RRset | None) -> str:
    """An RRset in a few words."""
    return "absent" if rrset is None else ", ".join(rrset.values)


def server_findings(loaded: LoadedPlan, views: Iterable[ServerView], names: Mapping[str, str]) -> tuple[Finding, ...]:
    """Servers that cannot be used, and RRsets about which servers disagree."""
    views = tuple(views)
    out = []
    for ref, zone in names.items():
        path: tuple[str, ...] = ("zones", ref, "zone") if loaded.plan.zones else ("zone",)
        own = [v for v in views if v.zone == ref]
        if not own:
            hint = "list them under lookup.authoritative, or give a bootstrap resolver"
            out.append(finding(loaded, "DC205", "error", f"no authoritative server of {zone} is known", hint, path))
        for v in own:
            if v.problem:
                out.append(
                    finding(
                        loaded,
                        "DC204",
                        "error",
                        f"{_who(v)}: {v.problem}",
                        "mend it, or name it under lookup.ignore with the reason",
                        path,
                        why="A server that is not watched may serve the old answer for ever.",
                    )
                )
        good = [v for v in own if not v.problem]
        for key in good[0].rrsets if good else ():
            answers = {describe_full(v.rrsets.get(key)) for v in good}
            if len(answers) > 1:
                text = " / ".join(sorted(answers))
                out.append(
                    finding(
                        loaded,
                        "DC203",
                        "error",
                        f"the servers of {zone} disagree about {key.label(zone)}: {text}",
                        "wait for the transfer, or mend the secondary",
                        path,
                        record=key.label(zone),
                    )
                )
    return tuple(out)


def describe_full(rrset: RRset | None) -> str:
    """With the TTL."""
    return "absent" if rrset is None else f"{', '.join(rrset.values)} (TTL {rrset.ttl})"
