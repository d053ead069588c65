"""Zone contents as immutable versions, and what a server answers from them (RFC 1034 section 4.3.2, RFC 4592). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from dns_cutover.records import InvalidName, RRset, absolute_name
from dns_cutover.records.name import parent_names
from dns_cutover.records.zonetext import parse_zone_text

NameType: TypeAlias = tuple[str, str]
Rcode: TypeAlias = Literal["NOERROR", "NXDOMAIN", "SERVFAIL", "YXDOMAIN"]
MAX_CHAIN = 16
_TARGETS = ("MX", "NS", "SRV")  # their last field is a name whose addresses are worth sending along
_NOTHING: Mapping[str, RRset] = MappingProxyType({})


class Item(NamedTuple):
    """One RRset of a section."""

    owner: str
    rdtype: str
    rrset: RRset


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into a response. `aa`: authoritative; `glue`: the additional section must be sent whole (RFC 9471)."""

    rcode: Rcode = "NOERROR"
    aa: bool = True
    answer: tuple[Item, ...] = ()
    authority: tuple[Item, ...] = ()
    additional: tuple[Item, ...] = ()
    glue: bool = False


@lru_cache(maxsize=65536)
def lineage(owner: str) -> tuple[str, ...]:
    """A canonical name and its ancestors, nearest first, down to the root."""
    return (owner, *parent_names(owner), ".") if owner != "." else (".",)


