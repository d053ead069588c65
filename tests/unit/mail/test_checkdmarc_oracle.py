"""Our verdicts on SPF's cost, DMARC, MTA-STS and TLS reporting against checkdmarc's, on generated set-ups."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import checkdmarc.dmarc
import checkdmarc.mta_sts
import checkdmarc.smtp_tls_reporting
import checkdmarc.spf
import checkdmarc.utils
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from dns_cutover.mail.answers import Learned
from dns_cutover.mail.dmarc import dmarc_texts, parse_dmarc
from dns_cutover.mail.spf import spf_cost
from dns_cutover.mail.transport_policy import parse_sts_policy, sts_id, tls_report_problem
from dns_cutover.records import quote_text
from tests.unit.mail.test_spf_oracle import ADDRESSES, HOSTS, Everything, Zone

SETUPS = 200


class OverZone(dns.resolver.Resolver):
    """A resolver that knows one zone and nothing else."""

    def __init__(self, zone: Zone) -> None:
        super().__init__(configure=False)
        self.zone = zone

    def resolve(self, qname: Any, rdtype: Any = "A", *_: Any, **__: Any) -> dns.resolver.Answer:
        """The zone's data; NoAnswer or NXDOMAIN."""
        name, kind = dns.name.from_text(str(qname)), dns.rdatatype.RdataType.make(rdtype)
        query = dns.message.make_query(name, kind)
        reply = dns.message.make_response(query)
        values = self.zone.get((name.to_text().lower(), dns.rdatatype.to_text(kind)))
        if values is None and any(owner == name.to_text().lower() for owner, _ in self.zone):
            raise dns.resolver.NoAnswer(response=reply)
        if values is None:
            raise dns.resolver.NXDOMAIN(qnames=[name], responses={name: reply})
        reply.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *values))
        # Through the wire: only what was parsed is found by its name and type.
        return dns.resolver.Answer(name, kind, dns.rdataclass.IN, dns.message.from_wire(reply.to_wire()))


def forget() -> None:
    """checkdmarc remembers answers across resolvers."""
    for name in dir(checkdmarc.utils):
        if name.endswith("CACHE") and hasattr(cache := getattr(checkdmarc.utils, name), "clear"):
            cache.clear()


def spf_world(rng: random.Random) -> Zone:
    """A tree of includes below d0.test, cheap or dear.

    No domain is included twice, and no host is missing: a receiver asks twice for what is included twice, and looks for
    hosts that are not there, while checkdmarc counts the one once and stops at the other.
    """
    zone: Zone = {(f"{h}.", "A"): (rng.choice(ADDRESSES[:4]),) for h in HOSTS}
    free = list(range(1, 10))
    for n in range(10):
        terms = [f"ip4:{rng.choice(ADDRESSES[:4])}", *(f"a:{h}" for h in rng.sample(HOSTS, rng.randint(0, 2)))]
        below = [m for m in free if m > n][: rng.randint(0, 3)]
        free = [m for m in free if m not in below]
        terms += [f"include:d{m}.test" for m in below]
        zone[f"d{n}.test.", "TXT"] = (quote_text(" ".join(["v=spf1", *terms, "-all"])),)
    return zone


