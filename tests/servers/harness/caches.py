"""Recursive servers: Unbound, PowerDNS Recursor, BIND and Knot Resolver, iterating from a root of our own."""

from __future__ import annotations

import re
import subprocess
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import dns.message

from .daemon import Daemon
from .network import find


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """What a cache does to TTLs, in seconds.

    `stale`: answers that have expired are given when no server can be reached. `untrusted`: a zone whose answers fail
    validation, since the key that is configured for it is another. `nsid`: the name it gives itself.
    """

    min_ttl: int = 0
    max_ttl: int = 86400
    max_negative_ttl: int = 3600
    stale: bool = False
    untrusted: str = ""
    nsid: str = ""


# The digest of no key at all.
NO_KEY = "4711 13 2 " + "0123456789ABCDEF" * 4


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Files of a certificate and its key: TLS on 853 and HTTPS on 443 beside plain DNS."""

    certificate: Path
    key: Path


class Cache(Daemon):
    """A recursive server. `root` is the address of the root server."""

    def __init__(
        self,
        directory: Path,
        address: str,
        root: str,
        limits: CacheLimits | None = None,
        encrypted: Encrypted | None = None,
    ) -> None:
        super().__init__(directory, address)
        self.root = root
        self.limits = limits or CacheLimits()
        self.encrypted = encrypted

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
              module-config: "{"validator " if self.limits.untrusted else ""}iterator"
              do-not-query-localhost: no
              local-zone: "test." nodefault
              access-control: 127.0.0.0/8 allow
              infra-host-ttl: 5
              root-hints: "{here}/root.hints"
              cache-min-ttl: {self.limits.min_ttl}
              cache-max-ttl: {self.limits.max_ttl}
              cache-max-negative-ttl: {self.limits.max_negative_ttl}
              serve-expired: {"yes" if self.limits.stale else "no"}
              serve-expired-client-timeout: 500
              ede: yes
              ede-serve-expired: yes
            {self._more()}
            remote-control:
              control-enable: yes
              control-interface: "{here}/control.sock"
              control-use-cert: no
            """
        return {"unbound.conf": dedent(config), "root.hints": self.hints()}

    def _more(self) -> str:
        lines = []
        if self.limits.nsid:
            lines.append(f'nsid: "ascii_{self.limits.nsid}"')
        if self.limits.untrusted:
            lines.append(f'trust-anchor: "{self.limits.untrusted} DS {NO_KEY}"')
        if self.encrypted is not None:
            lines += [f"interface: {self.address}@{port}" for port in (853, 443)]
            lines += [
                f'tls-service-pem: "{self.encrypted.certificate}"',
                f'tls-service-key: "{self.encrypted.key}"',
            ]
        return "\n".join(f"  {line}" for line in lines).replace("\n", "\n            ")

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
            dnssec={"validate" if self.limits.untrusted else "off"}
            lua-config-file={here}/recursor.lua
            serve-stale-extensions={20 if self.limits.stale else 0}
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
        anchor = f'addTA("{self.limits.untrusted}", "{NO_KEY}")\n' if self.limits.untrusted else ""
        return {"recursor.conf": dedent(config), "root.hints": self.hints(), "recursor.lua": f'clearTA(".")\n{anchor}'}

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


