"""Random stories: nothing unexpected is overwritten, no gap, no early change, and an end that was promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine import driver, write
from dns_cutover.engine import events as ev
from dns_cutover.providers.interface import ChangeSet, Receipt
from dns_cutover.providers.rfc2136 import provider, update
from tests.simulation import seeds

SEEDS = 320
CHUNK = 20


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_stories_end_as_promised(first: int) -> None:
    bad = {seed: problems for seed in range(first, first + CHUNK) if (problems := seeds.check(seed)[1])}
    assert not bad, f"replay with: python -m tests.simulation.seeds {min(bad)}"


# -- the checks bite: without each of these precautions a story goes wrong --------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def no_prerequisites(patch: pytest.MonkeyPatch) -> None:
    """What the records are is not required: others' values are overwritten."""
    patch.setattr(update, "prerequisites", lambda changes: ())


def _build_without(kept: Callable[[Any, str, str], bool]) -> Callable[..., Any]:
    original = update.build

    def build(zone: str, lock_owner: str, changes: ChangeSet, fence: Any) -> Any:
        spec = original(zone, lock_owner, changes, fence)
        return replace(spec, prereqs=tuple(p for p in spec.prereqs if kept(p, zone, lock_owner)))

    return build


def no_token(patch: pytest.MonkeyPatch) -> None:
    """The lock is not required: a message that comes late is applied."""
    patch.setattr(provider, "build", _build_without(lambda p, zone, lock: p.owner != lock))


def no_soa(patch: pytest.MonkeyPatch) -> None:
    """The zone's version is not required: a TTL that was raised since the reading is not seen."""
    patch.setattr(provider, "build", _build_without(lambda p, zone, lock: p.rdtype != "SOA"))


def no_burning(patch: pytest.MonkeyPatch) -> None:
    """A message without a reply counts as never applied, though it may still be under way."""
    original = provider.Rfc2136Provider.apply

    async def apply(self: Any, changes: ChangeSet, fence: Any) -> Receipt:
        if not changes.changes and fence is not None and fence.held is not None and fence.next is not None:
            guards = await self.guards(())
            return Receipt((), guards.serial)
        return await original(self, changes, fence)

    patch.setattr(provider.Rfc2136Provider, "apply", apply)


def act_before_journal(patch: pytest.MonkeyPatch) -> None:
    """The intent is stored after the message was sent: a process killed in between has forgotten it."""
    original = driver.Journal.put

    async def put(self: Any, *events: ev.Event) -> None:
        if any(isinstance(e, ev.Intent) for e in events):
            for e in events:
                self._take(e)
            return
        await original(self, *events)

    patch.setattr(driver.Journal, "put", put)


def no_clock_proof(patch: pytest.MonkeyPatch) -> None:
    """The machine's clock is believed."""
    patch.setattr(driver, "_needs_the_time", lambda state, action: False)
    patch.setattr(driver.Journal, "prove", lambda self, *readings: False)


def no_history(patch: pytest.MonkeyPatch) -> None:
    """A longer TTL that was put back before the write is not outlived."""

    async def extended(*_: Any) -> bool:
        return False

    patch.setattr(write, "_extended", extended)


@pytest.mark.parametrize(
    "precaution",
    [no_prerequisites, no_token, no_soa, no_burning, act_before_journal, no_clock_proof, no_history],
    ids=lambda f: f.__name__,
)
def test_without_a_precaution_a_story_goes_wrong(precaution: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    precaution(monkeypatch)
    assert any(_goes_wrong(seed) for seed in range(400)), precaution.__doc__


def _goes_wrong(seed: int) -> bool:
    try:
        return bool(seeds.check(seed)[1])
    except (AssertionError, ValueError, KeyError):
        return True
