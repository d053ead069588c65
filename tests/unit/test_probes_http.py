"""HTTP probes against real servers on loopback, over TLS with certificates of our own."""

import asyncio
import datetime
import os
import socket
import ssl
import struct
from contextlib import asynccontextmanager

import pytest
import trustme

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.prober import RealProber, check_specs
from dns_cutover.probes.resolve import NoSuchName

HOST = "www.example.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


class Site:
    """Answers by path with raw bytes, or with what a coroutine does; remembers who asked for what."""

    def __init__(self, pages, certificate=None):
        self.pages = pages if isinstance(pages, dict) else {"/": pages}
        self.requests = []
        self.names = []
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
            certificate.configure_cert(self.context)

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            page = self.pages[head.split(" ")[1]]
            if callable(page):
                await page(reader, writer)
            else:
                writer.write(page)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def open(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.context)
        try:
            self.port = server.sockets[0].getsockname()[1]
            yield self
        finally:
            server.close()


async def nobody(name: str) -> tuple[str, ...]:
    raise AssertionError(f"{name} was looked up")


async def ask(*, resolve=nobody, timeout: float = 20.0, **options) -> ProbeResult:
    spec = ProbeSpec("p", "http", "health", options, timeout=timeout)
    check_specs([spec], allow_commands=False)
    (result,) = await RealProber(SystemClock(), resolve).ask([spec])
    assert len(result.detail) <= 200
    assert result.detail.isprintable()
    return result


async def ask_page(page, *, path="/", timeout=20.0, **options) -> ProbeResult:
    """A plain site with that page, pinned."""
    async with Site(page).open() as site:
        return await ask(url=f"http://{HOST}{path}", address=f"127.0.0.1:{site.port}", timeout=timeout, **options)


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


def status(code: int) -> bytes:
    return f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n".encode()


# TLS


async def test_a_pinned_address_keeps_name_and_certificate(authority, trusted):
    """Like `curl --resolve`: nothing is looked up; SNI, Host and the certificate are those of the URL."""
    async with Site({"/health?full=1": OK}, authority.issue_cert(HOST)).open() as site:
        result = await ask(url=f"https://{HOST}/health?full=1", address=f"127.0.0.1:{site.port}", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "status 200")
    assert site.names == [HOST]
    assert f"\r\nHost: {HOST}\r\n" in site.requests[0]


async def test_an_expired_certificate(authority, trusted):
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = authority.issue_cert(HOST, not_before=yesterday - datetime.timedelta(days=30), not_after=yesterday)
    async with Site(OK, certificate).open() as site:
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{site.port}", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate expired")


async def test_a_certificate_that_is_not_valid_yet(authority, trusted):
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    certificate = authority.issue_cert(HOST, not_before=tomorrow, not_after=tomorrow + datetime.timedelta(days=1))
    async with Site(OK, certificate).open() as site:
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{site.port}", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate not valid yet")


async def test_a_certificate_for_another_name(authority, trusted):
    async with Site(OK, authority.issue_cert("old.example.test")).open() as site:
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{site.port}", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate for another name")


async def test_a_certificate_for_another_address(authority, trusted):
    async with Site(OK, authority.issue_cert("127.0.0.2")).open() as site:
        result = await ask(url=f"https://127.0.0.1:{site.port}/", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate for another address")


@pytest.mark.parametrize("own", [True, False], ids=["the system's authorities", "another authority"])
async def test_a_certificate_of_an_unknown_authority(trusted, own):
    verify = True if own else trusted
    async with Site(OK, trustme.CA().issue_cert(HOST)).open() as site:
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{site.port}", verify=verify)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate of an unknown CA")


async def test_an_unverified_certificate():
    async with Site(OK, trustme.CA().issue_cert("old.example.test")).open() as site:
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{site.port}", verify=False)
    assert result.verdict is Verdict.SUCCESS
    assert site.names == [HOST]


async def test_tls_to_a_plain_server():
    async def greet(reader, writer):
        writer.write(b"220 hello\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{port}")
    server.close()
    assert result.verdict is Verdict.FAILURE
    assert result.detail.startswith("TLS: ")


async def test_closed_within_the_handshake():
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{port}")
    server.close()
    assert result.verdict is Verdict.FAILURE


