"""A DNS server on loopback that does what a test says, well or badly; and a clock that stands still."""

import asyncio
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from dns_cutover.lookup.interface import Endpoint


@dataclass
class ManualClock:
    time: float = 1_000_000.0

    def now(self):
        return self.time

    async def sleep_until(self, when):
        self.time = max(self.time, when)


def answer(query, *records, rcode="NOERROR", aa=True, tc=False, authority=(), additional=(), options=()):
    """A response to `query`; records are (owner, ttl, type, values…)."""
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.from_text(rcode))
    response.flags |= (dns.flags.AA if aa else 0) | (dns.flags.TC if tc else 0)
    for section, items in (
        (response.answer, records),
        (response.authority, authority),
        (response.additional, additional),
    ):
        for owner, ttl, rdtype, *values in items:
            section.append(dns.rrset.from_text(owner, ttl, "IN", rdtype, *values))
    if options:
        response.use_edns(0, options=list(options))
    return response


def wire(response):
    return response if isinstance(response, bytes) else response.to_wire(max_size=65535)


def in_lower_case(data):
    """A question with its name in lower case: clients toss a coin for each letter."""
    return data[:12] + data[12:].partition(b"\0")[0].lower() + b"\0" + data[12:].partition(b"\0")[2]


def echoing(data, response):
    """`response` with the letters of the question in `data`, as servers repeat them."""
    end = 12 + len(data[12:].partition(b"\0")[0])
    same = response[12:end].lower() == data[12:end].lower()
    return response[:12] + data[12:end] + response[end:] if same else response


@dataclass
class Scripted:
    """`echo`: whether the letters of a question come back as they were sent; scripts see them in lower case.

    `udp` and `tcp`: message -> list of responses (messages or bytes), in the order in which they are sent.

    `close_after` closes a connection after so many questions. `seen`: (transport, message, client's port).
    """

    udp: object = None
    tcp: object = None
    ssl: object = None
    close_after: int = 10_000
    gather: int = 1
    echo: bool = True
    seen: list = field(default_factory=list)

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        script = self

        class Protocol(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                query = dns.message.from_wire(in_lower_case(data))
                script.seen.append(("udp", query, addr[1]))
                for response in (script.udp(query) if script.udp else None) or ():
                    self.transport.sendto(echoing(data, wire(response)) if script.echo else wire(response), addr)

        for _ in range(50):
            self.transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
            self.port = self.transport.get_extra_info("sockname")[1]
            if self.tcp is None:
                self.server = None
                break
            try:
                self.server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, ssl=self.ssl)
                break
            except OSError:
                self.transport.abort()
        return self

    async def __aexit__(self, *_):
        self.transport.abort()
        if self.server is not None:
            self.server.close()
        await asyncio.sleep(0)

    async def _connection(self, reader, writer):
        try:
            held = []
            for _ in range(self.close_after):
                query = dns.message.from_wire(
                    await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                )
                self.seen.append(("tcp", query, writer.get_extra_info("peername")[1]))
                held += list(self.tcp(query) or ())
                if len(held) >= self.gather:
                    for response in reversed(held):
                        writer.write(len(wire(response)).to_bytes(2, "big") + wire(response))
                    held = []
                    await writer.drain()
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    @property
    def endpoint(self):
        return Endpoint("scripted", "127.0.0.1", self.port)

    def count(self, transport):
        return sum(kind == transport for kind, _, _ in self.seen)


def a_record(query, address="192.0.2.1", ttl=60, **more):
    return answer(query, (query.question[0].name.to_text(), ttl, "A", address), **more)


async def test_the_scripted_server_answers_a_plain_question():
    async with Scripted(udp=lambda q: [a_record(q)]) as server:
        loop = asyncio.get_running_loop()
        got = loop.create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data, addr):
                got.set_result(dns.message.from_wire(data))

        transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", server.port))
        transport.sendto(dns.message.make_query("www.example.test.", "A").to_wire())
        assert (await got).answer[0].to_text().endswith("192.0.2.1")
        transport.abort()
        assert server.count("udp") == 1
