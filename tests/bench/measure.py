"""What a benchmark yields, and how two commands are timed in turn."""

from __future__ import annotations

import os
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
    """One question put to several subjects under the same conditions. The first is ours; `ratio` is ours / theirs."""

    name: str
    question: str
    series: tuple[Series, ...]

    def ratio(self, other: Series) -> float:
        return self.series[0].median / other.median

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "question": self.question,
            "series": [{**asdict(s), "median": s.median, "spread": s.spread} for s in self.series],
            "ratios": {s.subject: self.ratio(s) for s in self.series[1:] if s.unit == self.series[0].unit},
        }


def seconds(command: Sequence[str]) -> float:
    """Wall time of one run. Raises CalledProcessError: a command that fails quickly must not win."""
    # Compiled modules are what people have; without them the parser would be measured.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdin=quiet, stdout=quiet, stderr=quiet, env=environment)
    return time.perf_counter() - began


def in_turn(commands: Mapping[str, Sequence[str]], rounds: int) -> tuple[Series, ...]:
    """Each command once per round, so that whatever else the machine does falls on all of them alike.

    The order is turned round every time, and a first round that fills the file cache is not counted.
    """
    taken: dict[str, list[float]] = {subject: [] for subject in commands}
    for subject in commands:
        seconds(commands[subject])
    for number in range(rounds):
        for subject in list(commands)[:: 1 if number % 2 else -1]:
            taken[subject].append(seconds(commands[subject]) * 1000)
    return tuple(Series(subject, "ms", tuple(samples)) for subject, samples in taken.items())
