"""What is left to do by hand: forward or back, from a runbook or from where a run stands. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dns_cutover.engine.rollback import Written, closed_stages, kept, way_back
from dns_cutover.engine.starting import written
from dns_cutover.engine.state import RunState
from dns_cutover.providers.interface import Token
from dns_cutover.records import Change, RRset, RRsetKey, SetEdit
from dns_cutover.runbook.export_messages import Message, Messages, images, messages
from dns_cutover.runbook.model import WRITES, Exposure, Runbook, Step, StepKind
from dns_cutover.runbook.timeline import propagation_bound

NOTHING = Messages((), (), {})


@dataclass(frozen=True, slots=True)
class ByHand:
    """Messages, and what a person must know of them. `stays` are labels of records that the way back leaves alone,
    `closed` stages whose way back is closed. `locks`, by zone reference, are tokens of which the zone has one while the
    run holds it; `pending` is the id of a message whose fate is open. `left` is what a rollback could not take back.
    `restored`: by step of the way back, how long caches may hold what it undoes (seconds) once TTLs were restored.
    """

    book: Runbook
    run_id: str = ""
    forward: Messages = NOTHING
    back: Messages = NOTHING
    left: tuple[Message, ...] = ()
    stays: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    locks: Mapping[str, tuple[Token, ...]] = field(default_factory=dict)
    pending: str = ""
    restored: Mapping[str, float] = field(default_factory=dict)


def from_runbook(book: Runbook, stage: str = "", start: Mapping[RRsetKey, RRset | None] | None = None) -> ByHand:
    """The whole plan, forward from what was live, and back from the moment after its last change; or one stage.

    The way back of one stage is a rollback of that stage alone, right after it: what earlier ones did stays. `start`:
    what was there before where that is known better than from the runbook.
    """
    start = images(book) if start is None else start
    last = _last(book, stage)
    if stage:
        earlier = messages((s for s in book.steps[: last + 1] if s.stage != stage), start, "forward")
        own = messages((s for s in book.steps if s.stage == stage), earlier.image, "forward")
    else:
        own = messages(book.steps, start, "forward")
    done, image = _done(book.steps[: last + 1], start)
    found = _back(book, done, last + 1, image, stage)
    return replace(found, forward=own, restored=_restored(book, found.back, start))


def from_run(state: RunState, stage: str = "", live: Mapping[RRsetKey, RRset | None] | None = None) -> ByHand:
    """From where the run stands: the rest of the way forward, and the way back, which may have begun. A message whose
    fate is open counts as sent: if it was not, what takes it back is refused, and nothing is lost.

    `live`: what is there now of RRsets that are edited by value, where that was looked at.
    """
    book, image = state.book, {**current(state), **(live or {})}
    left = () if state.back is not None or state.final else book.steps[state.i :]
    forward = messages((x for x in left if not (x.unless and written(state, x.unless))), image, "forward")
    maybe = _pending(state)
    done = (*state.done, *maybe)
    if state.back is None:
        image.update((c.key, c.after) for w in maybe for c in w.changes if c.key not in (live or {}))
        found = _back(book, done, state.i, image)
    else:
        rest = state.back[state.bi :]
        found = ByHand(book, back=messages(rest, image, "back"), stays=_stays(book, state.done))
    out = locked(replace(found, run_id=state.run_id, forward=forward, left=left_over(state)), state)
    return of_stage(out, stage) if stage else out


def locked(found: ByHand, state: RunState) -> ByHand:
    """The same with the locks that the run holds now, and with what is under way."""
    locks: dict[str, tuple[Token, ...]] = {ref: (token,) for ref, token in state.tokens.items()}
    pending = state.pending
    if pending is not None:
        ours = (pending.held if pending.held and pending.held.run == state.run_id else None, pending.next, *state.burns)
        locks[pending.zone] = tuple(token for token in ours if token is not None)
    # A lease in the store is nothing that a message to the zone could give back.
    locks = {ref: tokens for ref, tokens in locks.items() if state.book.zone(ref).guarantees.fenced}
    return replace(found, locks=locks, pending=pending.op if pending is not None else "")


def finish_by_hand(state: RunState) -> str:
    """The command that makes the scripts for the way back from here, or shows what the records should be where nothing
    but a person's own tools can write them.
    """
    types = {str(z.provider.get("type", "")) for z in state.book.zones}
    form = "nsupdate --direction back -o DIR" if "rfc2136" in types else "zone --direction back"
    return f"dns-cutover export {state.run_id} --format {form}"


def position(state: RunState) -> Hashable:
    """Equal for states of one run from which the same messages lead back: only locks may differ."""
    writing = state.pending.op if state.pending is not None and state.pending.changes else ""
    return (
        len(state.done),
        state.back is None,
        state.bi,
        len(state.left),
        len(state.ignored),
        closed_stages(state.book, state.i),
        writing,
        state.final,
    )


def of_stage(found: ByHand, stage: str) -> ByHand:
    """The messages of one stage only; their numbers stay."""

    def own(part: Messages) -> Messages:
        return replace(part, messages=tuple(m for m in part.messages if m.step.stage == stage))

    left = tuple(m for m in found.left if m.step.stage in ("", stage))
    return replace(found, forward=own(found.forward), back=own(found.back), left=left)


def current(state: RunState) -> dict[RRsetKey, RRset | None]:
    """Every RRset as this run left it, or as it was live: what is there unless somebody else changed it."""
    image = images(state.book)
    image.update((c.key, c.after) for w in state.done for c in w.changes)
    if state.back is not None:
        for step in _whole_way_back(state)[: state.bi]:
            if step.kind in WRITES:
                image.update(_after(step, image))
    image.update((f.key, f.found) for f in state.left)
    image.update(_ignored(state))
    return image


def left_over(state: RunState) -> tuple[Message, ...]:
    """What a rollback could not take back: one message for each name, from what was found there to what should be.

    Records of others (`state.left`), and of ours those that the server left as they were.
    """
    if state.back is None:
        return ()
    ours = _ignored(state)
    found = {**ours, **{f.key: f.found for f in state.left}}
    targets = dict(found)
    stage_of: dict[RRsetKey, str] = {}
    for step in _whole_way_back(state):
        if step.kind in WRITES:
            own = replace(step, edits=tuple(e for e in step.edits if e.key in found))
            targets.update(_after(own, targets))
            stage_of.update({e.key: step.stage for e in own.edits if step.stage})
    names: dict[tuple[str, str], list[Change]] = {}
    for key in sorted(found):
        if found[key] != targets[key]:
            names.setdefault((key.zone, key.owner), []).append(Change(key, found[key], targets[key]))
    out = []
    for n, ((zone, owner), changes) in enumerate(names.items(), 1):
        edits = tuple(SetEdit(c.key, c.before, c.after) for c in changes)
        stage = stage_of.get(changes[0].key, "")
        step = Step(f"left:{owner}", StepKind.APPLY, stage, zone, edits)
        out.append(Message("left", n, step, tuple(changes), ()))
    return tuple(out)


def _whole_way_back(state: RunState) -> tuple[Step, ...]:
    """The undo list as it was made: `state.back` lacks what turned out to be somebody else's."""
    return way_back(state.book, state.done, state.i, stage=state.cause.stage if state.cause is not None else "")


