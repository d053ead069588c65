"""What the compiler is given, what it finds wrong, and what it knows while it compiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dns_cutover.plan.expand import PlannedChange
from dns_cutover.plan.models import Plan
from dns_cutover.records import Change, Edit, RRset, RRsetKey
from dns_cutover.runbook.model import Step, ZoneInfo
from dns_cutover.timing.exposure import NameContext, Tail
from dns_cutover.timing.lifetime import CachePolicy

Partition = Callable[[tuple[Change, ...]], tuple[tuple[Change, ...], ...]]


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What the compiler needs of the live view. `contexts`: what is around each RRset; `around`: the RRsets
    themselves, at the names of those that change and as wildcards above.
    """

    zones: tuple[ZoneInfo, ...]
    rrsets: Mapping[RRsetKey, RRset | None]
    contexts: Mapping[RRsetKey, NameContext]
    around: Mapping[RRsetKey, RRset | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """A planned change that does not fit what is live, or does not fit one message."""

    stage: str
    planned: PlannedChange | None
    key: RRsetKey
    expected: str
    found: RRset | None
    reason: str = "differs"


class DriftFound(Exception):
    """The plan does not fit the live view; `drifts` says where."""

    def __init__(self, drifts: tuple[Drift, ...]) -> None:
        super().__init__(f"{len(drifts)} planned changes do not fit what is live")
        self.drifts = drifts


@dataclass(slots=True)
class Compiling:
    """One compilation. `image` is every RRset as the steps so far leave it, `final_ttl` its TTL in the end."""

    plan: Plan
    live: LiveFacts
    partition: Mapping[str, Partition]
    image: dict[RRsetKey, RRset | None]
    policy: CachePolicy = field(init=False)
    steps: list[Step] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    final_ttl: dict[RRsetKey, int] = field(default_factory=dict)
    at_name: dict[tuple[str, str], list[RRsetKey]] = field(default_factory=dict)  # by zone reference and owner
    lives: dict[tuple[object, ...], tuple[Tail, Tail]] = field(default_factory=dict)
    needs: dict[str, float] = field(default_factory=dict)  # by stage: see StageInfo
    offered: dict[str, list[Edit]] = field(default_factory=dict)  # by stage: what may be lowered ahead of it
    created: dict[str, int | None] = field(default_factory=dict)  # by stage: the TTL that its new RRsets take over

    def __post_init__(self) -> None:
        self.policy = CachePolicy(tuple(self.plan.ttl.resolver_floor) or (0.0,), self.plan.ttl.client_floor)
        for key in self.image:
            self.at_name.setdefault((key.zone, key.owner), []).append(key)