@dataclass(frozen=True, slots=True)
class ZoneVersion:
    """One version of a zone.

    `rrsets` by (owner, type), `nodes` the same by owner, then type. `names` are all names that exist, empty
    non-terminals included.
    """

    origin: str
    rrsets: Mapping[NameType, RRset]
    nodes: Mapping[str, Mapping[str, RRset]]
    names: frozenset[str]

    @classmethod
    def of(cls, origin: str, rrsets: Mapping[NameType, RRset]) -> ZoneVersion:
        """From RRsets with canonical owners in the zone. Raises ValueError without a SOA at the apex."""
        nodes: dict[str, dict[str, RRset]] = {}
        for (owner, rdtype), rrset in rrsets.items():
            nodes.setdefault(owner, {})[rdtype] = rrset
        if "SOA" not in nodes.get(origin, {}):
            raise ValueError(f"the zone {origin} has no SOA at its apex")
        names: set[str] = set()
        for owner in nodes:
            path = lineage(owner)
            if origin not in path:
                raise ValueError(f"{owner} is not in the zone {origin}")
            names.update(path[: path.index(origin) + 1])
        return cls(origin, MappingProxyType(dict(rrsets)), MappingProxyType(nodes), frozenset(names))

    @classmethod
    def from_text(cls, origin: str, text: str) -> ZoneVersion:
        """From zone-file text. Raises InvalidRdata, ValueError."""
        return cls.of(origin, {(k.owner, k.rdtype): r for k, r in parse_zone_text(text, "lab", origin).items()})

    @property
    def soa(self) -> RRset:
        """The SOA RRset."""
        return self.nodes[self.origin]["SOA"]

    @property
    def serial(self) -> int:
        """The SOA serial."""
        return int(self.soa.values[0].split()[2])

    @property
    def timers(self) -> tuple[int, int, int]:
        """The SOA's refresh, retry and expire, in seconds."""
        refresh, retry, expire = self.soa.values[0].split()[3:6]
        return int(refresh), int(retry), int(expire)

    def types_at(self, owner: str) -> Mapping[str, RRset]:
        """The RRsets of one name by type."""
        return self.nodes.get(owner, _NOTHING)

    def holds(self, owner: str) -> bool:
        """Whether `owner` is the apex or a name under it, whatever exists there."""
        return self.origin in lineage(owner)

    def lookup(self, owner: str, rdtype: str) -> Answer:
        """What an authoritative server answers; `owner` is canonical and in the zone."""
        chain: list[Item] = []
        for _ in range(MAX_CHAIN):
            cut = self._cut(owner, rdtype)
            if cut is not None:
                return self._referral(cut, tuple(chain))
            dname = self._dname_above(owner)
            if dname is not None:
                target = _substitute(owner, dname)
                chain.append(dname)
                if target is None:
                    return Answer("YXDOMAIN", answer=tuple(chain))  # RFC 6672 section 2.2
                # RFC 6672 section 3.1: for those who do not know DNAME, a CNAME with its TTL.
                chain.append(Item(owner, "CNAME", RRset(dname.rrset.ttl, (target,))))
                if rdtype == "CNAME":
                    return Answer(answer=tuple(chain))
            else:
                node = self._node(owner)
                if node is None:
                    return self._negative("NXDOMAIN", chain)  # of the last name in the chain (RFC 6604)
                kind = _pick(node, rdtype)
                if kind is None:
                    return self._negative("NOERROR", chain)
                chain.append(Item(owner, kind, node[kind]))
                if kind != "CNAME" or rdtype in ("CNAME", "ANY"):
                    return Answer(answer=tuple(chain), additional=self._addresses(chain[-1]))
                target = node[kind].values[0]
            owner = target
            if not self.holds(owner):
                return Answer(answer=tuple(chain))
            if any(item.owner == owner and item.rdtype == "CNAME" for item in chain):
                break
        return Answer("SERVFAIL", answer=tuple(chain))  # a chain without an end, as BIND has it

    def _node(self, owner: str) -> Mapping[str, RRset] | None:
        """The RRsets at a name, a wildcard's where it is not there (RFC 4592 section 3.3.1); None: NXDOMAIN."""
        if owner in self.names:
            return self.types_at(owner)
        encloser = next(name for name in lineage(owner) if name in self.names)
        star = "*." + encloser if encloser != "." else "*."
        return self.types_at(star) if star in self.names else None

    def _within(self, owner: str) -> tuple[str, ...]:
        """`owner` and its ancestors below the apex, topmost first."""
        path = lineage(owner)
        return path[: path.index(self.origin)][::-1]

    def _cut(self, owner: str, rdtype: str) -> str | None:
        """The zone cut at or above a name; what is asked of the parent's side of it (DS) is no cut."""
        for name in self._within(owner):
            if "NS" in self.types_at(name):
                return None if name == owner and rdtype == "DS" else name
        return None

    def _dname_above(self, owner: str) -> Item | None:
        for name in (self.origin, *self._within(owner)):
            if name != owner and (dname := self.types_at(name).get("DNAME")) is not None:
                return Item(name, "DNAME", dname)
        return None

    def _referral(self, cut: str, chain: tuple[Item, ...]) -> Answer:
        ns = Item(cut, "NS", self.nodes[cut]["NS"])
        return Answer(aa=bool(chain), answer=chain, authority=(ns,), additional=self._addresses(ns), glue=True)

    def _addresses(self, item: Item) -> tuple[Item, ...]:
        if item.rdtype not in _TARGETS:
            return ()
        targets = dict.fromkeys(value.split()[-1] for value in item.rrset.values)
        return tuple(
            Item(name, kind, found)
            for name in targets
            for kind in ("A", "AAAA")
            if (found := self.types_at(name).get(kind)) is not None
        )

    def _negative(self, rcode: Rcode, chain: list[Item]) -> Answer:
        # RFC 2308 section 3: the SOA of a negative answer carries the lower of its TTL and MINIMUM.
        minimum = int(self.soa.values[0].split()[6])
        soa = Item(self.origin, "SOA", self.soa.with_ttl(min(self.soa.ttl, minimum)))
        return Answer(rcode, answer=tuple(chain), authority=(soa,))


def _pick(node: Mapping[str, RRset], rdtype: str) -> str | None:
    """Which type of a node answers; ANY gets one RRset (RFC 8482 section 4.1)."""
    if rdtype == "ANY":
        return min(node, default=None)
    if rdtype in node:
        return rdtype
    return "CNAME" if "CNAME" in node else None


def _substitute(owner: str, dname: Item) -> str | None:
    """RFC 6672 section 2.2; None where the new name would be too long."""
    prefix = owner if dname.owner == "." else owner[: -len(dname.owner)]
    target = dname.rrset.values[0]
    try:
        return absolute_name(prefix.rstrip(".") + "." + target if target != "." else prefix)
    except InvalidName:
        return None
