"""An SMTP dialogue up to EHLO, STARTTLS, or a recipient; no message is ever sent.

The certificate is checked against the name that the plan gives, whatever address is connected to: the address of a
mail host follows from DNS, and DNS is what is being changed.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Literal

import aiosmtplib
from pydantic import Field, field_validator

from dns_cutover.probes.authorities import trusting
from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.kind import Options, Outcome, read_options
from dns_cutover.probes.network import first_reachable
from dns_cutover.probes.resolve import Resolve, addresses_of

_DAY = 86400.0
_LINE = Annotated[str, Field(min_length=1, max_length=255)]


class SmtpOptions(Options):
    """`target`: the mail host's name, which is also the certificate's, or an address. `address`: an IP address to
    connect to instead of what the name resolves to.

    `verify`: true (the system's authorities), false, or a PEM file with the only authorities to trust; None: true where
    STARTTLS is required, as between mail hosts an unverified certificate is better than none (RFC 7435). `valid_for`:
    seconds for which the certificate must still be valid. `recipient` is asked for with RCPT TO, from `sender` (empty:
    the null reverse-path), and taken back by RSET. `helo`: how we call ourselves; an address literal if None
    (RFC 5321 section 4.1.3).
    """

    target: _LINE
    address: _LINE | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    starttls: Literal["required", "optional", "never"] = "optional"
    verify: bool | Annotated[str, Field(min_length=1)] | None = None
    valid_for: Annotated[float, Field(ge=0)] = 0.0
    banner: _LINE | None = None
    recipient: _LINE | None = None
    sender: Annotated[str, Field(max_length=255)] = ""
    helo: _LINE | None = None

    @field_validator("recipient", "sender", "helo", "banner")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable()):
            raise ValueError("what is said to a mail host is one line of printable ASCII")
        return value

    @field_validator("recipient", "sender")
    @classmethod
    def _mailbox(cls, value: str | None) -> str | None:
        if value and (value.count("@") != 1 or any(c in value for c in " <>") or value[0] == "@" or value[-1] == "@"):
            raise ValueError("a mailbox is written as postmaster@example.com")
        return value


class _Ended(Exception):
    """The dialogue ends with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


def _failed(detail: str) -> _Ended:
    return _Ended(Outcome(Verdict.FAILURE, detail))


class SmtpKind:
    """Implements `kind.Kind`. Success: every reply was positive, and TLS is as the options want it.

    A negative reply is a failure, with its code: 421 and other 4yz replies are called temporary, 5yz permanent (RFC
    5321 section 4.2.1). There is one exception: a 4yz to the recipient is an error, since a host that asks
    to come again (greylisting, RFC 6647) neither takes nor refuses mail: it could not be told. `now` is seconds UTC.
    """

    def __init__(self, resolve: Resolve, now: Callable[[], float] = time.time) -> None:
        self._resolve = resolve
        self._now = now

    def check(self, spec: ProbeSpec) -> None:
        """See `Kind`."""
        read_options(SmtpOptions, spec)

    async def probe(self, spec: ProbeSpec) -> Outcome:
        """See `Kind`."""
        o = read_options(SmtpOptions, spec)
        # Before anything is connected to: authorities that cannot be read are our own trouble.
        verify = o.verify if o.verify is not None else o.starttls == "required"
        context = trusting(verify) if o.starttls != "never" else None
        addresses = await addresses_of(o.address or o.target, self._resolve)
        client: aiosmtplib.SMTP | None = None
        try:
            found = await first_reachable(addresses, spec.timeout, lambda a: _connect(a, o, spec.timeout))
            client = found[0]
            return await self._dialogue(*found, o, context)
        except _Ended as end:
            return end.outcome
        except aiosmtplib.SMTPResponseException as exc:
            # -1 is how the library says that what came is no reply.
            said = _reply(exc.code, exc.message) if exc.code >= 0 else "an answer that is no SMTP"
            return Outcome(Verdict.FAILURE, said)
        finally:
            if client is not None:
                client.close()
            await asyncio.sleep(0)  # the loop needs one turn to close the socket

    async def _dialogue(
        self, client: aiosmtplib.SMTP, address: str, o: SmtpOptions, context: ssl.SSLContext | None
    ) -> Outcome:
        said = [f"connected to {address}"]
        await _greet(client, "EHLO")
        if context is not None:
            if client.supports_extension("starttls"):
                await client.starttls(server_hostname=o.target, tls_context=context)
                said.append(self._secured(client, o))
                await _greet(client, "EHLO after STARTTLS")
            elif o.starttls == "required":
                raise _failed("STARTTLS is not offered")
            else:
                said.append("STARTTLS is not offered")
        if o.recipient is not None:
            said.append(await _recipient(client, o.recipient, o.sender))
        with suppress(aiosmtplib.SMTPException):
            await client.quit()  # how it says goodbye is no matter
        return Outcome(Verdict.SUCCESS, ", ".join(said))

    def _secured(self, client: aiosmtplib.SMTP, o: SmtpOptions) -> str:
        tls = client.get_transport_info("ssl_object")
        ends = (tls.getpeercert() or {}).get("notAfter")  # there is none where nothing is verified
        if ends is None:
            return str(tls.version())
        left = ssl.cert_time_to_seconds(ends) - self._now()
        if left < o.valid_for:
            raise _failed(f"certificate expires in {left / _DAY:.1f} days")
        return f"{tls.version()}, certificate valid for {left / _DAY:.0f} days"


async def _connect(address: str, o: SmtpOptions, timeout: float) -> aiosmtplib.SMTP:
    """Connected, and greeted as wanted."""
    client = aiosmtplib.SMTP(
        hostname=address, port=o.port, timeout=timeout, start_tls=False, local_hostname=o.helo or "pending.invalid"
    )
    try:
        greeting = await client.connect()
    except aiosmtplib.SMTPConnectResponseError as exc:
        raise _failed(f"greets with {_reply(exc.code, exc.message)}") from None
    if o.helo is None:
        own = str(client.get_transport_info("sockname")[0])
        client.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
    if o.banner is not None and o.banner not in greeting.message:
        client.close()
        raise _failed(f"unexpected banner: {greeting.message}")
    return client


async def _greet(client: aiosmtplib.SMTP, what: str) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as exc:
        raise _failed(f"{what}: {_reply(exc.code, exc.message)}") from None


async def _recipient(client: aiosmtplib.SMTP, recipient: str, sender: str) -> str:
    try:
        await client.mail(sender)
    except aiosmtplib.SMTPResponseException as exc:
        raise _failed(f"MAIL FROM:<{sender}>: {_reply(exc.code, exc.message)}") from None
    try:
        await client.rcpt(recipient)
    except aiosmtplib.SMTPResponseException as exc:
        verdict = Verdict.ERROR if 400 <= exc.code < 500 and exc.code != 421 else Verdict.FAILURE
        raise _Ended(Outcome(verdict, f"RCPT TO:<{recipient}>: {_reply(exc.code, exc.message)}")) from None
    await client.rset()
    return f"takes mail for {recipient}"


def _reply(code: int, text: str) -> str:
    kind = {4: "temporary", 5: "permanent"}.get(code // 100)
    return f"{code} {text}" + (f" ({kind})" if kind else "")