async def test_a_handshake_that_never_ends():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{port}", timeout=0.2)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "timed out after 0.2 s")


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "broken", "folder", "fifo", "device", "nul"])
async def test_authorities_that_cannot_be_read(tmp_path, kind):
    """A credential that is missing here says nothing about the service; nothing is waited for, or trusted instead."""
    path = tmp_path / "ca.pem"
    match kind:
        case "empty":
            path.write_text("")
        case "text":
            path.write_text("hello")
        case "broken":
            path.write_text("-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n")
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
    verify = {"device": "/dev/zero", "nul": "a\0b"}.get(kind, str(path))
    with socket.create_server(("127.0.0.1", 0)) as never_asked:
        port = never_asked.getsockname()[1]
        result = await ask(url=f"https://{HOST}/", address=f"127.0.0.1:{port}", verify=verify)
    assert result.verdict is Verdict.ERROR


# Status and body


@pytest.mark.parametrize(
    ("code", "wanted", "verdict"),
    [
        (200, [], Verdict.SUCCESS),
        (204, [], Verdict.SUCCESS),
        (304, [], Verdict.SUCCESS),
        (404, [], Verdict.FAILURE),
        (503, [], Verdict.FAILURE),
        (200, [200], Verdict.SUCCESS),
        (204, [200], Verdict.FAILURE),
        (503, [200, 503], Verdict.SUCCESS),
    ],
)
async def test_the_status(code, wanted, verdict):
    result = await ask_page(status(code), expect_status=wanted)
    assert (result.verdict, result.detail) == (verdict, f"status {code}")


@pytest.mark.parametrize(
    ("expect", "verdict"), [("hello", Verdict.SUCCESS), ("ell", Verdict.SUCCESS), ("helloo", Verdict.FAILURE)]
)
async def test_the_body(expect, verdict):
    result = await ask_page(OK, expect_body=expect)
    assert result.verdict is verdict
    assert ("lacks" in result.detail) is (verdict is Verdict.FAILURE)


async def test_a_body_in_pieces():
    async def page(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nblu\r\n")
        await writer.drain()
        writer.write(b"5\r\ne-gre\r\n2\r\nen\r\n0\r\n\r\n")
        await writer.drain()

    assert (await ask_page(page, expect_body="blue-green")).verdict is Verdict.SUCCESS


@pytest.mark.parametrize(
    ("offset", "verdict"), [(1024 * 1024 - 6, Verdict.SUCCESS), (1024 * 1024 - 5, Verdict.FAILURE)]
)
async def test_an_endless_body_is_read_to_one_mebibyte(offset, verdict):
    async def page(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"." * offset + b"needle")
        while not writer.is_closing():
            writer.write(b"." * 65536)
            await writer.drain()

    assert (await ask_page(page, expect_body="needle")).verdict is verdict


async def test_a_body_that_breaks_off():
    result = await ask_page(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    assert result.verdict is Verdict.FAILURE


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"], ids=["answer", "body"])
async def test_a_slow_server(head):
    async def page(reader, writer):
        writer.write(head)
        await reader.read()

    result = await ask_page(page, timeout=0.2)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "timed out after 0.2 s")


async def test_a_reset():
    async def page(reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    result = await ask_page(page)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection reset by peer")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mx.example.test ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\n\x1b[2J\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 300000,
    ],
    ids=["nothing", "SMTP", "hostile", "endless header"],
)
async def test_what_is_no_http(answer):
    result = await ask_page(answer)
    assert result.verdict is Verdict.FAILURE
    assert "HTTP" in result.detail or "closed" in result.detail or "reset" in result.detail


async def test_a_closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result = await ask(url=f"http://{HOST}/", address=f"127.0.0.1:{taken.getsockname()[1]}")
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection refused")


async def test_no_local_route():
    result = await ask(url=f"http://{HOST}/", address="255.255.255.255")
    assert (result.verdict, result.detail) == (Verdict.ERROR, "network is unreachable")


async def test_headers():
    async with Site(OK).open() as site:
        pin = f"127.0.0.1:{site.port}"
        await ask(url=f"http://{HOST}/", address=pin, headers={"X-Check": "a, b", "host": "other.example.test"})
    assert "X-Check: a, b\r\n" in site.requests[0]
    assert "host: other.example.test\r\n" in site.requests[0]
    assert HOST not in site.requests[0]


# Where it connects to


async def test_without_a_pin_the_target_is_resolved():
    asked = []

    async def resolve(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ("255.255.255.255", "127.0.0.2", "127.0.0.1")

    async with Site(OK).open() as site:
        result = await ask(url=f"http://{HOST}:{site.port}/", resolve=resolve)
    assert result.verdict is Verdict.SUCCESS
    assert asked == [HOST]
    assert f"Host: {HOST}:{site.port}\r\n" in site.requests[0]


async def test_a_target_that_does_not_resolve():
    async def resolve(name: str) -> tuple[str, ...]:
        raise NoSuchName(f"{name} does not resolve")

    result = await ask(url=f"http://{HOST}/", resolve=resolve)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, f"{HOST} does not resolve")


