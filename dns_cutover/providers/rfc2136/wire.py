"""Plain values to dnspython messages and back. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.serial
import dns.tsig
import dns.update

from dns_cutover.providers.rfc2136.update import Question, UpdateReply, UpdateSpec
from dns_cutover.records import RRset
from dns_cutover.records.rdata import parse_rdata, rdata_text

Keyring: TypeAlias = dict[dns.name.Name, dns.tsig.Key]
Spelling: TypeAlias = Mapping[tuple[str, str], dns.rdata.Rdata]  # type, canonical text

_REPLY_ERRORS = {16: "BADSIG", 17: "BADKEY", 18: "BADTIME", 22: "BADTRUNC"}


class Garbage(ValueError):
    """A reply that is no DNS message, or none to this one."""


def build_update(zone: str, spec: UpdateSpec, spelling: Spelling | None = None) -> dns.update.UpdateMessage:
    """The UPDATE message, unsigned.

    Prerequisites carry TTL 0, anything else is FORMERR (RFC 2136 section 2.4). `spelling` has values as the server
    spells them: BIND and Knot compare names within newer types (SVCB, HTTPS) by case.
    """
    spelling = spelling or {}

    def rdatas(rdtype: str, values: Iterable[str]) -> list[dns.rdata.Rdata]:
        return [spelling.get((rdtype, v)) or parse_rdata(rdtype, v) for v in values]

    update = dns.update.UpdateMessage(zone)
    for p in spec.prereqs:
        owner = dns.name.from_text(p.owner)
        match p.kind:
            case "exists":
                update.present(owner, *rdatas(p.rdtype, p.values))
            case "absent":
                update.absent(owner, p.rdtype)
            case "unused":
                update.absent(owner)
    for op in spec.edits:
        owner = dns.name.from_text(op.owner)
        match op.kind:
            case "add":
                update.add(owner, op.ttl, *[parse_rdata(op.rdtype, v) for v in op.values])
            case "delete":
                update.delete(owner, *rdatas(op.rdtype, op.values))
            case "clear":
                update.delete(owner, op.rdtype)
    return update


@dataclass(frozen=True, slots=True)
class Read:
    """A reply: `message` only if it is signed well, `about` always."""

    about: UpdateReply
    message: dns.message.Message | None


def read_reply(raw: bytes, sent: dns.message.Message, keyring: Keyring) -> Read:
    """A reply to `sent`, its signature checked. Raises Garbage."""
    try:
        reply = dns.message.from_wire(raw, keyring=keyring, request_mac=sent.mac, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return _unproven(raw, sent)
    if not _answers(reply, sent):
        raise Garbage("an answer to another question")
    if reply.tsig is None:  # dnspython raises for it
        return _unproven(raw, sent)
    return Read(UpdateReply(dns.rcode.to_text(reply.rcode()), float(reply.tsig[0].time_signed)), reply)


def _unproven(raw: bytes, sent: dns.message.Message) -> Read:
    """What a reply says that is not signed, or not well: a hint at what is wrong, and no more."""
    try:
        reply = dns.message.from_wire(raw, keyring=False, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        raise Garbage("an answer that is no DNS message") from None
    if not _answers(reply, sent, hint=True):
        raise Garbage("an answer to another question")
    rcode = dns.rcode.to_text(reply.rcode())
    if reply.tsig is None:
        return Read(UpdateReply(rcode, signed=False), None)
    record: Any = reply.tsig[0]
    if record.error == 0:
        # The server signed, but we cannot agree: with another secret, or at a time that ours takes for wrong.
        return Read(UpdateReply(rcode, signed=False, tsig_error=_why_not(raw, sent)), None)
    told = int.from_bytes(record.other, "big") if record.error == dns.rcode.BADTIME and len(record.other) == 6 else None
    code = _REPLY_ERRORS.get(int(record.error), f"TSIG error {int(record.error)}")
    return Read(UpdateReply(rcode, told, signed=False, tsig_error=code), None)


def _why_not(raw: bytes, sent: dns.message.Message) -> str:
    keyring: Any = sent.keyring
    ring = keyring if isinstance(keyring, dict) else {keyring.name: keyring}
    try:
        dns.message.from_wire(raw, keyring=ring, request_mac=sent.mac, ignore_trailing=True)
    except dns.tsig.BadTime:
        return "BADTIME"
    except dns.message.UnknownTSIGKey:
        return "BADKEY"
    except (dns.exception.DNSException, ValueError):
        return "BADSIG"
    return ""


def _answers(reply: dns.message.Message, sent: dns.message.Message, *, hint: bool = False) -> bool:
    """Whether it is a response to `sent`. Error replies may leave the question out (RFC 2136 section 3.8)."""
    if reply.id != sent.id or not reply.flags & dns.flags.QR or reply.opcode() != sent.opcode():
        return False
    if reply.rcode() != dns.rcode.NOERROR and (hint or not reply.sections[0]):
        return True
    if sent.opcode() == dns.opcode.UPDATE and not reply.sections[0]:
        return True
    return list(reply.sections[0]) == list(sent.sections[0])


@dataclass(frozen=True, slots=True)
class Found:
    """What a signed answer holds at the owner asked for. `spelled`: its values by canonical text where they differ."""

    rrset: RRset | None
    detour: str
    synthesis_possible: bool
    spelled: Mapping[tuple[str, str], dns.rdata.Rdata]


def read_answer(reply: dns.message.Message, question: Question, zone: str) -> Found:
    """The RRset in the zone itself: from the answer, or at and below a zone cut from the referral."""
    owner, rdtype = dns.name.from_text(question[0]), dns.rdatatype.from_text(question[1])
    cut = _cut(reply, zone)
    sections = [reply.answer]
    if cut is not None:
        # The NS of a delegation is in a referral's authority section, its glue in the additional one.
        sections = [reply.authority] if question[1] == "NS" else [reply.additional]
    for section in sections:
        for rrset in section:
            if rrset.name == owner and rrset.rdtype == rdtype:
                spelled = {}
                for rdata in rrset:
                    text = rdata_text(rdata)
                    if rdata.to_text() != text:
                        spelled[question[1], text] = rdata
                return Found(RRset.from_rdataset(rrset), "", cut is None, spelled)
    if cut is not None:
        return Found(None, f"a delegation at {cut.canonicalize().to_text()}", False, {})
    for rrset in reply.answer:
        if rrset.rdtype == dns.rdatatype.DNAME and owner.is_subdomain(rrset.name):
            return Found(None, f"a DNAME at {rrset.name.canonicalize().to_text()}", False, {})
        if rrset.rdtype == dns.rdatatype.CNAME and rrset.name == owner:
            return Found(None, f"a CNAME at {question[0]}", True, {})
    return Found(None, "", False, {})


def _cut(reply: dns.message.Message, zone: str) -> dns.name.Name | None:
    """The owner of a referral's NS set (RFC 2181 section 6), below the zone's apex."""
    origin = dns.name.from_text(zone)
    if reply.flags & dns.flags.AA or reply.answer:
        return None
    for rrset in reply.authority:
        if rrset.rdtype == dns.rdatatype.NS and rrset.name != origin and rrset.name.is_subdomain(origin):
            return rrset.name
    return None


# -- the zone's history (RFC 1995) ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One record of a transfer; `serial` for SOA records."""

    question: Question
    ttl: int
    serial: int | None


