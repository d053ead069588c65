"""Recursive servers: Unbound and PowerDNS Recursor, iterating from a root of our own."""

from __future__ import annotations

import re
import subprocess
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from .daemon import Daemon
from .network import find


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """What a cache does to TTLs, in seconds."""

    min_ttl: int = 0
    max_ttl: int = 86400
    max_negative_ttl: int = 3600


class Cache(Daemon):
    """A recursive server. `root` is the address of the root server."""

    def __init__(self, directory: Path, address: str, root: str, limits: CacheLimits | None = None) -> None:
        super().__init__(directory, address)
        self.root = root
        self.limits = limits or CacheLimits()

    def hints(self) -> str:
        """The root hints."""
        return f". 3600000 NS a.root.\na.root. 3600000 A {self.root}\n"

    @abstractmethod
    def flush(self, origin: str) -> None:
        """Forget everything at and below a name."""


class Unbound(Cache):
    """`unbound`, with one thread and thus one cache."""

    program = "unbound"
    queries_in_log = re.compile(r"info: 127\.\S+ (?P<name>\S+) (?P<type>\S+) IN\s*$", re.MULTILINE)

    def files(self) -> Mapping[str, str]:
        """unbound.conf and the root hints."""
        here = self.directory
        config = f"""\
            server:
              interface: {self.address}
              outgoing-interface: {self.address}
              username: ""
              chroot: ""
              directory: "{here}"
              pidfile: ""
              use-syslog: no
              logfile: ""
              log-queries: yes
              do-daemonize: no
              do-ip6: no
              num-threads: 1
              module-config: "iterator"
              do-not-query-localhost: no
              local-zone: "test." nodefault
              access-control: 127.0.0.0/8 allow
              infra-host-ttl: 5
              root-hints: "{here}/root.hints"
              cache-min-ttl: {self.limits.min_ttl}
              cache-max-ttl: {self.limits.max_ttl}
              cache-max-negative-ttl: {self.limits.max_negative_ttl}
            remote-control:
              control-enable: yes
              control-interface: "{here}/control.sock"
              control-use-cert: no
            """
        return {"unbound.conf": dedent(config), "root.hints": self.hints()}

    def command(self) -> Sequence[str]:
        """`-d` keeps it in the foreground."""
        return ["-d", "-c", str(self.directory / "unbound.conf")]

    def flush(self, origin: str) -> None:
        """Forget everything at and below a name."""
        self.tool("unbound-control", "-c", str(self.directory / "unbound.conf"), "flush_zone", origin)


class PdnsRecursor(Cache):
    """`pdns_recursor`, with one thread and thus one cache."""

    program = "pdns_recursor"
    queries_in_log = re.compile(r'msg="Question".* qname="(?P<name>[^"]+)" qtype="(?P<type>\w+)"')

    def files(self) -> Mapping[str, str]:
        """recursor.conf and the root hints."""
        here = self.directory
        config = f"""\
            local-address={self.address}
            local-port=53
            query-local-address={self.address}
            allow-from=127.0.0.0/8
            dont-query=
            dont-throttle-netmasks=127.0.0.0/8
            dnssec=off
            hint-file={here}/root.hints
            socket-dir={here}
            threads=1
            pdns-distributes-queries=no
            security-poll-suffix=
            serve-rfc1918=no
            disable-packetcache=yes
            server-down-max-fails=0
            minimum-ttl-override={self.limits.min_ttl}
            max-cache-ttl={self.limits.max_ttl}
            max-negative-ttl={self.limits.max_negative_ttl}
            quiet=no
            loglevel=6
            disable-syslog=yes
            """
        return {"recursor.conf": dedent(config), "root.hints": self.hints()}

    def command(self) -> Sequence[str]:
        """In the foreground. From 5.2 on the old form of settings must be asked for."""
        said = subprocess.run([find(self.program), "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"Recursor (\d+)\.(\d+)", said.stdout + said.stderr)
        newer = version is not None and (int(version[1]), int(version[2])) >= (5, 2)
        flags = ["--enable-old-settings"] if newer else []
        return [f"--config-dir={self.directory}", "--daemon=no", "--write-pid=no", *flags]

    def flush(self, origin: str) -> None:
        """Forget everything at and below a name."""
        self.tool(
            "rec_control",
            f"--config-dir={self.directory}",
            f"--socket-dir={self.directory}",
            "wipe-cache",
            f"{origin}$",
        )
