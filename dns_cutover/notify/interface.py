"""What is told, and who tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dns_cutover.plan.notify_models import Kind

SCHEMA = "dns-cutover/notification/1"
ATTEMPT_S = 10.0  # one attempt of any kind takes so long at most

Severity = Literal["info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that people are told of a run. It follows from the journal alone.

    `id` is the same however often and by whomever it is sent: the run, the event's number, the kind. `at` is when
    it happened, seconds UTC. `summary` is one line, `why` one sentence or empty, `outcome` is there at the end only.
    `unblock` has (command, effect) pairs for people. Texts from DNS and from plans are in it: whoever shows them
    escapes them for where they are shown.
    """

    id: str
    kind: Kind
    severity: Severity
    run_id: str
    seq: int
    at: float
    plan: str
    runbook_sha256: str
    zones: tuple[str, ...]
    stage: str
    step: str
    summary: str
    why: str
    outcome: str
    unblock: tuple[tuple[str, str], ...]


class Failed(Exception):
    """It was not delivered. `why` is a few words without secrets; `again`: another attempt may help, not before
    `after` seconds.
    """

    def __init__(self, why: str, *, again: bool, after: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.again = again
        self.after = after


class Sender(Protocol):
    """One kind of notification with all that it needs. Called in a thread of its own, one call at a time."""

    def wants(self, kind: Kind) -> bool:
        """Whether it tells this kind at all."""
        ...

    def send(self, notification: Notification) -> None:
        """Deliver within ATTEMPT_S seconds, or raise Failed."""
        ...


def document(n: Notification) -> dict[str, Any]:
    """The notification as the JSON document that webhooks and commands get. Additive within the schema's version."""
    from dns_cutover.report.words import utc

    return {
        "schema": SCHEMA,
        "id": n.id,
        "kind": n.kind,
        "severity": n.severity,
        "run_id": n.run_id,
        "seq": n.seq,
        "at": utc(n.at),
        "plan": n.plan,
        "runbook_sha256": n.runbook_sha256,
        "zones": list(n.zones),
        "stage": n.stage or None,
        "step": n.step or None,
        "summary": n.summary,
        "why": n.why or None,
        "outcome": n.outcome or None,
        "unblock": [{"command": command, "effect": effect} for command, effect in n.unblock],
    }
