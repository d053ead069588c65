"""DC801-DC809: whether there is a way back, and whether anything watches it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from dns_cutover.address import split_address
from dns_cutover.checks import way_back_policy, way_back_time
from dns_cutover.checks.interface import Check, Example, Located, Spot, Subject, check
from dns_cutover.checks.moves import by_stage, decides, endpoint, probe_yaml, replaced
from dns_cutover.plan.models import CommandProbe, DnsProbe, HttpProbe, ProbeConfig
from dns_cutover.plan.places import Path
from dns_cutover.records import InvalidName, absolute_name
from dns_cutover.records.targets import targets_of

_MX = '{name: "@", type: MX, from: [10 mx.oldmail.test.], to: [10 mx.newmail.test.]}'
_NEW = "{type: tcp, name: new-mx, target: mx.newmail.test, port: 25}"
_OLD = "{type: tcp, name: old-mx, target: mx.oldmail.test, port: 25, role: way_back}"


def _stage(change: str, *probes: str, rest: str = "    bake: 10m\n") -> str:
    lines = "".join(f"      - {p}\n" for p in probes)
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n{rest}" + (
        f"    probes:\n{lines}" if lines else ""
    )


_WATCHED = Example(_stage(_MX, _NEW, _OLD))


@check(
    "DC801",
    "warning",
    "nothing watches whether going back would help",
    why="A rollback to a side that is down as well makes one outage into two.",
    hint="add a probe of the old side with role: way_back",
    source="the plan format, probes",
    fires=Example(_stage(_MX, _NEW)),
    silent=_WATCHED,
)
def no_way_back(subject: Subject) -> Iterator[Spot]:
    """A probe with the role way_back asks the old side. While it fails no stage starts, and nothing goes back by
    itself: somebody is called instead. Without one the run goes back to whatever the old side has become.
    """
    every = by_stage(subject)
    for n, changes in replaced(subject).items():
        stage = changes[0].stage
        if stage.commit == "before" or any(p.role == "way_back" for p in stage.probes):
            continue
        path: Path = ("stages", n, "probes" if stage.probes else "name")
        message = f"stage {stage.name} moves {changes[0].label}, and no way_back probe watches the old side"
        probe = probe_yaml(changes[0], "old", every[n])
        yield Spot(path, message, f"add {probe} to probes", stage.name)


@check(
    "DC802",
    "error",
    "a way_back probe that watches the new side",
    why="When the new side fails it fails too, and then nothing goes back by itself.",
    hint="let the way_back probe ask the old side, by its own address",
    source="the plan format, probes",
    fires=Example(_stage(_MX, _NEW, _OLD.replace("mx.oldmail", "mx.newmail"))),
    silent=_WATCHED,
)
def way_back_of_new_side(subject: Subject) -> Iterator[Spot]:
    """A failing way_back probe means that going back would not help, and stops the automatic rollback. One that asks
    what the new side's probe asks, a host or an address that the change brings, or a name that follows the change,
    stops it exactly when it is needed.
    """
    moved, changes = replaced(subject), by_stage(subject)
    for n, stage in enumerate(subject.loaded.plan.stages):
        probes = [(m, p) for m, p in enumerate(stage.probes) if p.role == "way_back"]
        if not probes:
            continue
        new = _sides(subject, changes.get(n, []))
        for m, probe in probes:
            path: Path = ("stages", n, "probes", m)
            same = next((p.name for p in stage.probes if decides(p) and endpoint(p) == endpoint(probe)), "")
            key, host = _asked(probe)
            follows = next((c for c in moved.get(n, ()) if c.key.owner == host and _leads(c)), None)
            if same:
                message = f"way_back probe {probe.name} asks the same as probe {same}"
                yield Spot((*path, key), message, stage=stage.name)
            elif host in new:
                message = f"way_back probe {probe.name} asks {host.removesuffix('.')}, which the stage moves to"
                yield Spot((*path, key), message, stage=stage.name)
            elif follows is not None:
                message = f"way_back probe {probe.name} asks {host.removesuffix('.')}, which the stage moves away: "
                message += "after the change it asks the new side"
                yield Spot((*path, key), message, _pin(probe, follows), stage.name, severity="warning")


def _leads(change: Located) -> bool:
    return change.key.rdtype in ("A", "AAAA", "CNAME")


def _sides(subject: Subject, changes: Sequence[Located]) -> set[str]:
    """Hosts and addresses that changes bring, without those that some of them had before."""
    new: set[str] = set()
    old: set[str] = set()
    for c in changes:
        before, p = subject.before(c), c.planned
        new.update(_ends(c, p.after or p.add))
        old.update(_ends(c, (*(before if isinstance(before, tuple) else ()), *p.remove)))
    return new - old


def _ends(change: Located, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        yield from targets_of(change.key.rdtype, value)
        if change.key.rdtype in ("A", "AAAA"):
            yield value


def _asked(probe: ProbeConfig) -> tuple[str, str]:
    """The key of a probe that says whom it asks, and that: an address, or an absolute host name."""
    match probe:
        case CommandProbe():
            return "argv", ""
        case DnsProbe():
            return "server", split_address(probe.server)[0]
        case HttpProbe():
            if probe.address is not None:
                return "address", split_address(probe.address)[0]
            return "url", _host(urlsplit(probe.url).hostname or "")
        case _:
            return "target", _host(probe.target)


def _host(text: str) -> str:
    if ":" in text or text.replace(".", "").isdigit():
        return text
    try:
        return absolute_name(text)
    except InvalidName:
        return ""


def _pin(probe: ProbeConfig, change: Located) -> str:
    before = change.planned.before
    old = before[0] if isinstance(before, tuple) else change.planned.remove[0] if change.planned.remove else "OLD"
    key = "address" if isinstance(probe, HttpProbe) else "target"
    if change.key.rdtype == "CNAME" and key == "address":
        return f"write address: with an address of {old.removesuffix('.')}"
    return f'write {key}: "{old.removesuffix(".")}"'


@check(
    "DC803",
    "warning",
    "the old and the new side are the same machines",
    why="Going back would lead to where the fault is.",
    hint="see that the new side is up under its own addresses before users are sent there",
    source="RFC 1034 section 3.6.2",
    needs="live",
    fires=Example(
        _stage(_MX, _NEW, _OLD),
        zone="@ 3600 IN MX 10 mx.oldmail.test.\n",
        elsewhere="mx.oldmail.test. 300 IN A 198.51.100.7\nmx.newmail.test. 300 IN A 198.51.100.7\n",
    ),
    silent=Example(
        _stage(_MX, _NEW, _OLD),
        zone="@ 3600 IN MX 10 mx.oldmail.test.\n",
        elsewhere="mx.oldmail.test. 300 IN A 198.51.100.7\nmx.newmail.test. 300 IN A 198.51.100.8\n",
    ),
)
def same_machines(subject: Subject) -> Iterator[Spot]:
    """Two host names with the same addresses are one side. Either the vendor's name was copied wrongly, or the new
    side is not there yet; in both cases nothing moves, and nothing can be taken back. A CDN may answer for many names
    at the same addresses, so that for an alias this is only mentioned.
    """
    assert subject.live is not None
    for changes in replaced(subject).values():
        for c in changes:
            before, after = subject.before(c), subject.after(c)
            if not isinstance(before, tuple) or not isinstance(after, tuple):
                continue
            old = _addresses(subject, c, [v for v in before if v not in after])
            new = _addresses(subject, c, [v for v in after if v not in before])
            if old and old == new:
                listed = ", ".join(sorted(new)[:4])
                message = f"{c.label}: the old and the new hosts have the same addresses, {listed}"
                alias = c.key.rdtype not in ("MX", "NS", "SRV")
                yield c.spot(message, "", "to" if c.planned.kind == "set" else "add", "info" if alias else None)


def _addresses(subject: Subject, change: Located, values: Sequence[str]) -> frozenset[str]:
    """The addresses of all hosts that the values name; none where one of them is not known."""
    assert subject.live is not None
    views = [subject.live.targets.get(t) for v in values for t in targets_of(change.key.rdtype, v)]
    if not all(v is not None and v.asked and v.addresses for v in views):
        return frozenset()
    return frozenset(a for v in views if v is not None for a in v.addresses)


@check(
    "DC809",
    "warning",
    "a way_back probe that decides nothing",
    why="The run goes back to a side that it knows to be down.",
    hint="take report_only away",
    source="the plan format, probes",
    fires=Example(_stage(_MX, _NEW, _OLD.replace("role:", "report_only: true, role:"))),
    silent=_WATCHED,
)
def powerless_way_back(subject: Subject) -> Iterator[Spot]:
    """With report_only a probe's results are shown and count for nothing. For a way_back probe that means that a
    rollback starts although it says that going back would not help.
    """
    for n, stage in enumerate(subject.loaded.plan.stages):
        for m, probe in enumerate(stage.probes):
            if probe.role == "way_back" and probe.report_only:
                path: Path = ("stages", n, "probes", m, "report_only")
                yield Spot(path, f"way_back probe {probe.name} only reports", stage=stage.name)


CHECKS: tuple[Check, ...] = (
    no_way_back,
    way_back_of_new_side,
    same_machines,
    powerless_way_back,
    *way_back_time.CHECKS,
    *way_back_policy.CHECKS,
)
