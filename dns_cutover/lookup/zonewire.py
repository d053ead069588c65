"""The records of a zone transfer, message by message, as text. Pure.

A transfer is ten thousand small records, and building an object for every name in them takes longer than sending them.
So names are read here, each suffix of a message once; data of other types than A is left to dnspython, once for each
different value. What comes from the wire is hostile: whatever is not as it must be raises Malformed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

from dns_cutover.records.rdata import META_TYPES, rdata_text

HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")  # type, class, TTL, length of data (RFC 1035 section 3.2.1)
_PLAIN = re.compile(rb"[a-z0-9_*-]+")  # labels that are written as they are
MAX_HOPS = 127  # as many labels as a name can have: longer chains of pointers only cost time
MAX_NAME = 255  # octets (RFC 1035 section 2.3.4)
_IN = int(dns.rdataclass.IN)
_A = int(dns.rdatatype.A)
_MOST_TTL = 2**31 - 1
# Types whose data may hold compressed names (RFC 3597 section 4): their bytes mean nothing without the message.
_COMPRESSED = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 17, 18, 21, 24, 26, 30, 33, 35, 36, 39})


class Malformed(Exception):
    """The message is not one of a zone transfer; the text says why."""


class Record(NamedTuple):
    """One record: owner canonical, type as its mnemonic, TTL in seconds, data in canonical zone-file text."""

    owner: str
    rdtype: str
    ttl: int
    value: str


@dataclass(slots=True)
class Reader:
    """Reads the messages of one transfer. `skipped` types have a place in the zone, but no value here."""

    skipped: frozenset[str] = frozenset()
    labels: dict[bytes, str] = field(default_factory=dict)
    values: dict[tuple[int, bytes], str] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)

    def records(self, wire: bytes) -> Iterator[Record]:
        """The answer section of one message, class IN. Raises Malformed."""
        try:
            yield from self._records(wire)
        except (IndexError, struct.error, ValueError, dns.exception.DNSException) as exc:
            raise Malformed(f"a message that cannot be read ({type(exc).__name__})") from None

    def _records(self, wire: bytes) -> Iterator[Record]:
        _, _, questions, answers, _, _ = HEADER.unpack_from(wire)
        known: dict[int, tuple[str, int]] = {}
        at = HEADER.size
        for _ in range(questions):
            _, at = self._name(wire, at, known)
            at += 4
        for _ in range(answers):
            owner, at = self._name(wire, at, known)
            number, rdclass, ttl, length = _FIXED.unpack_from(wire, at)
            at += _FIXED.size
            end = at + length
            if end > len(wire):
                raise Malformed("a record that is longer than its message")
            if rdclass == _IN:
                rdtype = self.types.get(number) or self._type(number)
                # A TTL with the first bit set means 0 (RFC 2181 section 8).
                value = "" if rdtype in self.skipped else self._value(wire, number, at, end)
                yield Record(owner, rdtype, ttl if ttl <= _MOST_TTL else 0, value)
            at = end

    def _type(self, number: int) -> str:
        text = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))
        if text in META_TYPES:
            raise Malformed(f"{text} is no type of a record")
        self.types[number] = text
        return text

    def _value(self, wire: bytes, number: int, at: int, end: int) -> str:
        if number == _A and end - at == 4:
            return f"{wire[at]}.{wire[at + 1]}.{wire[at + 2]}.{wire[at + 3]}"
        if number in _COMPRESSED:
            return self._decode(wire, number, at, end)
        data = wire[at:end]
        text = self.values.get((number, data))
        if text is None:
            text = self.values[number, data] = self._decode(data, number, 0, len(data))
        return text

    def _decode(self, wire: bytes, number: int, at: int, end: int) -> str:
        rdtype = dns.rdatatype.RdataType.make(number)
        return rdata_text(dns.rdata.from_wire(dns.rdataclass.IN, rdtype, wire, at, end - at))

    def _name(self, wire: bytes, at: int, known: dict[int, tuple[str, int]]) -> tuple[str, int]:
        """The name at `at`, and the place behind it. `known`: (text, octets) of the names at other places."""
        parts: list[tuple[int, str, int]] = []
        here, behind, hops = at, 0, 0
        while True:
            length = wire[here]
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | wire[here + 1]
                behind = behind or here + 2
                hops += 1
                if target >= here or hops > MAX_HOPS:
                    raise Malformed("a name that points forward or in a circle")
                here = target
                found = known.get(here)
                if found is not None:
                    text, octets = found
                    break
            elif length == 0:
                behind = behind or here + 1
                text, octets = ".", 1
                break
            elif length < 0x40:
                raw = wire[here + 1 : here + 1 + length]
                if len(raw) != length:
                    raise Malformed("a name that is longer than its message")
                parts.append((here, self.labels.get(raw) or self._label(raw), length + 1))
                here += length + 1
                if len(parts) > MAX_HOPS:
                    raise Malformed("a name of too many labels")
            else:
                raise Malformed("a label of an unknown kind")
        for place, label, size in reversed(parts):
            octets += size
            text = f"{label}.{text}" if text != "." else f"{label}."
            known[place] = text, octets
        if octets > MAX_NAME:
            raise Malformed("a name that is too long")
        return text, behind

    def _label(self, raw: bytes) -> str:
        lower = raw.lower()
        text = lower.decode() if _PLAIN.fullmatch(lower) else dns.name.Name((lower, b"")).to_text()[:-1]
        self.labels[raw] = text
        return text
