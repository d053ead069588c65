"""What a plan says must make sense on its own, before anybody asks DNS."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from dns_cutover.plan.expand import (
    PlannedChange,
    expand_change,
    keys_of,
    owners,
    rdata_value,
    remember_changes,
    within,
    zone_refs,
)
from dns_cutover.plan.explain import about
from dns_cutover.plan.finding import Finding, Severity
from dns_cutover.plan.models import ChangeConfig, DnsProbe, Plan, Stage
from dns_cutover.plan.places import Document, Path
from dns_cutover.plan.sequence import Sequence, label
from dns_cutover.records import InvalidName, InvalidRdata, RRsetKey, absolute_name, canonical_type

# Types that the server makes: a plan that writes them breaks the zone.
_SERVER_MADE = frozenset({"SOA", "RRSIG", "NSEC", "NSEC3"})
# RRsets times zones of one plan: names, zones and `in` multiply.
MAX_EXPANDED = 200_000
# Where in the RDATA of a type a target's name stands.
_TARGETS = {"CNAME": 0, "DNAME": 0, "NS": 0, "PTR": 0, "MX": 1, "SRV": 3}


_MAX_MESSAGE = 400


@dataclass(slots=True)
class _Checker:
    plan: Plan
    doc: Document
    file: str
    names: dict[str, str] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)
    expanded: int = 0

    def afford(self, count: int, path: Path, stage: str) -> bool:
        """Whether `count` more RRsets are still within bounds; a finding where they are not."""
        within_bounds = self.expanded <= MAX_EXPANDED
        self.expanded += count
        if within_bounds and self.expanded > MAX_EXPANDED:
            message = f"the plan means more than {MAX_EXPANDED} RRsets"
            self.add("DC120", message, "split it, or say with in which zones are meant", path, stage=stage)
        return self.expanded <= MAX_EXPANDED

    def add(
        self,
        check: str,
        message: str,
        hint: str,
        path: Path,
        *,
        stage: str = "",
        record: str = "",
        why: str = "",
        severity: Severity = "error",
    ) -> None:
        at = self.doc.at(path)
        if stage and not record:
            stage, record = about(self.doc, path)
        if len(message) > _MAX_MESSAGE:
            message = message[: _MAX_MESSAGE - 1] + "…"  # RDATA can be as long as the file
        self.found.append(
            Finding(check, severity, message, hint, self.file, at.line, at.column, at.end_column, why, stage, record)
        )


def check_meaning(plan: Plan, doc: Document, file: str) -> Iterator[Finding]:
    """All findings about a plan whose form is right."""
    c = _Checker(plan, doc, file)
    c.names = {ref: absolute_name(config.zone) for ref, config in plan.all_zones().items() if _zone_ok(c, ref)}
    _unique_names(c)
    if len(c.names) == len(plan.all_zones()):
        sequence = Sequence(c.names, c.add)
        for n, stage in enumerate(plan.stages):
            _check_stage(c, stage, ("stages", n), sequence)
    yield from c.found


def _zone_ok(c: _Checker, ref: str) -> bool:
    path: Path = ("zones", ref, "zone") if c.plan.zones else ("zone",)
    try:
        absolute_name(c.plan.all_zones()[ref].zone)
    except InvalidName as exc:
        c.add("DC110", str(exc), "write the zone's name, such as example.com", path)
        return False
    return True


def _unique_names(c: _Checker) -> None:
    stages: set[str] = set()
    probes: set[str] = set()
    for n, stage in enumerate(c.plan.stages):
        path: Path = ("stages", n)
        _unique(c, stages, stage.name, "stage", (*path, "name"), "")
        ids: set[str] = set()
        for m, item in enumerate(stage.confirm):
            _unique(c, ids, item.id, "confirmation", (*path, "confirm", m, "id"), stage.name)
        for m, probe in enumerate(stage.probes):
            _unique(c, probes, probe.name, "probe", (*path, "probes", m, "name"), stage.name)
            if isinstance(probe, DnsProbe):
                _check_dns_probe(c, stage, probe, (*path, "probes", m))
        own = sorted(p.name for p in stage.probes)
        for m, item in enumerate(stage.confirm):
            if item.probe is not None and item.probe not in own:
                close = difflib.get_close_matches(item.probe, own, 1)
                hint = f"did you mean {close[0]}?" if close else f"probes here: {', '.join(own) or 'none'}"
                message = f"stage {stage.name} has no probe {item.probe}"
                c.add("DC123", message, hint, (*path, "confirm", m, "probe"), stage=stage.name)


def _unique(c: _Checker, seen: set[str], name: str, kind: str, path: Path, stage: str) -> None:
    if name in seen:
        c.add("DC118", f"two {kind}s are named {name}", f"give each {kind} a name of its own", path, stage=stage)
    seen.add(name)


def _check_dns_probe(c: _Checker, stage: Stage, probe: DnsProbe, path: Path) -> None:
    record = f"probe {probe.name}"
    try:
        absolute_name(probe.question)
    except InvalidName as exc:
        c.add("DC110", str(exc), "write an absolute name", (*path, "question"), stage=stage.name, record=record)
    try:
        rdtype = canonical_type(probe.rrtype)
    except InvalidRdata as exc:
        c.add(
            "DC112", str(exc), "write a type such as A, MX or TXT", (*path, "rrtype"), stage=stage.name, record=record
        )
        return
    for m, value in enumerate(probe.expect):
        try:
            rdata_value(rdtype, value, ".")
        except InvalidRdata as exc:
            hint = f"write {rdtype} data as in zone files"
            c.add("DC112", str(exc), hint, (*path, "expect", m), stage=stage.name, record=record)


def _check_stage(c: _Checker, stage: Stage, path: Path, sequence: Sequence) -> None:
    planned: dict[RRsetKey, tuple[PlannedChange, Path]] = {}
    for n, change in enumerate(stage.changes):
        where: Path = (*path, "changes", n)
        for p in _expand(c, stage, change, n, where):
            if p.key in planned:
                name = label(p.key, c.names)
                message = f"{name} is changed twice in stage {stage.name}"
                hint = "put both into one change, or into two stages"
                c.add("DC113", message, hint, where, stage=stage.name, record=name)
                continue
            planned[p.key] = (p, where)
    remember_changes(c.plan, stage, c.names, tuple(p for p, _ in planned.values()))
    sequence.stage(stage.name, planned)
    for n, text in enumerate(stage.unchanged):
        _check_unchanged(c, stage, text, planned, (*path, "unchanged", n))


def _expand(c: _Checker, stage: Stage, change: ChangeConfig, n: int, where: Path) -> tuple[PlannedChange, ...]:
    """The change's RRsets, or findings about names, types and RDATA at the value that is wrong."""
    unknown = [(m, ref) for m, ref in enumerate(change.in_) if ref not in c.names]
    for m, ref in unknown:
        close = difflib.get_close_matches(ref[:100], list(c.names)[:500], 1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(c.names))}"
        c.add("DC117", f"there is no zone reference {ref[:100]}", hint, (*where, "in", m), stage=stage.name)
    if not c.afford(len(owners(change)) * len(change.in_ or c.names), where, stage.name):
        return ()
    if not unknown:
        try:
            planned = expand_change(c.plan, change, n, c.names)
        except (InvalidName, InvalidRdata):
            planned = ()
        if planned and all(within(p.key.owner, c.names[p.key.zone]) for p in planned):
            if planned[0].key.rdtype in _SERVER_MADE:
                message, hint = f"{planned[0].key.rdtype} records belong to the server", "leave them out of the plan"
                c.add("DC120", message, hint, (*where, "type"), stage=stage.name)
                return ()
            _check_final_dots(c, stage, change, planned, where)
            return planned
    _blame(c, stage, change, where)
    return ()