@pytest.mark.parametrize("block", range(4))
def test_what_spf_costs(block: int) -> None:
    """Lookups at worst: the same number up to ten, and beyond it both say that it is too many."""
    dear = 0
    for number in range(block * SETUPS // 4, (block + 1) * SETUPS // 4):
        zone = spf_world(random.Random(number))
        forget()
        text = zone["d0.test.", "TXT"][0].strip('"').replace('" "', "")
        ours = spf_cost("d0.test.", Learned(Everything(zone), {}))
        assert ours is not None
        if ours.lookups <= 10:
            theirs = checkdmarc.spf.parse_spf_record(text, "d0.test", resolver=OverZone(zone))
            assert ours.lookups == theirs["dns_lookups"], (number, zone)
            continue
        dear += 1
        with pytest.raises(checkdmarc.spf.SPFTooManyDNSLookups):
            checkdmarc.spf.parse_spf_record(text, "d0.test", resolver=OverZone(zone))
    assert dear


DMARC = [
    "v=DMARC1; p=none", "v=DMARC1; p=reject; rua=mailto:a@d0.test", "v=DMARC1;p=quarantine;sp=none;aspf=s", "v=DMARC1",
    "v=DMARC1; p=rejected", "v=DMARC1; p=none; aspf=x", "v=DMARC1; p=none; rua=a@d0.test", "v=DMARC1; p=none; p=reject",
    "v=DMARC1; p=none; sp=maybe", "v=DMARC1; p=none; adkim=s; rua=mailto:a@d0.test,mailto:b@d0.test!10m",
    "v=DMARC1; p=none rua=mailto:a@d0.test", "v=DMARC1; p=reject;", "v=DMARC1; p=REJECT",
]  # fmt: skip


def outcome(call: Callable[[], object]) -> str:
    """What checkdmarc says against it; empty if nothing."""
    try:
        call()
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"
    return ""


@pytest.mark.parametrize("text", DMARC)
def test_dmarc(text: str) -> None:
    """The records that checkdmarc takes are those that we take."""
    forget()
    resolver = OverZone({("_dmarc.d0.test.", "TXT"): (quote_text(text),)})
    theirs = outcome(lambda: checkdmarc.dmarc.parse_dmarc_record(text, "d0.test", resolver=resolver))
    ours = parse_dmarc(text).problem if dmarc_texts((quote_text(text),)) else "none"
    if text == "v=DMARC1":
        # DMARCbis lets p be missing, which checkdmarc follows; by RFC 7489 section 6.6.3 such a record is not applied.
        assert (ours, theirs) == ("the tag p is missing", "")
        return
    assert bool(ours) == bool(theirs), (ours, theirs)


STS = [
    "v=STSv1; id=1",
    "v=STSv1; id=20260310T",
    "v=STSv1;",
    "v=STSv1; id=",
    "v=STSv1; id=a b",
    "v=STSv1; id=" + "x" * 33,
]


@pytest.mark.parametrize("text", STS)
def test_mta_sts_record(text: str) -> None:
    """The id as checkdmarc reads it."""
    theirs = outcome(lambda: checkdmarc.mta_sts.parse_mta_sts_record(text))
    name, problem = sts_id((quote_text(text),))
    assert bool(problem or not name) == bool(theirs), (name, problem, theirs)


def policy(rng: random.Random) -> str:
    """A policy's file, right more often than not."""
    lines = [
        rng.choice(["version: STSv1"] * 6 + ["version: STSv2", ""]),
        rng.choice(["mode: enforce", "mode: testing", "mode: none", "mode: strict", ""]),
        rng.choice(["max_age: 86400"] * 4 + ["max_age: 1e9", "max_age: -1", "max_age: 99999999999", ""]),
        *(f"mx: {rng.choice(['mx.d0.test', '*.d0.test'])}" for _ in range(rng.randint(0, 2))),
    ]
    return "\r\n".join(line for line in lines if line) + "\r\n"


def test_mta_sts_policies() -> None:
    """Two hundred files: honoured or not."""
    good = 0
    for number in range(SETUPS):
        text = policy(random.Random(number))
        theirs = outcome(lambda text=text: checkdmarc.mta_sts.parse_mta_sts_policy(text))
        ours = parse_sts_policy(text)
        assert bool(ours.problem) == bool(theirs), (text, ours, theirs)
        good += not theirs
    assert 20 < good < SETUPS


@pytest.mark.parametrize("rest", [" rua=mailto:a@d0.test", " rua=https://d0.test/r", "", " rua=a"])
def test_tls_reporting(rest: str) -> None:
    """The records that checkdmarc takes are those that we take."""
    text = f"v=TLSRPTv1;{rest}"
    theirs = outcome(lambda: checkdmarc.smtp_tls_reporting.parse_smtp_tls_reporting_record(text))
    assert bool(tls_report_problem((quote_text(text),))) == bool(theirs), theirs
