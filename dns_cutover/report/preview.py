"""`preview` in text: what will change, when, and how long somebody may still get the other answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.records import RRsetKey, SetEdit
from dns_cutover.records.name import relative_name
from dns_cutover.report.diff import groups, stage_diff
from dns_cutover.report.foreseen import Foreseen, foresee
from dns_cutover.report.guarantees import guarantee_words
from dns_cutover.report.lines import Line, Look, line, plain_text
from dns_cutover.report.timeline_picture import picture
from dns_cutover.report.words import bound, brief, duration, mark, plural, safe, shell_word
from dns_cutover.runbook.model import Runbook, Step, StepKind, Window, ZoneInfo
from dns_cutover.runbook.otherwise import Otherwise

LABEL = 14
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CROSS_ZONES = "Writes are atomic within a zone, not across zones: one zone after the other, in this order."


def preview_lines(f: Foreseen, look: Look, *, full: bool = False, out: str = "", source: str = "") -> Iterator[Line]:
    """The whole preview. `full` lifts grouping; `out` is where the runbook was written, `source` the plan's file."""
    yield from _head(f, look)
    for stage in f.book.stages:
        yield line()
        yield from _stage(f, stage.name, look, full=full)
    yield line()
    yield from _timeline(f, look)
    yield line()
    yield from _worst(f, look)
    yield from _providers(f.book, look)
    yield line()
    yield from _end(f, look, out, source)


def preview_text(
    book: Runbook,
    sha256: str,
    now: float,
    look: Look | None = None,
    *,
    full: bool = False,
    out: str = "",
    source: str = "",
) -> str:
    """The preview as plain text, for a log; by default 100 columns and UTC. `now`: seconds UTC."""
    look = look or Look()
    return plain_text(preview_lines(foresee(book, sha256, now), look, full=full, out=out, source=source), look)


def _head(f: Foreseen, look: Look) -> Iterator[Line]:
    zones = ", ".join(z.name.rstrip(".") or "." for z in f.book.zones)
    changed = sum(c.changes for c in f.changes)
    what = f"{plural(changed, 'change')} in {plural(len(f.book.stages), 'stage')}"
    name = look.safe(f.book.plan)
    rest = f" · {look.safe(zones)} · {what}"
    seen = f"live view {look.full(f.now)}"
    yield from _ends([(name, "bold"), rest], (seen, "dim"), look)
    if f.book.summary:
        yield line(look.safe(f.book.summary))
    if len(f.book.zones) > 1:
        yield line(("! ", "yellow"), CROSS_ZONES, hang=2)


def _ends(left: list[str | tuple[str, str]], right: tuple[str, str], look: Look) -> Iterator[Line]:
    """Something at each end of a line; two lines where one has no room."""
    used = sum(len(p if isinstance(p, str) else p[0]) for p in left)
    gap = look.width - used - len(right[0])
    if gap >= 2:
        yield line(*left, " " * gap, right)
    else:
        yield line(*left, hang=2)
        yield line("  ", right, hang=2)


def _stage(f: Foreseen, name: str, look: Look, *, full: bool) -> Iterator[Line]:
    book, changes = f.book, f.stage(name)
    info = next(s for s in book.stages if s.name == name)
    shown = groups(changes, full=full)
    count = plural(len(changes), "change")
    if len(shown) < len(changes):
        count += f" in {plural(len(shown), 'group')}"
    head: list[str | tuple[str, str]] = [(look.safe(name), "bold")]
    head += [f"  {look.safe(info.summary)}"] if info.summary else []
    yield from _ends(head, (count, "dim"), look)
    yield from stage_diff(book, changes, look, full=full)
    yield from gate_lines(book, name, look)


def gate_lines(book: Runbook, stage: str, look: Look) -> Iterator[Line]:
    """What may hold the stage, what watches it, and where its way back ends."""
    own = [s for s in book.steps if s.stage == stage]
    yield from _messages(own)
    for step in own:
        yield from _gate(book, step, look)
    commit = next(s.commit for s in book.stages if s.name == stage)
    if commit != "never":
        when = {"before": "once this stage starts", "after": "once this stage has baked"}[commit]
        yield _item("commit", commit, f"nothing rolls back by itself {when}")


def _item(word: str, name: str, text: str, style: str = "") -> Line:
    return line(f"  {word:<8} ", (f"{name:<16}", style), "  ", text, hang=29)


def _messages(own: list[Step]) -> Iterator[Line]:
    writes = [s for s in own if s.kind is StepKind.APPLY and s.edits]
    for zone in dict.fromkeys(s.zone for s in writes):
        count = sum(s.zone == zone for s in writes)
        if count > 1:
            yield line(
                ("  ! ", "yellow"),
                f"{count} messages: the server takes no message that is large enough for all of it. Between them "
                "the stage is half done.",
                hang=4,
            )


