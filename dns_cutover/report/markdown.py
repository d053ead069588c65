"""Hostile text in Markdown: code spans and fenced blocks, where nothing is markup, a mention or a reference. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dns_cutover.report.words import safe

COMMENT_LIMIT = 65_536  # characters of a comment on GitHub


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of the text, and how many it has where that is not all."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters in all)"


def _fence(text: str, least: int) -> str:
    return "`" * max(least, 1 + max((len(run) for run in re.findall("`+", text)), default=0))


def code(text: str, limit: int = 300) -> str:
    """A code span, also inside a table: no markup, HTML, mention, reference or link comes out of it."""
    shown = cut(safe(text), limit)
    # A table cell ends at a bar even in a code span, unless it is escaped (GFM, section 4.10); a backslash before the
    # bar would undo that.
    shown = shown.replace("\\|", "\\x7c")
    return _span(shown).replace("|", "\\|")


def _span(shown: str) -> str:
    if not shown.strip():
        return "` `"
    fence = _fence(shown, 1)
    pad = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def inline(text: str, limit: int = 300) -> str:
    """A code span outside of a table."""
    return _span(cut(safe(text), limit))


def block(lines: Iterable[str], language: str = "") -> str:
    """A fenced block whose fence is longer than any run of backticks inside."""
    text = "\n".join(lines)
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Cells must be Markdown already (see `code`)."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
