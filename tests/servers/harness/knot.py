"""Knot DNS: a primary, and the registry that holds the delegations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from .primary import Authority
from .zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone


class Knot(Authority):
    """`knotd` as primary with updates and transfers for the key. It signs the zones whose origin is in `signed`."""

    program = "knotd"

    def __init__(self, directory: Path, address: str, zones: list[Zone]) -> None:
        super().__init__(directory, address, zones)
        self.signed: set[str] = set()

    def files(self) -> Mapping[str, str]:
        """knot.conf, and the text of zones not yet written."""
        here = self.directory
        config = f"""\
            server:
                listen: {self.address}@53
                rundir: "{here}"
                pidfile: "{here}/knot.pid"
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            log:
              - target: stderr
                any: info
            control:
                listen: "{here}/knot.sock"
            database:
                storage: "{here}/db"
                journal-db-max-size: 64M
            key:
              - id: {KEY_NAME}
                algorithm: {KEY_ALGORITHM}
                secret: {KEY_SECRET}
            acl:
              - id: writers
                key: {KEY_NAME}
                action: [update, transfer]
            template:
              - id: default
                storage: "{here}"
                journal-content: changes
                zonefile-load: whole
                zonefile-sync: -1
                semantic-checks: off
                acl: writers
            zone:
            """
        zones = "".join(
            f"  - domain: {zone.origin}\n    file: {zone.filename}\n"
            + ("    dnssec-signing: on\n" if zone.origin in self.signed else "")
            for zone in self.zones
        )
        return {"knot.conf": dedent(config) + zones} | {
            zone.filename: zone.text for zone in self.zones if not (here / zone.filename).exists()
        }

    def prepare(self) -> None:
        """It does not make the directory of its databases."""
        (self.directory / "db").mkdir()

    def command(self) -> Sequence[str]:
        """Without `-d` it stays in the foreground."""
        return ["-c", str(self.directory / "knot.conf")]

    def reload(self) -> None:
        """Read the configuration again."""
        self.tool("knotc", "-s", str(self.directory / "knot.sock"), "reload")
