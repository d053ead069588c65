"""Random stories: nothing unexpected is overwritten, no gap, no early change, and an end that was promised."""

from __future__ import annotations

import pytest

from tests.simulation import seeds
from tests.simulation.mutations import MUTATIONS, Patch

SEEDS = 2000  # `make simulate SEEDS=100000` runs more, over all cores
CHUNK = 125


@pytest.mark.simulation
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_stories_end_as_promised(first: int) -> None:
    bad = {seed: problems for seed in range(first, first + CHUNK) if (problems := seeds.check(seed)[1])}
    assert not bad, f"replay with: python -m tests.simulation.seeds {min(bad)}"


@pytest.mark.simulation
@pytest.mark.parametrize("precaution", MUTATIONS, ids=lambda f: f.__name__)
def test_without_a_precaution_a_story_goes_wrong(precaution: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks bite."""
    precaution(monkeypatch)
    assert any(seeds.check(seed)[1] for seed in range(1000)), precaution.__doc__