async def test_an_address_as_host():
    async with Site(OK).open() as site:
        assert (await ask(url=f"http://127.0.0.1:{site.port}/")).verdict is Verdict.SUCCESS


async def test_an_ipv6_pin(authority, trusted):
    site = Site(OK, authority.issue_cert(HOST))
    try:
        server = await asyncio.start_server(site.serve, "::1", 0, ssl=site.context)
    except OSError:
        # No IPv6 here: then the pin is local trouble, and said to be.
        assert (await ask(url=f"https://{HOST}/", address="[::1]:9", verify=trusted)).verdict is Verdict.ERROR
        return
    port = server.sockets[0].getsockname()[1]
    result = await ask(url=f"https://{HOST}/", address=f"[::1]:{port}", verify=trusted)
    server.close()
    assert result.verdict is Verdict.SUCCESS


# Redirects


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_within_the_host(code):
    pages = {"/": redirect("/a", code), "/a": redirect(f"http://{HOST.upper()}/b?c"), "/b?c": OK}
    assert (await ask_page(pages)).detail == "status 200"
    assert (await ask_page(pages, expect_status=[200], expect_body="hello")).verdict is Verdict.SUCCESS


async def test_a_redirect_from_http_to_https_keeps_the_pin(authority, trusted):
    """The pin's port stands for the URL's own port only."""
    async with Site(OK, authority.issue_cert(HOST)).open() as secure:
        pages = {"/": redirect(f"https://{HOST}:{secure.port}/")}
        result = await ask_page(pages, verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "status 200")
    assert secure.names == [HOST]


@pytest.mark.parametrize(("wanted", "verdict"), [([], Verdict.SUCCESS), ([200], Verdict.FAILURE)])
async def test_a_redirect_out_of_the_pin_is_not_followed(wanted, verdict):
    """It is judged by its status, and said."""
    async with Site(OK).open() as elsewhere:
        result = await ask_page(redirect(f"http://127.0.0.1:{elsewhere.port}/?token=geheim"), expect_status=wanted)
    assert (result.verdict, result.detail) == (verdict, "status 302, a redirect to 127.0.0.1, not followed")
    assert elsewhere.requests == []


async def test_a_redirect_that_is_expected_is_not_followed():
    result = await ask_page(redirect("/a", 301), expect_status=[301])
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "status 301")


async def test_three_redirects_are_followed_and_no_fourth():
    pages = {f"/{n}": redirect(f"/{n + 1}") for n in range(4)} | {"/4": OK}
    assert (await ask_page(pages, path="/1")).detail == "status 200"
    result = await ask_page(pages, path="/0")
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "more than 3 redirects")


@pytest.mark.parametrize(
    "to",
    ["http://[", "http://x:99999/", "ftp://www.example.test/", "javascript:alert(1)", "/\xff", "http://u:p@x/"],
)
async def test_a_redirect_to_what_is_no_url(to):
    result = await ask_page(redirect(to))
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "status 302, a redirect to what is no URL")


async def test_a_redirect_without_a_location():
    assert (await ask_page(status(302))).verdict is Verdict.FAILURE


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "ftp://x/"},
        {"url": "https://"},
        {"url": "https://u:geheim@x/"},
        {"url": "https://x/ y"},
        {"url": "https://bücher.example/"},
        {"url": "https://x:0/"},
        {"url": "https://x:99999/"},
        {"url": "https://x/", "address": "www.example.test"},
        {"url": "https://x/", "address": "192.0.2.1:0"},
        {"url": "https://x/", "expect_status": ["200"]},
        {"url": "https://x/", "expect_status": [999]},
        {"url": "https://x/", "expect_status": 200},
        {"url": "https://x/", "headers": {"a b": "geheim"}},
        {"url": "https://x/", "headers": {"a": "geheim\r\nb: c"}},
        {"url": "https://x/", "headers": {"a": 1}},
        {"url": "https://x/", "verify": "yes", "cafile": "geheim"},
        {"url": "https://x/", "verify": ""},
        {"url": "https://x/", "verify": 0},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options):
    with pytest.raises(UsageError, match="probe web: the option") as caught:
        check_specs([ProbeSpec("web", "http", "health", options)], allow_commands=False)
    assert "geheim" not in f"{caught.value.what}{caught.value.why}"
