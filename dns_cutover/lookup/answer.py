"""Questions and answers as values, and the way between them and the wire. Pure.

What comes from the wire is hostile: an answer counts only with the id and the question that were sent, and whatever
cannot be parsed is a word, never an exception.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dns_cutover.records import RRset

UDP_PAYLOAD = 1232  # avoids fragments (DNS flag day 2020)
MAX_NSID = 64  # octets of an NSID that are kept: it only tells caches apart


@dataclass(frozen=True, slots=True)
class Section:
    """One RRset of an answer: owner, type, RRset."""

    owner: str
    rdtype: str
    rrset: RRset


@dataclass(frozen=True, slots=True)
class Reply:
    """A usable answer. `rcode` is the mnemonic, `ede` extended error codes (RFC 8914), `rtt` real seconds.

    `nsid` (RFC 5001) is text where it is printable ASCII, else hexadecimal. `edns` is the version in the answer's OPT
    record, -1 where it has none; `options` are the codes of its EDNS options.
    """

    rcode: str
    aa: bool
    answer: tuple[Section, ...]
    authority: tuple[Section, ...]
    additional: tuple[Section, ...]
    ede: tuple[int, ...]
    nsid: str
    rtt: float
    tcp: bool
    tc: bool = False
    edns: int = -1
    options: tuple[int, ...] = ()

    def find(self, owner: str, rdtype: str) -> RRset | None:
        """The RRset of that owner and type in the answer section."""
        return next((s.rrset for s in self.answer if s.owner == owner and s.rdtype == rdtype), None)

    @property
    def soa(self) -> Section | None:
        """The SOA of a negative answer (RFC 2308 section 3)."""
        return next((s for s in self.authority if s.rdtype == "SOA"), None)


@dataclass(frozen=True, slots=True)
class NoReply:
    """No usable answer. `wrong`: the server answered, but nonsense; else it did not answer."""

    reason: str
    wrong: bool = False


Outcome: TypeAlias = Reply | NoReply


def usable(outcome: Outcome) -> bool:
    """Whether it is an answer, be it that there is nothing."""
    return isinstance(outcome, Reply) and outcome.rcode in ("NOERROR", "NXDOMAIN")


class Reject(StrEnum):
    """Why something that arrived is no answer to the question."""

    ID = "another id"
    QUESTION = "another question"
    MALFORMED = "no DNS message"


def negative_ttl(soa: Section) -> int:
    """For how long a negative answer with this SOA may be kept (RFC 2308 section 5), in seconds."""
    return min(soa.rrset.ttl, int(soa.rrset.values[0].split()[6]))


def make_question(
    owner: str,
    rdtype: str,
    *,
    recurse: bool,
    edns: bool = True,
    checking_disabled: bool = False,
    dnssec: bool = False,
) -> dns.message.Message:
    """A query with a random id. AD and DO are off: the answer is to be what ordinary clients get.

    `dnssec` sets DO (RFC 3225), for who wants to see the signatures.
    """
    flags = (dns.flags.RD if recurse else 0) | (dns.flags.CD if checking_disabled else 0)
    query = dns.message.make_query(owner, rdtype, flags=flags)
    query.id = secrets.randbits(16)
    if edns:
        do = dns.flags.DO if dnssec else 0
        nsid = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
        query.use_edns(0, do, payload=UDP_PAYLOAD, options=[nsid])
    return query


def make_edns_test(owner: str, rdtype: str, version: int, option: int | None) -> dns.message.Message:
    """A query with any EDNS version, and perhaps an empty option of any code: how a server takes it tells whether it
    will live with what is to come (RFC 6891 sections 6.1.2 and 6.1.3).
    """
    query = dns.message.make_query(owner, rdtype, flags=0)
    query.id = secrets.randbits(16)
    options: list[dns.edns.Option] = []
    if option is not None:
        options.append(dns.edns.GenericOption(dns.edns.OptionType.make(option), b""))
    query.use_edns(version, payload=UDP_PAYLOAD, options=options)
    return query


def read_reply(data: bytes, query: dns.message.Message, rtt: float, *, tcp: bool) -> Reply | Reject:
    """`data` as the answer to `query`, or why it is none."""
    if not is_response(data):
        return Reject.MALFORMED
    if data[:2] != query.id.to_bytes(2, "big"):
        return Reject.ID
    message = _parsed(data)
    if message is None:
        return Reject.MALFORMED
    if message.question != query.question and not _refuses_unread(message):
        return Reject.QUESTION
    return _reply(message, rtt, tcp=tcp, tc=_cut_off(data)) or Reject.MALFORMED


def is_response(data: bytes) -> bool:
    """Whether it has a header, and that is of a response to a query."""
    return len(data) >= 12 and data[2] & 0xF8 == 0x80


def read_matched(data: bytes, rtt: float, *, tcp: bool, question: bool = True) -> Reply | Reject:
    """`data`, a response whose id and question are known to be those that were sent. `question`: False for one that
    has no question section, which only an error may lack.
    """
    message = _parsed(data)
    if message is None:
        return Reject.MALFORMED
    if not question and not _refuses_unread(message):
        return Reject.QUESTION
    return _reply(message, rtt, tcp=tcp, tc=_cut_off(data)) or Reject.MALFORMED


def _cut_off(data: bytes) -> bool:
    return bool(data[2] & 0x02)


def _parsed(data: bytes) -> dns.message.Message | None:
    try:
        # What stands in a truncated message does not count, and may be cut anywhere.
        return dns.message.from_wire(data, ignore_trailing=True, question_only=_cut_off(data))
    except (dns.exception.DNSException, ValueError):
        return None


def _refuses_unread(message: dns.message.Message) -> bool:
    """A server that did not understand the query may answer without a question section, but only with an error."""
    return not message.question and message.rcode() != dns.rcode.NOERROR and not message.answer


def _reply(message: dns.message.Message, rtt: float, *, tcp: bool, tc: bool) -> Reply | None:
    ede, nsid = [], b""
    for option in message.options:
        if isinstance(option, dns.edns.EDEOption):
            ede.append(int(option.code))
        elif isinstance(option, dns.edns.NSIDOption):
            nsid = option.nsid[:MAX_NSID]
    try:
        return Reply(
            dns.rcode.to_text(message.rcode()),
            bool(message.flags & dns.flags.AA),
            _sections(message.answer),
            _sections(message.authority),
            _sections(message.additional),
            tuple(ede),
            nsid.decode("ascii") if all(0x21 <= octet <= 0x7E for octet in nsid) else nsid.hex(),
            rtt,
            tcp,
            tc,
            message.edns,
            tuple(int(option.otype) for option in message.options),
        )
    except (dns.exception.DNSException, ValueError):
        return None  # data that has no text form


def _sections(rrsets: Iterable[dns.rrset.RRset]) -> tuple[Section, ...]:
    return tuple(
        Section(r.name.canonicalize().to_text(), dns.rdatatype.to_text(r.rdtype), RRset.from_rdataset(r))
        for r in rrsets
        if len(r) and r.rdclass == dns.rdataclass.IN and r.rdtype != dns.rdatatype.OPT
    )
