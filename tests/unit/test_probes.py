"""Probes on loopback: what is a failure, what is an error, and what the gates make of them."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.probes.gate import GateState, gate_verdict, observe
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.prober import RealProber, check_specs, judge_with_controls
from dns_cutover.probes.resolve import NoSuchName, system_resolve


def spec(kind: str, name: str = "p", role: str = "health", timeout: float = 2.0, **options) -> ProbeSpec:
    return ProbeSpec(name, kind, role, options, timeout=timeout)


async def ask(*specs: ProbeSpec, resolve=system_resolve) -> tuple[ProbeResult, ...]:
    return await RealProber(SystemClock(), resolve).ask(specs)


async def serve(reply: bytes, wait: bool = False, context: ssl.SSLContext | None = None) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if context is not None or reply.startswith(b"HTTP"):
            await reader.readline()
        writer.write(reply)
        await writer.drain()
        if wait:
            await reader.read()
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)


async def close(*servers: asyncio.Server) -> None:
    for server in servers:
        server.close()
        await server.wait_closed()


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def test_tcp_verdicts():
    good, bad, silent = await serve(b"220 hello\r\n"), await serve(b"421 busy\r\n"), await serve(b"", wait=True)
    closed = await serve(b"")
    closed_port = port_of(closed)
    closed.close()
    await closed.wait_closed()
    tcp = lambda s, **o: spec("tcp", target="127.0.0.1", port=port_of(s), expect="220", **o)  # noqa: E731
    results = await ask(
        tcp(good), tcp(bad), tcp(silent, timeout=0.2), spec("tcp", target="127.0.0.1", port=closed_port),
        spec("tcp", target="127.0.0.1", port=port_of(good)),
    )  # fmt: skip
    assert [r.verdict for r in results] == ["success", "failure", "failure", "failure", "success"]
    assert results[1].detail == "421 busy"
    assert "timed out" in results[2].detail
    await close(good, bad, silent)


async def test_a_target_that_does_not_resolve_is_a_failure():
    async def nobody(name: str) -> tuple[str, ...]:
        raise NoSuchName(f"{name} does not resolve")

    (result,) = await ask(spec("tcp", target="mx.new.test", port=25), resolve=nobody)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "mx.new.test does not resolve")


async def test_http_is_pinned_with_name_and_certificate(tmp_path):
    ca = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())

    def context(*names: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(*names).configure_cert(made)
        return made

    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    good = await serve(ok, context=context("www.example.test"))
    wrong = await serve(ok, context=context("other.example.test"))
    error = await serve(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def http(server: asyncio.Server, scheme: str = "https", **more) -> ProbeSpec:
        options = {"url": f"{scheme}://www.example.test/", "address": f"127.0.0.1:{port_of(server)}"}
        return spec("http", **{"verify": str(tmp_path / "ca.pem"), **options, **more})

    results = await ask(
        http(good, expect_body="hello"), http(good, expect_body="nope"), http(wrong), http(good, verify=True),
        http(error, "http"), http(error, "http", expect_status=[500]),
    )  # fmt: skip
    assert [r.verdict for r in results] == ["success", "failure", "failure", "failure", "failure", "success"], results
    assert "ertificate" in results[2].detail
    await close(good, wrong, error)


async def test_commands():
    results = await ask(
        spec("command", argv=["true"]),
        spec("command", argv=["false"]),
        spec("command", argv=["sh", "-c", "exit 75"]),
        spec("command", argv=["/nonexistent/program"]),
        spec("command", argv=["sh", "-c", "sleep 60 & sleep 60"], timeout=0.3),
        spec("command", argv=["env"]),
    )
    assert [r.verdict for r in results] == ["success", "failure", "error", "error", "failure", "success"]


def test_commands_run_only_where_they_are_allowed():
    with pytest.raises(UsageError, match="runs a command"):
        check_specs([spec("command", argv=["true"])], allow_commands=False)
    check_specs([spec("command", argv=["true"])], allow_commands=True)
    with pytest.raises(UsageError, match="not available"):
        check_specs([spec("smtp", target="x")], allow_commands=True)


def result(verdict: Verdict, name: str = "p") -> ProbeResult:
    return ProbeResult(name, verdict, 0.0, 0.1, "x")


def test_a_failing_control_makes_failures_errors():
    specs = (spec("tcp"), spec("tcp", "c", "control"))
    judged = judge_with_controls((result(Verdict.FAILURE), result(Verdict.FAILURE, "c")), specs)
    assert [r.verdict for r in judged] == [Verdict.ERROR, Verdict.FAILURE]
    judged = judge_with_controls((result(Verdict.FAILURE), result(Verdict.SUCCESS, "c")), specs)
    assert judged[0].verdict is Verdict.FAILURE


def test_gates():
    one = spec("tcp")
    state = GateState()
    assert gate_verdict(state, one) == "inconclusive"
    for verdict, said in [
        ("failure", "inconclusive"), ("success", "passing"), ("failure", "inconclusive"), ("error", "inconclusive"),
        ("failure", "inconclusive"), ("failure", "failed"),
    ]:  # fmt: skip
        state = observe(state, result(Verdict(verdict)), one)
        assert gate_verdict(state, one) == said
    total = ProbeSpec("p", "tcp", "health", {}, failure_limit=2, consecutive_failure_limit=None)
    state = GateState()
    for verdict in (Verdict.FAILURE, Verdict.SUCCESS, Verdict.FAILURE):
        state = observe(state, result(verdict), total)
    assert gate_verdict(state, total) == "failed"
    state = GateState()
    for _ in range(6):
        state = observe(state, result(Verdict.ERROR), one)
    assert gate_verdict(state, one) == "inconclusive"
    assert state.consecutive_errors == 6
