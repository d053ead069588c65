"""Our SPF verdicts against pyspf's, on generated worlds: the same answers for both, no network."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import spf as oracle

from dns_cutover.mail import spf_verdict as spf_verdict_module
from dns_cutover.mail.answers import Found, Learned, Question
from dns_cutover.mail.spf import InvalidSpf, parse_spf
from dns_cutover.mail.spf_verdict import spf_verdict
from dns_cutover.records import quote_text

WORLDS = 100
DOMAINS = [f"d{n}.test" for n in range(6)]
HOSTS = [f"h{n}.test" for n in range(4)]
ADDRESSES = ["192.0.2.1", "192.0.2.77", "198.51.100.9", "203.0.113.5", "2001:db8::1", "2001:db8:1::9"]
WRONG = ["ip4:1.2.3", "ip4:192.0.2.1/33", "include:", "foo", "a:", "x=y", "all:x", "a:h0.test/x", "ip6:x"]
Zone = dict[Question, tuple[str, ...]]


def term(rng: random.Random) -> str:
    """One term, right most of the time."""
    qualifier = rng.choice(["", "", "", "-", "~", "?", "+"])
    cidr = rng.choice(["", "", "", "/24", "/16", "//64", "/24//48"])
    return rng.choice(
        [
            f"{qualifier}ip4:{rng.choice(ADDRESSES[:4])}{rng.choice(['', '/24', '/8', '/32'])}",
            f"{qualifier}ip6:{rng.choice(ADDRESSES[4:])}{rng.choice(['', '/32', '/128'])}",
            f"{qualifier}a:{rng.choice(HOSTS + DOMAINS)}{cidr}",
            f"{qualifier}a{cidr}",
            f"{qualifier}mx:{rng.choice(DOMAINS)}{cidr}",
            f"{qualifier}mx",
            f"{qualifier}include:{rng.choice(DOMAINS)}",
            f"{qualifier}include:{rng.choice(DOMAINS)}",
            f"{qualifier}exists:%{{ir}}.{rng.choice(HOSTS)}",
            f"{qualifier}exists:%{{l}}.%{{d2}}",
            f"{qualifier}ptr:{rng.choice(HOSTS)}",
            f"redirect={rng.choice(DOMAINS)}",
            f"exp=why.{rng.choice(DOMAINS)}",
            rng.choice(
                ["ip4:1.2.3", "ip4:192.0.2.1/33", "include:", "foo", "a:", "x=y", "all:x", "a:h0.test/x", "ip6:x"]
            )
            if rng.random() < 0.1
            else f"{qualifier}all",
        ]
    )


def world(rng: random.Random, without: str) -> Zone:
    """Domains with records, most of them right; no terms of the kinds in `without`."""
    zone: Zone = {}
    for domain in DOMAINS:
        if rng.random() < 0.85:
            some = [
                t for t in (term(rng) for _ in range(rng.randint(0, 4))) if not any(k in t for k in without.split())
            ]
            terms = " ".join(some)
            record = f"v=spf1 {terms}".rstrip()
            if rng.random() < 0.6 and "all" not in terms:
                record += rng.choice([" -all", " ~all", " ?all"])
            texts = [record, "unrelated"]
            if rng.random() < 0.04:
                texts.append("v=spf1 -all")
            zone[f"{domain}.", "TXT"] = tuple(map(quote_text, texts))
        if rng.random() < 0.7:
            zone[f"{domain}.", "MX"] = tuple(f"{n} {h}." for n, h in enumerate(rng.sample(HOSTS, rng.randint(1, 3))))
        if rng.random() < 0.5:
            zone[f"{domain}.", "A"] = (rng.choice(ADDRESSES[:4]),)
    for host in HOSTS:
        if rng.random() < 0.8:
            zone[f"{host}.", "A"] = tuple(rng.sample(ADDRESSES[:4], rng.randint(1, 2)))
        if rng.random() < 0.4:
            zone[f"{host}.", "AAAA"] = (rng.choice(ADDRESSES[4:]),)
        if rng.random() < 0.3:
            zone[f"1.2.0.192.{host}.", "A"] = ("127.0.0.2",)
    for address in ADDRESSES[:4]:
        if rng.random() < 0.5:
            reverse = ".".join(reversed(address.split(".")))
            zone[f"{reverse}.in-addr.arpa.", "PTR"] = (f"{rng.choice(HOSTS)}.",)
    return zone


class Everything(Mapping[Question, Found]):
    """What is not in the zone is known not to be there."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def __getitem__(self, question: Question) -> Found:
        return Found(self.zone.get(question, ()))

    def __iter__(self):
        return iter(self.zone)

    def __len__(self) -> int:
        return len(self.zone)


