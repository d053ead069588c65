"""NSD: the secondary, and the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from . import client
from .primary import Authority
from .zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone


class Nsd(Authority):
    """`nsd` with zones of its own, or as secondary of `primary` by NOTIFY and IXFR.

    As a secondary it takes nothing but the names from `zones`. `open_transfers`: everybody may have the zones by AXFR.
    """

    program = "nsd"

    def __init__(
        self,
        directory: Path,
        address: str,
        zones: list[Zone],
        primary: str | None = None,
        *,
        open_transfers: bool = False,
    ) -> None:
        super().__init__(directory, address, zones)
        self.primary = primary
        self.open_transfers = open_transfers

    def files(self) -> Mapping[str, str]:
        """nsd.conf, and zone texts where it is no secondary."""
        here = self.directory
        config = f"""\
            server:
              ip-address: {self.address}@53
              username: ""
              chroot: ""
              zonesdir: "{here}"
              zonelistfile: "{here}/zone.list"
              database: ""
              xfrdfile: "{here}/xfrd.state"
              xfrdir: "{here}"
              pidfile: "{here}/nsd.pid"
              server-count: 1
              verbosity: 2
              rrl-ratelimit: 0
              xfrd-reload-timeout: 0
            remote-control:
              control-enable: yes
              control-interface: "{here}/control.sock"
            key:
              name: "{KEY_NAME}"
              algorithm: {KEY_ALGORITHM}
              secret: "{KEY_SECRET}"
            """
        zones = "".join(self._zone(zone) for zone in self.zones)
        files = {"nsd.conf": dedent(config) + zones}
        if self.primary is None:
            files |= {zone.filename: zone.text for zone in self.zones}
        return files

    def catch_up(self) -> None:
        """Have every zone, as a secondary whose primary answers.

        After a start NSD asks once, and where that failed only much later: its primary may not have been there yet, and
        what `xfrd.state` remembers of a process that was killed says that nothing is missing.
        """
        for origin in [zone.origin for zone in self.zones]:

            def served(origin: str = origin) -> bool:
                if client.serial(self.address, origin) is not None:
                    return True
                self.tool("nsd-control", "-c", str(self.directory / "nsd.conf"), "force_transfer", origin)
                return False

            client.wait_until(served, f"the secondary has {origin}")

    def _zone(self, zone: Zone) -> str:
        text = f'zone:\n  name: "{zone.origin}"\n  zonefile: "{zone.filename}"\n'
        if self.primary is not None:
            text += f"  request-xfr: {self.primary} {KEY_NAME}\n  allow-notify: {self.primary} {KEY_NAME}\n"
        if self.open_transfers:
            text += "  provide-xfr: 127.0.0.0/8 NOKEY\n"
        return text

    def command(self) -> Sequence[str]:
        """`-d` keeps it in the foreground, and its log on standard error."""
        return ["-d", "-c", str(self.directory / "nsd.conf")]

    def reload(self) -> None:
        """Read the configuration again; zones not seen before are transferred at once."""
        self.tool("nsd-control", "-c", str(self.directory / "nsd.conf"), "reconfig")
