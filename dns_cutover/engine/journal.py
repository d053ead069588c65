"""Events as journal lines (JSON objects) and back."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dns_cutover.engine.events import AnyEvent, Event
from dns_cutover.errors import CutoverError
from dns_cutover.store.interface import Envelope


class UnknownEvent(CutoverError, ValueError):
    """A journal has an entry that this version cannot read: nothing is known of the run from there on."""


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

    Raises UnknownEvent for one that this version does not know; nothing of its text is repeated.
    """
    try:
        return _adapter().validate_json(envelope.body)
    except ValidationError:
        raise UnknownEvent(
            f"entry {envelope.seq} in the journal of run {envelope.run_id} cannot be read by this version",
            "A newer version of dns-cutover wrote it, or it is damaged. Nothing was done to that run.",
            ("dns-cutover --version   use the version that drives the run, or a newer one",),
        ) from None
