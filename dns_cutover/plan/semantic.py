"""What a plan says must make sense on its own, before anybody asks DNS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dns_cutover.plan.expand import PlannedChange, expand_change, unchanged_keys, zone_names
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.models import ChangeConfig, Plan, Stage
from dns_cutover.plan.yamltext import Document, Path
from dns_cutover.records import InvalidName, InvalidRdata, RRsetKey, absolute_name, canonical_type
from dns_cutover.records.name import is_below


@dataclass(slots=True)
class _Checker:
    plan: Plan
    doc: Document
    file: str
    names: dict[str, str] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)
    # What each RRset is after the stages so far, where the plan says it: values, or None for absent.
    image: dict[RRsetKey, tuple[str, ...] | None] = field(default_factory=dict)

    def add(
        self, check: str, message: str, hint: str, path: Path, *, stage: str = "", record: str = "", why: str = ""
    ) -> None:
        at = self.doc.at(path)
        self.found.append(
            Finding(check, "error", message, hint, self.file, at.line, at.column, at.end_column, why, stage, record)
        )


def check_meaning(plan: Plan, doc: Document, file: str) -> Iterator[Finding]:
    """All findings about a plan whose form is right."""
    c = _Checker(plan, doc, file)
    for ref, config in plan.all_zones().items():
        try:
            c.names[ref] = absolute_name(config.zone)
        except InvalidName as exc:
            c.add(
                "DC110",
                f"{exc}",
                "write the zone's name, such as example.com",
                ("zones", ref, "zone") if plan.zones else ("zone",),
            )
    _unique_names(c)
    if len(c.names) == len(plan.all_zones()):
        for n, stage in enumerate(plan.stages):
            _check_stage(c, stage, ("stages", n))
    yield from c.found


def _unique_names(c: _Checker) -> None:
    seen: set[str] = set()
    for n, stage in enumerate(c.plan.stages):
        if stage.name in seen:
            c.add(
                "DC118",
                f"two stages are named {stage.name}",
                "give each stage a name of its own",
                ("stages", n, "name"),
            )
        seen.add(stage.name)
        ids: set[str] = set()
        for m, item in enumerate(stage.confirm):
            if item.id in ids:
                c.add(
                    "DC118",
                    f"two confirmations are named {item.id}",
                    "give each an id of its own",
                    ("stages", n, "confirm", m, "id"),
                )
            ids.add(item.id)
    probes: set[str] = set()
    for n, stage in enumerate(c.plan.stages):
        for m, probe in enumerate(stage.probes):
            if probe.name in probes:
                path: Path = ("stages", n, "probes", m, "name")
                c.add("DC118", f"two probes are named {probe.name}", "give each probe a name of its own", path)
            probes.add(probe.name)


def _check_stage(c: _Checker, stage: Stage, path: Path) -> None:
    planned: dict[RRsetKey, tuple[PlannedChange, Path]] = {}
    for n, change in enumerate(stage.changes):
        where: Path = (*path, "changes", n)
        for p in _expand(c, stage, change, n, where):
            if p.key in planned:
                c.add(
                    "DC113",
                    f"{_label(c, p.key)} is changed twice in stage {stage.name}",
                    "put both into one change, or into two stages",
                    where,
                    stage=stage.name,
                    record=_label(c, p.key),
                )
                continue
            planned[p.key] = (p, where)
            _check_change(c, stage, p, where)
    _check_cnames(c, stage, planned)
    _check_unchanged(c, stage, planned, path)
    for p, _ in planned.values():
        if p.kind == "set":
            c.image[p.key] = p.after
        elif p.kind == "values" and p.key in c.image:
            c.image[p.key] = tuple(sorted((set(c.image[p.key] or ()) - set(p.remove)) | set(p.add))) or None


def _expand(c: _Checker, stage: Stage, change: ChangeConfig, n: int, where: Path) -> tuple[PlannedChange, ...]:
    """The change's RRsets, or findings about names, types and RDATA at the value that is wrong."""
    before = len(c.found)
    for m, ref in enumerate(change.in_):
        if ref not in c.names:
            c.add(
                "DC117",
                f"there is no zone reference {ref}",
                f"known: {', '.join(sorted(c.names))}",
                (*where, "in", m),
                stage=stage.name,
            )
    refs = [r for r in (change.in_ or tuple(c.names)) if r in c.names]
    try:
        rdtype = canonical_type(change.type)
    except InvalidRdata as exc:
        c.add("DC112", str(exc), "write a type such as A, MX or TXT", (*where, "type"), stage=stage.name)
        return ()
    owners = [(name, (*where, "names", m)) for m, name in enumerate(change.names)]
    if change.name is not None:
        owners.append((change.name, (*where, "name")))
    for owner, at in owners:
        for ref in refs:
            _check_owner(c, stage, owner, ref, at)
    for attribute, values in (
        ("from", change.from_),
        ("to", change.to),
        ("remove", change.remove),
        ("add", change.add),
    ):
        if isinstance(values, tuple):
            for m, value in enumerate(values):
                _check_value(c, stage, rdtype, value, refs, (*where, attribute), m)
    if len(c.found) > before:
        return ()
    try:
        return expand_change(c.plan, change, n, c.names)
    except (InvalidName, InvalidRdata) as exc:
        c.add("DC112", str(exc), "write RDATA as in zone files", (*where, "expect"), stage=stage.name)
        return ()


