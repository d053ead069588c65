"""What the place can show where people read: standard error. Without heavy imports."""

from __future__ import annotations

import os
import sys


def wants_ascii() -> bool:
    """Whether the locale or the terminal cannot show UTF-8. Python's UTF-8 mode hides this, so the variables decide."""
    if os.environ.get("TERM") in ("linux", "dumb"):
        return True
    locale = next((v for n in ("LC_ALL", "LC_CTYPE", "LANG") if (v := os.environ.get(n))), "")
    return "utf" not in locale.lower()


def is_terminal() -> bool:
    """Whether a person watches. `FORCE_COLOR` must not start an animation in a log."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
