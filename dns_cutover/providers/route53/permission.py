"""May the credentials write? Asked with a batch that cannot be applied, whatever the zone holds when it arrives.

AWS judges whether a request is allowed before it looks at what it says. A batch is applied whole or not at all, and
this one deletes a TXT that nobody has: "not found" is the answer to those who may write.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dns_cutover.providers.route53.batch import Place
from dns_cutover.providers.route53.message import BatchChange, Failure, RecordSet
from dns_cutover.providers.route53.reading import Reader
from dns_cutover.providers.route53.refusal import failure, said_by
from dns_cutover.providers.route53.spelling import to_api_name

# Fields of a request that IAM can look at are its names and types; one batch is enough for those of most plans.
BATCH = 900


@dataclass(frozen=True, slots=True)
class Permission:
    """What the credentials may not do: `reason` is empty if all is granted, `grant` says what would grant it."""

    reason: str = ""
    grant: str = ""


async def ask(reader: Reader, lock_owner: str, places: Collection[Place], nonce: str) -> Permission:
    """Whether these sets and the lock may be written. `nonce` is a text that no record has.

    Raises Refused (credentials that are wrong altogether, no such zone), Unreachable.
    """
    zone = await reader.zone()
    lock = BatchChange("DELETE", RecordSet(to_api_name(lock_owner), "TXT", 1, (f'"dns-cutover permission {nonce}"',)))
    asked = sorted(set(places) - {(lock_owner, "TXT", "")})
    for start in range(0, max(1, len(asked)), BATCH):
        batch = (lock, *(_nobody_has(place) for place in asked[start : start + BATCH]))
        reply = await reader.send(batch, "dns-cutover: may it write?")
        if not isinstance(reply, Failure):
            raise AssertionError(f"a batch that cannot be applied was applied in {zone.id}")
        if reply.code in ("AccessDenied", "AccessDeniedException"):
            where = reader.where
            return Permission(f"{where.credentials} may not change all of the plan: {said_by(reply)}", where.policy)
        if reply.code not in ("InvalidChangeBatch", "InvalidInput"):
            raise failure(reader.where, reply, "query")
    return Permission()


def _nobody_has(place: Place) -> BatchChange:
    """Never judged: the batch fails by its first change. The values only have to be of a form that is taken."""
    owner, rdtype, _ = place
    return BatchChange("DELETE", RecordSet(to_api_name(owner), rdtype, 1, (_FORMS.get(rdtype, "invalid."),)))


_FORMS = {
    "A": "0.0.0.0",  # noqa: S104 - an address that no host has, not one to listen on
    "AAAA": "100::",
    "MX": "0 invalid.",
    "SRV": "0 0 0 invalid.",
    "TXT": '"nobody has this"',
    "SPF": '"nobody has this"',
    "CAA": '0 issue ";"',
    "HTTPS": "1 invalid.",
    "SVCB": "1 invalid.",
    "DS": "1 13 2 " + "0" * 64,
    "TLSA": "3 1 1 " + "0" * 64,
    "SSHFP": "4 2 " + "0" * 64,
    "NAPTR": '0 0 "" "" "" invalid.',
}
