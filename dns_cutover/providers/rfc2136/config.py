"""From what a plan says to a provider."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from dns_cutover.address import split_address
from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
from dns_cutover.providers.rfc2136.refusal import Place
from dns_cutover.providers.rfc2136.transport import DnsTransport, TsigKey
from dns_cutover.providers.rfc2136.update import FUDGE
from dns_cutover.providers.secret import Secret


def one_address(host: str) -> str:
    """One address of `host`: two servers behind one name would take two different writes. Raises Unavailable."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise Unavailable(
            f"the server {host} has no address", f"{reason}.", ("write its address into provider.server",)
        ) from None


def from_config(
    zone_ref: str,
    zone: str,
    *,
    server: str,
    key_name: str,
    algorithm: str,
    secret: Callable[[], Secret],
    propagation_bound: float = 0.0,
    lock: object = "zone",
    timeout: float = 10.0,
    resolve: Callable[[str], str] = one_address,
    now: Callable[[], float] = time.time,
) -> Rfc2136Provider:
    """A provider for `zone` (absolute) at `server` ("host", "host:port", "[v6]:port"), resolved once and then pinned.

    `secret` is called once. `now` must be the clock that signs, which is this machine's, whatever clock waits are
    measured by. Raises Unavailable (address, secret), UsageError (server, algorithm), Refused (secret is no base64).
    """
    try:
        host, port = split_address(server)
    except ValueError as exc:
        raise UsageError(f"provider.server: {exc}") from None
    key = TsigKey(key_name, algorithm, secret())
    transport = DnsTransport(zone, resolve(host), port or 53, key, timeout=timeout)
    place = Place(server, zone, key_name, algorithm, key.secret.source, len(key.secret), FUDGE)
    return Rfc2136Provider(zone_ref, zone, transport, now, place=place, propagation_bound=propagation_bound, lock=lock)
