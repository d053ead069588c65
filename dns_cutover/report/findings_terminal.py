"""Findings on a terminal, as good compilers show them: the source line with carets, why, and the next act.

Everything is built as `Text` with styles, never as markup: names, RDATA and file contents are hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from dns_cutover.plan.finding import Finding, Severity
from dns_cutover.report.excerpt import excerpt
from dns_cutover.report.findings import plain
from dns_cutover.report.validation import Ignored, Report, about, effort, summary, verdict, worst_last
from dns_cutover.report.words import mark, safe, shell_word

_STYLES: dict[Severity, str] = {"error": "red", "warning": "yellow", "info": "cyan"}
_LABEL = 12  # cells before "why" and "Hint:" texts
# What must not be broken across lines: commands, and YAML to be copied.
_ATOM = re.compile(r"(?:dns-cutover [^;,()]*[^;,()\s]|\w+: \{.*\})[;,.)]*|\S+")
_GUESS = re.compile(r"(did you mean [^?]*\?)\s*")


@dataclass(frozen=True, slots=True)
class Screen:
    """How wide the terminal is, in cells, and whether it shows ASCII only."""

    width: int
    ascii_only: bool = False

    def text(self, text: str) -> str:
        """Hostile text as this terminal can show it."""
        return plain(text) if self.ascii_only else safe(text)


def terminal_report(report: Report, screen: Screen) -> Iterator[Text]:
    """All findings with an empty line between them, errors last; then what is ignored, and the verdict."""
    for f in worst_last(report.findings):
        yield from finding_block(f, report.lines, screen)
        yield Text()
    yield from ignored_block(report.ignored, screen)
    yield from terminal_verdict(report, screen)


def ignored_block(ignored: Sequence[Ignored], screen: Screen) -> Iterator[Text]:
    """What is ignored, why, and what it was; an empty line after it."""
    for i in ignored:
        head = Text.assemble((f"ignored[{i.finding.id}]", "dim"), ": ")
        yield from _wrapped(head, screen.text(i.because), screen)
        where = f"{i.finding.file}:{i.finding.line}:{i.finding.column}"
        yield Text(f"  --> {screen.text(where)}  {screen.text(i.finding.message)}", style="dim")
    if ignored:
        yield Text()


def finding_block(f: Finding, lines: Sequence[str], screen: Screen) -> Iterator[Text]:
    """One finding: what, where, the source, why, and the next act."""
    style = _STYLES[f.severity]
    head = Text.assemble((f"{f.severity}[{f.id}]", f"bold {style}"), ": ")
    yield from _wrapped(head, screen.text(f.message), screen, "bold")
    place = Text(f"  --> {screen.text(f.file)}:{f.line}:{f.column}", style="dim")
    yield place.append(f"  {screen.text(about(f))}" if about(f) else "")
    note, hint = f.note, f.hint
    if not note and (guess := _GUESS.match(hint)):
        note, hint = guess[1], hint[guess.end() :]
    if 0 < f.line <= len(lines):
        yield from _source(f, lines[f.line - 1], screen.text(note), style, screen)
    elif note:
        hint = f"{note} {hint}".strip()
    if f.why:
        yield from _wrapped(Text("     why    ", style="dim"), screen.text(f.why), screen, "dim")
    if hint:
        yield from _wrapped(Text("     Hint:  "), screen.text(hint), screen)


def _source(f: Finding, line: str, note: str, style: str, screen: Screen) -> Iterator[Text]:
    """The source line, carets below the place, and the note beside them or below."""
    bar = "|" if screen.ascii_only else "│"
    number = str(f.line)
    room = max(20, screen.width - len(number) - 3)
    cut = excerpt(line, f.column, f.end_column, room, ascii_only=screen.ascii_only)
    yield Text.assemble((f"{number} {bar} ", "dim"), cut.shown)
    gutter = (f"{' ' * len(number)} {bar} ", "dim")
    carets = f"{' ' * cut.offset}{'^' * cut.width}"
    beside = cut.offset + cut.width + 1 + cell_len(note) <= room
    yield Text.assemble(gutter, (carets + (f" {note}" if note and beside else ""), style))
    if note and not beside:
        for part in _lines(note, room):
            indent = max(0, min(cut.offset, room - cell_len(part)))
            yield Text.assemble(gutter, (f"{' ' * indent}{part}", style))


def terminal_verdict(report: Report, screen: Screen) -> Iterator[Text]:
    """Valid or not, and at the right what that rests on; then the next command."""
    style = "green" if report.ok else "red"
    sign = mark("proved" if report.ok else "failed", ascii_only=screen.ascii_only)
    left = Text.assemble((sign, style), " ", (screen.text(report.name), "bold"), f" {verdict(report)}")
    if report.problem:
        yield from _wrapped(left.append(": "), screen.text(report.problem), screen)
        if report.hint:
            yield from _wrapped(Text("     Hint:  "), screen.text(report.hint), screen)
        return
    right = effort(report)
    gap = screen.width - left.cell_len - len(right)
    if gap >= 2:
        yield left.append(" " * gap).append(right, style="dim")
    else:
        yield left
        yield Text(" " * max(2, screen.width - len(right)) + right, style="dim")
    first = next(iter(worst_last(report.findings)[::-1]), None)
    if report.ok:
        yield _next(f"dns-cutover preview {screen.text(shell_word(report.file))}", "")
    elif first is not None:
        yield _next(f"dns-cutover checks {first.id}", "   explains it")


def _next(command: str, what: str) -> Text:
    return Text.assemble(("Next: ", ""), (command, "bold"), (what, "dim"))


def terminal_summary(reports: Sequence[Report], screen: Screen) -> Text:
    """The last line about several plans."""
    ok = all(r.ok for r in reports)
    sign = mark("proved" if ok else "failed", ascii_only=screen.ascii_only)
    text = Text.assemble((sign, "green" if ok else "red"), " ", (summary(reports), "bold"))
    bad = ", ".join(screen.text(r.file) for r in reports if not r.ok)
    return text.append(f": {bad}") if bad else text


def _wrapped(head: Text, body: str, screen: Screen, style: str = "") -> Iterator[Text]:
    """`body` after `head`, wrapped under itself. Commands are bold, and never broken."""
    indent = head.cell_len
    for n, line in enumerate(_lines(body, max(20, screen.width - indent))):
        text = Text(line, style=style)
        text.highlight_regex(r"dns-cutover [^;,()]*[^;,()\s]", "bold")
        yield head + text if n == 0 else Text(" " * indent) + text


def _lines(text: str, width: int) -> list[str]:
    out: list[str] = []
    for atom in _ATOM.findall(text):
        if out and cell_len(out[-1]) + 1 + cell_len(atom) <= width:
            out[-1] += f" {atom}"
        else:
            out.append(atom)
    return out or [""]
