"""TCP probes against real sockets on loopback."""

import asyncio
import errno
import socket
import struct
from contextlib import ExitStack, asynccontextmanager

import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.network import judge
from dns_cutover.probes.prober import RealProber, check_specs
from dns_cutover.probes.resolve import CannotTell, NoSuchName, addresses_of, system_resolve

# Linux routes no TCP to the broadcast address: the kernel itself says that the network is unreachable.
NO_ROUTE = "255.255.255.255"


@asynccontextmanager
async def serving(answer):
    """A server on loopback that does `answer(reader, writer)` once for each connection; gives its port."""

    async def serve(reader, writer):
        try:
            await answer(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def closed_port():
    """A port that nobody else can take and nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def resolving(*found):
    async def resolve(name: str) -> tuple[str, ...]:
        if found and isinstance(found[0], Exception):
            raise found[0]
        return found

    return resolve


async def nobody(name: str) -> tuple[str, ...]:
    raise AssertionError(f"{name} was looked up")


async def ask(port: int, *, target: str = "127.0.0.1", resolve=nobody, timeout: float = 20.0, **options) -> ProbeResult:
    spec = ProbeSpec("p", "tcp", "health", {"target": target, "port": port, **options}, timeout=timeout)
    (result,) = await RealProber(SystemClock(), resolve).ask([spec])
    assert len(result.detail) <= 200
    assert result.detail.isprintable()
    return result


def said(text: bytes):
    async def answer(reader, writer):
        writer.write(text)
        await writer.drain()
        await reader.read()

    return answer


def reset(writer) -> None:
    """RST instead of FIN (SO_LINGER of 0)."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_connected():
    async with serving(said(b"")) as port:
        result = await ask(port)
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "connected to 127.0.0.1")


async def test_the_banner_is_shown():
    async with serving(said(b"220 mx.newmail.test ESMTP\r\n")) as port:
        result = await ask(port, expect="220 mx.newmail.test")
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "220 mx.newmail.test ESMTP")


async def test_a_banner_in_pieces():
    async def answer(reader, writer):
        writer.write(b"220 mx.")
        await writer.drain()
        await reader.readexactly(5)
        writer.write(b"newmail.test\r\n")
        await reader.read()

    async with serving(answer) as port:
        assert (await ask(port, send="go on", expect="mx.newmail.test")).verdict is Verdict.SUCCESS


async def test_send_comes_before_the_answer():
    async def echo(reader, writer):
        writer.write(b"+" + await reader.readexactly(6))
        await reader.read()

    async with serving(echo) as port:
        result = await ask(port, send="PING\r\n", expect="+PING")
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "+PING")


@pytest.mark.parametrize("stays", [True, False], ids=["open", "closed"])
async def test_a_wrong_banner(stays):
    """It is told at the timeout too, when the server waits for us to speak."""

    async def answer(reader, writer):
        writer.write(b"554 5.7.1 no\r\n")
        await writer.drain()
        if stays:
            await reader.read()

    async with serving(answer) as port:
        result = await ask(port, expect="220", timeout=0.3 if stays else 20.0)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "unexpected banner: 554 5.7.1 no")


async def test_no_banner():
    async with serving(said(b"")) as port:
        result = await ask(port, expect="220", timeout=0.2)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "timed out without a banner")


async def test_closed_without_a_banner():
    async def answer(reader, writer):
        return

    async with serving(answer) as port:
        result = await ask(port, expect="220")
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "closed without a banner")


async def test_a_reset():
    async def answer(reader, writer):
        await reader.readexactly(1)
        reset(writer)

    async with serving(answer) as port:
        result = await ask(port, send="x", expect="220")
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection reset by peer")


async def test_an_endless_banner():
    """4096 bytes are enough to know that it is not the one that is expected."""

    async def answer(reader, writer):
        while not writer.is_closing():
            writer.write(b"\x1b[2J\x00spam\n" * 100)
            await writer.drain()

    async with serving(answer) as port:
        result = await ask(port, expect="220")
    assert result.verdict is Verdict.FAILURE
    assert result.detail.startswith("unexpected banner: \\x1b[2J\\x00spam\\n\\x1b")


async def test_a_server_that_takes_nothing():
    """The probe ends at its timeout even if its own text cannot be delivered."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        sent = "x" * 65536
        result = await ask(deaf.getsockname()[1], send=sent, expect="220", timeout=0.2)
    assert result.verdict is Verdict.FAILURE


async def test_a_closed_port(closed_port):
    result = await ask(closed_port)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection refused")


async def test_no_local_route():
    """Our own network is down: that says nothing about the service."""
    result = await ask(25, target=NO_ROUTE)
    assert (result.verdict, result.detail) == (Verdict.ERROR, "network is unreachable")


async def test_a_target_that_does_not_resolve():
    resolve = resolving(NoSuchName("mx.newmail.test does not resolve"))
    result = await ask(25, target="mx.newmail.test", resolve=resolve)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "mx.newmail.test does not resolve")


async def test_a_target_without_addresses():
    result = await ask(25, target="mx.newmail.test", resolve=resolving())
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "mx.newmail.test has no address")


async def test_nobody_to_ask_for_the_target():
    result = await ask(25, target="mx.newmail.test", resolve=resolving(CannotTell("no server of newmail.test answers")))
    assert (result.verdict, result.detail) == (Verdict.ERROR, "no server of newmail.test answers")


async def test_a_resolver_that_answers_with_a_name():
    """It would be looked up again, by the system's resolver."""
    result = await ask(25, target="mx.newmail.test", resolve=resolving("127.0.0.1", "localhost"))
    assert result.verdict is Verdict.ERROR


