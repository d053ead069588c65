"""Messages as servers read and write them: errors, EDNS, truncation, TSIG with its error replies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from dns_cutover.lab.keys import Keyring, LabKey
from dns_cutover.lab.wire import append_record, records
from dns_cutover.lab.zone import Item

PAYLOAD = 1232  # avoids fragments (DNS flag day 2020)
FUDGE = 300
_sign: Any = dns.tsig.sign  # without types in dnspython
_validate: Any = dns.tsig.validate
_OPCODES = (dns.opcode.QUERY, dns.opcode.NOTIFY, dns.opcode.UPDATE)


class Signer:
    """Signs the response, or the responses of a transfer, to one signed request (RFC 8945 section 5.3)."""

    def __init__(self, key: dns.tsig.Key, request: Any, now: Callable[[], float]) -> None:
        self._key = key
        self._request = request
        self._now = now
        self._context: Any = None

    @property
    def size(self) -> int:
        """Octets to keep free for the signature."""
        return len(self._key.name.to_wire() or b"") + len(self._request.to_wire()) + 16

    def sign(self, wire: bytes, *, multi: bool = False, error: int = 0) -> bytes:
        """The message with its TSIG record. A BADTIME error tells both clocks (section 5.2.3)."""
        own = int(self._now())
        signed = self._request.time_signed if error else own
        rdata = self._request.replace(
            time_signed=signed, fudge=FUDGE, mac=b"", error=error, other=own.to_bytes(6, "big") if error else b""
        )
        rdata, self._context = _sign(wire, self._key, rdata, signed, self._request.mac, self._context, multi)
        return _with_tsig(wire, self._key.name, rdata)


def _with_tsig(wire: bytes, owner: Any, rdata: Any) -> bytes:
    return append_record(wire, owner.to_wire(), dns.rdatatype.TSIG, dns.rdataclass.ANY, rdata.to_wire())


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request that can be worked on. `key` and `signer` are there if it was signed, and well."""

    query: Any
    wire: bytes
    key: LabKey | None = None
    signer: Signer | None = None


def read_request(wire: bytes, keys: Keyring, now: Callable[[], float]) -> Incoming | bytes | None:
    """The request, the error response that it gets at once, or None for what is not answered at all.

    `now` in seconds UTC is the clock of signatures.
    """
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    if (wire[2] >> 3) & 0x0F not in _OPCODES:
        return _header(wire, dns.rcode.NOTIMP)
    try:
        query: Any = dns.message.from_wire(wire, keyring=False)
    except (dns.exception.DNSException, ValueError):
        return _header(wire, dns.rcode.FORMERR)
    tsig, query.tsig = query.tsig, None
    if tsig is None:
        return Incoming(query, wire)
    rdata = tsig[0]
    known = keys.get(tsig.name)
    if known is None or known[1].algorithm != rdata.algorithm:
        return _badly_signed(query, tsig, dns.rcode.BADKEY)
    key, secret = known
    signer = Signer(secret, rdata, now)
    try:
        _verify(wire, secret, tsig, rdata.time_signed)
    except dns.tsig.BadSignature:
        return _badly_signed(query, tsig, dns.rcode.BADSIG)
    except (dns.exception.DNSException, ValueError):
        return _header(wire, dns.rcode.FORMERR)
    try:
        _verify(wire, secret, tsig, now())
    except dns.tsig.BadTime:
        return signer.sign(_not_authorised(query), error=int(dns.rcode.BADTIME))
    return Incoming(query, wire, key, signer)


def _verify(wire: bytes, key: dns.tsig.Key, tsig: Any, now: float) -> None:
    start = records(wire)[-1].start  # TSIG is the last record, or dnspython had not read it
    _validate(wire, key, tsig.name, tsig[0], int(now), b"", start)


def _header(wire: bytes, rcode: int) -> bytes:
    """An error without a question: the request was not understood. Opcode and RD come back."""
    return wire[:2] + bytes([0x80 | (wire[2] & 0x79), rcode]) + bytes(8)


def _not_authorised(query: Any) -> bytes:
    response = reply_to(query)
    response.set_rcode(dns.rcode.NOTAUTH)
    wire: bytes = response.to_wire()
    return wire


def _badly_signed(query: Any, tsig: Any, error: int) -> bytes:
    """NOTAUTH with an unsigned TSIG record that carries the error (RFC 8945 sections 5.2.1 and 5.2.2)."""
    return _with_tsig(_not_authorised(query), tsig.name, tsig[0].replace(mac=b"", error=int(error), other=b""))


def reply_to(query: Any, *, recursion: bool = False, nsid: str = "", ede: int | None = None) -> Any:
    """An empty response; EDNS only where the request had it (RFC 6891 section 6.1.1).

    `nsid` is told to who asks for it (RFC 5001), `ede` is an extended error (RFC 8914).
    """
    response = dns.message.make_response(query, recursion_available=recursion, our_payload=PAYLOAD)
    if query.edns >= 0:
        options: list[dns.edns.Option] = []
        if nsid and any(o.otype == dns.edns.OptionType.NSID for o in query.options):
            options.append(dns.edns.GenericOption(dns.edns.OptionType.NSID, nsid.encode()))
        if ede is not None:
            options.append(dns.edns.EDEOption(dns.edns.EDECode.make(ede)))
        response.use_edns(0, 0, PAYLOAD, options=options)
    return response


@lru_cache(maxsize=4096)
def _rrset(item: Item) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(item.owner, item.rrset.ttl, list(item.rrset.to_rdataset(item.rdtype)))


def section(items: Iterable[Item]) -> list[dns.rrset.RRset]:
    """RRsets for a dnspython message; they are shared and must not be changed."""
    return [_rrset(item) for item in items]


def finish(incoming: Incoming, response: Any, *, tcp: bool, glue: bool = False) -> bytes:
    """The response on the wire, signed if the request was.

    What does not fit is cut off with TC (RFC 2181 section 9): an additional section simply goes, unless it is `glue`.
    """
    query = incoming.query
    limit = 65535 if tcp else max(512, query.payload) if query.edns >= 0 else 512
    if incoming.signer is not None:
        limit -= incoming.signer.size
    wire = _fitting(response, limit)
    if wire is None and response.additional and not glue:
        response.additional.clear()
        wire = _fitting(response, limit)
    if wire is None:
        response.answer.clear()
        response.authority.clear()
        response.additional.clear()
        if tcp:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            response.flags |= dns.flags.TC
        wire = response.to_wire()
    return incoming.signer.sign(wire) if incoming.signer is not None else wire


def _fitting(response: Any, limit: int) -> bytes | None:
    try:
        wire: bytes = response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        return None
    return wire if len(wire) <= limit else None  # dnspython takes no limit below 512
