"""Reading secrets from where the plan says they are. The value never appears in a message, a repr or a pickle."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from dns_cutover.errors import Unavailable

# Keys are shorter than 200 characters. Whatever is much longer is another file.
MAX_LENGTH = 4096


class Secret:
    """A secret text whose repr, str and format show nothing of it. `source` says where it came from."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str | bytes, source: str) -> None:
        self._value = value.decode("utf-8") if isinstance(value, bytes) else value
        self.source = source

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
        return self._value

    def octets(self) -> bytes:
        """What the value encodes in base64. Raises ValueError, without saying more, if it is none."""
        # No local variable holds the value: tracebacks may show them.
        try:
            return base64.b64decode(self._value.encode("ascii"), validate=True)
        except ValueError:
            raise ValueError("not base64") from None

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"<secret from {self.source}>"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not stored")


def read_secret(ref: Mapping[str, str | None], environ: Mapping[str, str]) -> Secret:
    """The secret that `{env: NAME}` or `{file: PATH}` points to, without spaces around it. Raises Unavailable."""
    if name := ref.get("env"):
        secret = Secret(environ.get(name, "").strip(), f"${name}")
        if not len(secret):
            raise Unavailable(
                f"the environment variable {name} is not set" if name not in environ else f"${name} is empty",
                "The plan says that the secret is there.",
                (f"export {name}=…   the key's base64 secret",),
            )
        return secret
    path = Path(ref.get("file") or "").expanduser()
    secret = _read_file(path)
    if not len(secret):
        raise Unavailable(f"{path} is empty", "The plan says that the secret is there.")
    return secret


def _read_file(path: Path) -> Secret:
    try:
        # Not blocking: a pipe that nobody writes to must not hang the tool. The mode is that of the file that is read.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Unavailable(f"{path} is no file", "A secret is read from an ordinary file.")
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077 and os.name == "posix":
                raise Unavailable(
                    f"{path} can be read or changed by others (mode {mode:04o})",
                    "A secret that others can read is none.",
                    (f"chmod 600 {path}",),
                )
            if status.st_size > MAX_LENGTH:
                raise Unavailable(
                    f"{path} is too long for a secret",
                    f"It has {status.st_size} octets.",
                    ("put nothing but the secret into it",),
                )
            return Secret(file.read().strip(), str(path))
    except OSError as exc:
        raise Unavailable(f"{path} cannot be read", f"{exc.strerror or 'No reason given'}.") from None
    except UnicodeDecodeError:
        raise Unavailable(f"{path} is no secret", "It is not text.", ("put nothing but the secret into it",)) from None
