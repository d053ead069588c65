"""DC134, DC135: TXT texts that are published otherwise than their author means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.plan.expand import rdata_value
from dns_cutover.records import text_strings

# What begins a term of SPF (RFC 7208 section 12) and a tag of DMARC or DKIM: it never follows a letter.
_SPF_TERM = re.compile(
    r"[+?~-]?(?:(?:include|exists|ip4|ip6|ptr|mx|a):|(?:redirect|exp)=|[+?~-]?all\b|(?:a|mx|ptr)(?:/|\s|$))", re.I
)
_TAG = re.compile(r"(?:v|p|sp|np|k|t|s|h|n|g|ru[af]|adkim|aspf|f[o]|pct|r[fi])\s*=\s*[^=\s]", re.I)
_TAGGED = ("v=dmarc1", "v=dkim1", "v=stsv1", "v=tlsrptv1", "v=bimi1")


def _stage(*changes: str) -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {change}\n" for change in changes)


@check(
    "DC134",
    "warning",
    "strings of a TXT value run into each other",
    why="Strings are joined without a space, so that two words become one that means nothing.",
    hint="write the text as a whole, without quotes inside: it is split where it must be",
    source="RFC 7208 section 3.3",
    fires=Example(
        _stage(
            """{name: "@", type: TXT, add: ['"v=spf1 include:spf.oldmail.test" "include:spf.newmail.test -all"']}"""
        ),
    ),
    silent=Example(_stage("""{name: "@", type: TXT, add: ["v=spf1 include:spf.newmail.test -all"]}""")),
)
def joined_strings(subject: Subject) -> Iterator[Spot]:
    """One TXT value can consist of several strings, and whoever reads SPF, DKIM or DMARC joins them with nothing in
    between. A text that was split by hand at a space loses that space. Given as one text, a value of any length is
    split into strings of 255 octets when it is published.
    """
    for w in subject.written:
        for path, text in w.values() if w.rdtype in ("TXT", "SPF") else ():
            if not text.startswith('"'):
                continue
            strings = text_strings(rdata_value(w.rdtype, text, "."))
            kind = "".join(strings[:2]).lower()
            joints = [n for n, (a, b) in enumerate(pairwise(strings)) if _run_together(kind, a, b)]
            if joints:
                first = joints[0]
                whole = "".join(s + " " * (n in joints) for n, s in enumerate(strings))
                message = f"…{strings[first][-20:]} and {strings[first + 1][:20]}… are joined to one word"
                yield Spot(path, message, f'write one text: "{whole[:300]}"')


def _run_together(kind: str, left: str, right: str) -> bool:
    """Whether two strings of a text that begins with `kind` were split at a space, or after a tag."""
    if len(left.encode()) >= 255 or not left or not right or left[-1].isspace() or right[0].isspace():
        return False
    if kind.startswith("v=spf1"):
        return _SPF_TERM.match(right) is not None
    return kind.startswith(_TAGGED) and left[-1] != ";" and _TAG.match(right) is not None


@check(
    "DC135",
    "warning",
    "a TXT text with characters that are hardly meant",
    why="TXT is published letter by letter, and whoever reads it takes it so.",
    hint="write the text alone: quotes and escapes of zone files do not belong into it",
    source="RFC 1035 section 3.3.14",
    fires=Example(_stage("{name: s1._domainkey, type: TXT, from: absent, to: ['v=DKIM1\\; k=rsa\\; p=MIIB']}")),
    silent=Example(_stage('{name: s1._domainkey, type: TXT, from: absent, to: ["v=DKIM1; k=rsa; p=MIIB"]}')),
)
def odd_text(subject: Subject) -> Iterator[Spot]:
    """A text copied from a zone file brings its escapes along, one copied from a web page its curly quotes and its
    spaces. The plan takes text as text, so that they would all be published, and a verifier would not know the record
    again.
    """
    for w in subject.written:
        for path, text in w.values() if w.rdtype in ("TXT", "SPF") else ():
            if what := _text_trouble(text):
                yield Spot(path, f"the text {what[0]}", what[1])


def _text_trouble(text: str) -> tuple[str, str] | None:
    """What is odd about a value, and what to do."""
    if text.startswith('"'):
        return None
    if text != text.strip():
        return "begins or ends with a space or a line's end", "take it away; after | write |- in YAML"
    if '" "' in text or (text.endswith('"') and text.count('"') % 2):
        return "has quotes inside, which would be published", "write it without quotes"
    if re.search(r'\\[;"]', text):
        return "has a backslash, which would be published", r"write ; and not \;"
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
        return "has a line's end or another control character inside", "write it in one line"
    if not text.isascii() and text.lower().startswith(("v=spf1", *_TAGGED)):
        odd = next(c for c in text if ord(c) > 0x7F)
        return f"has {odd!r} (U+{ord(odd):04X}), which its format does not know", "type it anew in plain letters"
    return None


CHECKS = (joined_strings, odd_text)
