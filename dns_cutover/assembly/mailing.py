"""What the rules about e-mail need beyond the plan's own RRsets: DNS of other people's domains, and policies' files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dns_cutover.assembly.setting import Setting

if TYPE_CHECKING:
    from dns_cutover.checks.interface import Subject
    from dns_cutover.lookup.hosts import HostFinder
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.lookup.views import LiveView
    from dns_cutover.mail.answers import Found, Question
    from dns_cutover.mail.transport_policy import StsPolicy
    from dns_cutover.plan.loader import LoadedPlan

MAX_QUESTIONS = 300  # of one plan: SPF records include others, which include others
MAX_ROUNDS = 14  # one answer may lead to the next question: ten lookups, and some aliases
AT_ONCE = 8
PATIENCE = 10.0  # real seconds for one answer


async def with_mail(loaded: LoadedPlan, view: LiveView, setting: Setting) -> LiveView:
    """The view with what the rules about e-mail ask for, each at its own authority. Most plans ask for nothing."""
    from dns_cutover.checks.interface import Subject
    from dns_cutover.checks.mail_questions import questions
    from dns_cutover.checks.mail_scope import scope
    from dns_cutover.lookup.resolvers import unique

    subject = Subject(loaded, setting.clock.now(), view)
    if not scope(subject):
        return view
    zones = loaded.plan.all_zones()
    # In the lab nobody outside is asked: whatever is not in its zones stays unknown.
    given = (setting.bootstrap_of(c.lookup.bootstrap) for c in zones.values()) if setting.lab is None else ()
    finder = _finder(view, unique(e for endpoints in given for e in endpoints), setting)
    found: dict[Question, Found | None] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    for _ in range(MAX_ROUNDS):
        missing = sorted(await asyncio.to_thread(questions, subject, found))[: MAX_QUESTIONS - len(found)]
        if not missing:
            break
        answers = await asyncio.gather(*(_ask(finder, question, gate) for question in missing))
        found.update(zip(missing, answers, strict=True))
    return replace(view, mail=MappingProxyType(found))


def _finder(view: LiveView, bootstrap: tuple[Endpoint, ...], setting: Setting) -> HostFinder:
    from dns_cutover.lookup.hosts import HostFinder

    good = {ref: tuple(v.server for v in view.servers if v.zone == ref and v.serial is not None) for ref in view.zones}
    known = ((zone.zone, good[ref]) for ref, zone in view.zones.items())
    return HostFinder(setting.asker(), bootstrap, known)


async def _ask(finder: HostFinder, question: Question, gate: asyncio.Semaphore) -> Found | None:
    from dns_cutover.mail.answers import Found

    name, rdtype = question
    try:
        async with gate, asyncio.timeout(PATIENCE):
            reply = await finder.at(name, rdtype)
    except TimeoutError:
        return None
    if reply is None:
        return None
    here, alias = reply.find(name, rdtype), reply.find(name, "CNAME")
    return Found(here.values if here is not None else (), alias.values[0] if alias is not None else "")


async def sts_policies(subject: Subject, setting: Setting) -> Mapping[str, StsPolicy]:
    """The MTA-STS policies of the domains whose MX changes, by domain, read as a sender reads them (RFC 8461 section
    3.3). Domains without the TXT record have none.
    """
    from dns_cutover.checks.mail_scope import answers, scope
    from dns_cutover.mail.answers import Unlearned
    from dns_cutover.mail.transport_policy import parse_sts_policy, sts_id
    from dns_cutover.probes.policy import read_policy

    domains = []
    for domain in scope(subject).receiving:
        try:
            name, _ = sts_id(answers(subject, 0)(f"_mta-sts.{domain}", "TXT"))
        except Unlearned:
            continue
        if name:
            domains.append(domain)
    texts = await asyncio.gather(*(read_policy(f"mta-sts.{d.rstrip('.')}", timeout=PATIENCE) for d in domains))
    return {d: parse_sts_policy(text) for d, text in zip(domains, texts, strict=True) if text is not None}
