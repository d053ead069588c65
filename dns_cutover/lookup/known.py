"""Answers recognised by their bytes: what did not change since the last time is not parsed again. Pure.

The id, the question (whose letters vary, see `Encoded.cased`) and the TTLs may differ; everything else must be the
same, octet by octet.
"""

from __future__ import annotations

from dataclasses import replace

import dns.exception
import dns.name
import dns.rdatatype

from dns_cutover.lookup.answer import Reply, Section
from dns_cutover.lookup.encoded import HEADER
from dns_cutover.records import RRset

_FIXED = 10  # octets of type, class, TTL and length
_TTL_AT = 4
_TTL_MAX = 0x7FFFFFFF  # RFC 2181 section 8: what is more is read as 0, and that is the parser's matter


class KnownAnswer:
    """One answer as it last came from one server to one question."""

    __slots__ = ("_body", "_groups", "_head", "_mask", "_reply", "_value")

    def __init__(self, data: bytes, end: int, reply: Reply) -> None:
        """`data` as it came, `end` of its question section, and the parsed `reply`, which must not be cut off."""
        self._head = data[2:HEADER]
        self._body = data[end:]
        self._reply = reply
        # Worked out when the bytes differ for the first time: what is asked once needs none of it.
        self._mask: int | None = None
        self._value = 0
        self._groups: tuple[tuple[int, ...], ...] = ()

    def recognise(self, data: bytes, end: int) -> Reply | None:
        """The reply that `data` is, with its TTLs, or None: it must be parsed. `rtt` is that of the parsed one."""
        body = data[end:]
        if data[2:HEADER] != self._head:
            return None
        if body == self._body:
            return self._reply
        if len(body) != len(self._body):
            return None
        if self._mask is None:
            self._work_out(data[:end])
        if not self._groups or int.from_bytes(body, "big") & (self._mask or 0) != self._value:
            return None
        ttls = [min(int.from_bytes(body[at : at + 4], "big") for at in group) for group in self._groups]
        if max(int.from_bytes(body[at : at + 4], "big") for group in self._groups for at in group) > _TTL_MAX:
            return None
        self._body, self._reply = body, _with_ttls(self._reply, ttls)
        return self._reply

    def _work_out(self, before: bytes) -> None:
        self._mask = 0
        counts = [int.from_bytes(self._head[at : at + 2], "big") for at in (4, 6, 8)]
        found = _ttl_places(before + self._body, len(before), sum(counts))
        sections = (*self._reply.answer, *self._reply.authority, *self._reply.additional)
        groups = _groups(found, [len(s.rrset.values) for s in sections])
        if groups is None:
            return
        mask = bytearray(b"\xff" * len(self._body))
        for group in groups:
            for at in group:
                mask[at : at + 4] = bytes(4)
        self._mask = int.from_bytes(mask, "big")
        self._value = int.from_bytes(self._body, "big") & self._mask
        self._groups = groups


def _ttl_places(data: bytes, start: int, count: int) -> list[tuple[int, object]] | None:
    """(where its TTL is after `start`, owner and type) of each record but OPT; None: not as it is usually written."""
    out, at = list[tuple[int, object]](), start
    for _ in range(count):
        try:
            owner, length = dns.name.from_wire(data, at)
        except dns.exception.DNSException:
            return None
        at += length
        if at + _FIXED > len(data):
            return None
        if int.from_bytes(data[at : at + 2], "big") != dns.rdatatype.OPT:
            out.append((at + _TTL_AT - start, (owner, data[at : at + _TTL_AT])))
        at += _FIXED + int.from_bytes(data[at + 8 : at + _FIXED], "big")
    return out if at == len(data) else None


def _groups(found: list[tuple[int, object]] | None, sizes: list[int]) -> tuple[tuple[int, ...], ...] | None:
    """The places of the TTLs of each RRset, if its records stand together, each once."""
    if found is None or len(found) != sum(sizes):
        return None
    groups, at = [], 0
    for size in sizes:
        members = found[at : at + size]
        if len({whose for _, whose in members}) != 1:
            return None
        groups.append(tuple(place for place, _ in members))
        at += size
    return tuple(groups)


def _with_ttls(reply: Reply, ttls: list[int]) -> Reply:
    left = iter(ttls)
    answer, authority, additional = (
        tuple(Section(s.owner, s.rdtype, RRset(next(left), s.rrset.values)) for s in section)
        for section in (reply.answer, reply.authority, reply.additional)
    )
    return replace(reply, answer=answer, authority=authority, additional=additional)
