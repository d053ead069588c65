"""The edge: plain values to DNS messages with TSIG over TCP, through dnspython."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.rfc2136.message import Question, UpdateSpec
from dns_cutover.providers.secret import Secret
from dns_cutover.records import RRset
from dns_cutover.records.rdata import parse_rdata

# A message that arrives later than this is refused by the server, and so is one from a clock that is off by more.
FUDGE = 60


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to a batch of questions. `clock_offset`: the server's clock minus ours in seconds, if it tells."""

    rrsets: Mapping[Question, RRset | None]
    rcodes: Mapping[Question, str]
    clock_offset: float | None = None


class Transport(Protocol):
    """What the decision code asks of the network. Raises Unreachable, Refused."""

    async def update(self, spec: UpdateSpec) -> str:
        """Send one UPDATE; the response code's mnemonic."""
        ...

    async def query(self, questions: Collection[Question]) -> Answers:
        """Ask the server that takes the updates. NXDOMAIN and NODATA are None."""
        ...

    async def history(self, zone: str, since_serial: int) -> Mapping[Question, int] | None:
        """The highest TTL of every RRset that was published since that serial, by IXFR; None where it is not told."""
        ...


@dataclass(slots=True)
class TsigKey:
    """A TSIG key with its secret kept out of sight."""

    name: str
    algorithm: str
    secret: Secret = field(repr=False)

    def keyring(self) -> dict[dns.name.Name, dns.tsig.Key]:
        """As dnspython wants it. Raises Refused if the secret is no base64."""
        try:
            key = dns.tsig.Key(self.name, self.secret.reveal(), self.algorithm)
        except ValueError:
            raise Refused(
                f"the TSIG secret of key {self.name} is not base64",
                f"It was read from {self.secret.source}, {len(self.secret)} characters.",
                ("compare it with the server's key file: base64, no quotes, no line end",),
            ) from None
        return {key.name: key}