def _gate(book: Runbook, step: Step, look: Look) -> Iterator[Line]:
    """What may hold the stage, or watches it."""
    match step.kind:
        case StepKind.CONFIRM if step.confirm is not None:
            c = step.confirm
            late = {"decline": "", "rollback": " or it rolls back", "pause": " or it pauses"}[c.on_timeout]
            within = f", within {brief(c.timeout)}{late}" if c.timeout is not None else ", no bound"
            within += f", valid for {brief(c.valid_for)}" if c.valid_for is not None else ""
            proof = f", proved by {look.safe(c.probe)}" if c.by == "probe" else ""
            yield _item("confirm", look.safe(c.id), f"{look.safe(c.who)}{within}{proof}: “{look.safe(c.says)}”")
            if c.undo:
                yield line(" " * 29, ("to go back: ", "dim"), look.safe(c.undo), hang=29)
        case StepKind.WINDOW if step.window is not None and not step.lead:
            needs = f", starts with {bound(book.stage(step.stage).needs)} left or more"
            yield _item("window", window_words(step.window)[0], window_words(step.window)[1] + needs)
        case StepKind.WAIT if not step.id.endswith("/wait_before_lowering"):
            yield _item(
                "wait", brief(step.seconds), "after the stage before; TTLs and the lock are given back meanwhile"
            )
        case StepKind.PREFLIGHT:
            kept = [e.key for e in step.edits if isinstance(e, SetEdit) and e.before == e.after]
            if kept:
                labels = ", ".join(look.safe(book.label(key)) for key in kept)
                yield _item("same", plural(len(kept), "record"), f"{labels}, before and after")
        case StepKind.BAKE:
            for p in step.probes:
                effect = _effect(p, goes_back=_goes_back(book, step.stage))
                target = look.safe(_target(p.options))
                yield _item("probe", look.safe(p.name), f"{p.type}{target} every {_seconds(p.interval)}, {effect}")
            if step.seconds:
                yield _item("bake", brief(step.seconds), "watched at the low TTL, so that a rollback is quick")
        case _:
            pass


def _target(data: Mapping[str, Any]) -> str:
    for key in ("url", "target", "name", "argv"):
        value = data.get(key)
        if isinstance(value, list | tuple):
            return f" {' '.join(map(str, value))}"
        if value:
            port = f":{data['port']}" if key == "target" and data.get("port") else ""
            return f" {value}{port}"
    return ""


def _seconds(value: float) -> str:
    return f"{value:g} s" if value < 60 else brief(value)


def _goes_back(book: Runbook, stage: str) -> bool:
    """Whether a failure in the stage rolls back by itself."""
    commit = next(s.commit for s in book.stages if s.name == stage)
    return book.rollback.automatic and commit != "before"


def _effect(probe: ProbeSpec, *, goes_back: bool) -> str:
    if probe.report_only:
        return "only reported"
    match probe.role:
        case "way_back":
            return "says if a rollback would help"
        case "control":
            return "if it fails too, the fault is ours"
        case _:
            row, total = probe.consecutive_failure_limit, probe.failure_limit
            limits = [f"{row} in a row"] if row is not None else []
            limits += [f"{total} in all"] if total is not None else []
            act = "roll back" if goes_back else "hold, a person decides"
            return f"{' or '.join(limits)} failed: {act}" if limits else "no bound on failures"


def window_words(window: Window) -> tuple[str, str]:
    """The days, and the times with their zone: `mon-thu`, `09:00-16:00 Europe/Berlin`."""
    runs: list[list[int]] = []
    for day in sorted(window.days):
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    words = [DAYS[r[0] - 1] if len(r) == 1 else f"{DAYS[r[0] - 1]}-{DAYS[r[-1] - 1]}" for r in runs]
    overnight = " (the next day)" if window.end < window.start else ""
    return " ".join(words), f"{window.start}-{window.end}{overnight} {safe(window.timezone)}"


def _timeline(f: Foreseen, look: Look) -> Iterator[Line]:
    first = look.full(f.now).split()
    day = " ".join([*first[:3], first[-1]]) if len(first) > 1 else f"{first[0][:10]} UTC"
    yield line(("Timeline", "bold"), f"  {day}, if started now and nobody is late", hang=2)
    yield from picture(f, look)
    yield line()
    finish = f"{look.day(f.now + f.finish)} at the earliest, after {duration(f.finish)}"
    yield line((f"{'finish':<{LABEL}}", "dim"), finish, hang=LABEL)
    off = f"{look.day(f.now + f.old_side.after_s)} at the earliest · {f.old_side.reason}"
    yield line((f"{'old side off':<{LABEL}}", "dim"), off, hang=LABEL)
    if f.book.rollback.until is not None:
        until = f"{look.day(f.book.rollback.until)} at the latest (rollback.until): nothing goes back by itself then"
        yield line((f"{'way back':<{LABEL}}", "dim"), until, hang=LABEL)
    for z in f.book.freezes:
        span = f"{look.day(z.start)} to {look.day(z.end)}: {look.safe(z.because)}"
        yield line((f"{'frozen':<{LABEL}}", "dim"), span, hang=LABEL)


