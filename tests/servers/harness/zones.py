"""What the servers hold: the key, zone texts, timers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.name
import dns.tsig
import dns.tsigkeyring
import dns.zone

KEY_NAME = "cutover-key."
KEY_ALGORITHM = "hmac-sha256"
KEY_SECRET = "dGVzdHMgb25seTogbm90aGluZyBpcyBndWFyZGVkIGJ5IHRoaXM="
KEYRING: dict[dns.name.Name, dns.tsig.Key] = dns.tsigkeyring.from_text({KEY_NAME: (KEY_ALGORITHM, KEY_SECRET)})
WRONG_SECRET = "YW5vdGhlciBzZWNyZXQgdGhhdCBubyBzZXJ2ZXIga25vd3MgYWI="

DEFAULT_RECORDS = """\
@ 60 MX 10 mx.oldmail.test.
@ 60 TXT "v=spf1 include:spf.oldmail.test -all"
@ 60 TXT "site-verification=4711"
www 60 A 192.0.2.10
api 3600 A 192.0.2.20
alias 60 CNAME www
mail 60 A 192.0.2.30
pool 60 A 192.0.2.41
pool 60 A 192.0.2.42
*.wild 60 A 192.0.2.50
"""


@dataclass(frozen=True, slots=True)
class Timers:
    """The SOA's numbers, in seconds. `quick` for tests in which a secondary must notice things by itself."""

    refresh: int = 3600
    retry: int = 600
    expire: int = 86400
    minimum: int = 5
    soa_ttl: int = 5

    @classmethod
    def quick(cls) -> Timers:
        """A secondary asks every second, whether NOTIFY came or not."""
        return cls(refresh=1, retry=1, expire=3600)


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as it is at the start: `origin` with final dot, `text` a whole zone file."""

    origin: str
    text: str

    @property
    def filename(self) -> str:
        """Name of its file, the same on every server."""
        return f"{self.origin.rstrip('.') or 'root'}.zone"

    def parsed(self) -> dns.zone.Zone:
        """The zone as dnspython sees it."""
        return dns.zone.from_text(self.text, origin=self.origin, relativize=False)


def make_zone(
    origin: str,
    nameservers: Sequence[str],
    records: str = DEFAULT_RECORDS,
    timers: Timers | None = None,
    serial: int = 1,
) -> Zone:
    """A zone with SOA and apex NS (TTL 300) before `records`, whose names are relative to `origin`."""
    timers = timers or Timers()
    soa = f"{serial} {timers.refresh} {timers.retry} {timers.expire} {timers.minimum}"
    lines = [f"$ORIGIN {origin}", "$TTL 300", f"@ {timers.soa_ttl} SOA {nameservers[0]} hostmaster.nic.test. {soa}"]
    lines += [f"@ 300 NS {server}" for server in nameservers]
    return Zone(origin, "\n".join(lines) + "\n" + records)
