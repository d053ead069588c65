"""Stories on Route 53: whatever becomes of requests, a run ends as promised, the zone all-after or all-before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine import write
from dns_cutover.providers.route53 import provider
from dns_cutover.providers.route53.message import BatchChange
from tests.simulation import route53

SEEDS = 200
CHUNK = 20


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_three_of_ten_calls_turned_away_or_answered_into_the_void(first: int) -> None:
    """The run succeeds, or is rolled back since the new service fails; never anything else."""
    for seed in range(first, first + CHUNK):
        outcome, problems = route53.check(route53.busy(seed))
        assert not problems, f"replay with: python -m tests.simulation.route53 busy {seed}"
        assert outcome in ("succeeded", "rolled_back")


@pytest.mark.parametrize("first", range(0, 40, CHUNK))
def test_stories_with_every_other_trouble_end_as_promised(first: int) -> None:
    """Killed processes, late batches, foreign writes, wrong clocks, steering, a store that fails."""
    bad = {n: p for n in range(first, first + CHUNK) if (p := route53.check(route53.chaos(n))[1])}
    assert not bad, f"replay with: python -m tests.simulation.route53 chaos {min(bad)}"


def test_servers_count_only_when_route_53_says_that_all_of_them_have_a_change() -> None:
    """An anycast address shows one server of many: the tail begins when the last of them has stopped."""
    w = route53.busy(2)
    w.throttle = w.dropped = 0.0
    w.failing, w.distant = [], 45.0
    w.secondaries[0].lag = 0.2
    assert route53.check(w) == ("succeeded", [])
    known, proofs = 0.0, 0
    for event in w.events():
        if isinstance(event, ev.Applied) and event.change and event.step:
            known = w.insync[event.change]
        if isinstance(event, ev.Observed) and event.step.endswith("converge") and not event.trouble:
            assert event.ts >= known
            proofs += 1
    assert proofs >= 8


# -- the checks bite: without each of these precautions a story goes wrong --------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def _batches(edit: Callable[[tuple[BatchChange, ...], str], tuple[BatchChange, ...]]) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = provider.build

        def build(zone: str, lock_owner: str, *rest: Any) -> tuple[BatchChange, ...]:
            return edit(original(zone, lock_owner, *rest), lock_owner)

        monkeypatch.setattr(provider, "build", build)

    return patch


def _blind(batch: tuple[BatchChange, ...], lock_owner: str) -> tuple[BatchChange, ...]:
    """UPSERT in the place of an exact DELETE and a CREATE: others' values are overwritten."""
    coming = {(c.record.name, c.record.rdtype) for c in batch if c.action == "CREATE" and c.record.name != lock_owner}
    out = []
    for c in batch:
        if (c.record.name, c.record.rdtype) not in coming:
            out.append(c)
        elif c.action == "CREATE":
            out.append(BatchChange("UPSERT", c.record))
    return tuple(out)


def no_burning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch without a reply counts as never applied."""

    async def resolve(journal: Any) -> None:
        intent = journal.state.pending
        await journal.put(
            ev.NotApplied(journal.ports.clock.now(), intent.step, intent.op, intent.held, "unreachable", "no reply")
        )

    monkeypatch.setattr("dns_cutover.engine.driver.resolve", resolve)
    assert write.resolve is not resolve


@pytest.mark.parametrize(
    ("patch", "kind"),
    [(_batches(_blind), "chaos"), (no_burning, "busy")],
    ids=["blind", "no burning"],
)
def test_without_a_precaution_a_story_goes_wrong(patch: Patch, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)
    assert any(route53.check(getattr(route53, kind)(seed))[1] for seed in range(200))
