"""MTA-STS policies from a real web server on loopback, read as a sender reads them."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import httpcore
import pytest
import trustme

from dns_cutover.probes.policy import MAX_POLICY, read_policy

HOST = "mta-sts.example.test"
GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.test\r\nmax_age: 86400\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to loopback whatever the name is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        assert (host, port) == (HOST, 443)
        return await self._inner.connect_tcp("127.0.0.1", self._port, timeout, local_address, socket_options)

    async def sleep(self, seconds):
        await self._inner.sleep(seconds)


@asynccontextmanager
async def site(authority, answer: bytes, name: str = HOST):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    asked: list[bytes] = []

    async def serve(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        await server.wait_closed()


def page(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


async def read(authority, answer: bytes, name: str = HOST, timeout: float = 10.0) -> tuple[str | None, list[bytes]]:
    def trust() -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    async with site(authority, answer, name) as (port, asked):
        return await read_policy(HOST, timeout=timeout, trust=trust, backend=Pinned(port)), asked


async def test_a_policy(authority):
    """The well-known path, and nothing else."""
    text, asked = await read(authority, page(GOOD))
    assert text == GOOD.decode()
    assert asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.test\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        page(b"", b"404 Not Found"),
        b"HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.example.test/other\r\nContent-Length: 0\r\n\r\n",
        page(b"x" * (MAX_POLICY + 1)),
        b"garbage\r\n\r\n",
    ],
)
async def test_what_no_sender_takes(authority, answer):
    """Missing, elsewhere (redirects are not followed), too long, no HTTP."""
    assert (await read(authority, answer))[0] is None


async def test_a_certificate_for_another_name(authority):
    assert (await read(authority, page(GOOD), "www.example.test"))[0] is None
