"""How often an account may be asked. Pure: the time comes in, the wait goes out.

Five requests a second are allowed for a whole AWS account, whoever makes them: docs.aws.amazon.com/Route53/latest/
DeveloperGuide/DNSLimitations.html. Others' requests cannot be seen; "Throttling" tells of them, and the pace gives way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ALLOWED = 5.0  # requests a second
SLOWEST = 0.5
# Asking later will help; nothing was done. PriorRequestNotComplete: the zone is busy with a batch.
THROTTLED = frozenset({"Throttling", "ThrottlingException", "PriorRequestNotComplete", "RequestLimitExceeded"})
FIRST_WAIT = 0.4
LONGEST_WAIT = 10.0


@dataclass(slots=True)
class Pace:
    """The requests of one account from this process. Its rate is halved when it is throttled, and recovers slowly."""

    rng: random.Random
    allowed: float = ALLOWED
    rate: float = ALLOWED
    free: float = 0.0  # when the next request may be sent, seconds UTC
    slowed: float = field(default=float("-inf"))  # when the rate was last halved

    def reserve(self, now: float) -> float:
        """Take the next place in the row; how many seconds to wait for it."""
        at = max(now, self.free)
        if at - now > 1 / SLOWEST * 10:  # the clock was put back
            at = now
        self.free = at + 1 / self.rate
        return at - now

    def answered(self) -> None:
        """A request went through."""
        self.rate = min(self.allowed, self.rate + self.allowed / 50)

    def throttled(self, now: float, tries: int) -> float:
        """A request was turned away for the `tries`-th time; how many seconds to wait before the next."""
        if now - self.slowed >= 1 or now < self.slowed:
            self.rate, self.slowed = max(SLOWEST, self.rate / 2), now
        longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 10))
        return longest * (0.5 + self.rng.random() / 2)
