"""TSIG keys that the lab's servers know, and what each of them may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import dns.name
import dns.tsig

from dns_cutover.lab.zone import lineage


@dataclass(frozen=True, slots=True)
class LabKey:
    """A key and its rights. `secret` is base64.

    `owners`: None for the whole zone, or names at and under which it may write. `update` False: it may not write.
    """

    name: str
    secret: str = field(repr=False)
    algorithm: str = "hmac-sha256"
    update: bool = True
    transfer: bool = True
    owners: tuple[str, ...] | None = None

    def tsig(self) -> dns.tsig.Key:
        """As dnspython wants it."""
        return dns.tsig.Key(self.name, self.secret, self.algorithm)

    def may_write(self, owner: str, rdtype: str) -> bool:
        """Whether it may touch RRsets at a canonical owner, as `zonesub` and `subdomain` of a BIND policy grant it."""
        return self.update and (self.owners is None or any(name in lineage(owner) for name in self.owners))


Keyring: TypeAlias = Mapping[dns.name.Name, tuple[LabKey, dns.tsig.Key]]


def keyring(keys: Iterable[LabKey]) -> Keyring:
    """Keys by name."""
    return {tsig.name: (key, tsig) for key in keys for tsig in (key.tsig(),)}
