"""DC807, DC808, DC810-DC813: what a plan leaves to people, and what its rollback policy means for it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from dns_cutover.checks.interface import Example, Located, Spot, Subject, added, check
from dns_cutover.checks.moves import by_stage, decides, replaced, serves, value_path
from dns_cutover.checks.plan_values import is_address
from dns_cutover.plan.models import HttpProbe, Stage
from dns_cutover.plan.types import as_written
from dns_cutover.records.targets import targets_of

_DAY = 86400.0
_MX = '{name: "@", type: MX, from: [10 mx.oldmail.test.], to: [10 mx.newmail.test.]}'
_A = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
_PROBE = "    probes: [{type: http, name: green, url: https://www.example.test/, address: 192.0.2.20}]\n"
_CONFIRM = "    confirm: [{id: ready, who: NewMail, says: example.test is set up., timeout: 24h}]\n"
_DELETED = '{name: old, type: A, from: ["192.0.2.10"], to: absent}'


def _stages(*stages: tuple[str, str, str]) -> str:
    return "stages:\n" + "".join(f"  - name: {n}\n    changes:\n      - {change}\n{rest}" for n, change, rest in stages)


@check(
    "DC807",
    "info",
    "users go to another organisation, and nobody there confirms",
    why="A vendor that does not know the domain yet refuses what arrives.",
    hint="add a confirmation to the stage",
    source="the plan format, confirm",
    fires=Example(_stages(("switch", _MX, ""))),
    silent=Example(_stages(("switch", _MX, _CONFIRM))),
)
def outside_act(subject: Subject) -> Iterator[Spot]:
    """Where mail or a website goes to another organisation, something must be done there first: the domain added, the
    addresses bound, a certificate made. DNS cannot see that. A confirmation makes it part of the plan, with a name and
    with what takes it back.
    """
    confirmed = False
    told: set[int] = set()
    own = set(map(_organisation, subject.names.values()))
    for c in subject.changes:
        confirmed = confirmed or bool(c.stage.confirm)
        if confirmed or c.n in told or c.key.rdtype not in ("MX", "CNAME") or not serves(c):
            continue
        before = subject.before(c)
        known = own | {_organisation(t) for v in (before or ()) if before != "unknown" for t in _targets(c, v)}
        known |= {_organisation(t) for v in c.planned.remove for t in _targets(c, v)}
        for value in added(subject, c):
            host = next((t for t in _targets(c, value) if _organisation(t) not in known), "")
            if host and not _proved(c) and not is_address(host, subject.names[c.key.zone]):
                told.add(c.n)
                there, name = _organisation(host), f"{c.stage.name[:50]}-ready"
                message = f"{c.label} goes to {host.removesuffix('.')}, and nobody confirms that {there} is ready"
                hint = f'confirm: [{{id: {name}, who: "{there}", says: "it is set up.", timeout: 24h}}]'
                yield Spot(value_path(subject, c, value), message, hint, c.stage.name, c.label)
                break


def _targets(change: Located, value: str) -> tuple[str, ...]:
    return targets_of(change.key.rdtype, value)


def _organisation(host: str) -> str:
    """The last two labels: too coarse below some registries, so that it takes two organisations for one at worst."""
    return ".".join(host.removesuffix(".").split(".")[-2:])


def _proved(change: Located) -> bool:
    """Whether a probe asks for the moved name itself by HTTP: only a vendor that knows the name answers well."""
    host = change.key.owner.removesuffix(".")
    return change.key.rdtype == "CNAME" and any(
        isinstance(p, HttpProbe) and decides(p) and urlsplit(p.url).hostname == host for p in change.stage.probes
    )


@check(
    "DC808",
    "info",
    "something is taken away, and nothing says that it is unused",
    why="Whoever still uses it gets no answer, and taking that back costs the negative TTL.",
    hint="add a confirmation, a probe, or a wait before the stage",
    source="RFC 2308 section 5",
    fires=Example("safety: {allow: [delete]}\n" + _stages(("retire", _DELETED, ""))),
    silent=Example("safety: {allow: [delete]}\n" + _stages(("move", _A, ""), ("retire", _DELETED, "    wait: 14d\n"))),
)
def unasked_removal(subject: Subject) -> Iterator[Spot]:
    """Old names outlive their last known user: a key that mails in a queue still need, a host name in some script. What
    shows that they are unused is time, a count of queries, or a person who says so. Names that this plan itself made
    are its own.
    """
    made = set()
    told: set[int] = set()
    for n, changes in by_stage(subject).items():
        comes = {(c.key.zone, c.key.owner) for c in changes if c.planned.after or c.planned.add}
        for c in changes:
            p = c.planned
            # Without `delete` DC401 speaks, and that comes first.
            deleted = p.kind == "set" and p.after is None and "delete" in subject.loaded.plan.safety.allow
            taken = deleted or (p.remove and not p.add)
            stage = c.stage
            asked = stage.confirm or stage.wait or any(map(decides, stage.probes))
            if not taken or asked or n in told or c.key in made or (c.key.zone, c.key.owner) in comes:
                continue
            told.add(n)
            message = f"{c.label} is taken away, and stage {stage.name} has no wait, confirmation or probe"
            yield c.spot(message, "", "to" if p.kind == "set" else "remove")
        made |= {c.key for c in changes if c.planned.kind == "set" and c.planned.before is None}


@check(
    "DC810",
    "info",
    "probes of a stage that does not go back by itself",
    why="A failing probe stops the run there and calls somebody; users stay where they are until then.",
    hint="commit: after, if the stage can still go back while it bakes",
    source="the plan format, commit",
    fires=Example(_stages(("switch", _A, _PROBE + "    commit: before\n"))),
    silent=Example(_stages(("switch", _A, _PROBE + "    commit: after\n"))),
)
def committed_probes(subject: Subject) -> Iterator[Spot]:
    """With commit: before nothing is taken back automatically once the stage starts. Its probes are still worth having,
    since they stop the run, but a person must be there to act on them.
    """
    if not subject.loaded.plan.rollback.automatic:
        return
    for n, stage in enumerate(subject.loaded.plan.stages):
        if stage.commit == "before" and (names := _deciding(stage)):
            message = f"with commit: before a failure of {names} only pauses stage {stage.name}"
            yield Spot(("stages", n, "commit"), message, stage=stage.name)


def _deciding(stage: Stage) -> str:
    names = [p.name for p in stage.probes if decides(p)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


@check(
    "DC811",
    "info",
    "rollback.automatic is off, and the plan has probes",
    why="A failing probe stops the run and calls somebody; users stay where they are until then.",
    hint="rollback: {automatic: true}",
    source="the plan format, rollback",
    fires=Example("rollback: {automatic: false}\n" + _stages(("switch", _A, _PROBE))),
    silent=Example("rollback: {automatic: true}\n" + _stages(("switch", _A, _PROBE))),
)
def by_hand(subject: Subject) -> Iterator[Spot]:
    """With automatic: false every failure waits for a person, at three in the morning as well. That can be right where
    going back is worse than standing still; then somebody must be watching.
    """
    plan = subject.loaded.plan
    if not plan.rollback.automatic and (names := [p.name for s in plan.stages for p in s.probes if decides(p)]):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        message = f"a failure of {', '.join(names[:3])}{more} only pauses the run"
        yield Spot(("rollback", "automatic"), message)


@check(
    "DC812",
    "warning",
    "a late stage that takes the whole run back",
    why="What has worked for days would be taken back to a side that may be gone.",
    hint="commit: after on the stage before it, or commit: before on it",
    source="the plan format, commit",
    fires=Example(
        "safety: {allow: [delete]}\n" + _stages(("switch", _A, _PROBE), ("retire", _DELETED, "    wait: 14d\n"))
    ),
    silent=Example(
        "safety: {allow: [delete]}\n"
        + _stages(("switch", _A, _PROBE), ("retire", _DELETED, "    wait: 14d\n    commit: before\n"))
    ),
)
def late_rollback(subject: Subject) -> Iterator[Spot]:
    """A rollback goes through the whole run, newest stage first. After a wait of a day or more users are used to the
    new side and the old one is being taken down, and yet a secondary that misses the deadline of the last stage would
    send everybody back there. commit says where that ends.
    """
    plan = subject.loaded.plan
    if plan.rollback.scope != "run" or not plan.rollback.automatic:
        return
    moved = replaced(subject)
    opened: list[int] = []  # earlier stages that moved users and can still be taken back
    for n, stage in enumerate(plan.stages):
        if stage.wait and stage.wait >= _DAY and opened and stage.commit != "before":
            names = ", ".join(plan.stages[k].name for k in opened[-3:])
            message = f"a failure in stage {stage.name} takes back {names} too, {as_written(stage.wait)} later"
            hint = f"commit: after on stage {plan.stages[n - 1].name}, or commit: before on {stage.name}"
            yield Spot(("stages", n, "wait"), message, hint, stage.name)
        if n in moved:
            opened.append(n)
        if stage.commit == "after":
            opened.clear()


@check(
    "DC813",
    "info",
    "a rollback of one stage leaves the others",
    why="After a failure the zone is in a state that is neither the old nor the new one.",
    hint="rollback: {scope: run}, if the stages belong together",
    source="the plan format, rollback",
    fires=Example(
        "rollback: {scope: stage}\n" + _stages(("switch", _A, _PROBE), ("mail", _MX, "")),
    ),
    silent=Example("rollback: {scope: stage}\n" + _stages(("switch", _A, _PROBE))),
)
def one_stage_back(subject: Subject) -> Iterator[Spot]:
    """With scope: stage only the failing stage is taken back, and the run ends there: what earlier stages moved stays
    moved. That suits stages that have nothing to do with each other.
    """
    plan = subject.loaded.plan
    moved = sorted(replaced(subject))
    if plan.rollback.scope == "stage" and len(moved) > 1:
        names = ", ".join(plan.stages[n].name for n in moved[:-1][:3])
        message = f"if stage {plan.stages[moved[-1]].name} fails, {names} stays as it is"
        yield Spot(("rollback", "scope"), message)


CHECKS = (outside_act, unasked_removal, committed_probes, by_hand, late_rollback, one_stage_back)
