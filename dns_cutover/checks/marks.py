"""By which names and texts other tools mark the records that they keep, and what a mark says. Pure.

external-dns, "The TXT registry": one TXT per record, named like the record with its type before the first label, and in
versions before 0.18 also named like the record itself. A prefix can be configured; the usual ones are looked for.
octoDNS, OwnershipProcessor: `_owner.<type>.<name>` with the text `*octodns*`; MetaProcessor: one TXT per zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dns_cutover.plan.expand import within
from dns_cutover.records import InvalidName, InvalidRdata, RRset, RRsetKey, absolute_name, relative_name
from dns_cutover.records.fields import txt_strings

MAX_OWNERS = 200  # that are looked at
MAX_NAMES = 1500  # that are asked for them, the likeliest first

ADDRESSES = ("A", "AAAA", "CNAME")
_PREFIXES = ("", "external-dns-", "externaldns-", "extdns-", "txt-", "extdns.", "externaldns.")
_META = ("octodns-meta", "meta")
_META_KEYS = ("octodns-version=", "provider=", "time=", "uuid=")
_META_SURE = ("octodns-version=", "time=20")
_REGISTRY_TYPES = ("A", "AAAA", "CNAME", "NS", "MX", "SRV", "NAPTR", "TXT")


def mark_keys(keys: Iterable[RRsetKey], zones: Mapping[str, str]) -> tuple[RRsetKey, ...]:
    """Where marks about these RRsets would be. `zones`: zone reference -> name; other zones' RRsets are left out."""
    types: dict[tuple[str, str], set[str]] = {}
    for key in sorted(k for k in keys if k.zone in zones):
        types.setdefault((key.zone, key.owner), set()).add(key.rdtype)
    places = list(types.items())[:MAX_OWNERS]
    out: dict[RRsetKey, None] = {}

    def want(ref: str, name: str, rdtype: str = "TXT") -> None:
        try:
            owner = absolute_name(name)
        except InvalidName:
            return  # what is put before the name makes it too long: there is no such mark
        if within(owner, zones[ref]):
            out[RRsetKey(ref, owner, rdtype)] = None

    for ref in dict.fromkeys(ref for (ref, _), _ in places):
        for name in _META:
            want(ref, f"{name}.{zones[ref]}")
    for (ref, owner), own in places:
        for rdtype in sorted(own):
            want(ref, octodns_name(owner, rdtype, zones[ref]))
        if own & set(ADDRESSES):
            want(ref, challenge_name(owner), "CNAME")
    for prefix in _PREFIXES:
        for (ref, owner), own in places:
            # An alias of Route 53 is an A record, whose mark older versions named after CNAME.
            for rdtype in ("", *sorted(own | ({"A", "CNAME"} if own & {"A", "CNAME"} else set()))):
                want(ref, registry_name(owner, rdtype, prefix))
    return tuple(out)[:MAX_NAMES]


def challenge_name(owner: str) -> str:
    """Where ACME's DNS challenge for the name is answered (RFC 8555 section 8.4)."""
    return f"_acme-challenge.{owner.removeprefix('*.')}"


def registry_name(owner: str, rdtype: str, prefix: str = "") -> str:
    """Where external-dns says that it keeps the RRset; without a type, where versions before 0.18 did."""
    return f"{prefix}{rdtype.lower()}-{owner}" if rdtype else prefix + owner


def octodns_name(owner: str, rdtype: str, zone: str) -> str:
    """Where octoDNS says that it keeps the RRset."""
    inner = "" if owner == zone else relative_name(owner, zone).replace("*", "_wildcard") + "."
    return f"_owner.{rdtype.lower()}.{inner}{zone}"


@dataclass(frozen=True, slots=True)
class RegistryMark:
    """A registry TXT of external-dns. `rdtype` is empty in the old format, which does not say it."""

    key: RRsetKey
    owner_id: str
    resource: str
    rdtype: str


def registry_marks(marks: Mapping[RRsetKey, RRset]) -> dict[tuple[str, str], list[RegistryMark]]:
    """What external-dns says, by (zone reference, owner name) that it may mean: a name can be read in several ways."""
    out: dict[tuple[str, str], list[RegistryMark]] = {}
    for key, rrset in marks.items():
        said = next((s for s in map(registry_text, rrset.values) if s is not None), None)
        if key.rdtype != "TXT" or said is None:
            continue
        for prefix in _PREFIXES:
            for rdtype in ("", *_REGISTRY_TYPES):
                before = registry_name("", rdtype, prefix)
                if key.owner.startswith(before):
                    owner = key.owner[len(before) :]
                    out.setdefault((key.zone, owner), []).append(RegistryMark(key, *said, rdtype))
    return out


def registry_text(value: str) -> tuple[str, str] | None:
    """Owner id and resource of a registry TXT of external-dns; None if it is none."""
    text = text_of(value).strip('"')
    if not text.startswith("heritage=external-dns,"):
        return None
    said = dict(item.partition("=")[::2] for item in text.split(","))
    return said.get("external-dns/owner", ""), said.get("external-dns/resource", "")


def octodns_mark(marks: Mapping[RRsetKey, RRset], key: RRsetKey, zone: str) -> RRsetKey | None:
    """The TXT by which octoDNS says that it keeps this RRset."""
    at = RRsetKey(key.zone, octodns_name(key.owner, key.rdtype, zone), "TXT")
    found = marks.get(at)
    return at if found is not None and "*octodns*" in map(text_of, found.values) else None


def octodns_meta(marks: Mapping[RRsetKey, RRset], ref: str, zone: str) -> RRsetKey | None:
    """The TXT by which octoDNS says that it writes the zone."""
    for name in _META:
        key = RRsetKey(ref, f"{name}.{zone}", "TXT")
        found = marks.get(key)
        texts = [text_of(v) for v in found.values] if found is not None else []
        # The default name is a word that anybody may use: there all that is said must be of this kind.
        if texts and all(t.startswith(_META_KEYS) for t in texts) and any(t.startswith(_META_SURE) for t in texts):
            return key
    return None


def text_of(value: str) -> str:
    """The text of canonical TXT data."""
    try:
        return b"".join(txt_strings(value)).decode("utf-8", "replace")
    except InvalidRdata:
        return ""
