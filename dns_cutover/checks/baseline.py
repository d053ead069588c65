"""DC2xx: what the plan expects, against what is live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.plan.expand import keys_of
from dns_cutover.records import RRset
from dns_cutover.runbook.compiling import Drift

_SWITCH = """
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
"""
_EDIT = """
stages:
  - name: overlap
    changes:
      - {name: "@", type: TXT, remove: ["v=spf1 -all"], add: ["v=spf1 include:spf.newmail.test -all"]}
"""


def describe(rrset: RRset | None) -> str:
    """An RRset in a few words."""
    return "absent" if rrset is None else ", ".join(rrset.values)


def _drift(subject: Subject, d: Drift, attribute: str) -> Spot:
    found = d.key.label(subject.names[d.key.zone])
    path = next((c.path for c in subject.changes if c.planned == d.planned and c.stage.name == d.stage), ())
    message = f"the live {found} is not what the plan expects"
    hint = f"the plan expects {d.expected}; write what is live into it, or from: live"
    name = subject.live.names.get((d.key.zone, d.key.owner)) if subject.live is not None else None
    if d.found is None:
        hint = f"the plan expects {d.expected}: correct the name or the type, or write from: absent"
        if d.expected == "present":
            hint = "nothing is there that could change or go: correct the name or the type"
        elif name is not None and name.wildcard:
            hint = f"nothing of its own is at the name, {name.wildcard} answers for it: write from: absent"
    return Spot((*path, attribute), message, hint, d.stage, found, note=f"live: {describe(d.found)}")


@check(
    "DC201",
    "error",
    "the live RRset is not what the plan expects",
    why="A change that starts from something else would remove what nobody decided to remove.",
    hint="write what is live into from, or from: live",
    source="RFC 2136 section 2.4",
    needs="live",
    fires=Example(_SWITCH, zone="www 3600 IN A 192.0.2.10\nwww 3600 IN A 192.0.2.11\n"),
    silent=Example(_SWITCH, zone="www 3600 IN A 192.0.2.10\n"),
)
def whole_set_differs(subject: Subject) -> Iterator[Spot]:
    """A whole-set change names what it replaces. Where something else is live, either the plan is out of date, or
    somebody has changed the zone since it was written. Both need a person: overwriting the difference could undo
    work that nobody here knows of.
    """
    for d in subject.drifts:
        if d.reason == "differs" and (d.planned is None or d.planned.kind != "values") and not _elsewhere(subject, d):
            yield _drift(subject, d, "from")


def _elsewhere(subject: Subject, d: Drift) -> bool:
    """Whether others answer for the name (DC208, DC210): then it means nothing that the zone has nothing there."""
    name = subject.live.names.get((d.key.zone, d.key.owner)) if subject.live is not None else None
    if name is None or d.found is not None:
        return False
    return bool(name.dname) or bool(name.cut and not (name.cut == d.key.owner and d.key.rdtype in ("NS", "DS")))


@check(
    "DC202",
    "error",
    "a value to remove is not there, or a value to add is there already",
    why="A change that starts from something else would remove what nobody decided to remove.",
    hint="copy the live value into the plan, letter by letter",
    source="RFC 2136 section 2.4",
    needs="live",
    fires=Example(_EDIT, zone='@ 3600 IN TXT "v=spf1 ~all"\n'),
    silent=Example(_EDIT, zone='@ 3600 IN TXT "v=spf1 -all"\n@ 3600 IN TXT "site-verification=1"\n'),
)
def values_differ(subject: Subject) -> Iterator[Spot]:
    """A value-level edit pins only its own values, and other values stay whoever put them there. If a value to remove
    is missing, or a value to add is there already, somebody has made part of the change by hand, or the text
    differs in a detail such as a space inside an SPF record.
    """
    for d in subject.drifts:
        if d.reason != "differs" or d.planned is None or d.planned.kind != "values":
            continue
        there = frozenset(d.found.values if d.found is not None else ())
        label = d.key.label(subject.names[d.key.zone])
        spot = _drift(subject, d, "remove" if d.planned.remove else "add")
        missing, present = sorted(set(d.planned.remove) - there), sorted(set(d.planned.add) & there)
        for value in missing:
            yield replace(spot, message=f"{value} is to be removed from {label}, and is not there", hint="")
        for value in present:
            message, hint = f"{value} is to be added to {label}, and is there already", "leave it out of add"
            yield replace(spot, path=(*spot.path[:-1], "add"), message=message, hint=hint)
        if not missing and not present:
            yield spot


@check(
    "DC203",
    "error",
    "authoritative servers disagree",
    why="Until they agree nobody can say what users get, nor what an old answer is.",
    hint="wait for the transfer, or mend the secondary",
    source="RFC 1034 section 4.3.5",
    needs="live",
    fires=Example(_SWITCH, zone="www 3600 IN A 192.0.2.10\n", secondary="www 3600 IN A 192.0.2.9\n"),
    silent=Example(_SWITCH, zone="www 3600 IN A 192.0.2.10\n", secondary="www 3600 IN A 192.0.2.10\n"),
)
def servers_disagree(subject: Subject) -> Iterator[Spot]:
    """Servers of one zone that give different data for a name that the plan touches have not finished a transfer, or
    have lost contact with their primary. A cutover on top of that cannot be proved: its old version has two faces.
    """
    assert subject.live is not None
    for d in subject.live.disagreements:
        said: dict[str, list[str]] = {}
        for server, rrset in d.answers:
            said.setdefault(describe(rrset), []).append(server.name)
        if len(said) > 1:  # a TTL that differs is another matter
            zone = subject.names[d.key.zone]
            text = "; ".join(f"{', '.join(who)} has {what}" for what, who in said.items())
            path = next((c.path for c in subject.changes if c.key == d.key), subject.zone_path(d.key.zone, "zone"))
            message = f"the servers of {zone} disagree about {d.key.label(zone)}: {text}"
            yield Spot(path, message, record=d.key.label(zone))


@check(
    "DC215",
    "warning",
    "an RRset under unchanged is not there",
    why="What is asserted about nothing is kept by nothing.",
    hint="correct the name or the type, or leave it out",
    source="stages.unchanged",
    needs="live",
    fires=Example(
        _SWITCH + '    unchanged: ["post/A"]\n', zone="www 3600 IN A 192.0.2.10\nmail 3600 IN A 192.0.2.30\n"
    ),
    silent=Example(
        _SWITCH + '    unchanged: ["mail/A"]\n', zone="www 3600 IN A 192.0.2.10\nmail 3600 IN A 192.0.2.30\n"
    ),
)
def unchanged_absent(subject: Subject) -> Iterator[Spot]:
    """unchanged lists RRsets that a stage must leave alone, and the run looks at them before and after. One that does
    not exist is kept absent, which is rarely what was meant: most often the name or the type is misspelt.
    """
    assert subject.live is not None
    for n, stage in enumerate(subject.loaded.plan.stages):
        for m, text in enumerate(stage.unchanged):
            for key in keys_of(text, subject.names):
                name = subject.live.names.get((key.zone, key.owner))
                if subject.images[n].get(key, "unknown") is not None or (name is not None and name.problem):
                    continue
                found = key.label(subject.names[key.zone])
                wild = f": {name.wildcard} answers for it" if name is not None and name.wildcard else ""
                yield Spot(("stages", n, "unchanged", m), f"{found} is not there{wild}", record=found)


CHECKS = (whole_set_differs, values_differ, servers_disagree, unchanged_absent)
