"""SMTP probes against aiosmtpd, and against hosts that no library would play, on loopback."""

import asyncio
import datetime
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme
from aiosmtpd.smtp import SMTP

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.prober import RealProber, check_specs

HOST = "mx.example.test"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


class Mailboxes:
    """Takes mail for the postmaster, asks for patience about one name, and never gets a message."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.said.append(f"EHLO {hostname}")
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.said.append(f"RCPT {envelope.mail_from!r} {address}")
        if address.startswith("grey"):
            return "450 4.2.0 come again"
        if address.startswith("gone"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        raise AssertionError("a probe sends no message")


@asynccontextmanager
async def mail_host(certificate=None, mailboxes=None):
    """A mail host on loopback, with STARTTLS if it has a certificate; gives its port."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    handler = mailboxes or Mailboxes()
    loop = asyncio.get_running_loop()
    connections: list[SMTP] = []

    def protocol() -> SMTP:
        connections.append(SMTP(handler, hostname=HOST, tls_context=context, loop=loop))
        return connections[-1]

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
            if connection._handler_coroutine is not None:
                connection._handler_coroutine.cancel()
                await asyncio.gather(connection._handler_coroutine, return_exceptions=True)


@asynccontextmanager
async def script(*parts, hang=False):
    """A host that says each part when a line came (the first one at once), then closes, or hangs."""
    done = asyncio.Event()

    async def serve(reader, writer):
        try:
            for n, part in enumerate(parts):
                if n:
                    await reader.readline()
                writer.write(part)
                await writer.drain()
            if hang:
                await done.wait()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()


async def nobody(name: str) -> tuple[str, ...]:
    raise AssertionError(f"{name} was looked up")


async def ask(port: int, *, resolve=nobody, timeout: float = 20.0, **options) -> ProbeResult:
    options = {"target": HOST, "address": "127.0.0.1", "port": port, **options}
    spec = ProbeSpec("p", "smtp", "health", {k: v for k, v in options.items() if v is not None}, timeout=timeout)
    check_specs([spec], allow_commands=False)
    (result,) = await RealProber(SystemClock(), resolve).ask([spec])
    assert len(result.detail) <= 200
    assert result.detail.isprintable()
    return result


async def test_without_tls():
    """EHLO is enough, and what is not offered is said."""
    async with mail_host(mailboxes=(host := Mailboxes())) as port:
        result = await ask(port)
    assert result.verdict is Verdict.SUCCESS
    assert result.detail == "connected to 127.0.0.1, STARTTLS is not offered"
    assert host.said == ["EHLO [127.0.0.1]"]


async def test_the_name_is_resolved_where_no_address_is_pinned():
    async def resolve(name: str) -> tuple[str, ...]:
        assert name == HOST
        return ("127.0.0.1",)

    async with mail_host() as port:
        assert (await ask(port, address=None, resolve=resolve)).verdict is Verdict.SUCCESS


async def test_starttls_with_a_good_certificate(authority, trusted):
    """The name is the certificate's, whatever address is connected to; EHLO is said again (RFC 3207 section 4.2)."""
    async with mail_host(authority.issue_cert(HOST), host := Mailboxes()) as port:
        result = await ask(port, starttls="required", verify=trusted, helo="probe.example.test")
    assert result.verdict is Verdict.SUCCESS, result.detail
    assert "TLSv1.3, certificate valid for" in result.detail
    assert host.said == ["EHLO probe.example.test"] * 2


async def test_a_certificate_for_another_name(authority, trusted):
    async with mail_host(authority.issue_cert("mx.elsewhere.test")) as port:
        result = await ask(port, starttls="required", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate for another name")


async def test_an_expired_certificate(authority, trusted):
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = authority.issue_cert(HOST, not_before=yesterday - datetime.timedelta(days=30), not_after=yesterday)
    async with mail_host(certificate) as port:
        result = await ask(port, starttls="required", verify=trusted)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "certificate expired")


