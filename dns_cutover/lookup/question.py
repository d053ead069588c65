"""Asking one server one question: UDP with random ids and ports, TCP on truncation, EDNS, bounded retries.

An answer counts only from the address that was asked, with the id and the question that were sent. Network trouble is
a value, never an exception.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from dns_cutover.lookup.interface import Endpoint
from dns_cutover.records import RRset

TRIES = 3
UDP_PAYLOAD = 1232  # avoids fragments (DNS flag day 2020)


@dataclass(frozen=True, slots=True)
class Section:
    """One RRset of an answer: owner, type, RRset."""

    owner: str
    rdtype: str
    rrset: RRset


@dataclass(frozen=True, slots=True)
class Reply:
    """A usable answer. `rcode` is the mnemonic, `ede` extended error codes (RFC 8914), `rtt` seconds."""

    rcode: str
    aa: bool
    answer: tuple[Section, ...]
    authority: tuple[Section, ...]
    additional: tuple[Section, ...]
    ede: tuple[int, ...]
    nsid: str
    rtt: float
    tcp: bool

    def find(self, owner: str, rdtype: str) -> RRset | None:
        """The RRset of that owner and type in the answer section."""
        return next((s.rrset for s in self.answer if s.owner == owner and s.rdtype == rdtype), None)


@dataclass(frozen=True, slots=True)
class NoReply:
    """No usable answer. `wrong`: the server answered, but nonsense; else it did not answer."""

    reason: str
    wrong: bool = False


Outcome: TypeAlias = Reply | NoReply


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of real time: one try over UDP, and one exchange over TCP."""

    udp: float = 2.0
    tcp: float = 5.0


class _Datagram(asyncio.DatagramProtocol):
    """One question on one connected socket, so that the kernel drops what comes from elsewhere."""

    def __init__(self, query: dns.message.Message) -> None:
        self._query = query
        self.reply: asyncio.Future[dns.message.Message | str] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.reply.done() or len(data) < 12 or data[:2] != self._query.id.to_bytes(2, "big"):
            return
        parsed = _parse(data, self._query)
        if parsed is not None:
            self.reply.set_result(parsed)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_result("port unreachable")


def _parse(data: bytes, query: dns.message.Message) -> dns.message.Message | str | None:
    """The message if it answers `query`, a word about garbage, None for what answers another question."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError):
        return "an answer that is no DNS message"
    if not message.flags & dns.flags.QR:
        return None
    if message.question and message.question != query.question:
        return None
    if not message.question and message.rcode() == dns.rcode.NOERROR:
        return None
    return message


class Asker:
    """Asks questions with a limit on how many are under way at once."""

    def __init__(self, timeouts: Timeouts | None = None, limit: int = 200) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limit = asyncio.Semaphore(limit)

    async def ask(
        self,
        server: Endpoint,
        owner: str,
        rdtype: str,
        *,
        recurse: bool,
        tcp: bool = False,
        checking_disabled: bool = False,
    ) -> Outcome:
        """One question; at most three tries over UDP, then one over TCP if the answer was cut off."""
        async with self._limit:
            if server.transport in ("https", "quic"):
                return NoReply(f"the transport {server.transport} is not available yet")
            edns: int | None = UDP_PAYLOAD
            use_tcp = tcp or server.transport != "udp"
            outcome: Outcome = NoReply("no answer")
            for _ in range(TRIES):
                query = _query(owner, rdtype, recurse=recurse, edns=edns, cd=checking_disabled)
                started = asyncio.get_running_loop().time()
                raw = await (self._stream(server, query) if use_tcp else self._datagram(server, query))
                rtt = asyncio.get_running_loop().time() - started
                if isinstance(raw, str):
                    outcome = NoReply(raw, wrong=raw.startswith("an answer"))
                    continue
                if edns is not None and raw.rcode() in (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS):
                    edns = None  # a server from before RFC 6891
                    outcome = _reply(raw, rtt, use_tcp)
                    continue
                if raw.flags & dns.flags.TC and not use_tcp:
                    use_tcp = True
                    outcome = NoReply("its answer is cut off, and TCP does not answer", wrong=True)
                    continue
                return _reply(raw, rtt, use_tcp)
            if isinstance(outcome, NoReply) and not outcome.wrong and "cut off" not in outcome.reason:
                return replace(outcome, reason=f"{outcome.reason} in {TRIES} tries{' over TCP' if tcp else ''}")
            return outcome

    async def _datagram(self, server: Endpoint, query: dns.message.Message) -> dns.message.Message | str:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: _Datagram(query), remote_addr=(server.address, server.port)
            )
        except OSError as exc:
            return exc.strerror or "the socket failed"
        try:
            transport.sendto(query.to_wire())
            return await asyncio.wait_for(protocol.reply, self._timeouts.udp)
        except TimeoutError:
            return "no answer"
        finally:
            transport.close()

    async def _stream(self, server: Endpoint, query: dns.message.Message) -> dns.message.Message | str:
        try:
            if server.transport == "tls":
                return await dns.asyncquery.tls(
                    query, server.address, self._timeouts.tcp, server.port, ignore_trailing=True
                )
            return await asyncio.wait_for(self._tcp(server, query), self._timeouts.tcp)
        except (TimeoutError, dns.exception.Timeout):
            return "no answer"
        except (OSError, EOFError) as exc:
            return getattr(exc, "strerror", None) or "the connection failed"
        except (dns.exception.DNSException, ValueError):
            return "an answer that is no DNS message"

    async def _tcp(self, server: Endpoint, query: dns.message.Message) -> dns.message.Message | str:
        reader, writer = await asyncio.open_connection(server.address, server.port)
        try:
            wire = query.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
            data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            if data[:2] != query.id.to_bytes(2, "big"):
                return "an answer to another question"
            return _parse(data, query) or "an answer to another question"
        finally:
            writer.close()


def _query(owner: str, rdtype: str, *, recurse: bool, edns: int | None, cd: bool) -> dns.message.Message:
    flags = (dns.flags.RD if recurse else 0) | (dns.flags.CD if cd else 0)
    query = dns.message.make_query(owner, rdtype, flags=flags)
    query.id = secrets.randbits(16)
    if edns is not None:
        query.use_edns(0, payload=edns, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")])
    return query


def _reply(message: dns.message.Message, rtt: float, tcp: bool) -> Reply:
    ede, nsid = [], ""
    for option in message.options:
        if isinstance(option, dns.edns.EDEOption):
            ede.append(int(option.code))
        elif option.otype == dns.edns.OptionType.NSID:
            nsid = getattr(option, "nsid", b"").hex()
    return Reply(
        dns.rcode.to_text(message.rcode()),
        bool(message.flags & dns.flags.AA),
        _sections(message.answer),
        _sections(message.authority),
        _sections(message.additional),
        tuple(ede),
        nsid,
        rtt,
        tcp,
    )


def _sections(rrsets: list[Any]) -> tuple[Section, ...]:
    return tuple(
        Section(r.name.canonicalize().to_text(), dns.rdatatype.to_text(r.rdtype), RRset.from_rdataset(r))
        for r in rrsets
        if len(r) and r.rdtype != dns.rdatatype.OPT
    )
