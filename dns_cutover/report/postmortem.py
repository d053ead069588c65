"""An incident report from a run's journal, as Markdown: what happened, for whom, for how long, and what is left. Pure.

Times are UTC. Text of plans, DNS and servers is in code spans, so that nothing in it is markup.
"""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.report.account import Account, StageAccount
from dns_cutover.report.markdown import code as cell
from dns_cutover.report.markdown import inline, table
from dns_cutover.report.words import duration, utc
from dns_cutover.runbook.model import StepKind

MAX_LINES = 500  # of the timeline: a run of weeks may have thousands

_ENDED = {
    "succeeded": "succeeded",
    "rolled_back": "was taken back, and that is verified",
    "rollback_failed": "could not be taken back as a whole",
    "aborted": "was ended; the records stay as they were then",
    "declined": "was declined",
    "conflict": "met somebody else's change, and wrote nothing",
    "refused": "was refused by the provider",
    "unreachable": "did not reach the provider",
    "locked": "found the zone locked",
}


def postmortem(a: Account, made: float) -> str:
    """The report, `made` at that time (seconds UTC)."""
    s = a.state
    parts = [
        f"# {inline(s.book.plan)}, {utc(a.began)[:10]}\n",
        f"Run `{s.run_id}` of runbook `{s.sha256[:12]}`, reported {utc(made)}. All times are UTC.\n",
        "".join(_section("Summary", _summary(a))),
        "".join(_section("Impact", _impact(a))),
        "".join(_section("Detection and resolution", _detection(a))),
        "".join(_section("Tails", _tails(a))),
        "".join(_section("What the plan said, and what happened", _plan(a))),
        "".join(_section("Timeline", _timeline(a))),
        "".join(_section("Open action items", _actions(a))),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield f"## {title}\n\n"
    yield from lines


def _summary(a: Account) -> Iterator[str]:
    s = a.state
    zones = ", ".join(inline(z.name.rstrip(".")) for z in s.book.zones)
    how = _ENDED.get(s.outcome or "", "is not over") if s.final else "is not over"
    took = f" after {duration(a.ended - a.began)}" if a.ended is not None else ""
    yield f"The move in {zones} {how}{took}.\n"
    if s.book.summary:
        yield f"\n{inline(s.book.summary, 1000)}\n"
    if s.why:
        yield f"\nThe reason that the run gives: {inline(s.why, 1000)}\n"


def _impact(a: Account) -> Iterator[str]:
    if a.impact is None:
        yield "None that the run saw: no gate failed, and nothing was taken back.\n"
        return
    i = a.impact
    if i.end is None:
        yield f"From {utc(i.begin)}, and not over: {i.why}.\n"
        return
    yield f"From {utc(i.begin)} to {utc(i.end)}, {duration(i.end - i.begin)} at the longest: {i.why}.\n\n"
    yield f"Counted is {inline(a.stages[-1].name)}, whose gate failed. "
    yield "Whoever was never sent to the new side was not concerned; whose cache was empty, for a shorter time.\n"
    yield from _with_it(a)


def _with_it(a: Account) -> Iterator[str]:
    """Older stages that were taken back too: nothing was wrong with them as far as the run saw, and they took time."""
    for x in a.stages[:-1]:
        if x.back_sent is not None:
            ends = [f"at all servers {utc(x.taken_back)}"] if x.taken_back is not None else []
            ends += [f"dead in every cache {utc(x.back_dead)}"] if x.back_dead is not None else []
            yield f"\n{inline(x.name)} was taken back with it: {', '.join(ends) or 'not proved'}.\n"


def _detection(a: Account) -> Iterator[str]:
    rows = []
    applied = a.stages[-1].applied if a.stages else None
    for label, found in (("first sign", a.first_sign), ("decision", a.decided)):
        if found is not None:
            after = f"{duration(found[0] - applied)} after the change" if applied is not None else ""
            rows.append((label, utc(found[0]), after, cell(found[1])))
    if a.repaired is not None and a.decided is not None:
        took = f"{duration(a.repaired - a.decided[0])} after the decision"
        rows.append(("repaired at all servers", utc(a.repaired), took, ""))
    if not rows:
        yield "There was nothing to detect.\n"
        return
    yield table(("what", "when", "how long", "what was seen"), rows)


def _tails(a: Account) -> Iterator[str]:
    if not a.stages:
        yield "No stage was applied.\n"
        return
    yield "How long somebody could still get the other answer: what the TTLs allow, and what was seen.\n\n"
    head = "stage", "at all servers", "tail predicted", "last old answer", "way back: predicted", "at all servers again"
    yield table(head, (_tail(x) for x in a.stages))


def _tail(x: StageAccount) -> tuple[str, ...]:
    published = f"{duration(x.published - x.applied)} after" if x.published is not None else "not seen"
    seen = f"{duration(x.seen_s)} after" if x.seen_s is not None else "none seen"
    back = f"{duration(x.taken_back - x.back_sent)} after" if x.taken_back and x.back_sent else "–"
    return cell(x.name), published, duration(x.predicted_s), seen, duration(x.back_predicted_s), back


def _plan(a: Account) -> Iterator[str]:
    s = a.state
    done = {x.name: x for x in a.stages}
    for stage in s.book.stages:
        own = [x for x in s.book.steps if x.stage == stage.name]
        bake = next((x.seconds for x in own if x.kind is StepKind.BAKE), 0.0)
        said = [f"bake {duration(bake)}"] if bake else []
        said += [f"confirmed by {inline(x.confirm.who)}: {inline(x.confirm.says, 500)}" for x in own if x.confirm]
        probes = {p.name: p for x in own for p in x.probes}
        said += [f"probe {inline(p.name)} ({p.type}, {p.role})" for p in probes.values()]
        applied = done.get(stage.name)
        what = f"applied {utc(applied.applied)}" if applied is not None else "not applied"
        if applied is not None and applied.taken_back is not None:
            what += f", taken back by {utc(applied.taken_back)}"
        yield f"- {inline(stage.name)}: {what}. The plan: {'; '.join(said) or 'nothing beyond its changes'}.\n"
    for c in a.commands:
        about = f" {inline(c.subject)}" if c.subject else ""
        yield f"- {utc(c.ts)}: {inline(c.by)} said `{c.verb}`{about}.\n"
    for begun, until, why in a.held:
        lasted = f"for {duration(until - begun)}" if until is not None else "to the end"
        yield f"- {utc(begun)}: the run stood still {lasted}: {inline(why, 500)}.\n"
    if a.interruptions:
        yield f"- It was driven by {a.interruptions + 1} processes, one after the other.\n"


def _timeline(a: Account) -> Iterator[str]:
    rows = [(utc(ts), cell(line.tag), cell(line.text, 500)) for ts, line in a.lines[:MAX_LINES]]
    yield table(("when", "what", "how"), rows)
    if len(a.lines) > MAX_LINES:
        yield f"\n{len(a.lines) - MAX_LINES} more: `dns-cutover events {a.state.run_id}`\n"


def _actions(a: Account) -> Iterator[str]:
    if not a.actions:
        yield "None that the journal shows.\n"
    for action in a.actions:
        yield f"- [ ] {inline(action, 1000)}\n"
