"""A TCP connection to the target, optionally with a banner."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.kind import Options, Outcome, read_options
from dns_cutover.probes.network import first_reachable
from dns_cutover.probes.resolve import Resolve, addresses_of

MAX_BANNER = 4096  # bytes

# What waits for a banner gives up a little before the prober does, so that it can tell what came instead.
_SHARE_OF_TIMEOUT = 0.95


class TcpOptions(Options):
    """`target`: host or address. `send` goes first, then the answer must contain `expect`; both are sent as UTF-8."""

    target: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)]
    expect: Annotated[str, Field(max_length=MAX_BANNER)] | None = None
    send: Annotated[str, Field(max_length=65536)] | None = None


class TcpKind:
    """Implements `kind.Kind`. Success: connected, and within 4096 bytes the answer has `expect`."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    def check(self, spec: ProbeSpec) -> None:
        """See `Kind`."""
        read_options(TcpOptions, spec)

    async def probe(self, spec: ProbeSpec) -> Outcome:
        """See `Kind`."""
        o = read_options(TcpOptions, spec)
        deadline = asyncio.get_running_loop().time() + spec.timeout * _SHARE_OF_TIMEOUT
        (reader, writer), address = await first_reachable(
            await addresses_of(o.target, self._resolve),
            spec.timeout,
            lambda address: asyncio.open_connection(address, o.port),
        )
        try:
            if o.send:
                writer.write(o.send.encode())
                await writer.drain()
            if not o.expect:
                return Outcome(Verdict.SUCCESS, f"connected to {address}")
            return await _banner(reader, o.expect.encode(), deadline)
        finally:
            # No lingering: a server that takes no data must not hold us. The loop needs one turn to close the socket.
            writer.transport.abort()
            await asyncio.sleep(0)


async def _banner(reader: asyncio.StreamReader, expect: bytes, deadline: float) -> Outcome:
    banner, ending = b"", "closed"
    try:
        async with asyncio.timeout_at(deadline):
            while expect not in banner and len(banner) < MAX_BANNER:
                chunk = await reader.read(MAX_BANNER - len(banner))
                if not chunk:
                    break
                banner += chunk
    except TimeoutError:
        ending = "timed out"
    text = banner.decode("utf-8", "replace").strip()
    if expect in banner:
        return Outcome(Verdict.SUCCESS, text)
    return Outcome(Verdict.FAILURE, f"unexpected banner: {text}" if text else f"{ending} without a banner")
