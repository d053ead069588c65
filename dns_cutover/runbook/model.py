"""The runbook: plain frozen values that go to JSON and back unchanged; its SHA-256 is what people confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from dns_cutover.lookup.interface import Accept, Endpoint
from dns_cutover.probes.interface import ProbeSpec
from dns_cutover.providers.interface import Guarantees
from dns_cutover.records import Edit, RRset, RRsetKey

OnDeadline = Literal["rollback", "pause"]
Violators = Literal["ignore", "warn", "pause", "rollback"]
OnTimeout = Literal["decline", "pause", "rollback"]
Commit = Literal["before", "after", "never"]


class StepKind(StrEnum):
    """The kinds of step (DESIGN section 3); `wait` is a stage's own pause after the previous stage."""

    LOWER_TTL = "lower_ttl"
    WAIT_TTL = "wait_ttl"
    WAIT = "wait"
    CONFIRM = "confirm"
    WINDOW = "window"
    PREFLIGHT = "preflight"
    APPLY = "apply"
    CONVERGE = "converge"
    BAKE = "bake"
    RESTORE_TTL = "restore_ttl"


WRITES = frozenset({StepKind.LOWER_TTL, StepKind.APPLY, StepKind.RESTORE_TTL})


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long caches and clients may hold what a write replaced, and what undoing it leaves (seconds, why)."""

    key: RRsetKey
    old_s: float
    old_why: str
    undo_s: float
    undo_why: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """A fact that a named party must confirm. `timeout`, `valid_for`: seconds, None: no limit."""

    id: str
    who: str
    says: str
    by: Literal["person", "probe"] = "person"
    probe: str = ""
    undo: str = ""
    timeout: float | None = None
    on_timeout: OnTimeout = "decline"
    valid_for: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """When a stage may start: ISO weekdays (1 is Monday), local times "HH:MM", IANA time zone."""

    days: tuple[int, ...]
    start: str
    end: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """No stage starts, and no TTL is lowered, from `start` until `end` (seconds UTC)."""

    start: float
    end: float
    because: str


@dataclass(frozen=True, slots=True)
class Convergence:
    """The gate after a write. `deadline` and `round_gap` in seconds, `share` of resolvers between 0 and 1."""

    share: float = 0.95
    deadline: float = 900.0
    wrong: OnDeadline = "rollback"
    unreachable: OnDeadline = "pause"
    violators: Violators = "warn"
    round_gap: float = 21.0
    on_inconclusive: OnDeadline = "pause"


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of a runbook. Which fields count depends on `kind`.

    Writes have a `zone`, `edits` and `exposures`. `converge` verifies the `edits` of the writes before it and, if
    `resolvers`, waits for the tail and asks resolvers. `probes` watch from the write to the end of the bake.
    `new_ttls` gives the full TTL of the new version for telling *cold* answers.

    A `window` step waits until its stage may start: until its window is open, and nothing is frozen, for as long as the
    stage needs. One with a `lead` (seconds) stands before the lowering of TTLs, and ends so early.

    `ahead`: a lowering for a later stage, done only if waiting for its own place would delay that stage. `unless`: not
    needed once that other lowering was done.
    """

    id: str
    kind: StepKind
    stage: str = ""
    zone: str = ""
    edits: tuple[Edit, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    accepts: tuple[tuple[RRsetKey, Accept], ...] = ()
    resolvers: bool = False
    seconds: float = 0.0
    probes: tuple[ProbeSpec, ...] = ()
    confirm: Confirm | None = None
    window: Window | None = None
    gate: Convergence = field(default_factory=Convergence)
    lead: float = 0.0
    ahead: bool = False
    unless: str = ""


@dataclass(frozen=True, slots=True)
class StageInfo:
    """What the engine must know of a stage beyond its steps. `unchanged` is asserted before and after it.

    `needs`: seconds from its first message to the end of a rollback of it, at worst.
    """

    name: str
    summary: str = ""
    commit: Commit = "never"
    unchanged: tuple[Edit, ...] = ()
    needs: float = 0.0


@dataclass(frozen=True, slots=True)
class ZoneInfo:
    """One zone reference: its name, where it is written and asked, and what the live view said.

    `provider` and `lookup` are the plan's own sections as JSON data (secrets only as references).
    """

    ref: str
    name: str
    provider: Mapping[str, Any]
    lookup: Mapping[str, Any]
    servers: tuple[Endpoint, ...]
    soa: str
    soa_ttl: int
    serial: int
    negative_ttl: int
    guarantees: Guarantees


@dataclass(frozen=True, slots=True)
class Seen:
    """One RRset of the live view that the runbook depends on; `found` None is absence.

    `changed` and `unchanged` ones are the plan's own. `beside` and `wildcard` are there around them and count by their
    TTL alone; what is not listed of them was not there.
    """

    key: RRsetKey
    found: RRset | None
    role: Literal["changed", "unchanged", "beside", "wildcard"]


@dataclass(frozen=True, slots=True)
class RollbackPolicy:
    """How a run goes back. `max_pause` in seconds; `until` seconds UTC, None: no end; `keep_for`: for how long after
    its end (seconds) a run that succeeded may be taken back by command.
    """

    automatic: bool = True
    scope: Literal["run", "stage"] = "run"
    additive: Literal["keep", "remove"] = "keep"
    after: Literal["restore_ttl", "keep_low_ttl"] = "restore_ttl"
    until: float | None = None
    max_pause: float = 1800.0
    keep_for: float = 86400.0


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told of the run. `on` has the kinds of notification, `options` what is particular to `type`, as the plan
    has it (secrets only as references).
    """

    name: str
    type: str
    on: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Runbook:
    """Everything one run needs, with pinned images. `floors` and `client_floor` are R1, R2, … and F (seconds).

    `seen` is the live view that it was made from, sorted by key; `allow` the deliberate acts of the plan.
    """

    plan: str
    summary: str
    owner: str
    plan_sha256: str
    zones: tuple[ZoneInfo, ...]
    stages: tuple[StageInfo, ...]
    steps: tuple[Step, ...]
    rollback: RollbackPolicy = field(default_factory=RollbackPolicy)
    floors: tuple[float, ...] = (0.0,)
    client_floor: float = 60.0
    grace: float = 600.0
    seen: tuple[Seen, ...] = ()
    allow: tuple[str, ...] = ()
    notify: tuple[Notify, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    schema: Literal["dns-cutover/runbook/1"] = "dns-cutover/runbook/1"

    def zone(self, ref: str) -> ZoneInfo:
        """The zone of that reference. Raises KeyError."""
        for zone in self.zones:
            if zone.ref == ref:
                return zone
        raise KeyError(ref)

    def stage(self, name: str) -> StageInfo:
        """The stage of that name; one without promises where there is none, as in steps of the way back for the run."""
        return next((s for s in self.stages if s.name == name), StageInfo(name))

    def label(self, key: RRsetKey) -> str:
        """The key as people write it inside its zone; the reference only where there are several zones."""
        text = key.label(self.zone(key.zone).name)
        return text if len(self.zones) == 1 else f"{key.zone}: {text}"
