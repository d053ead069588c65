"""DC4xx: what the provider cannot do, and what its credentials may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.plan.zone_models import Route53Config
from dns_cutover.providers.interface import Guarantees


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')
_TWO = _stage('{names: [a, b], type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')
_SWAP = """
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: absent}
      - {name: www, type: CNAME, from: absent, to: [edge.cdn.test.]}
"""

# By the provider's documentation of the types that a hosted zone can have; other providers take every type.
_ROUTE53 = "A AAAA CAA CNAME DS HTTPS MX NAPTR NS PTR SOA SPF SRV SSHFP SVCB TLSA TXT"
WRITABLE = {"route53": frozenset(_ROUTE53.split())}


@check(
    "DC404",
    "error",
    "the changes of a stage do not fit one atomic message",
    why="Between two messages users could see one half of the change.",
    hint="split the stage, or add split to safety.allow",
    source="RFC 2136 section 2; RFC 1035 section 4.2.2",
    needs="live",
    fires=Example(
        _stage('{names: [a, b], type: A, from: absent, to: ["192.0.2.20"]}'),
        note="The same with 2,000 names.",
        facts={"too_large": True},
    ),
    silent=Example(_REPLACE, zone="www 3600 IN A 192.0.2.10\n"),
)
def too_large(subject: Subject) -> Iterator[Spot]:
    """A DNS UPDATE message has at most 65,535 octets, and a stage is atomic only as one message. A stage that needs
    more is written in several, and a fault between two of them leaves half of it published.
    """
    told: set[str] = set()
    for d in subject.drifts:
        # The lowering, the change and the restore of one stage are as large as each other.
        if d.reason == "too_large" and d.stage not in told:
            told.add(d.stage)
            n = next((n for n, s in enumerate(subject.loaded.plan.stages) if s.name == d.stage), 0)
            message = f"{d.expected} of stage {d.stage} do not fit one atomic message"
            yield Spot(("stages", n), message, stage=d.stage)


@check(
    "DC406",
    "error",
    "the provider is not available in this version",
    why="A plan that cannot be run is found now, and not on the day.",
    hint="available: rfc2136, route53",
    source="DNS UPDATE, RFC 2136",
    fires=Example("provider: {type: manual}\n" + _REPLACE),
    silent=Example(_REPLACE),
)
def no_such_provider(subject: Subject) -> Iterator[Spot]:
    """The plan file knows more providers than this version can write to. Such a plan may be written and reviewed, but a
    run of it could not begin."""
    for ref, config in subject.loaded.plan.all_zones().items():
        if ref not in subject.guarantees:
            message = f"the provider {config.provider.type} is not available in this version"
            yield Spot(subject.zone_path(ref, "provider", "type"), message)


@check(
    "DC409",
    "error",
    "a record type that the provider cannot write",
    why="The write would be refused on the day, with the TTLs lowered and everybody waiting.",
    hint="keep the record as it is, or make this change by hand",
    source="the provider's own documentation",
    fires=Example("provider: {type: route53}\n" + _stage("{name: www, type: LOC, from: absent, to: ['52 N 13 E 0m']}")),
    silent=Example("provider: {type: route53}\n" + _REPLACE),
)
def unwritable_type(subject: Subject) -> Iterator[Spot]:
    """Providers with an interface of their own know a fixed list of types, and some do not let the NS set of the apex
    be changed. Such a change is found here, and not by an error in the middle of a stage.
    """
    zones = subject.loaded.plan.all_zones()
    for c in subject.changes:
        kind, promised = zones[c.key.zone].provider.type, subject.guarantees.get(c.key.zone)
        if c.key.rdtype not in WRITABLE.get(kind, {c.key.rdtype}):
            yield c.spot(f"{c.label}: the provider {kind} cannot write {c.key.rdtype} records", attribute="type")
        elif c.key.rdtype == "NS" and c.key.owner == subject.names[c.key.zone] and promised and not promised.apex_ns:
            yield c.spot(f"{c.label}: the provider {kind} cannot write the NS set of the apex", attribute="type")


def _lacking(subject: Subject) -> Iterator[tuple[str, str, Guarantees]]:
    """Each zone's reference, its provider for people, and what it promises."""
    for ref, config in subject.loaded.plan.all_zones().items():
        promised = subject.guarantees.get(ref)
        if promised is not None:
            yield ref, f"the provider {config.provider.type} of {subject.names[ref]}", promised


