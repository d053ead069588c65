"""Zone contents as immutable versions, and what a server answers from them (RFC 1034 section 4.3.2, RFC 4592). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dns_cutover.records import RRset
from dns_cutover.records.name import parent_names
from dns_cutover.records.zonetext import parse_zone_text

NameType: TypeAlias = tuple[str, str]
MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into a response: RRsets by (owner, type) per section."""

    kind: Literal["answer", "nodata", "nxdomain", "referral"]
    answer: tuple[tuple[NameType, RRset], ...] = ()
    authority: tuple[tuple[NameType, RRset], ...] = ()
    additional: tuple[tuple[NameType, RRset], ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneVersion:
    """One version of a zone. `names` are all names that exist, empty non-terminals included."""

    origin: str
    rrsets: Mapping[NameType, RRset]
    names: frozenset[str]

    @classmethod
    def of(cls, origin: str, rrsets: Mapping[NameType, RRset]) -> ZoneVersion:
        """From RRsets; the apex must have a SOA."""
        names = {origin}
        for owner, _ in rrsets:
            names.add(owner)
            names.update(p for p in parent_names(owner) if p.endswith("." + origin))
        return cls(origin, dict(rrsets), frozenset(names))

    @classmethod
    def from_text(cls, origin: str, text: str) -> ZoneVersion:
        """From zone-file text. Raises InvalidRdata."""
        return cls.of(origin, {(k.owner, k.rdtype): r for k, r in parse_zone_text(text, "lab", origin).items()})

    @property
    def soa(self) -> RRset:
        """The SOA RRset."""
        return self.rrsets[self.origin, "SOA"]

    @property
    def serial(self) -> int:
        """The SOA serial."""
        return int(self.soa.values[0].split()[2])

    def types_at(self, owner: str) -> dict[str, RRset]:
        """The RRsets of one name by type."""
        return {t: r for (o, t), r in self.rrsets.items() if o == owner}

    def lookup(self, owner: str, rdtype: str) -> Answer:
        """What an authoritative server answers; `owner` must be in the zone."""
        chain: list[tuple[NameType, RRset]] = []
        for _ in range(MAX_CHAIN):
            cut = self._cut_above(owner, rdtype)
            if cut is not None:
                return self._referral(cut, tuple(chain))
            found = self._at(owner, rdtype)
            if found is None:
                return self._negative("nxdomain" if not chain else "answer", tuple(chain))
            kind, rrset = found
            if rrset is None:
                return self._negative("nodata" if not chain else "answer", tuple(chain))
            chain.append(((owner, kind), rrset))
            if kind != "CNAME" or rdtype in ("CNAME", "ANY"):
                return Answer("answer", tuple(chain))
            owner = rrset.values[0]
            if owner != self.origin and not owner.endswith("." + self.origin):
                return Answer("answer", tuple(chain))
        return Answer("answer", tuple(chain))

    def _at(self, owner: str, rdtype: str) -> tuple[str, RRset | None] | None:
        """The RRset (or CNAME) that answers, (type, None) for NODATA, None for NXDOMAIN; wildcards included."""
        if owner not in self.names:
            encloser = next((p for p in parent_names(owner) if p in self.names), self.origin)
            owner = f"*.{encloser}"
            if owner not in self.names:
                return None
        exact = self.rrsets.get((owner, rdtype))
        if exact is not None:
            return rdtype, exact
        alias = self.rrsets.get((owner, "CNAME"))
        return ("CNAME", alias) if alias is not None else (rdtype, None)

    def _cut_above(self, owner: str, rdtype: str) -> str | None:
        for name in reversed((owner, *parent_names(owner))):
            if name != self.origin and name.endswith("." + self.origin) and (name, "NS") in self.rrsets:
                return None if name == owner and rdtype == "DS" else name
        return None

    def _referral(self, cut: str, chain: tuple[tuple[NameType, RRset], ...]) -> Answer:
        ns = self.rrsets[cut, "NS"]
        glue = tuple(((h, t), self.rrsets[h, t]) for h in ns.values for t in ("A", "AAAA") if (h, t) in self.rrsets)
        return Answer("referral" if not chain else "answer", chain, (((cut, "NS"), ns),), glue)

    def _negative(
        self, kind: Literal["answer", "nodata", "nxdomain"], chain: tuple[tuple[NameType, RRset], ...]
    ) -> Answer:
        # RFC 2308 section 3: the SOA of a negative answer carries the lower of its TTL and MINIMUM.
        minimum = int(self.soa.values[0].split()[6])
        soa = self.soa.with_ttl(min(self.soa.ttl, minimum))
        return Answer(kind, chain, (((self.origin, "SOA"), soa),))
