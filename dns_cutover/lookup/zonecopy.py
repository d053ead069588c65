"""A whole zone, as one of its servers gave it, and what that server must say by it about any name. Pure.

The rules are those of RFC 1034 section 4.3.2 with RFC 4592 (wildcards) and RFC 6672 (DNAME). Each answer here is the
value that asking would have brought, so that a plan of ten thousand names costs one transfer instead of a flood.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from dns_cutover.lookup.interface import Endpoint, Fault, ServerView
from dns_cutover.lookup.views import NameView
from dns_cutover.lookup.zonewire import Record
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.records.name import is_below, parent_names

# Signatures and proofs: every signed name has some, and nobody plans them.
PROOFS = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"})
# Names of hashes are no names of the zone (RFC 5155 section 7.1).
_NAMELESS = frozenset({"NSEC3"})


@dataclass(frozen=True, slots=True)
class ZoneCopy:
    """The zone `zone` by `server`. `rrsets`: owner -> type -> RRset. `names` are all that exist, empty non-terminals
    (RFC 4592 section 2.2.2) too. `cuts` and `dnames` are owners of NS below the apex, and of DNAME. `records`: how many
    records it has, the SOA once.
    """

    zone: str
    server: Endpoint
    soa: RRset
    rrsets: Mapping[str, Mapping[str, RRset]] = field(repr=False)
    names: frozenset[str] = field(repr=False)
    cuts: frozenset[str]
    dnames: frozenset[str]
    records: int

    @property
    def serial(self) -> int:
        """The SOA's serial."""
        return int(self.soa.values[0].split()[2])

    @property
    def negative_ttl(self) -> int:
        """For how long an absence may be kept (RFC 2308 section 5), in seconds."""
        return min(self.soa.ttl, int(self.soa.values[0].split()[6]))

    def at(self, owner: str) -> Mapping[str, RRset]:
        """Everything at one owner, by type."""
        return self.rrsets.get(owner, _NOTHING)

    def cut_above(self, owner: str) -> str:
        """The topmost zone cut at or above `owner`, below the apex; empty if there is none."""
        return self._topmost(owner, self.cuts, itself=True) if self.cuts else ""

    def dname_above(self, owner: str) -> str:
        """The owner of a DNAME above `owner`; empty if there is none."""
        return self._topmost(owner, self.dnames, itself=False) if self.dnames else ""

    def _topmost(self, owner: str, among: Collection[str], *, itself: bool) -> str:
        found = ""
        for name in (owner, *parent_names(owner)) if itself else parent_names(owner):
            if not is_below(name, self.zone):
                break
            if name in among:
                found = name
        return found

    def wildcard_for(self, owner: str) -> str:
        """The owner of the wildcard that answers for `owner`; empty where the name exists or none does."""
        if owner in self.names:
            return ""
        encloser = next((name for name in parent_names(owner) if name in self.names), self.zone)
        star = f"*.{encloser}" if encloser != "." else "*."
        return star if star in self.names else ""

    def server_view(self, ref: str, keys: Iterable[RRsetKey]) -> ServerView:
        """What the server says about `keys`, as `ask_server` would find it."""
        rrsets: dict[RRsetKey, RRset | None] = {}
        wild: dict[RRsetKey, RRset] = {}
        problem = ""
        for key in keys:
            there = self.rrsets.get(key.owner)
            cut = self.cut_above(key.owner)
            if cut and (cut != key.owner or key.rdtype not in ("NS", "DS")):
                problem = problem or f"refers to {cut}: the name lies below a zone cut"
            elif dname := self.dname_above(key.owner):
                # Before what stands below it, which is not served (RFC 6672 section 2.4).
                rrsets[key] = self._renamed(key.owner, dname) if key.rdtype == "CNAME" else None
            elif there is not None:
                rrsets[key] = there.get(key.rdtype)
            else:
                rrsets[key] = None
                star = self.wildcard_for(key.owner)
                synthesised = self.at(star).get(key.rdtype) if star else None
                if synthesised is not None:
                    wild[key] = synthesised
        fault = Fault.CUT if problem else Fault.NONE
        return ServerView(ref, self.server, rrsets, self.serial, problem, bool(problem), wild, fault)

    def _renamed(self, owner: str, dname: str) -> RRset:
        """The CNAME that a DNAME above makes (RFC 6672 section 3.1)."""
        found = self.at(dname)["DNAME"]
        target = found.values[0] if found.values[0] != "." else ""
        return RRset(found.ttl, (owner.removesuffix(dname) + target,))

    def name_view(self, ref: str, owner: str, types: Sequence[str]) -> NameView:
        """What the server says about one name, as `read_name` would find it."""
        types = tuple(types)
        if cut := self.cut_above(owner):
            there = self.at(cut)
            found = MappingProxyType({t: there[t] for t in ("NS", "DS") if t in there and cut == owner})
            own = cut == owner
            return NameView(ref, owner, own, found, cut=cut, delegation=there.get("NS"), server=self.server)
        if dname := self.dname_above(owner):
            return NameView(ref, owner, exists=False, dname=dname, server=self.server)
        if owner in self.names:
            return self._seen(ref, owner, owner, types)
        if star := self.wildcard_for(owner):
            return self._seen(ref, owner, star, types)
        return NameView(ref, owner, exists=False, negative_ttl=self.negative_ttl, server=self.server, types=types)

    def _seen(self, ref: str, owner: str, source: str, types: tuple[str, ...]) -> NameView:
        there = self.at(source)
        found = {t: there[t] for t in types if t in there}
        own = source == owner
        n = self.negative_ttl if len(found) < len(types) and "CNAME" not in there else None
        star = "" if own else source
        return NameView(ref, owner, own, MappingProxyType(found), star, negative_ttl=n, server=self.server, types=types)


