"""Reading a file of which nothing is known: it may be a device without an end, or a pipe into which nobody writes."""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path

PATIENCE = 10.0  # seconds for a pipe: `validate <(jsonnet …)` may take a moment


def read_at_most(path: Path, size: int, patience: float = PATIENCE) -> bytes:
    """The first `size` octets. Raises OSError, and ValueError for a name that no file can have.

    A pipe is waited for at most `patience` seconds in all; a terminal for as long as somebody types.
    """
    # Opening a pipe for reading would otherwise wait until somebody writes.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) or os.isatty(descriptor):
            os.set_blocking(descriptor, True)
        parts, left, end = [], size, time.monotonic() + patience
        while left:
            if stat.S_ISFIFO(mode) and not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(None, f"nothing more came out of it in {patience:g} s")
            part = os.read(descriptor, min(left, 1 << 20))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
