"""A DNS server on loopback, UDP and TCP on one port; the authoritative primary and its lagging secondary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from dns_cutover.clock import Clock
from dns_cutover.lab.update import apply_update
from dns_cutover.lab.zone import Answer, NameType, ZoneVersion
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.records import RRset
from dns_cutover.records.name import is_below

HOST = "127.0.0.1"


class DnsServer:
    """Binds a free port for UDP and TCP and hands each message to `respond`. `stop` and `start` keep the port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.queries = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def endpoint(self) -> Endpoint:
        """Where it is reached."""
        return Endpoint(self.name, HOST, self.port)

    async def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """The response to one message; None drops it."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen; on the port it had before, if it had one."""
        loop = asyncio.get_running_loop()
        for _ in range(50):
            self._tcp = await asyncio.start_server(self._stream, HOST, self.port)
            port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self.respond), (HOST, port))
            except OSError:
                self._tcp.close()  # the number is taken for UDP: another one
                continue
            self.port = port
            return
        raise OSError("no port is free for both UDP and TCP")

    async def stop(self) -> None:
        """Stop listening and drop connections: questions get no answer."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for writer in tuple(self._connections):
            writer.transport.abort()
        self._udp = self._tcp = None
        await asyncio.sleep(0)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                reply = await self.respond(await reader.readexactly(size), tcp=True)
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, respond: Callable[..., Awaitable[bytes | None]]) -> None:
        self._respond = respond
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: Any) -> None:
        reply = await self._respond(data, tcp=False)
        if reply is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)


def finish(query: Any, response: Any, *, tcp: bool) -> bytes:
    """The response on the wire, cut off with TC where UDP cannot carry it (RFC 6891 section 6.2.5)."""
    size = 65535 if tcp else max(512, query.payload) if query.edns >= 0 else 512
    wire: bytes
    try:
        wire = response.to_wire(max_size=size)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.additional.clear()
        response.flags |= dns.flags.TC
        wire = response.to_wire(max_size=65535)
    return wire


def section(items: tuple[tuple[NameType, RRset], ...]) -> list[dns.rrset.RRset]:
    """RRsets for a dnspython message."""
    out = []
    for (owner, rdtype), rrset in items:
        rdataset = rrset.to_rdataset(rdtype)
        out.append(dns.rrset.from_rdata_list(owner, rrset.ttl, list(rdataset)))
    return out


def parse_query(wire: bytes, keyring: Any = None) -> tuple[Any, bytes | None]:
    """(message, None), or (None, an error response) for what cannot be parsed or is not signed well (RFC 8945)."""
    try:
        message = dns.message.from_wire(wire, keyring=keyring if keyring is not None else False)
        return (message, None) if not message.flags & dns.flags.QR else (None, None)
    except (dns.tsig.BadSignature, dns.tsig.BadTime, dns.message.UnknownTSIGKey, dns.tsig.BadKey) as exc:
        return None, _tsig_error(wire, exc)
    except dns.exception.DNSException:
        if len(wire) < 12 or wire[2] & 0x80:
            return None, None
        return None, wire[:2] + bytes([0x80 | (wire[2] & 0x79), dns.rcode.FORMERR]) + bytes(8)


def _tsig_error(wire: bytes, exc: Exception) -> bytes:
    """NOTAUTH with an unsigned TSIG record that carries the error (RFC 8945 section 5.2)."""
    query = dns.message.from_wire(wire, keyring=False)
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.NOTAUTH)
    error = {"BadSignature": dns.rcode.BADSIG, "BadTime": dns.rcode.BADTIME}.get(type(exc).__name__, dns.rcode.BADKEY)
    sent: Any = query.tsig[0] if query.tsig is not None else None
    if sent is not None:
        rdata = sent.replace(mac=b"", error=int(error), other=b"")
        return _with_raw_tsig(response, rdata, query)
    plain: bytes = response.to_wire()
    return plain


def _with_raw_tsig(response: Any, rdata: Any, query: Any) -> bytes:
    name = query.tsig.name
    response.tsig = None
    wire = bytearray(response.to_wire())
    owner, body = name.to_wire(), rdata.to_wire()
    record = (
        owner + (250).to_bytes(2, "big") + (255).to_bytes(2, "big") + bytes(4) + len(body).to_bytes(2, "big") + body
    )
    wire[10:12] = (int.from_bytes(wire[10:12], "big") + 1).to_bytes(2, "big")
    out: bytes = bytes(wire) + record
    return out


class Authoritative(DnsServer):
    """Serves one zone; with a keyring it also takes updates and gives its history by IXFR.

    `on_change` is told every new version. Real seconds sign TSIG, whatever clock the lab has.
    """

    def __init__(self, name: str, zone: ZoneVersion, keyring: Any = None) -> None:
        super().__init__(name)
        self.versions = [zone]
        self.keyring = keyring
        self.frozen = False
        self.on_change: list[Callable[[ZoneVersion], None]] = []

    @property
    def zone(self) -> ZoneVersion:
        """The version that is served."""
        return self.versions[-1]

    def publish(self, version: ZoneVersion) -> None:
        """Serve a new version from now on."""
        self.versions.append(version)
        for callback in self.on_change:
            callback(version)

    async def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """Queries, updates and transfers."""
        query, error = parse_query(wire, self.keyring)
        if query is None:
            return error
        self.queries += 1
        response = dns.message.make_response(query)
        if query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif query.opcode() == dns.opcode.UPDATE:
            self._update(query, response)
        elif query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        else:
            self._query(query, response)
        return finish(query, response, tcp=tcp)

    def _update(self, query: Any, response: Any) -> None:
        zone = query.zone[0].name.canonicalize().to_text() if query.zone else ""
        if zone != self.zone.origin:
            response.set_rcode(dns.rcode.NOTAUTH)
        elif self.keyring is None or not query.had_tsig or self.frozen:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            rcode, after = apply_update(self.zone, query.prerequisite, query.update)
            response.set_rcode(dns.rcode.from_text(rcode))
            if after is not self.zone:
                self.publish(after)

    def _query(self, query: Any, response: Any) -> None:
        question = query.question[0]
        owner = question.name.canonicalize().to_text()
        rdtype = dns.rdatatype.to_text(question.rdtype)
        if not is_below(owner, self.zone.origin):
            response.set_rcode(dns.rcode.REFUSED)
            return
        if rdtype == "IXFR":
            self._ixfr(query, response)
            return
        if rdtype in ("AXFR", "ANY"):
            response.set_rcode(dns.rcode.REFUSED)
            return
        fill(response, self.zone.lookup(owner, rdtype))

    def _ixfr(self, query: Any, response: Any) -> None:
        """RFC 1995: the difference sequences since the serial of the question."""
        if not query.had_tsig or not query.authority:
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        since = query.authority[0][0].serial
        start = next((n for n, v in enumerate(self.versions) if v.serial == since), None)
        newest = ((self.zone.origin, "SOA"), self.zone.soa)
        items: list[tuple[NameType, RRset]] = [newest]
        if start is None:
            items += [i for i in self.zone.rrsets.items() if i[0] != newest[0]] + [newest]
        elif start < len(self.versions) - 1:
            for old, new in zip(self.versions[start:], self.versions[start + 1 :], strict=False):
                items.append(((old.origin, "SOA"), old.soa))
                items += [i for i in old.rrsets.items() if i[0][1] != "SOA" and new.rrsets.get(i[0]) != i[1]]
                items.append(((new.origin, "SOA"), new.soa))
                items += [i for i in new.rrsets.items() if i[0][1] != "SOA" and old.rrsets.get(i[0]) != i[1]]
            items.append(newest)
        response.answer.extend(section(tuple(items)))


def fill(response: Any, answer: Answer) -> None:
    """An authoritative answer into a message."""
    if answer.kind != "referral":
        response.flags |= dns.flags.AA
    if answer.kind == "nxdomain":
        response.set_rcode(dns.rcode.NXDOMAIN)
    response.answer.extend(section(answer.answer))
    response.authority.extend(section(answer.authority))
    response.additional.extend(section(answer.additional))


class Secondary(Authoritative):
    """Takes over each version of its primary after `lag` lab seconds; `hold` keeps it from taking any."""

    def __init__(self, name: str, primary: Authoritative, clock: Clock, lag: float) -> None:
        super().__init__(name, primary.zone)
        self._clock = clock
        self._lag = lag
        self.hold = False
        self._tasks: set[asyncio.Task[None]] = set()
        primary.on_change.append(self._notified)

    def _notified(self, version: ZoneVersion) -> None:
        task = asyncio.get_running_loop().create_task(self._take(version))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, version: ZoneVersion) -> None:
        await self._clock.sleep_until(self._clock.now() + self._lag)
        # A later version may have come first; serials only grow here.
        if not self.hold and version.serial > self.zone.serial:
            self.publish(version)
