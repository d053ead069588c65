"""Owner names: absolute, lower-case, in zone-file escapes (RFC 1035 section 5.1, RFC 4343)."""

from __future__ import annotations

import re
from functools import lru_cache

import dns.exception
import dns.name


class InvalidName(ValueError):
    """The text is not a domain name; the message says why in plain words."""


_IDNA = dns.name.IDNA_2003_Practical


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (dns.name.LabelTooLong, "a label is longer than 63 octets"),
    (dns.name.NameTooLong, "the name is longer than 255 octets"),
    (dns.name.EmptyLabel, "it has an empty label (two dots in a row)"),
    (dns.name.BadEscape, "it has a broken backslash escape"),
)


def _reason(exc: Exception) -> str:
    if isinstance(exc.__context__, UnicodeError):
        # dnspython calls every label that cannot be converted too long.
        return "a label is too long, or has characters that IDNA (RFC 3490) does not allow there"
    return next((why for kind, why in _REASONS if isinstance(exc, kind)), str(exc) or type(exc).__name__)


@lru_cache(maxsize=1024)
def base_name(origin: str) -> dns.name.Name:
    """What relative names are relative to; a plan has few. Raises dns.exception.DNSException."""
    return dns.name.from_text(origin)


@lru_cache(maxsize=1024)
def base_text(origin: str) -> str:
    """The same as canonical text. Raises InvalidName."""
    return absolute_name(origin)


# A relative name of lower-case labels is its own canonical form; in plans of thousands of changes most names are such.
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_LONGEST = 250  # characters, well below the limit: what is longer goes the long way


@lru_cache(maxsize=65536)
def absolute_name(text: str, origin: str | None = None) -> str:
    r"""`text` relative to `origin` as a canonical absolute name, for example "www" -> "www.example.test.".

    "@" is the origin. Unicode labels are converted to IDNA (RFC 5890 A-labels). The result is
    lower-case, ends with a dot, and has special octets escaped as in zone files.

    Raises InvalidName.
    """
    if not text:
        raise InvalidName("the name is empty")
    if _PLAIN.fullmatch(text) and len(text) < _LONGEST and origin is not None:
        zone = base_text(origin)
        if len(text) + len(zone) < _LONGEST and "\\" not in zone:
            return f"{text}.{zone}" if zone != "." else f"{text}."
    try:
        base = base_name(origin) if origin is not None else dns.name.root
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
    if "\\" not in owner and "\\" not in zone and owner.endswith(".") and zone.endswith("."):
        return owner == zone or zone == "." or owner.endswith("." + zone)
    return dns.name.from_text(owner).is_subdomain(dns.name.from_text(zone))


@lru_cache(maxsize=65536)
def parent_names(owner: str) -> tuple[str, ...]:
    """All ancestors of `owner`, nearest first, without `owner` and without the root."""
    if "\\" not in owner:
        labels = owner.rstrip(".").split(".")
        return tuple(".".join(labels[n:]) + "." for n in range(1, len(labels)))
    name = dns.name.from_text(owner)
    out = []
    while len(name.labels) > 2:
        name = name.parent()
        out.append(name.to_text())
    return tuple(out)


def wildcards_above(owner: str, zone: str) -> tuple[str, ...]:
    """The owners of the wildcards inside `zone` that could answer for `owner`, nearest first (RFC 4592)."""
    if owner == zone:
        return ()
    # Neighbours share them all.
    above = parent_names(owner)[:1] if "\\" in owner else (owner.partition(".")[2],)
    return _wildcards_at(above[0] or ".", zone) if above else ()


@lru_cache(maxsize=4096)
def _wildcards_at(name: str, zone: str) -> tuple[str, ...]:
    # The root is no name's ancestor by `parent_names`.
    names = dict.fromkeys((name, *parent_names(name), *((".",) if zone == "." else ())))
    return tuple("*." if n == "." else f"*.{n}" for n in names if is_below(n, zone))
