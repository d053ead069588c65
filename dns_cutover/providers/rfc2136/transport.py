"""The edge: one server, TCP, TSIG. Each call has a connection of its own; nothing is sent twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.tsig

from dns_cutover.errors import UsageError
from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.rfc2136.size import MAX_MESSAGE
from dns_cutover.providers.rfc2136.update import FUDGE, Answers, Question, UpdateReply, UpdateSpec
from dns_cutover.providers.rfc2136.wire import (
    Found,
    Garbage,
    Keyring,
    Read,
    TransferRecord,
    build_update,
    history_question,
    published_ttls,
    read_answer,
    read_reply,
    transfer_ended,
    transfer_message,
    transfer_records,
    whole_zone,
)
from dns_cutover.providers.secret import Secret
from dns_cutover.records import RRset

# Seconds. Only ever on a question, to find out whether the clock or the key is wrong.
WIDEST_FUDGE = 65535

ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")

# Questions on their way at once over one connection: all of their replies fit the socket's buffers.
PIPELINE = 64
# PowerDNS takes some 10 s for a full message where BIND takes 40 ms: a quarter of the patience more for each 2 KiB.
PATIENT_OCTETS = 8192

# A label that no zone has: what is given there comes from a wildcard.
PROBE = "dns-cutover-probe"


class _QuietKey(dns.tsig.Key):
    """A key whose repr has no secret: dnspython's has, and tracebacks with locals would show it."""

    def __repr__(self) -> str:
        return f"<TSIG key {self.name}>"


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A TSIG key (RFC 8945) with its secret kept out of sight."""

    name: str
    algorithm: str
    secret: Secret = field(repr=False)

    def keyring(self) -> Keyring:
        """As dnspython wants it. Raises Refused for a secret that is not base64, UsageError for an algorithm."""
        algorithm = self.algorithm.lower().rstrip(".")
        if algorithm not in ALGORITHMS:
            raise UsageError(
                f"the TSIG algorithm {self.algorithm} of key {self.name} is not used",
                "MD5 and SHA-1 are not to be used for new keys (RFC 8945 section 6).",
                (f"tsig-keygen -a hmac-sha256 {self.name.rstrip('.')}   a new key, for the server too",),
            )
        try:
            key = _QuietKey(self.name, self.secret.octets(), algorithm)
        except ValueError:
            raise Refused(
                f"the TSIG secret of key {self.name} is not base64",
                f"It was read from {self.secret.source}, {len(self.secret)} characters.",
                ("compare it with the server's key file: base64, no quotes, no line end",),
            ) from None
        return {key.name: key}


class DnsTransport:
    """One zone at one address and port, both pinned. `timeout` in seconds for connecting and for each round of answers.

    Implements `update.Transport`. Raises Refused (secret), UsageError (algorithm).
    """

    def __init__(
        self, zone: str, address: str, port: int, key: TsigKey, *, timeout: float = 10.0, fudge: int = FUDGE
    ) -> None:
        self.zone = zone
        self.address = address
        self.port = port
        self.fudge = fudge
        self.timeout = timeout
        self._keyring = key.keyring()
        self._key_name = next(iter(self._keyring))
        self._spelling: dict[tuple[str, str], dns.rdata.Rdata] = {}

    # -- the port -----------------------------------------------------------------------------------------------

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        """See Transport."""
        message: Any = build_update(self.zone, spec, self._spelling)
        self._sign(message, self.fudge)
        try:
            return (await self._exchange([message], writes=True))[0].about
        except dns.exception.TooBig:
            raise Refused(
                "the changes do not fit one message",
                f"A message has at most {MAX_MESSAGE} octets, and only one message is atomic.",
                ("put them into several stages",),
            ) from None

    async def query(self, questions: Collection[Question]) -> Answers:
        """See Transport. Whatever a wildcard may have given is checked against names that cannot exist (RFC 4592)."""
        asked = tuple(dict.fromkeys(questions))
        found, about = await self._ask(asked)
        if about.rcode != "NOERROR" or not about.signed:
            return Answers({}, about.server_time, await self._explain(about))
        synthetic, failed = await self._synthesised([q for q in asked if found[q].synthesis_possible])
        if failed is not None:
            return Answers({}, failed.server_time, failed)
        for question in asked:
            self._spelling.update(found[question].spelled)
        rrsets: dict[Question, RRset | None] = {q: None if q in synthetic else f.rrset for q, f in found.items()}
        detours = {q: f.detour for q, f in found.items() if f.detour and q not in synthetic}
        return Answers(rrsets, about.server_time, None, detours)

    async def history(self, since_serial: int) -> Mapping[Question, int] | None:
        """See Transport. Raises Unreachable when the stream breaks off."""
        query: Any = history_question(self.zone, since_serial)
        self._sign(query, self.fudge)
        records: list[TransferRecord] = []
        context: Any = None
        async with self._connection() as (reader, writer):
            with self._failures(maybe_applied=False):
                async with asyncio.timeout(self.timeout):
                    await _put(writer, query.to_wire())
                    while not transfer_ended(records, since_serial):
                        raw = await _get(reader)
                        if raw[3] & 0x0F:
                            return None  # not for this key, or not at all; Knot does not sign that
                        message = transfer_message(raw, query, self._keyring, context)
                        context = message.tsig_ctx
                        records += transfer_records(message)
                        if whole_zone(records):
                            return None
                    if not message.had_tsig:
                        raise Garbage("a transfer whose end is not signed")
        return published_ttls(records, since_serial)

    # -- questions ----------------------------------------------------------------------------------------------

    async def _ask(
        self, questions: Sequence[Question], fudge: int | None = None
    ) -> tuple[dict[Question, Found], UpdateReply]:
        """Answers over one connection, and what the last reply says, or the first that is no answer."""
        messages = []
        for (owner, rdtype), number in zip(questions, _ids(len(questions)), strict=True):
            message: Any = dns.message.make_query(owner, rdtype, flags=0, id=number)
            self._sign(message, self.fudge if fudge is None else fudge)
            messages.append(message)
        reads = await self._exchange(messages, writes=False)
        found: dict[Question, Found] = {}
        about = UpdateReply("NOERROR")
        for question, read in zip(questions, reads, strict=True):
            about = read.about
            if read.message is None or about.rcode not in ("NOERROR", "NXDOMAIN"):
                return found, about
            found[question] = read_answer(read.message, question, self.zone)
        return found, UpdateReply("NOERROR", about.server_time)

    async def _explain(self, about: UpdateReply) -> UpdateReply:
        """PowerDNS answers a wrong key and a wrong clock alike, unsigned; with a wide fudge the clock passes."""
        if about.signed or about.tsig_error or about.rcode != "NOTAUTH":
            return about
        try:
            _, again = await self._ask([(self.zone, "SOA")], WIDEST_FUDGE)
        except Unreachable:
            return about
        return UpdateReply(about.rcode, None, signed=False, tsig_error="BADTIME") if again.signed else about

    async def _synthesised(self, suspects: Sequence[Question]) -> tuple[set[Question], UpdateReply | None]:
        """Which of these came from a wildcard.

        One that gives nothing to a sibling that cannot exist gave nothing here either. Below `*.owner`, which a
        wildcard further up covers only if there is neither `owner` nor `*.owner`, the same label gives data exactly if
        `owner` does not exist.
        """
        out: set[Question] = set()
        siblings = {q: name for q in suspects if (name := _sibling(q[0], self.zone))}
        asked = [(n, q[1]) for q, n in siblings.items()]
        for below in (False, True):
            if not asked:
                return out, None
            found, about = await self._ask(tuple(dict.fromkeys(asked)))
            if about.rcode != "NOERROR" or not about.signed:
                return out, about
            covered = {q for q, found_q in found.items() if found_q.rrset is not None or found_q.synthesis_possible}
            if below:
                return {q for q in suspects if (_below(q[0]), q[1]) in covered}, None
            asked = [(n, q[1]) for q, s in siblings.items() if (s, q[1]) in covered and (n := _below(q[0]))]
        return out, None

    # -- the network --------------------------------------------------------------------------------------------

    def _sign(self, message: Any, fudge: int) -> None:
        message.use_tsig(self._keyring, keyname=self._key_name, fudge=fudge)

    async def _exchange(self, messages: Sequence[Any], *, writes: bool) -> list[Read]:
        """Send all over one connection, several on their way at once, and give their replies in the same order.

        Signed as late as can be: what the connection took is not taken from the time that a message may need.
        """
        reads: list[Read] = []
        async with self._connection() as (reader, writer):
            for start in range(0, len(messages), PIPELINE):
                batch = {m.id: m for m in messages[start : start + PIPELINE]}
                wires = [m.to_wire() for m in batch.values()]
                patience = self.timeout * (1 + (len(wires[0]) / PATIENT_OCTETS if writes else 0))
                replies: dict[int, Read] = {}
                with self._failures(maybe_applied=writes):
                    async with asyncio.timeout(patience):
                        await _put(writer, *wires)
                        while len(replies) < len(batch):
                            raw = await _get(reader)
                            number = int.from_bytes(raw[:2], "big")
                            if number not in batch or number in replies:
                                raise Garbage("an answer to another question")
                            replies[number] = read_reply(raw, batch[number], self._keyring)
                reads += (replies[number] for number in batch)
        return reads

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        with self._failures(maybe_applied=False):
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            yield reader, writer
        finally:
            # Not close(): what is not sent yet must not be sent by somebody who has gone.
            writer.transport.abort()

    @contextmanager
    def _failures(self, *, maybe_applied: bool) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise self._unreachable("It did not answer in time.", maybe_applied) from None
        except EOFError:
            raise self._unreachable("It closed the connection.", maybe_applied) from None
        except OSError as exc:
            raise self._unreachable(
                f"{os.strerror(exc.errno) if exc.errno else 'No connection'}.", maybe_applied
            ) from None
        except Garbage as exc:
            raise self._unreachable(f"It gave {exc}.", maybe_applied) from None
        except dns.exception.DNSException as exc:
            raise self._unreachable(f"Its answer cannot be read ({type(exc).__name__}).", maybe_applied) from None

    def _unreachable(self, why: str, maybe_applied: bool) -> Unreachable:
        label = self.address if self.port == 53 else f"{self.address} port {self.port}"
        port = "" if self.port == 53 else f"-p {self.port} "
        return Unreachable(
            f"{label} cannot be reached for updates over TCP",
            why,
            maybe_applied=maybe_applied,
            hints=(f"dig @{self.address} {port}+tcp SOA {self.zone}   does it answer at all?",),
        )


async def _put(writer: asyncio.StreamWriter, *wires: bytes) -> None:
    """Write messages, each with its length (RFC 1035 section 4.2.2)."""
    writer.write(b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires))
    await writer.drain()


async def _get(reader: asyncio.StreamReader) -> bytes:
    """Read one message. Raises EOFError at the end of the stream, Garbage for less than a header."""
    raw = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    if len(raw) < 12:
        raise Garbage("an answer that is no DNS message")
    return raw


def _ids(count: int) -> list[int]:
    """Random message ids, no two of them alike within one pipeline."""
    out: list[int] = []
    for start in range(0, count, PIPELINE):
        out += random.SystemRandom().sample(range(65536), min(PIPELINE, count - start))
    return out


def _sibling(owner: str, zone: str) -> str:
    """A name beside `owner` that cannot exist; empty where no wildcard can be meant."""
    name = dns.name.from_text(owner)
    if owner == zone or name.is_wild() or len(name.labels) < 2:
        return ""
    return _under(PROBE, name.parent())


def _below(owner: str) -> str:
    return _under(f"{PROBE}.*", dns.name.from_text(owner))


def _under(labels: str, name: dns.name.Name) -> str:
    try:
        return dns.name.from_text(labels, name).to_text()
    except dns.name.NameTooLong:
        return ""