@check(
    "DC410",
    "warning",
    "no compare and swap",
    why="What somebody else wrote between the last look and the write would be lost without a word.",
    hint="see that nobody else writes to the zone during the run",
    source="DESIGN section 2, principle 2",
    fires=Example(_REPLACE, facts={"guarantees": {"compare_and_swap": False}}),
    silent=Example(_REPLACE),
)
def no_compare_and_swap(subject: Subject) -> Iterator[Spot]:
    """A write that states what it expects to replace is refused by the server if anything else is there. A provider
    without that can only be read shortly before the write; a change that comes in between is overwritten.
    """
    for ref, who, promised in _lacking(subject):
        if not promised.compare_and_swap:
            message = f"{who} cannot compare and swap: it is read before each write, and overwrites what comes between"
            yield Spot(subject.zone_path(ref, "provider", "type"), message)


@check(
    "DC417",
    "warning",
    "the NS set of the apex is overwritten without a condition",
    why="What somebody else wrote there between the last look and the write would be lost without a word.",
    hint="see that nobody else changes the name servers during the run",
    source="Route 53 API Reference, ChangeResourceRecordSets: the apex NS set cannot be deleted, only upserted",
    fires=Example(
        "provider: {type: route53}\n"
        + _stage('{name: "@", type: NS, from: [ns1.a.test., ns2.a.test.], to: [ns1.b.test., ns2.b.test.]}')
    ),
    silent=Example("provider: {type: route53}\n" + _REPLACE),
)
def blind_apex(subject: Subject) -> Iterator[Spot]:
    """Route 53 compares before it replaces: an exact DELETE and a CREATE in one batch. The NS set of a zone's apex
    cannot be deleted, so that it is replaced by UPSERT, which asks nothing. The lock still keeps other runs out.
    """
    for c in subject.changes:
        promised = subject.guarantees.get(c.key.zone)
        apex = c.key.owner == subject.names[c.key.zone] and c.key.rdtype == "NS"
        if apex and promised is not None and not promised.apex_ns_swap:
            yield c.spot(f"{c.label} is overwritten without a condition", attribute="type")


@check(
    "DC418",
    "error",
    "a private zone without servers to ask",
    why="Public DNS knows no private zone: what is found there are the servers of the public zone of the same name.",
    hint="list who answers for it inside the VPC:   lookup: {authoritative: [ADDRESS]}",
    source="Route 53 Developer Guide, Working with private hosted zones",
    fires=Example("provider: {type: route53, private: true}\n" + _REPLACE),
    silent=Example(
        "provider: {type: route53, private: true}\nlookup: {authoritative: [192.0.2.53]}\n" + _REPLACE,
    ),
)
def private_unasked(subject: Subject) -> Iterator[Spot]:
    """A private hosted zone is answered only inside the networks that it is associated with. Looked for through the
    parent, its public namesake would be checked and watched in its place, and each of them would look unchanged.
    """
    for ref, config in subject.loaded.plan.all_zones().items():
        hidden = isinstance(config.provider, Route53Config) and config.provider.private
        if hidden and config.lookup.authoritative == "auto":
            message = f"{subject.names[ref]} is private, and the plan does not say who answers for it"
            yield Spot(subject.zone_path(ref, "provider", "private"), message)


@check(
    "DC411",
    "warning",
    "no atomic write",
    why="Users can see one half of a stage, and a fault in between leaves it so.",
    hint="give each change that must not be seen without another one a stage of its own, in the safe order",
    source="DESIGN section 2, principle 3",
    fires=Example(_TWO, facts={"guarantees": {"atomic": False}}),
    silent=Example(_REPLACE, facts={"guarantees": {"atomic": False}}),
)
def not_atomic(subject: Subject) -> Iterator[Spot]:
    """The changes of a stage are meant to appear together. A provider that takes one record after the other publishes
    them one by one, in an order of its own, and may stop in the middle. A stage of one change is not concerned.
    """
    unable = {ref: who for ref, who, promised in _lacking(subject) if not promised.atomic}
    counts = Counter((c.n, c.key.zone) for c in subject.changes if c.key.zone in unable)
    for (n, ref), count in counts.items():
        if count > 1:
            stage = subject.loaded.plan.stages[n].name
            message = f"{unable[ref]} writes the {count} changes of stage {stage} one after the other"
            yield Spot(("stages", n, "name"), message, stage=stage)


