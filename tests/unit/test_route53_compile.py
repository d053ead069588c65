"""A stage that does not fit one batch: split where the plan allows it, refused else."""

from __future__ import annotations

import pytest

from dns_cutover.lookup.interface import Endpoint
from dns_cutover.plan.loader import parse_plan
from dns_cutover.providers.route53.provider import guarantees
from dns_cutover.providers.route53.size import partition_changes
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.compiling import DriftFound, LiveFacts
from dns_cutover.runbook.model import Runbook, StepKind, ZoneInfo
from dns_cutover.timing.exposure import NameContext

ZONE = "example.test."
COUNT = 2500
PLAN = """
version: 1
name: many
zone: example.test
provider: {{type: route53}}
ttl: {{lower_to: 30s}}
safety: {{max_changes: 3000, allow: [{allow}]}}
stages:
  - name: one
    changes:
      - {{names: [{names}], type: A, from: [192.0.2.1], to: [192.0.2.9]}}
"""


def compiled(allow: str) -> Runbook:
    names = [f"h{n}" for n in range(COUNT)]
    loaded = parse_plan(PLAN.format(allow=allow, names=", ".join(names)).encode(), "plan.yaml", {})
    soa = f"ns.{ZONE} host.{ZONE} 1 7200 900 1209600 300"
    info = ZoneInfo(
        "default", ZONE, {"type": "route53"}, {}, (Endpoint("ns1", "192.0.2.1"),), soa, 900, 1, 300, guarantees()
    )
    keys = [RRsetKey("default", f"{n}.{ZONE}", "A") for n in names]
    facts = LiveFacts(
        (info,), {k: RRset(3600, ("192.0.2.1",)) for k in keys}, {k: NameContext(300) for k in keys}
    )  # fmt: skip
    return compile_runbook(
        loaded.plan, loaded.sha256, facts, {"default": lambda changes: partition_changes(changes, ZONE)}
    )


def test_split_into_batches_where_the_plan_allows_it() -> None:
    book = compiled("split")
    for kind in (StepKind.LOWER_TTL, StepKind.APPLY, StepKind.RESTORE_TTL):
        sizes = [len(s.edits) for s in book.steps if s.kind is kind]
        assert sum(sizes) == COUNT
        assert len(sizes) == 6
        assert max(sizes) <= 499


def test_refused_else() -> None:
    with pytest.raises(DriftFound) as caught:
        compiled("")
    assert {d.reason for d in caught.value.drifts} == {"too_large"}
