"""What every backend asks of envelopes before it takes them, so that all of them behave alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dns_cutover.store.interface import MAX_RUN_ID, Envelope


def checked(envelopes: Sequence[Envelope]) -> tuple[Envelope, ...]:
    """The envelopes of one append, fit to be stored. Raises ValueError for what only a faulty caller would pass.

    A lone surrogate, which UTF-8 cannot carry, becomes its JSON escape: the body stays the same JSON.
    """
    if not envelopes:
        raise ValueError("an append needs at least one envelope")
    first = envelopes[0]
    if not 0 < len(first.run_id) <= MAX_RUN_ID:
        raise ValueError(f"a run id has 1 to {MAX_RUN_ID} characters")
    if first.seq < 0:
        raise ValueError("seq counts from 0")
    for offset, envelope in enumerate(envelopes):
        if (envelope.run_id, envelope.seq) != (first.run_id, first.seq + offset):
            raise ValueError("an append takes envelopes of one run with consecutive seq")
        if not math.isfinite(envelope.ts):
            raise ValueError("ts is not a time")
    return tuple(replace(e, body=e.body.encode("utf-8", "backslashreplace").decode()) for e in envelopes)
