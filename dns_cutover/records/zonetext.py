"""RRsets as zone-file text (RFC 1035 section 5; RFC 3597 for unknown types), in and out."""

from __future__ import annotations

from collections.abc import Mapping

import dns.exception
import dns.name
import dns.rdatatype
import dns.zone
import dns.zonefile

from dns_cutover.records.rdata import InvalidRdata
from dns_cutover.records.rrset import RRset, RRsetKey


def zone_text(rrsets: Mapping[RRsetKey, RRset]) -> str:
    """One line per record, absolute names, sorted by owner, type and value; ends with a newline."""
    lines = [
        f"{key.owner} {rrset.ttl} IN {key.rdtype} {value}"
        for key, rrset in sorted(rrsets.items())
        for value in rrset.values
    ]
    return "".join(line + "\n" for line in lines)


def parse_zone_text(text: str, zone: str, origin: str) -> dict[RRsetKey, RRset]:
    """Zone-file text as RRsets under the zone reference `zone`; `origin` is the zone's name.

    $INCLUDE is refused: the text may come from a stranger. Raises InvalidRdata with the line.
    """
    try:
        parsed = dns.zone.from_text(
            text, origin=dns.name.from_text(origin), relativize=False, check_origin=False, allow_include=False
        )
    except (dns.exception.DNSException, ValueError, UnicodeError) as exc:
        raise InvalidRdata(f"not zone-file text: {exc or type(exc).__name__}") from None
    return {
        RRsetKey(zone, name.canonicalize().to_text(), dns.rdatatype.to_text(rdataset.rdtype)): RRset.from_rdataset(
            rdataset
        )
        for name, node in parsed.nodes.items()
        for rdataset in node.rdatasets
    }
