"""Runbooks in files: read no further than a runbook can reach, written never over something else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.errors import CutoverError, Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.runbook.model import Runbook


def is_runbook(path: Path) -> bool:
    """Whether the file begins as a runbook does: a plan is no JSON object. False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def load_runbook(path: Path) -> Runbook:
    """The runbook in a file, as preview wrote it. Raises Unavailable, BadRunbook."""
    from dns_cutover.runbook.codec import MAX_BYTES, read_runbook

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Unavailable(f"{path} cannot be read", exc.strerror or "") from None
    return read_runbook(data)


def write_runbook(path: Path, book: Runbook, *, force: bool) -> None:
    """Write the runbook, over an older one of the same plan, or with `force` over any file.

    Raises UsageError if something else is there, Unavailable if it cannot be read or written.
    """
    from dns_cutover.cli.files import replace_file
    from dns_cutover.report.words import shell_word
    from dns_cutover.runbook.codec import runbook_file

    data = runbook_file(book)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file that can be replaced", "", ("-o mail.runbook.json",))
    try:
        there = path.read_bytes() if path.exists() else None
    except OSError as exc:
        raise Unavailable(f"{path} cannot be read", exc.strerror or "") from None
    if there == data:
        return
    if there is not None and not force and not _same_plan(there, book):
        raise UsageError(
            f"{path} is there already, and it is no runbook of {book.plan}. It was left as it is",
            "",
            (f"dns-cutover preview … -o {shell_word(str(path))} --force   overwrite it",),
        )
    try:
        replace_file(path, data)
    except OSError as exc:
        raise Unavailable(f"{path} cannot be written", exc.strerror or "") from None


def _same_plan(there: bytes, book: Runbook) -> bool:
    from dns_cutover.runbook.codec import read_runbook

    try:
        return read_runbook(there).plan == book.plan
    except CutoverError:
        return False
