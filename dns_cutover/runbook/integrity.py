"""Whether a runbook from a file makes sense: what the types of its fields cannot say. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from dns_cutover.records import RRset, RRsetKey, SetEdit, absolute_name, canonical_rdata, canonical_type
from dns_cutover.runbook.model import WRITES, Runbook, Step, StepKind, Window, ZoneInfo
from dns_cutover.runbook.window import window_opens
from dns_cutover.timing.lifetime import negative_ttl

MAX_TTL = 2**31 - 1
MAX_SECONDS = 1e9  # thirty years: sums of them stay dates


def faults(book: Runbook) -> Iterator[str]:
    """What is wrong, one sentence each; nothing for what `preview` writes. Raises ValueError for RDATA and names."""
    refs = {z.ref for z in book.zones}
    stages = {s.name for s in book.stages}
    if not book.zones or not book.steps:
        yield "it has no zones or no steps"
    for what, names in (
        ("zone", [z.ref for z in book.zones]),
        ("stage", [s.name for s in book.stages]),
        ("step", [s.id for s in book.steps]),
    ):
        yield from (f"{what} {name} is there twice" for name, n in Counter(names).items() if n > 1)
    needs = {s.name: s.needs for s in book.stages}
    yield from _seconds("its stages", needs.values())
    numbers = [*book.floors, book.client_floor, book.grace, book.rollback.max_pause, book.rollback.keep_for]
    numbers += [z.guarantees.propagation_bound for z in book.zones]
    yield from _seconds("the runbook", numbers)
    for zone in book.zones:
        if absolute_name(zone.name) != zone.name:
            yield f"zone {zone.ref}: {zone.name} is no absolute name"
        if zone.negative_ttl < negative_ttl(RRset(zone.soa_ttl, (canonical_rdata("SOA", zone.soa),))):
            yield f"zone {zone.ref}: its negative TTL is lower than that of its SOA"
        yield from _config(zone)
    for step in book.steps:
        yield from _step(step, refs, stages, needs)
    yield from _seconds("its freezes", [t for f in book.freezes for t in (f.start, f.end)], 1e11)
    yield from (f for s in book.seen for f in _rrset("the live view", s.key, s.found, refs))


def _step(step: Step, refs: set[str], stages: set[str], needs: Mapping[str, float]) -> Iterator[str]:
    if step.stage not in stages:
        yield f"step {step.id}: there is no stage {step.stage}"
    if step.kind in WRITES and step.zone not in refs and step.edits:
        yield f"step {step.id}: there is no zone {step.zone}"
    if step.kind is StepKind.CONFIRM and step.confirm is None:
        yield f"step {step.id}: it asks for no confirmation"
    times = [step.seconds, step.lead, step.gate.deadline, step.gate.round_gap]
    times += [t for x in step.exposures for t in (x.old_s, x.undo_s)]
    times += [t for p in step.probes for t in (p.interval, p.timeout, p.initial_delay)]
    item = step.confirm
    times += [t for t in (item.timeout, item.valid_for) if t is not None] if item is not None else []
    yield from _seconds(f"step {step.id}", times)
    if step.window is not None:
        yield from _window(step.id, step.window, needs.get(step.stage, 0.0))
    for edit in step.edits:
        if isinstance(edit, SetEdit):
            yield from _rrset(step.id, edit.key, edit.before, refs)
            yield from _rrset(step.id, edit.key, edit.after, refs)
        else:
            values = tuple(sorted({*edit.remove, *edit.add, *edit.require, *edit.forbid}))
            yield from _rrset(step.id, edit.key, RRset(edit.ttl, values or ("",)), refs, bare=True)
        if step.zone and edit.key.zone != step.zone:
            yield f"step {step.id}: {edit.key.owner} is not in its zone"
    keys = {e.key for e in step.edits}
    yield from (f"step {step.id}: {x.key.owner} is not among its edits" for x in step.exposures if x.key not in keys)
    yield from (f"step {step.id}: there is no zone {k.zone}" for k, _ in step.accepts if k.zone not in refs)


def _config(zone: ZoneInfo) -> Iterator[str]:
    """Where it is written and asked, as in a plan."""
    from pydantic import TypeAdapter, ValidationError

    from dns_cutover.plan.zone_models import LookupConfig, ProviderConfig

    provider = {k: v for k, v in zone.provider.items() if k != "propagation_bound"}  # in seconds here, and checked
    try:
        LookupConfig.model_validate(dict(zone.lookup))
        TypeAdapter[ProviderConfig](ProviderConfig).validate_python(provider)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        yield f"zone {zone.ref}: {'.'.join(map(str, first['loc']))}: {first['msg']}"


def _seconds(where: str, values: Iterable[float], most: float = MAX_SECONDS) -> Iterator[str]:
    for value in values:
        if not (math.isfinite(value) and 0 <= value <= most):
            yield f"{where}: {value:g} is no number of seconds"


def _window(where: str, window: Window, needs: float) -> Iterator[str]:
    if not window.days or not set(window.days) <= set(range(1, 8)):
        yield f"step {where}: its window has days that no week has"
    try:
        window_opens(window, 0.0, needs)
    except (ValueError, KeyError, OSError):
        yield f"step {where}: its window never opens, or its time zone is unknown"


def _rrset(where: str, key: RRsetKey, rrset: RRset | None, refs: set[str], *, bare: bool = False) -> Iterator[str]:
    """`bare`: values of an edit by value, of which there may be none."""
    if key.zone not in refs:
        yield f"{where}: there is no zone {key.zone}"
    if absolute_name(key.owner) != key.owner or canonical_type(key.rdtype) != key.rdtype:
        yield f"{where}: {key.owner} {key.rdtype} is not written as it must be"
    if rrset is None:
        return
    if not 0 <= rrset.ttl <= MAX_TTL:
        yield f"{where}: {rrset.ttl} is no TTL"
    if bare and rrset.values == ("",):
        return
    if tuple(sorted({canonical_rdata(key.rdtype, v) for v in rrset.values})) != rrset.values:
        yield f"{where}: the values of {key.owner} {key.rdtype} are not written as they must be"
