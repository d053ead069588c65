"""The journal's events. What happened, never what should happen; additive within a major version.

`ts` is seconds UTC by the run's bounded clock. `step` is the id of a runbook step, or of a step of the way
back ("undo:switch"), or empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from dns_cutover.probes.interface import Verdict
from dns_cutover.providers.interface import Token
from dns_cutover.records import Change, RRset, RRsetKey

SCHEMA = "1.0"
Verb = Literal[
    "pause", "resume", "abort", "keep", "retry", "rollback", "confirm", "decline", "undone", "waive", "unlock"
]
Outcome = Literal[
    "succeeded", "rolled_back", "rollback_failed", "aborted", "conflict", "refused", "unreachable", "locked", "declined"
]


@dataclass(frozen=True, slots=True)
class Created:
    """The first event: what is to be run. `runbook` is canonical JSON."""

    ts: float
    runbook: str
    sha256: str
    by: str
    schema: str = SCHEMA
    type: Literal["version"] = "version"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A process drives the run from here on; whoever drove it before must stop."""

    ts: float
    runner: str
    type: Literal["claimed"] = "claimed"


@dataclass(frozen=True, slots=True)
class Intent:
    """About to send one message. `held` and `next` are the lock's token before and after it."""

    ts: float
    step: str
    op: str
    zone: str
    changes: tuple[Change, ...]
    held: Token | None
    next: Token | None
    soa: str
    serial: int
    purpose: Literal["acquire", "renew", "release", "write", "undo"]
    type: Literal["intent"] = "intent"


@dataclass(frozen=True, slots=True)
class Burning:
    """About to make a message that may still be in flight impossible, by swapping the token without a change."""

    ts: float
    op: str
    zone: str
    next: Token
    type: Literal["burning"] = "burning"


@dataclass(frozen=True, slots=True)
class Applied:
    """The message was applied; `ignored` RRsets were left alone by the server nevertheless.

    `change` is what the provider calls it, by which it is asked whether all of its servers have it; empty where that
    is not known.
    """

    ts: float
    step: str
    op: str
    ignored: tuple[RRsetKey, ...]
    serial: int
    change: str = ""
    type: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True)
class NotApplied:
    """The message was not applied and never will be. `token` is the lock as it stands, ours or none."""

    ts: float
    step: str
    op: str
    token: Token | None
    reason: Literal["moved", "unreachable", "burned", "conflict", "refused"]
    detail: str = ""
    type: Literal["not_applied"] = "not_applied"


@dataclass(frozen=True, slots=True)
class LockLost:
    """The zone's lock is somebody else's or gone: hold, write nothing.

    `took`: RRsets that have the after-image of a message of ours whose fate was open. Taking them back is a
    compare-and-swap on that image, so that counting them as ours cannot harm anybody else's value. `op` is the id of
    the lock that was found. `ours`: this run held the lock, and somebody took it over after its time.
    """

    ts: float
    zone: str
    holder: str
    until: int
    took: tuple[RRsetKey, ...] = ()
    op: str = ""
    ours: bool = False
    type: Literal["lock_lost"] = "lock_lost"


@dataclass(frozen=True, slots=True)
class Foreign:
    """An RRset that is not what this run left or expects. `done`: it is already what the step wants. `kind`: what it is
    where that cannot be shown as an RRset, such as an alias of the provider's; `found` is None then.
    """

    key: RRsetKey
    expected: str
    found: RRset | None
    done: bool
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Conflicted:
    """Somebody else changed records of this run. Nothing was written."""

    ts: float
    step: str
    foreign: tuple[Foreign, ...]
    type: Literal["conflicted"] = "conflicted"


@dataclass(frozen=True, slots=True)
class Denied:
    """The provider will not take it (key, policy, zone). Nothing was written."""

    ts: float
    step: str
    what: str
    why: str
    hints: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    type: Literal["denied"] = "denied"


@dataclass(frozen=True, slots=True)
class Missed:
    """The provider could not be reached before anything was sent."""

    ts: float
    step: str
    what: str
    why: str
    hints: tuple[str, ...]
    type: Literal["missed"] = "missed"


