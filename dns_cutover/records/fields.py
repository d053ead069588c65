"""The fields of RDATA that rules and renderings look into, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dns.exception
import dns.rdtypes.svcbbase
import dns.rdtypes.txtbase
import dns.tokenizer

from dns_cutover.records.rdata import InvalidRdata, parse_rdata


def txt_strings(value: str) -> tuple[bytes, ...]:
    """The character-strings of canonical TXT or SPF RDATA. Raises InvalidRdata."""
    rdata = parse_rdata("TXT", value)
    assert isinstance(rdata, dns.rdtypes.txtbase.TXTBase)
    return tuple(rdata.strings)


def unescaped(text: str) -> bytes:
    r"""The octets that text between quotes in a zone file means: \" and \DDD (RFC 1035 section 5.1).

    Raises InvalidRdata.
    """
    try:
        token = dns.tokenizer.Token(dns.tokenizer.QUOTED_STRING, text, has_escape=True)
        value: bytes = token.unescape_to_bytes().value
    except (dns.exception.DNSException, UnicodeError) as exc:
        raise InvalidRdata(f"{text!r} has a broken backslash escape") from exc
    return value


def rdata_words(value: str) -> tuple[str, ...]:
    """The fields of canonical RDATA as text, without the quotes around them; escapes inside them stay."""
    tokenizer = dns.tokenizer.Tokenizer(value)
    words = []
    while not (token := tokenizer.get()).is_eol_or_eof():
        words.append(token.value)
    return tuple(words)


@dataclass(frozen=True, slots=True)
class ServiceBinding:
    """SVCB or HTTPS RDATA (RFC 9460). `target` is absolute, "." is the owner itself; `priority` 0 is AliasMode.

    `params` by key name in the order of their numbers, as presentation text without quotes; None has no value.
    """

    priority: int
    target: str
    params: Mapping[str, str | None]

    def items(self, key: str) -> tuple[str, ...]:
        """The values of a parameter that is a list, such as "ipv4hint"; empty if it is not there."""
        text = self.params.get(key)
        return tuple(text.split(",")) if text else ()

    @property
    def port(self) -> int | None:
        """The port, None where the protocol's own serves."""
        text = self.params.get("port")
        return int(text) if text else None


def service_binding(rdtype: str, value: str) -> ServiceBinding:
    """Canonical SVCB or HTTPS RDATA by its fields. Raises InvalidRdata."""
    rdata = parse_rdata(rdtype, value)
    assert isinstance(rdata, dns.rdtypes.svcbbase.SVCBBase)
    params: dict[str, str | None] = {}
    for key, param in sorted(rdata.params.items()):
        name = dns.rdtypes.svcbbase.ParamKey.to_text(key).lower().replace("_", "-")
        text = param.to_text() if param is not None else None
        params[name] = text.strip('"') if text is not None else None
    return ServiceBinding(rdata.priority, rdata.target.to_text(), params)
