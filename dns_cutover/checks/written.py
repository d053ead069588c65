"""Changes as they are written, with the places of their texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dns_cutover.plan.expand import owners, zone_refs
from dns_cutover.plan.models import ChangeConfig, Plan, Stage
from dns_cutover.plan.places import Path
from dns_cutover.records import canonical_type


@dataclass(frozen=True, slots=True)
class Written:
    """A change as it is written, with its canonical type and its place. `refs`: the zones that it is meant in."""

    change: ChangeConfig
    rdtype: str
    stage: Stage
    n: int
    path: Path
    refs: tuple[str, ...]

    def names(self) -> Iterator[tuple[Path, str]]:
        """The owner names, each with its place."""
        if self.change.names:
            yield from (((*self.path, "names", k), name) for k, name in enumerate(self.change.names))
        elif self.change.name is not None:
            yield (*self.path, "name"), self.change.name

    def values(self) -> Iterator[tuple[Path, str]]:
        """The values that the change writes, each with its place; those it only expects are not among them."""
        for key, texts in (("to", self.change.to), ("add", self.change.add)):
            if isinstance(texts, tuple):
                yield from (((*self.path, key, k), text) for k, text in enumerate(texts))


def written_changes(plan: Plan, names: Mapping[str, str]) -> Iterator[Written]:
    """Every change of the plan as it is written, in its order. `names`: zone reference -> absolute zone name."""
    for n, stage in enumerate(plan.stages):
        for m, change in enumerate(stage.changes):
            refs = change.in_ or zone_refs(owners(change)[0], (), names)
            yield Written(change, canonical_type(change.type), stage, n, ("stages", n, "changes", m), refs)
