"""Coverage-guided fuzzing of what `validate --offline` does with a file: `make fuzz MINUTES=10`.

libFuzzer (through atheris) changes the plans of the corpus where that reaches code it has not seen. A crash is an
exception other than a finding, or a property of `everything` that does not hold; a file that takes longer than
`-timeout` is a hang. Both are written to build/fuzz; what they teach is kept in tests/data/fuzz, which
tests/unit/test_fuzz_corpus.py replays.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["dns_cutover", "tests.fuzz.everything"]):
    from tests.fuzz.everything import everything


def test_one_input(data: bytes) -> None:
    """One file."""
    everything(data)


def main() -> None:
    """Arguments are libFuzzer's."""
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
