"""One question to several servers that should all know the answer: the first good one counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dns_cutover.lookup.answer import Outcome, Reply
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker

STAGGER = 0.5  # real seconds until the next server is asked as well: one that is dead must not hold up everything


async def first_good(
    asker: Asker,
    servers: Sequence[Endpoint],
    name: str,
    rdtype: str,
    good: Callable[[Outcome], bool],
    *,
    recurse: bool = False,
) -> Reply | None:
    """The first good answer; the next server is asked when one fails, or is slow. None: no answer was good."""
    queue, running = list(servers), set[asyncio.Task[Outcome]]()
    try:
        while queue or running:
            if queue:
                running.add(asyncio.ensure_future(asker.ask(queue.pop(0), name, rdtype, recurse=recurse)))
            done, running = await asyncio.wait(
                running, timeout=STAGGER if queue else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                outcome = task.result()
                if isinstance(outcome, Reply) and good(outcome):
                    return outcome
        return None
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
