"""What a run leaves behind: the RRsets that it writes, as they are in the end or after one of its stages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dns_cutover.records import Edit, RRset, RRsetKey, SetEdit
from dns_cutover.runbook.model import WRITES, Runbook, ZoneInfo


@dataclass(frozen=True, slots=True)
class ZoneEnd:
    """One zone: what is there in the end of what the run touches, and what is not."""

    info: ZoneInfo
    rrsets: Mapping[RRsetKey, RRset]
    absent: tuple[RRsetKey, ...]


@dataclass(frozen=True, slots=True)
class EndState:
    """`stage` is empty for the end of the run. `back`: what its way back leaves, not what it leads to."""

    plan: str
    stage: str
    zones: tuple[ZoneEnd, ...]
    back: bool = False


class UnknownStage(LookupError):
    """The runbook has no such stage."""


def open_keys(book: Runbook) -> tuple[RRsetKey, ...]:
    """RRsets that the runbook edits by value only: their other values are not in it, and must be looked at."""
    edits = _edits(book, "")
    return tuple(sorted({e.key for e in edits if e.kind == "values"} - {e.key for e in edits if e.kind == "set"}))


def end_state(book: Runbook, stage: str = "", live: Mapping[RRsetKey, RRset | None] | None = None) -> EndState:
    """The state after `stage`, or in the end; after a stage TTLs are as low as the run has them then.

    `live` is what is there now for `open_keys`, whether the run has not begun, stands anywhere, or is over: what it
    does to them is taken back in thought, and done again up to the stage. Raises UnknownStage, KeyError (a key that
    `live` lacks).
    """
    if stage and stage not in {s.name for s in book.stages}:
        raise UnknownStage(stage)
    image = beginning(book, live)
    done = _edits(book, stage)
    for edit in done:
        image[edit.key] = _done(edit, image[edit.key])
    touched = {e.key for e in done}
    return EndState(book.plan, stage, tuple(_zone(info, image, touched) for info in book.zones))


def beginning(book: Runbook, live: Mapping[RRsetKey, RRset | None] | None = None) -> dict[RRsetKey, RRset | None]:
    """Every RRset that the runbook writes, as it was before. `live` as in `end_state`. Raises KeyError."""
    image: dict[RRsetKey, RRset | None] = {key: (live or {})[key] for key in open_keys(book)}
    for edit in reversed(_edits(book, "")):
        image[edit.key] = _undone(edit, image.get(edit.key))
    return image


def state_of(book: Runbook, stage: str, image: Mapping[RRsetKey, RRset | None]) -> EndState:
    """The state that the way back leaves in the RRsets of `image`."""
    return EndState(book.plan, stage, tuple(_zone(info, image, set(image)) for info in book.zones), back=True)


def _zone(info: ZoneInfo, image: Mapping[RRsetKey, RRset | None], touched: set[RRsetKey]) -> ZoneEnd:
    own = sorted(k for k in touched if k.zone == info.ref)
    there = {k: rrset for k in own if (rrset := image[k]) is not None}
    return ZoneEnd(info, there, tuple(k for k in own if k not in there))


def _edits(book: Runbook, stage: str) -> list[Edit]:
    """All edits of writes in their order, up to the last write of the stage."""
    writes = [s for s in book.steps if s.kind in WRITES]
    if stage:
        names = [s.name for s in book.stages]
        early = names[: names.index(stage) + 1]
        last = max((n for n, s in enumerate(writes) if s.stage in early), default=-1)
        writes = writes[: last + 1]
    return [e for s in writes for e in s.edits]


def _done(edit: Edit, now: RRset | None) -> RRset | None:
    if isinstance(edit, SetEdit):
        return edit.after
    return _with(now, set(edit.remove), set(edit.add), edit.ttl)


def _undone(edit: Edit, now: RRset | None) -> RRset | None:
    if isinstance(edit, SetEdit):
        return edit.before
    ttl = edit.ttl_before if edit.ttl_before is not None else edit.ttl
    # What was not done yet is not there to take away, and there already to put back.
    return _with(now, set(edit.add), set(edit.remove), ttl)


def _with(now: RRset | None, remove: set[str], add: set[str], ttl: int) -> RRset | None:
    values = tuple(sorted((set(now.values if now is not None else ()) - remove) | add))
    return RRset(ttl, values) if values else None
