"""The decisions of the RFC 2136 provider: what a message is tied to, and what its reply means.

No asyncio and no dnspython here: it awaits a small transport with plain values, so that a simulation can stand in
for the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dns_cutover.providers.interface import (
    LOCK_LABEL,
    ChangeSet,
    Conflict,
    Fence,
    FenceLost,
    Guarantees,
    Guards,
    Receipt,
    Refused,
    Token,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.providers.rfc2136.message import (
    LOCK_TTL,
    Op,
    Prereq,
    UpdateSpec,
    keys_questions,
    operations,
    owners_together,
    prerequisites,
    wire_estimate,
)
from dns_cutover.providers.rfc2136.transport import Answers, Transport
from dns_cutover.records import Change, Mismatch, RRset, RRsetKey, quote_text

MAX_MESSAGE = 65535
# Room for the header, the lock's token before and after, the SOA twice and the signature.
OVERHEAD = 1500
_PREREQUISITE_FAILED = frozenset({"NXRRSET", "YXRRSET", "YXDOMAIN", "NXDOMAIN"})


def guarantees(propagation_bound: float = 0.0) -> Guarantees:
    """What RFC 2136 with TSIG promises. `propagation_bound`: D in seconds, beyond what is observed."""
    return Guarantees(
        atomic=True,
        replace_type=True,
        compare_and_swap=True,
        fenced=True,
        sees_ttl=True,
        history=True,
        single_writer=False,
        sync_wait=False,
        propagation_bound=propagation_bound,
        serial="ordered",
        weighted=False,
        apex_ns=True,
        min_ttl=0,
        max_batch=MAX_MESSAGE,
    )


class Rfc2136Provider:
    """One zone on one server that takes dynamic updates. Implements `providers.interface.Provider`."""

    def __init__(
        self, zone: str, transport: Transport, *, label: str, key_name: str, propagation_bound: float = 0.0
    ) -> None:
        self.zone = zone
        self.lock_owner = f"{LOCK_LABEL}.{zone}" if zone != "." else f"{LOCK_LABEL}."
        self.guarantees = guarantees(propagation_bound)
        self._transport = transport
        self._label = label
        self._key_name = key_name

    async def guards(self, keys: Collection[RRsetKey]) -> Guards:
        """See the interface."""
        lock, cname = (self.lock_owner, "TXT"), (self.lock_owner, "CNAME")
        questions = (lock, cname, (self.zone, "SOA"), *keys_questions(tuple(keys)))
        answers = await self._transport.query(tuple(dict.fromkeys(questions)))
        self._usable(answers)
        soa = answers.rrsets[self.zone, "SOA"]
        if soa is None:
            raise Refused(
                f"{self._label} has no SOA for {self.zone}",
                "It is not authoritative for that zone, or the zone is not loaded.",
                (f"dig @{self._label} +tcp SOA {self.zone}",),
            )
        text = answers.rrsets[lock]
        token = _token(text)
        blocked = ""
        if answers.rrsets[cname] is not None:
            blocked = f"there is a CNAME at {self.lock_owner}"
        elif text is not None and token is None:
            blocked = f"there is a TXT at {self.lock_owner} that is no lock"
        return Guards(
            token,
            blocked,
            soa.values[0],
            int(soa.values[0].split()[2]),
            {k: answers.rrsets[k.owner, k.rdtype] for k in keys},
            answers.clock_offset,
        )

    async def read(self, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, RRset | None]:
        """See the interface."""
        answers = await self._transport.query(keys_questions(tuple(keys)))
        self._usable(answers)
        return {k: answers.rrsets[k.owner, k.rdtype] for k in keys}

    def _usable(self, answers: Answers) -> None:
        for (owner, _), rcode in answers.rcodes.items():
            if rcode not in ("NOERROR", "NXDOMAIN"):
                raise self._refusal(rcode, f"a question about {owner}")

    def _refusal(self, rcode: str, what: str) -> Refused:
        match rcode:
            case "NOTAUTH" | "NOTZONE":
                return Refused(
                    f"{self._label} is not authoritative for {self.zone} ({rcode})",
                    "Updates go to the primary server of the zone.",
                    (f"dig +tcp @{self._label} SOA {self.zone}   is it the right server, and is the zone loaded?",),
                )
            case "REFUSED":
                return Refused(
                    f"{self._label} refuses {what} ({rcode})",
                    f"Its policy does not let the key {self._key_name} do this, or the zone is frozen.",
                    (
                        f"BIND: update-policy {{ grant {self._key_name} zonesub ANY; }}; and rndc thaw {self.zone}",
                        f"Knot: acl with key: {self._key_name}, action: update",
                    ),
                )
            case _:
                return Refused(f"{self._label} answered {what} with {rcode}", "Nothing was written.")

    async def apply(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """See the interface."""
        spec = self._spec(changes, fence)
        rcode = await self._transport.update(spec)
        if rcode == "NOERROR":
            return await self._read_back(changes, fence)
        if rcode in _PREREQUISITE_FAILED:
            return await self._why_not(changes, fence, rcode)
        raise self._refusal(rcode, "the update")

    def _spec(self, changes: ChangeSet, fence: Fence | None) -> UpdateSpec:
        prereqs: list[Prereq] = []
        ops: list[Op] = []
        if fence is not None:
            if fence.held is None:
                # "Name not in use" also refuses a CNAME there; the SOA ties "absent" to one version of the zone.
                prereqs.append(Prereq("unused", self.lock_owner))
            else:
                prereqs.append(Prereq("exists", self.lock_owner, "TXT", (quote_text(fence.held.text()),)))
                ops.append(Op("clear", self.lock_owner, "TXT"))
            if fence.next is not None:
                ops.append(Op("add", self.lock_owner, "TXT", (quote_text(fence.next.text()),), LOCK_TTL))
        if changes.soa is not None:
            prereqs.append(Prereq("exists", self.zone, "SOA", (changes.soa,)))
        prereqs += prerequisites(changes.changes)
        ops += operations(changes.changes, self.zone)
        return UpdateSpec(self.zone, tuple(prereqs), tuple(ops))

    async def _look(self, changes: ChangeSet) -> tuple[Token | None, str, Mapping[RRsetKey, RRset | None]]:
        """Lock, SOA and the RRsets as they are now; whoever calls it has sent a message already."""
        keys = [c.key for c in changes.changes]
        try:
            guards = await self.guards(keys)
        except (Unreachable, Refused) as exc:
            raise Unreachable(exc.what, exc.why, maybe_applied=True, hints=exc.hints) from None
        return guards.lock, guards.soa, guards.rrsets

    async def _read_back(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """NOERROR says little: servers ignore parts of a message silently."""
        lock, soa, found = await self._look(changes)
        if fence is not None and fence.next is not None and lock != fence.next:
            raise FenceLost(lock)
        ignored = tuple(c.key for c in changes.changes if c.after != c.before and found[c.key] == c.before)
        return Receipt(ignored, int(soa.split()[2]))

    async def _why_not(self, changes: ChangeSet, fence: Fence | None, rcode: str) -> Receipt:
        """A prerequisite failed. Which one? The lock comes first: without it nothing else is ours to judge."""
        lock, soa, found = await self._look(changes)
        if fence is not None:
            if fence.next is not None and lock == fence.next:
                return await self._read_back(changes, fence)  # an earlier copy of this very message
            if lock != fence.held:
                raise FenceLost(lock)
        mismatches = tuple(
            Mismatch(c.key, _text(c.before), found[c.key], found[c.key] == c.after)
            for c in changes.changes
            if found[c.key] != c.before
        )
        if mismatches:
            raise Conflict(mismatches)
        if changes.soa is not None and soa != changes.soa:
            raise ZoneMoved("the zone changed since it was read", "Somebody else updated it; nothing was written.")
        if rcode in ("YXDOMAIN", "YXRRSET") and changes.changes:
            blocked = tuple(
                Mismatch(c.key, "nothing else at the name", None, False) for c in changes.changes if c.before is None
            )
            if blocked:
                raise Conflict(blocked, "other data stands at a name where a record is to be created")
        raise ZoneMoved("the zone changed while it was read", "Somebody else updated it; nothing was written.")

    async def settled(self, receipt: Receipt) -> bool:
        """A primary cannot tell what its secondaries have: they are asked instead."""
        return True

    async def history(self, since_serial: int, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, int] | None:
        """See the interface."""
        longest = await self._transport.history(self.zone, since_serial)
        return None if longest is None else {k: longest.get((k.owner, k.rdtype), 0) for k in keys}

    def partition(self, changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        """See the interface."""
        return partition_changes(changes)


def partition_changes(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
    """The changes in groups that fit 64 KiB each, changes of one owner name together."""
    groups: list[list[Change]] = [[]]
    size = OVERHEAD
    for together in owners_together(changes):
        octets = sum(wire_estimate(c) for c in together)
        if groups[-1] and size + octets > MAX_MESSAGE:
            groups.append([])
            size = OVERHEAD
        groups[-1] += together
        size += octets
    return tuple(tuple(g) for g in groups if g)


def _token(rrset: RRset | None) -> Token | None:
    if rrset is None or len(rrset.values) != 1:
        return None
    return Token.parse(rrset.values[0].strip('"'))


def _text(rrset: RRset | None) -> str:
    return "absent" if rrset is None else f"{', '.join(rrset.values)} (TTL {rrset.ttl})"
