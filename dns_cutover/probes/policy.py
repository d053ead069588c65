"""Reading a domain's MTA-STS policy as a sender does (RFC 8461 section 3.3)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import httpcore

from dns_cutover.probes.network import judge

MAX_POLICY = 64 * 1024  # bytes: what senders read at most (section 3.2)
PATH = "/.well-known/mta-sts.txt"


async def read_policy(
    host: str,
    *,
    timeout: float,
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    backend: httpcore.AsyncNetworkBackend | None = None,
) -> str | None:
    """The policy's text over verified HTTPS, no redirect followed; None where no sender would get one either.

    `timeout` in seconds, for all of it. Never raises for the network.
    """
    try:
        async with (
            asyncio.timeout(timeout),
            httpcore.AsyncConnectionPool(ssl_context=trust(), network_backend=backend) as pool,
            pool.stream("GET", f"https://{host}{PATH}", headers={"Host": host, "Connection": "close"}) as response,
        ):
            if response.status != 200:
                return None
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > MAX_POLICY:
                    return None
            return body.decode("utf-8", "replace")
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        return None
    except Exception as exc:
        if judge(exc) is None:
            raise
        return None
