"""Where the records of a DNS message lie in its octets: for signing, TTLs, and what parsers do not keep. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_COUNTS = struct.Struct("!HHHH")
_FIXED = struct.Struct("!HHIH")  # type, class, TTL, RDLENGTH


@dataclass(frozen=True, slots=True)
class Record:
    """One record: section 1 (answer, or prerequisites) to 3, and octet offsets into the message."""

    section: int
    rdtype: int
    rdclass: int
    ttl: int
    start: int
    ttl_at: int
    end: int


def records(wire: bytes) -> list[Record]:
    """All records in order, the questions left out. Raises ValueError where the message is cut or not well-formed."""
    try:
        questions, *counts = _COUNTS.unpack_from(wire, 4)
        at = 12
        for _ in range(questions):
            at = _skip_name(wire, at) + 4
        out = []
        for section, count in enumerate(counts, 1):
            for _ in range(count):
                fixed = _skip_name(wire, at)
                rdtype, rdclass, ttl, length = _FIXED.unpack_from(wire, fixed)
                end = fixed + _FIXED.size + length
                out.append(Record(section, rdtype, rdclass, ttl, at, fixed + 4, end))
                at = end
    except (IndexError, struct.error):
        raise ValueError("the message ends inside a record") from None
    if at > len(wire):
        raise ValueError("the message ends inside a record")
    return out


def _skip_name(wire: bytes, at: int) -> int:
    while (length := wire[at]) != 0:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


def append_record(wire: bytes, owner: bytes, rdtype: int, rdclass: int, rdata: bytes) -> bytes:
    """The message with one more record of TTL 0 in its additional section. `owner` is an uncompressed name."""
    count = int.from_bytes(wire[10:12], "big") + 1
    return b"".join(
        (wire[:10], count.to_bytes(2, "big"), wire[12:], owner, _FIXED.pack(rdtype, rdclass, 0, len(rdata)), rdata)
    )
