r"""How names and data are written at Route 53, and how here. Pure.

Route 53 writes every octet of a name but a-z, 0-9, "-" and "_" as "\" and three *octal* digits, zone files (RFC 1035
section 5.1) as "\" and three decimal ones. A leading "*" comes back as "\052". The same octal digits stand in the
strings of TXT, SPF and CAA.
Source: docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html and ResourceRecordTypes.html (TXT).
"""

from __future__ import annotations

import re
from functools import lru_cache

import dns.exception
import dns.name

from dns_cutover.records import InvalidName, canonical_rdata

_LITERAL = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|([0-9]{3})|(.))", re.DOTALL)
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.", re.ASCII)


@lru_cache(maxsize=65536)
def to_api_name(owner: str) -> str:
    """A canonical absolute name as Route 53 wants it."""
    if _PLAIN.fullmatch(owner):
        return owner
    labels = dns.name.from_text(owner).canonicalize().labels
    out = ["*" if n == 0 and label == b"*" else _octal(label) for n, label in enumerate(labels[:-1])]
    return ".".join(out) + "."


def _octal(label: bytes) -> str:
    return "".join(chr(octet) if octet in _LITERAL else f"\\{octet:03o}" for octet in label)


@lru_cache(maxsize=65536)
def from_api_name(text: str) -> str:
    """A name of Route 53, with or without its last dot, as a canonical absolute name. Raises InvalidName."""
    if _PLAIN.fullmatch(text):
        return text
    try:
        return dns.name.from_text(_decimal(text)).canonicalize().to_text()
    except (dns.exception.DNSException, UnicodeError, ValueError) as exc:
        raise InvalidName(f"{text!r} is not a domain name: {exc or type(exc).__name__}") from None


def _decimal(text: str) -> str:
    """Octal escapes as decimal ones; what is no octal number stays."""

    def digits(found: re.Match[str]) -> str:
        return f"\\{int(found[1], 8):03d}" if found[1] else found[0]

    return _ESCAPE.sub(digits, text) if "\\" in text else text


@lru_cache(maxsize=65536)
def from_api_value(rdtype: str, text: str) -> str:
    """A value of Route 53 as canonical RDATA; names are absolute, with or without a last dot. Raises InvalidRdata."""
    return canonical_rdata(rdtype, _decimal(text))


@lru_cache(maxsize=65536)
def to_api_value(text: str) -> str:
    r"""Canonical RDATA as Route 53 wants it: "\DDD" in octal digits, and "\." of a name too; "\"" and "\\" stay."""
    if "\\" not in text:
        return text
    out, quoted, at = [], False, 0
    while at < len(text):
        char = text[at]
        if char != "\\":
            quoted ^= char == '"'
            out.append(char)
            at += 1
            continue
        code = text[at + 1 : at + 4]
        if len(code) == 3 and code.isdigit():
            out.append(f"\\{int(code):03o}")
            at += 4
        else:
            out.append(text[at : at + 2] if quoted else f"\\{ord(text[at + 1]):03o}")
            at += 2
    return "".join(out)
