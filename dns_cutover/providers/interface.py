"""What the engine asks of a place where records are written.

Writing is compare-and-swap throughout: `guards` reads everything that a message will be tied to, the
caller journals its intent, then `apply` sends one message that the server refuses unless all of it still
holds. The lock is one TXT record in the zone; every message carries the present token and replaces it, so
that a writer that lost the lock cannot write, by the server's own rules.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dns_cutover.errors import CutoverError
from dns_cutover.records import Change, Mismatch, RRset, RRsetKey, absolute_name

LOCK_LABEL = "_dns-cutover"

# Anybody who may write to the zone can put a text there, and parts of it end up in commands that people copy.
_TOKEN = re.compile(
    r"v=dc1 run=([0-9a-z][0-9a-z_-]{0,63}) n=([0-9]{1,18}) op=([0-9a-z][0-9a-z_-]{0,63}) until=([0-9]{1,11})", re.ASCII
)


def lock_owner(zone: str, place: object = "zone") -> str:
    """The absolute owner name of the lock of `zone` (absolute). `place` is `provider.lock` of a plan as data.

    Raises InvalidName.
    """
    name = place.get("name") if isinstance(place, Mapping) else None
    return absolute_name(name if isinstance(name, str) else LOCK_LABEL, zone)


@dataclass(frozen=True, slots=True)
class Guarantees:
    """What a provider promises. Seconds for bounds; shown by `validate` and `preview`."""

    atomic: bool
    replace_type: bool  # CNAME to another type and back in one message
    compare_and_swap: bool
    fenced: bool
    sees_ttl: bool
    history: bool
    single_writer: bool
    sync_wait: bool
    propagation_bound: float  # D of DESIGN section 5
    serial: Literal["ordered", "none"]
    weighted: bool
    apex_ns: bool
    min_ttl: int
    max_batch: int  # octets or records of one atomic message; how they count is the provider's matter
    apex_ns_swap: bool = True  # compare and swap holds for the NS set of the apex too
    message_life: float | None = None  # how long after it was sent a message may still be applied; None: nobody knows


@dataclass(frozen=True, slots=True)
class Token:
    """The lock's text: who holds the zone, the how-manieth message, a nonce, and until when (seconds UTC).

    Lower case only: PowerDNS compares TXT prerequisites without case.
    """

    run: str
    n: int
    op: str
    until: int

    def text(self) -> str:
        """The TXT value, unquoted."""
        return f"v=dc1 run={self.run} n={self.n} op={self.op} until={self.until}"

    @classmethod
    def parse(cls, text: str) -> Token | None:
        """The token that `text` (unquoted) is, or None for any other text, however alike: what is swapped later must
        be the same to the letter.
        """
        match = _TOKEN.fullmatch(text)
        if match is None:
            return None
        token = cls(match[1], int(match[2]), match[3], int(match[4]))
        return token if token.text() == text else None


@dataclass(frozen=True, slots=True)
class Fence:
    """The token a message must find and the one it leaves. None: no lock (to take it; to give it back)."""

    held: Token | None
    next: Token | None


@dataclass(frozen=True, slots=True)
class Guards:
    """One reading of the server that takes the writes, before an intent is journaled.

    `soa` is the SOA's RDATA in canonical text, `serial` its serial. `clock_offset` is the provider's clock
    minus ours in seconds, None where it does not tell. `lock_blocked` says why the lock's name cannot
    carry a lock (a CNAME or foreign TXT is there), else empty.
    """

    lock: Token | None
    lock_blocked: str
    soa: str
    serial: int
    rrsets: Mapping[RRsetKey, RRset | None]
    clock_offset: float | None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What goes into one atomic message. `soa`: also require this SOA RDATA (ties the reading of TTLs to the write)."""

    changes: tuple[Change, ...]
    soa: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The message was applied. `ignored`: RRsets that the server silently left as they were. `serial`: after it.

    `change` is what the provider calls it, where it gives changes names; empty where that is not known.
    """

    ignored: tuple[RRsetKey, ...]
    serial: int
    change: str = ""


class ProviderError(CutoverError):
    """The provider did not do what it was asked.

    ├── Conflict        somebody else's value is there; nothing was written
    ├── FenceLost       the lock is not the one expected; nothing was written
    ├── ZoneMoved       the zone changed elsewhere since the guards were read; nothing was written, read again
    ├── Refused         the server will not take it (key, policy, zone, size); nothing was written
    └── Unreachable     no answer; `maybe_applied` says whether the message can have been, or be yet, applied
    """


class Conflict(ProviderError):
    """Somebody else's value is there. Nothing was written."""

    exit_code = 4

    def __init__(self, mismatches: tuple[Mismatch, ...], what: str = "a record was changed by somebody else") -> None:
        super().__init__(what, "Overwriting it could undo work that nobody here knows of.")
        self.mismatches = mismatches


