"""What each touched RRset is before each stage. Pure.

Ten thousand stages are ten thousand images, and one differs from the next in a value or two: what is kept is when
each RRset becomes what, and an image is a view of that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Literal

from dns_cutover.records import RRsetKey

Values = tuple[str, ...] | None
"""Canonical RDATA, or None for absence."""


class History:
    """For each RRset what it is from stage n on; to be filled in the order of the stages."""

    def __init__(self) -> None:
        self._since: dict[RRsetKey, list[int]] = {}  # stages, by RRset
        self._values: dict[RRsetKey, list[Values | Literal["unknown"]]] = {}

    def put(self, n: int, key: RRsetKey, values: Values | Literal["unknown"]) -> None:
        """Before stage n, and from then on, the RRset is this."""
        self._since.setdefault(key, []).append(n)
        self._values.setdefault(key, []).append(values)

    def at(self, n: int) -> Image:
        """What everything is before stage n."""
        return Image(self, n)

    def of(self, key: RRsetKey, n: int) -> Values | Literal["unknown"]:
        """What one RRset is before stage n."""
        place = bisect_right(self._since.get(key, ()), n)
        return self._values[key][place - 1] if place else "unknown"

    def every(self) -> Iterator[RRsetKey]:
        """Every RRset that was ever put."""
        return iter(self._since)


class Image(Mapping[RRsetKey, Values]):
    """What is known before one stage: values, or None for absence. What is not known is not in it."""

    def __init__(self, history: History, n: int) -> None:
        self._history = history
        self._n = n

    def __getitem__(self, key: RRsetKey) -> Values:
        found = self._history.of(key, self._n)
        if found == "unknown":
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[RRsetKey]:
        return (key for key in self._history.every() if self._history.of(key, self._n) != "unknown")

    def __len__(self) -> int:
        return sum(1 for _ in self)
