"""Runbooks for tests of reports: the mail move of the mock-ups, 200 records, several zones, long and short plans."""

from __future__ import annotations

from datetime import UTC, datetime

from dns_cutover.checks.interface import Example
from dns_cutover.plan.loader import parse_plan
from dns_cutover.runbook.model import Runbook
from tests.unit.checks.situation import plan_text, subject

NOW = datetime(2026, 3, 10, 12, 40, 2, tzinfo=UTC).timestamp()  # a Tuesday, 13:40:02 in Berlin
MAIL_ZONE = """\
@ 3600 IN MX 10 mx.oldmail.test.
@ 3600 IN TXT "v=spf1 include:spf.oldmail.test -all"
@ 3600 IN TXT "x"
@ 3600 IN TXT "y"
www 300 IN A 192.0.2.80
om1._domainkey 3600 IN CNAME om1.dkim.oldmail.test.
om2._domainkey 3600 IN CNAME om2.dkim.oldmail.test.
"""
MAIL = """\
name: mail-to-newmail
summary: Outgoing mail moves from OldMail to NewMail. Both may send during the overlap.
safety: {allow: [delete]}
stages:
  - name: overlap
    summary: Publish the new vendor's names beside the old ones.
    changes:
      - {name: nm1._domainkey, type: CNAME, from: absent, to: nm1.dkim.u42.newmail.test.}
      - name: "@"
        type: TXT
        remove: ["v=spf1 include:spf.oldmail.test -all"]
        add: ["v=spf1 include:spf.oldmail.test include:spf.newmail.test -all"]
    bake: 5m
  - name: switch
    changes:
      - {name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."], ttl: 300}
    unchanged: ["@/TXT", "www/A"]
    confirm:
      - id: ips-bound
        who: NewMail support
        says: Addresses 198.51.100.7-9 are bound to sub-account u42.
        by: person
        undo: NewMail unbinds them.
        timeout: 24h
    window: {days: mon-thu, from: "09:00", to: "16:00", timezone: Europe/Berlin}
    probes:
      - {type: tcp, name: new-mx, target: mx.newmail.test, port: 25, interval: 10s, consecutive_failure_limit: 3}
      - {type: tcp, name: old-mx, target: mx.oldmail.test, port: 25, role: way_back}
    bake: 30m
"""
RETIRE = """\
  - name: retire
    wait: 14d
    commit: before
    changes:
      - {names: [om1._domainkey, om2._domainkey], type: CNAME, from: live, to: absent}
"""
PROVIDER = "{type: rfc2136, server: 192.0.2.5%d, key: {name: k, secret: {env: X}}}"
TWO_ZONES = f"""\
zones:
  public: {{zone: example.test, provider: {PROVIDER % 3}}}
  private: {{zone: corp.test, provider: {PROVIDER % 4}}}
stages:
  - name: go
    changes:
      - {{in: [public, private], name: api, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}}
    bake: 10m
"""


def book_of(plan: str, zone: str = "", **facts: object) -> Runbook:
    """The runbook of the standard plan with `plan` in it."""
    example = Example(plan, zone, facts=facts)
    found = subject(parse_plan(plan_text(example).encode(), "plan.yaml", {}), example)
    assert found.book is not None, found.drifts
    return found.book


def mail() -> Runbook:
    return book_of(MAIL, MAIL_ZONE)


def retire() -> Runbook:
    return book_of(MAIL + RETIRE, MAIL_ZONE)


def two_zones() -> Runbook:
    return book_of(TWO_ZONES, "api 600 IN A 192.0.2.1\n")


def many() -> Runbook:
    """200 records with three edits."""
    addresses = [f"cdn-{n:03d}" for n in range(1, 141)] + ["api", "static", "www"]
    aliases = [f"c{n}" for n in range(1, 57)]
    zone = "".join(f"{n} 3600 IN A 192.0.2.10\n" for n in addresses) + "legacy 300 IN A 192.0.2.200\n"
    zone += "".join(f"{n} 600 IN CNAME lb.old.test.\n" for n in aliases)
    return book_of(
        "safety: {allow: [delete], max_changes: 500}\nstages:\n  - name: switch\n    changes:\n"
        f"      - {{names: [{', '.join(addresses)}], type: A, from: [192.0.2.10], to: [198.51.100.10]}}\n"
        f"      - {{names: [{', '.join(aliases)}], type: CNAME, from: [lb.old.test.], to: [lb.new-edge.test.]}}\n"
        "      - {name: legacy, type: A, from: live, to: absent}\n",
        zone,
    )


def single(ttl: int = 3600, stage: str = "", top: str = "") -> Runbook:
    """One address changes."""
    change = '{name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}'
    return book_of(f"{top}stages: [{{name: s, {stage}changes: [{change}]}}]", f"www {ttl} IN A 192.0.2.1\n")