class BindCache(Cache):
    """`named` as a cache. Its minimum is 90 s at most."""

    program = "named"
    queries_in_log = re.compile(r"query: (?P<name>\S+) IN (?P<type>\S+) ")

    def files(self) -> Mapping[str, str]:
        """named.conf and the root hints."""
        here, limits = self.directory, self.limits
        stale = "yes" if limits.stale else "no"
        anchors = (
            f'trust-anchors {{ "{limits.untrusted}" static-ds {_quoted(NO_KEY)}; }};\n' if limits.untrusted else ""
        )
        tls = listen = ""
        if self.encrypted is not None:
            files = f'cert-file "{self.encrypted.certificate}"; key-file "{self.encrypted.key}";'
            tls = f"tls own {{ {files} }};\n"
            listen = (
                f"listen-on port 853 tls own {{ {self.address}; }}; "
                f"listen-on port 443 tls own http default {{ {self.address}; }};"
            )
        config = f"""\
            options {{
              directory "{here}"; pid-file none; session-keyfile "{here}/session.key"; lock-file none;
              listen-on {{ {self.address}; }}; {listen} listen-on-v6 {{ none; }}; query-source address {self.address};
              recursion yes; allow-query {{ any; }}; allow-recursion {{ any; }};
              dnssec-validation {"yes" if limits.untrusted else "no"}; empty-zones-enable no; querylog yes;
              min-cache-ttl {limits.min_ttl}; max-cache-ttl {limits.max_ttl}; max-ncache-ttl {limits.max_negative_ttl};
              stale-answer-enable {stale}; stale-cache-enable {stale}; stale-answer-ttl 7; max-stale-ttl 600;
              stale-answer-client-timeout off; resolver-query-timeout 3000; max-cache-size 16M; qname-minimization off;
            }};
            controls {{ }};
            zone "." {{ type hint; file "root.hints"; }};
            """
        return {"named.conf": tls + anchors + dedent(config), "root.hints": self.hints()}

    def command(self) -> Sequence[str]:
        """In the foreground, all logging to standard error."""
        return ["-g", "-n", "1", "-c", str(self.directory / "named.conf")]

    def flush(self, origin: str) -> None:
        """Not needed: each test has a cache of its own."""
        raise NotImplementedError(origin)


class Kresd(Cache):
    """`kresd`, Knot Resolver 5."""

    def ready_question(self) -> dns.message.QueryMessage:
        """A name that it knows by itself; it has no version to tell."""
        return dns.message.make_query("localhost.", "A")

    program = "kresd"
    queries_in_log = re.compile(r"^\S* ?query (?P<name>\S+) (?P<type>\S+)$", re.MULTILINE)

    def files(self) -> Mapping[str, str]:
        """The configuration, a program in Lua, and the root hints."""
        here, limits = self.directory, self.limits
        untrusted = f"trust_anchors.add('{limits.untrusted} DS {NO_KEY}')" if limits.untrusted else ""
        listen = ""
        if self.encrypted is not None:
            listen = (
                f"net.tls('{self.encrypted.certificate}', '{self.encrypted.key}')\n"
                f"            net.listen('{self.address}', 853, {{ kind = 'tls' }})\n"
                f"            net.listen('{self.address}', 443, {{ kind = 'doh2' }})"
            )
        config = f"""\
            net.ipv6 = false
            net.listen('{self.address}', 53, {{ kind = 'dns' }})
            {listen}
            net.outgoing_v4('{self.address}')
            modules.load('hints')
            {"modules.load('serve_stale < cache')" if limits.stale else ""}
            modules.unload('ta_update'); modules.unload('ta_signal_query'); modules.unload('priming')
            modules.unload('detect_time_skew'); modules.unload('detect_time_jump')
            trust_anchors.remove('.')
            {untrusted}
            option('ALLOW_LOCAL', true)
            cache.open(20 * MB, 'lmdb://{here}/cache')
            cache.min_ttl({limits.min_ttl})
            cache.max_ttl({limits.max_ttl})
            hints.root_file('{here}/root.hints')
            -- "test." is a special use for it (RFC 6761).
            policy.add(function (_, query)
              local name = kres.dname2str(query:name())
              print('query ' .. name .. ' ' .. kres.tostring.type[query.stype])
              if name:lower():match('test%.$') then return policy.PASS end
            end)
            """
        return {"kresd.conf": dedent(config), "root.hints": self.hints()}

    def command(self) -> Sequence[str]:
        """In the foreground; everything that it needs is below its directory."""
        return ["-n", "-c", str(self.directory / "kresd.conf"), str(self.directory)]

    def flush(self, origin: str) -> None:
        """Not needed: each test has a cache of its own."""
        raise NotImplementedError(origin)


def _quoted(anchor: str) -> str:
    *numbers, digest = anchor.split()
    return f'{" ".join(numbers)} "{digest}"'
