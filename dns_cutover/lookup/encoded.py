"""A question in wire form, encoded once for all the times that it is asked. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import dns.flags
import dns.name
import dns.rdataclass
import dns.rdatatype

from dns_cutover.lookup.answer import UDP_PAYLOAD

HEADER = 12  # octets of a message before its question section
_NSID = struct.pack("!HH", 3, 0)  # RFC 5001: asked for by sending it empty
_DO = 0x8000
FIXED = 4  # octets of type and class
_FIXED_BITS = 8 * FIXED


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One question without its id. Compared by identity: whoever encodes once needs no more.

    `head` is what follows the id, `plain` the question section with the owner in lower case, `tail` the OPT record or
    nothing. `end` is where the question section ends, and `letters` has the bit 0x20 of each letter in `number`, the
    question section as a number. `spread`: how many random octets one use takes, two of them for the id.
    """

    owner: str
    rdtype: str
    head: bytes
    plain: bytes
    tail: bytes
    end: int
    number: int
    letters: int
    spread: int

    def cased(self, random: bytes) -> bytes:
        """The question with each letter's case by the toss of a coin (draft-vixie-dnsext-dns0x20): what a forger of
        answers has to guess as well. `random` must be as long as the owner.
        """
        return (self.number ^ (self.letters & int.from_bytes(random, "big") << _FIXED_BITS)).to_bytes(
            len(self.plain), "big"
        )


def encode(
    owner: str,
    rdtype: str,
    *,
    recurse: bool,
    edns: bool = True,
    checking_disabled: bool = False,
    dnssec: bool = False,
) -> Encoded:
    """The same message as `answer.make_question` makes. Raises dns.exception.DNSException: no name, or no type."""
    name = dns.name.from_text(owner).to_wire()
    assert name is not None
    name = name.lower()  # length octets are below 64, where no letter is
    flags = (dns.flags.RD if recurse else 0) | (dns.flags.CD if checking_disabled else 0)
    rest = struct.pack("!HH", dns.rdatatype.from_text(rdtype), dns.rdataclass.IN)
    tail = b""
    if edns:
        options = struct.pack("!HHIH", dns.rdatatype.OPT, UDP_PAYLOAD, _DO if dnssec else 0, len(_NSID))
        tail = b"\0" + options + _NSID
    letters = bytes(0x20 if 0x61 <= octet <= 0x7A else 0 for octet in name)
    plain = name + rest
    return Encoded(
        owner,
        rdtype,
        struct.pack("!HHHHH", flags, 1, 0, 0, 1 if edns else 0),
        plain,
        tail,
        HEADER + len(plain),
        int.from_bytes(plain, "big"),
        int.from_bytes(letters, "big") << _FIXED_BITS,
        2 + len(name),
    )
