"""Sentences with hostile names in them, in Markdown of a pull request: whatever a plan says stays text. Pure.

Words that Markdown, a mention, an issue number, a link or an emoji could be made of become code, in which nothing is
interpreted; the other words stay as they are.
"""

from __future__ import annotations

import re

from dns_cutover.report.markdown import inline
from dns_cutover.report.words import safe

LIMIT = 500  # characters of one value

# A word of letters or digits with the usual marks around it; what looks like a commit's hash is none.
_PLAIN = re.compile(
    r"[\"'(]{0,2}(?![0-9a-fA-F]{7,}\b)(?!GH-)[^\W_]+(?:['-][^\W_]+)*[\"')]{0,2}[,;:.?!]?|-|=|\+|%|->|→|…"
)

# Commands and YAML to be copied stay whole.
_WORD = re.compile(r"(?:dns-cutover [^;,()]*[^;,()\s]|\w+: (?:\{.*\}|\[.*\])|\{[^{}]*\})[;,:.)]*|\S+")
# Marks around a word that are not part of it.
_FRAMED = re.compile(r"([\"'(]*)(.+?)([,;:?)\"']*)", re.DOTALL)


def prose(text: str) -> str:
    """One line of text. Names, values and everything that could be read as Markdown become code."""
    out: list[str] = []
    code: list[str] = []  # words that follow each other share one span

    def close(before: str = "", after: str = "") -> None:
        if code:
            out.append(f"{before}{inline(' '.join(code), LIMIT)}{after}")
            code.clear()

    for word in _WORD.findall(safe(text)):
        framed = _FRAMED.fullmatch(word)
        if _PLAIN.fullmatch(word) or framed is None:
            close()
            out.append(word)
        elif framed[1] or framed[3]:
            if framed[1]:
                close()
            code.append(framed[2])
            close(framed[1], framed[3])
        else:
            code.append(word)
    close()
    return " ".join(out)


def cell(text: str) -> str:
    """The same in a table: a bar would end the cell, in code as well."""
    # A backslash before the bar would undo its escape (see `markdown.code`).
    return prose(text.replace("\\|", "\\x7c")).replace("|", "\\|")


def folded(title: str, body: str) -> str:
    """A part that opens on a click. `title` and `body` are Markdown already; the title has no words of a plan's."""
    return f"<details><summary>{title}</summary>\n\n{body.rstrip()}\n\n</details>\n"
