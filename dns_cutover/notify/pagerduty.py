"""PagerDuty Events API v2: one alert per run, and a change event per step.

developer.pagerduty.com/docs/events-api-v2: POST to /v2/enqueue with routing_key, event_action (trigger, acknowledge,
resolve), dedup_key and payload (summary of at most 1,024 characters, source, severity); change events to
/v2/change/enqueue with payload (summary, source, timestamp, custom_details). 202 is accepted; 400 is not sent again,
429, 5xx and network errors are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from dns_cutover.notify.interface import Notification
from dns_cutover.notify.post import post
from dns_cutover.plan.notify_models import Kind
from dns_cutover.providers.secret import Secret
from dns_cutover.report.words import safe, utc

BASES: Mapping[str, str] = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
EVENTS, CHANGES = "/v2/enqueue", "/v2/change/enqueue"
MAX_SUMMARY = 1024
_ALERTING = frozenset({"hold", "rollback"})


def request(n: Notification) -> tuple[str, dict[str, Any]]:
    """The path, and the body without its routing key."""
    payload: dict[str, Any] = {
        "summary": safe(f"{n.summary}: {n.why}" if n.why else n.summary)[:MAX_SUMMARY],
        "source": n.zones[0] if n.zones else "dns-cutover",
        "timestamp": utc(n.at),
        "custom_details": {
            "run_id": n.run_id,
            "seq": n.seq,
            "id": n.id,
            "plan": safe(n.plan),
            "runbook_sha256": n.runbook_sha256,
            "zones": ", ".join(n.zones)[:1000],
            "stage": safe(n.stage),
            "step": safe(n.step),
            **({"outcome": n.outcome} if n.outcome else {}),
            **{f"command {k}": safe(f"{command}   {effect}") for k, (command, effect) in enumerate(n.unblock, 1)},
        },
    }
    action = _action(n)
    if action is None:
        return CHANGES, {"payload": payload, "links": []}
    payload["severity"] = n.severity
    payload["component"] = "dns"
    payload["group"] = safe(n.plan)[:255]
    payload["class"] = n.kind
    return EVENTS, {
        "event_action": action,
        "dedup_key": f"dns-cutover/{n.run_id}/{n.runbook_sha256}"[:255],
        "client": "dns-cutover",
        "payload": payload,
    }


def _action(n: Notification) -> str | None:
    """None: a change event. A rollback that failed is no end of the alert: it is what people are needed for."""
    if n.kind in _ALERTING or n.outcome == "rollback_failed":
        return "trigger"
    if n.kind == "resumed":
        return "acknowledge"
    return "resolve" if n.kind == "end" else None


class PagerDutySender:
    """Implements `interface.Sender`. `base` is the address of the service region, as in BASES."""

    def __init__(self, name: str, routing_key: Secret, on: Collection[str], base: str) -> None:
        self._name = name
        self._routing_key = routing_key
        # An alert that was triggered is resolved, whatever the plan lists.
        self._on = frozenset(on) | ({"end", "resumed"} if _ALERTING & set(on) else frozenset())
        self._base = base

    def wants(self, kind: Kind) -> bool:
        """See the interface."""
        return kind in self._on

    def send(self, notification: Notification) -> None:
        """See the interface."""
        path, body = request(notification)
        text = json.dumps({"routing_key": self._routing_key.reveal(), **body}, ensure_ascii=True).encode()
        post(self._base + path, text, (), (202,), self._name)
