"""Owner names: absolute, lower-case, in zone-file escapes (RFC 1035 section 5.1, RFC 4343)."""

from __future__ import annotations

from functools import lru_cache

import dns.exception
import dns.name


class InvalidName(ValueError):
    """The text is not a domain name; the message says why in plain words."""


_IDNA = dns.name.IDNA_2003_Practical


def _reason(exc: Exception) -> str:
    match exc:
        case dns.name.LabelTooLong():
            return "a label is longer than 63 octets"
        case dns.name.NameTooLong():
            return "the name is longer than 255 octets"
        case dns.name.EmptyLabel():
            return "it has an empty label (two dots in a row)"
        case dns.name.BadEscape():
            return "it has a broken backslash escape"
        case _:
            return str(exc) or type(exc).__name__


@lru_cache(maxsize=65536)
def absolute_name(text: str, origin: str | None = None) -> str:
    r"""`text` relative to `origin` as a canonical absolute name, for example "www" -> "www.example.test.".

    "@" is the origin. Unicode labels are converted to IDNA (RFC 5890 A-labels). The result is
    lower-case, ends with a dot, and has special octets escaped as in zone files.

    Raises InvalidName.
    """
    if not text:
        raise InvalidName("the name is empty")
    try:
        base = dns.name.from_text(origin) if origin is not None else dns.name.root
        name = dns.name.from_text(text, base, idna_codec=_IDNA)
        return name.canonicalize().to_text()
    except (dns.exception.DNSException, UnicodeError) as exc:
        raise InvalidName(f"{text!r} is not a domain name: {_reason(exc)}") from None


def relative_name(owner: str, zone: str) -> str:
    """`owner` as one writes it inside `zone`: "@" at the apex, relative below it, else unchanged."""
    if owner == zone:
        return "@"
    suffix = zone if zone == "." else "." + zone
    return owner[: -len(suffix)] if owner.endswith(suffix) and len(owner) > len(suffix) else owner


def is_below(owner: str, zone: str) -> bool:
    """Whether `owner` is `zone` or a name under it (both canonical)."""
    return dns.name.from_text(owner).is_subdomain(dns.name.from_text(zone))


@lru_cache(maxsize=65536)
def parent_names(owner: str) -> tuple[str, ...]:
    """All ancestors of `owner`, nearest first, without `owner` and without the root."""
    name = dns.name.from_text(owner)
    out = []
    while len(name.labels) > 2:
        name = name.parent()
        out.append(name.to_text())
    return tuple(out)
