"""An HTTP request, optionally pinned to an address: URL, SNI, certificate check and redirects stay those of the name.

As `curl --resolve` does it; asking `https://ADDRESS/` with a Host header would lose the pin on redirects.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from dns_cutover.address import split_address
from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.network import judge
from dns_cutover.probes.resolve import Resolve

MAX_BODY = 1024 * 1024
MAX_REDIRECTS = 3


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the pinned address whatever the host is, or to where `resolve` says."""

    def __init__(self, pin: tuple[str, int | None] | None, resolve: Resolve) -> None:
        self._pin = pin
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if self._pin is not None:
            address, port = self._pin[0], self._pin[1] or port
        else:
            address = (await self._resolve(host))[0]
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def _context(verify: bool | str) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)


async def probe(spec: ProbeSpec, resolve: Resolve) -> tuple[Verdict, str]:
    """Success: the status is expected (200 to 399 by default) and the body has `expect_body`."""
    try:
        return await _probe(spec, resolve)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as exc:
        # The library's own exceptions hide what happened below it; the first known cause tells.
        cause: BaseException | None = exc
        while cause is not None:
            known = judge(cause)
            if known is not None:
                return known
            cause = cause.__cause__ or cause.__context__
        return Verdict.FAILURE, str(exc) or type(exc).__name__


async def _probe(spec: ProbeSpec, resolve: Resolve) -> tuple[Verdict, str]:
    o = spec.options
    url, pin = str(o["url"]), split_address(str(o["address"])) if o.get("address") else None
    first = urlsplit(url)
    async with httpcore.AsyncConnectionPool(
        ssl_context=_context(o.get("verify", True)), network_backend=_Pinned(pin, resolve)
    ) as pool:
        for _ in range(MAX_REDIRECTS + 1):
            async with pool.stream("GET", url, headers=_headers(url, o.get("headers") or {})) as response:
                body = b""
                async for chunk in response.aiter_stream():
                    body += chunk
                    if len(body) >= MAX_BODY:
                        break
            location = next((v for k, v in response.headers if k.lower() == b"location"), None)
            target = urljoin(url, location.decode("latin-1")) if location is not None else ""
            if response.status in (301, 302, 303, 307, 308) and target and not o.get("expect_status"):
                if urlsplit(target).hostname != first.hostname:
                    return _verdict(response.status, body, o, f"redirects to {target}")
                url = target
                continue
            return _verdict(response.status, body, o, "")
    return Verdict.FAILURE, f"more than {MAX_REDIRECTS} redirects"


def _verdict(status: int, body: bytes, options: Any, note: str) -> tuple[Verdict, str]:
    wanted = options.get("expect_status") or ()
    detail = f"status {status}" + (f", {note}" if note else "")
    if (status not in wanted) if wanted else not 200 <= status < 400:
        return Verdict.FAILURE, detail
    expect = options.get("expect_body")
    if expect and str(expect).encode() not in body:
        return Verdict.FAILURE, f"{detail}, the body lacks the expected text"
    return Verdict.SUCCESS, detail


def _headers(url: str, given: Any) -> list[tuple[str, str]]:
    host = urlsplit(url).netloc.rpartition("@")[2]
    return [
        ("Host", host),
        ("User-Agent", "dns-cutover"),
        ("Accept", "*/*"),
        *((str(k), str(v)) for k, v in given.items()),
    ]