def _ignored(state: RunState) -> Mapping[RRsetKey, RRset | None]:
    """Records that an undo did not change although the server took its message, as they still are."""
    if not state.ignored:
        return {}
    image = images(state.book)
    image.update((c.key, c.after) for w in state.done for c in w.changes)
    return {key: image.get(key) for key in state.ignored}


def _after(step: Step, image: Mapping[RRsetKey, RRset | None]) -> dict[RRsetKey, RRset | None]:
    """What the step's edits make of `image`, be it ours or somebody else's: values of others stay where the edit is by
    value, and a TTL alone is a TTL alone.
    """
    return dict(messages((step,), image, "back").image)


def _pending(state: RunState) -> tuple[Written, ...]:
    """A message of the way forward whose fate is open."""
    intent, step = state.pending, state.step
    if intent is None or intent.purpose != "write" or step is None or step.id != intent.step:
        return ()
    return (Written(step.id, step.kind, step.stage, step.edits, intent.changes, step.exposures),)


def _last(book: Runbook, stage: str) -> int:
    """The index of the last change of the plan, or of the stage; -1 where there is none."""
    return max(
        (n for n, s in enumerate(book.steps) if s.kind is StepKind.APPLY and stage in ("", s.stage)),
        default=-1,
    )


def _done(
    steps: Iterable[Step], image: Mapping[RRsetKey, RRset | None]
) -> tuple[tuple[Written, ...], dict[RRsetKey, RRset | None]]:
    """What a run has written when all of `steps` are done."""
    made = messages(steps, image, "forward")
    done = tuple(
        Written(m.step.id, m.step.kind, m.step.stage, m.step.edits, m.changes, m.step.exposures) for m in made.messages
    )
    return done, dict(made.image)


def _back(
    book: Runbook, done: tuple[Written, ...], i: int, image: Mapping[RRsetKey, RRset | None], stage: str = ""
) -> ByHand:
    alone = replace(book, rollback=replace(book.rollback, scope="stage")) if stage else book
    steps = way_back(alone, done, i)
    closed = closed_stages(book, i) & {w.stage for w in done if w.kind is StepKind.APPLY}
    undone = done if not stage else tuple(w for w in done if w.stage == stage)
    names = tuple(s.name for s in book.stages if s.name in closed)
    return ByHand(book, back=messages(steps, image, "back"), stays=_stays(book, undone), closed=names)


def _restored(book: Runbook, back: Messages, start: Mapping[RRsetKey, RRset | None]) -> dict[str, float]:
    """How long the waits of `back` are once everything is done, where that is longer."""
    done, _ = _done(book.steps, start)
    late = {s.id: tail(book, s.exposures) for s in way_back(book, done, len(book.steps))}
    steps = (s for part in (*(m.before for m in back.messages), back.after) for s in part)
    return {s.id: late[s.id] for s in steps if late.get(s.id, 0.0) > tail(book, s.exposures)}


def tail(book: Runbook, exposures: Iterable[Exposure]) -> float:
    """How long caches may hold what is replaced, D included (seconds)."""
    return max((propagation_bound(book, x.key) + x.old_s for x in exposures), default=0.0)


def _stays(book: Runbook, done: Iterable[Written]) -> tuple[str, ...]:
    applied = [w for w in done if w.kind is StepKind.APPLY]
    stays = kept(book, applied)
    return tuple(dict.fromkeys(book.label(e.key) for w in applied for e in w.edits if stays(e)))
