"""What is asked of Route 53 and what it answers, as plain values: the decisions and the edge meet here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Action = Literal["CREATE", "DELETE", "UPSERT"]


@dataclass(frozen=True, slots=True)
class RecordSet:
    """One ResourceRecordSet, spelled as Route 53 spells it.

    `ttl` is in seconds, None for an alias. `rest` is everything else that it has, as JSON with sorted keys: alias
    target, weight, health check and the like. It is kept as it came, since a DELETE must have all of it.
    """

    name: str
    rdtype: str
    ttl: int | None
    values: tuple[str, ...]
    set_id: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class BatchChange:
    """One element of a change batch."""

    action: Action
    record: RecordSet


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that Route 53 answered with: its code, what it says of it, the HTTP status, and its clock.

    `messages`: for InvalidChangeBatch one for each change that is wrong.
    """

    code: str
    messages: tuple[str, ...] = ()
    status: int = 400
    server_time: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of record sets in the order of Route 53. `next`: where the next one begins, None at the end."""

    records: tuple[RecordSet, ...]
    next: Start | None
    server_time: float | None = None


Start: TypeAlias = tuple[str, str, str]  # name, type, set identifier; empty: from the first on


@dataclass(frozen=True, slots=True)
class Accepted:
    """A batch was applied, as `change`; `insync`: all name servers have it already."""

    change: str
    insync: bool
    server_time: float | None = None


@dataclass(frozen=True, slots=True)
class HostedZone:
    """One hosted zone. `id` without "/hostedzone/", `name` as Route 53 spells it, `records` how many sets it has.

    `vpcs` are (region, VPC id) of a private zone, `servers` the name servers of a public one; both only if it was asked
    for by its id.
    """

    id: str
    name: str
    private: bool
    records: int
    comment: str = ""
    vpcs: tuple[tuple[str, str], ...] = ()
    servers: tuple[str, ...] = ()


class Transport(Protocol):
    """Route 53's interface as the decisions see it. Nothing is sent twice here: who asks again is decided above.

    Each call raises Unreachable where no usable answer came (`maybe_applied` is false only if nothing was sent), and
    Refused where nothing can be sent at all (no credentials).
    """

    async def list(self, zone_id: str, start: Start | None, limit: int) -> Page | Failure:
        """ListResourceRecordSets: at most `limit` (300) sets from `start` on."""
        ...

    async def change(self, zone_id: str, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        """ChangeResourceRecordSets: all of the batch or nothing."""
        ...

    async def get_change(self, change: str) -> Accepted | Failure:
        """GetChange: whether all name servers have it."""
        ...

    async def zones(self, name: str) -> tuple[HostedZone, ...] | Failure:
        """ListHostedZonesByName: all zones with exactly this name."""
        ...

    async def zone(self, zone_id: str) -> HostedZone | Failure:
        """GetHostedZone."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