@check(
    "DC412",
    "warning",
    "no fence",
    why="A runner that lost its lock could still write, and so could a message that was late.",
    hint="start one run at a time for this zone, and never two from different stores",
    source="DESIGN section 7: lock, token and fence",
    fires=Example(_REPLACE, facts={"guarantees": {"fenced": False}}),
    silent=Example(_REPLACE),
)
def not_fenced(subject: Subject) -> Iterator[Spot]:
    """Where the lock stands in the zone itself and every message depends on it, only its holder can write, by the
    server's own rules. Elsewhere, and with `lock: store`, the lock is a lease in the store of runs: it binds those who
    use the same store, and nobody else. Where serials are ordered, each message also depends on the SOA that was read
    before it.
    """
    for ref, who, promised in _lacking(subject):
        if not promised.fenced:
            message = f"{who} keeps no lock in the zone: only a lease in the store keeps two runs apart"
            if promised.serial == "none":
                message += ", and without ordered serials a run holds whenever a reply is lost"
            yield Spot(subject.zone_path(ref, "provider", "type"), message)


@check(
    "DC413",
    "warning",
    "a gap where a CNAME takes another type's place",
    why="Between the two writes the name does not exist, and caches keep that for the negative TTL.",
    hint="lower the MINIMUM of the SOA before, or point the old record's address to the new place instead",
    source="RFC 1034 section 3.6.2; RFC 2308 section 5",
    fires=Example(_SWAP, facts={"guarantees": {"replace_type": False}}),
    silent=Example(_SWAP),
)
def gap(subject: Subject) -> Iterator[Spot]:
    """A CNAME stands alone at its name. Providers that check this before each single write refuse the new type while
    the old one is there, so that the old one goes first, and for a moment there is nothing.
    """
    unable = {ref for ref, _, promised in _lacking(subject) if not promised.replace_type}
    leaving = {(c.n, c.key.zone, c.key.owner) for c in subject.changes if subject.after(c) is None}
    for c in subject.changes if unable else ():
        others = (c.n, c.key.zone, c.key.owner) in leaving
        if c.key.zone in unable and others and c.key.rdtype == "CNAME" and subject.after(c) is not None:
            yield c.spot(f"{c.label} takes the place of other types in two writes, with a gap between them")


@check(
    "DC414",
    "error",
    "the provider's credentials cannot write",
    why="The run would stop at its first write, or at the first one that its lock or a record needs.",
    hint="grant it, then ask again: dns-cutover validate --probe-write PLAN",
    source="RFC 2136 section 3.3; RFC 3007",
    needs="probe-write",
    fires=Example(
        _REPLACE,
        note="With --probe-write: the server's policy does not let the key write the lock.",
        facts={
            "permissions": {"default": "192.0.2.53 does not let the key cutover change _dns-cutover.example.test. TXT"}
        },
    ),
    silent=Example(_REPLACE, facts={"permissions": {"default": ""}}),
)
def no_permission(subject: Subject) -> Iterator[Spot]:
    """With --probe-write the primary of each zone gets an UPDATE that its policy must allow or deny, and that changes
    nothing either way: the edits take out what is not there, under prerequisites that see to it. Route 53 gets a batch
    that deletes a record which nobody has: that is refused to those who may write, too, and the error tells them apart.
    Asked for are all RRsets of the plan together with the name of the lock, as in a run.
    """
    for ref, reason in (subject.world.permissions or {}).items():
        if reason:
            grant = subject.world.grants.get(ref, "")
            yield Spot(subject.zone_path(ref, "provider"), reason, grant)


CHECKS = (
    too_large,
    no_such_provider,
    unwritable_type,
    no_compare_and_swap,
    blind_apex,
    private_unasked,
    not_atomic,
    not_fenced,
    gap,
    no_permission,
)
