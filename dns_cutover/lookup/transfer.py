"""Fetching a whole zone from one of its servers (AXFR, RFC 5936), unsigned and within bounds.

Only for plans that would otherwise ask a server more questions than a transfer costs it. Most servers on the internet
refuse, and that is no fault of theirs: then questions are asked.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

import dns.message
import dns.rcode
import dns.rdatatype

from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.zonecopy import PROOFS, ZoneCopy, copy_of
from dns_cutover.lookup.zonewire import HEADER, Malformed, Reader, Record

_PRIVATE = range(65280, 65535)  # types for private use (RFC 6895 section 3.1): PowerDNS's ALIAS and LUA are such


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a transfer may cost: octets and records of one zone, and seconds of real time in all."""

    octets: int = 32 * 1024 * 1024
    records: int = 200_000
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class NoCopy:
    """Why there is no copy of the zone: "REFUSED", "more than 200000 records", …"""

    reason: str


async def fetch_zone(server: Endpoint, zone: str, bounds: Bounds | None = None) -> ZoneCopy | NoCopy:
    """The zone as `server` gives it to everybody. Network trouble, refusals and nonsense are a NoCopy."""
    bounds = bounds or Bounds()
    if server.transport not in ("udp", "tcp"):
        return NoCopy(f"zones are not transferred over {server.transport}")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(bounds.seconds):
            reader, writer = await asyncio.open_connection(server.address, server.port)
            incoming = _Incoming(zone, bounds)
            writer.write(incoming.question)
            await writer.drain()
            while not incoming.complete:
                length = int.from_bytes(await reader.readexactly(2), "big")
                incoming.feed(await reader.readexactly(length))
            return copy_of(zone, server, incoming.records)
    except TimeoutError:
        return NoCopy(f"it takes longer than {bounds.seconds:g} s")
    except EOFError:
        return NoCopy("the connection was closed")
    except OSError as exc:
        return NoCopy(exc.strerror or "the connection failed")
    except (Malformed, ValueError) as exc:
        return NoCopy(str(exc))
    finally:
        if writer is not None:
            writer.transport.abort()


async def zone_size(server: Endpoint, zone: str, most: int) -> int | None:
    """How many records the zone has, if that is at most `most` and the server tells. The transfer ends there: counting
    a small zone costs little, and a large one no more.
    """
    found = await fetch_zone(server, zone, Bounds(octets=1024 * (most + 1), records=most, seconds=3.0))
    return found.records if isinstance(found, ZoneCopy) else None


class _Incoming:
    """One transfer as it arrives. It begins and ends with the zone's SOA (RFC 5936 section 2.2)."""

    def __init__(self, zone: str, bounds: Bounds) -> None:
        query = dns.message.make_query(zone, "AXFR", flags=0)
        query.id = secrets.randbits(16)
        wire = query.to_wire()
        self.question = len(wire).to_bytes(2, "big") + wire
        self.records: list[Record] = []
        self.complete = False
        self._asked = wire
        self._zone = zone
        self._bounds = bounds
        self._reader = Reader(PROOFS)
        self._octets = 0
        self._first = True

    def feed(self, wire: bytes) -> None:
        """One message. Raises Malformed."""
        self._octets += len(wire)
        if self._octets > self._bounds.octets:
            raise Malformed(f"more than {self._bounds.octets} octets")
        self._check_header(wire)
        for record in self._reader.records(wire):
            if self.complete:
                raise Malformed("records behind the final SOA")
            self._take(record)

    def _check_header(self, wire: bytes) -> None:
        if len(wire) < HEADER.size or wire[:2] != self._asked[:2] or not wire[2] & 0x80 or wire[2] & 0x7A:
            raise Malformed("a message that is no answer to the question")
        if (rcode := wire[3] & 0x0F) != 0:
            raise Malformed(dns.rcode.to_text(dns.rcode.Rcode.make(rcode)))
        _, _, questions, answers, _, _ = HEADER.unpack_from(wire)
        # Later messages may leave the question out (RFC 5936 section 2.2.1).
        asked = self._asked[HEADER.size :]
        if (self._first or questions) and wire[HEADER.size : HEADER.size + len(asked)].lower() != asked.lower():
            raise Malformed("an answer to another question")
        if self._first and not answers:
            raise Malformed("an empty answer")
        self._first = False

    def _take(self, record: Record) -> None:
        is_soa = record.rdtype == "SOA" and record.owner == self._zone
        if not self.records and not is_soa:
            raise Malformed("an answer that does not begin with the SOA")
        if self.records and is_soa:
            if record.value != self.records[0].value:
                raise Malformed("an answer that ends with another SOA than it began with")
            self.complete = True
            return
        if record.rdtype.startswith("TYPE") and int(record.rdtype[4:]) in _PRIVATE:
            # What the server makes of such a record shows only when it is asked.
            raise Malformed("records that the server computes")
        self.records.append(record)
        if len(self.records) > self._bounds.records:
            raise Malformed(f"more than {self._bounds.records} records")
