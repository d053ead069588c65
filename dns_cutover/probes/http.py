"""An HTTP request, optionally pinned to an address: URL, SNI, certificate check and redirects stay those of the name.

As `curl --resolve` does it; asking `https://ADDRESS/` with a Host header would lose the pin on redirects, and the SNI.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore
from pydantic import Field, field_validator

from dns_cutover.address import split_address
from dns_cutover.probes.authorities import trusting
from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.kind import Options, Outcome, read_options
from dns_cutover.probes.network import first_reachable, judge
from dns_cutover.probes.resolve import Resolve, addresses_of

MAX_BODY = 1024 * 1024  # bytes; what comes later is not looked at
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}


class HttpOptions(Options):
    """`address`: IP[:port] to connect to instead of what the host resolves to. `expect_status`: 200 to 399 if empty.

    `verify`: true (the system's authorities), false, or a PEM file with the only authorities to trust.
    """

    url: Annotated[str, Field(max_length=8192)]
    address: str | None = None
    expect_status: Annotated[tuple[Annotated[int, Field(ge=100, le=599)], ...], Field(strict=False)] = ()
    expect_body: Annotated[str, Field(max_length=MAX_BODY)] | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    verify: bool | Annotated[str, Field(min_length=1)] = True

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return _split(value).geturl()

    @field_validator("address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ipaddress.ip_address(split_address(value)[0])
            except ValueError:
                raise ValueError("an address is an IP address, optionally with :port") from None
        return value

    @field_validator("headers")
    @classmethod
    def _lines(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if not name or not name.isascii() or any(not (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name):
                raise ValueError("a header's name has letters, digits and hyphens only")
            if not (text.isascii() and text.replace("\t", " ").isprintable()) or text != text.strip():
                raise ValueError("a header is one line of printable ASCII, without blanks around it")
        return value


class HttpKind:
    """Implements `kind.Kind`. Success: the status is expected and the first 1 MiB of the body has `expect_body`.

    Up to three redirects are followed, within the URL's host only, since no other host is pinned. A redirect that
    leads elsewhere, or whose status is in `expect_status`, is judged as an answer like any other.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    def check(self, spec: ProbeSpec) -> None:
        """See `Kind`."""
        read_options(HttpOptions, spec)

    async def probe(self, spec: ProbeSpec) -> Outcome:
        """See `Kind`."""
        o = read_options(HttpOptions, spec)
        backend = _Pinned(o, self._resolve, spec.timeout)
        try:
            async with httpcore.AsyncConnectionPool(ssl_context=trusting(o.verify), network_backend=backend) as pool:
                return await _follow(pool, o)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as exc:
            # What is below tells more, where there is something. The pool cuts the cause off, and leaves the context.
            if known := judge(exc.__cause__ or exc.__context__ or exc):
                return known
            if isinstance(exc, httpcore.LocalProtocolError):
                return Outcome(Verdict.ERROR, "the request cannot be sent")
            closed = isinstance(exc, httpcore.NetworkError)
            return Outcome(Verdict.FAILURE, "the connection was closed" if closed else "an answer that is no HTTP")
        finally:
            await backend.close()


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the pin, or to what `resolve` says, whatever httpcore would look up."""

    def __init__(self, options: HttpOptions, resolve: Resolve, timeout: float) -> None:
        self._pin = split_address(options.address) if options.address else None
        self._own_port = _port(_split(options.url))
        self._resolve = resolve
        self._timeout = timeout
        self._inner = httpcore.AnyIOBackend()
        self._streams: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses: tuple[str, ...]
        if self._pin is not None:
            # The pin's port stands for the URL's own; a redirect to another port of the host (https, say) keeps its.
            addresses = (self._pin[0],)
            port = (self._pin[1] or port) if port == self._own_port else port
        else:
            addresses = await addresses_of(host, self._resolve)
        stream, _ = await first_reachable(
            addresses,
            self._timeout,
            lambda address: self._inner.connect_tcp(address, port, timeout, local_address, socket_options),
        )
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        """The pool forgets a connection that is cancelled within its TLS handshake, and leaves it open."""
        for stream in self._streams:
            await stream.aclose()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _follow(pool: httpcore.AsyncConnectionPool, o: HttpOptions) -> Outcome:
    url = _split(o.url)
    host = url.hostname
    for _ in range(MAX_REDIRECTS + 1):
        async with pool.stream("GET", url.geturl(), headers=_headers(url, o.headers)) as response:
            status, note = response.status, ""
            if status in _REDIRECTS and status not in o.expect_status:
                try:
                    target = _split(urljoin(url.geturl(), _location(response)))
                except ValueError:
                    return Outcome(Verdict.FAILURE, f"status {status}, a redirect to what is no URL")
                if target.hostname == host:
                    url = target
                    continue
                note = f", a redirect to {target.hostname}, not followed"
            detail = f"status {status}{note}"
            wanted = status in o.expect_status if o.expect_status else 200 <= status < 400
            if not wanted:
                return Outcome(Verdict.FAILURE, detail)
            if not await _has(response, (o.expect_body or "").encode()):
                return Outcome(Verdict.FAILURE, f"{detail}, the body lacks the expected text")
            return Outcome(Verdict.SUCCESS, detail)
    return Outcome(Verdict.FAILURE, f"more than {MAX_REDIRECTS} redirects")


async def _has(response: httpcore.Response, expect: bytes) -> bool:
    # Read even where nothing is expected: a body that never ends in time, or breaks off, is a fault of the service.
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk[: MAX_BODY - len(body)]
        if len(body) >= MAX_BODY or (expect and expect in body[-len(chunk) - len(expect) :]):
            break
    return expect in body


def _split(url: str) -> SplitResult:
    """An http(s) URL that can be sent as it is. Raises ValueError."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a URL is printable ASCII: write the host as xn--… and the rest percent-encoded")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0 or "@" in parts.netloc:
        raise ValueError("a URL has http or https, a host, and no user name, such as https://www.example.com/health")
    return parts


def _port(url: SplitResult) -> int:
    return url.port or _PORTS[url.scheme]


def _location(response: httpcore.Response) -> str:
    found = [value for name, value in response.headers if name.lower() == b"location"]
    if len(found) != 1:
        raise ValueError("no Location, or several")
    return found[0].decode("latin-1").strip()


def _headers(url: SplitResult, given: Mapping[str, str]) -> list[tuple[str, str]]:
    own = {"Host": url.netloc, "User-Agent": "dns-cutover", "Accept": "*/*", "Connection": "close"}
    names = {name.lower() for name in given}
    return [*((n, v) for n, v in own.items() if n.lower() not in names), *given.items()]
