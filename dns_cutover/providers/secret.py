"""Reading secrets from where the plan says they are. The value never appears in a message or a repr."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dns_cutover.errors import Unavailable


class Secret:
    """A secret value whose repr, str and format show nothing of it."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"<secret from {self.source}>"

    __str__ = __repr__


def read_secret(ref: Mapping[str, str | None], environ: Mapping[str, str]) -> Secret:
    """The secret that `{env: NAME}` or `{file: PATH}` points to. Raises Unavailable."""
    if name := ref.get("env"):
        value = environ.get(name, "")
        if not value.strip():
            raise Unavailable(
                f"the environment variable {name} is not set",
                "The plan says that the TSIG secret is there.",
                (f"export {name}=…   the key's base64 secret",),
            )
        return Secret(value.strip(), f"${name}")
    path = Path(ref.get("file") or "")
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077 and os.name == "posix":
            raise Unavailable(
                f"{path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                "A secret that others can read is none.",
                (f"chmod 600 {path}",),
            )
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise Unavailable(f"{path} cannot be read", f"{reason}.") from None
    if not value:
        raise Unavailable(f"{path} is empty", "The plan says that the TSIG secret is there.")
    return Secret(value, str(path))
