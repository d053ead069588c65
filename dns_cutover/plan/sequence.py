"""What each RRset will be after each stage, as far as the plan alone tells, and what contradicts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dns_cutover.plan.expand import PlannedChange
from dns_cutover.plan.places import Path
from dns_cutover.records import RRsetKey


class Add(Protocol):
    """Where findings go."""

    def __call__(self, check: str, message: str, hint: str, path: Path, *, stage: str, record: str) -> None:
        """One error at `path`."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """Values that are certainly there or certainly not; `complete`: the RRset has no others."""

    complete: bool = False
    present: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()

    def after(self, p: PlannedChange) -> Known:
        """What is known after the change."""
        match p.kind:
            case "set":
                return Known(True, frozenset(p.after or ()))
            case "values":
                add, remove = frozenset(p.add), frozenset(p.remove)
                return Known(self.complete, (self.present - remove) | add, (self.gone - add) | remove)
            case "ttl":
                return self

    def describe(self) -> str:
        """In a few words."""
        return ", ".join(sorted(self.present)) or "absent"


_NOTHING = Known()


def label(key: RRsetKey, names: Mapping[str, str]) -> str:
    """For people: the RRset, with its zone reference where the plan has several."""
    text = key.label(names[key.zone])
    return f"{text} ({key.zone})" if len(names) > 1 else text


@dataclass(slots=True)
class Sequence:
    """Goes through the stages in order."""

    names: Mapping[str, str]
    add: Add
    known: dict[tuple[str, str], dict[str, Known]] = field(default_factory=dict)  # by zone reference and owner

    def stage(self, name: str, planned: Mapping[RRsetKey, tuple[PlannedChange, Path]]) -> None:
        """Check one stage against itself and against those before it."""
        touched: dict[tuple[str, str], dict[str, Path]] = {}
        for key, (p, where) in planned.items():
            about = {"stage": name, "record": label(key, self.names)}
            self._change(p, where, about)
            self._against(self.known.get((key.zone, key.owner), {}).get(key.rdtype, _NOTHING), p, where, about)
            touched.setdefault((key.zone, key.owner), {})[key.rdtype] = where
        for key, (p, _) in planned.items():
            types = self.known.setdefault((key.zone, key.owner), {})
            types[key.rdtype] = types.get(key.rdtype, _NOTHING).after(p)
        for (zone, owner), paths in touched.items():
            self._alone(name, zone, owner, paths, planned)

    def _change(self, p: PlannedChange, where: Path, about: dict[str, str]) -> None:
        record = about["record"]
        if both := sorted(set(p.add) & set(p.remove)):
            self.add("DC116", f"{both[0]} is both removed and added", "keep one of the two", (*where, "add"), **about)
        if p.kind == "set" and p.before == p.after:
            message = f"{record}: from and to are the same"
            self.add("DC116", message, "for a new TTL alone give only ttl", (*where, "to"), **about)
        if p.key.rdtype != "CNAME":
            return
        for values, at in ((p.after or (), "to"), (p.add, "add")):
            if len(values) > 1:
                hint = "a name has at most one CNAME (RFC 2181 section 10.1)"
                self.add("DC114", f"{record} would have {len(values)} values", hint, (*where, at), **about)
        if (p.after or p.add) and p.key.owner == self.names[p.key.zone]:
            hint = "the apex has SOA and NS, which a CNAME cannot stand beside (RFC 1912 section 2.4)"
            self.add("DC114", "a CNAME at the apex", hint, (*where, "type"), **about)

    def _against(self, known: Known, p: PlannedChange, where: Path, about: dict[str, str]) -> None:
        record = about["record"]

        def contradicts(what: str, hint: str, at: str) -> None:
            self.add("DC115", f"{record} {what} after an earlier stage", hint, (*where, at), **about)

        match p.kind:
            case "set":
                if p.before == "live":
                    return
                before = set(p.before or ())
                if known.complete and before != known.present:
                    contradicts(f"will be {known.describe()}", f"write from: {known.describe()}", "from")
                elif not known.complete and (lost := sorted(known.present - before)):
                    contradicts(f"will have {lost[0]}", "add it to from, or edit by value", "from")
                elif not known.complete and (gone := sorted(known.gone & before)):
                    contradicts(f"will not have {gone[0]}", "take it out of from, or edit by value", "from")
            case "values":
                if there := sorted(known.present & set(p.add) - set(p.remove)):
                    contradicts(f"will have {there[0]} already", "leave it out", "add")
                absent = set(p.remove) - known.present if known.complete else set(p.remove) & known.gone
                if absent:
                    contradicts(f"will not have {min(absent)}", "leave it out", "remove")
            case "ttl":
                if known.complete and not known.present:
                    contradicts("will be absent", "leave the change out", "ttl")

    def _alone(
        self,
        stage: str,
        zone: str,
        owner: str,
        paths: Mapping[str, Path],
        planned: Mapping[RRsetKey, tuple[PlannedChange, Path]],
    ) -> None:
        """A CNAME that stays or comes, and other data that stays or comes, at one name (RFC 1034 section 3.6.2)."""
        there = {t for t, known in self.known[zone, owner].items() if known.present}
        there |= {t for t in paths if planned[RRsetKey(zone, owner, t)][0].kind == "ttl"}
        if "CNAME" not in there or len(there) < 2:
            return
        where = paths.get("CNAME") or paths[min(paths)]
        record = label(RRsetKey(zone, owner, "CNAME"), self.names)
        message = f"{record} would stand beside {', '.join(sorted(there - {'CNAME'}))}"
        hint = "take the other data away in the same stage (RFC 1034 section 3.6.2)"
        self.add("DC114", message, hint, (*where, "type"), stage=stage, record=record)
