"""Certificates read from real TLS servers on loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import trustme

from dns_cutover.probes.certificate import MAX_PLACES, ShownCertificate, read_certificates

HOST = "www.example.test"


@pytest.fixture(scope="module")
def house() -> trustme.CA:
    return trustme.CA(organization_name="House CA")


@pytest.fixture(scope="module")
def stranger() -> trustme.CA:
    return trustme.CA(organization_name="Stranger CA")


@contextlib.asynccontextmanager
async def server(cert: trustme.LeafCert, seen: list[str | None] | None = None) -> AsyncIterator[int]:
    """A TLS server that says nothing; the SNI of each connection goes to `seen`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    if seen is not None:
        context.sni_callback = lambda _tls, name, _context: seen.append(name)  # type: ignore[assignment]
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


async def read(ca: trustme.CA, port: int, host: str = HOST, timeout: float = 5.0) -> ShownCertificate:
    def trust() -> ssl.SSLContext:
        context = ssl.create_default_context()
        ca.configure_trust(context)
        return context

    (found,) = await read_certificates([(host, "127.0.0.1", port)], timeout=timeout, trust=trust)
    assert (found.host, found.address, found.port) == (host, "127.0.0.1", port)
    return found


async def test_trusted(house: trustme.CA) -> None:
    """Names, end and issuer, by one handshake with the owner name in SNI."""
    end = datetime(2035, 3, 1, 12, tzinfo=UTC)
    seen: list[str | None] = []
    async with server(house.issue_cert(HOST, "*.example.test", "192.0.2.1", not_after=end), seen) as port:
        found = await read(house, port)
    assert found == ShownCertificate(
        HOST, "127.0.0.1", port, (HOST, "*.example.test", "192.0.2.1"), end.timestamp(), "House CA"
    )
    assert seen == [HOST]


async def test_name_is_not_judged(house: trustme.CA) -> None:
    """A certificate for another name is read like any other: the check compares."""
    async with server(house.issue_cert("elsewhere.test")) as port:
        found = await read(house, port)
    assert (found.names, found.problem) == (("elsewhere.test",), "")


async def test_unknown_authority(house: trustme.CA, stranger: trustme.CA) -> None:
    """What nobody trusts is read as well, and marked."""
    end = datetime(2035, 3, 1, tzinfo=UTC)
    async with server(stranger.issue_cert(HOST, not_after=end)) as port:
        found = await read(house, port)
    assert found.names == (HOST,)
    assert found.not_after == end.timestamp()
    assert found.issuer == "Stranger CA"
    assert found.problem == "not trusted: certificate of an unknown CA"


async def test_expired(house: trustme.CA) -> None:
    """An expired one is read, with its end."""
    begin, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    async with server(house.issue_cert(HOST, not_before=begin, not_after=end)) as port:
        found = await read(house, port)
    assert (found.names, found.not_after) == ((HOST,), end.timestamp())
    assert found.problem == "not trusted: certificate expired"


async def test_wildcard_owner(house: trustme.CA) -> None:
    """For a wildcard's owner any label serves: SNI cannot have an asterisk."""
    seen: list[str | None] = []
    async with server(house.issue_cert("*.apps.example.test"), seen) as port:
        found = await read(house, port, "*.apps.example.test")
    assert found.names == ("*.apps.example.test",)
    assert seen == ["dns-cutover-check.apps.example.test"]


async def test_nobody_listens(house: trustme.CA, unused_tcp_port: int) -> None:
    found = await read(house, unused_tcp_port)
    assert (found.names, found.problem) == ((), "connection refused")


async def test_no_tls(house: trustme.CA) -> None:
    """A server of another protocol."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.test ESMTP\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with listening:
        found = await read(house, listening.sockets[0].getsockname()[1])
    assert found.names == ()
    assert found.problem.startswith("TLS: ")


async def test_silence_is_bounded(house: trustme.CA) -> None:
    """A server that accepts and says nothing ends with the time that is given."""
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        # The handshake's own bytes keep read() from returning; closing ends it.
        found = await read(house, port, timeout=0.2)
        for writer in held:
            writer.close()
    assert (found.names, found.problem) == ((), "timed out")


async def test_no_route_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble on this side says nothing about the target, and is left out."""
    import errno

    async def no_route(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(asyncio, "open_connection", no_route)
    assert await read_certificates([(HOST, "2001:db8::1", 443)]) == ()


async def test_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of thousands of addresses does not scan networks; the same place is asked once."""
    asked: list[str] = []

    async def refuse(address: str, *_args: object, **_more: object) -> None:
        asked.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(asyncio, "open_connection", refuse)
    places = [(HOST, f"192.0.2.{n % 250}", 443) for n in range(1000)]
    found = await read_certificates(places)
    assert len(found) == len(asked) == len(set(asked)) == MAX_PLACES
