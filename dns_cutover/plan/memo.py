"""What was worked out of a plan once and is asked for by many."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """Results by what they were made of. Says nothing about the plan that it belongs to: all memos are equal."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[object, Any]] = {}

    def get(self, source: object, beside: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives for this very object `source`, and `beside`; made at the first call."""
        key = (id(source), beside)
        # Keeping the source keeps its id from being given to another one.
        known = self._made.get(key)
        if known is None or known[0] is not source:
            known = self._made[key] = (source, make())
        made: T = known[1]
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Memo)

    def __hash__(self) -> int:
        return 0
