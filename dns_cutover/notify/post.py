"""One HTTP POST: within a deadline as a whole, without redirects, and without a word of what is secret.

Blocking, for the outbox's own threads: a name lookup that hangs there keeps nobody waiting, not even the process's end.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore

from dns_cutover import __version__
from dns_cutover.notify.interface import ATTEMPT_S, Failed
from dns_cutover.probes.network import judge

MAX_REPLY = 4096  # bytes of an answer that are looked at
MAX_AFTER = 300.0  # seconds: a longer Retry-After is not waited for
_AGAIN = frozenset({408, 425, 429})  # and 5xx; what else is refused now is refused later, too


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that says "accepted": the status and the beginning of the body."""

    status: int
    body: bytes


def post(url: str, body: bytes, headers: Sequence[tuple[str, str]], accepted: Iterable[int], where: str) -> Reply:
    """Send `body` once. `where` is what messages call the receiver: the URL may be a secret. Raises Failed."""
    parts = urlsplit(url)
    sent = [
        ("Host", parts.netloc),
        ("User-Agent", f"dns-cutover/{__version__}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Accept", "application/json, text/plain"),
        ("Connection", "close"),
        *headers,
    ]
    backend = _Hurried(time.monotonic() + ATTEMPT_S)
    try:
        with (
            httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=backend) as pool,
            pool.stream("POST", url, headers=sent, content=body) as response,
        ):
            status = response.status
            after = _retry_after(response.headers)
            text = b""
            for chunk in response.iter_stream():
                text += chunk[: MAX_REPLY - len(text)]
                if len(text) >= MAX_REPLY:
                    break
    except httpcore.TimeoutException:
        raise Failed(f"{where} does not answer in time", again=True) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as exc:
        raise Failed(f"{where}: {_trouble(exc)}", again=True) from None
    if status in set(accepted):
        return Reply(status, text)
    if 300 <= status < 400:
        raise Failed(f"{where} answers {status}, a redirect, which is not followed", again=False)
    again = status in _AGAIN or status >= 500
    if after > MAX_AFTER:
        raise Failed(f"{where} answers {status}, and asks for a pause of {after:.0f} s", again=False)
    raise Failed(f"{where} answers {status}", again=again, after=after)


def _trouble(exc: BaseException) -> str:
    """In our own words: what libraries say may quote what was sent."""
    known = judge(exc.__cause__ or exc.__context__ or exc)
    if known is not None:
        return known.detail
    if isinstance(exc, httpcore.LocalProtocolError):
        return "the request cannot be sent"
    if isinstance(exc, httpcore.ProtocolError):
        return "the answer is no HTTP"
    number = getattr(exc, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return "it cannot be reached"


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float:
    """Seconds (RFC 9110 section 10.2.3: a number of seconds, or a date); 0 where there is none that can be read."""
    found = next((value.decode("latin-1").strip() for name, value in headers if name.lower() == b"retry-after"), "")
    if found.isascii() and found.isdigit():
        return float(found[:9])
    try:
        return max(0.0, parsedate_to_datetime(found).timestamp() - time.time()) if found else 0.0
    except (ValueError, TypeError, OverflowError):
        return 0.0


class _Hurried(httpcore.NetworkBackend):
    """httpcore's timeouts are for each operation; a peer that sends one byte at a time could stretch them for ever."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, _left(self._deadline), local_address, socket_options)
        return _HurriedStream(stream, self._deadline)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


class _HurriedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _HurriedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
