"""What the rules about e-mail want to know of DNS, beyond what is known: asked, and looked at again. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from dns_cutover.checks.interface import Subject
from dns_cutover.checks.mail_mx import SERVICE_RECORDS, SERVICES, mx_hosts
from dns_cutover.checks.mail_scope import Recording, Scope, answers, moments, scope
from dns_cutover.checks.mail_transport import tlsa_place
from dns_cutover.mail.answers import Answers, Found, Question, Unlearned
from dns_cutover.mail.dmarc import aligned, dmarc_place, dmarc_texts, parse_dmarc, report_place
from dns_cutover.mail.spf import spf_cost
from dns_cutover.mail.spf_verdict import spf_verdict, validated_names


def questions(subject: Subject, found: Mapping[Question, Found | None]) -> frozenset[Question]:
    """What is missing at some moment. Answers may lead to further questions: an include has includes of its own."""
    wanted = scope(subject)
    missing: set[Question] = set()
    for moment in moments(subject) if wanted else ():
        recording = Recording(answers(subject, moment, found))
        for look in _looks(wanted, moment):
            with suppress(Unlearned):
                look(recording)
        missing |= recording.missing
    return frozenset(missing - found.keys())


def _looks(wanted: Scope, moment: int) -> Iterator[Callable[[Answers], object]]:
    for domain in wanted.envelope:
        yield lambda a, d=domain: spf_cost(d, a)  # type: ignore[misc]
    for sender in wanted.senders:
        if moment in sender.span:
            for domain in sender.domains:
                yield lambda a, s=sender, d=domain: spf_verdict(s.address, d, a)  # type: ignore[misc]
    for owner in (*(k.owner for k in wanted.selectors if moment in k.span), *wanted.keys):
        yield lambda a, o=owner: a(o, "TXT")  # type: ignore[misc]
    for domain in wanted.receiving:
        yield lambda a, d=domain: _around(d, a)  # type: ignore[misc]
    for sender in wanted.senders:
        yield lambda a, s=sender: validated_names(ipaddress.ip_address(s.address), a)  # type: ignore[misc]
    for domain in wanted.headers:
        yield lambda a, d=domain: _reported(d, a)  # type: ignore[misc]
        for other in (*wanted.envelope, *(k.domain for k in wanted.selectors)):
            yield lambda a, d=domain, o=other: aligned(o, d, "r", a)  # type: ignore[misc]


def _reported(domain: str, learned: Answers) -> None:
    """The policy, and whether those who are to get its reports want them."""
    found = dmarc_texts(learned(dmarc_place(domain), "TXT"))
    for receiver in parse_dmarc(found[0]).reports if len(found) == 1 else ():
        with suppress(Unlearned):
            aligned(receiver, domain, "r", learned)
        with suppress(Unlearned):
            learned(report_place(domain, receiver), "TXT")


def _around(domain: str, learned: Answers) -> None:
    """What stands beside a domain's MX."""
    names = [(f"*.{domain}", "MX"), (f"_mta-sts.{domain}", "TXT"), (f"_smtp._tls.{domain}", "TXT")]
    names += [(f"{label}.{domain}", "CNAME") for label in SERVICES]
    names += [(f"{label}.{domain}", "SRV") for label in SERVICE_RECORDS]
    with suppress(Unlearned):
        names += [(tlsa_place(host), "TLSA") for host in mx_hosts(learned, domain)]
    for name, rdtype in names:
        with suppress(Unlearned):
            learned(name, rdtype)
