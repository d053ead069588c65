"""The rules of Route 53 for a change batch, over plain values: what stands for AWS in tests.

Each rule names the page that says so. Texts are those that AWS was seen to answer with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer

from dns_cutover.providers.route53.message import BatchChange, Failure, RecordSet

API = "docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html"
LIMITS = "docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"
TYPES = "docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html"

MAX_RECORDS, MAX_CHARACTERS, MAX_STRING = 1000, 32_000, 255

Key = tuple[str, str, str]
Sets = Mapping[Key, RecordSet]


def key_of(record: RecordSet) -> Key:
    return record.name, record.rdtype, record.set_id


def order_of(record: RecordSet) -> tuple[str, str, str]:
    """Names by their labels in reverse, then types (API_ListResourceRecordSets)."""
    return ".".join(reversed(record.name.rstrip(".").split("."))) + ".", record.rdtype, record.set_id


def normal(record: RecordSet) -> RecordSet:
    """As it is stored: lower case, a final dot, "*" in octal digits (DomainNameFormat)."""
    name = record.name.lower().replace("*", "\\052")
    name = name if name.endswith(".") else name + "."
    return RecordSet(name, record.rdtype, record.ttl, record.values, record.set_id, record.rest)


def limits(batch: Iterable[BatchChange]) -> Failure | None:
    """LIMITS: 1,000 ResourceRecord elements, 32,000 characters; UPSERT counts twice."""
    records = characters = 0
    for c in batch:
        times = 2 if c.action == "UPSERT" else 1
        records += times * len(c.record.values)
        characters += times * sum(map(len, c.record.values))
    if records > MAX_RECORDS:
        return invalid(f"Number of records limit of {MAX_RECORDS} exceeded.")
    if characters > MAX_CHARACTERS:
        return invalid(f"Number of characters limit of {MAX_CHARACTERS} exceeded.")
    return None


def invalid(*messages: str) -> Failure:
    return Failure("InvalidChangeBatch", messages)


def content(zone: str, batch: Iterable[BatchChange]) -> Failure | None:
    """TYPES: values that a type cannot have, names of other zones, a CNAME at the apex."""
    for c in batch:
        r = normal(c.record)
        if r.name != zone and not r.name.endswith("." + zone):
            return invalid(f"RRSet with DNS name {r.name} is not permitted in zone {zone}")
        if r.rdtype == "CNAME" and r.name == zone:
            return invalid(f"RRSet of type CNAME with DNS name {r.name} is not permitted at apex in zone {zone}")
        if len(set(r.values)) != len(r.values):
            return invalid("Duplicate Resource Record")
        if r.rdtype == "CNAME" and len(r.values) > 1:
            return invalid(f"RRSet of type CNAME with DNS name {r.name} has more than one value")
        for value in r.values:
            if (wrong := wrong_value(r.rdtype, value)) is not None:
                return invalid(f"Invalid Resource Record: 'FATAL problem: {wrong} encountered with '{value}''")
    return None


def wrong_value(rdtype: str, value: str) -> str | None:
    """What is wrong with a value. Digits behind a backslash are octal."""
    if rdtype in ("TXT", "SPF"):
        if not value.startswith('"'):
            return "InvalidCharacterString (Value should be enclosed in quotation marks)"
        token = dns.tokenizer.Tokenizer(re.sub(r"\\([0-3][0-7]{2})", lambda m: f"\\{int(m[1], 8):03d}", value))
        while not (t := token.get()).is_eol_or_eof():
            if len(t.unescape_to_bytes().value) > MAX_STRING:
                return "CharacterStringTooLong (Value is too long)"
        return None
    if "\\" in value:
        return None
    try:
        dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype), value)
    except dns.exception.DNSException as exc:
        return type(exc).__name__
    return None


def apply_batch(zone: str, sets: Sets, batch: tuple[BatchChange, ...]) -> dict[Key, RecordSet] | Failure:
    """What the zone has afterwards, or why nothing is changed (API: "either makes all or none of the changes")."""
    if (failure := limits(batch) or content(zone, batch) or repeated(batch)) is not None:
        return failure
    work = dict(sets)
    for c in batch:
        r = normal(c.record)
        there, what = work.get(key_of(r)), f"[name='{r.name}', type='{r.rdtype}']"
        match c.action:
            case "DELETE":
                if there is None:
                    return invalid(f"Tried to delete resource record set {what} but it was not found")
                if _data(there) != _data(r):
                    return invalid(
                        f"Tried to delete resource record set {what} but the values provided do not match the current"
                        " values"
                    )
                del work[key_of(r)]
            case "CREATE" if there is not None:
                return invalid(f"Tried to create resource record set {what} but it already exists")
            case "CREATE" | "UPSERT":
                if (crowded := beside(zone, work.values(), r)) is not None:
                    return crowded
                work[key_of(r)] = r
    for rdtype, words in (("SOA", "exactly one SOA record"), ("NS", "at least one NS record for the zone itself")):
        if (zone, rdtype, "") not in work:
            return invalid(f"A HostedZone must contain {words}.")
    return work


def repeated(batch: Iterable[BatchChange]) -> Failure | None:
    """API: one set at most once in each role; a DELETE may be followed by a CREATE of the same set."""
    seen: dict[Key, list[str]] = {}
    for c in batch:
        actions = seen.setdefault(key_of(normal(c.record)), [])
        actions.append(c.action)
        if actions not in (["DELETE"], ["CREATE"], ["UPSERT"], ["DELETE", "CREATE"]):
            what = f"'{c.record.rdtype} {normal(c.record).name}'"
            return invalid(f"The request contains an invalid set of changes for a resource record set {what}")
    return None


def beside(zone: str, there: Iterable[RecordSet], r: RecordSet) -> Failure | None:
    """TYPES, CNAME: nothing else at its name; and no simple set beside one with an identifier (API, SetIdentifier)."""
    for other in there:
        if other.name != r.name:
            continue
        if r.rdtype == "CNAME" and other.rdtype != "CNAME":
            return invalid(
                f"RRSet of type CNAME with DNS name {r.name} is not permitted as it conflicts with other records with"
                f" the same DNS name in zone {zone}"
            )
        if other.rdtype == "CNAME" and r.rdtype != "CNAME":
            return invalid(
                f"RRSet of type {r.rdtype} with DNS name {r.name} is not permitted because a conflicting RRSet of type "
                f" CNAME with the same DNS name already exists in zone {zone}"
            )
        if other.rdtype == r.rdtype and bool(other.set_id) != bool(r.set_id):
            return invalid(
                f"RRSet with DNS name {r.name}, type {r.rdtype}, SetIdentifier {r.set_id or 'null'} cannot be created"
                " because a non multivalue answer rrset exists with the same name and type."
            )
    return None


def _data(r: RecordSet) -> tuple[object, ...]:
    """API, DELETE: "the same values"; the order of values never matters."""
    return r.ttl, tuple(sorted(r.values)), r.rest
