"""Errors as people see them: what, facts, why, and the next command."""

from __future__ import annotations

from dns_cutover.errors import CutoverError
from dns_cutover.report.words import safe

LABEL = 14


def error_text(error: CutoverError) -> str:
    """The error in lines of one label column; hostile text escaped."""
    rows = [("Error:", _sentence(error.what))]
    rows += [(label, value) for label, value in error.facts]
    if error.why:
        rows.append(("why", error.why))
    rows += [("Hint:" if n == 0 else "", hint) for n, hint in enumerate(error.hints)]
    return "".join(f"{safe(label):<{LABEL}}{safe(text)}".rstrip() + "\n" for label, text in rows)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
