"""The decisions of the Route 53 provider: what a batch is tied to, and what its reply means.

No asyncio and no boto3 here: it awaits a small transport with plain values, so that a simulation can stand in for AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

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
    Unlike,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.providers.route53.batch import Place, blindly, build, neighbours, to_rrset
from dns_cutover.providers.route53.message import Failure, RecordSet, Transport
from dns_cutover.providers.route53.pacing import Pace
from dns_cutover.providers.route53.permission import Permission
from dns_cutover.providers.route53.permission import ask as ask_permission
from dns_cutover.providers.route53.reading import Reader
from dns_cutover.providers.route53.refusal import Where, failure, swap_failed
from dns_cutover.providers.route53.routing import routing
from dns_cutover.providers.route53.settling import FIRST_LOOK, USUALLY_INSYNC, Settling
from dns_cutover.providers.route53.size import MAX_CHARACTERS, MAX_RECORDS, partition_changes, weight
from dns_cutover.records import Change, InvalidName, Mismatch, RRset, RRsetKey, absolute_name, text_strings


def guarantees() -> Guarantees:
    """What Route 53 promises. Its name servers need no bound: GetChange tells when all of them have a change."""
    return Guarantees(
        atomic=True,
        replace_type=True,
        compare_and_swap=True,
        fenced=True,
        sees_ttl=True,
        history=False,
        single_writer=False,
        sync_wait=True,
        propagation_bound=0.0,
        serial="none",
        weighted=False,
        apex_ns=True,
        min_ttl=0,
        max_batch=MAX_RECORDS,
        apex_ns_swap=False,
    )


class Route53Provider:
    """One hosted zone. Implements `providers.interface.Provider`.

    `zone_ref` is the zone's name in the plan, `zone` its absolute name, `now` the clock that Route 53's is compared
    with (seconds UTC). `pace` is shared by all zones of one account. `unknown_after`: how many seconds after a change
    whose id was lost all name servers are taken to have it.
    """

    def __init__(
        self,
        zone_ref: str,
        zone: str,
        transport: Transport,
        now: Callable[[], float],
        pace: Pace,
        *,
        where: Where | None = None,
        unknown_after: float = USUALLY_INSYNC,
    ) -> None:
        self.zone_ref = zone_ref
        self.zone = zone
        self.lock_owner = f"{LOCK_LABEL}.{zone}" if zone != "." else f"{LOCK_LABEL}."
        self.guarantees = guarantees()
        self._where = where or Where(zone)
        self._reader = Reader(transport, self._where, pace, now)
        self._now = now
        self._spelled: dict[Place, RecordSet] = {}
        self._unknown_after = unknown_after
        self._settling: Settling | None = None

    # -- reading ------------------------------------------------------------------------------------------------

    async def guards(self, keys: Collection[RRsetKey]) -> Guards:
        """See the interface. There is no SOA to go by: its serial stays the same whatever changes."""
        self._check_keys(keys)
        blocked = self._unlockable()
        owners = {k.owner for k in keys} | (set() if blocked else {self.lock_owner})
        found = await self._reader.read(owners)
        token = None
        if not blocked:
            token, blocked = self._lock(found)
        return Guards(token, blocked, "", 0, self._rrsets(keys, found), self._reader.offset)

    async def read(self, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, RRset | None]:
        """See the interface."""
        self._check_keys(keys)
        return self._rrsets(keys, await self._reader.read({k.owner for k in keys}))

    async def history(self, since_serial: int, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, int] | None:
        """Route 53 keeps no history; a TTL that changed between reading and writing fails the write."""
        return None

    async def settled(self, receipt: Receipt) -> bool:
        """See the interface. GetChange is asked after 1, 2, 4 … s, whenever this is called."""
        at, now = self._settling, self._now()
        if at is None or at.change != receipt.change or now < at.began:
            at = self._settling = Settling(receipt.change, now, now, unknown=not receipt.change)
        if at.ask(now, self._unknown_after):
            at.told(await self._reader.settled(receipt.change), self._now())
        return at.insync

    def partition(self, changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        """See the interface."""
        return partition_changes(changes, self.zone)

    def _rrsets(
        self, keys: Collection[RRsetKey], found: Mapping[tuple[str, str], list[RecordSet]]
    ) -> dict[RRsetKey, RRset | None]:
        there = {k: found.get((k.owner, k.rdtype), []) for k in keys}
        special = {k: ", ".join(sorted({kind for r in rs if (kind := routing(r))})) for k, rs in there.items()}
        kinds = {k: kind for k, kind in special.items() if kind}
        if kinds:
            first = next(iter(kinds))
            raise Unlike(
                f"{first.label(self.zone)} is {kinds[first]} at Route 53",
                "Only simple record sets are changed: members and aliases of others must not be lost.",
                ("take the record out of the plan, or make it a simple one first",),
                kinds,
            )
        return {k: self._rrset(k, rs) for k, rs in there.items()}

    def _rrset(self, key: RRsetKey, there: list[RecordSet]) -> RRset | None:
        place = (key.owner, key.rdtype, key.set_id)
        self._spelled.pop(place, None)
        if not there:
            return None
        self._spelled[place] = there[0]
        return to_rrset(there[0])

    def _lock(self, found: Mapping[tuple[str, str], list[RecordSet]]) -> tuple[Token | None, str]:
        """The token, and what stands in the way of one."""
        place = (self.lock_owner, "TXT", "")
        self._spelled.pop(place, None)
        for rdtype, what in (("CNAME", "a CNAME"), ("NS", "a delegation")):
            if (self.lock_owner, rdtype) in found:
                return None, f"{what} stands in the way of the lock at {self.lock_owner}"
        there = found.get((self.lock_owner, "TXT"), [])
        if not there:
            return None, ""
        rrset = to_rrset(there[0]) if len(there) == 1 and not routing(there[0]) else None
        token = _token(rrset)
        if token is None:
            return None, f"there is a TXT at {self.lock_owner} that is no lock"
        self._spelled[place] = there[0]
        return token, ""

    def _unlockable(self) -> str:
        try:
            absolute_name(self.lock_owner)
        except InvalidName:
            return f"the name of the zone is so long that there is no room for {LOCK_LABEL} below it"
        return ""

    def _check_keys(self, keys: Collection[RRsetKey]) -> None:
        for key in keys:
            if key.zone != self.zone_ref:
                raise ValueError(f"{key.owner} {key.rdtype} belongs to zone {key.zone}, not to {self.zone_ref}")
            if key.set_id:
                raise Refused(
                    f"{key.label(self.zone)} cannot be changed by this version",
                    "Only simple record sets are changed.",
                    ("take the set identifier out of the plan",),
                )

    # -- writing ------------------------------------------------------------------------------------------------

    async def apply(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """See the interface. `changes.soa` says nothing here: a batch is tied to TTLs as it is to values."""
        self._check_keys([c.key for c in changes.changes])
        self._check_apex(changes.changes)
        batch = build(self.zone, self.lock_owner, changes, fence, self._spelled)
        if not batch:
            return Receipt((), 0)
        self._check_size(weight(batch))
        self._settling = None
        reply = await self._reader.write(batch, _comment(fence))
        if isinstance(reply, Failure):
            return await self._why_not(changes, fence, reply)
        now = self._now()
        self._settling = Settling(reply.change, now, now + FIRST_LOOK, insync=reply.insync)
        return await self._read_back(changes, fence, reply.change)

    async def permission(self, keys: Collection[RRsetKey], nonce: str) -> Permission:
        """Whether the credentials may read and write these sets and the lock, asked without changing anything. `nonce`
        is a text that no record has. Raises Refused (a set that is not simple, too), Unreachable.
        """
        blocked = (await self.guards(keys)).lock_blocked
        if blocked:
            return Permission(blocked, "every run keeps its lock at that name: move away what is there")
        places = [(k.owner, k.rdtype, "") for k in keys]
        return await ask_permission(self._reader, self.lock_owner, places, nonce)

    def _check_apex(self, changes: tuple[Change, ...]) -> None:
        for c in changes:
            if blindly(self.zone, c) and c.after is None:
                raise Refused(
                    f"the {c.key.rdtype} of {self.zone} cannot be deleted",
                    "A hosted zone always has its SOA and at least one NS.",
                    ("replace it by another value",),
                )

    def _check_size(self, size: tuple[int, int]) -> None:
        if size[0] > MAX_RECORDS or size[1] > MAX_CHARACTERS:
            raise Refused(
                f"the changes do not fit one batch: {size[0]} records, {size[1]} characters",
                f"Route 53 takes {MAX_RECORDS} records and {MAX_CHARACTERS} characters, and only one batch is atomic.",
                ("put them into several stages",),
            )

    async def _look(self, keys: Collection[RRsetKey]) -> Guards:
        """Everything again, after a batch was sent: not being able to look leaves its fate open."""
        try:
            return await self.guards(keys)
        except (Unreachable, Refused) as exc:
            raise Unreachable(exc.what, exc.why, maybe_applied=True, hints=exc.hints) from None

    async def _read_back(self, changes: ChangeSet, fence: Fence | None, change: str) -> Receipt:
        """A batch is applied whole, and the reply proves it; what is found says whether somebody came later."""
        try:
            found = await self.guards([c.key for c in changes.changes])
        except (Unreachable, Refused):
            return Receipt((), 0, change)
        if fence is not None and found.lock != fence.next:
            given_back = fence.next is None and found.lock != fence.held  # it may be somebody else's by now
            if not given_back:
                self._raise_for_lock(fence, found.lock)
        ignored = tuple(c.key for c in changes.changes if c.after != c.before and found.rrsets[c.key] == c.before)
        return Receipt(ignored, 0, change)

    def _raise_for_lock(self, fence: Fence, lock: Token | None) -> None:
        if lock == fence.held:
            raise Unreachable(
                "Route 53 took the batch, and does not show it yet",
                "What it lists is older than what it answered.",
                maybe_applied=True,
            )
        raise FenceLost(lock)

    async def _why_not(self, changes: ChangeSet, fence: Fence | None, reply: Failure) -> Receipt:
        """The batch was refused as a whole. The lock comes first: without it nothing else is ours to judge."""
        found = await self._look([c.key for c in changes.changes])
        if fence is not None:
            given_back = fence.next is None and fence.held is not None and found.lock is None and not changes.changes
            if given_back or (fence.next is not None and found.lock == fence.next):
                return await self._read_back(changes, fence, "")  # a copy of this very batch came before it
            if found.lock != fence.held:
                raise FenceLost(found.lock)
            if fence.held is None and found.lock_blocked:
                raise Refused(
                    found.lock_blocked,
                    "Every run marks its writes with a TXT record at that name, and nothing else can stand there.",
                    ("move it away, then run the same command again",),
                )
        differ = tuple(
            Mismatch(c.key, _text(c.before), found.rrsets[c.key], found.rrsets[c.key] == c.after)
            for c in changes.changes
            if found.rrsets[c.key] != c.before
        )
        if differ:
            raise Conflict(differ)
        if swap_failed(reply):
            raise ZoneMoved("the zone changed while it was read", "Somebody else updated it; nothing was written.")
        await self._raise_for_neighbours(changes.changes)
        raise failure(self._where, reply, "update")

    async def _raise_for_neighbours(self, changes: tuple[Change, ...]) -> None:
        """Something that the batch does not name stands where an alias is to come, or an alias where data is."""
        created = {c.key.owner for c in changes if c.before is None and c.after is not None}
        try:
            found = await self._reader.read(created)
        except (Unreachable, Refused) as exc:
            raise Unreachable(exc.what, exc.why, maybe_applied=True, hints=exc.hints) from None
        crowded = neighbours(changes, found)
        if crowded:
            change, types = crowded[0]
            what = f"{', '.join(types)} at {change.key.owner} cannot stand beside what is to be created there"
            expected = "absent, without {} beside it"
            differ = (Mismatch(c.key, expected.format(", ".join(o)), None, done=False) for c, o in crowded)
            raise Conflict(tuple(differ), what)


def _token(rrset: RRset | None) -> Token | None:
    if rrset is None or len(rrset.values) != 1:
        return None
    return Token.parse("".join(text_strings(rrset.values[0])))


def _text(rrset: RRset | None) -> str:
    return "absent" if rrset is None else f"{', '.join(rrset.values)} (TTL {rrset.ttl})"


def _comment(fence: Fence | None) -> str:
    """Shown by GetChange and in CloudTrail; nothing personal."""
    token = fence and (fence.next or fence.held)
    return f"dns-cutover run {token.run}"[:256] if token else "dns-cutover"
