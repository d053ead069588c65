"""Cases that fuzzing found, and that no longer surprise: a finding, never a traceback."""

from pathlib import Path

import pytest

from tests.fuzz.everything import everything

CASES = sorted((Path(__file__).parents[1] / "data" / "fuzz").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_that_fuzzing_found(path: Path) -> None:
    everything(path.read_bytes())
