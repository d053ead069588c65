"""One change on its way to the name servers: when GetChange is asked, and what it said. Pure.

"Changes generally propagate to all Route 53 name servers within 60 seconds":
docs.aws.amazon.com/Route53/latest/APIReference/API_GetChange.html
"""

from __future__ import annotations

from dataclasses import dataclass

USUALLY_INSYNC = 60.0  # seconds; counts only where the id of a change is not known, since the reply to it was lost
FIRST_LOOK, LONGEST_LOOK = 1.0, 16.0  # seconds between two GetChange, doubled each time


@dataclass(slots=True)
class Settling:
    """`due`: when GetChange is asked next, `began`: since when it was waited for (seconds UTC). `unknown`: it cannot be
    asked, since the id was lost with the reply or Route 53 does not know it any more.
    """

    change: str
    began: float
    due: float
    insync: bool = False
    unknown: bool = False
    delay: float = FIRST_LOOK

    def ask(self, now: float, unknown_after: float) -> bool:
        """Whether GetChange is to be asked now. What is unknown counts as everywhere after so many seconds."""
        if self.unknown and now >= self.began + unknown_after:
            self.insync = True
        return not (self.insync or self.unknown or now < self.due)

    def told(self, insync: bool | None, now: float) -> None:
        """What GetChange said; None: it does not know the change."""
        self.unknown = insync is None
        self.insync = bool(insync)
        self.delay = min(LONGEST_LOOK, self.delay * 2)
        self.due = now + self.delay
