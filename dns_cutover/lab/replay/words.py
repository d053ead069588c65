"""What the replay models and what it does not, and its figures in words: the same in every format."""

from __future__ import annotations

from dns_cutover.lab.replay.arms import (
    LOW_TTL,
    MAIL_EVERY,
    MINUTE,
    NOTICED,
    PAGED,
    PROBE_FAILURES,
    PROBE_INTERVAL,
    TTL,
)
from dns_cutover.lab.replay.figures import ArmResult

MODELLED = (
    (
        f"Real SMTP and real DNS packets on loopback. Each receiver gets a message every {MAIL_EVERY / MINUTE:.0f} "
        "minutes, which stands for the time until the next one."
    ),
    (
        "Receivers judge the true peer address: they refuse what SPF says fails (-all), and what passes neither SPF "
        "nor DKIM under DMARC p=reject. Each asks a caching resolver of its own, which was filled at a random moment."
    ),
    (
        f"What receivers look up has TTL {TTL} s. The name that the application sends through has TTL {LOW_TTL} s in "
        "every arm, so that the receivers' caches are what is measured."
    ),
    "For 36 minutes the vendor's sub-account sends from an address that is not its own, and unsigned.",
    "The arms with a plan run it through the real engine; its canary is a real message through the new vendor.",
    "Lab time passes while nothing is under way: packets take none of it.",
)
NOT_MODELLED = (
    (
        "The vendors' behaviour is a model. Zero in the gated arm follows from the canary taking the path that is "
        "faulty: blind-fault shows what a canary is worth that takes another."
    ),
    (
        f"People are assumptions: they notice refused mail after {NOTICED / MINUTE:.0f} minutes, put records back "
        f"after 36, and act on a page after {PAGED / MINUTE:.0f}."
    ),
    (
        "What a receiver refuses is lost: nobody sends it again. Reputation, queues at the old vendor, greylisting and "
        "TLS are left out, and so is the hand-over from the application to the vendor."
    ),
    (
        "No Unbound is among the resolvers: it counts TTLs by the machine's clock, which cannot be made to follow lab "
        "time without a library preloaded into it. The lab's own resolver clamps TTLs as its settings do."
    ),
)


def minutes(seconds: float | None) -> str:
    """Minutes with one decimal; – for nothing."""
    return "–" if seconds is None else f"{seconds / MINUTE:.1f}"


def bound(result: ArmResult) -> float | None:
    """The longest that users of a gated arm can be out by (probe interval x failures + rollback + low TTL), in seconds.

    Two more intervals are what measuring adds: a probe begins up to one after the fault, and a message stands for the
    time to the next. None: no probe took this arm back.
    """
    if result.rollback is None or not result.failures or result.detected != result.decided:
        return None
    return PROBE_INTERVAL * PROBE_FAILURES + result.rollback + LOW_TTL + PROBE_INTERVAL + MAIL_EVERY
