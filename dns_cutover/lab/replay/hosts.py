"""Mail hosts of the replay: vendors that send, receivers that judge, the canary's own host. Real SMTP throughout."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import aiosmtplib
import dkim
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dns_cutover.clock import Clock
from dns_cutover.lab.client import Line
from dns_cutover.lab.replay.arms import FAULT, MAIL_EVERY, Fault
from dns_cutover.lab.replay.judging import judge
from dns_cutover.lab.sockets import HOST
from dns_cutover.lab.wire import records
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.mail.answers import Question, Unlearned
from dns_cutover.records import RRset

DOMAIN = "example.test"
BITS = 1024  # the shortest that receivers take (RFC 8301): thousands of signatures are made
TIMEOUT = 20.0  # real seconds
DNS_TIMEOUT = 2.0  # real seconds


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A DKIM key, made for one world. `record` is what stands in DNS."""

    pem: bytes = field(repr=False)
    record: str

    @classmethod
    def new(cls) -> SigningKey:
        """A fresh one."""
        key = rsa.generate_private_key(65537, BITS)
        encoding, private = serialization.Encoding, serialization.PrivateFormat.TraditionalOpenSSL
        pem = key.private_bytes(encoding.PEM, private, serialization.NoEncryption())
        public = key.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side said to a message."""

    code: int
    text: str


@dataclass(slots=True)
class Vendor:
    """Sends from `address`, signed as `selector`; from `wrong` and unsigned while its fault lasts."""

    name: str
    address: str
    wrong: str
    key: SigningKey
    selector: str
    clock: Clock
    fault: Fault | None = None
    used_at: float | None = None
    used_by_users_at: float | None = None
    _sessions: dict[tuple[str, int], aiosmtplib.SMTP] = field(default_factory=dict)
    _number: int = 0
    _made: tuple[float, tuple[bytes, bytes]] | None = None

    @property
    def fault_at(self) -> float | None:
        """When the fault begins (lab seconds); None: nothing has happened yet that it follows."""
        if self.fault is None:
            return None
        first = self.used_by_users_at if self.fault.users else self.used_at
        return first + self.fault.after if first is not None else None

    def broken(self, now: float, *, canary: bool) -> bool:
        """Whether a message of this moment goes the wrong way."""
        begin = self.fault_at
        spared = canary and self.fault is not None and self.fault.blind
        return begin is not None and begin <= now < begin + FAULT and not spared

    async def send(self, to: str, port: int, *, canary: bool = False) -> Reply:
        """One message, made now. Each call for one port must have ended before the next."""
        now = self.clock.now()
        if self.used_at is None:
            self.used_at = now
        if self.used_by_users_at is None and not canary:
            self.used_by_users_at = now
        wrong = self.broken(now, canary=canary)
        plain, signed = self._mailing(now)
        return await self._deliver(self.wrong if wrong else self.address, to, port, plain if wrong else signed)

    def _mailing(self, now: float) -> tuple[bytes, bytes]:
        """The message of this time, unsigned and signed. All receivers get the same one: signing takes milliseconds."""
        if self._made is not None and self._made[0] == now // MAIL_EVERY:
            return self._made[1]
        self._number += 1
        lines = (
            f"From: App <app@{DOMAIN}>",
            f"To: <everybody@{DOMAIN}>",
            f"Subject: Notice {self._number}",
            f"Message-ID: <{self._number}.{self.name}@{DOMAIN}>",
            "",
            "Something happened that you wanted to hear of.",
            "",
        )
        plain = "\r\n".join(lines).encode()
        headers = [b"From", b"To", b"Subject", b"Message-ID"]
        line: bytes = dkim.sign(plain, self.selector.encode(), DOMAIN.encode(), self.key.pem, include_headers=headers)
        self._made = now // MAIL_EVERY, (plain, line + plain)
        return self._made[1]

    async def _deliver(self, source: str, to: str, port: int, message: bytes) -> Reply:
        try:
            client = await self._session(source, port)
            await client.mail(f"bounces@{DOMAIN}")
            await client.rcpt(to)
            said = await client.data(message)
        except aiosmtplib.SMTPResponseException as exc:
            return Reply(exc.code, exc.message)
        return Reply(said.code, said.message)

    async def _session(self, source: str, port: int) -> aiosmtplib.SMTP:
        """A connection stays open, as those of busy senders do."""
        client = self._sessions.get((source, port))
        if client is None or not client.is_connected:
            client = aiosmtplib.SMTP(
                hostname=HOST,
                port=port,
                source_address=(source, 0),
                local_hostname=f"relay.{self.name}.test",
                start_tls=False,
                timeout=TIMEOUT,
            )
            await client.connect()
            await client.ehlo()
            self._sessions[source, port] = client
        return client

    def close(self) -> None:
        """Drop all connections."""
        for client in self._sessions.values():
            client.close()
        self._sessions.clear()


class MailHost:
    """Listens for SMTP on a port that the system chose; `handler` is one of aiosmtpd's."""

    def __init__(self, name: str, handler: Any) -> None:
        self.name = name
        self.port = 0
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._open: set[SMTP] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(self._protocol, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        loop = asyncio.get_running_loop()
        return SMTP(self._handler, hostname=self.name, ident="lab", loop=loop, enable_SMTPUTF8=False)

    async def stop(self) -> None:
        """Take no more connections; open ones end with their clients."""
        if self._server is not None:
            self._server.close()
            self._server = None


class Receiver:
    """Takes or refuses mail by what its own resolver says: 550 for DMARC, 451 where DNS does not answer."""

    def __init__(self, name: str, resolver: Endpoint, reader: Reader) -> None:
        self.name = name
        self.host = MailHost(f"mx.{name}.test", self)
        self._resolver = resolver
        self._reader = reader
        self._line: Line | None = None

    @property
    def mailbox(self) -> str:
        """Who gets the mail."""
        return f"user@{self.name}.test"

    async def start(self) -> None:
        """Listen."""
        self._line = await Line.to(self._resolver)
        await self.host.start()

    async def stop(self) -> None:
        """Stop."""
        await self.host.stop()
        if self._line is not None:
            self._line.close()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """A whole message has come."""
        known: dict[Question, tuple[str, ...]] = {}

        def answers(name: str, rdtype: str) -> tuple[str, ...]:
            if (name, rdtype) not in known:
                raise Unlearned((name, rdtype))
            return known[name, rdtype]

        while True:
            try:
                found = judge(session.peer[0], envelope.mail_from, envelope.content, answers)
            except Unlearned as exc:
                values = await self.ask(*exc.question)
                if values is None:
                    return f"451 4.4.3 no answer about {exc.question[0]}"
                known[exc.question] = values
                continue
            return "250 2.0.0 taken" if found.taken else f"550 5.7.1 refused by the policy of {DOMAIN}: {found.why}"

    async def ask(self, name: str, rdtype: str) -> tuple[str, ...] | None:
        """What its resolver says, aliases followed; None: it does not answer."""
        assert self._line is not None, "it was started"
        data = await self._line.ask(question(name, rdtype), DNS_TIMEOUT)
        return self._reader.read(data, rdtype) if data is not None else None


@lru_cache(maxsize=1024)
def question(name: str, rdtype: str) -> bytes:
    """A question to a resolver, in wire format."""
    return dns.message.make_query(name, rdtype).to_wire()


class Reader:
    """Reads answers. Most differ from one that was read before in nothing but their TTLs."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, ...] | None] = {}

    def read(self, data: bytes, rdtype: str) -> tuple[str, ...] | None:
        """The RDATA of that type, empty for absence; None where the answer is none."""
        try:
            same = bytearray(data[2:])
            for record in records(data):
                same[record.ttl_at - 2 : record.ttl_at + 2] = bytes(4)
            key = bytes(same)
            if key not in self._known:
                self._known[key] = _values(dns.message.from_wire(data), rdtype)
        except (dns.exception.DNSException, ValueError):
            return None
        return self._known[key]


def _values(message: dns.message.Message, rdtype: str) -> tuple[str, ...] | None:
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return None
    wanted = dns.rdatatype.from_text(rdtype)
    return next((RRset.from_rdataset(r).values for r in message.answer if r.rdtype == wanted), ())


class Canary:
    """The host that the plan's probes talk to. RCPT TO:<new@…> makes it send a message through that vendor to a
    receiver that caches nothing; the recipient is taken if the message was.

    `alarm(now)`: whether it fails for no reason.
    """

    def __init__(
        self, vendors: dict[str, Vendor], receiver: Receiver, clock: Clock, alarm: Callable[[float], bool]
    ) -> None:
        self.host = MailHost(f"canary.{DOMAIN}", self)
        self._vendors = vendors
        self._receiver = receiver
        self._clock = clock
        self._alarm = alarm
        self._sending = asyncio.Lock()  # two probes at a time would mix their dialogues

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """A probe asks."""
        which = address.partition("@")[0]
        vendor = self._vendors.get(which)
        if vendor is None:
            return "550 5.1.1 no such canary"
        if which == "new" and self._alarm(self._clock.now()):
            return "550 5.3.0 the canary's host has a fault of its own"
        async with self._sending:
            said = await vendor.send(self._receiver.mailbox, self._receiver.host.port, canary=True)
        if said.code >= 400:
            return f"550 5.7.1 the canary was refused: {said.code} {said.text}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 the canary arrived"
