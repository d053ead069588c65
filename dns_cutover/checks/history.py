"""What each RRset is before each stage, as far as the plan and the live view tell. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from dns_cutover.plan.expand import PlannedChange
from dns_cutover.records import RRset, RRsetKey, ValueEdit, realise
from dns_cutover.records.edit import Mismatch

Values: TypeAlias = tuple[str, ...] | None
"""Canonical RDATA, or None for absence."""


def images(
    live: Mapping[RRsetKey, Values], changes: Iterable[tuple[int, PlannedChange]], stages: int
) -> Sequence[Mapping[RRsetKey, Values]]:
    """What is known before stage n, and, at the number of stages, in the end. `changes` with their stages, in order.

    An RRset is left out where it is not known: offline without `from`, or where the plan does not fit.
    """
    image = dict(live)
    past: dict[RRsetKey, list[tuple[int, Values | _Lost]]] = {k: [(0, v)] for k, v in live.items()}
    for n, planned in changes:
        _advance(image, planned)
        past.setdefault(planned.key, []).append((n + 1, image.get(planned.key, _LOST)))
    return tuple(_Image(past, n) for n in range(stages + 1))


class _Lost:
    """Not known any more."""


_LOST = _Lost()


class _Image(Mapping[RRsetKey, Values]):
    """What is known before stage `n`, out of one history for all stages: a copy for each would be too much for plans
    of thousands of stages.
    """

    def __init__(self, past: Mapping[RRsetKey, list[tuple[int, Values | _Lost]]], n: int) -> None:
        self._past, self._n = past, n

    def __getitem__(self, key: RRsetKey) -> tuple[str, ...] | None:
        past = self._past[key]
        at = bisect_right(past, self._n, key=lambda entry: entry[0])
        value = past[at - 1][1] if at else _LOST
        if isinstance(value, _Lost):
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[RRsetKey]:
        return (key for key in self._past if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _advance(image: dict[RRsetKey, Values], p: PlannedChange) -> None:
    match p.kind:
        case "set":
            image[p.key] = p.after
        case "values":
            if p.key not in image:
                return
            found = image[p.key]
            edit = ValueEdit(p.key, p.remove, p.add, None, 0)
            result = realise(edit, RRset(0, found) if found else None)
            if isinstance(result, Mismatch):
                del image[p.key]
            else:
                image[p.key] = result.after.values if result.after is not None else None
        case "ttl":
            pass
