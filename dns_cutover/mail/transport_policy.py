"""What a domain says about TLS on the way to it: MTA-STS (RFC 8461) and TLS reporting (RFC 8460)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dns_cutover.mail.answers import texts
from dns_cutover.mail.tags import InvalidTags, parse_tags

MAX_AGE = 31557600  # seconds, about a year (RFC 8461 section 3.2)


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """The policy's file (section 3.2). `problem` says why senders do not honour it; `max_age` in seconds."""

    mode: str = ""
    mx: tuple[str, ...] = ()
    max_age: int = 0
    problem: str = ""

    def allows(self, host: str) -> bool:
        """Whether the pattern of some mx line fits the absolute host name (section 4.1)."""
        name = host.rstrip(".").lower()
        return any(name.partition(".")[2] == p[2:] if p.startswith("*.") else name == p for p in self.mx)


def sts_id(values: Sequence[str]) -> tuple[str, str]:
    """The id in the TXT RDATA at _mta-sts, and what is wrong with the record (section 3.1)."""
    found = [t for t in texts(values) if t.startswith("v=STSv1;") or t == "v=STSv1"]
    if not found:
        return "", ""
    if len(found) > 1:
        return "", f"there are {len(found)} records, and senders then use none"
    try:
        tags = parse_tags(found[0])
    except InvalidTags as exc:
        return "", str(exc)
    name = tags.get("id", "")
    return (name, "") if re.fullmatch(r"[A-Za-z0-9]{1,32}", name, re.ASCII) else ("", "its id is missing or wrong")


def parse_sts_policy(text: str) -> StsPolicy:
    """The lines of a policy's file."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.strip():
            key, sign, value = line.partition(":")
            if not sign:
                return StsPolicy(problem=f"{line.strip()[:60]} is no field")
            fields.setdefault(key.strip(), []).append(value.strip())
    age, mode = fields.get("max_age", [""])[0], fields.get("mode", [""])[0]
    mx = tuple(m.rstrip(".").lower() for m in fields.get("mx", ()))
    problem = ""
    if fields.get("version", [""])[0] != "STSv1":
        problem = "the version is not STSv1"
    elif mode not in ("enforce", "testing", "none"):
        problem = "the mode is missing or unknown"
    elif not re.fullmatch(r"[0-9]{1,10}", age, re.ASCII) or int(age) > MAX_AGE:
        problem = "max_age is missing or wrong"
    elif not mx and mode != "none":
        problem = "no mx is listed"
    return StsPolicy(mode, mx, int(age) if age.isascii() and age.isdigit() else 0, problem)


def tls_report_problem(values: Sequence[str]) -> str:
    """What is wrong with the TXT RDATA at _smtp._tls (RFC 8460 section 3); empty if nothing is, or none is there."""
    found = [t for t in texts(values) if t.startswith("v=TLSRPTv1")]
    if not found:
        return ""
    if len(found) > 1:
        return f"there are {len(found)} records, and senders then use none"
    try:
        rua = parse_tags(found[0]).get("rua", "")
    except InvalidTags as exc:
        return str(exc)
    uris = [u.strip() for u in rua.split(",")]
    return "" if uris and all(u.startswith(("mailto:", "https://")) for u in uris) else "rua names nobody to report to"
