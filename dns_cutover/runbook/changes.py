"""What a runbook changes, RRset by RRset, with full images: the diff that every report shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dns_cutover.records import Change, Edit, RRset, RRsetKey, ValueEdit, realise
from dns_cutover.runbook.around import contexts, wildcards
from dns_cutover.runbook.model import WRITES, Runbook, StepKind
from dns_cutover.timing.exposure import NameContext

Verb = Literal["delete", "create", "edit", "replace", "ttl"]


@dataclass(frozen=True, slots=True)
class StageChange:
    """One RRset that a stage changes.

    `before` and `after` are whole images; `removed` and `added` their difference, `stays` how many values are in both
    (`by_value`: others may change those meanwhile). `ttl_before` is the TTL that the world knows before this stage's
    TTLs are lowered, `ttl` the one during the run, `ttl_final` the one that is restored; seconds, None is absence.
    `context`: what is at the name at that time.
    """

    stage: str
    key: RRsetKey
    verb: Verb
    by_value: bool
    before: RRset | None
    after: RRset | None
    ttl_before: int | None
    ttl: int | None
    ttl_final: int | None
    context: NameContext

    @property
    def removed(self) -> tuple[str, ...]:
        """Values that go."""
        kept = self.after.values if self.after is not None else ()
        return tuple(v for v in (self.before.values if self.before is not None else ()) if v not in kept)

    @property
    def added(self) -> tuple[str, ...]:
        """Values that come."""
        had = self.before.values if self.before is not None else ()
        return tuple(v for v in (self.after.values if self.after is not None else ()) if v not in had)

    @property
    def stays(self) -> int:
        """How many values are in both."""
        return len(self.after.values) - len(self.added) if self.after is not None else 0

    @property
    def changes(self) -> bool:
        """Whether anything is different in the end."""
        return bool(self.removed or self.added) or self.ttl_before != self.ttl_final


@dataclass(slots=True)
class _Fold:
    """RRsets as the steps leave them one after the other; `known` are TTLs from before a lowering that no stage has
    used yet, `finals` the TTLs that are restored, with the index of the step.
    """

    book: Runbook
    image: dict[RRsetKey, RRset | None]
    known: dict[RRsetKey, int]
    finals: Mapping[RRsetKey, list[tuple[int, int]]]
    at_name: dict[tuple[str, str], list[RRsetKey]]

    def change(self, n: int, edit: Edit, change: Change) -> StageChange:
        before, after = change.before, change.after
        known = self.known.pop(edit.key, None)
        ttl = after.ttl if after is not None else None
        final = next((t for at, t in self.finals.get(edit.key, ()) if at > n), ttl) if after is not None else None
        return StageChange(
            self.book.steps[n].stage,
            edit.key,
            _verb(edit, before, after),
            isinstance(edit, ValueEdit),
            before,
            after,
            known if known is not None else before.ttl if before is not None else None,
            ttl,
            final,
            self.context(edit.key),
        )

    def context(self, key: RRsetKey) -> NameContext:
        zone = self.book.zone(key.zone)
        near = (*self.at_name[key.zone, key.owner], *wildcards(key, zone.name))
        here = {k: self.image.get(k) for k in near}
        return contexts([key], here, {zone.ref: zone.negative_ttl}, {zone.ref: zone.name})[key]


def stage_changes(book: Runbook) -> tuple[StageChange, ...]:
    """All changes in the order in which they are made."""
    image: dict[RRsetKey, RRset | None] = {s.key: s.found for s in book.seen}
    at_name: dict[tuple[str, str], list[RRsetKey]] = {}
    for key in dict.fromkeys((*image, *(e.key for s in book.steps for e in s.edits))):
        at_name.setdefault((key.zone, key.owner), []).append(key)
    fold = _Fold(book, image, {}, _finals(book), at_name)
    out = []
    for n, step in enumerate(book.steps):
        for edit in step.edits if step.kind in WRITES else ():
            change = realise(edit, image.get(edit.key))
            if not isinstance(change, Change):
                continue  # a runbook that was made by hand: what is shown of it is not better than what it is
            if step.kind is StepKind.LOWER_TTL and change.before is not None:
                fold.known.setdefault(edit.key, change.before.ttl)
            elif step.kind is StepKind.RESTORE_TTL:
                fold.known.pop(edit.key, None)
            else:
                out.append(fold.change(n, edit, change))
            image[edit.key] = change.after
    return tuple(out)


def _verb(edit: Edit, before: RRset | None, after: RRset | None) -> Verb:
    if before is None:
        return "create"
    if after is None:
        return "delete"
    if before.values == after.values:
        return "ttl"
    return "edit" if isinstance(edit, ValueEdit) else "replace"


def _finals(book: Runbook) -> dict[RRsetKey, list[tuple[int, int]]]:
    """(index of the step, TTL) of every restoring of an RRset's TTL, in order."""
    out: dict[RRsetKey, list[tuple[int, int]]] = {}
    for n, step in enumerate(book.steps):
        for edit in step.edits if step.kind is StepKind.RESTORE_TTL else ():
            after = edit if isinstance(edit, ValueEdit) else edit.after
            if after is not None:
                out.setdefault(edit.key, []).append((n, after.ttl))
    return out
