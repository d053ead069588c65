"""DC4xx: acts that must be deliberate, and zones that want more care. Providers are in safety_provider."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.checks.moves import makes_room
from dns_cutover.checks.ttl import course
from dns_cutover.lookup.views import ZoneSecurity
from dns_cutover.records import RRsetKey
from dns_cutover.timing.words import duration

_WHY = "Acts that are hard to take back are named in the plan."

# What octoDNS takes for unsafe without --force: Plan.MAX_SAFE_UPDATE_PCENT and MIN_EXISTING_RECORDS.
MAX_SHARE = 0.3
MIN_RECORDS = 10
# Seconds. BIND, Knot and OpenDNSSEC renew signatures days before they expire; a day is late for all of them.
SIGNERS_MARGIN = 86400.0


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


def _deliberate(subject: Subject, change: Located, what: str, word: str) -> Spot:
    return change.spot(f"{change.label} {what}", subject.allow(word))


@check(
    "DC401",
    "error",
    "an RRset is deleted",
    why=_WHY,
    hint="if that is meant: safety: {allow: [delete]}",
    source="RFC 2308 section 5",
    fires=Example(_stage('{name: old, type: A, from: ["192.0.2.10"], to: absent}')),
    silent=Example(_REPLACE),
)
def deletion(subject: Subject) -> Iterator[Spot]:
    """A deletion leaves users without an answer for as long as nobody puts it back, and then for the negative TTL. A
    deletion that makes room for another type at the same name in the same stage is a replacement, and not meant
    here.
    """
    if "delete" in subject.loaded.plan.safety.allow:
        return
    for c in subject.changes:
        if c.planned.kind == "set" and c.planned.after is None and not makes_room(subject, c):
            yield _deliberate(subject, c, "is deleted", "delete")


@check(
    "DC402",
    "error",
    "the last address, MX or NS of a name is removed",
    why=_WHY,
    hint="leave one, or name the act under safety.allow",
    source="RFC 5321 section 5.1: without MX, mail goes to the address; RFC 7505 says that there is none",
    fires=Example(
        "safety: {allow: [delete]}\n" + _stage('{name: "@", type: MX, from: ["10 mx.old.test."], to: absent}')
    ),
    silent=Example(
        "safety: {allow: [delete, last_mx]}\n" + _stage('{name: "@", type: MX, from: ["10 mx.old.test."], to: absent}')
    ),
)
def last_one(subject: Subject) -> Iterator[Spot]:
    """A value-level edit that takes the last value out deletes the RRset, though it does not say so: for addresses and
    name servers that wants the same deliberate word as a deletion. Without MX senders turn to the name's own
    address, where nobody may listen to mail, so that the last MX wants a word of its own even where deletions are
    allowed. A name that gets no mail at all says so with "0 ." (RFC 7505).
    """
    allow = subject.loaded.plan.safety.allow
    for c in subject.changes:
        whole = c.planned.kind == "set"
        if c.planned.kind == "ttl" or subject.after(c) is not None or subject.before(c) in (None, "unknown"):
            continue
        if whole and "delete" not in allow:
            continue  # told as a deletion
        if c.key.rdtype == "MX" and "last_mx" not in allow:
            yield _deliberate(subject, c, "loses its last value, and mail goes to the address of the name", "last_mx")
        elif c.key.rdtype == "NS" and not whole and "delete" not in allow:
            yield _deliberate(subject, c, "loses its last name server", "delete")
        elif c.key.rdtype in ("A", "AAAA") and not whole and "delete" not in allow and not _reachable(subject, c):
            yield _deliberate(subject, c, "loses the last address of its name", "delete")


def _reachable(subject: Subject, change: Located) -> bool:
    """Whether the name has an address, or an alias, after the change's stage; also if that is not known."""
    image = subject.images[change.n + 1]
    others = (RRsetKey(change.key.zone, change.key.owner, t) for t in ("A", "AAAA", "CNAME"))
    return any(image.get(key, () if subject.live is None else None) is not None for key in others)


@check(
    "DC403",
    "error",
    "too many changes",
    why="A plan that touches more than anybody reads is one that nobody has read.",
    hint="raise safety.max_changes, if that is meant",
    source="safety.max_changes",
    fires=Example("safety: {max_changes: 1}\n" + _stage('{names: [a, b], type: A, from: absent, to: ["192.0.2.1"]}')),
    silent=Example(_REPLACE),
)
def too_many(subject: Subject) -> Iterator[Spot]:
    """safety.max_changes is the number of RRsets that the plan's authors expect to change at most. A pattern or a list
    of names that grew by itself stops here, and not in production.
    """
    total, limit = len(subject.changes), subject.loaded.plan.safety.max_changes
    if total > limit:
        under = subject.loaded.document.has(("safety",))
        value = f"max_changes: {total}"
        hint = f"if that is meant: {value} under safety" if under else f"if that is meant: safety: {{{value}}}"
        yield Spot(("safety", "max_changes"), f"{total} changes, more than safety.max_changes ({limit})", hint)


