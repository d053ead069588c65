"""Connecting, and telling a failure (the service is wrong) from an error (we could not tell)."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from dns_cutover.probes.interface import Verdict
from dns_cutover.probes.kind import Outcome
from dns_cutover.probes.resolve import CannotTell, NoSuchName

# Trouble on this side of the wire: no route, no source address or port, no such address family, no memory or
# descriptors, a local packet filter. EHOSTUNREACH is not among them: it is what the target's own network says.
_LOCAL = frozenset(
    {
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
        errno.EACCES,
    }
)

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_CERTIFICATE = {
    9: "certificate not valid yet",
    10: "certificate expired",
    18: "certificate of an unknown CA (self-signed)",
    19: "certificate of an unknown CA",
    20: "certificate of an unknown CA",
    21: "certificate of an unknown CA",
    62: "certificate for another name",
    64: "certificate for another address",
}

T = TypeVar("T")


async def first_reachable(
    addresses: tuple[str, ...], timeout: float, connect: Callable[[str], Awaitable[T]]
) -> tuple[T, str]:
    """What `connect` gives for the first address that takes it, and that address. One attempt after the other, each
    with its share of `timeout` (seconds), so that a dead first address hides no living second one.

    Raises what the attempts raised: the first failure, or where all of them met local trouble, the first of these.
    """
    failure: Exception | None = None
    trouble: Exception | None = None
    for n, address in enumerate(addresses, 1):
        try:
            # The last one may take all that is left: the caller's own timeout ends it.
            async with asyncio.timeout(timeout / len(addresses) if n < len(addresses) else None):
                return await connect(address), address
        except Exception as exc:
            outcome = judge(exc)
            if outcome is None:
                raise
            if outcome.verdict is Verdict.FAILURE:
                failure = failure or exc
            else:
                trouble = trouble or exc
    raise failure or trouble or NoSuchName("no address")


def judge(exc: BaseException) -> Outcome | None:
    """What an exception, or the cause deepest below it, means; None for one that is a fault of this program."""
    known = [outcome for one in _causes(exc) if (outcome := _judge_one(one)) is not None]
    return known[-1] if known else None


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__


def _judge_one(exc: BaseException) -> Outcome | None:
    match exc:
        case NoSuchName():
            return Outcome(Verdict.FAILURE, str(exc))
        case CannotTell():
            return Outcome(Verdict.ERROR, str(exc))
        case ssl.SSLCertVerificationError():
            reason = _CERTIFICATE.get(exc.verify_code) or f"certificate not valid: {exc.verify_message}"
            return Outcome(Verdict.FAILURE, reason)
        case ssl.SSLError():
            return Outcome(Verdict.FAILURE, f"TLS: {exc.reason or 'the handshake failed'}")
        case OSError() if exc.errno is not None:
            # Not exc.strerror: asyncio writes addresses of its own into it.
            reason = os.strerror(exc.errno).lower()
            return Outcome(Verdict.ERROR if exc.errno in _LOCAL else Verdict.FAILURE, reason)
        case TimeoutError():
            return Outcome(Verdict.FAILURE, "timed out")
        case EOFError() | ConnectionError():
            return Outcome(Verdict.FAILURE, "the connection was closed")
        case _:
            return None
