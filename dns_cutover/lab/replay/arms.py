"""What is compared: ways to move mail to another vendor, the faults, and the kinds of caches before the receivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dns_cutover.lab.cache import Clamps

MINUTE = 60.0
TTL = 3600  # seconds, of everything that receivers look up
LOW_TTL = 60
FAULT = 36 * MINUTE
NOTICED = 15 * MINUTE  # an assumption: people hear of refused mail this long after the first
PAGED = 10 * MINUTE  # an assumption: from a page to the hand on the keyboard
LATE = 5 * MINUTE  # from the first user's message through the new vendor to a late fault
ALARM = 3 * MINUTE  # and to a false alarm
MAIL_EVERY = 2 * MINUTE  # each receiver gets one message in this time
PROBE_INTERVAL = 10.0  # as the plan has it
PROBE_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """Receivers behind one kind of resolver."""

    name: str
    clamps: Clamps

    def hold(self, ttl: int) -> int:
        """For how many seconds its resolver keeps an answer with this TTL."""
        return self.clamps.positive_life(ttl)


KINDS = (
    Kind("honours TTL", Clamps()),
    Kind("at most 5 min", Clamps(maximum=300)),
    Kind("at most 15 min", Clamps(maximum=900)),
    Kind("at least 1 h", Clamps(minimum=3600)),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The new vendor's sub-account sends from an address that is not its own, and unsigned, for FAULT seconds.

    It begins `after` seconds after the first message through the new vendor: the first at all, or with `users` the
    first of a user. `blind`: the canary's own sub-account is well.
    """

    after: float = 0.0
    users: bool = True
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of moving. `fault` None: the vendor is well all the time.

    `by`: records are replaced in place by hand, or by the plan through the engine. `lowered`: TTLs are lowered first
    (the plan always does that). `probes` False: the plan without its probes. `automatic` False: a failed probe pages
    a person. `alarm`: the canary fails although all is well.
    """

    name: str
    what: str
    by: Literal["hand", "plan"]
    fault: Fault | None = None
    lowered: bool = False
    probes: bool = True
    automatic: bool = True
    alarm: bool = False


ARMS = (
    Arm("naive", "records replaced in place under TTL 3600, put back by hand", "hand", Fault()),
    Arm("naive-no-fault", "the same, and the new vendor is well", "hand"),
    Arm("ttl-only", "TTLs lowered an hour before, else as naive", "hand", Fault(), lowered=True),
    Arm("overlap", "both vendors published, then the switch; nobody probes", "plan", Fault(), probes=False),
    Arm("probes-no-rollback", "the canary pages a person, who rolls back", "plan", Fault(LATE), automatic=False),
    Arm("dns-cutover", "the plan: the canary goes before the users", "plan", Fault(users=False)),
    Arm("late-fault", "the plan; the fault begins 5 minutes after the switch", "plan", Fault(LATE)),
    Arm("blind-fault", "the plan; the fault spares the canary", "plan", Fault(blind=True)),
    Arm("false-alarm", "the plan; the canary fails for no reason", "plan", alarm=True),
)