def history_question(zone: str, since_serial: int) -> dns.message.QueryMessage:
    """The IXFR question, unsigned."""
    query = dns.message.make_query(zone, dns.rdatatype.IXFR, flags=0)
    query.authority.append(dns.rrset.from_text(zone, 0, "IN", "SOA", f". . {since_serial} 0 0 0 0"))
    return query


def transfer_message(raw: bytes, sent: Any, keyring: Keyring, context: Any) -> dns.message.Message:
    """One message of the stream; `context` is the signature's state after the one before (RFC 8945 section 5.3.1)."""
    message = dns.message.from_wire(
        raw,
        keyring=keyring,
        request_mac=sent.mac,
        xfr=True,
        tsig_ctx=context,
        multi=True,
        one_rr_per_rrset=True,
    )
    if message.id != sent.id:
        raise Garbage("an answer to another question")
    return message


def transfer_records(message: dns.message.Message) -> list[TransferRecord]:
    """The records of one message of the stream, in order."""
    out = []
    for rrset in message.answer:
        rdata: Any = rrset[0]
        serial = int(rdata.serial) if rrset.rdtype == dns.rdatatype.SOA else None
        question = (rrset.name.canonicalize().to_text(), dns.rdatatype.to_text(rrset.rdtype))
        out.append(TransferRecord(question, rrset.ttl, serial))
    return out


def whole_zone(records: Sequence[TransferRecord]) -> bool:
    """Whether it is the zone as it is, and not its history: the second record is no SOA (RFC 1995 section 4)."""
    return len(records) > 1 and records[1].serial is None


def transfer_ended(records: Sequence[TransferRecord], since: int) -> bool:
    """Whether an incremental stream is complete: new SOA, (old SOA, deletions, SOA, additions) …, new SOA."""
    if not records or records[-1].serial is None:
        return False
    if len(records) == 1:  # "you are up to date", unless the rest comes in further messages
        return bool(dns.serial.Serial(records[0].serial or 0) <= dns.serial.Serial(since))
    soas = [r.serial for r in records if r.serial is not None]
    return len(soas) % 2 == 0 and len(soas) > 2 and soas[-1] == soas[0]


def published_ttls(records: Sequence[TransferRecord], since: int) -> Mapping[Question, int] | None:
    """The highest TTL of what was added in any version of a complete stream, by RRset; None where it does not tell.

    Deleted records only repeat what the version at the question's serial had, or what an earlier part of the stream
    added: counting them would take a lowered TTL's old version for one published since.
    """
    if len(records) == 1 and records[0].serial != since:
        return None  # the server is behind that serial: another zone's history, or a restored one
    out: dict[Question, int] = {}
    part = 0
    for record in records[1:]:
        if record.serial is not None:
            part += 1
        elif part % 2 == 0:
            out[record.question] = max(out.get(record.question, 0), record.ttl)
    return out
