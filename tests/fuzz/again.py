"""Hypothesis over and over, each time with other examples, for so many minutes: the other half of `make fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = "tests/unit/test_plan_fuzz.py"


def main(minutes: float) -> int:
    """Exit code of the first run that failed, else 0."""
    end, seed = time.monotonic() + minutes * 60, int(time.time())
    runs = 0
    environment = {**os.environ, "FUZZ_EXAMPLES": "1000"}
    while time.monotonic() < end:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed + runs}"]
        done = subprocess.run([*command, TESTS], cwd=Path(__file__).parents[2], env=environment, check=False)
        if done.returncode != 0:
            return done.returncode
        runs += 1
    sys.stdout.write(f"{runs} runs of {TESTS}, 1000 examples for each property: nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
