"""The whole: a root, a registry, primaries, a secondary, caches. Each starts when a test first wants it."""

from __future__ import annotations

import itertools
from pathlib import Path

from .bind import Bind
from .daemon import Daemon
from .knot import Knot
from .network import Block
from .powerdns import PowerDns
from .zones import DEFAULT_RECORDS, Timers, Zone, make_zone

BIND, NSD, KNOT, POWERDNS = 11, 12, 21, 22
NAMESERVERS = {BIND: "ns1.nic.test.", NSD: "ns2.nic.test.", KNOT: "ns3.nic.test.", POWERDNS: "ns4.nic.test."}


class Hierarchy:
    """One lab in one block of loopback addresses."""

    def __init__(self, directory: Path, block: Block) -> None:
        self.block = block
        block.assign([*NAMESERVERS])
        address = block.address
        self.bind = Bind(directory / "bind", address(BIND), [make_zone("example.test.", [NAMESERVERS[BIND]])])
        self.knot = Knot(directory / "knot", address(KNOT), [make_zone("knot.test.", [NAMESERVERS[KNOT]])])
        self.powerdns = PowerDns(
            directory / "powerdns", address(POWERDNS), [make_zone("pdns.test.", [NAMESERVERS[POWERDNS]])]
        )
        self._started: list[Daemon] = []
        self._numbers = itertools.count(1)

    def ensure(self, *daemons: Daemon) -> None:
        """Start those that do not run yet, side by side."""
        new = [daemon for daemon in daemons if daemon not in self._started]
        for daemon in new:
            self._started.append(daemon)
            daemon.launch()
        for daemon in new:
            daemon.wait_until_answering()

    def heal(self) -> None:
        """Make everything run again that a test stopped or suspended."""
        for daemon in self._started:
            daemon.heal()

    def stop(self) -> None:
        """End everything."""
        for daemon in reversed(self._started):
            daemon.stop()

    def fresh_origin(self) -> str:
        """A zone name that no test has used."""
        return f"z{next(self._numbers)}.test."

    def fresh_zone(
        self, primary: Bind | Knot | PowerDns, records: str = DEFAULT_RECORDS, timers: Timers | None = None
    ) -> Zone:
        """A new zone on one primary alone."""
        host = int(primary.address.rpartition(".")[2])
        zone = make_zone(self.fresh_origin(), [NAMESERVERS[host]], records, timers)
        primary.add_zone(zone)
        return zone
