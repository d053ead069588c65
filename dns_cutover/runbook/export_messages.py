"""The messages of a runbook with their exact images, in order, for a person who sends them by hand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dns_cutover.records import Change, Edit, Mismatch, RRset, RRsetKey, SetEdit, realise
from dns_cutover.runbook.model import WRITES, Runbook, Step

Direction = Literal["forward", "back", "left"]


@dataclass(frozen=True, slots=True)
class Message:
    """One atomic message. `number` counts from 1 within its direction. `before` are the steps between it and the
    message before: what is waited for, confirmed and verified. `left`: what a rollback could not take back, to be
    decided by a person.
    """

    direction: Direction
    number: int
    step: Step
    changes: tuple[Change, ...]
    before: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Messages:
    """One direction. `after` are the steps behind the last message, `image` is what the messages leave."""

    messages: tuple[Message, ...]
    after: tuple[Step, ...]
    image: Mapping[RRsetKey, RRset | None]


def messages(steps: Iterable[Step], image: Mapping[RRsetKey, RRset | None], direction: Direction) -> Messages:
    """What `steps` write, from `image` on. Where an edit does not fit the image it is as if it did: the prerequisites
    of the message will tell.
    """
    now = dict(image)
    out: list[Message] = []
    between: list[Step] = []
    for step in steps:
        if step.ahead:
            continue  # the same message stands at its own place
        if step.kind not in WRITES:
            between.append(step)
            continue
        changes = tuple(_change(edit, now.get(edit.key)) for edit in step.edits)
        now.update((c.key, c.after) for c in changes)
        if changes:
            out.append(Message(direction, len(out) + 1, step, changes, tuple(between)))
            between = []
    return Messages(tuple(out), tuple(between), now)


def images(book: Runbook) -> dict[RRsetKey, RRset | None]:
    """What was live when the runbook was made."""
    return {seen.key: seen.found for seen in book.seen}


def _change(edit: Edit, now: RRset | None) -> Change:
    if isinstance(edit, SetEdit):
        return Change(edit.key, edit.before, edit.after)
    found = realise(edit, now)
    if not isinstance(found, Mismatch):
        return found
    values = tuple(sorted((set(now.values if now is not None else ()) - set(edit.remove)) | set(edit.add)))
    return Change(edit.key, now, RRset(edit.ttl, values) if values else None)
