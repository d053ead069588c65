"""SPF records (RFC 7208): their terms, and what they cost at worst."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dns_cutover.mail.answers import Answers, Unlearned, texts

MAX_LOOKUPS = 10  # section 4.6.4
MAX_VOIDS = 2  # section 4.6.4
MAX_NAMES = 10  # of one MX set or one address (section 4.6.4)

Qualifier: TypeAlias = Literal["+", "-", "~", "?"]
Kind: TypeAlias = Literal["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"]
_KINDS: dict[str, Kind] = {k: k for k in ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.ASCII | re.DOTALL)
_MECHANISM = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9-]*)(:[^/]*(?:/(?!\d|/)[^/]*)*)?((?:/\d+)?(?://\d+)?)", re.ASCII)
_MACRO = re.compile(r"%(?:\{([A-Za-z])([0-9]*)(r?)([-.+,/_=]*)\}|[%_-])", re.ASCII)
_LETTERS = frozenset("slodiphcrtv")

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class InvalidSpf(ValueError):
    """The record has a syntax error (permerror of section 4.6); the message names the term."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism. `domain` is what stands after the colon, macros and all, empty for the current domain. `cidr` are
    the prefix lengths for IPv4 and IPv6; `network` is that of ip4 and ip6.
    """

    qualifier: Qualifier
    kind: Kind
    domain: str = ""
    cidr: tuple[int, int] = (32, 128)
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record's terms in order. `redirect` is empty where there is none."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


def spf_texts(values: Sequence[str]) -> tuple[str, ...]:
    """The SPF records among TXT RDATA (section 4.5): exactly one is right."""
    return tuple(t for t in texts(values) if t.lower() == "v=spf1" or t.lower().startswith("v=spf1 "))


def parse_spf(text: str) -> SpfRecord:
    """The terms of a record. Raises InvalidSpf."""
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in text[len("v=spf1") :].split(" "):
        if not term:
            continue
        if (modifier := _MODIFIER.fullmatch(term)) is not None:
            name = modifier[1].lower()
            if name in ("redirect", "exp"):
                if name in modifiers:
                    raise InvalidSpf(f"{name} stands twice")
                modifiers[name] = _domain_spec(modifier[2], term)
            elif not _macros_are_right(modifier[2]):
                raise InvalidSpf(f"{term}: a broken macro")
            continue
        mechanisms.append(_mechanism(term))
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect", ""))


def _mechanism(term: str) -> Mechanism:
    parts = _MECHANISM.fullmatch(term)
    kind = _KINDS.get(parts[2].lower()) if parts is not None else None
    if parts is None or kind is None:
        raise InvalidSpf(f"{term} is no mechanism")
    qualifier: Qualifier = parts[1] or "+"  # type: ignore[assignment]
    value = parts[3][1:] if parts[3] is not None else None
    if kind in ("ip4", "ip6"):
        return Mechanism(qualifier, kind, network=_network(kind, term.partition(":")[2], term))
    cidr = _cidr(parts[4], term)
    if cidr != (32, 128) and kind not in ("a", "mx"):
        raise InvalidSpf(f"{term}: only a and mx have a prefix length")
    if (kind in ("include", "exists") and not value) or value == "" or (kind == "all" and value is not None):
        raise InvalidSpf(f"{term}: {'no domain belongs here' if kind == 'all' else 'a domain is missing'}")
    return Mechanism(qualifier, kind, _domain_spec(value, term) if value else "", cidr)


def _network(kind: str, text: str, term: str) -> Network:
    try:
        # A host's bits may be set; a prefix without a number, or one with a sign, may not be there.
        if not re.fullmatch(r"[0-9A-Fa-f:.]+(/(0|[1-9][0-9]*))?", text, re.ASCII):
            raise ValueError
        return (ipaddress.IPv4Network if kind == "ip4" else ipaddress.IPv6Network)(text, strict=False)
    except ValueError:
        raise InvalidSpf(f"{term} has no {'IPv4' if kind == 'ip4' else 'IPv6'} network") from None


def _cidr(text: str, term: str) -> tuple[int, int]:
    four, six = 32, 128
    for part in re.findall(r"//?\d+", text):
        digits = part.lstrip("/")
        if digits != "0" and digits.startswith("0"):
            raise InvalidSpf(f"{term}: a prefix length has no leading zero")
        if part.startswith("//"):
            six = int(digits)
        else:
            four = int(digits)
    if four > 32 or six > 128:
        raise InvalidSpf(f"{term}: no such prefix length")
    return four, six


def _domain_spec(text: str, term: str) -> str:
    """Section 7.1: macros and visible characters, ending in a top label or a macro."""
    if not text or not all(0x21 <= ord(c) <= 0x7E for c in text) or not _macros_are_right(text):
        raise InvalidSpf(f"{term} has no domain")
    last = text.rstrip(".").rpartition(".")[2] if "." in text.rstrip(".") else ""
    if text.endswith("}"):
        return text
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", last, re.ASCII) or last.isdigit():
        raise InvalidSpf(f"{term}: {text} is no domain name")
    return text


def _macros_are_right(text: str) -> bool:
    rest = _MACRO.sub("", text)
    letters = (m[1].lower() for m in _MACRO.finditer(text) if m[1])
    return "%" not in rest and all(letter in _LETTERS for letter in letters)


@dataclass(frozen=True, slots=True)
class SpfCost:
    """What the record of `domain` may cost a receiver at worst: all terms of all includes, whoever sends.

    `voids` are the names that exist for no lookup, `broken` what makes it fail for everybody who gets there (an include
    without a record, a syntax error, a circle), `unlearned` what could not be told, `by` how many lookups each
    term of the record itself brings. `permits_all`: `+all`, here or in something included; `uses_ptr`: ptr, here.
    """

    domain: str
    lookups: int
    voids: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unlearned: tuple[str, ...] = ()
    by: tuple[tuple[str, int], ...] = ()
    permits_all: bool = False
    uses_ptr: bool = False
    includes: frozenset[str] = frozenset()


def spf_cost(domain: str, answers: Answers) -> SpfCost | None:
    """The cost of a domain's record (section 4.6.4); None where it has none, or more than one. Raises Unlearned for the
    domain's own record only.
    """
    found = spf_texts(answers(domain, "TXT"))
    if len(found) != 1:
        return None
    try:
        return _cost(domain, parse_spf(found[0]), answers, (domain,))
    except InvalidSpf as exc:
        return SpfCost(domain, 0, broken=(str(exc),))


def _cost(domain: str, record: SpfRecord, answers: Answers, path: tuple[str, ...]) -> SpfCost:
    lookups, by = 0, []
    voids: list[str] = []
    broken: list[str] = []
    unlearned: list[str] = []
    includes: set[str] = set()
    permits_all = any(m.kind == "all" and m.qualifier == "+" for m in record.mechanisms)
    uses_ptr = any(m.kind == "ptr" for m in record.mechanisms)
    for term, kind, name in _asking(domain, record):
        own = 1
        if name is not None and kind not in ("ptr", "exists"):
            try:
                inner = _descend(kind, name, answers, path)
            except Unlearned as exc:
                unlearned.append(str(exc))
            else:
                own += inner.lookups
                voids += inner.voids
                broken += [f"{term}: {text}" for text in inner.broken]
                unlearned += inner.unlearned
                includes |= inner.includes
                permits_all = permits_all or (kind in ("include", "redirect") and inner.permits_all)
                if kind in ("include", "redirect"):
                    includes.add(name)
        lookups += own
        by.append((term, own))
        if len(path) > MAX_LOOKUPS or lookups > 100:  # a tree of includes must not be walked for ever
            break
    return SpfCost(
        domain,
        lookups,
        tuple(dict.fromkeys(voids)),
        tuple(dict.fromkeys(broken)),
        tuple(dict.fromkeys(unlearned)),
        tuple(by),
        permits_all,
        uses_ptr,
        frozenset(includes),
    )


def _asking(domain: str, record: SpfRecord) -> Iterator[tuple[str, str, str | None]]:
    """The terms that ask: as written, their kind, and the absolute name (None: a macro says which)."""
    for m in record.mechanisms:
        if m.kind in ("include", "a", "mx", "ptr", "exists"):
            written = f"{m.kind}:{m.domain}" if m.domain else m.kind
            yield written, m.kind, domain if not m.domain else plain_name(m.domain)
        if m.kind == "all":
            return  # what follows is never reached, redirect included (section 5.1)
    if record.redirect:
        yield f"redirect={record.redirect}", "redirect", plain_name(record.redirect)


def plain_name(text: str) -> str | None:
    """A domain-spec without macros as an absolute name; None where it has some."""
    return None if "%" in text else f"{text.rstrip('.').lower()}."


def _descend(kind: str, name: str, answers: Answers, path: tuple[str, ...]) -> SpfCost:
    if kind in ("include", "redirect"):
        if name in path:
            return SpfCost(name, 0, broken=(f"a circle through {name}",))
        found = spf_texts(answers(name, "TXT"))
        if len(found) != 1:
            void = () if answers(name, "TXT") else (name,)
            return SpfCost(name, 0, void, (f"{name} has {'no' if not found else 'more than one'} SPF record",))
        try:
            return _cost(name, parse_spf(found[0]), answers, (*path, name))
        except InvalidSpf as exc:
            return SpfCost(name, 0, broken=(str(exc),))
    if kind == "mx":
        hosts = [h for v in answers(name, "MX") if (h := v.split()[1]) != "."]
        if len(hosts) > MAX_NAMES:
            return SpfCost(name, 0, broken=(f"{name} has more than {MAX_NAMES} MX",))
        return SpfCost(name, 0, () if hosts else (name,))
    there = answers(name, "A") or answers(name, "AAAA")
    return SpfCost(name, 0, () if there else (name,))
