"""Many questions under way over few sockets: retries, a pace for each server, one limit for all.

Callbacks instead of tasks: a question costs a few microseconds of processor time this way, and a tenth of the memory.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dns_cutover.lookup.answer import NoReply, Outcome, Reject, Reply
from dns_cutover.lookup.encoded import Encoded
from dns_cutover.lookup.flight import Flight, Pace, Server
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.lane import DEPTH, Lane
from dns_cutover.lookup.transport import reason

TRIES = 3
REFUSED_PAUSE = 0.1  # real seconds, doubled each time: an ICMP error comes at once, and a server may be restarting
_RANDOM = 4096  # octets fetched from the kernel at a time


class Multiplexer:
    """`timeout`: real seconds of one try. `limit`: questions under way in all; `pace`: of one server.

    `entropy` gives so many random octets. Sockets are open only while answers are waited for.
    """

    def __init__(
        self,
        timeout: float,
        limit: int,
        pace: Pace,
        rejects: Counter[Reject],
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._timeout = timeout
        self._limit = limit
        self._pace = pace
        self._rejects = rejects
        self._entropy = entropy
        self._random, self._used = b"", 0
        self._servers: dict[tuple[str, int], Server] = {}
        self._flying = 0
        self._ready: deque[Server] = deque()
        self._places: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def server(self, endpoint: Endpoint) -> Server:
        """What is known of the server at this address and port."""
        place = endpoint.address, endpoint.port
        if (server := self._servers.get(place)) is None:
            server = self._servers[place] = Server(endpoint, self._pace)
        return server

    def submit(
        self, server: Server, question: Encoded, done: Callable[[Flight, Outcome], None], cargo: Any = None
    ) -> Flight:
        """Ask over UDP, at most three times. `done` gets the outcome, later; not if the flight is withdrawn."""
        flight = Flight(server, question, done, cargo)
        if (
            server.queue
            or self._flying >= self._limit
            or server.flying >= server.window
            or server.pace.per_second is not None
        ):
            server.queue.append(flight)
            self._make_ready(server)
            self._go_on()
        else:
            self._flying += 1
            server.flying += 1
            self._send(flight)
        return flight

    def withdraw(self, flight: Flight) -> None:
        """Nobody wants the answer any more."""
        if flight.over:
            return
        flight.over = True
        if flight.pause is not None:
            flight.pause.cancel()
        elif flight.lane is not None:
            flight.lane.drop(flight)
        else:
            flight.server.queue.remove(flight)
            return
        self._flying -= 1
        flight.server.flying -= 1
        self._landed(flight.server)

    async def take_place(self) -> None:
        """A place among those that are under way, for a question over another transport; `give_place` gives it back."""
        if self._flying < self._limit and not self._places:
            self._flying += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._places.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_place()
            else:
                self._places.remove(place)
            raise

    def give_place(self) -> None:
        """See `take_place`."""
        self._flying -= 1
        self._go_on()

    # -- departures -------------------------------------------------------------------------------------------------

    def _depart(self, flight: Flight) -> None:
        self._flying += 1
        flight.server.flying += 1
        self._send(flight)

    def _send(self, flight: Flight) -> None:
        server, question = flight.server, flight.question
        flight.tries += 1
        lane = server.lane
        if flight.tries > 1 or lane is None or lane.left <= 0 or len(lane.waiting) >= DEPTH:
            try:
                lane = self._lane(server, fresh=flight.tries > 1)
            except OSError as exc:
                self._again(flight, NoReply(reason(exc)), at_once=True)
                return
        # After an answer in other letters than were sent: somebody on the way changes them.
        flight.mixed = server.echoes is not False and not flight.recased
        at, used = self._used, self._used + question.spread
        if used > len(self._random):
            self._random, at, used = self._entropy(_RANDOM), 0, question.spread
        self._used, octets = used, self._random
        ident = octets[at : at + 2]
        while ident in lane.waiting:
            ident = self._entropy(2)
        asked = question.cased(octets[at + 2 : used]) if flight.mixed else question.plain
        flight.asked, flight.ident, flight.lane = asked, ident, lane
        flight.sent = now = lane.now()
        if flight.tries == 1:
            flight.began = now
        flight.due = now + self._timeout
        lane.send(flight, ident + question.head + asked + question.tail)
        if self._timer is None:
            self._set_timer(flight.due)

    def _lane(self, server: Server, *, fresh: bool) -> Lane:
        if not fresh:
            for lane in reversed(server.lanes):
                if lane.has_room():
                    server.lane = lane
                    return lane
        lane = server.lane = Lane(server, self._arrived, self._failed, self._reject)
        server.lanes.append(lane)
        return lane

    # -- arrivals ---------------------------------------------------------------------------------------------------

    def _arrived(self, flight: Flight, reply: Reply) -> None:
        lane, server = flight.lane, flight.server
        assert lane is not None
        server.heard_at = lane.now()
        server.came += 1
        if server.window < server.pace.in_flight:
            server.grow()
        server.lane = lane  # which has room now
        self._finish(flight, reply)

    def _finish(self, flight: Flight, outcome: Outcome) -> None:
        flight.over = True
        flight.lane = None
        server = flight.server
        self._flying -= 1
        server.flying -= 1
        flight.done(flight, outcome)
        if self._ready or self._places or not self._flying or (server.queue and server.flying < server.window):
            self._landed(server)

    def _landed(self, server: Server) -> None:
        if server.queue:
            self._make_ready(server)
        self._go_on()
        if self._flying == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_ready(self, server: Server) -> None:
        if not server.ready and server.flying < server.window:
            server.ready = True
            self._ready.append(server)

    def _go_on(self) -> None:
        """Let as many depart as there is room for, one of each server in turn."""
        while self._places and self._flying < self._limit:
            place = self._places.popleft()
            if not place.done():
                self._flying += 1
                place.set_result(None)
        while self._ready and self._flying < self._limit:
            server = self._ready.popleft()
            server.ready = False
            if not server.queue or not server.has_room():
                continue
            if server.pace.per_second is not None:
                loop = asyncio.get_running_loop()
                if (now := loop.time()) < server.free_at:
                    server.ready = True
                    loop.call_at(server.free_at, self._turn, server)
                    continue
                server.free_at = max(server.free_at, now - 1.0) + 1.0 / server.pace.per_second
            self._depart(server.queue.popleft())
            self._make_ready(server)

    def _turn(self, server: Server) -> None:
        self._ready.append(server)
        self._go_on()

    # -- failures ---------------------------------------------------------------------------------------------------

    def _reject(self, why: Reject) -> None:
        self._rejects[why] += 1

    def _failed(self, flights: list[Flight], why: NoReply) -> None:
        for flight in flights:
            self._again(flight, why, at_once=True)

    def _again(self, flight: Flight, why: NoReply, *, at_once: bool) -> None:
        """The next try, or the end. `at_once`: the failure did not take the time that an answer is waited for."""
        flight.lane = None
        if flight.tries >= TRIES:
            self._finish(flight, replace(why, reason=f"{why.reason} in {TRIES} tries"))
        elif at_once:
            pause = REFUSED_PAUSE * 2.0 ** (flight.tries - 1)
            flight.pause = asyncio.get_running_loop().call_later(pause, self._resume, flight)
        else:
            self._send(flight)

    def _resume(self, flight: Flight) -> None:
        flight.pause = None
        self._send(flight)

    def _set_timer(self, when: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(when, self._expire)

    def _expire(self) -> None:
        """Whatever was waited for long enough. Looked through now and then: cheaper than a timer for each."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        flights = [f for s in self._servers.values() for lane in s.lanes for f in lane.waiting.values()]
        due = [f for f in flights if f.due <= now]
        if (next_due := min((f.due for f in flights if f.due > now), default=None)) is not None:
            self._set_timer(next_due)
        for server, count in Counter(f.server for f in due).items():
            server.lost(count)
        for flight in due:
            if not flight.over and flight.lane is not None:
                flight.lane.drop(flight)
                self._again(flight, flight.silence(), at_once=False)
