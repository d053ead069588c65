"""A plan for the lab's own servers, and changes that somebody else makes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.world import LabWorld
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.records import RRset

ORIGIN = "example.test."
ZONE = """\
@ 3600 IN SOA ns1 hostmaster 2026031001 7200 900 1209600 300
@ 3600 IN NS ns1
@ 3600 IN NS ns2
@ 3600 IN MX 10 mx.oldmail.test.
@ 3600 IN TXT "v=spf1 include:spf.oldmail.test -all"
@ 3600 IN TXT "site-verification=3f9a"
ns1 3600 IN A 127.0.0.1
ns2 3600 IN A 127.0.0.1
www 300 IN A 192.0.2.80
"""
PLAN = """\
version: 1
name: mail
zone: example.test
provider: {{type: rfc2136, server: "{server}", key: {{name: cutover, secret: {{env: LAB_KEY}}}}}}
lookup: {{authoritative: ["{ns1}", "{ns2}"]}}
stages:
  - name: overlap
    changes:
      - {{name: nm1._domainkey, type: CNAME, from: absent, to: nm1.dkim.newmail.test.}}
      - {{name: "@", type: TXT, remove: ["v=spf1 include:spf.oldmail.test -all"], add: ["v=spf1 -all"]}}
  - name: switch
    changes:
      - {{name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."], ttl: 300}}
    unchanged: [www/A]
"""


@dataclass
class LabPlan:
    """The lab and the plan's text."""

    lab: LabWorld

    @property
    def text(self) -> str:
        ns1, ns2 = map(str, self.lab.authoritative)
        return PLAN.format(server=ns1, ns1=ns1, ns2=ns2)

    def publish(self, changes: Mapping[tuple[str, str], RRset | None]) -> None:
        """On both servers at once, under a new serial."""
        self.publish_at(self.lab.secondary, changes)
        self.publish_at(self.lab.primary, changes)

    def publish_at(self, server: Authoritative, changes: Mapping[tuple[str, str], RRset | None]) -> None:
        """On one server only."""
        self.lab.secondary.hold = True
        rrsets = dict(server.zone.rrsets)
        fields = server.zone.soa.values[0].split()
        fields[2] = str(server.zone.serial + 1)
        rrsets[ORIGIN, "SOA"] = RRset(server.zone.soa.ttl, (" ".join(fields),))
        for name, rrset in changes.items():
            rrsets.pop(name, None)
            if rrset is not None:
                rrsets[name] = rrset
        server.publish(ZoneVersion.of(ORIGIN, rrsets))
