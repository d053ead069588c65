"""What a benchmark yields, and how two commands are timed in turn."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one subject, in `unit`."""

    subject: str
    unit: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles: what a median of noise is worth."""
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """One question put to several subjects under the same conditions. The first of each unit is ours."""

    name: str
    question: str
    series: tuple[Series, ...]

    def ratio(self, other: Series) -> float | None:
        """Ours / theirs in the same unit; None for ours."""
        ours = next(s for s in self.series if s.unit == other.unit)
        return ours.median / other.median if ours is not other and other.median else None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "question": self.question,
            "series": [{**asdict(s), "median": s.median, "spread": s.spread} for s in self.series],
            "ratios": {f"{s.subject} ({s.unit})": r for s in self.series if (r := self.ratio(s)) is not None},
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took, in seconds: on the clock, and of a processor."""

    wall: float
    cpu: float


def taken(command: Sequence[str]) -> Taken:
    """One run. Raises CalledProcessError: a command that fails quickly must not win."""
    # Compiled modules are what people have; without them the parser would be measured.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = subprocess.DEVNULL
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdin=quiet, stdout=quiet, stderr=quiet, env=environment)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def in_turn(commands: Mapping[str, Sequence[str]], rounds: int, *, cpu: bool = False) -> tuple[Series, ...]:
    """Each command once per round, so that whatever else the machine does falls on all of them alike.

    The order is turned round every time, and a first round that fills the file cache is not counted. `cpu`: the
    processor's time too, which other work on the machine disturbs less, as further series in "ms of CPU".
    """
    runs: dict[str, list[Taken]] = {subject: [] for subject in commands}
    for subject in commands:
        taken(commands[subject])
    for number in range(rounds):
        for subject in list(commands)[:: 1 if number % 2 else -1]:
            runs[subject].append(taken(commands[subject]))
    walls = tuple(Series(subject, "ms", tuple(run.wall * 1000 for run in each)) for subject, each in runs.items())
    cpus = (Series(subject, "ms of CPU", tuple(run.cpu * 1000 for run in each)) for subject, each in runs.items())
    return (*walls, *cpus) if cpu else walls
