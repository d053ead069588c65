"""The time line as a picture: a row per stage on one axis, its waits, tails and bakes, and what may hold it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dns_cutover.report.foreseen import Foreseen
from dns_cutover.report.lines import Line, Look, line
from dns_cutover.report.scale import Scale, scale, ticks
from dns_cutover.report.words import MARKS, bound, brief, trimmed
from dns_cutover.runbook.model import Step, StepKind
from dns_cutover.runbook.timeline import Moment
from dns_cutover.runbook.window import window_closes

LABEL, NOTE, GAP = 14, 36, 1
STYLE = {"wait": "cyan", "both": "yellow", "left": "green", "moment": "bold", "track": "dim"}


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` (seconds) the mark `mark`; a moment where they are the same. Later ones go on top."""

    start: float
    end: float
    mark: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the picture. `note` is what it means in words, with the figures."""

    label: str
    spans: tuple[Span, ...]
    note: str
    step: str = ""


def rows(f: Foreseen, look: Look) -> Iterator[Row]:
    """All rows in the order of time; the old side is the last one."""
    for stage in f.book.stages:
        own = [m for m in f.moments if m.step.stage == stage.name and not m.skipped]
        if own:
            yield from _stage(f, stage.name, own, look)
    end = f.old_side.after_s
    day = _clock(f, look, f.now + end)
    track = Span(0.0, f.finish, "track")
    yield Row("old side", (track,), f"→ {day}, then off")


def _stage(f: Foreseen, name: str, own: list[Moment], look: Look) -> Iterator[Row]:
    kinds: dict[StepKind, list[Moment]] = {}
    for m in own:
        kinds.setdefault(m.step.kind, []).append(m)
    lower, waited = kinds.get(StepKind.LOWER_TTL, []), kinds.get(StepKind.WAIT_TTL, [])
    if waits := kinds.get(StepKind.WAIT, []):
        start, end = waits[0].start, waits[-1].end
        note = f"{brief(waits[-1].step.seconds)}, TTLs given back"
        yield Row("wait", (Span(start, end, "wait"),), note, waits[-1].step.id)
    if lower:
        yield _lower(f, lower, look)
    if waited:
        begin = lower[0].end if lower else waited[0].start
        span = Span(begin, waited[-1].end, "wait")
        yield Row("wait ttl", (span,), f"{_lasting(span.end - span.start)}, old TTL dies", waited[-1].step.id)
    yield _change(f, name, kinds)
    start = kinds[StepKind.APPLY][0].start if StepKind.APPLY in kinds else own[-1].start
    for m in kinds.get(StepKind.CONFIRM, []):
        if m.step.confirm is not None:
            by = _clock(f, look, f.now + start)
            spans = (Span(0.0, start, "track"), Span(start, start, "moment"))
            yield Row("  confirm", spans, f"{m.step.confirm.id} by {by}", m.step.id)
    for m in kinds.get(StepKind.WINDOW, []):
        if m.step.window is not None and not m.step.lead:
            yield _window(f, m, start, look)
        elif not m.step.lead and start > m.start:
            yield Row("  freeze", (Span(m.start, start, "wait"),), f"until {_clock(f, look, f.now + start)}", m.step.id)
    for m in kinds.get(StepKind.RESTORE_TTL, [])[:1]:
        at = _clock(f, look, f.now + m.start)
        last = name == f.book.stages[-1].name
        yield Row("restore ttl", (Span(m.start, m.start, "moment"),), f"{at}, commit point" if last else at, m.step.id)


def _lasting(seconds: float) -> str:
    """As in the other rows; of days also the hours, where they are few."""
    return brief(seconds) if seconds < 2 * 86400 else bound(seconds)


def _clock(f: Foreseen, look: Look, ts: float) -> str:
    return look.time(ts, f.now, seconds=f.finish < 600)


def _lower(f: Foreseen, lower: list[Moment], look: Look) -> Row:
    at = lower[0].start
    ttls = ttl_range(m.step for m in lower)
    when = "now" if at < 60 else _clock(f, look, f.now + at)
    return Row("lower ttl", (Span(at, at, "moment"),), f"{when}, {ttls}", lower[0].step.id)


def ttl_range(steps: Iterator[Step]) -> str:
    """`3600 → 60 s`, `300-3600 → 60 s`."""
    before, after = set(), set()
    for edit in (e for step in steps for e in step.edits):
        match edit.kind:
            case "set":
                before |= {edit.before.ttl} if edit.before is not None else set()
                after |= {edit.after.ttl} if edit.after is not None else set()
            case "values":
                before |= {edit.ttl_before} if edit.ttl_before is not None else set()
                after |= {edit.ttl}
    return f"{_extent(before)} → {_extent(after)} s"


def _extent(values: set[int]) -> str:
    if not values:
        return "–"
    return str(min(values)) if len(values) == 1 else f"{min(values)}-{max(values)}"


def _change(f: Foreseen, name: str, kinds: dict[StepKind, list[Moment]]) -> Row:
    spans, notes = [], []
    writes, converges = kinds.get(StepKind.APPLY, []), kinds.get(StepKind.CONVERGE, [])
    proved = [m for m in converges if m.step.resolvers]
    begin = writes[0].start if writes else 0.0
    if proved:
        spans.append(Span(begin, proved[-1].end, "both"))
        tail = next((t.after_change_s for t in f.tails if t.stage == name), 0.0)
        notes.append(f"{trimmed(bound(tail))} tail")
    for m in kinds.get(StepKind.BAKE, []):
        if m.end > m.start:
            spans.append(Span(m.start, m.end, "left"))
            notes.append(f"{brief(m.end - m.start)} bake")
    return Row(name, tuple(spans), " + ".join(notes), f"{name}/apply")


def _window(f: Foreseen, m: Moment, start: float, look: Look) -> Row:
    """From when it is open to its end; what the stage has to wait for it is drawn as a wait."""
    assert m.step.window is not None
    closes = window_closes(m.step.window, f.now + start) - f.now
    spare = f"{brief(closes - start)} to spare" if closes > start else "as it opens"
    waits = (Span(m.start, start, "wait"),) if start > m.start else ()
    # A window that is open already, and stays so, is seen to be.
    opened = 0.0 if window_closes(m.step.window, f.now) - f.now == closes else start
    note = f"→ {_clock(f, look, f.now + closes)}, {spare}"
    return Row("  window", (*waits, Span(opened, closes, "track")), note, m.step.id)


def idle(f: Foreseen) -> Iterator[tuple[float, float]]:
    """Spans in which nothing happens but waiting."""
    at = 0.0
    begin: float | None = None
    for m in f.moments:
        if m.skipped:
            continue
        quiet = m.step.kind in (StepKind.WAIT, StepKind.WAIT_TTL, StepKind.WINDOW)
        if quiet and m.end > m.start:
            begin = m.start if begin is None else begin
        elif m.end > m.start or m.step.kind in (StepKind.LOWER_TTL, StepKind.APPLY):
            if begin is not None:
                yield begin, at
            begin = None
        at = max(at, m.end)
    if begin is not None:
        yield begin, at


def picture(f: Foreseen, look: Look) -> Iterator[Line]:
    """Axis, rows and legend, at most `look.width` wide where the notes allow."""
    shown = tuple(rows(f, look))
    columns = max(20, look.width - LABEL - GAP - min(NOTE, max(len(row.note) for row in shown)))
    axis = scale(max(f.finish, 1.0), idle(f), columns)
    yield from _axis(f, axis, look)
    for row in shown:
        yield _row(row, axis, look)
    legend = (
        ("wait", "wait"),
        ("both", "old answers possible"),
        ("left", "bake, way back quick"),
        ("moment", "moment"),
    )
    told = [part for name, text in legend for part in ((MARKS[name][0], STYLE[name]), f" {text}  ")]
    cut = ((MARKS["cut"][0], "dim"), " not to scale") if any(p.cut for p in axis.pieces) else ()
    yield line(" " * LABEL, *told, *cut, hang=LABEL)


def _axis(f: Foreseen, axis: Scale, look: Look) -> Iterator[Line]:
    labels, track = [" "] * (axis.columns + 20), [MARKS["track"][0]] * axis.columns
    for piece in axis.pieces:
        if piece.cut:
            track[piece.left : piece.right] = MARKS["cut"][0] * (piece.right - piece.left)
    for tick in ticks(axis, f.now, look.zone):
        labels[tick.column : tick.column + len(tick.label)] = tick.label
        track[tick.column] = MARKS["tick"][0]
    yield line(" " * LABEL, ("".join(labels).rstrip(), "dim"))
    yield line(" " * LABEL, ("".join(track), "dim"))


def _row(row: Row, axis: Scale, look: Look) -> Line:
    cells = [(" ", "")] * axis.columns
    for n, span in enumerate(row.spans):
        left, right = axis.column(span.start), axis.column(span.end)
        if n and span.mark == "left" and left < axis.columns - 1:
            left += cells[left][0] != " "  # what follows a tail is seen beside it, however short both are
        for at in range(left, max(right, left + 1)):
            cells[at] = (MARKS[span.mark][0], STYLE[span.mark])
    label = look.safe(row.label)
    label = label if len(label) < LABEL else label[: LABEL - 2] + "…"
    return line(
        (f"{label:<{LABEL}}", "bold" if not row.label.startswith(" ") else ""),
        *_runs(cells),
        " " * GAP,
        (_note(row.note, look), "dim"),
    )


def _note(note: str, look: Look) -> str:
    """Our own words with names in them."""
    arrow = "→"
    return arrow.join(look.safe(part) for part in note.split(arrow))


def _runs(cells: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Neighbours of one style as one part."""
    text, style = "", ""
    for char, kind in cells:
        if kind != style and text:
            yield text, style
            text = ""
        text, style = text + char, kind
    yield text, style
