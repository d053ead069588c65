"""Who steers a run, and from where: recorded with every command, shown by nobody but the journal."""

from __future__ import annotations

import getpass
import os
import socket
import sys


def person() -> str:
    """The name of the account that runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def origin() -> dict[str, str]:
    """Fields of a command: `host`, `user`, and `origin`: "ci", "terminal" or "none"."""
    where = "ci" if os.environ.get("CI") else "terminal" if sys.stdin.isatty() else "none"
    return {"host": socket.gethostname(), "user": person(), "origin": where}
