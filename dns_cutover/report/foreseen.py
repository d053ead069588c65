"""What a run of a runbook would be, worked out once for every format of the preview. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dns_cutover.engine.rollback import Written, way_back
from dns_cutover.records import Change, RRset, RRsetKey, realise
from dns_cutover.runbook.changes import StageChange, stage_changes
from dns_cutover.runbook.model import WRITES, Runbook, StepKind
from dns_cutover.runbook.otherwise import Otherwise, after_restore, if_done_now
from dns_cutover.runbook.timeline import Moment, OldSide, StageTail, old_side, tails, timeline


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`now`: when the run would start, seconds UTC; moments are in seconds from then. `steps_back`: how many steps the
    way back has once the last stage is applied.
    """

    book: Runbook
    sha256: str
    now: float
    changes: tuple[StageChange, ...]
    moments: tuple[Moment, ...]
    tails: tuple[StageTail, ...]
    restored: Otherwise | None
    at_once: Otherwise | None
    old_side: OldSide
    steps_back: int

    @property
    def finish(self) -> float:
        """The earliest finish, in seconds from the start."""
        return max((m.end for m in self.moments), default=0.0)

    @property
    def first_change(self) -> float:
        """The earliest change, in seconds from the start."""
        return next((m.start for m in self.moments if m.step.kind is StepKind.APPLY), 0.0)

    def stage(self, name: str) -> tuple[StageChange, ...]:
        """The changes of one stage."""
        return tuple(c for c in self.changes if c.stage == name)


def foresee(book: Runbook, sha256: str, now: float) -> Foreseen:
    """Work it out. Raises ValueError for a window that never opens."""
    changes = stage_changes(book)
    return Foreseen(
        book,
        sha256,
        now,
        changes,
        timeline(book, now),
        tails(book),
        after_restore(book, changes),
        if_done_now(book, changes),
        old_side(book, now),
        _steps_back(book),
    )


def _steps_back(book: Runbook) -> int:
    """The steps of a rollback at the last moment at which everything is applied and nothing is restored."""
    image: dict[RRsetKey, RRset | None] = {s.key: s.found for s in book.seen}
    done = []
    last = max((n for n, s in enumerate(book.steps) if s.kind is StepKind.APPLY), default=-1)
    for step in book.steps[: last + 1]:
        if step.kind in WRITES:
            found = (realise(e, image.get(e.key)) for e in step.edits)
            made = tuple(c for c in found if isinstance(c, Change))
            image.update({c.key: c.after for c in made})
            done.append(Written(step.id, step.kind, step.stage, step.edits, made, step.exposures))
    return len(way_back(book, tuple(done), last + 1))
