"""What is printed once on standard output: coloured and folded on a terminal, plain ASCII in UTC elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from dns_cutover.report.lines import Line, Look, plain_text, rich_lines
from dns_cutover.report.words import local_zone

NARROW, WIDE = 60, 100


def stdout_look() -> Look:
    """How standard output wants it."""
    from dns_cutover.report.terminal import wants_ascii

    if not _terminal():
        return Look(WIDE, ascii_only=True)
    import shutil

    width = shutil.get_terminal_size((WIDE, 24)).columns
    return Look(max(NARROW, min(WIDE, width)), wants_ascii(), local_zone(), fold=True)


def print_lines(lines: Iterable[Line], look: Look) -> None:
    """To standard output."""
    if not look.fold:
        sys.stdout.write(plain_text(lines, look))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    for text in rich_lines(lines, look):
        console.print(text, soft_wrap=True)


def _terminal() -> bool:
    import os

    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
