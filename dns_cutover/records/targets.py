"""Which hosts a value points to. Pure."""

from __future__ import annotations

# Where in the canonical RDATA text of a type a host's name stands.
POSITIONS = {"CNAME": 0, "DNAME": 0, "NS": 0, "PTR": 0, "MX": 1, "SRV": 3, "SVCB": 1, "HTTPS": 1}

# Types that say at which addresses a name's services are reached.
ADDRESSED = frozenset({"A", "AAAA", "CNAME", "HTTPS", "SVCB"})


def targets_of(rdtype: str, value: str) -> tuple[str, ...]:
    """The absolute host name in canonical RDATA; empty for types without one, and where "." says that there is none
    (RFC 7505 for MX, RFC 2782 for SRV, RFC 9460 section 2.5.2 for SVCB: the owner itself).
    """
    position = POSITIONS.get(rdtype)
    words = value.split()
    if position is None or len(words) <= position or words[position] == ".":
        return ()
    return (words[position],)
