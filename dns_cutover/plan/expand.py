"""The plan's changes as one frozen value per RRset, RDATA canonical. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dns_cutover.lookup.interface import Accept
from dns_cutover.plan.models import ChangeConfig, Plan, Stage
from dns_cutover.records import InvalidRdata, RRsetKey, absolute_name, canonical_rdata, canonical_type, quote_text
from dns_cutover.records.name import is_below

MAX_TEXT = 4 * 65535 + 1024  # RDATA has at most 65535 octets, each four characters at most


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One RRset of one stage. `index` is the change's place in the stage's list; values are canonical RDATA."""

    key: RRsetKey
    kind: Literal["set", "values", "ttl"]
    before: Literal["live"] | tuple[str, ...] | None
    after: tuple[str, ...] | None
    add: tuple[str, ...]
    remove: tuple[str, ...]
    ttl: int | None
    accept: Accept | None
    index: int


def zone_names(plan: Plan) -> dict[str, str]:
    """Zone reference -> absolute canonical zone name. Raises InvalidName."""
    return {ref: absolute_name(config.zone) for ref, config in plan.all_zones().items()}


def rdata_values(rdtype: str, values: tuple[str, ...], origin: str) -> tuple[str, ...]:
    """Plan values as canonical RDATA, sorted. TXT is plain text unless it begins with a quote. Raises InvalidRdata."""
    if len(values) <= 1:
        return tuple(rdata_value(rdtype, v, origin) for v in values)
    return tuple(sorted({rdata_value(rdtype, v, origin) for v in values}))


def rdata_value(rdtype: str, value: str, origin: str) -> str:
    """One value. Raises InvalidRdata."""
    if len(value) > MAX_TEXT:
        raise InvalidRdata(f"the value has {len(value)} characters, more than any {rdtype} data can have")
    if rdtype in ("TXT", "SPF") and not value.startswith('"'):
        value = quote_text(value)
    return canonical_rdata(rdtype, value, origin)


def within(owner: str, zone: str) -> bool:
    """Whether the canonical name `owner` is `zone` or below it; quick for names without escapes."""
    if "\\" in owner:
        return is_below(owner, zone)
    return owner == zone or zone == "." or owner.endswith("." + zone)


def zone_refs(owner: str, given: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, ...]:
    """The zones that an owner name is meant in: those given, else for a relative name all, for an absolute name those
    that hold it, the most specific ones; empty if none does. Raises InvalidName."""
    if given or not owner.endswith(".") or len(names) == 1:
        return given or tuple(names)
    absolute = absolute_name(owner)
    holding = {ref: len(zone) for ref, zone in names.items() if within(absolute, zone)}
    return tuple(ref for ref, length in holding.items() if length == max(holding.values()))


def owners(change: ChangeConfig) -> tuple[str, ...]:
    """The owner names of a change as they are written."""
    return change.names or ((change.name,) if change.name is not None else ())


def expand_change(plan: Plan, change: ChangeConfig, index: int, names: Mapping[str, str]) -> tuple[PlannedChange, ...]:
    """One change entry as one value per RRset. Raises InvalidName, InvalidRdata, KeyError (a zone reference)."""
    rdtype = canonical_type(change.type)
    data: dict[str, PlannedChange] = {}
    out = []
    for owner in owners(change):
        for ref in zone_refs(owner, change.in_, names):
            origin = names[ref]
            key = RRsetKey(ref, absolute_name(owner, origin), rdtype)
            if origin not in data:
                data[origin] = _planned(key, change, index, origin)
            p = data[origin]
            out.append(PlannedChange(key, p.kind, p.before, p.after, p.add, p.remove, p.ttl, p.accept, index))
    return tuple(out)


def _planned(key: RRsetKey, change: ChangeConfig, index: int, origin: str) -> PlannedChange:
    def values(texts: tuple[str, ...]) -> tuple[str, ...]:
        return rdata_values(key.rdtype, texts, origin)

    kind: Literal["set", "values", "ttl"] = "ttl"
    before: Literal["live"] | tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    if change.from_ is not None and change.to is not None:
        kind = "set"
        before = "live" if change.from_ == "live" else None if change.from_ == "absent" else values(change.from_)
        after = None if change.to == "absent" else values(change.to)
    elif change.add or change.remove:
        kind = "values"
    accept = None
    if (e := change.expect) is not None:
        ends_at = absolute_name(e.ends_at, origin) if e.ends_at else ""
        accept = Accept(values(e.one_of), values(e.subset_of), e.cidr, ends_at)
    return PlannedChange(key, kind, before, after, values(change.add), values(change.remove), change.ttl, accept, index)


def expand_changes(plan: Plan, stage: Stage) -> tuple[PlannedChange, ...]:
    """All RRsets that a stage changes. The plan must have been checked: raises the same as `expand_change`."""
    names = zone_names(plan)

    def made() -> tuple[PlannedChange, ...]:
        return tuple(p for n, change in enumerate(stage.changes) for p in expand_change(plan, change, n, names))

    return plan.memo.get(stage.changes, tuple(names.items()), made)


def remember_changes(plan: Plan, stage: Stage, names: Mapping[str, str], planned: tuple[PlannedChange, ...]) -> None:
    """What `expand_changes` is to give for the stage: whoever checked every change has made them already."""
    plan.memo.get(stage.changes, tuple(names.items()), lambda: planned)


def unchanged_keys(plan: Plan, stage: Stage) -> tuple[RRsetKey, ...]:
    """RRsets that the stage asserts not to change, from "name/TYPE". Raises InvalidName, InvalidRdata."""
    names = zone_names(plan)
    return tuple(key for text in stage.unchanged for key in keys_of(text, names))


def keys_of(text: str, names: Mapping[str, str]) -> tuple[RRsetKey, ...]:
    """The RRsets that "name/TYPE" means, by the rules of `zone_refs`. Raises InvalidName, InvalidRdata."""
    owner, slash, rdtype = text.rpartition("/")
    if not slash:
        owner, rdtype = text, ""
    kind = canonical_type(rdtype)
    return tuple(RRsetKey(ref, absolute_name(owner, names[ref]), kind) for ref in zone_refs(owner, (), names))
