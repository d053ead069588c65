"""Events as journal lines (JSON objects) and back."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from dns_cutover.engine.events import AnyEvent, Event
from dns_cutover.store.interface import Envelope


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Event]:
    return TypeAdapter(AnyEvent)


def event_data(event: Event) -> dict[str, Any]:
    """The event's own fields as JSON data."""
    data: dict[str, Any] = _adapter().dump_python(event, mode="json")
    return data


def to_envelope(run_id: str, seq: int, event: Event) -> Envelope:
    """The event as it is stored."""
    body = {**event_data(event), "seq": seq, "run_id": run_id}
    return Envelope(run_id, seq, event.ts, json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def from_envelope(envelope: Envelope) -> Event:
    """The event in an envelope; fields that this version does not know are left out.

    Raises ValueError (pydantic's) for an event that it does not know.
    """
    return _adapter().validate_json(envelope.body)
