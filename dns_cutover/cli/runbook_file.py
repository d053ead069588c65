"""Writing a runbook to a file: never over something else, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.errors import CutoverError, Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.runbook.model import Runbook


def write_runbook(path: Path, book: Runbook, *, force: bool) -> None:
    """Write the runbook, over an older one of the same plan, or with `force` over any file.

    Raises UsageError if something else is there, Unavailable if it cannot be read or written.
    """
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
            (f"dns-cutover preview … -o {path} --force   overwrite it",),
        )
    try:
        _replace(path, data)
    except OSError as exc:
        raise Unavailable(f"{path} cannot be written", exc.strerror or "") from None


def _same_plan(there: bytes, book: Runbook) -> bool:
    from dns_cutover.runbook.codec import read_runbook

    try:
        return read_runbook(there).plan == book.plan
    except CutoverError:
        return False


def _replace(path: Path, data: bytes) -> None:
    """A reader sees the old file or the new one, never a part. A symbolic link stays one."""
    target = Path(os.path.realpath(path))
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