class FenceLost(ProviderError):
    """The lock in the zone is not the one that this message expects. Nothing was written."""

    exit_code = 5

    def __init__(self, found: Token | None) -> None:
        super().__init__("the lock of the zone is not ours any more", "Another run may be writing to this zone.")
        self.found = found


class ZoneMoved(ProviderError):
    """Something else in the zone changed since the guards were read. Nothing was written; read again."""


class Refused(ProviderError):
    """The server will not take the message. Nothing was written, and nothing will be by trying again."""


class Unlike(Refused):
    """Where RRsets were looked for stands what is none, and is somebody else's by any measure: `kinds` says what."""

    def __init__(self, what: str, why: str, hints: tuple[str, ...], kinds: Mapping[RRsetKey, str]) -> None:
        super().__init__(what, why, hints)
        self.kinds = kinds


class Unreachable(ProviderError):
    """No usable answer came."""

    def __init__(self, what: str, why: str = "", *, maybe_applied: bool, hints: tuple[str, ...] = ()) -> None:
        super().__init__(what, why, hints)
        self.maybe_applied = maybe_applied


class Provider(Protocol):
    """One zone at one place where its records are written. `zone` is its absolute name."""

    guarantees: Guarantees

    async def guards(self, keys: Collection[RRsetKey]) -> Guards:
        """Read lock, SOA, the given RRsets, and the provider's clock. Raises Refused (Unlike for what cannot be
        compared with an RRset), Unreachable.
        """
        ...

    async def read(self, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, RRset | None]:
        """Read RRsets from the server that takes the writes. Raises Refused, Unreachable."""
        ...

    async def apply(self, changes: ChangeSet, fence: Fence | None) -> Receipt:
        """Send one atomic message and read back what became of it.

        An empty change set with a fence takes, renews, burns or gives back the lock. Raises Conflict, FenceLost,
        ZoneMoved, Refused, Unreachable.
        """
        ...

    async def settled(self, receipt: Receipt) -> bool:
        """Whether every server of the provider itself has it, where the provider can tell (`sync_wait`)."""
        ...

    async def history(self, since_serial: int, keys: Collection[RRsetKey]) -> Mapping[RRsetKey, int] | None:
        """The highest TTL with which each RRset was published since that serial (0: not at all); None: unknown."""
        ...

    def partition(self, changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
        """The changes in as few groups as fit one message each, changes of one owner name together. Pure."""
        ...


class Scripts(Protocol):
    """One zone's messages in the words of a tool that people have when this one cannot run. Pure; knows no secret.

    `form` is the format's name and `suffix` that of its files. `notes` are lines of plain text, hostile ones escaped.
    """

    form: str
    suffix: str

    def message(self, notes: Sequence[str], changes: tuple[Change, ...]) -> str:
        """What makes the changes in one message, if everything still is as expected and no run holds the zone."""
        ...

    def unlock(self, notes: Sequence[str], held: Token) -> str:
        """What gives back the lock that a run left behind, if it is still that one."""
        ...

    def pause(self) -> str:
        """What stands between two messages that must not follow each other at once: the tool stops there."""
        ...

    def command(self, file: str) -> str:
        """The command that sends a file; `file` is a word for the shell already."""
        ...

    def about(self) -> tuple[str, ...]:
        """Lines of plain text: where the key comes from, and how the tool says that it worked, or that it did not."""
        ...
