"""What other tools' own files say they keep: a Terraform state, or a zone file of octoDNS. Bytes in, values out.

Such files are handled like a stranger's: nothing in them is run, only DNS records are taken from them, and no message
quotes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from dns_cutover.checks.world import OwnedRecords
from dns_cutover.errors import CutoverError
from dns_cutover.records import InvalidName, InvalidRdata, RRset, absolute_name, canonical_rdata, canonical_type


class BadOwnerFile(CutoverError):
    """The file is none of those that are known, or is broken."""

    exit_code = 3


def read_owner_file(raw: bytes, file: str, zones: Collection[str]) -> OwnedRecords:
    """The records that the tool behind the file keeps. `zones`: the plan's zone names. Raises BadOwnerFile."""
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        from dns_cutover.checks.owned_terraform import read_state

        return read_state(raw, file)
    from dns_cutover.checks.owned_octodns import read_zone_file

    return read_zone_file(raw, file, zones)


@dataclass(slots=True)
class Collected:
    """Records as they are found; several of one owner and type become one RRset."""

    rrsets: dict[tuple[str, str], RRset | None] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(
        self, owner: str, rdtype: str, ttl: object, values: Iterable[str] | None, place: str, origin: str | None = None
    ) -> None:
        """One record or RRset; `values` as zone-file text, None where they are not known. What is no DNS record is left
        out: no plan can touch it.
        """
        try:
            key = absolute_name(owner, origin), canonical_type(rdtype)
        except (InvalidName, InvalidRdata):
            return
        try:
            texts = None if values is None else {canonical_rdata(key[1], v) for v in values}
        except InvalidRdata:
            texts = None
        there = self.rrsets.get(key)
        if not texts or (key in self.rrsets and there is None):
            self.rrsets[key] = None
        else:
            seconds = ttl if isinstance(ttl, int) and 0 <= ttl < 2**31 else 0
            self.rrsets[key] = RRset(seconds, tuple(sorted(texts | set(there.values if there is not None else ()))))
        self.places.setdefault(key, place)

    def owned(self, tool: Literal["Terraform", "octoDNS"], file: str) -> OwnedRecords:
        """The result."""
        return OwnedRecords(tool, file, self.rrsets, self.places)


def absolute(host: object) -> str:
    """A host name that a tool writes with or without its final dot."""
    return f"{str(host).rstrip('.')}."
