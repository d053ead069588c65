"""DC7xx: who serves the names below, and the chain of trust."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check

_DNSSEC = frozenset({"DS", "DNSKEY", "CDS", "CDNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "RRSIG"})
_WHY = "Acts that are hard to take back are named in the plan."


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


@check(
    "DC701",
    "error",
    "the NS set of the apex or of a delegation changes",
    why=_WHY,
    hint="if that is meant, allow it under safety",
    source="RFC 1034 section 4.2.2",
    fires=Example(_stage("{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.new.test.]}")),
    silent=Example(_REPLACE),
)
def name_servers(subject: Subject) -> Iterator[Spot]:
    """A change of NS moves every name below it at once, resolvers keep the old servers for the parent's TTL plus the
    child's, and taking it back is no undo. It wants both sides to serve the same contents for all that time.
    """
    for c in subject.changes:
        word = "apex_ns" if c.key.owner == subject.names[c.key.zone] else "delegation"
        if c.key.rdtype == "NS" and word not in subject.loaded.plan.safety.allow:
            hint = f"if that is meant: safety: {{allow: [{word}]}}"
            yield c.spot(f"{c.label} changes who serves the names below it", hint)


@check(
    "DC702",
    "error",
    "a DNSSEC record changes",
    why=_WHY,
    hint="if that is meant: safety: {allow: [dnssec]}",
    source="RFC 6781 section 4",
    fires=Example(
        _stage("{name: sub, type: DS, from: absent, to: ['1 8 2 " + "AB" * 32 + "']}"),
    ),
    silent=Example(_REPLACE),
)
def dnssec_records(subject: Subject) -> Iterator[Spot]:
    """A mistake in the chain of trust makes the whole zone bogus for everybody who validates, for as long as the
    parent's DS lives.
    """
    if "dnssec" not in subject.loaded.plan.safety.allow:
        for c in subject.changes:
            if c.key.rdtype in _DNSSEC:
                yield c.spot(f"{c.label} is part of a chain of trust", "if that is meant: safety: {allow: [dnssec]}")


CHECKS = (name_servers, dnssec_records)