@check(
    "DC405",
    "error",
    "a wildcard changes",
    why=_WHY,
    hint="if that is meant: safety: {allow: [wildcard]}",
    source="RFC 4592",
    fires=Example(_stage('{name: "*.apps", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
    silent=Example(_REPLACE),
)
def wildcard(subject: Subject) -> Iterator[Spot]:
    """A wildcard answers for every name that is not there, so that its change reaches names that nobody lists and
    nobody watches.
    """
    if "wildcard" not in subject.loaded.plan.safety.allow:
        for c in subject.changes:
            if c.key.owner.startswith("*."):
                yield _deliberate(subject, c, "answers for names that nobody lists", "wildcard")


@check(
    "DC407",
    "warning",
    "a large share of the zone changes",
    why="A plan that changes much of a zone may have been written for another one.",
    hint="read the whole diff once more: dns-cutover preview PLAN",
    source="octoDNS: at most 30 % of a zone's records are updated or deleted without --force, from 10 records on",
    needs="live",
    fires=Example(
        _stage("{names: [a, b, c, d], type: A, from: ['192.0.2.1'], to: ['192.0.2.2']}"),
        zone="".join(f"{name} 3600 IN A 192.0.2.1\n" for name in "abcd"),
        note="The zone has 12 records.",
        facts={"records": {"default": 12}},
    ),
    silent=Example(_REPLACE, zone="www 3600 IN A 192.0.2.10\n", facts={"records": {"default": 12}}),
)
def large_share(subject: Subject) -> Iterator[Spot]:
    """safety.max_changes is a number that somebody chose; a share needs no choosing. More than 30 % of what the zone
    has is rarely meant by a migration, except by one of the whole zone. New names do not count, and small zones of
    less than ten records do not either.
    """
    assert subject.live is not None
    for ref, total in subject.live.records.items():
        keys = {c.key for c in subject.changes if c.key.zone == ref and c.planned.kind != "ttl"}
        count = sum(len(r.values) for k in keys if (r := subject.live_rrset(k)) is not None)
        if total >= MIN_RECORDS and count / total > MAX_SHARE:
            message = f"{count} of {total} records of {subject.names[ref]} change ({count / total:.0%})"
            yield Spot(subject.zone_path(ref, "zone"), message)


@check(
    "DC408",
    "warning",
    "a signed zone whose signatures end soon",
    why="Validating resolvers treat a name with an expired signature as if it did not exist.",
    hint="see that the zone is signed again: its signer may have stopped",
    source="RFC 6781 section 4.4.2; RFC 4035 section 5.3.1",
    needs="live",
    fires=Example(
        _REPLACE,
        zone="www 3600 IN A 192.0.2.10\n",
        note="The signature of the SOA expires in half an hour, and the old TTL lives for one.",
        facts={"signatures_expire": 1800},
    ),
    silent=Example(
        _REPLACE,
        zone="www 3600 IN A 192.0.2.10\n",
        note="The signature of the SOA expires in two weeks.",
        facts={"signatures_expire": 14 * 86400},
    ),
)
def signatures_end(subject: Subject) -> Iterator[Spot]:
    """In a signed zone every change is signed again, and absence is signed as well, so that the records of a move are
    only as good as the signer. Signers renew days before signatures expire. An SOA whose signature has expired, or will
    within a day and before the run can end, tells that this one does not: that is an error. One that only expires
    before a long run ends is a reminder.
    """
    assert subject.live is not None
    ends = max((m.end for m in course(subject)), default=subject.now)
    for ref, security in subject.live.security.items():
        expire = security.signatures_expire
        if expire is None or expire > max(ends, subject.now):
            continue
        yield _expiry(subject, ref, security, expire - subject.now)


def _expiry(subject: Subject, ref: str, security: ZoneSecurity, left: float) -> Spot:
    zone = subject.names[ref]
    # Without a DS nobody validates, and an expired signature harms nobody (an island of security, RFC 4033 section 2).
    validated = security.ds is not None or not security.ds_known
    if left <= 0:
        message = f"the signature of the SOA of {zone} expired {duration(-left)} ago"
    else:
        message = f"the signature of the SOA of {zone} expires in {duration(left)}, before the run can end"
    severe = validated and left <= SIGNERS_MARGIN
    return Spot(subject.zone_path(ref, "zone"), message, severity="error" if severe else "warning")


@check(
    "DC415",
    "info",
    "a signed zone",
    why="What is written must be signed at once, or validating resolvers refuse it.",
    hint="after the lowering of TTLs look at one record: dig +dnssec, the RRSIG must be there and new",
    source="RFC 4035 section 2.2; RFC 8198; RFC 9077",
    needs="live",
    fires=Example(_REPLACE, zone="www 3600 IN A 192.0.2.10\n", facts={"signatures_expire": 14 * 86400}),
    silent=Example(_REPLACE, zone="www 3600 IN A 192.0.2.10\n"),
)
def signed(subject: Subject) -> Iterator[Spot]:
    """In a signed zone the server that takes the write signs it, or somebody signs the zone afterwards; then new data
    is not valid until the signer has run. And absence is signed for ranges of names, so that a cache may deny a name
    that nobody asked it for: a new name is usable everywhere only when that denial has died.
    """
    assert subject.live is not None
    for ref, security in subject.live.security.items():
        if security.signatures_expire is not None and security.signatures_expire > subject.now:
            left = duration(security.signatures_expire - subject.now)
            message = (
                f"{subject.names[ref]} is signed: each write is signed again, today's signature of the SOA has {left}"
            )
            yield Spot(subject.zone_path(ref, "zone"), message)


CHECKS = (deletion, last_one, too_many, wildcard, large_share, signatures_end, signed)
