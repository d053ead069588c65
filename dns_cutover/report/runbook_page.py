"""The runbook for people, as Markdown: who confirms what, what happens when, and how to go back at each point. Pure.

Everybody who takes part reads the same document: the same runbook and the same start give the same text. Text of plans,
DNS and servers is in code spans and fenced blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dns_cutover.report.by_hand import from_runbook
from dns_cutover.report.by_hand_files import exactly
from dns_cutover.report.diff import groups
from dns_cutover.report.foreseen import Foreseen, foresee
from dns_cutover.report.lines import Look
from dns_cutover.report.markdown import block, code, inline, table
from dns_cutover.report.preview import CROSS_ZONES, gate_lines, provider_words
from dns_cutover.report.preview_markdown import group_lines
from dns_cutover.report.words import bound, duration, plural, utc
from dns_cutover.runbook.model import Confirm, Runbook, Step, StepKind
from dns_cutover.runbook.timeline import Moment, StageTail

LONG = 1000  # characters of a sentence
VALUES, CHARACTERS = 1000, 4000
QUIET = (StepKind.PREFLIGHT, StepKind.CONVERGE)
_DOES = {
    StepKind.LOWER_TTL: "TTLs are lowered",
    StepKind.WAIT_TTL: "wait until the old TTLs are dead",
    StepKind.WAIT: "the plan's pause",
    StepKind.CONFIRM: "a confirmation",
    StepKind.WINDOW: "the window",
    StepKind.PREFLIGHT: "everything is as expected",
    StepKind.APPLY: "**records change**",
    StepKind.CONVERGE: "every server has it, caches follow",
    StepKind.BAKE: "watched",
    StepKind.RESTORE_TTL: "TTLs are restored",
}


def runbook_page(book: Runbook, sha256: str, start: float, run_id: str = "", stage: str = "") -> str:
    """The page for a start at `start` (seconds UTC). `run_id`: of a run that has begun; `stage`: only that one.

    Raises ValueError for a window that never opens.
    """
    page = _Page(foresee(book, sha256, start), run_id or "RUN", _zones(book))
    stages = [s.name for s in book.stages if stage in ("", s.name)]
    parts = [page.head(), page.confirmations(stages), page.times(stages)]
    parts += [page.stage(name) for name in stages]
    return "\n".join((*parts, page.when_it_fails(), page.end()))


def _zones(book: Runbook) -> tuple[str, ...]:
    """The time zones of the plan: those of its windows."""
    return tuple(dict.fromkeys(s.window.timezone for s in book.steps if s.window is not None and s.window.timezone))


@dataclass(frozen=True, slots=True)
class _Page:
    """`run` is what commands call the run, `zones` the plan's time zones."""

    f: Foreseen
    run: str
    zones: tuple[str, ...]

    # -- times ------------------------------------------------------------------------------------------------------

    def columns(self) -> tuple[str, ...]:
        """Heads of the columns of a time."""
        return ("UTC", *(code(z, 60) for z in self.zones if z != "UTC"))

    def cells(self, offset: float) -> tuple[str, ...]:
        """One moment, in UTC and in each of the plan's time zones."""
        ts = self.f.now + offset
        return (_clock(ts, None), *(_clock(ts, z) for z in self.zones if z != "UTC"))

    def sentence(self, ts: float) -> str:
        """One moment in running text."""
        others = "".join(f", {_clock(ts, z)} {inline(z, 60)}" for z in self.zones if z != "UTC")
        return f"{_clock(ts, None)} UTC{others}"

    # -- parts ------------------------------------------------------------------------------------------------------

    def head(self) -> str:
        """Title, hash, and whom and what it is about."""
        book = self.f.book
        out = f"# Runbook: {inline(book.plan)}\n\n"
        out += f"SHA-256 `{self.f.sha256}`\n\n"
        out += "Everybody who confirms something compares it first: the same hash is the same runbook.\n\n"
        if book.summary:
            out += f"{inline(book.summary, LONG)}\n\n"
        rows = [("Owner", inline(book.owner))] if book.owner else []
        rows += [("Zone", f"{inline(z.name)} ({inline(provider_words(z))})") for z in book.zones]
        rows.append(("Start", f"{self.sentence(self.f.now)}; all times are for this start, if nobody is late"))
        finish = self.f.now + self.f.finish
        rows.append(("Finish", f"{self.sentence(finish)} at the earliest, after {duration(self.f.finish)}"))
        if self.run != "RUN":
            rows.append(("Run", inline(self.run)))
        out += "".join(f"- {name}: {text}\n" for name, text in rows)
        if len(book.zones) > 1:
            out += f"\n**{CROSS_ZONES}**\n"
        return out

    def confirmations(self, stages: list[str]) -> str:
        """Who confirms what, and when."""
        told = [m for m in self.f.moments if m.step.confirm is not None and m.step.stage in stages]
        if not told:
            return "## Who confirms what\n\nNobody: the plan asks for no confirmation.\n"
        rows = []
        for m in told:
            c = m.step.confirm
            assert c is not None
            late = self.cells(m.start + c.timeout) if c.timeout is not None else ("no bound",) * len(self.columns())
            rows.append((code(c.who), code(c.says, LONG), code(m.step.stage), *self.cells(m.start), *late))
        names = self.columns()
        asked, late_names = tuple(f"asked {n}" for n in names), tuple(f"at the latest {n}" for n in names)
        out = "## Who confirms what\n\n"
        out += table(("Who", "Confirms", "Before stage", *asked, *late_names), rows)
        return out + "\n" + "".join(self._confirmation(m.step, c) for m in told if (c := m.step.confirm) is not None)

    def _confirmation(self, step: Step, c: Confirm) -> str:
        if c.by == "probe":
            how = f"proved by the probe {inline(c.probe)}"
        else:
            how = inline(f"dns-cutover confirm {self.run} {c.id} --by NAME")
        out = f"- {inline(c.who)} confirms {inline(c.id)}: {how}."
        if c.timeout is not None:
            then = "the run pauses" if c.on_timeout == "pause" else "the run goes back"
            out += f" Not within {bound(c.timeout)} of being asked: {then}."
        if c.valid_for is not None:
            out += f" It counts for {bound(c.valid_for)}; given earlier before the stage, it is needed again."
        if c.undo:
            out += f" If stage {inline(step.stage)} is taken back: {inline(c.undo, LONG)}"
        return out + "\n"

    def times(self, stages: list[str]) -> str:
        """What happens when."""
        shown = [m for m in self.f.moments if not m.skipped]
        told = [m for m in shown if m.step.stage in stages and (m.step.kind not in QUIET or _takes(m) >= 60)]
        rows = [
            (
                f"T+{duration(m.start)}",
                *self.cells(m.start),
                code(m.step.stage),
                _DOES[m.step.kind],
                duration(_takes(m)) if _takes(m) else "–",
            )
            for m in told
        ]
        out = "## What happens when\n\nEvery wait is at its longest, and confirmations come at once.\n\n"
        return out + table(("After", *self.columns(), "Stage", "What", "Takes"), rows)

    def stage(self, name: str) -> str:
        """Changes, gates, worst cases and the way back of one stage."""
        f, info = self.f, next(s for s in self.f.book.stages if s.name == name)
        number = f.book.stages.index(info) + 1
        out = f"## Stage {number}: {inline(name)}\n\n"
        if info.summary:
            out += f"{inline(info.summary, LONG)}\n\n"
        own = f.stage(name)
        begin = next((m.start for m in f.moments if m.step.stage == name and m.step.kind is StepKind.APPLY), None)
        if begin is not None:
            out += f"Records change at {self.sentence(f.now + begin)}, at the earliest.\n\n"
        lines = [t for g in groups(own) for t in group_lines(f, g, own, most=VALUES, characters=CHARACTERS)]
        out += "### Before and after\n\n" + (block(lines, "diff") if lines else "Nothing changes.\n")
        gates = [" ".join(item.plain.split()) for item in gate_lines(f.book, name, Look())]
        if gates:
            out += "\n### What may hold it, and who watches\n\n" + "".join(f"- {inline(t, LONG)}\n" for t in gates)
        tail = next((t for t in f.tails if t.stage == name), None)
        if tail is not None:
            out += "\n### Worst case\n\n" + "".join(f"- {t}\n" for t in _worst(tail))
        return out + "\n### The way back from here\n\n" + "".join(f"- {t}\n" for t in self._way_back(name))

    def _way_back(self, name: str) -> Iterator[str]:
        book = self.f.book
        info = next(s for s in book.stages if s.name == name)
        own = from_runbook(book, name)
        whole = book.rollback.scope == "run"
        rollback = inline(f"dns-cutover rollback {self.run}")
        earlier = [s.name for s in book.stages[: book.stages.index(info)]]
        older = ", ".join(inline(e) for e in reversed(earlier))
        reach = f", then {older}" if earlier and whole else ""
        yield f"Before its change: {inline(f'dns-cutover abort {self.run}')}" + (
            f" takes back {older}." if earlier and whole else "; nothing of this stage is there to take back."
        )
        by_hand = f"dns-cutover export {self.run} --format nsupdate --direction back -o DIR"
        if own.back.messages:
            sent = plural(sum(m.step.kind is StepKind.APPLY for m in own.back.messages), "message")
            yield f"From its change on: {rollback} takes back {inline(name)} ({sent}){reach}, and proves it."
            yield f"By hand, where this tool cannot run: {inline(by_hand)}"
        else:
            yield "From its change on: it only adds, so that nothing of it is taken back."
        if not book.rollback.automatic:
            yield "Nothing goes back by itself: a person decides."
        match info.commit:
            case "before":
                yield "**Past its commit point**: once this stage starts nothing goes back by itself."
            case "after":
                yield "**Once it has baked** its way back is closed."
            case "never":
                pass
        if book.rollback.until is not None:
            yield f"The way back ends at {self.sentence(book.rollback.until)}."
        for step in book.steps:
            if step.stage == name and step.confirm is not None and step.confirm.undo:
                undone = inline(f"dns-cutover confirm {self.run} {step.confirm.id} --undone --by NAME")
                yield f"Then, {inline(step.confirm.who)}: {inline(step.confirm.undo, LONG)} Told by {undone}"
        if own.stays:
            yield (
                "Stays, since it only adds: "
                + ", ".join(inline(label) for label in own.stays[:50])
                + (f" and {len(own.stays) - 50} more" if len(own.stays) > 50 else "")
            )

    def when_it_fails(self) -> str:
        """What to do at night."""
        run = self.run
        rows = [
            ("where it stands, why it waits, until when", f"dns-cutover status {run}"),
            ("nobody drives it any more", f"dns-cutover resume {run}"),
            ("hold it after the step in hand", f"dns-cutover pause {run}"),
            ("put everything back", f"dns-cutover rollback {run}"),
            ("end it, leave the records as they are", f"dns-cutover abort {run} --keep"),
            ("this tool cannot run: scripts for another one", f"dns-cutover export {run} --format nsupdate -o DIR"),
        ]
        return "## When something is wrong\n\n" + table(("What", "Command"), ((w, code(c)) for w, c in rows))

    def end(self) -> str:
        """When the old side may be switched off."""
        off = self.sentence(self.f.now + self.f.old_side.after_s)
        return f"## The old side\n\nIt may be switched off at {off}, at the earliest: {self.f.old_side.reason}.\n"


def _worst(tail: StageTail) -> Iterator[str]:
    yield f"After the change users may see the old answer for {exactly(tail.after_change_s)}: {inline(tail.why)}"
    yield f"After going back they may see the new one for {exactly(tail.after_rollback_s)}: {inline(tail.rollback_why)}"


def _takes(m: Moment) -> float:
    return m.end - m.start


def _clock(ts: float, zone: str | None) -> str:
    """`Tue 2026-03-10 13:40:02`; in a zone with its offset, which differs around a change of the clocks."""
    if zone is None:
        return f"{datetime.fromtimestamp(ts, UTC):%a} {utc(ts)[:10]} {utc(ts)[11:19]}"
    when = datetime.fromtimestamp(ts, ZoneInfo(zone))
    return when.strftime("%a %Y-%m-%d %H:%M:%S ") + f"{when.strftime('%z')[:3]}:{when.strftime('%z')[3:5]}"
