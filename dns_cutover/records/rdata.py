"""RDATA as canonical zone-file text: two texts are equal exactly if the RDATA are (RFC 4034 section 6.2)."""

from __future__ import annotations

import re
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer

from dns_cutover.records.name import base_name

# Types that are a question or a transport matter, never data in a zone (RFC 6895 section 3.1).
META_TYPES = frozenset({"ANY", "AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TSIG", "TKEY", "NONE"})


class InvalidRdata(ValueError):
    """The text is not RDATA of that type; the message says why in plain words."""


@lru_cache(maxsize=1024)
def canonical_type(text: str) -> str:
    """The type's mnemonic in upper case; unknown types as TYPEnnn (RFC 3597). Raises InvalidRdata."""
    try:
        rdtype = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise InvalidRdata(f"{text!r} is not a record type") from None
    name = dns.rdatatype.to_text(rdtype)
    if name in META_TYPES:
        raise InvalidRdata(f"{name} is a query type, no record can have it")
    return name


def quote_text(value: str | bytes) -> str:
    """Text of any length as TXT RDATA: quoted, escaped, split at 255 octets (RFC 1035 section 3.3.14)."""
    raw = value.encode() if isinstance(value, str) else value
    chunks = [raw[i : i + 255] for i in range(0, len(raw), 255)] or [b""]
    return " ".join(f'"{_escape(chunk)}"' for chunk in chunks)


def text_strings(value: str) -> tuple[str, ...]:
    """The strings of TXT RDATA in zone-file form; octets that are no UTF-8 are replaced. Raises InvalidRdata."""
    rdata = parse_rdata("TXT", value)
    strings: tuple[bytes, ...] = getattr(rdata, "strings", ())
    return tuple(s.decode(errors="replace") for s in strings)


def _escape(chunk: bytes) -> str:
    out = []
    for octet in chunk:
        char = chr(octet)
        if char in '"\\':
            out.append("\\" + char)
        elif 0x20 <= octet < 0x7F:
            out.append(char)
        else:
            out.append(f"\\{octet:03d}")
    return "".join(out)


@lru_cache(maxsize=65536)
def parse_rdata(rdtype: str, text: str, origin: str | None = None) -> dns.rdata.Rdata:
    """Zone-file text as a dnspython rdata with canonical names. Raises InvalidRdata."""
    base = base_name(origin) if origin else dns.name.root
    try:
        tok = dns.tokenizer.Tokenizer(text, idna_codec=dns.name.IDNA_2003_Practical)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), tok, base, relativize=False)
        rdata.to_wire()  # some limits show only in wire format
    except (dns.exception.DNSException, ValueError, UnicodeError, OverflowError, IndexError) as exc:
        raise InvalidRdata(f"{text!r} is not {rdtype} data: {str(exc).rstrip('.') or type(exc).__name__}") from None
    return canonical(rdata)


def canonical(rdata: dns.rdata.Rdata) -> dns.rdata.Rdata:
    """The same rdata with every name in lower case (RFC 4343: names compare without case)."""
    changed = {}
    for slot in _slots(type(rdata).__mro__):
        value = getattr(rdata, slot, None)
        if isinstance(value, dns.name.Name):
            lowered = value.canonicalize()
            if lowered.labels != value.labels:
                changed[slot] = lowered
    return rdata.replace(**changed) if changed else rdata


@lru_cache(maxsize=1024)
def _slots(classes: tuple[type, ...]) -> tuple[str, ...]:
    return tuple(slot for cls in classes for slot in getattr(cls, "__slots__", ()))


# An address as four plain numbers is its own canonical form; in plans of thousands of changes most values are such.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)


def canonical_rdata(rdtype: str, text: str, origin: str | None = None) -> str:
    """`text` (zone-file form, names relative to `origin`) in canonical zone-file form. Raises InvalidRdata."""
    if rdtype == "A" and _PLAIN_IPV4.fullmatch(text):
        return text
    return _canonical_rdata(rdtype, text, origin)


@lru_cache(maxsize=65536)
def _canonical_rdata(rdtype: str, text: str, origin: str | None) -> str:
    return parse_rdata(rdtype, text, origin).to_text()


def rdata_text(rdata: dns.rdata.Rdata) -> str:
    """Canonical zone-file text of a dnspython rdata."""
    return canonical(rdata).to_text()