def _blame(c: _Checker, stage: Stage, change: ChangeConfig, where: Path) -> None:
    """Why a change cannot be expanded: a finding for each value that is wrong."""
    known = tuple(ref for ref in change.in_ if ref in c.names)
    for m, owner in enumerate(owners(change)):
        _blame_owner(c, stage, owner, known, (*where, "names", m) if change.names else (*where, "name"))
    try:
        rdtype = canonical_type(change.type)
    except InvalidRdata as exc:
        hint = "write a type such as A, MX or TXT"
        c.add("DC112", str(exc), hint, (*where, "type"), stage=stage.name)
        return
    origin = c.names[known[0] if known else next(iter(c.names))]
    given: list[tuple[Path, str]] = []
    for key, values in (("from", change.from_), ("to", change.to), ("remove", change.remove), ("add", change.add)):
        given += _located(c, (*where, key), _texts(values))
    if change.expect is not None:
        given += _located(c, (*where, "expect", "one_of"), change.expect.one_of)
        given += _located(c, (*where, "expect", "subset_of"), change.expect.subset_of)
        if change.expect.ends_at:
            given.append(((*where, "expect", "ends_at"), change.expect.ends_at))
    for path, value in given:
        try:
            if path[-1] == "ends_at":
                absolute_name(value, origin)
            else:
                rdata_value(rdtype, value, origin)
        except InvalidName as exc:
            c.add("DC110", str(exc), "write a name", path, stage=stage.name)
        except InvalidRdata as exc:
            hint = f"write {rdtype} data as in zone files"
            if rdtype == "TXT" and value.startswith('"'):
                hint = "write the text alone, without quotes: it is quoted and split when it is published"
            c.add("DC112", str(exc), hint, path, stage=stage.name)


