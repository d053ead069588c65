"""May the key write? Asked with UPDATE messages that cannot change anything, whatever the zone holds when they arrive.

A server's policy is asked for by an edit, so that the message needs one; each edit is one that changes nothing if the
prerequisite beside it holds, and if that does not hold nothing is done at all. "No such RRset, delete it" suits an
RRset that is not there, and "exactly these values, delete another one" one that is. Both are NOERROR exactly where the
policy allows them, and neither moves the serial (measured on BIND, Knot and PowerDNS). A prerequisite that always
fails would not do: servers that judge prerequisites before their policy (BIND before 9.18.11; RFC 2136 section 3 has
prerequisites, then permission) would never come as far as the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dns_cutover.providers.interface import Unreachable
from dns_cutover.providers.rfc2136.refusal import Place, failure
from dns_cutover.providers.rfc2136.update import (
    PREREQUISITE_FAILED,
    SPARE_NS,
    EditOp,
    Prereq,
    Question,
    Transport,
    UpdateReply,
    UpdateSpec,
)
from dns_cutover.records import RRset, quote_text

# One message for as many names: PowerDNS looks up one prerequisite after the other.
BATCH = 100
# So many are named by themselves; beyond it "and more" says enough.
MAX_NAMED = 8
# A prerequisite that fails says that somebody changed the RRset since it was read: read again.
TRIES = 3

# A value that nobody has, of types that are moved often; others take one that the plan brings.
_NOBODY_HAS = {
    "A": "0.0.0.0",  # noqa: S104 - an address that no host has, not one to listen on
    "AAAA": "100::",
    "CNAME": SPARE_NS,
    "DNAME": SPARE_NS,
    "NS": SPARE_NS,
    "PTR": SPARE_NS,
    "MX": f"0 {SPARE_NS}",
    "SRV": f"0 0 0 {SPARE_NS}",
    "TXT": quote_text("dns-cutover permission"),
}


@dataclass(frozen=True, slots=True)
class Permission:
    """What the key may not do. `denied` are (owner, type), at most MAX_NAMED, `more` how many beyond them.

    `reason` is one sentence, empty if all is granted; `grant` the lines that would grant it.
    """

    reason: str = ""
    grant: str = ""
    denied: tuple[Question, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class PermissionProbe:
    """Asks one server about one key. `lock` is the lock's RRset, None where it is not in the zone; `now` is the clock
    that signs (seconds UTC).

    What a server's policy leaves out in silence (PowerDNS's Lua scripts do) cannot be seen this way.
    """

    transport: Transport
    place: Place
    lock: Question | None
    now: Callable[[], float]

    async def ask(self, offered: Mapping[Question, Sequence[str]]) -> Permission:
        """What the key may not do of `offered` (values that the plan brings, by RRset) and the lock.

        As a run does it: together with the lock in one message. Only where that is denied is each asked by itself.
        Raises Refused for a key that is wrong altogether, Unreachable.
        """
        questions = tuple(q for q in offered if q != self.lock)
        locks = (self.lock,) if self.lock is not None else ()
        denied: list[Question] = []
        no: UpdateReply | None = None
        for start in range(0, max(1, len(questions)), BATCH):
            asked = (*locks, *questions[start : start + BATCH])
            reply = await self._denied(asked, offered)
            if reply is None:
                continue
            no = reply
            alone = [q for q in asked if q not in denied and await self._denied((q,), offered) is not None]
            if not alone and (self.lock is None or self.lock not in denied):
                return apart(self.place, self.lock or asked[0], asked, no)
            denied += alone
        return Permission() if no is None else denial(self.place, self.lock, len(locks) + len(questions), denied, no)

    async def _denied(
        self, asked: tuple[Question, ...], offered: Mapping[Question, Sequence[str]]
    ) -> UpdateReply | None:
        """The reply that denies to change all of these in one message; None if the policy allows it."""
        for _ in range(TRIES):
            answers = await self.transport.query(asked)
            if answers.failure is not None:
                raise failure(self.place, answers.failure, "query", self.now())
            spec = probe_spec({q: answers.rrsets[q] for q in asked}, offered)
            if spec is None:
                return None
            reply = await self.transport.update(spec)
            if is_denial(reply):
                return reply
            if reply.signed and reply.rcode == "NOERROR":
                return None
            if not reply.signed or reply.rcode not in PREREQUISITE_FAILED:
                raise failure(self.place, reply, "update", self.now())
        raise Unreachable(
            f"{self.place.server} had other data each time that the key's permission was asked for",
            "An RRset of the plan does not stay as it was read.",
            maybe_applied=False,
            hints=("ask again when nobody else writes to the zone",),
        )


def probe_spec(found: Mapping[Question, RRset | None], offered: Mapping[Question, Sequence[str]]) -> UpdateSpec | None:
    """A message that passes the policy for every RRset of `found` (what is there now) and changes nothing.

    `offered`: values of each that may be taken to ask with if the RRset does not have them. None where nothing can be
    asked: an RRset of a rare type of which no other value is known.
    """
    prereqs: list[Prereq] = []
    edits: list[EditOp] = []
    for question, rrset in found.items():
        owner, rdtype = question
        if rrset is None:
            prereqs.append(Prereq("absent", owner, rdtype))
            edits.append(EditOp("clear", owner, rdtype))
            continue
        stranger = next((v for v in _strangers(rdtype, offered.get(question, ())) if v not in rrset.values), None)
        if stranger is not None:
            prereqs.append(Prereq("exists", owner, rdtype, rrset.values))
            edits.append(EditOp("delete", owner, rdtype, (stranger,)))
    return UpdateSpec(tuple(prereqs), tuple(edits)) if edits else None


def _strangers(rdtype: str, offered: Iterable[str]) -> Iterable[str]:
    if rdtype in _NOBODY_HAS:
        yield _NOBODY_HAS[rdtype]
    yield from offered


def is_denial(reply: UpdateReply) -> bool:
    """Whether the policy says no to a key that the same server just took for a question.

    Knot calls a key that its access list does not let change these names an unknown one (BADKEY).
    """
    return (reply.signed and reply.rcode == "REFUSED") or reply.tsig_error == "BADKEY"


def denial(
    place: Place, lock: Question | None, asked: int, denied: Sequence[Question], reply: UpdateReply
) -> Permission:
    """What to say of `denied`, out of `asked` (the lock's counted)."""
    named, more = tuple(denied[:MAX_NAMED]), max(0, len(denied) - MAX_NAMED)
    if len(denied) == asked and asked > 1:
        reason = f"{place.server} does not let the key {place.key} change anything in {place.zone}"
        return Permission(reason, _grant_all(place, reply), named, more)
    what = ", ".join(f"{owner} {rdtype}" for owner, rdtype in named) + (f" and {more} more" if more else "")
    note = ", where every run keeps its lock" if tuple(denied) == (lock,) else ""
    reason = f"{place.server} does not let the key {place.key} change {what}{note}"
    return Permission(reason, _grant_all(place, reply) if more else _grant(place, named, reply), named, more)


def apart(place: Place, lock: Question, asked: Sequence[Question], reply: UpdateReply) -> Permission:
    """Each of `asked` is granted, but not all of them in one message: Knot wants one rule that fits a whole message."""
    reason = f"{place.server} does not let the key {place.key} change {lock[0]} and the plan's records in one message"
    many = len(asked) > MAX_NAMED
    return Permission(reason, _grant_all(place, reply) if many else _grant(place, asked, reply))


def _grant(place: Place, denied: Sequence[Question], reply: UpdateReply) -> str:
    key = place.key
    if reply.tsig_error == "BADKEY":
        names = ", ".join(dict.fromkeys(owner for owner, _ in denied))
        types = ", ".join(dict.fromkeys(rdtype for _, rdtype in denied))
        return (
            f"Knot: one acl rule for the lock and all records, with key: {key}, action: update; where it has "
            f"update-owner-name, add [{names}], where it has update-type, add [{types}]"
        )
    lines = " ".join(f"grant {key} name {owner} {rdtype};" for owner, rdtype in denied)
    return f"BIND: update-policy {{ {lines} }};   before any deny that fits"


def _grant_all(place: Place, reply: UpdateReply) -> str:
    key, zone = place.key, place.zone.rstrip(".") or "."
    if reply.tsig_error == "BADKEY":
        return f"Knot: an acl with key: {key}, action: update, and its id under acl: of the zone"
    return (
        f"BIND: update-policy {{ grant {key} zonesub ANY; }};   frozen: rndc thaw {zone}   "
        f"PowerDNS: pdnsutil set-meta {zone} TSIG-ALLOW-DNSUPDATE {key}, and this machine's address in "
        "allow-dnsupdate-from or ALLOW-DNSUPDATE-FROM"
    )
