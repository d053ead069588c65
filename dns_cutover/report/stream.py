"""What the place can show where people read: standard error. Without heavy imports."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def wants_ascii() -> bool:
    """Whether the locale or the terminal cannot show UTF-8. Python's UTF-8 mode hides this, so the variables decide."""
    if os.environ.get("TERM") in ("linux", "dumb"):
        return True
    locale = next((v for n in ("LC_ALL", "LC_CTYPE", "LANG") if (v := os.environ.get(n))), "")
    return "utf" not in locale.lower()


def is_terminal() -> bool:
    """Whether a person watches. `FORCE_COLOR` must not start an animation in a log."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class NotingStream:
    """Standard output that remembers why it could not be written, so that its trouble is told from all other. It raises
    as ever: a document that nobody gets is no success. Everything else is the inner stream's own.
    """

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner
        self.trouble = ""

    def write(self, text: str) -> int:
        """Raises OSError."""
        try:
            return self._inner.write(text)
        except OSError as exc:
            self.trouble = exc.strerror or "no reason given"
            raise

    def flush(self) -> None:
        """Raises OSError."""
        try:
            self._inner.flush()
        except OSError as exc:
            self.trouble = exc.strerror or "no reason given"
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class LossyStream:
    """A text stream whose reader may go away (a closed pipe, a dead terminal) or whose disk may be full: what cannot be
    written is dropped, since a run must not end because nobody reads what it says.

    `trouble` is why the latest write failed, or empty. Everything else is the inner stream's own.
    """

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner
        self.trouble = ""

    def write(self, text: str) -> int:
        """Always succeeds."""
        try:
            self._inner.write(text)
        except (OSError, ValueError) as exc:
            self.trouble = getattr(exc, "strerror", None) or "it is closed"
        else:
            self.flush()
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Always succeeds."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Always succeeds."""
        try:
            self._inner.flush()
        except (OSError, ValueError) as exc:
            self.trouble = getattr(exc, "strerror", None) or "it is closed"
        else:
            self.trouble = ""

    def isatty(self) -> bool:
        """As the inner stream says; no if it is closed."""
        try:
            return self._inner.isatty()
        except ValueError:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def let_go(stream: TextIO | None) -> str:
    """Write out what the stream still holds. Where that fails it holds nothing any more, so that the interpreter's own
    last flush says nothing. Returns why, or an empty text.
    """
    if stream is None:
        return ""
    try:
        stream.flush()
    except (OSError, ValueError) as exc:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
            stream.flush()
        except (OSError, ValueError):
            return "it is closed"
        finally:
            os.close(nowhere)
        return getattr(exc, "strerror", None) or "it is closed"
    return ""
