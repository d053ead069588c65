"""The live block of a run: five fixed lines, then servers, resolvers, old answers, probes and what comes next. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import tzinfo

from rich.text import Text

from dns_cutover.engine.actions import Wait
from dns_cutover.engine.state import RunState
from dns_cutover.lookup.interface import Evidence, ResolverRow
from dns_cutover.probes.interface import Verdict
from dns_cutover.report.by_hand import finish_by_hand
from dns_cutover.report.status import headline, steps_line, way_back
from dns_cutover.report.words import clock, duration, mark, offset, plural, safe
from dns_cutover.runbook.model import StepKind

LABEL = 14
_STYLES = {"proved": "green", "now": "cyan", "later": "", "mind": "yellow", "failed": "red", "undone": "yellow"}
_GROUPS = (
    (Evidence.VIOLATOR, "failed", "red", "old, past its life"),
    (Evidence.BOGUS, "failed", "red", "bogus (DNSSEC)"),
    (Evidence.STALE, "mind", "yellow", "old, stale"),
    (Evidence.ERROR, "error", "red", "error: no answer"),
    (Evidence.PENDING, "old", "yellow", "old, pending"),
    (Evidence.COLD, "later", "", "new, cold"),
    (Evidence.WARM, "warm", "green", "new, warm"),
    (Evidence.WITNESSED, "proved", "green", "new, witnessed"),
)
_NOTES = {
    Evidence.PENDING: "within its life",
    Evidence.COLD: "fetched by us: no proof",
    Evidence.WARM: "fetched by others",
    Evidence.WITNESSED: "old before, new now",
}
_HEIGHTS = "▁▂▃▄▅▆▇"


@dataclass(frozen=True, slots=True)
class View:
    """Everything that one drawing needs. `rows` is what resolvers said last, times in seconds UTC. `driven`: whether
    the process that draws also drives the run; whether another one does cannot be known.
    """

    state: RunState
    wait: Wait | None
    rows: tuple[ResolverRow, ...]
    now: float
    zone: tzinfo
    width: int
    height: int
    ascii_only: bool
    driven: bool = True


def run_block(v: View) -> list[Text]:
    """The block, fitted to the height: the five lines are never cut, the rest by priority, and what is cut is said."""
    parts = [_title(v), *five_lines(v)]
    rest = [part for part in (_servers(v), _resolvers(v), _old_answers(v), _probes(v), _ahead(v)) if part]
    room = v.height - len(parts) - 1
    for part in rest:
        if room <= 1:
            break
        shown = part if len(part) < room else part[: room - 2]
        parts.append(Text())
        parts += shown
        if len(shown) < len(part):
            more = f"  + {len(part) - len(shown)} more: dns-cutover status {v.state.run_id} --full"
            parts.append(Text(more, style="dim"))
        room -= len(shown) + 2
    for line in parts:
        line.truncate(v.width, overflow="crop")
    return parts


def _title(v: View) -> Text:
    s, dash = v.state, mark("track", ascii_only=v.ascii_only)
    zones = ", ".join(z.name.rstrip(".") for z in s.book.zones)
    left = f"{dash * 2} {safe(s.book.plan)} · {safe(zones)} · run {s.run_id} "
    right = f" {clock(v.now, v.now, v.zone)} {offset(v.now, v.zone)} {dash * 2}"
    return Text(_ascii(v, left + dash * max(2, v.width - len(left) - len(right)) + right), style="dim")


def _ascii(v: View, text: str) -> str:
    return text.replace("·", ".") if v.ascii_only else text


def _labelled(label: str, body: Text | str, style: str = "dim") -> Text:
    return Text.assemble((f"{label:<{LABEL}}", style), body)


def five_lines(v: View) -> list[Text]:
    """STATE why · until · unblock · way back (or exposed) · steps."""
    s = v.state
    word, style = headline(s, v.wait)
    if s.final:
        return _ended(v, word, style)
    why = s.why if s.outcome else (v.wait.why if v.wait is not None else _doing(s))
    lines = [_labelled(word, safe(why), f"bold {style}"), _until(v)]
    unblock = v.wait.unblock if v.wait is not None else ()
    if unblock and v.wait is not None and v.wait.kind in ("confirm", "paused", "conflict", "lock"):
        for n, (command, effect) in enumerate(unblock):
            text = Text.assemble((safe(command), "bold"), "  ", (safe(effect), "dim"))
            lines.append(_labelled("unblock" if n == 0 else "", text))
    else:
        itself = Text("nothing to do, it goes on by itself")
        if not v.driven:
            itself = Text.assemble(
                "nothing to do while somebody drives it   ", (f"dns-cutover resume {s.run_id}", "bold")
            )
        lines.append(_labelled("unblock", itself))
    lines.append(_way_back(v))
    marks = []
    for name, words in steps_line(s):
        marks.append(Text.assemble((mark(name, ascii_only=v.ascii_only), _STYLES.get(name, "")), f" {safe(words)}"))
    lines.append(_labelled("steps", Text("   ").join(marks)))
    return lines


def _ended(v: View, word: str, style: str) -> list[Text]:
    """The run is over: what is left to do."""
    s = v.state
    marks = [
        Text.assemble((mark(name, ascii_only=v.ascii_only), _STYLES.get(name, "")), f" {safe(words)}")
        for name, words in steps_line(s)
    ]
    if s.outcome == "succeeded":
        then, command = "keep what other tools need   ", f"dns-cutover export {s.run_id} --format zone"
    elif s.outcome == "rollback_failed":
        then, command = "finish by hand   ", finish_by_hand(s)
    else:
        then, command = "what was done   ", f"dns-cutover events {s.run_id}"
    return [
        _labelled(word, safe(s.why), f"bold {style}"),
        _labelled("until", "it is over"),
        _labelled("next", Text.assemble(then, (command, "bold"))),
        _ended_way_back(v),
        _labelled("steps", Text("   ").join(marks)),
    ]


def _ended_way_back(v: View) -> Text:
    back = way_back(v.state, v.now)
    if not back.possible or back.until is None:
        return _labelled("way back", "closed: going back is a plan of its own")
    until = clock(back.until, v.now, v.zone)
    text = f"open until {until}, worst case {duration(back.tail_s)}   "
    return _labelled("way back", Text.assemble(text, (back.command, "bold")))


def _doing(s: RunState) -> str:
    step = s.step
    return f"working on {step.id}" if step is not None else "finishing"


def _until(v: View) -> Text:
    deadline = v.wait.deadline if v.wait is not None else None
    if deadline is None:
        return _labelled("until", "no bound")
    total = max(deadline - v.state.since, 1.0)
    left = max(0.0, deadline - v.now)
    size = max(10, min(40, v.width - LABEL - 28))
    filled = round(size * min(1.0, left / total))
    bar = Text.assemble(
        (mark("track", ascii_only=v.ascii_only) * (size - filled), "dim"),
        (mark("left", ascii_only=v.ascii_only) * filled, "cyan"),
    )
    return _labelled(
        "until", Text.assemble((clock(deadline, v.now, v.zone), "bold"), "  ", bar, f"  {duration(left)} left")
    )


def _way_back(v: View) -> Text:
    s = v.state
    if s.back is not None:
        since = s.exposed_since
        if since is None:
            return _labelled("exposed", "nobody: no change was live")
        return _labelled("exposed", f"since {clock(since, v.now, v.zone)}")
    back = way_back(s, v.now)
    if not back.possible:
        return _labelled("way back", "closed")
    tail = f"open, worst case {duration(back.tail_s)}   " if back.tail_s else "open, only TTLs to put back   "
    if not back.helps:
        tail = "open, but the old side fails: it would not help   "
    elif not back.automatic:
        tail = f"by command only, {safe(back.why_not)}   "
    elif back.until is not None:
        tail = tail.rstrip() + f", until {clock(back.until, v.now, v.zone)}   "
    return _labelled("way back", Text.assemble(tail, (back.command, "bold")))


def _servers(v: View) -> list[Text]:
    s = v.state
    if not s.servers and not s.trouble:
        return []
    good = s.servers - len(s.trouble)
    name = "mind" if s.trouble else "proved"
    head = Text.assemble(
        (mark(name, ascii_only=v.ascii_only), _STYLES[name]), f" {good}/{s.servers} as this step wants"
    )
    lines = [_labelled("servers", head)]
    for t in s.trouble[:4]:
        lines.append(
            Text.assemble(("  ! ", "yellow"), f"{safe(t.server)} {safe(t.address)}  ", (safe(t.detail), "dim"))
        )
    return lines


def _resolvers(v: View) -> list[Text]:
    seen = v.state.resolvers
    if seen is None:
        return []
    counts = Counter({Evidence(name): n for name, n in seen.counts})
    name = "failed" if seen.violators else "proved"
    head = Text.assemble(
        (mark(name, ascii_only=v.ascii_only), _STYLES[name]), f" {seen.agree}/{seen.counted} agree with the model"
    )
    lines = [_labelled("resolvers", head)]
    room = max(8, v.width - 55)
    for evidence, symbol, style, text in _GROUPS:
        n = counts[evidence]
        if not n:
            continue
        bar = mark("one", ascii_only=v.ascii_only) * min(n, room)
        note = f"  {_NOTES.get(evidence, '')}" + (" (bar is cut)" if n > room else "")
        lines.append(
            Text.assemble(
                ("  " + mark(symbol, ascii_only=v.ascii_only), style),
                f" {text:<20}{n:>4}  ",
                (bar, style),
                (note, "dim"),
            )
        )
    return lines


def _old_answers(v: View) -> list[Text]:
    """A countdown per resolver and record to the moment its cached answer dies; the longest first."""
    old = [r for r in v.rows if r.eta is not None and r.eta > v.now and r.evidence is Evidence.PENDING]
    if not old or v.state.step is None or v.state.step.kind is not StepKind.CONVERGE:
        return []
    old.sort(key=lambda r: -(r.eta or 0.0))
    longest = max(1.0, max((r.eta or 0.0) - v.now for r in old))
    lines = [_labelled("old answer", Text("seconds to live, by resolver and record", style="dim"))]
    for r in old:
        left = (r.eta or 0.0) - v.now
        bar = mark("left", ascii_only=v.ascii_only) * max(1, round(20 * left / longest))
        who = f"{r.resolver.name} {r.resolver}"[:34]
        label = v.state.book.label(r.key)
        lines.append(
            Text.assemble(
                ("  " + mark("old", ascii_only=v.ascii_only), "yellow"),
                f" {safe(who):<34} {safe(label):<22} {duration(left):>7} ",
                (bar, "yellow"),
            )
        )
    return lines


def _probes(v: View) -> list[Text]:
    s = v.state
    step = s.step
    shown = [p for p in (step.probes if step else ()) if p.name in s.gates]
    if not shown:
        return []
    lines = [_labelled("probes", Text("one mark per result, now at the right", style="dim"))]
    room = max(10, min(60, v.width - LABEL - 30))
    for p in shown:
        gate = s.gates[p.name]
        worst = max((latency for verdict, latency in gate.history if verdict is Verdict.SUCCESS), default=0.0) or 1.0
        marks = Text()
        for verdict, latency in gate.history[-room:]:
            match verdict:
                case Verdict.SUCCESS:
                    high = "." if v.ascii_only else _HEIGHTS[min(6, int(6 * latency / worst))]
                    marks.append(high, "green")
                case Verdict.FAILURE:
                    marks.append("x" if v.ascii_only else "×", "red")
                case Verdict.ERROR:
                    marks.append("?", "red")
        good = gate.last is not None and gate.last.verdict is Verdict.SUCCESS
        name = "proved" if good else "failed"
        text = f"{gate.successes}/{gate.total}  {gate.consecutive_failures} in a row failed"
        role = "  way back" if p.role == "way_back" else ""
        lines.append(
            Text.assemble(
                (mark(name, ascii_only=v.ascii_only), _STYLES[name]),
                f" {safe(p.name):<{LABEL - 2}}",
                marks,
                f"  {text}{role}",
            )
        )
        if gate.last_failure is not None:
            when = clock(gate.last_failure.at, v.now, v.zone)
            lines.append(Text.assemble((f"{'':<{LABEL}}last failure {when}: ", "dim"), safe(gate.last_failure.detail)))
    return lines


def _ahead(v: View) -> list[Text]:
    s = v.state
    coming = [x for x in s.steps[s.index + 1 :] if x.kind in (StepKind.APPLY, StepKind.RESTORE_TTL)]
    if not coming or s.outcome:
        return []
    lines = []
    for n, x in enumerate(coming[:4]):
        what = plural(len(x.edits), "record")
        name = "restore ttl" if x.kind is StepKind.RESTORE_TTL else x.stage
        tail = max((e.old_s for e in x.exposures), default=0.0)
        lines.append(_labelled("ahead" if n == 0 else "", f"{safe(name):<12} {what}, worst case {duration(tail)}"))
    return lines
