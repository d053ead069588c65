"""`preview --format markdown`, for a comment on a change request: diff, timeline, worst cases, guarantees. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.report.diff import Group, groups, names, notes, ttl_words
from dns_cutover.report.foreseen import Foreseen, foresee
from dns_cutover.report.guarantees import guarantee_words
from dns_cutover.report.lines import Look
from dns_cutover.report.markdown import COMMENT_LIMIT, block, code, cut, inline, table
from dns_cutover.report.preview import CROSS_ZONES, gate_lines, provider_words, worst_rows
from dns_cutover.report.timeline_picture import picture
from dns_cutover.report.words import bound, duration, mark, plural, safe, utc
from dns_cutover.runbook.changes import StageChange
from dns_cutover.runbook.model import Runbook, StepKind

VALUES, CHARACTERS = 20, 500
ROWS = (60, 20, 5)  # of tables and the picture: as many as leave room for the diff


def preview_markdown(book: Runbook, sha256: str, now: float, *, limit: int = COMMENT_LIMIT) -> str:
    """The preview as GitHub-flavoured Markdown of at most `limit` characters; what is left out is said and counted.

    `now`: seconds UTC. All text of others is in code spans and fenced blocks.
    """
    f = foresee(book, sha256, now)
    head = _head(f)
    rest = next((r for rows in ROWS if len(r := _rest(f, rows)) < limit // 2), _rest(f, ROWS[-1]))
    return head + _changes(f, limit - len(head) - len(rest)) + rest


def _head(f: Foreseen) -> str:
    book = f.book
    zones = ", ".join(inline(z.name.rstrip(".") or ".") for z in book.zones[:20])
    more = f" and {len(book.zones) - 20} more" if len(book.zones) > 20 else ""
    changed = sum(c.changes for c in f.changes)
    what = f"{plural(changed, 'change')} in {plural(len(book.stages), 'stage')}"
    out = f"### Preview of {inline(book.plan)}\n\n{zones}{more} · {what} · live view {utc(f.now)}\n\n"
    if book.summary:
        out += f"{inline(book.summary, 1000)}\n\n"
    steps = f"{plural(len(book.steps), 'step')} forward, {f.steps_back} back"
    out += f"Runbook `{f.sha256}` · {steps}\n\n"
    if len(book.zones) > 1:
        out += f"**{CROSS_ZONES}**\n\n"
    return out


def _changes(f: Foreseen, room: int) -> str:
    """As many groups as fit, stage by stage."""
    out, shown = "#### Changes\n\n", 0
    room -= len(out) + 200  # for the last sentence
    for stage in f.book.stages:
        own = f.stage(stage.name)
        title = f"**{inline(stage.name)}**" + (f" {inline(stage.summary)}" if stage.summary else "")
        title += f" · {plural(len(own), 'change')}\n\n"
        gates = _gates(f, stage.name)
        lines, fits = _fitting(f, own, room - len(title) - len(gates))
        if lines:
            part = title + block(lines, "diff") + gates
            out, room, shown = out + part, room - len(part), shown + fits
        if fits < len(own):
            break
    left = len(f.changes) - shown
    if left:
        out += (
            f"… and {plural(left, 'more change')}: `dns-cutover preview PLAN --full` shows all {len(f.changes):,}.\n\n"
        )
    return out


def _fitting(f: Foreseen, own: tuple[StageChange, ...], room: int) -> tuple[list[str], int]:
    """The lines of as many groups as a block of `room` characters holds, and how many changes they show."""
    out: list[str] = []
    size = fits = frame = 0
    for group in groups(own):
        lines = list(group_lines(f, group, own))
        frame = max(frame, len(block(lines, "diff")) - len("\n".join(lines)))
        size += sum(len(item) + 1 for item in lines)
        if size + frame > room:
            break
        out += lines
        fits += len(group.changes)
    return out, fits


def group_lines(
    f: Foreseen, group: Group, own: tuple[StageChange, ...], *, most: int = VALUES, characters: int = CHARACTERS
) -> Iterator[str]:
    """The lines of a diff: at most so many values of each side and characters of each."""
    c = group.first
    owners = names(f.book, group)
    title = owners[0] if len(group.changes) == 1 else plural(len(group.changes), "name")
    yield f"@@ {c.verb} {cut(safe(title), characters)} {c.key.rdtype} · {ttl_words(c)} @@"
    for text in notes(f.book, c, own):
        yield f"! {text}"
    for sign, values in (("-", c.removed), ("+", c.added)):
        for value in values[:most]:
            yield f"{sign} {cut(safe(value), characters)}"
        if len(values) > most:
            yield f"{sign} … {plural(len(values) - most, 'more value')}"
    if c.stays:
        whose = ", and what others add" if c.by_value else ""
        yield f"  = {plural(c.stays, 'other value')} {'stay' if c.stays > 1 else 'stays'}{whose}"
    if len(group.changes) > 1:
        for text in owners[:20]:
            yield f"  {cut(safe(text), 2 * characters)}"


def _gates(f: Foreseen, stage: str) -> str:
    """What may hold the stage, or watches it, as a list; the words are those of the text."""
    lines = [item.plain.strip() for item in gate_lines(f.book, stage, Look())]
    shown = "".join(f"- {inline(' '.join(text.split()), CHARACTERS)}\n" for text in lines[:20])
    more = f"- … and {len(lines) - 20} more\n" if len(lines) > 20 else ""
    return f"\n{shown}{more}\n" if lines else "\n"


def _rest(f: Foreseen, rows: int) -> str:
    return _timeline(f, rows) + _worst(f, rows) + _providers(f, rows)


def _timeline(f: Foreseen, rows: int) -> str:
    out = "#### Timeline\n\nIf started now and nobody is late.\n\n"
    quiet = (StepKind.PREFLIGHT, StepKind.CONVERGE, StepKind.WAIT_TTL, StepKind.WAIT, StepKind.WINDOW)
    told = [m for m in f.moments if not m.skipped and (m.step.kind not in quiet or m.end - m.start >= 60)]
    cells = [
        (utc(f.now + m.start), inline_step(m.step.id), duration(m.end - m.start) if m.end > m.start else "–")
        for m in told[:rows]
    ]
    out += table(("Begins (UTC)", "Step", "Takes"), cells)
    if len(told) > rows:
        out += f"\n… and {len(told) - rows} more steps\n"
    lines = [item.plain for item in picture(f, Look())]
    axis, body, legend = lines[:2], lines[2:-1], lines[-1:]
    if len(body) > rows:
        body = [*body[:rows], f"… and {len(body) - rows} more rows"]
    out += "\n" + block([*axis, *body, *legend])
    finish, off = utc(f.now + f.finish), utc(f.now + f.old_side.after_s)
    out += f"\nFinish {finish} at the earliest, after {duration(f.finish)}.\n\n"
    return out + f"Old side off {off} at the earliest: {f.old_side.reason}.\n\n"


def inline_step(step: str) -> str:
    """A step's id in a table."""
    return code(step, 100)


def _worst(f: Foreseen, rows: int) -> str:
    out = "#### Worst case\n\nHow long the other answer may live, clients included.\n\n"
    cells = [
        (code(t.stage, 100), bound(t.after_change_s), bound(t.after_rollback_s), code(t.why)) for t in f.tails[:rows]
    ]
    more = f"\n… and {len(f.tails) - rows} more stages\n" if len(f.tails) > rows else ""
    cells += [(name, after, back, code(why)) for name, after, back, why in worst_rows(f)]
    return out + table(("", "After change", "After rollback", "Decided by"), cells) + more + "\n"


def _providers(f: Foreseen, rows: int) -> str:
    out = "#### Provider\n\n"
    for zone in f.book.zones[:rows]:
        out += f"{inline(provider_words(zone))} for {inline(zone.name.rstrip('.'))}\n\n"
        for verdict, name, text in guarantee_words(f.book, zone):
            out += f"- {mark(verdict, ascii_only=False)} **{name}**: {inline(text)}\n"
        out += "\n"
    left = len(f.book.zones) - rows
    return out + (f"… and {plural(left, 'more zone')}\n\n" if left > 0 else "")
