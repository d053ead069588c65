"""BIND: the primary that the tests write to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from .primary import Authority
from .zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone

FULL_POLICY = f"grant {KEY_NAME} zonesub ANY;"


class Bind(Authority):
    """`named` as primary: updates by policy, NOTIFY to its secondaries without delay, IXFR for the key.

    `policy` is the text of `update-policy` for every zone, or for single ones in `policies` by origin.
    `open_transfers`: everybody may have the zones by AXFR, without the key.
    """

    program = "named"
    queries_in_log = re.compile(r"query: (?P<name>\S+) IN (?P<type>\S+) ")

    def __init__(
        self,
        directory: Path,
        address: str,
        zones: list[Zone],
        secondaries: Sequence[str] = (),
        policy: str = FULL_POLICY,
        *,
        open_transfers: bool = False,
    ) -> None:
        super().__init__(directory, address, zones)
        self.secondaries = secondaries
        self.policy = policy
        self.open_transfers = open_transfers
        self.policies: dict[str, str] = {}

    def files(self) -> Mapping[str, str]:
        """named.conf and rndc.conf, and the text of zones not yet written: those on disk may have moved on."""
        here = self.directory
        notified = " ".join(f'{address} key "{KEY_NAME}";' for address in self.secondaries)
        key = f'key "{KEY_NAME}" {{ algorithm {KEY_ALGORITHM}; secret "{KEY_SECRET}"; }};\n'
        allowed = "any" if self.open_transfers else f'key "{KEY_NAME}"'
        options = f"""\
            options {{
              directory "{here}"; pid-file none; session-keyfile "{here}/session.key"; lock-file none;
              listen-on {{ {self.address}; }}; listen-on-v6 {{ none; }};
              query-source address {self.address}; notify-source {self.address}; transfer-source {self.address};
              recursion no; allow-query {{ any; }}; dnssec-validation no; empty-zones-enable no;
              notify explicit; also-notify {{ {notified} }}; notify-delay 0;
              serial-query-rate 1000; notify-rate 1000; startup-notify-rate 1000;
              allow-transfer {{ {allowed}; }}; max-ixfr-ratio unlimited; querylog yes;
              max-cache-size 8M;
            }};
            controls {{ inet {self.address} port 953 allow {{ any; }} keys {{ "{KEY_NAME}"; }}; }};
            """
        zones = "".join(
            f'zone "{zone.origin}" {{ type primary; file "{zone.filename}"; '
            f"update-policy {{ {self.policies.get(zone.origin, self.policy)} }}; }};\n"
            for zone in self.zones
        )
        files = {
            "named.conf": key + dedent(options) + zones,
            "rndc.conf": f'{key}options {{ default-key "{KEY_NAME}"; default-server {self.address}; }};\n',
        }
        files |= {zone.filename: zone.text for zone in self.zones if not (here / zone.filename).exists()}
        return files

    def command(self) -> Sequence[str]:
        """In the foreground, all logging to standard error; one thread, for it shares two cores with the others."""
        return ["-g", "-n", "1", "-c", str(self.directory / "named.conf")]

    def rndc(self, *arguments: str) -> str:
        """Run `rndc` against it."""
        return self.tool("rndc", "-c", str(self.directory / "rndc.conf"), *arguments)

    def reload(self) -> None:
        """Read the configuration again; zones that it knew stay as they are."""
        self.rndc("reconfig")

    def freeze(self, origin: str) -> None:
        """Refuse updates of a zone."""
        self.rndc("freeze", origin)

    def thaw(self, origin: str) -> None:
        """Take updates again."""
        self.rndc("thaw", origin)
