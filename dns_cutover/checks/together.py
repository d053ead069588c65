"""What the plans of one call touch, side by side: what checks between plans look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dns_cutover.plan.expand import PlannedChange, expand_changes, zone_names
from dns_cutover.plan.loader import LoadedPlan
from dns_cutover.plan.models import ProviderConfig
from dns_cutover.plan.places import Path
from dns_cutover.plan.sequence import label

Where = tuple[str, ...]  # a zone as it is written: its name and where it is kept, since two views share a name


@dataclass(frozen=True, slots=True)
class Touch:
    """One RRset that one plan changes. `plan` counts plans from 0; `zone` is the zone's absolute name."""

    plan: int
    path: Path
    stage: str
    planned: PlannedChange
    label: str
    zone: str
    where: Where

    @property
    def owner(self) -> str:
        """The owner name, absolute."""
        return self.planned.key.owner


def kept_at(zone: str, provider: ProviderConfig) -> Where:
    """A zone's identity. One that cannot be told from another view of the same name counts as a zone of its own."""
    match provider.type:
        case "rfc2136":
            return zone, provider.type, provider.server.lower().removesuffix(":53").rstrip(".")
        case "route53":
            return zone, provider.type, provider.zone_id or ""
        case "octodns":
            return zone, provider.type, provider.config, provider.provider
        case "manual":
            return zone, provider.type


@dataclass(frozen=True)
class Together:
    """The plans of one call, in the order in which they were given."""

    plans: tuple[LoadedPlan, ...]

    @cached_property
    def zones(self) -> tuple[dict[str, Where], ...]:
        """Of each plan: zone reference -> identity."""
        return tuple(
            {ref: kept_at(name, loaded.plan.all_zones()[ref].provider) for ref, name in zone_names(loaded.plan).items()}
            for loaded in self.plans
        )

    @cached_property
    def touches(self) -> tuple[Touch, ...]:
        """Every RRset that a plan changes, plan by plan."""
        return tuple(t for number in range(len(self.plans)) for t in self._touches(number))

    def _touches(self, number: int) -> Iterator[Touch]:
        plan, kept = self.plans[number].plan, self.zones[number]
        names = zone_names(plan)
        for n, stage in enumerate(plan.stages):
            for p in expand_changes(plan, stage):
                path: Path = ("stages", n, "changes", p.index)
                ref = p.key.zone
                yield Touch(number, path, stage.name, p, label(p.key, names), names[ref], kept[ref])

    def place(self, touch: Touch) -> str:
        """`file:line`."""
        loaded = self.plans[touch.plan]
        return f"{loaded.file}:{loaded.position(touch.path).line}"