@dataclass(slots=True)
class DnsTransport:
    """One server by address and port. `timeout` in seconds for each exchange."""

    address: str
    port: int
    key: TsigKey
    timeout: float = 10.0
    label: str = ""

    def __post_init__(self) -> None:
        self.label = self.label or (self.address if self.port == 53 else f"{self.address}:{self.port}")

    async def update(self, spec: UpdateSpec) -> str:
        """Send one UPDATE; the response code's mnemonic. Raises Unreachable, Refused."""
        message = build_update(spec)
        message.use_tsig(self.key.keyring(), fudge=FUDGE)
        reply = (await self._exchange([message], writes=True))[0]
        return dns.rcode.to_text(reply.rcode())

    async def query(self, questions: Collection[Question]) -> Answers:
        """Ask all questions over one connection. Raises Unreachable, Refused."""
        messages = []
        for owner, rdtype in questions:
            message = dns.message.make_query(owner, rdtype, flags=0)
            message.use_tsig(self.key.keyring(), fudge=FUDGE)
            messages.append(message)
        sent = time.time()
        replies = await self._exchange(messages, writes=False)
        rrsets: dict[Question, RRset | None] = {}
        rcodes: dict[Question, str] = {}
        offset = None
        for (owner, rdtype), reply in zip(questions, replies, strict=True):
            rcodes[owner, rdtype] = dns.rcode.to_text(reply.rcode())
            found = None
            if reply.rcode() == dns.rcode.NOERROR:
                name, kind = dns.name.from_text(owner), dns.rdatatype.from_text(rdtype)
                rrset = next((r for r in reply.answer if r.name == name and r.rdtype == kind), None)
                found = RRset.from_rdataset(rrset) if rrset is not None else None
            rrsets[owner, rdtype] = found
            if reply.tsig is not None:
                signed = float(reply.tsig[0].time_signed)
                # Whole seconds, and the round trip: only more than that is a difference of clocks.
                now = time.time()
                offset = 0.0 if sent - 2 <= signed <= now + 2 else signed - now
        return Answers(rrsets, rcodes, offset)

    async def history(self, zone: str, since_serial: int) -> Mapping[Question, int] | None:
        """See Transport. An AXFR-style answer says nothing about the time between: None."""
        query = dns.message.make_query(zone, dns.rdatatype.IXFR)
        query.authority.append(dns.rrset.from_text(zone, 0, "IN", "SOA", f". . {since_serial} 0 0 0 0"))
        query.use_tsig(self.key.keyring(), fudge=FUDGE)
        try:
            records = await asyncio.wait_for(self._transfer(query, since_serial), self.timeout)
        except (dns.exception.DNSException, OSError, EOFError, TimeoutError, ValueError):
            return None
        return added_ttls(records)

    async def _transfer(self, query: dns.message.QueryMessage, since: int) -> list[TransferRecord]:
        """The stream of records of an IXFR (RFC 1995)."""
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            wire = query.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
            out: list[TransferRecord] = []
            ctx: Any = None
            while not transfer_ended(out, since):
                size = int.from_bytes(await reader.readexactly(2), "big")
                message = dns.message.from_wire(
                    await reader.readexactly(size),
                    keyring=self.key.keyring(),
                    request_mac=query.mac,
                    xfr=True,
                    tsig_ctx=ctx,
                    multi=True,
                    one_rr_per_rrset=True,
                )
                ctx = message.tsig_ctx
                if message.rcode() != dns.rcode.NOERROR:
                    raise ValueError(dns.rcode.to_text(message.rcode()))
                for rrset in message.answer:
                    rdata: Any = rrset[0]
                    serial = rdata.serial if rrset.rdtype == dns.rdatatype.SOA else None
                    question = (rrset.name.canonicalize().to_text(), dns.rdatatype.to_text(rrset.rdtype))
                    out.append(TransferRecord(question, rrset.ttl, serial))
            return out
        finally:
            writer.close()

    async def _exchange(self, messages: list[Any], *, writes: bool) -> list[dns.message.Message]:
        """Send messages one after another over one connection. `writes`: a missing reply may have been applied."""
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(self.address, self.port), self.timeout)
        except (OSError, TimeoutError) as exc:
            raise self._unreachable(exc, maybe_applied=False) from None
        try:
            replies = []
            for message in messages:
                wire = message.to_wire()
                writer.write(len(wire).to_bytes(2, "big") + wire)
                await asyncio.wait_for(writer.drain(), self.timeout)
                size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), self.timeout), "big")
                raw = await asyncio.wait_for(reader.readexactly(size), self.timeout)
                replies.append(self._parse(raw, message))
            return replies
        except (OSError, EOFError, TimeoutError) as exc:
            raise self._unreachable(exc, maybe_applied=writes) from None
        finally:
            writer.close()

    def _parse(self, raw: bytes, sent: Any) -> dns.message.Message:
        """A reply that is signed and ours. Raises Refused (TSIG), or Unreachable for garbage."""
        try:
            reply = dns.message.from_wire(raw, keyring=self.key.keyring(), request_mac=sent.mac, ignore_trailing=True)
        except dns.tsig.PeerError as exc:
            raise self._tsig(type(exc).__name__) from None
        except (dns.tsig.BadSignature, dns.tsig.BadTime, dns.tsig.BadKey, dns.message.UnknownTSIGKey) as exc:
            raise self._tsig(type(exc).__name__) from None
        except dns.exception.DNSException:
            # An unsigned error reply cannot be trusted, but it was not written either: its code is in the header.
            if len(raw) >= 12 and raw[:2] == sent.id.to_bytes(2, "big") and raw[3] & 0x0F:
                raise self._unsigned(raw[3] & 0x0F) from None
            raise self._unreachable(ValueError("an answer that is no DNS message"), maybe_applied=True) from None
        if reply.id != sent.id:
            raise self._unreachable(ValueError("an answer to another question"), maybe_applied=True)
        if not reply.had_tsig:
            raise self._unsigned(int(reply.rcode()))
        return reply

    def _unreachable(self, exc: BaseException, *, maybe_applied: bool) -> Unreachable:
        reason = (
            "it did not answer in time"
            if isinstance(exc, TimeoutError)
            else (
                exc.strerror or "the connection failed"
                if isinstance(exc, OSError)
                else str(exc) or "it closed the connection"
            )
        )
        return Unreachable(
            f"{self.label} cannot be reached for updates over TCP",
            f"{reason[:1].upper()}{reason[1:]}.",
            maybe_applied=maybe_applied,
            hints=(f"dig @{self.address} -p {self.port} +tcp SOA .   does it answer at all?",),
        )

    @property
    def _facts(self) -> tuple[tuple[str, str], ...]:
        secret = self.key.secret
        return (("used", f"{self.key.algorithm}, secret from {secret.source}, {len(secret)} characters"),)

    def _tsig(self, kind: str) -> Refused:
        name = self.key.name
        if "Time" in kind:
            return Refused(
                f"the clocks of this machine and of {self.label} differ by more than {FUDGE} s (BADTIME)",
                "TSIG refuses messages that may be late or replayed (RFC 8945 section 5.2.3).",
                ("set this machine's clock (NTP), then run the same command again",),
                self._facts,
            )
        if "Signature" in kind:
            return Refused(
                f"{self.label} does not accept the TSIG key {name} (BADSIG)",
                "The server knows the key's name, but the secret or the algorithm differs.",
                ("compare it with the server's key file: base64, no quotes, no line end",),
                self._facts,
            )
        return Refused(
            f"{self.label} does not accept the TSIG key {name} (BADKEY)",
            "The server does not know a key of that name, or its policy does not let the key do this.",
            (f"BIND: update-policy {{ grant {name} zonesub ANY; }};   Knot: acl with key: {name}, action: update",),
            self._facts,
        )

    def _unsigned(self, rcode: int) -> Refused:
        code = dns.rcode.to_text(dns.rcode.Rcode(rcode))
        if code == "NOTAUTH":
            return Refused(
                f"{self.label} does not accept the TSIG key {self.key.name} for this zone ({code}, unsigned)",
                "The secret differs, the clock is off, or the server is not authoritative for the zone.",
                ("compare key, clock and zone name with the server's configuration",),
                self._facts,
            )
        return Refused(
            f"{self.label} answered {code} without a signature",
            "An answer that is not signed proves nothing; nothing is taken as written.",
            ("check the zone name and the key in the server's configuration",),
            self._facts,
        )


