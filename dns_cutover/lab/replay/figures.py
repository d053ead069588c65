"""What became of the mail, as figures. Pure; all times are lab seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from dns_cutover.lab.replay.arms import MAIL_EVERY


@dataclass(frozen=True, slots=True)
class Subject:
    """One receiver: its kind, for how long its cache holds what has TTL 3600, and what was left of that at first."""

    kind: str
    hold: float
    left: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to the receiver with this number, begun at `at`, and the reply's code."""

    receiver: int
    at: float
    code: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, in a few words."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One receiver's time: `outage` is the time whose messages were refused; a message stands for the time to the next.

    `first` and `last`: when the first and the last refused message were begun; None: there was none.
    """

    subject: Subject
    outage: float
    refused: int
    deferred: int
    sent: int
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm. `zero` is when users' mail first went through the new vendor (a canary's, where none did): minute 0.

    `fault_at`: when the fault (or the false alarm) began. `detected`, `repaired`: when it was noticed, and when every
    server had the old records again. `decided`: when the way back began. `noticed_by` says who noticed. `ended`: the
    run is over and the last refused message was sent. `why`: what the engine gave as its reason; hostile text.
    """

    name: str
    what: str
    phases: int
    receivers: tuple[Shown, ...]
    began: float
    zero: float
    ended: float
    outcome: str
    fault_at: float | None = None
    detected: float | None = None
    noticed_by: str = ""
    decided: float | None = None
    repaired: float | None = None
    failures: int = 0
    false_rollbacks: int = 0
    why: str = ""
    moments: tuple[Moment, ...] = ()
    picture: tuple[float, ...] = ()

    def of(self, kind: str) -> tuple[Shown, ...]:
        """The receivers of one kind."""
        return tuple(r for r in self.receivers if r.subject.kind == kind)

    @property
    def refused(self) -> int:
        """Messages that are lost."""
        return sum(r.refused for r in self.receivers)

    @property
    def detection(self) -> float | None:
        """From the fault to its being noticed."""
        return _between(self.fault_at, self.detected)

    @property
    def repair(self) -> float | None:
        """From the fault to the old records on every server."""
        return _between(self.fault_at, self.repaired)

    @property
    def rollback(self) -> float | None:
        """From the decision to the old records on every server."""
        return _between(self.decided, self.repaired)

    @property
    def duration(self) -> float:
        """All of it."""
        return self.ended - self.began


def _between(start: float | None, end: float | None) -> float | None:
    return end - start if start is not None and end is not None else None


def middle(receivers: Iterable[Shown]) -> float:
    """The median outage, in seconds."""
    return median(r.outage for r in receivers)


def worst(receivers: Iterable[Shown]) -> float:
    """The longest outage, in seconds."""
    return max(r.outage for r in receivers)


def shown(subjects: Sequence[Subject], deliveries: Iterable[Delivery], end: float) -> tuple[Shown, ...]:
    """Each receiver's time up to `end`."""
    return tuple(_one(s, own, end) for s, own in zip(subjects, _each(len(subjects), deliveries), strict=True))


def _each(count: int, deliveries: Iterable[Delivery]) -> list[list[Delivery]]:
    out: list[list[Delivery]] = [[] for _ in range(count)]
    for d in sorted(deliveries, key=lambda d: d.at):
        out[d.receiver].append(d)
    return out


def _one(subject: Subject, own: list[Delivery], end: float) -> Shown:
    spans = list(_spans(own, end))
    bad = [d.at for d in own if d.code >= 500]
    return Shown(
        subject,
        sum(until - d.at for d, until in spans if d.code >= 400),
        len(bad),
        sum(1 for d in own if 400 <= d.code < 500),
        len(own),
        min(bad, default=None),
        max(bad, default=None),
    )


def _spans(own: list[Delivery], end: float) -> list[tuple[Delivery, float]]:
    nexts = [*(d.at for d in own[1:]), max(end, own[-1].at)] if own else []
    return list(zip(own, nexts, strict=True))


def picture(
    count: int, deliveries: Iterable[Delivery], start: float, end: float, bin_s: float = MAIL_EVERY
) -> tuple[float, ...]:
    """The share of receivers to whom mail is refused, for each `bin_s` seconds from `start` to `end`.

    A receiver counts by its last message begun in or before that time.
    """
    bins = max(1, int((end - start) / bin_s))
    out = [0] * bins
    for own in _each(count, deliveries):
        at, refused = 0, False
        for n in range(bins):
            while at < len(own) and own[at].at < start + (n + 1) * bin_s:
                refused = own[at].code >= 400
                at += 1
            out[n] += refused
    return tuple(n / count for n in out)