def _worst(f: Foreseen, look: Look) -> Iterator[Line]:
    floor = brief(f.book.client_floor) if f.book.client_floor else "nothing"
    yield line(("Worst case", "bold"), f"  how long the other answer may live, {floor} for clients included")
    width = max(18, *(len(t.stage) + 1 for t in f.tails)) if f.tails else 18
    width = min(width, 32)
    yield line(f"{'':<{width}}", (f"{'after change':>13}{'after rollback':>16}  decided by", "dim"))
    for t in f.tails:
        label = look.safe(t.stage)
        label = label if len(label) < width else label[: width - 2] + "…"
        figures = f"{bound(t.after_change_s):>13}{bound(t.after_rollback_s):>16}"
        yield line((f"{label:<{width}}", "bold"), figures, (f"  {look.safe(decided(t.why))}", "dim"), hang=width + 31)
    for name, after, back, why in worst_rows(f):
        yield line(f"{name:<{width}}{after:>13}{back:>16}  ", (look.safe(why), "dim"), hang=width + 31)


def worst_rows(f: Foreseen) -> Iterator[tuple[str, str, str, str]]:
    """What the move would cost otherwise: row, after change, after rollback, decided by (hostile text)."""
    rows: list[tuple[str, Otherwise | None, str]] = [
        ("after restore", f.restored, "back at {ttl} s: restoring is the commit point"),
        ("if done now", f.at_once, "at {ttl} s: the same change without lowering first"),
    ]
    for name, other, text in rows:
        if other is None:
            continue
        why = text.format(ttl=other.ttl) if other.ttl is not None else "is new: its absence is cached"
        after = bound(other.after_change_s) if other.after_change_s is not None else "–"
        back = bound(other.after_rollback_s) if other.after_rollback_s is not None else "–"
        yield name, after, back, f"{short_label(f.book, other.change.key)} {why}"


def decided(why: str) -> str:
    """`@ MX: MX at 60 s` says its type twice, and an apex needs no name: `MX at 60 s`, `www: A at 60 s`."""
    label, _, reason = why.partition(": ")
    name, _, kind = label.rpartition(" ")
    if not reason.startswith(f"{kind} at "):
        return why
    return reason if name == "@" else f"{name}: {reason}"


def short_label(book: Runbook, key: RRsetKey) -> str:
    """`MX` at the apex, `www A` below it."""
    zone = book.zone(key.zone)
    name = relative_name(key.owner, zone.name)
    text = key.rdtype if name == "@" else f"{name} {key.rdtype}"
    return text if len(book.zones) == 1 else f"{zone.ref}: {text}"


def _providers(book: Runbook, look: Look) -> Iterator[Line]:
    for zone in book.zones:
        yield line()
        where = f" for {look.safe(zone.ref)}, {look.safe(zone.name.rstrip('.'))}" if len(book.zones) > 1 else ""
        yield line(("Provider", "bold"), f"  {look.safe(provider_words(zone))}{where}", hang=10)
        for verdict, name, text in guarantee_words(book, zone):
            style = {"proved": "green", "none": "dim", "mind": "yellow"}[verdict]
            symbol = mark(verdict, ascii_only=look.ascii_only)
            yield line((f"{symbol} ", style), f"{name:<18}", look.safe(text), hang=20)
    if len(book.zones) > 1:
        yield line()
        yield line(("! ", "yellow"), f"{'across zones':<18}", CROSS_ZONES, hang=20)


def provider_words(zone: ZoneInfo) -> str:
    """`rfc2136 at 192.0.2.53, key cutover, hmac-sha256`."""
    config = zone.provider
    text = str(config.get("type", ""))
    if config.get("server"):
        text += f" at {config['server']}"
    key = config.get("key")
    if isinstance(key, dict):
        text += f", key {key.get('name', '')}, {key.get('algorithm', '')}"
    return text


def _end(f: Foreseen, look: Look, out: str, source: str) -> Iterator[Line]:
    steps = f"{plural(len(f.book.steps), 'step')} forward, {f.steps_back} back"
    where = look.safe(out) if out else "not kept: -o RUNBOOK writes it"
    yield line(("Runbook", "bold"), f"  {steps} · {where}", hang=9)
    yield line(("sha256 ", "dim"), (f.sha256, "bold"), whole=True)
    target = look.safe(shell_word(out or source)) if out or source else ""
    if target:
        told = "agree on the first 12 characters, then " if out else ""
        yield line(f"Next: {told}", (f"dns-cutover run {target}", "bold"), whole=True)
