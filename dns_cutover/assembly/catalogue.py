"""Which providers there are, and what each promises. Reads no secret, asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dns_cutover.providers.interface import Guarantees


@dataclass(frozen=True, slots=True)
class Known:
    """One type of provider; `guarantees` is None where this version cannot write to it."""

    type: str
    title: str
    guarantees: Guarantees | None


def known_providers() -> tuple[Known, ...]:
    """In the order of the plan's schema."""
    from dns_cutover.providers.rfc2136.provider import guarantees
    from dns_cutover.providers.route53.provider import guarantees as of_route53

    return (
        Known("rfc2136", "dynamic updates (RFC 2136): BIND, Knot, PowerDNS", guarantees()),
        Known("route53", "Amazon Route 53", of_route53()),
        Known("octodns", "any octoDNS provider", None),
        Known("manual", "a person makes the change", None),
    )


def iam_policy(zone: str) -> dict[str, Any]:
    """What credentials must be allowed for a hosted zone (id or name). Raises UsageError."""
    from dns_cutover.providers.route53 import policy

    return policy.iam_policy(zone)
