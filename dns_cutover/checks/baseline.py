"""DC2xx: what the plan expects, against what is live."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.lookup.interface import ServerView
from dns_cutover.records import RRset
from dns_cutover.runbook.compile import Drift

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
    message = f"the live {found} is not what the plan expects: {describe(d.found)}"
    hint = f"the plan expects {d.expected}; write what is live into it, or from: live"
    return Spot((*path, attribute), message, hint, d.stage, found)


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
        if d.reason == "differs" and (d.planned is None or d.planned.kind != "values"):
            yield _drift(subject, d, "from")


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
        if d.reason == "differs" and d.planned is not None and d.planned.kind == "values":
            yield _drift(subject, d, "remove" if d.planned.remove else "add")


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
        if len({r.values if r is not None else None for _, r in d.answers}) > 1:
            zone = subject.names[d.key.zone]
            text = " / ".join(sorted({describe(r) for _, r in d.answers}))
            message = f"the servers of {zone} disagree about {d.key.label(zone)}: {text}"
            yield Spot(subject.zone_path(d.key.zone, "zone"), message, record=d.key.label(zone))


@check(
    "DC204",
    "error",
    "an authoritative server cannot be used",
    why="A server that is not watched may serve the old answer for ever.",
    hint="mend it, or name it under lookup.ignore with the reason",
    source="RFC 1912 section 2.8",
    needs="live",
    fires=Example(
        _SWITCH,
        zone="www 3600 IN A 192.0.2.10\n",
        note="ns2 answers without authority.",
        facts={"problem": "is not authoritative for the zone (lame)"},
    ),
    silent=Example(_SWITCH, zone="www 3600 IN A 192.0.2.10\n"),
)
def unusable_server(subject: Subject) -> Iterator[Spot]:
    """Every server that the zone or its parent names is asked by somebody's resolver. One that does not answer, is not
    authoritative, or answers wrongly keeps users on its version, and no proof of propagation is one without it.
    """
    assert subject.live is not None
    for v in subject.live.servers:
        if v.problem:
            yield Spot(subject.zone_path(v.zone, "zone"), f"{_who(v)}: {v.problem}")


def _who(view: ServerView) -> str:
    name, address = view.server.name, str(view.server)
    return name if name == address else f"{name} {address}"


@check(
    "DC205",
    "error",
    "no authoritative server is known",
    why="What is live can only be learned from the zone's own servers.",
    hint="list them under lookup.authoritative, or name a resolver: --bootstrap ADDRESS",
    source="RFC 1034 section 4.2",
    needs="live",
    fires=Example(_SWITCH, note="Nobody delegates example.test.", facts={"servers": ()}),
    silent=Example(_SWITCH, zone="www 3600 IN A 192.0.2.10\n"),
)
def no_server(subject: Subject) -> Iterator[Spot]:
    """Servers are found through the parent zone, beginning at the root that the bootstrap resolver knows. A private
    zone has no way down from there; then the plan lists its servers.
    """
    assert subject.live is not None
    for ref, zone in subject.names.items():
        if not subject.live.zones[ref].endpoints:
            yield Spot(subject.zone_path(ref, "zone"), f"no authoritative server of {zone} is known")


CHECKS = (whole_set_differs, values_differ, servers_disagree, unusable_server, no_server)