_NOTHING: Mapping[str, RRset] = MappingProxyType({})


def copy_of(zone: str, server: Endpoint, records: Iterable[Record]) -> ZoneCopy:
    """The zone of the records of one transfer, its final SOA left out. Records outside the zone do not count.

    Raises ValueError if there is no SOA.
    """
    values: dict[str, dict[str, tuple[int, list[str]]]] = {}
    count = 0
    for owner, rdtype, ttl, value in records:
        if rdtype in _NAMELESS:
            count += 1
            continue
        types = values.get(owner)
        if types is None:
            if not is_below(owner, zone):
                continue
            types = values[owner] = {}
        count += 1
        if rdtype in PROOFS:
            continue
        known = types.get(rdtype)
        if known is None:
            types[rdtype] = (ttl, [value])
        else:
            # One TTL for all of an RRset (RFC 2181 section 5.2); where they differ the longest must die.
            known[1].append(value)
            if ttl > known[0]:
                types[rdtype] = (ttl, known[1])
    rrsets = {
        owner: {t: RRset(ttl, (vs[0],) if len(vs) == 1 else tuple(sorted(set(vs)))) for t, (ttl, vs) in types.items()}
        for owner, types in values.items()
    }
    soa = rrsets.get(zone, {}).get("SOA")
    if soa is None:
        raise ValueError(f"no SOA of {zone}")
    cuts = frozenset(owner for owner, types in rrsets.items() if "NS" in types and owner != zone)
    dnames = frozenset(owner for owner, types in rrsets.items() if "DNAME" in types)
    return ZoneCopy(zone, server, soa, rrsets, frozenset(_existing(zone, rrsets)), cuts, dnames, count)


def _existing(zone: str, owners: Collection[str]) -> Iterator[str]:
    seen = {zone}
    yield zone
    for owner in owners:
        if owner not in seen:
            seen.add(owner)
            yield owner
            for name in parent_names(owner):
                if name in seen or not is_below(name, zone):
                    break
                seen.add(name)
                yield name
