"""DC131-DC136: values that parse, and are hardly what is meant."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from dns_cutover.checks.interface import Example, Located, Spot, Subject, added, check
from dns_cutover.checks.moves import value_path, written
from dns_cutover.checks.targets import POSITIONS, targets_of
from dns_cutover.plan.expand import rdata_value
from dns_cutover.records import RRsetKey, text_strings

_POINTERS = frozenset({"MX", "NS", "SRV"})
_SECTIONS = {"MX": "RFC 2181 section 10.3", "NS": "RFC 2181 section 10.3", "SRV": "RFC 2782"}
_MX = '{name: "@", type: MX, from: [10 mx.oldmail.test.], to: [%s]}'
# What begins a term of SPF (RFC 7208 section 12) and a tag of DMARC or DKIM: it never follows a letter.
_SPF_TERM = re.compile(
    r"[+?~-]?(?:(?:include|exists|ip4|ip6|ptr|mx|a):|(?:redirect|exp)=|[+?~-]?all\b|(?:a|mx|ptr)(?:/|\s|$))", re.I
)
_TAG = re.compile(r"(?:v|p|sp|np|k|t|s|h|n|g|rua|ruf|adkim|aspf|fo|pct|rf|ri)\s*=\s*[^=\s]", re.I)
_TAGGED = ("v=dmarc1", "v=dkim1", "v=stsv1", "v=tlsrptv1", "v=bimi1")


def _stage(*changes: str) -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {change}\n" for change in changes)


@check(
    "DC131",
    "error",
    "an address stands where a host name belongs",
    why="It is taken for a name that does not exist, so that nobody finds the service.",
    hint="give the address a name of its own, and write that name",
    source="RFC 1035 section 3.3.9",
    fires=Example(_stage(_MX % "10 192.0.2.25.")),
    silent=Example(_stage(_MX % "10 mx.newmail.test.")),
)
def address_literal(subject: Subject) -> Iterator[Spot]:
    """MX, NS, SRV and CNAME name a host, and the host has the addresses. An address in its place parses as a name with
    the labels 192, 0, 2 and 25, below a top-level domain that no root server knows.
    """
    for c in subject.changes:
        if c.key.rdtype not in POSITIONS:
            continue
        zone = subject.names[c.key.zone]
        values = [v for v in (*(c.planned.after or ()), *c.planned.add) if _address_in(c.key.rdtype, v, zone)]
        for value in (v for v in added(subject, c) if v in values) if values else ():
            address = _address_in(c.key.rdtype, value, zone)
            kind = "AAAA" if ":" in address else "A"
            hint = f'{{name: {c.key.rdtype.lower()}1, type: {kind}, from: absent, to: ["{address}"]}} and its name here'
            if c.key.rdtype == "CNAME":
                hint = f'write type: {kind}, to: ["{address}"]'
            message = f"{c.label} points to the address {address} as if it were a name"
            yield Spot(value_path(subject, c, value), message, hint, c.stage.name, c.label)


def _address_in(rdtype: str, value: str, zone: str) -> str:
    return next((a for t in targets_of(rdtype, value) if (a := _address(t, zone))), "")


def _address(target: str, zone: str) -> str:
    """The address that an absolute host name is, alone or with the zone's name behind it; empty if it is none."""
    if not (target[0].isdigit() or target[0] in "[:" or ":" in target):
        return ""
    for text in (target.removesuffix("."), target.removesuffix(zone).removesuffix(".")):
        try:
            return str(ipaddress.ip_address(text.strip("[]")))
        except ValueError:
            continue
    return ""


def _alias_spot(subject: Subject, c: Located, value: str, host: str, end: str) -> Spot:
    rdtype = c.key.rdtype
    hint = f"write the name at the end of the alias{f', {end}' if end else ''} ({_SECTIONS[rdtype]})"
    return Spot(
        value_path(subject, c, value),
        f"{c.label} points to {host.removesuffix('.')}, which is an alias",
        hint,
        c.stage.name,
        c.label,
        "error" if rdtype == "NS" else "warning",
    )


@check(
    "DC132",
    "warning",
    "MX, NS or SRV points to a name that the plan makes an alias",
    why="Servers may refuse an alias there, and each one that follows it asks once more.",
    hint="write the name at the end of the alias",
    source="RFC 2181 section 10.3",
    fires=Example(
        _stage("{name: mail, type: CNAME, from: absent, to: [mx.newmail.test.]}", _MX % "10 mail.example.test."),
    ),
    silent=Example(_stage(_MX % "10 mx.newmail.test.")),
)
def points_to_new_alias(subject: Subject) -> Iterator[Spot]:
    """The host that MX, NS or SRV names must have its addresses itself. Some mail servers follow an alias, others
    bounce, and DNS servers refuse to load or to use an NS that names one. Whichever of the two comes later in the plan
    makes the mistake.
    """
    if not any(c.key.rdtype == "CNAME" for c in subject.changes):
        return
    seen = _Pointing()
    for stage in _by_stage(subject):
        fresh: set[str] = set()
        for c in stage:
            fresh |= seen.note(c)
        for host in sorted(fresh & seen.aliases.keys()):
            alias = seen.aliases[host]
            end = (alias.planned.after or alias.planned.add)[0]
            for c, value in seen.pointers.get(host, {}).values():
                if c.n == stage[0].n:
                    yield _alias_spot(subject, c, value, host, end)
                else:
                    message = f"{host.removesuffix('.')} becomes an alias, and {c.label} points to it"
                    hint = f"write {end} into {c.label} first ({_SECTIONS[c.key.rdtype]})"
                    yield alias.spot(message, hint, "to", "error" if c.key.rdtype == "NS" else "warning")


