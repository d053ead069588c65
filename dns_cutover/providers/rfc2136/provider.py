"""The decisions of the RFC 2136 provider: what a message is tied to, and what its reply means.

No asyncio and no dnspython here: it awaits a small transport with plain values, so that a simulation can stand in
for the network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from dns_cutover.providers.clock import clock_offset
from dns_cutover.providers.interface import (
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
    lock_owner,
)
from dns_cutover.providers.rfc2136.permission import Permission, PermissionProbe
from dns_cutover.providers.rfc2136.refusal import Place, failure
from dns_cutover.providers.rfc2136.size import MAX_MESSAGE, partition_changes
from dns_cutover.providers.rfc2136.update import (
    FUDGE,
    NEIGHBOURS,
    PREREQUISITE_FAILED,
    Answers,
    Question,
    Transport,
    build,
    questions_of,
)
from dns_cutover.records import Change, Mismatch, RRset, RRsetKey

CONNECTING = 20.0  # seconds: twice as long as a connection is waited for


def guarantees(propagation_bound: float = 0.0, *, fenced: bool = True) -> Guarantees:
    """What RFC 2136 with TSIG promises. `propagation_bound`: D in seconds, beyond what is observed. `fenced`: the lock
    stands in the zone.

    A signature is good for as long as the server's clock and the time of signing differ by FUDGE at most (RFC 8945
    section 5.2.3), and the server's clock was not further behind than that, or it would not have answered what was
    asked before. CONNECTING is for the way from the intent to the signature.
    """
    return Guarantees(
        atomic=True,
        replace_type=True,
        compare_and_swap=True,
        fenced=fenced,
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
        message_life=2 * FUDGE + CONNECTING,
    )


class Rfc2136Provider:
    """One zone on one server that takes dynamic updates. Implements `providers.interface.Provider`.

    `zone_ref` is the zone's name in the plan, `zone` its absolute name. `now` is the clock that signs (seconds UTC):
    the server's is compared with it. `lock` is `provider.lock` of the plan as data: "zone", "store", or {"name": …}.
    """

    def __init__(
        self,
        zone_ref: str,
        zone: str,
        transport: Transport,
        now: Callable[[], float],
        *,
        place: Place | None = None,
        propagation_bound: float = 0.0,
        lock: object = "zone",
    ) -> None:
        self.zone_ref = zone_ref
        self.zone = zone
        self.lock_owner = lock_owner(zone, lock)
        self.guarantees = guarantees(propagation_bound, fenced=lock != "store")
        self._transport = transport
        self._now = now
        self._place = place or Place(zone=zone)

    # -- reading ------------------------------------------------------------------------------------------------

    async def guards(self, keys: Collection[RRsetKey]) -> Guards:
        """See the interface."""
        self._check_keys(keys)
        lock = (self.lock_owner, "TXT")
        started = self._now()
        answers = await self._ask((lock, (self.zone, "SOA"), *questions_of(keys)))
        offset = clock_offset(answers.server_time, started, self._now())
        text = answers.rrsets[lock]
        token = _token(text)
        blocked = ""
        if lock in answers.detours:
            blocked = f"{answers.detours[lock]} stands in the way of the lock at {self.lock_owner}"
        elif text is not None and token is None:
            blocked = f"there is a TXT at {self.lock_owner} that is no lock"
        soa = self._soa(answers)
        rrsets = {k: answers.rrsets[k.owner, k.rdtype] for k in keys}
        return Guards(token, blocked, soa, int(soa.split()[2]), rrsets, offset)

    async def read(self, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, RRset | None]:
        """See the interface."""
        self._check_keys(keys)
        answers = await self._ask(questions_of(keys))
        return {k: answers.rrsets[k.owner, k.rdtype] for k in keys}

    async def history(self, since_serial: int, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, int] | None:
        """See the interface. Unknown where the server gives no IXFR, or answers it with the whole zone."""
        self._check_keys(keys)
        longest = await self._transport.history(since_serial)
        return None if longest is None else {k: longest.get((k.owner, k.rdtype), 0) for k in keys}

    async def settled(self, receipt: Receipt) -> bool:
        """A primary cannot tell what its secondaries have (`sync_wait` is false): they are asked instead."""
        return True

    def partition(self, changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        """See the interface."""
        return partition_changes(changes)

    async def _ask(self, questions: tuple[Question, ...]) -> Answers:
        answers = await self._transport.query(tuple(dict.fromkeys(questions)))
        if answers.failure is not None:
            raise failure(self._place, answers.failure, "query", self._now())
        return answers

    def _soa(self, answers: Answers) -> str:
        soa = answers.rrsets[self.zone, "SOA"]
        if soa is None:
            raise Refused(
                f"{self._place.server} has no SOA for {self.zone}",
                "It is not authoritative for that zone, or the zone is not loaded.",
                (f"{self._place.dig} SOA {self.zone}",),
            )
        return soa.values[0]

    def _check_keys(self, keys: Collection[RRsetKey]) -> None:
        for key in keys:
            if key.zone != self.zone_ref:
                raise ValueError(f"{key.owner} {key.rdtype} belongs to zone {key.zone}, not to {self.zone_ref}")
            if key.set_id:
                raise Refused(
                    f"{key.label(self.zone)} cannot be kept at {self._place.server}",
                    "Dynamic updates know no set identifiers: one RRset for each name and type (RFC 2181 section 5).",
                    ("take the set identifier out of the plan",),
                )

    # -- writing ------------------------------------------------------------------------------------------------

    async def apply(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """See the interface."""
        self._check_keys([c.key for c in changes.changes])
        self._check_apex(changes.changes)
        reply = await self._transport.update(build(self.zone, self.lock_owner, changes, fence))
        if reply.signed and reply.rcode == "NOERROR":
            return await self._read_back(changes, fence)
        if reply.signed and reply.rcode in PREREQUISITE_FAILED:
            return await self._why_not(changes, fence, in_use=reply.rcode == "YXDOMAIN")
        raise failure(self._place, reply, "update", self._now())

    async def permission(self, offered: Mapping[RRsetKey, Collection[str]]) -> Permission:
        """Whether the key may write these RRsets and the lock, asked without changing anything.

        `offered`: the values that the plan brings to each. Raises Refused for a key that is wrong altogether,
        Unreachable.
        """
        self._check_keys(offered)
        lock = (self.lock_owner, "TXT") if self.guarantees.fenced else None
        asking = PermissionProbe(self._transport, self._place, lock, self._now)
        return await asking.ask({(k.owner, k.rdtype): tuple(v) for k, v in offered.items()})

    def _check_apex(self, changes: tuple[Change, ...]) -> None:
        for c in changes:
            if c.key.owner == self.zone and c.key.rdtype in ("NS", "SOA") and c.before is not None and c.after is None:
                raise Refused(
                    f"the {c.key.rdtype} of {self.zone} cannot be deleted",
                    "A zone always has SOA and NS; servers ignore it silently (RFC 2136 section 3.4.2.3).",
                    ("replace it by another value",),
                )

    async def _look(self, changes: ChangeSet) -> Guards:
        """Everything again, after a message was sent: not being able to look leaves its fate open."""
        try:
            return await self.guards([c.key for c in changes.changes])
        except (Unreachable, Refused) as exc:
            raise Unreachable(exc.what, exc.why, maybe_applied=True, hints=exc.hints) from None

    async def _read_back(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """NOERROR says little: servers ignore parts of a message silently."""
        found = await self._look(changes)
        if fence is not None:
            self._check_swapped(fence, found.lock)
            # Twice, on connections of their own: behind one address may be two processes that swapped the same token.
            self._check_swapped(fence, (await self._look(ChangeSet(()))).lock)
        ignored = tuple(c.key for c in changes.changes if c.after != c.before and found.rrsets[c.key] == c.before)
        return Receipt(ignored, found.serial)

    def _check_swapped(self, fence: Fence, lock: Token | None) -> None:
        if lock == fence.next or (fence.next is None and lock != fence.held):
            return  # a lock that was given back may be somebody else's by now
        if lock == fence.held:
            raise Unreachable(
                f"{self._place.server} took the update, and does not show it",
                "So does a secondary that forwards it, until the next transfer, and so do two servers at one address.",
                maybe_applied=True,
                hints=(f"{self._place.dig} SOA {self.zone}   write the address of the primary into provider.server",),
            )
        raise FenceLost(lock)

    async def _why_not(self, changes: ChangeSet, fence: Fence | None, *, in_use: bool) -> Receipt:
        """A prerequisite failed. Which one? The lock comes first: without it nothing else is ours to judge.

        `in_use`: the server says that there is something at a name where nothing should be.
        """
        found = await self._look(changes)
        if fence is not None:
            given_back = fence.next is None and fence.held is not None and found.lock is None and not changes.changes
            if given_back or (fence.next is not None and found.lock == fence.next):
                return await self._read_back(changes, fence)  # a copy of this very message came before it
            if found.lock != fence.held:
                raise FenceLost(found.lock)
            if fence.held is None and found.lock_blocked:
                raise self._blocked(found.lock_blocked)
        differ = tuple(
            Mismatch(c.key, _text(c.before), found.rrsets[c.key], found.rrsets[c.key] == c.after)
            for c in changes.changes
            if found.rrsets[c.key] != c.before
        )
        if differ:
            raise Conflict(differ)
        if changes.soa is not None and found.soa != changes.soa:
            raise ZoneMoved("the zone changed since it was read", "Somebody else updated it; nothing was written.")
        await self._raise_for_neighbours(changes, fence, in_use=in_use)
        raise ZoneMoved("the zone changed while it was read", "Somebody else updated it; nothing was written.")

    async def _raise_for_neighbours(self, changes: ChangeSet, fence: Fence | None, *, in_use: bool) -> None:
        """Nothing that the message names differs: something else stands at a name that it needs for itself."""
        created = [c for c in changes.changes if c.before is None and c.after is not None]
        names = {self.lock_owner} if fence is not None and fence.held is None else set()
        names |= {c.key.owner for c in created}
        types = ("CNAME", *NEIGHBOURS)
        if not names:
            return
        answers = await self._look_at(tuple((name, t) for name in sorted(names) for t in types))
        there = {name: [t for t in types if answers.rrsets[name, t] is not None] for name in names}
        if there.get(self.lock_owner) and self.lock_owner not in {c.key.owner for c in created}:
            raise self._blocked(f"{', '.join(there[self.lock_owner])} at {self.lock_owner} stands in the lock's place")
        crowded = [
            (c, others)
            for c in created
            if (others := [t for t in there[c.key.owner] if c.key.rdtype == "CNAME" or t == "CNAME"])
        ]
        alone = [c for c in created if c.key.rdtype == "CNAME"]
        if in_use and not crowded and alone:
            # Types that nobody here knows by name: trying again would not move them.
            raise Conflict(
                tuple(Mismatch(c.key, "absent, with nothing beside it", None, done=False) for c in alone),
                f"a record of an unusual type at {alone[0].key.owner} cannot stand beside what is to be created there",
            )
        if in_use and not crowded and self.lock_owner in names:
            raise self._blocked(f"a record of an unusual type at {self.lock_owner} stands in the lock's place")
        if crowded:
            owner, types_there = crowded[0][0].key.owner, ", ".join(crowded[0][1])
            raise Conflict(
                tuple(
                    Mismatch(c.key, f"absent, without {', '.join(o)} beside it", None, done=False) for c, o in crowded
                ),
                f"{types_there} at {owner} cannot stand beside what is to be created there",
            )

    async def _look_at(self, questions: tuple[Question, ...]) -> Answers:
        try:
            return await self._ask(questions)
        except (Unreachable, Refused) as exc:
            raise Unreachable(exc.what, exc.why, maybe_applied=True, hints=exc.hints) from None

    def _blocked(self, what: str) -> Refused:
        return Refused(
            what,
            "Every run marks its writes with a TXT record at that name, and nothing else can stand there.",
            (f"{self._place.dig} ANY {self.lock_owner}   move it away, then run the same command again",),
        )


def _token(rrset: RRset | None) -> Token | None:
    if rrset is None or len(rrset.values) != 1:
        return None
    return Token.parse(rrset.values[0].strip('"'))


def _text(rrset: RRset | None) -> str:
    return "absent" if rrset is None else f"{', '.join(rrset.values)} (TTL {rrset.ttl})"
