"""What a receiver makes of a message: SPF of the true peer, DKIM by dkimpy, DMARC over both. Asks nobody itself."""

from __future__ import annotations

import email
import email.utils
from dataclasses import dataclass

import dkim

from dns_cutover.mail.answers import Answers, texts
from dns_cutover.mail.dkim import selector_name
from dns_cutover.mail.dmarc import aligned, dmarc_place, dmarc_texts, parse_dmarc
from dns_cutover.mail.spf_verdict import SpfResult, spf_verdict
from dns_cutover.mail.tags import InvalidTags, parse_tags


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the message is taken, and what was found."""

    taken: bool
    spf: str
    dkim: bool
    why: str


def judge(peer: str, mail_from: str, message: bytes, answers: Answers) -> Judgement:
    """A message that came from the address `peer` with this envelope sender. Raises Unlearned."""
    parsed = email.message_from_bytes(message)
    domain, envelope = _domain(email.utils.parseaddr(str(parsed["From"]))[1]), _domain(mail_from)
    spf = spf_verdict(peer, envelope, answers).result
    if spf is SpfResult.FAIL:  # many receivers refuse at once what "-all" disowns (RFC 7208 section 8.4)
        return Judgement(False, spf.value, False, f"SPF fail for {peer}")
    records = dmarc_texts(answers(dmarc_place(domain), "TXT"))
    policy = parse_dmarc(records[0]) if len(records) == 1 else None
    signer = _signer(message, parsed["DKIM-Signature"], answers)
    if policy is None or policy.problem or policy.policy != "reject":
        return Judgement(True, spf.value, signer is not None, "no policy that rejects")
    by_spf = spf is SpfResult.PASS and aligned(envelope, domain, policy.aspf, answers)
    by_dkim = signer is not None and aligned(signer, domain, policy.adkim, answers)
    how = "pass" if by_dkim else "fail" if "DKIM-Signature" in parsed else "none"
    return Judgement(by_spf or by_dkim, spf.value, by_dkim, f"SPF {spf.value} for {peer}, DKIM {how}")


def _domain(mailbox: str) -> str:
    return mailbox.rpartition("@")[2].lower() + "."


def _signer(message: bytes, signature: object, answers: Answers) -> str | None:
    """The domain (absolute) whose signature holds; None: there is none. Raises Unlearned."""
    if signature is None:
        return None
    try:
        tags = parse_tags("".join(str(signature).split()))
        domain, selector = tags["d"].lower() + ".", tags["s"]
    except (InvalidTags, KeyError):
        return None
    # Asked for before the library is: it would take the question that is still open for a broken key.
    keys = texts(answers(selector_name(selector, domain), "TXT"))
    key = keys[0].encode() if len(keys) == 1 else None
    holds = dkim.verify(message, dnsfunc=lambda name, timeout=5: key) if key is not None else False
    return domain if holds else None
