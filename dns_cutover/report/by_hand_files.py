"""Messages to be sent by hand, as files that say everything that a tired person needs: one message each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dns_cutover.providers.interface import Scripts
from dns_cutover.records import RRset, ValueEdit
from dns_cutover.report.by_hand import ByHand
from dns_cutover.report.preview import window_words
from dns_cutover.report.words import bound, brief, plural, safe, shell_word
from dns_cutover.runbook.export_messages import Direction, Message, Messages
from dns_cutover.runbook.model import Exposure, Runbook, Step, StepKind, Window
from dns_cutover.runbook.timeline import propagation_bound

README = "README.txt"
SHOWN = 40  # values of one side of a change in a comment
WIDTH = 400  # characters of one value in a comment
Directions: TypeAlias = tuple[Direction, ...]
_TITLES = {"forward": "forward", "back": "back", "left": "left by the rollback"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file. `note` is one line about it for a table of contents; `command` sends it, empty for one to read."""

    name: str
    text: str
    note: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Scripts of a run that were written to `folder`: `trouble` says why they were not, else it is empty. `again`: the
    command that makes them somewhere else.
    """

    folder: str
    again: str
    sheets: tuple[Sheet, ...]
    trouble: str = ""


class Renderer:
    """Makes the files of `found`. `scripts` by zone reference; zones without one have no files, and it is said.

    `sent`: the files of the same messages where they were made before, by directions.
    """

    def __init__(
        self,
        found: ByHand,
        sha256: str,
        scripts: Mapping[str, Scripts],
        sent: Mapping[Directions, tuple[Sheet, ...]] | None = None,
    ) -> None:
        self.found = found
        self.sent = dict(sent or {})
        self.book = found.book
        self.sha256 = sha256
        self.scripts = scripts

    def needed(self, *, over: bool) -> bool:
        """Whether there is anything to take back or to give back; of a run that is not over, there may be soon."""
        found = self.found
        return not over or bool(found.back.messages or found.left or found.locks)

    def unlocks(self) -> tuple[Sheet, ...]:
        """What gives back the locks that the run holds."""
        out = []
        for ref, tokens in sorted(self.found.locks.items()):
            scripts = self.scripts.get(ref)
            if scripts is None:
                continue
            for n, held in enumerate(tokens, 1):
                which = f"-{n}" if len(tokens) > 1 else ""
                notes = [*self._head(), "", f"gives back the lock of {_zone(self.book, ref)}, which this run holds"]
                notes += [
                    "only if no process drives the run any more: from here on it cannot write, and others can",
                    "refused with NXRRSET: the lock is another one by now; make this anew: dns-cutover export RUN",
                ]
                notes += (
                    [f"one of {len(tokens)}, since a message was under way: the others are refused"] if which else []
                )
                name = f"00-unlock{self._suffix(ref)}{which}.{scripts.suffix}"
                said = "gives back the lock" + (f"; one of {len(tokens)}, the others are refused" if which else "")
                out.append(Sheet(name, scripts.unlock(notes, held), said, scripts.command(shell_word(name))))
        return tuple(out)

    def sheets(self, part: Iterable[Message]) -> tuple[Sheet, ...]:
        """One file for each message."""
        told = tuple(part)
        total = max((m.number for m in told), default=0)
        return tuple(s for m in told if (s := self._sheet(m, total)) is not None)

    def folder(self, *directions: Direction) -> tuple[Sheet, ...]:
        """All files of these directions, the one to read first at the head."""
        found = self.found
        parts = {"forward": found.forward, "back": found.back}
        sheets = list(self.unlocks())
        if directions not in self.sent:
            made = tuple(s for d in directions for s in self.sheets(parts[d].messages))
            self.sent[directions] = (*made, *(self.sheets(found.left) if "back" in directions else ()))
        sheets += self.sent[directions]
        return (self.readme(sheets, {d: parts[d] for d in directions}), *sheets)

    def script(self, direction: Direction) -> str:
        """All messages of a direction as one text, in which the tool stops before each that must not follow at
        once; empty where nothing is left to send.
        """
        back = direction == "back"
        told = (*self.found.back.messages, *self.found.left) if back else self.found.forward.messages
        texts: list[str] = []
        for message in told:
            sheet = self._sheet(message, 0)
            if sheet is not None:
                apart = texts and (message.before or message.direction == "left")
                texts.append((self.scripts[message.step.zone].pause() + "\n" if apart else "") + sheet.text)
        if texts:
            texts = [s.text + "\n" + self._pause() for s in self.unlocks()] + texts
        return "\n".join(texts)

    def _pause(self) -> str:
        return next(iter(self.scripts.values())).pause()

    def readme(self, sheets: Sequence[Sheet], parts: Mapping[str, Messages]) -> Sheet:
        """What to read first: the order, how to send, and what stays."""
        lines = [*self._head(), ""]
        lines += [
            "One message each, to be sent in this order. A file says what must hold before it is sent: the server",
            "checks what is there, but neither order nor waits. Sent twice, a message is refused, or changes nothing.",
        ]
        for about in dict.fromkeys(scripts.about() for scripts in self.scripts.values()):
            lines += ["", *about]
        if self.found.pending:
            lines += [
                "",
                f"A message was under way when this was written (op={safe(self.found.pending, ascii_only=True)}):",
                "it may have been applied, or not. One file may be refused because of it; then the next one is right.",
            ]
        lines += ["", *(_contents(sheets) if sheets else ["Nothing is left to send."])]
        lines += ["", "Ask every server", *(f"  {t}" for t in _servers(self.book))]
        for name, part in parts.items():
            if part.after and (told := list(conditions(self.book, part.after, self.found.restored))):
                lines += ["", f"After the last one {name}", *(f"  {t}" for t in told)]
        if self.found.stays:
            lines += ["", "Stays: it only adds, which harms nobody (rollback: {additive: keep})"]
            lines += [f"  {safe(label, ascii_only=True)}" for label in self.found.stays]
        for name in self.found.closed:
            lines += [
                "",
                f"Stage {safe(name, ascii_only=True)} is not taken back: its way back is closed (commit: after)",
            ]
        for zone in self.book.zones:
            if zone.ref not in self.scripts:
                kind = safe(str(zone.provider.get("type", "")), ascii_only=True)
                lines += ["", f"No scripts for {_zone(self.book, zone.ref)}: nothing is known for the provider {kind}"]
        return Sheet(README, "".join(f"{t}".rstrip() + "\n" for t in lines), "read this first")

    def _sheet(self, m: Message, total: int) -> Sheet | None:
        scripts = self.scripts.get(m.step.zone)
        if scripts is None:
            return None
        name = f"{m.direction}-{m.number:02d}-{_slug(m.step.id)}.{scripts.suffix}"
        of = f" of {total}" if total else ""
        stage = f", stage {safe(m.step.stage, ascii_only=True)}" if m.step.stage else ""
        command = scripts.command(shell_word(name))
        notes = [*self._head(), f"{_TITLES[m.direction]} {m.number}{of}: {safe(m.step.id, ascii_only=True)}{stage}", ""]
        if m.direction == "left":
            notes += [
                "What stands here is not what this run left. Find out who changed it before you send this.",
                "",
            ]
        elif before := list(conditions(self.book, m.before, self.found.restored)):
            notes += ["before it is sent", *(f"  {t}" for t in before), ""]
        if m.direction == "back":
            notes += [f"  first: {t}" for t in _undo_first(self.book, m.step)]
        notes += [f"send:  {command}", "", *self._changes(m)]
        if any(isinstance(e, ValueEdit) for e in m.step.edits):
            notes += [
                "",
                "edited by value, and expected as it was last seen, values of others included: if they changed,",
            ]
            notes += ["this is refused; dns-cutover export ... --live makes it from what is there now"]
        told = longest(self.book, m.step.exposures)
        if told is not None and m.direction != "left":
            notes += ["", f"after it: {told}"]
        what = plural(len(m.changes), "record")
        return Sheet(name, scripts.message(notes, m.changes), f"{what}, {_zone(self.book, m.step.zone)}", command)

    def _changes(self, m: Message) -> Iterator[str]:
        for c in m.changes:
            yield safe(self.book.label(c.key), ascii_only=True)
            if c.before == c.after:
                yield "  = must be as it is"
                continue
            yield from _side("-", c.before)
            yield from _side("+", c.after)

    def _head(self) -> list[str]:
        run = f", run {safe(self.found.run_id, ascii_only=True)}" if self.found.run_id else ""
        return [f"plan {safe(self.book.plan, ascii_only=True)}{run}", f"runbook {self.sha256}"]

    def _suffix(self, ref: str) -> str:
        return f"-{_slug(ref)}" if len(self.book.zones) > 1 else ""


def conditions(book: Runbook, steps: Iterable[Step], restored: Mapping[str, float] | None = None) -> Iterator[str]:
    """What must hold, and how long it takes in the worst case, in lines of plain ASCII. `steps` are no writes.

    `restored`: how long a wait is (seconds, by step id) where TTLs were restored before.
    """
    for step in steps:
        match step.kind:
            case StepKind.CONVERGE if step.edits:
                gap = brief(step.gate.round_gap)
                yield f"every server of the zone has the message before: asked twice, {gap} apart"
                if step.resolvers and (told := longest(book, step.exposures)) is not None:
                    yield f"then wait: {told}"
            case StepKind.WAIT_TTL:
                if (told := longest(book, step.exposures)) is not None:
                    yield f"then wait: {told}"
                if (seconds := (restored or {}).get(step.id)) is not None:
                    yield f"           {exactly(seconds)} where the TTLs were restored before"
            case StepKind.WAIT:
                yield f"the stage before ended {exactly(step.seconds)} ago"
            case StepKind.CONFIRM if step.confirm is not None:
                who, says = (safe(t, ascii_only=True) for t in (step.confirm.who, step.confirm.says))
                if step.id.startswith("undo:"):
                    yield f"{who} has confirmed that this is undone: {safe(step.confirm.undo, ascii_only=True)}"
                else:
                    yield f"{who} has confirmed: {says}"
            case StepKind.WINDOW if step.window is not None and not step.lead:
                yield f"the time is within {window_text(step.window)}"
            case StepKind.BAKE if step.seconds or step.probes:
                names = ", ".join(safe(p.name, ascii_only=True) for p in step.probes)
                watched = f"; watch {names}" if names else ""
                yield f"nothing was wrong for {exactly(step.seconds)}{watched}"
            case _:
                pass


def longest(book: Runbook, exposures: Iterable[Exposure]) -> str | None:
    """How long what is replaced may live, in words and seconds, and what decides it; None where nothing is replaced."""
    worst = max(exposures, key=lambda x: propagation_bound(book, x.key) + x.old_s, default=None)
    if worst is None:
        return None
    seconds = propagation_bound(book, worst.key) + worst.old_s
    why = safe(f"{book.label(worst.key)}: {worst.old_why}", ascii_only=True)
    return f"caches may hold the old answer for {exactly(seconds)}; {why}"


def exactly(seconds: float) -> str:
    """`1h 01m (3660 s)`: never less than it is."""
    whole = -int(-seconds // 1)
    return f"{bound(seconds)} ({whole} s)"


def window_text(window: Window) -> str:
    """`mon-thu 09:00-16:00 Europe/Berlin`, plain ASCII."""
    return safe(" ".join(window_words(window)), ascii_only=True)


def _undo_first(book: Runbook, step: Step) -> Iterator[str]:
    """Facts that somebody confirmed for the stage and must take back before it goes back."""
    for other in book.steps:
        if other.stage == step.stage and other.confirm is not None and other.confirm.undo:
            yield safe(f"{other.confirm.who}: {other.confirm.undo}", ascii_only=True)


def _side(sign: str, rrset: RRset | None) -> Iterator[str]:
    if rrset is None:
        yield f"  {sign} absent"
        return
    for n, value in enumerate(rrset.values[:SHOWN]):
        text = safe(value, ascii_only=True)
        cut = text if len(text) <= WIDTH else f"{text[:WIDTH]}..."
        yield f"  {sign} {cut}" + (f"   TTL {rrset.ttl}" if n == 0 else "")
    if len(rrset.values) > SHOWN:
        yield f"  {sign} and {len(rrset.values) - SHOWN} more"


def _contents(sheets: Iterable[Sheet]) -> Iterator[str]:
    title = ""
    for sheet in sheets:
        direction = sheet.name.partition("-")[0]
        if direction != title:
            yield from ([""] if title else [])
            yield f"{_TITLES.get(direction, 'first')}:"
            title = direction
        yield f"  {sheet.command}   {sheet.note}"


def _servers(book: Runbook) -> Iterator[str]:
    for zone in book.zones:
        for server in zone.servers[:SHOWN]:
            port = f" -p {server.port}" if server.port != 53 else ""
            name = safe(f"{server.name}   {zone.name}" if server.name else zone.name, ascii_only=True)
            yield f"dig +norecurse @{shell_word(safe(server.address, ascii_only=True))}{port} NAME TYPE   {name}"


def _zone(book: Runbook, ref: str) -> str:
    name = safe(book.zone(ref).name, ascii_only=True)
    return name if len(book.zones) == 1 else f"{safe(ref, ascii_only=True)} {name}"


def _slug(text: str) -> str:
    """Part of a file's name: whatever the text is, it names no folder and no option."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")[:60] or "x"
