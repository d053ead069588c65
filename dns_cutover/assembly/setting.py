"""Where the parts are to work: clock, environment, and the lab's addresses if it is the lab."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dns_cutover.clock import SystemClock
from dns_cutover.lookup.interface import Endpoint

if TYPE_CHECKING:
    from dns_cutover.engine.ports import BoundedClock
    from dns_cutover.lookup.question import Asker
    from dns_cutover.probes.resolve import Resolve
    from dns_cutover.providers.route53.pacing import Pace


@dataclass(frozen=True, slots=True)
class LabOverrides:
    """What the lab puts in the place of the plan's addresses. `ports`: host name -> (address, port) for probes."""

    server: str
    authoritative: tuple[Endpoint, ...]
    resolvers: tuple[Endpoint, ...]
    secret: str = field(repr=False)


@dataclass(slots=True)
class Setting:
    """Where the parts are to work: clock, environment, and the lab's addresses if it is the lab.

    `bootstrap`: recursive resolvers that were named on the command line. `trust_plan`: whether the plan may name some.
    """

    clock: BoundedClock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    rng: random.Random = field(default_factory=lambda: random.Random(secrets.randbits(64)))  # noqa: S311 - jitter
    lab: LabOverrides | None = None
    resolve: Resolve | None = None
    asker_: Asker | None = None
    bootstrap: tuple[Endpoint, ...] = ()
    trust_plan: bool = True
    paces: dict[str, Pace] = field(default_factory=dict)

    def pace(self, account: str) -> Pace:
        """How often an AWS account is asked: one pace for all of its zones. `account`: whose credentials are used."""
        from dns_cutover.providers.route53.pacing import Pace

        return self.paces.setdefault(account, Pace(self.rng))

    def bootstrap_of(self, given: Iterable[str]) -> tuple[Endpoint, ...]:
        """The recursive resolvers that find servers: those of the command line, those that the plan gives (address or
        address:port) if it may choose, or the system's.
        """
        from dns_cutover.lookup.resolvers import system_resolvers
        from dns_cutover.plan.types import parse_endpoint

        of_plan = tuple(map(parse_endpoint, given)) if self.trust_plan else ()
        return self.bootstrap or of_plan or system_resolvers()

    def asker(self) -> Asker:
        """One asker for all questions, with its global limit."""
        if self.asker_ is None:
            from dns_cutover.lookup.question import Asker

            self.asker_ = Asker()
        return self.asker_