async def test_the_second_address_is_tried():
    async with serving(said(b"")) as port:
        result = await ask(port, target="x.test", resolve=resolving(NO_ROUTE, "127.0.0.2", "127.0.0.1"))
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "connected to 127.0.0.1")


async def test_a_dead_first_address_hides_no_second_one():
    """Its backlog is full, so that its SYNs are dropped: it takes no more than its share of the timeout."""
    async with serving(said(b"")) as port:
        with ExitStack() as sockets:
            dead = sockets.enter_context(socket.socket())
            dead.bind(("127.0.0.2", port))
            dead.listen(0)
            for _ in range(4):
                caller = sockets.enter_context(socket.socket())
                caller.setblocking(False)
                assert caller.connect_ex(("127.0.0.2", port)) in (0, errno.EINPROGRESS)
            result = await ask(port, target="x.test", resolve=resolving("127.0.0.2", "127.0.0.1"), timeout=2.0)
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "connected to 127.0.0.1")


@pytest.mark.parametrize("order", [(NO_ROUTE, "127.0.0.1"), ("127.0.0.1", NO_ROUTE)])
async def test_a_failure_counts_more_than_local_trouble(closed_port, order):
    """A machine without IPv6 knows all about a service that refuses it over IPv4."""
    result = await ask(closed_port, target="x.test", resolve=resolving(*order))
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection refused")


async def test_a_name_with_hundreds_of_addresses():
    """Only the first few are tried."""
    many = tuple(f"127.0.1.{n}" for n in range(1, 255))
    assert await addresses_of("x.test", resolving(*many)) == many[:8]


async def test_the_system_s_resolver():
    assert "127.0.0.1" in await system_resolve("localhost")
    assert await system_resolve("192.0.2.1") == ("192.0.2.1",)
    assert await system_resolve("2001:DB8::1") == ("2001:db8::1",)
    for name in ("a..b", "x" * 300, "nul\0"):
        with pytest.raises(NoSuchName):
            await system_resolve(name)


@pytest.mark.parametrize(
    ("number", "meaning"),
    [(socket.EAI_NONAME, NoSuchName), (socket.EAI_AGAIN, CannotTell), (socket.EAI_FAIL, CannotTell)],
)
async def test_what_the_system_s_resolver_means(monkeypatch, number, meaning):
    """Only "no such name" is a fault of the name; a resolver that does not answer says nothing."""

    async def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(number, "as it says")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(meaning):
        await system_resolve("x.test")


@pytest.mark.parametrize(
    ("number", "verdict"),
    [
        (errno.ECONNREFUSED, Verdict.FAILURE),
        (errno.ECONNRESET, Verdict.FAILURE),
        (errno.ETIMEDOUT, Verdict.FAILURE),
        (errno.EHOSTUNREACH, Verdict.FAILURE),
        (errno.EPIPE, Verdict.FAILURE),
        (errno.ENETUNREACH, Verdict.ERROR),
        (errno.EADDRNOTAVAIL, Verdict.ERROR),
        (errno.EAFNOSUPPORT, Verdict.ERROR),
        (errno.EMFILE, Verdict.ERROR),
        (errno.EPERM, Verdict.ERROR),
    ],
    ids=lambda value: errno.errorcode.get(value, value),
)
def test_failures_and_errors_of_the_system(number, verdict):
    assert judge(OSError(number, "as it says")).verdict is verdict


def test_a_fault_of_our_own_is_neither():
    assert judge(KeyError("x")) is None


@pytest.mark.parametrize(
    "options",
    [
        {"port": 25},
        {"target": "x.test"},
        {"target": "", "port": 25},
        {"target": "x.test", "port": 0},
        {"target": "x.test", "port": 65536},
        {"target": "x.test", "port": "25"},
        {"target": "x.test", "port": True},
        {"target": ["geheim"], "port": 25},
        {"target": "x.test", "port": 25, "expect": 220},
        {"target": "x.test", "port": 25, "exepct": "geheim"},
    ],
    ids=str,
)
async def test_options_that_make_no_sense(options):
    """Refused before anything runs; asked nonetheless, they are errors. No value is repeated."""
    spec = ProbeSpec("mx", "tcp", "health", options)
    with pytest.raises(UsageError, match="probe mx: the option") as caught:
        check_specs([spec], allow_commands=False)
    assert "geheim" not in f"{caught.value.what}{caught.value.why}"
    assert caught.value.hints
    (result,) = await RealProber(SystemClock(), nobody).ask([spec])
    assert result.verdict is Verdict.ERROR
    assert "the option" in result.detail
