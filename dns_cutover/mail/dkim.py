"""DKIM key records (RFC 6376 section 3.6.1): is there a key that a receiver can use?"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from dns_cutover.mail.answers import texts
from dns_cutover.mail.tags import InvalidTags, parse_tags

MIN_RSA_BITS = 1024  # RFC 8301 section 3.2: verifiers must not take shorter ones
_ED25519_OCTETS = 32  # RFC 8463 section 3


@dataclass(frozen=True, slots=True)
class DkimKey:
    """What stands at a selector. `problem` says why no receiver can use it, else it is empty.

    `kind` is "rsa" or "ed25519", `bits` the RSA modulus' length; `key` is the p= value without blanks. `testing`: t=y,
    whose signatures count as if there were none.
    """

    kind: str = "rsa"
    bits: int = 0
    key: str = ""
    testing: bool = False
    problem: str = ""


def selector_name(selector: str, domain: str) -> str:
    """The absolute owner name of a selector's key."""
    return f"{selector}._domainkey.{domain}"


def dkim_key(values: Sequence[str]) -> DkimKey:
    """The key in the TXT RDATA at a selector."""
    found = texts(values)
    if not found:
        return DkimKey(problem="there is no key")
    if len(found) > 1:
        return DkimKey(problem=f"there are {len(found)} records, and which one counts is undefined")
    try:
        tags = parse_tags(found[0])
    except InvalidTags as exc:
        return DkimKey(problem=f"it is no key record: {exc}")
    kind, testing = tags.get("k", "rsa"), "y" in tags.get("t", "").replace(" ", "").split(":")
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        return DkimKey(kind, problem="it is no key record: v=DKIM1 must come first")
    if "p" not in tags:
        return DkimKey(kind, problem="it is no key record: the tag p is missing")
    key = "".join(tags["p"].split())
    if not key:
        return DkimKey(kind, testing=testing, problem="the key is revoked (p= is empty)")
    if "s" in tags and not {"*", "email"} & set(tags["s"].replace(" ", "").split(":")):
        return DkimKey(kind, key=key, problem=f"the key is not for e-mail (s={tags['s']})")
    try:
        raw = base64.b64decode(key, validate=True)
        bits = _rsa_bits(raw) if kind == "rsa" else len(raw) * 8
    except (binascii.Error, ValueError):
        return DkimKey(kind, key=key, testing=testing, problem="the key is damaged: p= is no public key")
    match kind:
        case "rsa" if bits < MIN_RSA_BITS:
            problem = f"the key has {bits} bits, and receivers take none below {MIN_RSA_BITS}"
        case "rsa":
            problem = ""
        case "ed25519":
            problem = "" if len(raw) == _ED25519_OCTETS else "the key is damaged: p= is no Ed25519 key"
        case _:
            problem = f"the kind of key {kind} is not known"
    return DkimKey(kind, bits, key, testing, problem)


def _rsa_bits(raw: bytes) -> int:
    """The modulus' length of a SubjectPublicKeyInfo (RFC 5280 section 4.1), or of a bare RSAPublicKey (RFC 8017
    appendix A.1.1), which some publish. Raises ValueError.
    """
    body = _element(raw, 0x30)[0]
    if body[:1] == b"\x30":
        _, rest = _element(body, 0x30)
        bits, _ = _element(rest, 0x03)
        body = _element(bits[1:], 0x30)[0]  # the first octet counts unused bits
    modulus, rest = _element(body, 0x02)
    _element(rest, 0x02)
    return int.from_bytes(modulus, "big").bit_length()


def _element(raw: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of a DER element with that tag, and what follows it. Raises ValueError."""
    if len(raw) < 2 or raw[0] != tag:
        raise ValueError("not the element that belongs here")
    length, start = raw[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 3:
            raise ValueError("a length that no key has")
        length, start = int.from_bytes(raw[2 : 2 + count], "big"), 2 + count
    if len(raw) < start + length:
        raise ValueError("cut off")
    return raw[start : start + length], raw[start + length :]
