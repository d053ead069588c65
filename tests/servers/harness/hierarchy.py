"""The whole: a root, a registry, primaries, a secondary, caches. Each starts when a test first wants it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Self, TypeVar

from . import client
from .bind import Bind
from .caches import Cache, CacheLimits, Encrypted, PdnsRecursor, Unbound
from .daemon import Daemon
from .knot import Knot
from .network import Block
from .nsd import Nsd
from .powerdns import PowerDns
from .primary import Authority
from .zones import DEFAULT_RECORDS, Timers, Zone, make_zone

ROOT, REGISTRY = 1, 2
BIND, NSD, KNOT, POWERDNS = 11, 12, 21, 22
UNBOUND, RECURSOR = 31, 32
STEADY = 5  # looks in a row, a hundredth of a second apart
EXTRA = range(40, 60)  # caches and proxies that single tests add

NS1, NS2, NS3, NS4 = NAMES = ("ns1.nic.test.", "ns2.nic.test.", "ns3.nic.test.", "ns4.nic.test.")
PUBLISHED = (NS1, NS2)  # BIND, and NSD as its secondary

# Names at other parties that plans point to.
ELSEWHERE = """\
mx.oldmail 300 A 203.0.113.25
mx.newmail 300 A 198.51.100.25
spf.oldmail 300 TXT "v=spf1 ip4:203.0.113.25 -all"
spf.newmail 300 TXT "v=spf1 ip4:198.51.100.25 -all"
nm1.dkim.newmail 300 TXT "v=DKIM1; p="
www.newhost 300 A 198.51.100.80
"""


AnyCache = TypeVar("AnyCache", bound=Cache)


class Hierarchy:
    """One lab in one block of loopback addresses.

    `example.test.` lives on BIND with NSD as secondary, `knot.test.` on Knot, `pdns.test.` on PowerDNS; the
    caches find all of them through root and registry.
    """

    def __init__(self, directory: Path, block: Block) -> None:
        self.directory = directory
        self.block = block
        address = block.address
        block.assign([ROOT, REGISTRY, BIND, NSD, KNOT, POWERDNS, UNBOUND, RECURSOR, *EXTRA])
        self.example = make_zone("example.test.", PUBLISHED)
        self.root = Nsd(directory / "root", address(ROOT), [self._root_zone()])
        # Not Knot, which now and then takes a whole second for an UPDATE.
        self.registry = Bind(directory / "registry", address(REGISTRY), [self._registry_zone()])
        self.bind = Bind(directory / "bind", address(BIND), [self.example], secondaries=[address(NSD)])
        self.nsd = Nsd(directory / "nsd", address(NSD), [self.example], primary=address(BIND))
        self.knot = Knot(directory / "knot", address(KNOT), [make_zone("knot.test.", [NS3])])
        self.powerdns = PowerDns(directory / "powerdns", address(POWERDNS), [make_zone("pdns.test.", [NS4])])
        self.unbound = Unbound(directory / "unbound", address(UNBOUND), address(ROOT))
        self.recursor = PdnsRecursor(directory / "recursor", address(RECURSOR), address(ROOT))
        self._started: list[Daemon] = []
        self._extra: list[Daemon] = []
        self._extra_hosts = itertools.cycle(EXTRA)
        self._numbers = itertools.count(1)

    @property
    def authoritative(self) -> tuple[str, str]:
        """Addresses of primary and secondary of published zones."""
        return self.bind.address, self.nsd.address

    @property
    def resolvers(self) -> tuple[str, str]:
        """Addresses of the two caches."""
        return self.unbound.address, self.recursor.address

    # Life

    def ensure(self, *daemons: Daemon) -> None:
        """Start those that do not run yet, side by side."""
        new = [daemon for daemon in daemons if daemon not in self._started]
        for daemon in new:
            self._started.append(daemon)
            daemon.launch()
        for daemon in new:
            daemon.wait_until_answering()

    def ensure_world(self) -> None:
        """Start all that a published zone and its users need."""
        self.ensure(self.root, self.registry, self.bind, self.nsd, self.unbound, self.recursor)

    def heal(self) -> None:
        """Make everything run again that a test stopped or suspended, and end the extra caches."""
        for daemon in self._extra:
            daemon.stop()
        self._extra.clear()
        for daemon in self._started:
            daemon.heal()
        if self.nsd in self._started and self.bind in self._started:
            self.nsd.catch_up()

    def stop(self) -> None:
        """End everything."""
        for daemon in reversed(self._started + self._extra):
            daemon.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def mark_logs(self) -> None:
        """Remember where the logs end now."""
        for daemon in self._started:
            daemon.mark_log()

    def logs_since_mark(self) -> dict[str, str]:
        """What every daemon logged since then, by the name of its directory."""
        return {daemon.directory.name: daemon.log_since_mark() for daemon in self._started + self._extra}

    # Additions of single tests

    def spare_address(self) -> str:
        """An address that nothing listens on."""
        return self.block.address(next(self._extra_hosts))

    def extra_unbound(self, limits: CacheLimits) -> Unbound:
        """One more Unbound, with limits of its own; `heal` ends it."""
        address = self.spare_address()
        return self._add(Unbound(self._extra_directory(), address, self.root.address, limits))

    def extra_recursor(self, limits: CacheLimits) -> PdnsRecursor:
        """One more PowerDNS Recursor, with limits of its own; `heal` ends it."""
        address = self.spare_address()
        return self._add(PdnsRecursor(self._extra_directory(), address, self.root.address, limits))

    def extra_cache(
        self, kind: type[AnyCache], limits: CacheLimits, encrypted: Encrypted | None = None, address: str = ""
    ) -> AnyCache:
        """One more cache of any kind; `heal` ends it."""
        where = address or self.spare_address()
        return self._add(kind(self._extra_directory(), where, self.root.address, limits, encrypted))

    def _extra_directory(self) -> Path:
        return self.directory / f"extra{next(self._numbers)}"

    def _add(self, daemon: AnyCache) -> AnyCache:
        self._extra.append(daemon)
        daemon.start()
        return daemon

    # Zones

    def fresh_origin(self) -> str:
        """A zone name that no test has used."""
        return f"z{next(self._numbers)}.test."

    def fresh_zone(self, primary: Authority, records: str = DEFAULT_RECORDS, timers: Timers | None = None) -> Zone:
        """A new zone on one primary alone, not delegated: for tests that need no caches."""
        names = {self.bind: NS1, self.knot: NS3, self.powerdns: NS4}
        zone = make_zone(self.fresh_origin(), [names[primary]], records, timers)
        primary.add_zone(zone)
        return zone

    def publish(self, records: str = DEFAULT_RECORDS, timers: Timers | None = None) -> Zone:
        """A new zone on BIND and NSD, delegated: users can resolve its names through the caches."""
        zone = make_zone(self.fresh_origin(), PUBLISHED, records, timers)
        self.bind.add_zone(zone)
        self.nsd.add_zone(zone)
        self.settle(zone.origin)
        client.write(self.registry.address, "test.", zone.origin.split(".")[0], 300, "NS", *PUBLISHED)
        return zone

    def settle(self, origin: str, patience: float = client.PATIENCE) -> int:
        """Wait until the secondary has the primary's serial for good, and return it.

        For good: NSD can give an old answer after the first new one, from a child that is on its way out.
        """
        seen: list[int | None] = []

        def steady() -> bool:
            serials = {client.serial(server, origin) for server in self.authoritative}
            seen.append(serials.pop() if len(serials) == 1 else None)
            return len(seen) >= STEADY and seen[-1] is not None and len(set(seen[-STEADY:])) == 1

        client.wait_until(steady, f"primary and secondary of {origin} have one serial", patience)
        serial = seen[-1]
        assert serial is not None
        return serial

    def _root_zone(self) -> Zone:
        address = self.block.address
        records = f"""\
a.root. 86400 A {address(ROOT)}
test. 3600 NS a.nic.test.
a.nic.test. 3600 A {address(REGISTRY)}
"""
        return make_zone(".", ["a.root."], records)

    def _registry_zone(self) -> Zone:
        address = self.block.address
        hosts = zip(NAMES, (BIND, NSD, KNOT, POWERDNS), strict=True)
        records = f"a.nic 300 A {address(REGISTRY)}\n" + "".join(
            f"{name} 300 A {address(host)}\n" for name, host in hosts
        )
        delegations = {"example": PUBLISHED, "knot": (NS3,), "pdns": (NS4,)}
        records += "".join(f"{child} 300 NS {name}\n" for child, names in delegations.items() for name in names)
        return make_zone("test.", ["a.nic.test."], records + ELSEWHERE)