def _by_stage(subject: Subject) -> Iterator[list[Located]]:
    stage: list[Located] = []
    for c in subject.changes:
        if stage and stage[0].n != c.n:
            yield stage
            stage = []
        stage.append(c)
    if stage:
        yield stage


@dataclass(slots=True)
class _Pointing:
    """What is an alias, and which MX, NS and SRV point where, as far as the plan has come."""

    aliases: dict[str, Located] = field(default_factory=dict)
    pointers: dict[str, dict[RRsetKey, tuple[Located, str]]] = field(default_factory=dict)  # by host
    hosts: dict[RRsetKey, set[str]] = field(default_factory=dict)

    def note(self, c: Located) -> set[str]:
        """Go on by one change; the hosts that it makes aliases, or points to."""
        p, key = c.planned, c.key
        if p.kind == "ttl":
            return set()
        if key.rdtype == "CNAME":
            self.aliases.pop(key.owner, None)
            if p.after or p.add:
                self.aliases[key.owner] = c
                return {key.owner}
        if key.rdtype not in _POINTERS:
            return set()
        gone = (
            {h for v in p.remove for h in targets_of(key.rdtype, v)} if p.kind == "values" else self.hosts.get(key, ())
        )
        for host in tuple(gone):
            self.pointers.get(host, {}).pop(key, None)
        come = {host: value for value in p.after or p.add for host in targets_of(key.rdtype, value)}
        self.hosts[key] = (self.hosts.get(key, set()) - set(gone)) | come.keys()
        for host, value in come.items():
            self.pointers.setdefault(host, {})[key] = (c, value)
        return set(come)


@check(
    "DC133",
    "warning",
    "MX, NS or SRV points to an alias",
    why="Servers may refuse an alias there, and each one that follows it asks once more.",
    hint="write the name at the end of the alias",
    source="RFC 2181 section 10.3",
    needs="live",
    fires=Example(
        _stage(_MX % "10 mx.newmail.test."),
        zone="@ 3600 IN MX 10 mx.oldmail.test.\n",
        elsewhere="mx.newmail.test. 300 IN CNAME in1.newmail.test.\nin1.newmail.test. 300 IN A 198.51.100.7\n",
    ),
    silent=Example(
        _stage(_MX % "10 mx.newmail.test."),
        zone="@ 3600 IN MX 10 mx.oldmail.test.\n",
        elsewhere="mx.newmail.test. 300 IN A 198.51.100.7\n",
    ),
)
def points_to_alias(subject: Subject) -> Iterator[Spot]:
    """The same as DC132, where the alias is live already: the vendor's host name is a CNAME at its own authority. The
    vendor's documentation names the right host, or should.
    """
    assert subject.live is not None
    own = {c.key.owner for c in subject.changes if c.key.rdtype == "CNAME"}
    for c in subject.changes:
        if c.key.rdtype not in _POINTERS:
            continue
        for value in added(subject, c):
            for host in targets_of(c.key.rdtype, value):
                view = subject.live.targets.get(host)
                if view is None or not view.links or view.links[0][0] != host or host in own:
                    continue
                yield _alias_spot(subject, c, value, host, "")


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
    for w in written(subject):
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
    for w in written(subject):
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


@check(
    "DC136",
    "warning",
    "a value stands twice in a list",
    why="A set has each value once, so the second one was meant to be another one.",
    hint="correct it, or take it out",
    source="RFC 2181 section 5",
    fires=Example(_stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20", "192.0.2.20"]}')),
    silent=Example(_stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20", "192.0.2.21"]}')),
)
def value_twice(subject: Subject) -> Iterator[Spot]:
    """Two equal values are one, and the plan reads as if there were two: of two new addresses only one would serve.
    Texts that differ in case only are two values to DNS, though hardly to their author, and not every server can tell
    them apart.
    """
    for w in written(subject):
        origin = subject.names[w.refs[0]]
        for key, texts in (
            ("from", w.change.from_),
            ("to", w.change.to),
            ("remove", w.change.remove),
            ("add", w.change.add),
        ):
            if not isinstance(texts, tuple) or len(texts) < 2:
                continue
            seen: dict[str, str] = {}
            for k, text in enumerate(texts):
                value = rdata_value(w.rdtype, text, origin)
                alike = value.lower() if w.rdtype in ("TXT", "SPF") else value
                if alike in seen:
                    what = "stands twice" if seen[alike] == value else "differs in case only from another value"
                    yield Spot((*w.path, key, k), f"{text[:100]} {what}")
                seen.setdefault(alike, value)


CHECKS = (address_literal, points_to_new_alias, points_to_alias, joined_strings, odd_text, value_twice)
