"""Rules about e-mail: what large plans cost, and where a trouble that was there before is told."""

from __future__ import annotations

import pytest

from dns_cutover.checks import history
from dns_cutover.checks.interface import Example
from tests.unit.checks.situation import findings

SPF = '{{name: d{0}, type: TXT, from: ["v=spf1 include:a.test -all"], to: ["v=spf1 include:b.test +all"]}}'


def test_the_plan_is_not_copied_for_each_domain_and_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred domains, six rules, two moments: the plan's RRsets are gone through once, not thousands of times."""
    times = 0
    really = history._Image.__iter__

    def counted(self):
        nonlocal times
        times += 1
        return really(self)

    monkeypatch.setattr(history._Image, "__iter__", counted)
    changes = "".join(f"      - {SPF.format(n)}\n" for n in range(200))
    plan = f"safety: {{max_changes: 300}}\nstages:\n  - name: one\n    changes:\n{changes}"
    found = findings(Example(plan), offline=True)
    assert sum(f.id == "DC505" for f in found) >= 50
    assert times <= 2


def test_what_is_wrong_already_is_a_warning_and_said_once() -> None:
    """The plan did not bring it, and does not mend it."""
    plan = (
        "mail: {envelope_domains: [bounces.example.test]}\nstages:\n  - name: one\n    changes:\n"
        '      - {name: www, type: A, from: absent, to: ["192.0.2.1"]}\n'
    )
    two = 'bounces 300 IN TXT "v=spf1 -all"\nbounces 300 IN TXT "v=spf1 ~all"\n'
    told = [(f.severity, f.message) for f in findings(Example(plan, zone=two)) if f.id == "DC501"]
    assert told == [("warning", "already now bounces.example.test has 2 SPF records")]