def _located(c: _Checker, path: Path, values: tuple[str, ...]) -> list[tuple[Path, str]]:
    return [((*path, m) if c.doc.has((*path, m)) else path, value) for m, value in enumerate(values)]


def _blame_owner(c: _Checker, stage: Stage, owner: str, given: tuple[str, ...], at: Path) -> None:
    try:
        refs = zone_refs(owner, given, c.names)
        outside = [ref for ref in refs if not within(absolute_name(owner, c.names[ref]), c.names[ref])]
    except InvalidName as exc:
        hint = "write a name relative to the zone, or @ for the zone itself"
        c.add("DC110", str(exc), hint, at, stage=stage.name)
        return
    if outside or not refs:
        zone = f"the zone {c.names[outside[0]][:-1] or '.'}" if outside else "all zones of the plan"
        hint = "a name without a final dot is relative to the zone"
        c.add("DC111", f"{owner[:300]} is outside {zone}", hint, at, stage=stage.name)


def _check_final_dots(
    c: _Checker, stage: Stage, change: ChangeConfig, planned: tuple[PlannedChange, ...], where: Path
) -> None:
    """A name that repeats the zone's name, since its final dot is missing."""
    zone = c.names[planned[0].key.zone]
    if zone == ".":
        return
    bare = zone[:-1]
    why = "Without the final dot the zone's name is added once more."
    for m, owner in enumerate(owners(change)):
        if owner == bare or owner.endswith("." + bare):
            path = (*where, "names", m) if change.names else (*where, "name")
            message = f"{owner[:200]} without a final dot means {owner[:200]}.{bare}"
            hint = f"write {owner[:200]}. or leave out {bare}"
            c.add("DC124", message, hint, path, stage=stage.name, why=why, severity="warning")
    position = _TARGETS.get(planned[0].key.rdtype)
    if position is None:
        return
    # Where the old targets are absolute names, a new one with dots is hardly meant to be relative.
    old = [_word(v, position) for values in (change.from_, change.remove) for v in _texts(values)]
    elsewhere = any(target.endswith(".") for target in old)
    for key, values in (("to", change.to), ("add", change.add)):
        for path, value in _located(c, (*where, key), _texts(values)):
            target = _word(value, position)
            repeats = target == bare or target.endswith("." + bare)
            if repeats or (elsewhere and "." in target and not target.endswith(".")):
                message = f"{target[:200]} without a final dot means {target[:200]}.{bare}"
                c.add("DC124", message, f"write {target[:200]}.", path, stage=stage.name, why=why, severity="warning")


def _texts(values: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return values if isinstance(values, tuple) else ()


def _word(value: str, position: int) -> str:
    words = value.split()
    return words[position] if len(words) > position else ""


def _check_unchanged(
    c: _Checker, stage: Stage, text: str, planned: dict[RRsetKey, tuple[PlannedChange, Path]], at: Path
) -> None:
    if not c.doc.has(at):
        at = at[:-1]
    if not c.afford(len(c.names), at, stage.name):
        return
    if not text.rpartition("/")[0]:
        c.add("DC106", f"{text[:100]!r} is no RRset", 'write name/TYPE, such as "www/A"', at, stage=stage.name)
        return
    try:
        keys = keys_of(text, c.names)
    except (InvalidName, InvalidRdata) as exc:
        check = "DC110" if isinstance(exc, InvalidName) else "DC112"
        c.add(check, str(exc), 'write name/TYPE, such as "www/A"', at, stage=stage.name)
        return
    if not keys or not all(within(key.owner, c.names[key.zone]) for key in keys):
        hint = "a name without a final dot is relative to the zone"
        c.add("DC111", f"{text[:300]} is outside the plan's zones", hint, at, stage=stage.name)
    for key in keys:
        if key in planned:
            name = label(key, c.names)
            message = f"{name} is both changed and unchanged"
            c.add("DC125", message, "remove it from unchanged", at, stage=stage.name, record=name)
            return