def as_oracle_asks(zone: Zone):
    """pyspf's DNSLookup over the same zone."""

    def lookup(name: str, qtype: str, *_: object) -> list[tuple[tuple[str, str], object]]:
        values = zone.get((f"{name.lower().rstrip('.')}.", qtype), ())
        match qtype:
            case "MX":
                data = [(int(v.split()[0]), v.split()[1].rstrip(".")) for v in values]
            case "TXT":
                data = [[v.strip('"').replace('" "', "").encode()] for v in values]
            case _:
                data = [v.rstrip(".") for v in values]
        return [((name, qtype), d) for d in data]

    return lookup


def differs(zone: Zone) -> str:
    """Why pyspf and RFC 7208 may part ways here; empty if they must agree."""
    for (owner, rdtype), values in zone.items():
        for text in (v.strip('"') for v in values if rdtype == "TXT" and v.startswith('"v=spf1')):
            try:
                parse_spf(text)
            except InvalidSpf:
                # pyspf looks at the terms as it comes to them; section 4.6 has any syntax error found first.
                return "a syntax error behind a term that matches"
            if f"include:{owner.rstrip('.')}" in text or f"redirect={owner.rstrip('.')}" in text:
                # pyspf refuses it when it reads the term, a receiver by section 4.6.4 when it has gone round too often.
                return "a domain that includes itself, behind a term that matches"
    return ""


def compare(numbers: range, monkeypatch: pytest.MonkeyPatch, kinds: str) -> dict[str, int]:
    """How often pyspf said what; fails where we say something else."""
    seen: dict[str, int] = {}
    for number in numbers:
        zone = world(random.Random(number), kinds)
        if differs(zone):
            continue
        monkeypatch.setattr(oracle, "DNSLookup", as_oracle_asks(zone))
        learned = Learned(Everything(zone), {})
        for address in ADDRESSES:
            ours = spf_verdict(address, "d0.test.", learned, local="postmaster", helo="helo.test.").result
            theirs = oracle.query(address, "postmaster@d0.test", "helo.test", strict=True, querytime=0).check()[0]
            seen[theirs] = seen.get(theirs, 0) + 1
            assert ours == theirs, f"world {number}, {address}: {zone}"
    return seen


@pytest.mark.parametrize("block", range(3))
def test_all_terms_as_pyspf(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six addresses in each world; without the limit of void lookups, since pyspf counts the addresses of MX hosts into
    it, and section 4.6.4 counts terms.
    """
    monkeypatch.setattr(oracle, "MAX_VOID_LOOKUPS", 1000)
    monkeypatch.setattr(spf_verdict_module, "MAX_VOIDS", 1000)
    seen = compare(range(block * WORLDS, (block + 1) * WORLDS), monkeypatch, "")
    assert {"pass", "fail", "softfail", "neutral", "none", "permerror"} <= seen.keys()


def test_void_lookups_as_pyspf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms whose names are not there, up to the limit and beyond."""
    seen = compare(range(10_000, 10_000 + WORLDS), monkeypatch, "mx ptr")
    assert {"pass", "fail", "permerror"} <= seen.keys()