def build_update(spec: UpdateSpec) -> dns.update.UpdateMessage:
    """The UPDATE message, unsigned. Prerequisites carry TTL 0: anything else is FORMERR (RFC 2136 section 2.4)."""
    update = dns.update.UpdateMessage(spec.zone)
    for p in spec.prereqs:
        owner = dns.name.from_text(p.owner)
        match p.kind:
            case "exists":
                update.present(owner, *[parse_rdata(p.rdtype, v) for v in p.values])
            case "absent":
                update.absent(owner, p.rdtype)
            case "unused":
                update.absent(owner)
    for op in spec.ops:
        owner = dns.name.from_text(op.owner)
        rdatas = [parse_rdata(op.rdtype, v) for v in op.values]
        match op.kind:
            case "add":
                update.add(owner, op.ttl, *rdatas)
            case "delete":
                update.delete(owner, *rdatas)
            case "clear":
                update.delete(owner, op.rdtype)
    return update


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One record of a transfer; `serial` for SOA records."""

    question: Question
    ttl: int
    serial: int | None


def _soas(records: list[TransferRecord]) -> list[int]:
    return [r.serial for r in records if r.serial is not None]


def transfer_ended(records: list[TransferRecord], since: int) -> bool:
    """Whether the stream is complete (RFC 1995 section 4): new SOA, (old SOA, deletions, SOA, additions)*, new SOA."""
    if not records or records[-1].serial is None:
        return False
    soas = _soas(records)
    if len(records) == 1:
        return soas[0] == since
    if records[1].serial is None:
        return len(soas) == 2  # a whole zone, AXFR style
    return len(soas) > 2 and len(soas) % 2 == 0 and soas[-1] == soas[0]


def added_ttls(records: list[TransferRecord]) -> Mapping[Question, int] | None:
    """The highest TTL of what was added since; None for an AXFR-style answer, which tells nothing of that time."""
    if len(records) == 1:
        return {}
    if records[1].serial is None:
        return None
    out: dict[Question, int] = {}
    part = 0
    for record in records[1:]:
        if record.serial is not None:
            part += 1
        elif part % 2 == 0:
            out[record.question] = max(out.get(record.question, 0), record.ttl)
    return out
