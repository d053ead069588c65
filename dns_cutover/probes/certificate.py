"""Reading the certificate that a TLS server shows for a name, trusted or not. Sends nothing but the handshake.

`ssl` gives a certificate's fields only where it was verified. One that nobody trusts is therefore read in two steps:
its bytes from a handshake without verification, its fields from another one in which exactly these bytes are the anchor
of trust. What is learned in that way is what the certificate says of itself, and is marked as not trusted.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dns_cutover.probes.detail import shown
from dns_cutover.probes.interface import Verdict
from dns_cutover.probes.network import judge

MAX_PLACES = 64  # connected to in one examination: a plan is not to scan networks
MAX_NAMES = 200  # of one certificate that are kept
_AT_ONCE = 16
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h
_ASTERISK = "dns-cutover-check"  # a wildcard answers for any label

Place = tuple[str, str, int]
"""Host name for SNI, IP address, port."""


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """What a server showed. `names` are DNS names and IP addresses, `not_after` seconds UTC, `issuer` the organisation.

    `problem` is empty, "not trusted: …", or why nothing was shown ("connection refused"); then `names` is empty.
    """

    host: str
    address: str
    port: int
    names: tuple[str, ...] = ()
    not_after: float | None = None
    issuer: str = ""
    problem: str = ""


async def read_certificates(
    places: Sequence[Place],
    *,
    timeout: float = 5.0,
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
) -> tuple[ShownCertificate, ...]:
    """What the first MAX_PLACES of `places` show, a few at a time, each within three times `timeout` (seconds).

    Left out is what cannot be told from here: no route, no IPv6, no descriptors. `trust` makes a context with the
    authorities that count. Never raises for the network.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    context = trust()
    # Whether the name fits is judged by whoever reads the names.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED

    async def one(place: Place) -> ShownCertificate | None:
        async with gate:
            return await _read(place, context, timeout)

    found = await asyncio.gather(*(one(p) for p in tuple(dict.fromkeys(places))[:MAX_PLACES]))
    return tuple(c for c in found if c is not None)


async def _read(place: Place, context: ssl.SSLContext, timeout: float) -> ShownCertificate | None:
    try:
        return _certificate(place, (await _handshake(place, context, timeout))[0])
    except Exception as exc:
        outcome = judge(exc)
        if outcome is None:
            raise
        if not isinstance(exc, ssl.SSLCertVerificationError):
            return None if outcome.verdict is Verdict.ERROR else ShownCertificate(*place, problem=outcome.detail)
    problem = f"not trusted: {outcome.detail}"
    try:
        _, raw = await _handshake(place, _unverified(), timeout)
        fields, _ = await _handshake(place, _anchored(raw), timeout)
    except Exception as exc:
        if judge(exc) is None:
            raise
        return ShownCertificate(*place, problem=problem)
    return _certificate(place, fields, problem)


async def _handshake(place: Place, context: ssl.SSLContext, timeout: float) -> tuple[Any, bytes]:
    """The certificate's fields (empty if it was not verified) and its DER bytes."""
    host, address, port = place
    name = f"{_ASTERISK}{host[1:]}" if host.startswith("*.") else host
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        tls = writer.get_extra_info("ssl_object")
        return tls.getpeercert(), tls.getpeercert(True)
    finally:
        # Not close(): that waits for the other side's farewell, and nothing was said.
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _anchored(raw: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=raw)
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    return context


def _certificate(place: Place, fields: Any, problem: str = "") -> ShownCertificate:
    names = tuple(
        shown(str(value)) for kind, value in fields.get("subjectAltName", ()) if kind in ("DNS", "IP Address")
    )
    issuer = {key: value for part in fields.get("issuer", ()) for key, value in part}
    return ShownCertificate(
        *place,
        names=names[:MAX_NAMES],
        not_after=float(ssl.cert_time_to_seconds(fields["notAfter"])) if "notAfter" in fields else None,
        issuer=shown(str(issuer.get("organizationName") or issuer.get("commonName") or "")),
        problem=problem,
    )
