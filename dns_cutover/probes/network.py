"""Connecting, and telling a failure (the service is wrong) from an error (we could not tell)."""

from __future__ import annotations

import asyncio
import errno
import ssl

from dns_cutover.probes.interface import Verdict
from dns_cutover.probes.resolve import CannotTell, NoSuchName, Resolve

# Trouble on this side of the wire.
_LOCAL = frozenset(
    {
        errno.ENETUNREACH,
        errno.EADDRNOTAVAIL,
        errno.ENETDOWN,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.EPERM,
        errno.EACCES,
    }
)


async def dial(host: str, port: int, resolve: Resolve) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    """The first address of `host` that connects. Raises NoSuchName, CannotTell, OSError."""
    last: OSError | None = None
    for address in await resolve(host):
        try:
            reader, writer = await asyncio.open_connection(address, port)
            return reader, writer, address
        except OSError as exc:
            last = exc
    raise last or NoSuchName(f"{host} has no address")


def judge(exc: BaseException) -> tuple[Verdict, str] | None:
    """The verdict that an exception means; None for one that is a fault of this program."""
    match exc:
        case TimeoutError() if not isinstance(exc, OSError) or exc.errno is None:
            return Verdict.FAILURE, "timed out"
        case NoSuchName():
            return Verdict.FAILURE, str(exc)
        case CannotTell():
            return Verdict.ERROR, str(exc)
        case ssl.SSLCertVerificationError():
            return Verdict.FAILURE, f"certificate: {exc.verify_message or 'not valid'}"
        case ssl.SSLError():
            return Verdict.FAILURE, f"TLS: {exc.reason or 'handshake failed'}"
        case OSError():
            reason = exc.strerror or type(exc).__name__
            return (Verdict.ERROR if exc.errno in _LOCAL else Verdict.FAILURE), reason
        case EOFError():
            return Verdict.FAILURE, "closed the connection"
        case _:
            return None
