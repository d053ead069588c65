"""A great many questions: drawn one by one as there is room, so that they need little memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dns_cutover.lookup.answer import Outcome
from dns_cutover.lookup.encoded import Encoded
from dns_cutover.lookup.flight import Flight, is_settled

if TYPE_CHECKING:
    from dns_cutover.lookup.question import Asker

Q = TypeVar("Q", bound=tuple[Any, ...])


class Crowd(Generic[Q]):
    """`questions` begin with (server, owner, type). At most `most` of them are drawn and not yet answered.

    `flags`: recursion desired, checking disabled.
    """

    def __init__(
        self,
        asker: Asker,
        questions: Iterator[Q],
        take: Callable[[Q, Outcome], None],
        most: int,
        flags: tuple[bool, bool],
    ) -> None:
        self._asker, self._questions, self._take = asker, questions, take
        self._most = most
        self._recurse, self._unchecked = flags
        self._flight, self._encoded = asker.flight, asker.encoded(*flags)
        self._under_way = 0
        self._flights: set[Flight] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drawn = False
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()

    async def asked(self) -> None:
        """Return when all are answered. Raises what `take` raises."""
        try:
            while not self._drawn and self._under_way < self._most:
                self._draw()
            if self._under_way:
                await self._end
        finally:
            for flight in self._flights:
                self._asker.withdraw(flight)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _draw(self) -> None:
        """The next question sets out."""
        try:
            question = next(self._questions)
        except StopIteration:
            self._drawn = True
            return
        self._under_way += 1
        server, owner, rdtype = question[:3]
        if server.transport != "udp":
            self._in_a_task(question, None)
            return
        encoded = self._encoded.get((owner, rdtype)) or self._encode(owner, rdtype)
        self._flights.add(self._flight(server, encoded, self._landed, question))

    def _landed(self, flight: Flight, outcome: Outcome) -> None:
        self._flights.discard(flight)
        if not is_settled(flight, outcome):
            self._in_a_task(flight.cargo, outcome)
            return
        self._told(flight.cargo, outcome)

    def _told(self, question: Q, outcome: Outcome) -> None:
        self._under_way -= 1
        if self._end.done():
            return
        try:
            self._take(question, outcome)
            if not self._drawn:
                self._draw()
        except Exception as exc:
            self._end.set_exception(exc)
            return
        if self._drawn and not self._under_way:
            self._end.set_result(None)

    def _in_a_task(self, question: Q, outcome: Outcome | None) -> None:
        """What takes more than a datagram and its answer."""
        task = self._loop.create_task(self._at_length(question, outcome))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _at_length(self, question: Q, outcome: Outcome | None) -> None:
        server, owner, rdtype = question[:3]
        flags = {"recurse": self._recurse, "checking_disabled": self._unchecked}
        if outcome is None:
            self._told(question, await self._asker.ask(server, owner, rdtype, **flags))
        else:
            self._told(question, await self._asker.settle(server, owner, rdtype, outcome, **flags))

    def _encode(self, owner: str, rdtype: str) -> Encoded:
        return self._asker.encode(owner, rdtype, recurse=self._recurse, checking_disabled=self._unchecked)
