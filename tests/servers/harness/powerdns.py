"""PowerDNS Authoritative Server: a primary on SQLite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from textwrap import dedent

from .network import HarnessError
from .primary import Authority
from .zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone

# Minimal images leave /usr/share/doc out.
SCHEMAS = (
    "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql",
    "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql",
)


class PowerDns(Authority):
    """`pdns_server` as primary with updates and transfers for the key, its own caches switched off."""

    program = "pdns_server"
    queries_in_log = re.compile(r"wants '(?P<name>[^|']+)\|(?P<type>\w+)'")

    def files(self) -> Mapping[str, str]:
        """pdns.conf."""
        config = f"""\
            local-address={self.address}
            local-port=53
            launch=gsqlite3
            gsqlite3-database={self.directory}/zones.sqlite3
            gsqlite3-pragma-synchronous=0
            socket-dir={self.directory}
            dnsupdate=yes
            allow-dnsupdate-from=127.0.0.0/8
            allow-axfr-ips=
            cache-ttl=0
            query-cache-ttl=0
            negquery-cache-ttl=0
            zone-cache-refresh-interval=0
            zone-metadata-cache-ttl=0
            receiver-threads=1
            distributor-threads=1
            security-poll-suffix=
            default-soa-edit=
            log-dns-queries=yes
            loglevel=6
            """
        return {"pdns.conf": dedent(config)}

    def prepare(self) -> None:
        """Make the database with the key and the zones."""
        schema = next((path for path in map(Path, SCHEMAS) if path.exists()), None)
        if schema is None:
            raise HarnessError(f"None of {' '.join(SCHEMAS)} exists: is pdns-backend-sqlite3 installed?")
        with closing(sqlite3.connect(self._database)) as database, database:
            database.executescript(schema.read_text())
            database.execute(
                "INSERT INTO tsigkeys (name, algorithm, secret) VALUES (?, ?, ?)",
                (KEY_NAME.rstrip("."), KEY_ALGORITHM, KEY_SECRET),
            )
        for zone in self.zones:
            self._load(zone)

    def command(self) -> Sequence[str]:
        """In the foreground, logging to standard error alone."""
        return [f"--config-dir={self.directory}", "--guardian=no", "--daemon=no", "--disable-syslog", "--write-pid=no"]

    def add_zone(self, zone: Zone) -> None:
        """Serve one zone more."""
        if self._database.exists():
            self._load(zone)
        super().add_zone(zone)

    def reload(self) -> None:
        """Nothing to do: it looks into the database for every question."""

    @property
    def _database(self) -> Path:
        return self.directory / "zones.sqlite3"

    def _load(self, zone: Zone) -> None:
        path = self.directory / zone.filename
        path.write_text(zone.text)
        name = zone.origin.rstrip(".")
        self.tool("pdnsutil", f"--config-dir={self.directory}", "load-zone", name, str(path))
        grants = {
            "TSIG-ALLOW-AXFR": KEY_NAME.rstrip("."),
            "TSIG-ALLOW-DNSUPDATE": KEY_NAME.rstrip("."),
            "SOA-EDIT-DNSUPDATE": "INCREASE",
        }
        with closing(sqlite3.connect(self._database)) as database, database:
            for kind, content in grants.items():
                database.execute(
                    "INSERT INTO domainmetadata (domain_id, kind, content) SELECT id, ?, ? FROM domains WHERE name = ?",
                    (kind, content, name),
                )
