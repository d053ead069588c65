"""DMARC records (RFC 7489): the policy of a domain, whom it reports to, and which domains align with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dns_cutover.mail.answers import Answers, texts
from dns_cutover.mail.tags import InvalidTags, parse_tags

Mode: TypeAlias = Literal["r", "s"]
MAX_WALK = 8  # questions of one tree walk (DMARCbis section 4.10)
_POLICIES = ("none", "quarantine", "reject")
_URI = re.compile(r"mailto:([^@\s,!;]+)@([A-Za-z0-9.-]+)(![0-9]+[kmgt]?)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record. `problem` says why receivers do not honour it, else it is empty; `reports` are the domains (absolute)
    that aggregate and failure reports go to.
    """

    policy: str = ""
    aspf: Mode = "r"
    adkim: Mode = "r"
    reports: tuple[str, ...] = ()
    problem: str = ""


def dmarc_texts(values: Sequence[str]) -> tuple[str, ...]:
    """The DMARC records among TXT RDATA; others are not looked at (RFC 7489 section 6.6.3)."""
    return tuple(t for t in texts(values) if re.match(r"v\s*=\s*DMARC1\s*(;|$)", t))


def parse_dmarc(text: str) -> DmarcRecord:
    """A record's tags (section 6.3)."""
    try:
        tags = parse_tags(text)
    except InvalidTags as exc:
        return DmarcRecord(problem=str(exc))
    policy = tags.get("p", "").lower()
    reports: list[str] = []
    problem = "" if policy in _POLICIES else f"p={tags['p']} is no policy" if "p" in tags else "the tag p is missing"
    if not problem and tags.get("sp", "none").lower() not in _POLICIES:
        problem = f"sp={tags['sp']} is no policy"
    for tag in ("rua", "ruf"):
        for uri in (u.strip() for u in tags.get(tag, "").split(",") if u.strip()):
            found = _URI.fullmatch(uri)
            if found is None:
                problem = problem or f"{tag}={uri} is no mail address to report to"
            else:
                reports.append(f"{found[2].rstrip('.').lower()}.")
    # What is wrong with the other tags counts as their default (section 6.3).
    modes = {tag: tags.get(tag, "r").lower() for tag in ("aspf", "adkim")}
    return DmarcRecord(
        policy,
        "s" if modes["aspf"] == "s" else "r",
        "s" if modes["adkim"] == "s" else "r",
        tuple(dict.fromkeys(reports)),
        problem,
    )


def dmarc_place(domain: str) -> str:
    """Where a domain's own record stands."""
    return f"_dmarc.{domain}"


def report_place(domain: str, receiver: str) -> str:
    """Where `receiver` says that it wants the reports of `domain` (section 7.1)."""
    return f"{domain.rstrip('.')}._report._dmarc.{receiver}"


def organizational_domain(domain: str, answers: Answers) -> str:
    """The domain that a name belongs to, by the tree walk of DMARCbis section 4.10: the uppermost name with a record.

    Where nobody has one, the two last labels. Raises Unlearned.
    """
    labels = domain.rstrip(".").split(".")
    # Names of more than eight labels jump to the last seven.
    starts = [0, *range(max(1, len(labels) - 7), len(labels))]
    found = ""
    for start in starts[:MAX_WALK]:
        name = ".".join(labels[start:]) + "."
        records = dmarc_texts(answers(dmarc_place(name), "TXT"))
        if len(records) != 1:
            continue
        psd = _psd(records[0])
        if psd == "n":
            return name
        if psd == "y":
            return found or name if start == 0 else ".".join(labels[start - 1 :]) + "."
        found = name
    return found or ".".join(labels[-2:]) + "."


def _psd(text: str) -> str:
    try:
        return parse_tags(text).get("psd", "u")
    except InvalidTags:
        return "u"


def aligned(domain: str, header: str, mode: Mode, answers: Answers) -> bool:
    """Whether an authenticated domain counts for the domain in From (section 3.1). Raises Unlearned."""
    if domain == header:
        return True
    return mode == "r" and organizational_domain(domain, answers) == organizational_domain(header, answers)
