"""Hostile text in Markdown of a pull request: whatever a plan says stays text. Pure.

Words that Markdown, a mention, an issue number, a link or an emoji could be made of become code, in which nothing is
interpreted; the other words stay as they are.
"""

from __future__ import annotations

import re

from dns_cutover.report.words import safe

# A word of letters or digits with the usual marks around it; what looks like a commit's hash is none.
_PLAIN = re.compile(
    r"[\"'(]{0,2}(?![0-9a-fA-F]{7,}\b)(?!GH-)[^\W_]+(?:['-][^\W_]+)*[\"')]{0,2}[,;:.?!]?|-|=|\+|%|->|→|…"
)

# Commands and YAML to be copied stay whole.
_WORD = re.compile(r"(?:dns-cutover [^;,()]*[^;,()\s]|\w+: \{.*\}|\{[^{}]*\})[;,:.)]*|\S+")
# Marks around a word that are not part of it.
_FRAMED = re.compile(r"([\"'(]*)(.+?)([,;:)\"']*)", re.DOTALL)


def prose(text: str) -> str:
    """One line of text. Names, values and everything that could be read as Markdown become code."""
    out: list[str] = []
    code: list[str] = []  # words that follow each other share one span

    def close(before: str = "", after: str = "") -> None:
        if code:
            out.append(f"{before}{code_span(' '.join(code))}{after}")
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
    return prose(text).replace("|", "\\|")


def code_span(text: str) -> str:
    """Text as code on one line, with more backticks around it than in it."""
    shown = safe(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def code_cell(text: str) -> str:
    """Code in a table."""
    return code_span(text).replace("|", "\\|")


def code_block(text: str, language: str = "") -> str:
    """Lines of text as a block, with a longer fence than any in them."""
    lines = "\n".join(safe(line) for line in text.split("\n")).rstrip("\n")
    fence = "`" * max(3, max(map(len, re.findall("`+", lines)), default=0) + 1)
    return f"{fence}{language}\n{lines}\n{fence}\n"


def folded(title: str, body: str, *, opened: bool = False) -> str:
    """A part that opens on a click. `title` and `body` are Markdown already; the title is no HTML of a plan's."""
    return f"<details{' open' if opened else ''}><summary>{title}</summary>\n\n{body.rstrip()}\n\n</details>\n"
