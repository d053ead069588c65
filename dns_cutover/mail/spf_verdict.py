"""What a receiver concludes from SPF about one sending address: check_host() of RFC 7208 section 4."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from dns_cutover.mail.answers import Answers
from dns_cutover.mail.spf import MAX_LOOKUPS, MAX_NAMES, MAX_VOIDS, InvalidSpf, Mechanism, parse_spf, spf_texts

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_EXPAND = re.compile(r"%(?:\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}|([%_-]))", re.ASCII)


class SpfResult(StrEnum):
    """Section 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    SOFTFAIL = "softfail"
    PERMERROR = "permerror"


_BY_QUALIFIER = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """The result and, for people, what led to it."""

    result: SpfResult
    why: str = ""


class _PermError(Exception):
    """The record cannot be interpreted (section 2.6.7)."""


@dataclass(slots=True)
class _Check:
    """One check_host() with all that it includes; `lookups` and `voids` count over all of them."""

    answers: Answers
    address: Address
    local: str
    sender_domain: str
    helo: str
    lookups: int = 0
    voids: int = 0
    path: list[str] = field(default_factory=list)

    def spend(self) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _PermError(f"more than {MAX_LOOKUPS} lookups")

    def ask(self, name: str, rdtype: str) -> tuple[str, ...]:
        """An answer; one without data is a void lookup."""
        found = self.answers(name, rdtype)
        if not found:
            self.voids += 1
            if self.voids > MAX_VOIDS:
                raise _PermError(f"more than {MAX_VOIDS} lookups of names that do not exist")
        return found


def spf_verdict(
    address: str, domain: str, answers: Answers, *, local: str = "postmaster", helo: str = ""
) -> SpfVerdict:
    """check_host() for mail from `local`@`domain` (absolute) that comes from `address`.

    Raises Unlearned, ValueError.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    check = _Check(answers, ip, local, domain, helo or domain)
    try:
        return _check_host(check, domain, top=True)
    except _PermError as exc:
        return SpfVerdict(SpfResult.PERMERROR, str(exc))


def _check_host(check: _Check, domain: str, *, top: bool = False) -> SpfVerdict:
    found = spf_texts(check.answers(domain, "TXT"))
    if not found:
        return SpfVerdict(SpfResult.NONE, f"{domain} has no SPF record")
    if len(found) > 1:
        raise _PermError(f"{domain} has {len(found)} SPF records")
    try:
        record = parse_spf(found[0])
    except InvalidSpf as exc:
        raise _PermError(f"{domain}: {exc}") from None
    for m in record.mechanisms:
        if _matches(check, m, domain):
            written = f"{m.qualifier if m.qualifier != '+' else ''}{m.kind}{f':{m.domain}' if m.domain else ''}"
            return SpfVerdict(_BY_QUALIFIER[m.qualifier], f"{written} of {domain}" if not top else written)
    if record.redirect:
        check.spend()
        verdict = _check_host(check, _expand(check, record.redirect, domain))
        if verdict.result is SpfResult.NONE:  # section 6.1
            raise _PermError(verdict.why)
        return verdict
    return SpfVerdict(SpfResult.NEUTRAL, "no mechanism matches")


def _matches(check: _Check, m: Mechanism, domain: str) -> bool:
    match m.kind:
        case "all":
            return True
        case "ip4" | "ip6":
            return m.network is not None and check.address.version == m.network.version and check.address in m.network
        case _:
            check.spend()
    name = _expand(check, m.domain, domain) if m.domain else domain
    match m.kind:
        case "include":
            verdict = _check_host(check, name)
            if verdict.result is SpfResult.NONE:  # section 5.2
                raise _PermError(verdict.why)
            return verdict.result is SpfResult.PASS
        case "a":
            return _at(check, name, m.cidr, check.ask)
        case "mx":
            hosts = [h for v in check.ask(name, "MX") if (h := v.split()[1]) != "."]
            if len(hosts) > MAX_NAMES:
                raise _PermError(f"{name} has more than {MAX_NAMES} MX")
            # Asking for the hosts' addresses counts among the ten of its own only (section 4.6.4).
            return any(_at(check, host, m.cidr, check.answers) for host in hosts)
        case "exists":
            return bool(check.ask(name, "A"))
        case _:
            return _ptr(check, name)


def _at(check: _Check, name: str, cidr: tuple[int, int], ask: Answers) -> bool:
    four = check.address.version == 4
    found = ask(name, "A" if four else "AAAA")
    prefix = cidr[0] if four else cidr[1]
    return any(check.address in ipaddress.ip_network((a, prefix), strict=False) for a in found)


def _ptr(check: _Check, name: str) -> bool:
    """A name of the address, at or below `name`, that has the address again (section 5.5)."""
    return any(host == name or host.endswith(f".{name}") for host in validated_names(check.address, check.ask))


def validated_names(address: Address, ask: Answers) -> tuple[str, ...]:
    """The names of an address that have the address again (FCrDNS); at most ten are looked at. Raises Unlearned."""
    rdtype = "A" if address.version == 4 else "AAAA"
    hosts = ask(f"{address.reverse_pointer}.", "PTR")[:MAX_NAMES]
    return tuple(h for h in hosts if any(ipaddress.ip_address(a) == address for a in ask(h, rdtype)))


def _expand(check: _Check, text: str, domain: str) -> str:
    """A domain-spec with its macros replaced (section 7), as an absolute name of at most 253 octets."""

    def replace(found: re.Match[str]) -> str:
        if found[5]:
            return {"%": "%", "_": " ", "-": "%20"}[found[5]]
        return _macro(check, found[1].lower(), found[2], bool(found[3]), found[4] or ".", domain)

    name = _EXPAND.sub(replace, text).rstrip(".").lower()
    while len(name) > 253 and "." in name:
        name = name.partition(".")[2]
    return f"{name}."


def _macro(check: _Check, letter: str, digits: str, backwards: bool, separators: str, domain: str) -> str:
    ip = check.address
    dotted = ip.exploded if ip.version == 4 else ".".join(ip.exploded.replace(":", ""))
    values = {
        "s": f"{check.local}@{check.sender_domain.rstrip('.')}",
        "l": check.local,
        "o": check.sender_domain.rstrip("."),
        "d": domain.rstrip("."),
        "i": dotted,
        "p": "unknown",  # section 7.3: it should not be used, and may be this
        "v": "in-addr" if ip.version == 4 else "ip6",
        "h": check.helo.rstrip("."),
    }
    if letter not in values:
        raise _PermError(f"the macro %{{{letter}}} is for explanations only")
    parts = re.split(f"[{re.escape(separators)}]", values[letter])
    if backwards:
        parts.reverse()
    if digits:
        if int(digits) == 0:
            raise _PermError("a macro that keeps nothing")
        parts = parts[-int(digits) :]
    return ".".join(parts)
