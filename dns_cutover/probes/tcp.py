"""A TCP connection to the target, optionally with a banner."""

from __future__ import annotations

import asyncio

from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.network import dial
from dns_cutover.probes.resolve import Resolve

MAX_BANNER = 4096


async def probe(spec: ProbeSpec, resolve: Resolve) -> tuple[Verdict, str]:
    """Success: connected, and the banner has `expect`. Raises what `network.judge` knows."""
    host, port = str(spec.options["target"]), int(spec.options["port"])
    reader, writer, address = await dial(host, port, resolve)
    try:
        if send := spec.options.get("send"):
            writer.write(str(send).encode())
            await writer.drain()
        expect = spec.options.get("expect")
        if not expect:
            return Verdict.SUCCESS, f"connected to {address}"
        banner = b""
        while str(expect).encode() not in banner and len(banner) < MAX_BANNER:
            chunk = await reader.read(1024)
            if not chunk:
                break
            banner += chunk
        text = banner.decode("utf-8", "replace").strip()
        if str(expect).encode() in banner:
            return Verdict.SUCCESS, text
        return Verdict.FAILURE, text or "closed without a banner"
    finally:
        writer.close()
        await asyncio.sleep(0)
