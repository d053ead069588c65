"""What a resolver remembers: RRsets and absence (RFC 2308) with their remaining life, in whole seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from dns_cutover.lab.zone import MAX_CHAIN, NameType, lineage
from dns_cutover.lookup.answer import Reply, Section, negative_ttl
from dns_cutover.records import RRset

_ANY_TYPE = ""  # NXDOMAIN holds for every type of a name


@dataclass(frozen=True, slots=True)
class Clamps:
    """Minimum and maximum TTL of RRsets, maximum and minimum for absence; all in seconds."""

    minimum: int = 0
    maximum: int = 86400
    negative: int = 3600
    negative_minimum: int = 0

    def positive_life(self, ttl: int) -> int:
        """For how long an RRset is kept."""
        return max(self.minimum, min(ttl, self.maximum))

    def negative_life(self, ttl: int) -> int:
        """For how long absence is kept."""
        return max(self.negative_minimum, min(ttl, self.negative))


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing remembered, from `stored` on for `life` seconds. `rrset` None is absence, of the name if `nxdomain`."""

    owner: str
    rdtype: str
    rrset: RRset | None
    nxdomain: bool
    soa: Section | None
    stored: int
    life: int

    @property
    def expires(self) -> int:
        """From when it is not used any more."""
        return self.stored + self.life


@dataclass(slots=True)
class Cache:
    """Entries by (owner, type). `stretch` keeps them that many times longer: the cache of a violator.

    `cut`: the absence of a name is taken as the absence of everything under it (RFC 8020).
    """

    clamps: Clamps = field(default_factory=Clamps)
    stretch: float = 1.0
    cut: bool = True
    _entries: dict[NameType, Entry] = field(default_factory=dict)

    def find(self, owner: str, rdtype: str, now: int, grace: int = 0) -> Entry | None:
        """What answers the question: the RRset, a CNAME in its place, or absence. `grace`: seconds past its life."""
        for key in ((owner, rdtype), (owner, "CNAME"), (owner, _ANY_TYPE)):
            entry = self._entries.get(key)
            if entry is not None and now < entry.expires + grace and (key[1] != "CNAME" or entry.rrset is not None):
                return entry
        if self.cut:
            for name in lineage(owner)[1:]:
                entry = self._entries.get((name, _ANY_TYPE))
                if entry is not None and now < entry.expires:
                    return entry
        return None

    def put(self, reply: Reply, zone: str, owner: str, rdtype: str, now: int) -> Entry:
        """Keep what an authoritative server of `zone` said about (owner, type), and return the entry for `owner`.

        Of a chain of CNAMEs each part is kept by itself; what is not in the zone is not believed.
        """
        first: Entry | None = None
        name = owner
        for _ in range(MAX_CHAIN):
            rrset, kind = reply.find(name, rdtype), rdtype
            if rrset is None:
                rrset, kind = reply.find(name, "CNAME"), "CNAME"
            if rrset is None:
                if first is None or reply.soa is not None:
                    entry = self._absence(reply, name, rdtype, now)
                    first = first or entry
                break
            entry = Entry(name, kind, rrset, False, None, now, self._stretched(self.clamps.positive_life(rrset.ttl)))
            self._entries[name, kind] = entry
            self._entries.pop((name, _ANY_TYPE), None)
            first = first or entry
            name = rrset.values[0]
            if kind != "CNAME" or rdtype == "CNAME" or zone not in lineage(name):
                break
        assert first is not None, "the first turn made it"
        return first

    def _absence(self, reply: Reply, name: str, rdtype: str, now: int) -> Entry:
        soa, nxdomain = reply.soa, reply.rcode == "NXDOMAIN"
        # Without a SOA absence is not kept (RFC 2308 section 5).
        life = self._stretched(self.clamps.negative_life(negative_ttl(soa))) if soa is not None else 0
        entry = Entry(name, rdtype, None, nxdomain, soa, now, life)
        self._entries[name, _ANY_TYPE if nxdomain else rdtype] = entry
        return entry

    def _stretched(self, life: int) -> int:
        return int(life * self.stretch)

    def flush(self) -> None:
        """Forget everything."""
        self._entries.clear()