async def test_a_certificate_that_expires_soon(authority, trusted):
    """`valid_for` is judged by the certificate itself."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3, minutes=5)
    async with mail_host(authority.issue_cert(HOST, not_after=soon)) as port:
        enough = await ask(port, starttls="required", verify=trusted, valid_for=2 * 86400.0)
        short = await ask(port, starttls="required", verify=trusted, valid_for=7 * 86400.0)
    assert enough.verdict is Verdict.SUCCESS, enough.detail
    assert (short.verdict, short.detail) == (Verdict.FAILURE, "certificate expires in 3.0 days")


async def test_a_certificate_that_nobody_trusts(authority):
    """Verified where STARTTLS is required; where it is optional, as mail hosts do it, TLS alone counts (RFC 7435)."""
    async with mail_host(authority.issue_cert(HOST)) as port:
        required = await ask(port, starttls="required")
        optional = await ask(port, starttls="optional")
    assert (required.verdict, required.detail) == (Verdict.FAILURE, "certificate of an unknown CA")
    assert (optional.verdict, optional.detail) == (Verdict.SUCCESS, "connected to 127.0.0.1, TLSv1.3")


async def test_starttls_is_missing():
    async with mail_host() as port:
        result = await ask(port, starttls="required")
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "STARTTLS is not offered")


async def test_starttls_is_not_wanted(authority):
    async with mail_host(authority.issue_cert("mx.elsewhere.test")) as port:
        result = await ask(port, starttls="never")
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "connected to 127.0.0.1")


async def test_what_comes_before_the_handshake_is_not_believed(authority, trusted):
    """Plain text that somebody slipped in behind the reply to STARTTLS (RFC 3207 section 6) is no reply to EHLO."""
    parts = b"220 hi\r\n", b"250-hi\r\n250 STARTTLS\r\n", b"220 go\r\n250 slipped in\r\n"
    async with script(*parts) as port:
        result = await ask(port, starttls="required", verify=trusted)
    assert result.verdict is Verdict.FAILURE


@pytest.mark.parametrize(
    ("mailbox", "verdict", "text"),
    [
        ("postmaster@example.test", Verdict.SUCCESS, "takes mail for postmaster@example.test"),
        ("grey@example.test", Verdict.ERROR, "RCPT TO:<grey@example.test>: 450 4.2.0 come again (temporary)"),
        ("gone@example.test", Verdict.FAILURE, "RCPT TO:<gone@example.test>: 550 5.1.1 no such mailbox (permanent)"),
    ],
)
async def test_a_recipient(mailbox, verdict, text):
    """Taken, put off, refused; nothing is sent."""
    async with mail_host(mailboxes=(host := Mailboxes())) as port:
        result = await ask(port, recipient=mailbox)
    assert result.verdict is verdict
    assert text in result.detail
    assert host.said[1:] == [f"RCPT '<>' {mailbox}"]


@pytest.mark.parametrize(
    ("greeting", "detail"),
    [
        (b"421 4.3.2 closing down\r\n", "greets with 421 4.3.2 closing down (temporary)"),
        (b"554 5.7.1 not from there\r\n", "greets with 554 5.7.1 not from there (permanent)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an answer that is no SMTP"),
        (b"\xff\xfe\x00garbage\x1b[2J\r\n", "an answer that is no SMTP"),
        (b"220-" + b"x" * 100_000, "an answer that is no SMTP"),
        (b"", "the connection was closed"),
        (b"220 half a li", "the connection was closed"),
    ],
)
async def test_greetings_that_are_none(greeting, detail):
    async with script(greeting) as port:
        result = await ask(port)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, detail)


async def test_a_negative_reply_to_ehlo():
    async with script(b"220 hi\r\n", b"550 5.7.1 go away\r\n") as port:
        result = await ask(port)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "EHLO: 550 5.7.1 go away (permanent)")


async def test_hostile_replies_are_escaped():
    async with script("421 \x1b[2J\u202e come\r\n".encode()) as port:
        result = await ask(port)
    assert result.detail == "greets with 421 \\x1b[2J\\u202e come (temporary)"


async def test_an_unexpected_banner():
    async with script(b"220 old.example.test ESMTP\r\n", b"250 hi\r\n") as port:
        right = await ask(port, banner="old.example.test")
    async with script(b"220 old.example.test ESMTP\r\n", b"250 hi\r\n") as port:
        wrong = await ask(port, banner="new.example.test")
    assert right.verdict is Verdict.SUCCESS
    assert (wrong.verdict, wrong.detail) == (Verdict.FAILURE, "unexpected banner: old.example.test ESMTP")


async def test_a_tarpit():
    """A host that holds the line costs the timeout, and no more."""
    async with script(b"220-wait\r\n", hang=True) as port:
        result = await ask(port, timeout=0.3)
    assert result.verdict is Verdict.FAILURE
    assert "timed out" in result.detail


async def test_a_closed_port(unused_tcp_port):
    result = await ask(unused_tcp_port)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection refused")


async def test_a_failing_control_makes_it_an_error():
    """Where another mail host fails in the same round, the fault is ours."""
    async with script(b"421 busy\r\n") as port:
        options = {"target": HOST, "address": "127.0.0.1", "port": port}
        specs = ProbeSpec("p", "smtp", "health", options), ProbeSpec("c", "smtp", "control", options)
        ours, control = await RealProber(SystemClock(), nobody).ask(specs)
    assert (ours.verdict, control.verdict) == (Verdict.ERROR, Verdict.FAILURE)


async def test_authorities_that_cannot_be_read():
    """Our own trouble, before anything is connected to."""
    result = await ask(1, starttls="required", verify="/nowhere/ca.pem")
    assert (result.verdict, result.detail) == (Verdict.ERROR, "/nowhere/ca.pem: No such file or directory")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"recipient": "a@b> NOTIFY=NEVER"}, "A mailbox is written as"),
        ({"sender": "a\r\nDATA"}, "one line of printable ASCII"),
        ({"helo": "a\r\nQUIT"}, "one line of printable ASCII"),
        ({"starttls": "maybe"}, "Input should be"),
    ],
)
def test_options_that_are_none(options, why):
    """What would end a line or add a parameter is refused before anything is connected to."""
    spec = ProbeSpec("p", "smtp", "health", {"target": HOST, **options})
    with pytest.raises(UsageError) as caught:
        check_specs([spec], allow_commands=False)
    assert why in caught.value.why
