"""What the question engine keeps about one question under way, and about one server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dns_cutover.lookup.answer import NoReply, Outcome, Reply
from dns_cutover.lookup.encoded import Encoded
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.known import KnownAnswer

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from dns_cutover.lookup.lane import Lane

FIRST_WINDOW = 50
NO_EDNS = ("FORMERR", "NOTIMP", "BADVERS")  # servers from before RFC 6891
LEAST_WINDOW = 4
SAMPLE = 16  # outcomes that a judgement needs
TOLERATED = 3  # one answer of so many may stay away without being a sign
MOST_KNOWN = 25_000  # answers of one server that are remembered


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard one server is asked at most. `in_flight`: questions under way to it; `per_second`: questions sent to it,
    None where answers alone set the pace.

    Within that the number under way grows as answers come, and falls by half when some stay away.
    """

    in_flight: int = 200
    per_second: float | None = None


@dataclass(slots=True, eq=False)
class Server:
    """One address and port. `echoes`: whether it repeats a question letter by letter, None until it is known.

    `window`: how many questions may be under way now. `heard_at`: when it last answered, `free_at`: when the next
    question may be sent (seconds of the event loop). `ready`: it waits for its turn. `lane`: where there was room last.
    `came`, `gone`: answers, and those that stayed away, since that was last judged.
    """

    endpoint: Endpoint
    pace: Pace
    echoes: bool | None = None
    heard_at: float = float("-inf")
    window: float = FIRST_WINDOW
    growing: bool = True
    came: int = 0
    gone: int = 0
    free_at: float = float("-inf")
    flying: int = 0
    queue: deque[Flight] = field(default_factory=deque)
    ready: bool = False
    lanes: list[Lane] = field(default_factory=list)
    lane: Lane | None = None
    known: dict[Encoded, KnownAnswer] = field(default_factory=dict)

    def grow(self) -> None:
        """An answer came: twice as many may be under way a round trip at first, one more a round trip after a loss."""
        self.window = min(self.window + (1.0 if self.growing else 1.0 / self.window), self.pace.in_flight)

    def __post_init__(self) -> None:
        self.window = min(self.window, self.pace.in_flight)

    def lost(self, count: int) -> None:
        """So many were waited for in vain: half as many may be under way, if that is a good part of all.

        A path that loses one in ten would otherwise be taken for a server that cannot keep up.
        """
        self.gone += count
        if self.came + self.gone < SAMPLE:
            return
        if self.gone * TOLERATED > self.came + self.gone:
            self.window = max(self.window / 2, LEAST_WINDOW)
            self.growing = False
        self.came = self.gone = 0

    def remember(self, question: Encoded, answer: KnownAnswer) -> None:
        """So that the same answer is recognised."""
        if question not in self.known and len(self.known) >= MOST_KNOWN:
            del self.known[next(iter(self.known))]
        self.known[question] = answer

    def has_room(self) -> bool:
        """Whether one more may be under way."""
        return self.flying < self.window


class Flight:
    """One question under way: in its server's queue, or sent on `lane` as `ident` with the question section `asked`.

    `mixed`: its letters are of both cases. `due`: until when this try is waited for (seconds of the event loop).
    `done` gets the flight and the outcome, once; never from within `submit`. `cargo` is the caller's own.
    """

    # Values of the class, until they change: most flights end with the first try, and setting costs time.
    tries = 0
    lane: Lane | None = None
    ident = asked = b""
    mixed = malformed = recased = over = False
    began = sent = due = 0.0
    pause: TimerHandle | None = None

    def __init__(
        self, server: Server, question: Encoded, done: Callable[[Flight, Outcome], None], cargo: Any = None
    ) -> None:
        self.server, self.question, self.done, self.cargo = server, question, done, cargo

    def silence(self) -> NoReply:
        """What this try's end without an answer means."""
        return NoReply("an answer that is no DNS message", wrong=True) if self.malformed else NoReply("no answer")


def is_settled(flight: Flight, outcome: Outcome) -> bool:
    """Whether an outcome over UDP is the last word, or another way is to be tried."""
    if isinstance(outcome, Reply):
        return not outcome.tc and outcome.rcode not in NO_EDNS
    # Where it answered others meanwhile: a limit on its rate, or a path that loses much.
    return flight.server.heard_at <= flight.began