def _check_owner(c: _Checker, stage: Stage, owner: str, ref: str, at: Path) -> None:
    try:
        name = absolute_name(owner, c.names[ref])
    except InvalidName as exc:
        c.add("DC110", str(exc), "write a name relative to the zone, or @ for the zone itself", at, stage=stage.name)
        return
    if not is_below(name, c.names[ref]):
        c.add(
            "DC111",
            f"{name} is outside the zone {c.names[ref]}",
            "a name without a final dot is relative to the zone",
            at,
            stage=stage.name,
        )


def _check_value(c: _Checker, stage: Stage, rdtype: str, value: str, refs: list[str], at: Path, m: int) -> None:
    from dns_cutover.plan.expand import rdata_value

    path = (*at, m) if (*at, m) in c.doc.values else at
    for ref in refs[:1]:
        try:
            rdata_value(rdtype, value, c.names[ref])
        except InvalidRdata as exc:
            c.add("DC112", str(exc), f"write {rdtype} data as in zone files", path, stage=stage.name)


def _check_change(c: _Checker, stage: Stage, p: PlannedChange, where: Path) -> None:
    label = _label(c, p.key)
    both = sorted(set(p.add) & set(p.remove))
    if both:
        c.add(
            "DC116",
            f"{both[0]} is both removed and added",
            "keep one of the two",
            (*where, "add"),
            stage=stage.name,
            record=label,
        )
    if p.kind == "set" and p.before == p.after:
        c.add(
            "DC116",
            f"{label}: from and to are the same",
            "for a new TTL alone give only ttl",
            (*where, "to"),
            stage=stage.name,
            record=label,
        )
    if p.kind == "set" and p.key in c.image and p.before not in ("live", c.image[p.key]):
        earlier = ", ".join(c.image[p.key] or ("absent",))
        c.add(
            "DC115",
            f"{label} will be {earlier} after an earlier stage",
            f"write from: {earlier}",
            (*where, "from"),
            stage=stage.name,
            record=label,
        )
    for values, at in ((p.after or (), "to"), (p.add, "add")):
        if p.key.rdtype == "CNAME" and len(values) > 1:
            c.add(
                "DC114",
                f"{label} would have {len(values)} values",
                "a name has at most one CNAME (RFC 2181 section 10.1)",
                (*where, at),
                stage=stage.name,
                record=label,
            )
    if p.key.rdtype == "CNAME" and p.after and p.key.owner == c.names[p.key.zone]:
        c.add(
            "DC114",
            "a CNAME at the apex",
            "the apex has SOA and NS, which a CNAME cannot stand beside (RFC 1912 section 2.4)",
            (*where, "type"),
            stage=stage.name,
            record=label,
        )
    if p.key.rdtype == "SOA":
        c.add(
            "DC120",
            "the SOA belongs to the server",
            "leave it out of the plan",
            (*where, "type"),
            stage=stage.name,
            record=label,
        )


def _check_cnames(c: _Checker, stage: Stage, planned: dict[RRsetKey, tuple[PlannedChange, Path]]) -> None:
    """A CNAME that stays or comes, and other data that stays or comes, at one name."""
    result: dict[tuple[str, str], dict[str, Path]] = {}
    for key, image in c.image.items():
        if image is not None and key not in planned:
            result.setdefault((key.zone, key.owner), {})[key.rdtype] = ()
    for key, (p, where) in planned.items():
        if p.after or p.add or p.kind == "ttl":
            result.setdefault((key.zone, key.owner), {})[key.rdtype] = where
    for (zone, owner), types in result.items():
        if "CNAME" in types and len(types) > 1:
            other = sorted(set(types) - {"CNAME"})
            where = types["CNAME"] or next(w for t, w in types.items() if w)
            label = RRsetKey(zone, owner, "CNAME").label(c.names[zone])
            c.add(
                "DC114",
                f"{label} would stand beside {', '.join(other)}",
                "take the other data away in the same stage (RFC 1034 section 3.6.2)",
                (*where, "type"),
                stage=stage.name,
                record=label,
            )


def _check_unchanged(
    c: _Checker, stage: Stage, planned: dict[RRsetKey, tuple[PlannedChange, Path]], path: Path
) -> None:
    for n, text in enumerate(stage.unchanged):
        at = (*path, "unchanged", n)
        if "/" not in text:
            c.add("DC106", f"{text!r} names no type", 'write name/TYPE, such as "www/A"', at, stage=stage.name)
            continue
        try:
            keys = unchanged_keys(c.plan, stage.model_copy(update={"unchanged": (text,)}))
        except (InvalidName, InvalidRdata) as exc:
            c.add("DC110", str(exc), 'write name/TYPE, such as "www/A"', at, stage=stage.name)
            continue
        for key in keys:
            if key in planned:
                c.add(
                    "DC115",
                    f"{_label(c, key)} is both changed and unchanged",
                    "remove it from unchanged",
                    at,
                    stage=stage.name,
                )


def _label(c: _Checker, key: RRsetKey) -> str:
    return key.label(c.names[key.zone])


__all__ = ["check_meaning", "zone_names"]
