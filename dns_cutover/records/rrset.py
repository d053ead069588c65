"""RRsets and their keys, as frozen values that can be hashed, compared and written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dns.name
import dns.rdataclass
import dns.rdataset
import dns.rdatatype

from dns_cutover.records.name import absolute_name, relative_name
from dns_cutover.records.rdata import canonical_rdata, canonical_type, parse_rdata, rdata_text


@dataclass(frozen=True, slots=True, order=True)
class RRsetKey:
    """Which RRset: zone reference of the plan, owner, type, set identifier.

    The zone reference is the name under `zones:` in the plan (two references can mean zones of the
    same name, for example a public and a private view). `owner` is canonical and absolute, `rdtype`
    the mnemonic, `set_id` the set identifier of weighted and similar sets, else empty.
    """

    zone: str
    owner: str
    rdtype: str
    set_id: str = ""

    @classmethod
    def of(cls, zone: str, owner: str, rdtype: str, origin: str | None = None, set_id: str = "") -> RRsetKey:
        """A key from text as people write it. Raises InvalidName, InvalidRdata."""
        return cls(zone, absolute_name(owner, origin), canonical_type(rdtype), set_id)

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What keys are sorted by: comparing tuples takes a tenth of the time that comparing keys takes."""
        return self.zone, self.owner, self.rdtype, self.set_id

    def label(self, origin: str) -> str:
        """For people: "www A", or "@ MX"; `origin` is the zone's name."""
        tail = f" [{self.set_id}]" if self.set_id else ""
        return f"{relative_name(self.owner, origin)} {self.rdtype}{tail}"


@dataclass(frozen=True, slots=True)
class RRset:
    """TTL in seconds and the values in canonical zone-file text, sorted and unique. Absence is None."""

    ttl: int
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("an RRset has at least one value; absence is None")

    @classmethod
    def of(cls, rdtype: str, ttl: int, *values: str, origin: str | None = None) -> RRset:
        """From zone-file texts, names relative to `origin`. Raises InvalidRdata."""
        return cls(ttl, tuple(sorted({canonical_rdata(rdtype, v, origin) for v in values})))

    @classmethod
    def from_rdataset(cls, rdataset: dns.rdataset.Rdataset) -> RRset:
        """From dnspython; the rdataset must not be empty."""
        return cls(rdataset.ttl, tuple(sorted({rdata_text(r) for r in rdataset})))

    def to_rdataset(self, rdtype: str) -> dns.rdataset.Rdataset:
        """To dnspython, class IN."""
        out = dns.rdataset.Rdataset(dns.rdataclass.IN, dns.rdatatype.from_text(rdtype))
        out.update_ttl(self.ttl)
        for value in self.values:
            out.add(parse_rdata(rdtype, value), self.ttl)
        return out

    def with_ttl(self, ttl: int) -> RRset:
        """The same values at another TTL."""
        return replace(self, ttl=ttl)

    def same_data(self, other: RRset | None) -> bool:
        """Whether the values are the same; the TTL is a separate question."""
        return other is not None and self.values == other.values
