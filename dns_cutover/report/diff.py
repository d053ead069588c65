"""The diff of a stage: records with the same edit are one group, deletions first, odd ones before groups. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dns_cutover.records.name import relative_name
from dns_cutover.report.lines import Line, Look, line
from dns_cutover.report.words import plural
from dns_cutover.runbook.changes import StageChange
from dns_cutover.runbook.model import Runbook

STYLES = {"delete": "red", "create": "green", "edit": "", "replace": "", "ttl": "dim"}
NAME, TYPE = 16, 7


@dataclass(frozen=True, slots=True)
class Group:
    """Changes that do the same to RRsets of one type; at least one. All have the same stage, verb, values and TTLs."""

    changes: tuple[StageChange, ...]

    @property
    def first(self) -> StageChange:
        """Any of them."""
        return self.changes[0]


def groups(changes: Iterable[StageChange], *, full: bool = False) -> tuple[Group, ...]:
    """The changes of one stage in the order in which they are read; with `full` each by itself."""
    same: dict[object, list[StageChange]] = {}
    for n, c in enumerate(changes):
        edit = (c.verb, c.key.rdtype, c.by_value, c.ttl_before, c.ttl, c.ttl_final, c.removed, c.added, c.stays)
        same.setdefault((n,) if full else edit, []).append(c)
    out = [Group(tuple(members)) for members in same.values()]
    return tuple(sorted(out, key=lambda g: (g.first.verb != "delete", len(g.changes) > 1, len(g.changes))))


def names(book: Runbook, group: Group) -> list[str]:
    """The owner names of a group as people write them, runs of numbers as ranges; one text for each zone."""
    out = []
    for zone in book.zones:
        owners = [relative_name(c.key.owner, zone.name) for c in group.changes if c.key.zone == zone.ref]
        if owners:
            text = ", ".join(ranges(sorted(owners, key=_natural)))
            out.append(text if len(book.zones) == 1 else f"{zone.ref}: {text}")
    return out


def ranges(owners: Iterable[str]) -> Iterator[str]:
    """`a, cdn-001 to cdn-140, www`: three or more names that differ by a number that counts up are one range."""
    run: list[str] = []
    for owner in (*owners, None):
        if run and (owner is None or not _follows(run[-1], owner)):
            yield from [f"{run[0]} to {run[-1]}"] if len(run) > 2 else run
            run = []
        if owner is not None:
            run.append(owner)


_NUMBER = re.compile(r"(.*?)([0-9]{1,9})([^0-9]*)", re.ASCII | re.DOTALL)


def _parts(owner: str) -> tuple[str, str, str]:
    match = _NUMBER.fullmatch(owner)
    return (match[1], match[2], match[3]) if match else (owner, "", "")


def _natural(owner: str) -> tuple[str, str, int, str]:
    head, digits, tail = _parts(owner)
    return head, tail, int(digits) if digits else -1, owner


def _follows(one: str, other: str) -> bool:
    (head, digits, tail), (head2, digits2, tail2) = _parts(one), _parts(other)
    if not digits or not digits2 or (head, tail) != (head2, tail2):
        return False
    padded = "0" in (digits[0], digits2[0])
    return int(digits2) == int(digits) + 1 and (not padded or len(digits) == len(digits2))


def ttl_words(c: StageChange) -> str:
    """`ttl 3600 → 60, then 300`."""
    if c.ttl is None:
        return f"ttl {c.ttl_before}"
    during = f"{c.ttl_before} → {c.ttl}" if c.ttl_before not in (None, c.ttl) else f"{c.ttl}"
    return f"ttl {during}" + (f", then {c.ttl_final}" if c.ttl_final not in (None, c.ttl) else "")


def notes(book: Runbook, c: StageChange, changes: Iterable[StageChange]) -> list[str]:
    """Deliberate acts: what the plan allows by name."""
    out = []
    if c.verb == "delete":
        beside = {o.key.rdtype for o in changes if (o.key.zone, o.key.owner) == (c.key.zone, c.key.owner) and o.after}
        mx = ["last_mx"] if c.key.rdtype == "MX" else []
        acts = [act for act in ("delete", *mx) if act in book.allow]
        room = ", ".join(sorted(beside))
        out.append(f"makes room for {room}" if room else f"allowed by safety.allow: {', '.join(acts) or 'delete'}")
    if c.key.owner.startswith("*."):
        out.append("a wildcard: it answers for every name that is not there")
    if c.key.rdtype == "NS" and c.key.owner == book.zone(c.key.zone).name:
        out.append("the zone's own NS")
    return out


def stage_diff(book: Runbook, changes: tuple[StageChange, ...], look: Look, *, full: bool = False) -> Iterator[Line]:
    """The lines of one stage's changes."""
    shown = groups(changes, full=full)
    width = max((len(look.safe(_title(book, g))) for g in shown), default=0)
    kind = max((len(g.first.key.rdtype) for g in shown), default=0)
    for group in shown:
        yield from _group(book, group, changes, look, max(NAME, min(width, 40)), max(TYPE, kind))


def _title(book: Runbook, group: Group) -> str:
    return names(book, group)[0] if len(group.changes) == 1 else plural(len(group.changes), "name")


def _group(
    book: Runbook, group: Group, changes: tuple[StageChange, ...], look: Look, width: int, kind: int
) -> Iterator[Line]:
    c = group.first
    head = f"{look.safe(_title(book, group)):<{width}}  {c.key.rdtype:<{kind}} "
    told = [(f"  ! {text}", "yellow") for text in notes(book, c, changes)]
    yield line("  ", (f"{c.verb:<8} ", STYLES[c.verb]), head, (ttl_words(c), "dim"), *told, hang=11 + width + kind + 3)
    for sign, style, values in (("-", "red", c.removed), ("+", "green", c.added)):
        for value in values:
            yield line((f"    {sign} {look.safe(value)}", style), hang=6)
    if c.verb == "ttl":
        yield line((f"    = {plural(c.stays, 'value')} {'stay' if c.stays > 1 else 'stays'}", "dim"))
    elif c.stays:
        whose = ", and what others add" if c.by_value else ""
        yield line((f"    = {plural(c.stays, 'other value')} {'stay' if c.stays > 1 else 'stays'}{whose}", "dim"))
    elif c.by_value and c.before is not None:
        yield line(("    = what others add stays", "dim"))
    if len(group.changes) > 1:
        for text in names(book, group):
            yield line(("    ", ""), (look.safe(text), "dim"), hang=4)
