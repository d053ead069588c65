"""Files that verbs write: whole or not at all, and never over what must stay."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """A reader sees the old file or the new one, never a part. A symbolic link stays one. Raises OSError."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)  # a pipe or a device has no place to put another one into
        return
    number, name = tempfile.mkstemp(prefix=f".{target.name}"[:200] + ".", dir=target.parent)
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


def new_file(path: Path, text: str) -> None:
    """A file that was not there before. Raises FileExistsError, OSError; then nothing of it is left."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise


def new_folder(path: Path, files: Mapping[str, str]) -> None:
    """A folder that was not there, or was empty, with these files. Raises FileExistsError, OSError."""
    path.mkdir(parents=True, exist_ok=True)
    if next(path.iterdir(), None) is not None:
        raise FileExistsError(path)
    for name, text in files.items():
        new_file(path / name, text)


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which may not be there yet."""
    return os.path.realpath(one) == os.path.realpath(other)
