"""The plan's changes as one frozen value per RRset, RDATA canonical. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dns_cutover.lookup.interface import Accept
from dns_cutover.plan.models import ChangeConfig, Plan, Stage
from dns_cutover.records import RRsetKey, absolute_name, canonical_rdata, canonical_type, quote_text


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
    return tuple(sorted({rdata_value(rdtype, v, origin) for v in values}))


def rdata_value(rdtype: str, value: str, origin: str) -> str:
    """One value. Raises InvalidRdata."""
    if rdtype in ("TXT", "SPF") and not value.startswith('"'):
        value = quote_text(value)
    return canonical_rdata(rdtype, value, origin)


def change_keys(plan: Plan, change: ChangeConfig, names: dict[str, str]) -> tuple[RRsetKey, ...]:
    """The RRsets of one change entry. Raises InvalidName, InvalidRdata, KeyError (an unknown zone reference)."""
    refs = change.in_ or tuple(names)
    rdtype = canonical_type(change.type)
    owners = change.names or ((change.name,) if change.name is not None else ())
    return tuple(RRsetKey(ref, absolute_name(owner, names[ref]), rdtype) for ref in refs for owner in owners)


def expand_change(plan: Plan, change: ChangeConfig, index: int, names: dict[str, str]) -> tuple[PlannedChange, ...]:
    """One change entry as one value per RRset. Raises InvalidName, InvalidRdata, KeyError."""
    out = []
    for key in change_keys(plan, change, names):
        origin = names[key.zone]
        kind: Literal["set", "values", "ttl"] = "ttl"
        before: Literal["live"] | tuple[str, ...] | None = None
        after: tuple[str, ...] | None = None
        if change.from_ is not None and change.to is not None:
            kind = "set"
            before = (
                "live"
                if change.from_ == "live"
                else None
                if change.from_ == "absent"
                else rdata_values(key.rdtype, change.from_, origin)
            )
            after = None if change.to == "absent" else rdata_values(key.rdtype, change.to, origin)
        elif change.add or change.remove:
            kind = "values"
        accept = None
        if change.expect is not None:
            e = change.expect
            accept = Accept(
                rdata_values(key.rdtype, e.one_of, origin),
                rdata_values(key.rdtype, e.subset_of, origin),
                e.cidr,
                absolute_name(e.ends_at, origin) if e.ends_at else "",
            )
        out.append(
            PlannedChange(
                key,
                kind,
                before,
                after,
                rdata_values(key.rdtype, change.add, origin),
                rdata_values(key.rdtype, change.remove, origin),
                change.ttl,
                accept,
                index,
            )
        )
    return tuple(out)


def expand_changes(plan: Plan, stage: Stage) -> tuple[PlannedChange, ...]:
    """All RRsets that a stage changes. The plan must have been checked: raises the same as `expand_change`."""
    names = zone_names(plan)
    return tuple(p for n, change in enumerate(stage.changes) for p in expand_change(plan, change, n, names))


def unchanged_keys(plan: Plan, stage: Stage) -> tuple[RRsetKey, ...]:
    """RRsets that the stage asserts not to change, from "name/TYPE". Raises InvalidName, InvalidRdata."""
    out = []
    for text in stage.unchanged:
        owner, slash, rdtype = text.rpartition("/")
        for ref, zone in zone_names(plan).items():
            out.append(RRsetKey(ref, absolute_name(owner if slash else text, zone), canonical_type(rdtype)))
    return tuple(out)
