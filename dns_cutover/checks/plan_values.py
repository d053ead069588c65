"""DC131-DC133, DC136: values that parse, and are hardly what is meant."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

from dns_cutover.checks.interface import Example, Located, Spot, Subject, added, check
from dns_cutover.checks.moves import by_stage, value_path
from dns_cutover.plan.expand import rdata_value
from dns_cutover.plan.finding import Severity
from dns_cutover.plan.places import Path
from dns_cutover.records import RRsetKey
from dns_cutover.records.targets import POSITIONS, targets_of

_POINTERS = frozenset({"MX", "NS", "SRV"})
_SECTIONS = {"MX": "RFC 2181 section 10.3", "NS": "RFC 2181 section 10.3", "SRV": "RFC 2782"}
_MX = '{name: "@", type: MX, from: [10 mx.oldmail.test.], to: [%s]}'


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


def is_address(host: str, zone: str) -> bool:
    """Whether an absolute host name is an address by mistake."""
    return bool(_address(host, zone))


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
    for stage in by_stage(subject).values():
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
                    severity: Severity = "error" if c.key.rdtype == "NS" else "warning"
                    yield Spot(value_path(subject, alias, end), message, hint, alias.stage.name, alias.label, severity)


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
    seen_changes: set[Path] = set()
    for c in subject.changes:
        if c.path in seen_changes:
            continue
        seen_changes.add(c.path)
        config, p = c.stage.changes[c.planned.index], c.planned
        before = p.before if isinstance(p.before, tuple) else None
        pairs = ((config.from_, before), (config.to, p.after), (config.remove, p.remove), (config.add, p.add))
        for key, (texts, values) in zip(("from", "to", "remove", "add"), pairs, strict=True):
            if isinstance(texts, tuple) and len(texts) > 1:
                yield from _alike(c, key, texts, values or (), subject.names[c.key.zone])


def _alike(c: Located, key: str, texts: tuple[str, ...], values: tuple[str, ...], origin: str) -> Iterator[Spot]:
    """Which of the texts say what another one says."""
    by_case = c.key.rdtype in ("TXT", "SPF")
    if len({v.lower() for v in values} if by_case else values) == len(texts):
        return
    seen: dict[str, str] = {}
    for k, text in enumerate(texts):
        value = rdata_value(c.key.rdtype, text, origin)
        alike = value.lower() if by_case else value
        if alike in seen:
            what = "stands twice" if seen[alike] == value else "differs in case only from another value"
            yield Spot((*c.path, key, k), f"{text[:100]} {what}")
        seen.setdefault(alike, value)


CHECKS = (address_literal, points_to_new_alias, points_to_alias, value_twice)