@dataclass(frozen=True, slots=True)
class ServerTrouble:
    """One authoritative server that does not agree. `wrong`: it answers otherwise; else it does not answer usably."""

    server: str
    address: str
    wrong: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Observed:
    """One round of all authoritative servers. No `trouble` means that all of them agree."""

    ts: float
    step: str
    servers: int
    trouble: tuple[ServerTrouble, ...]
    serials: tuple[int, ...] = ()
    type: Literal["observed"] = "observed"


@dataclass(frozen=True, slots=True)
class Extended:
    """A version with a longer TTL was published meanwhile: caches may hold it until `until`."""

    ts: float
    step: str
    key: RRsetKey
    ttl: int
    until: float
    serial: int
    type: Literal["extended"] = "extended"


@dataclass(frozen=True, slots=True)
class Resolvers:
    """What resolvers say, counted. `complete`: each was asked after the old version's dead time."""

    ts: float
    step: str
    counts: tuple[tuple[str, int], ...]
    agree: int
    counted: int
    violators: tuple[str, ...]
    complete: bool
    next_due: float
    type: Literal["resolvers"] = "resolvers"


@dataclass(frozen=True, slots=True)
class Probed:
    """One result of one probe."""

    ts: float
    step: str
    probe: str
    verdict: Verdict
    latency: float
    detail: str
    type: Literal["probed"] = "probed"


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step has done what it is for; `proof` says what was seen. Not `proven`: it was given up, `proof` says why."""

    ts: float
    step: str
    proof: str
    proven: bool = True
    type: Literal["step_done"] = "step_done"


@dataclass(frozen=True, slots=True)
class Held:
    """The run stands still until a person, or `max_pause`, decides."""

    ts: float
    step: str
    kind: Literal[
        "paused",
        "conflict",
        "violators",
        "unreachable",
        "way_back",
        "committed",
        "refused",
        "lock",
        "until",
        "window",
        "confirm",
    ]
    why: str
    type: Literal["held"] = "held"


@dataclass(frozen=True, slots=True)
class RollbackStarted:
    """From here on the run goes back. `cause` says which kind of thing asked for it; `stage`: down to that one only."""

    ts: float
    step: str
    cause: Literal[
        "probe", "deadline", "violators", "command", "confirm", "ignored", "inconclusive", "unchanged", "timeout"
    ]
    why: str
    stage: str = ""
    type: Literal["rollback_started"] = "rollback_started"


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody steers the run, from any process.

    `runbook` is the hash of what they confirmed. `host`, `user` and `origin` ("terminal", "ci", "none") say from where.
    `stage`: a rollback goes back to before it, and no further.
    """

    ts: float
    verb: Verb
    by: str
    subject: str = ""
    runbook: str = ""
    host: str = ""
    user: str = ""
    origin: str = ""
    stage: str = ""
    type: Literal["command"] = "command"


@dataclass(frozen=True, slots=True)
class Told:
    """Whoever `target` names was told everything up to the event of the number `upto`, or (`lost`) it was given up.

    Like a command it may come from any process, and after the last event.
    """

    ts: float
    target: str
    upto: int
    lost: bool = False
    type: Literal["told"] = "told"


@dataclass(frozen=True, slots=True)
class Finishing:
    """The outcome is decided; what is left is to give the locks back."""

    ts: float
    outcome: Outcome
    why: str = ""
    type: Literal["finishing"] = "finishing"


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event, unless the run is taken back afterwards."""

    ts: float
    outcome: Outcome
    type: Literal["finished"] = "finished"


@dataclass(frozen=True, slots=True)
class Reopened:
    """A run that succeeded is taken back after all, by command and within its time."""

    ts: float
    by: str
    stage: str = ""
    host: str = ""
    user: str = ""
    origin: str = ""
    type: Literal["reopened"] = "reopened"


Event: TypeAlias = (
    Created
    | Claimed
    | Intent
    | Burning
    | Applied
    | NotApplied
    | LockLost
    | Conflicted
    | Denied
    | Missed
    | Observed
    | Extended
    | Resolvers
    | Probed
    | StepDone
    | Held
    | RollbackStarted
    | Command
    | Told
    | Finishing
    | Finished
    | Reopened
)
AnyEvent = Annotated[Event, Field(discriminator="type")]
