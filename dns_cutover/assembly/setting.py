"""Where the parts are to work: clock, environment, and the lab's addresses if it is the lab."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dns_cutover.clock import SystemClock
from dns_cutover.lookup.interface import Endpoint

if TYPE_CHECKING:
    from dns_cutover.engine.ports import BoundedClock
    from dns_cutover.lookup.question import Asker
    from dns_cutover.probes.resolve import Resolve


@dataclass(frozen=True, slots=True)
class LabOverrides:
    """What the lab puts in the place of the plan's addresses. `ports`: host name -> (address, port) for probes."""

    server: str
    authoritative: tuple[Endpoint, ...]
    resolvers: tuple[Endpoint, ...]
    secret: str = field(repr=False)


@dataclass(slots=True)
class Setting:
    """Where the parts are to work: clock, environment, and the lab's addresses if it is the lab."""

    clock: BoundedClock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    rng: random.Random = field(default_factory=lambda: random.Random(secrets.randbits(64)))  # noqa: S311 - jitter
    lab: LabOverrides | None = None
    resolve: Resolve | None = None
    asker_: Asker | None = None

    def asker(self) -> Asker:
        """One asker for all questions, with its global limit."""
        if self.asker_ is None:
            from dns_cutover.lookup.question import Asker

            self.asker_ = Asker()
        return self.asker_
