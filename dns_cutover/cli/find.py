"""Finding runs by a unique beginning of their id."""

from __future__ import annotations

from dns_cutover.engine.driver import UnknownRun, load_events
from dns_cutover.engine.fold import fold
from dns_cutover.engine.state import RunState
from dns_cutover.errors import UsageError
from dns_cutover.store.interface import Store


async def find_run(store: Store, prefix: str) -> RunState:
    """The run whose id begins with `prefix`. Raises UnknownRun, UsageError."""
    ids = [e.run_id for e in await store.runs()]
    matches = [i for i in ids if i == prefix] or [i for i in ids if i.startswith(prefix)]
    if not matches:
        raise UnknownRun(f"there is no run {prefix} in this store", "", ("dns-cutover status   lists the runs",))
    if len(matches) > 1:
        raise UsageError(f"{prefix} is the beginning of several runs: {', '.join(sorted(matches))}")
    return fold(matches[0], await load_events(matches[0], store))


async def all_runs(store: Store) -> list[RunState]:
    """All runs, newest first."""
    return [fold(e.run_id, await load_events(e.run_id, store)) for e in await store.runs()]
