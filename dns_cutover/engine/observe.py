"""What answers mean for the run: authoritative rounds and resolvers' evidence as events. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState
from dns_cutover.lookup.interface import AuthoritativeRound, Evidence, Expectation, ResolverRound, ServerView
from dns_cutover.records import Change, Edit, RRset, RRsetKey, SetEdit, ValueEdit, realise, satisfied
from dns_cutover.records.serial import serial_newer
from dns_cutover.runbook.model import Step, StepKind
from dns_cutover.timing.lifetime import CachePolicy, lifetime

ORDER = tuple(Evidence)  # worst first
CONTRADICT = frozenset({Evidence.VIOLATOR, Evidence.BOGUS})


def observed(s: RunState, step: Step, looked: AuthoritativeRound, now: float, *, before: bool) -> ev.Observed:
    """One round of all authoritative servers, judged: who does not agree with the edits, and how."""
    trouble = []
    for view in looked.views:
        edits = [e for e in step.edits if e.key.zone == view.zone]
        if edits and (found := _judge(s, view, edits, before)) is not None:
            trouble.append(found)
    for zone in sorted({e.key.zone for e in step.edits} - {v.zone for v in looked.views}):
        name = s.book.zone(zone).name
        trouble.append(ev.ServerTrouble(name, "", False, f"no authoritative server of {name} is known"))
    serials = tuple(v.serial for v in looked.views if v.serial is not None)
    return ev.Observed(now, step.id, len(looked.views), tuple(trouble), serials)


def longer_lived(s: RunState, step: Step, looked: AuthoritativeRound, now: float) -> tuple[ev.Extended, ...]:
    """Versions that some server served just now with a longer TTL than the wait for their end was computed for: a
    secondary that has gone back to an older zone, say.
    """
    policy = CachePolicy(s.book.floors, s.book.client_floor)
    lives = {x.key: x.old_s for x in step.exposures}
    out = []
    for edit in step.edits:
        key = edit.key
        counted = lives.get(key) if step.kind is StepKind.CONVERGE else _counted(edit, policy)
        if counted is None:
            continue
        views = (v.rrsets.get(key) for v in looked.views if v.zone == key.zone)
        ttl = max((r.ttl for r in views if r is not None and not satisfied(edit, r)), default=None)
        if ttl is not None and (life := lifetime(ttl, policy)) > max(counted, s.longer.get(key, counted)):
            out.append(ev.Extended(now, step.id, key, ttl, now + life, s.serials.get(key, 0)))
    return tuple(out)


def _counted(edit: Edit, policy: CachePolicy) -> float | None:
    """How long the version lives that the edit expects, in seconds; None where it expects none."""
    match edit:
        case SetEdit(_, before, _):
            return lifetime(before.ttl, policy) if before is not None else None
        case ValueEdit():
            return lifetime(edit.ttl_before, policy) if edit.ttl_before is not None else None
        case _:
            assert_never(edit)


def _judge(s: RunState, view: ServerView, edits: list[Edit], before: bool) -> ev.ServerTrouble | None:
    name, address = view.server.name, str(view.server)
    if view.problem:
        return ev.ServerTrouble(name, address, view.wrong, view.problem)
    bad = []
    for edit in edits:
        if edit.key not in view.rrsets:
            return ev.ServerTrouble(name, address, False, f"did not answer for {s.book.label(edit.key)}")
        found = view.rrsets[edit.key]
        fits = isinstance(realise(edit, found), Change) if before else satisfied(edit, found)
        if not fits:
            bad.append((edit, found))
    if not bad:
        behind = next((e.key for e in edits if _behind(s, view, e.key)), None)
        if behind is None:
            return None
        why = f"serves a zone from before the longer TTL of {s.book.label(behind)} was taken back"
        return ev.ServerTrouble(name, address, False, why)
    edit, found = bad[0]
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    verb = "has" if before else "still serves" if _is_old(edit, found) else "serves"
    return ev.ServerTrouble(name, address, True, f"{verb} {s.book.label(edit.key)} {describe(found)}{more}")


def _behind(s: RunState, view: ServerView, key: RRsetKey) -> bool:
    """Whether the version with the longer TTL may be still on its way to this server: it has not yet the zone in which
    the primary had taken it back.
    """
    if key not in s.longer or key not in s.serials or view.serial is None:
        return False
    return s.book.zone(key.zone).guarantees.serial == "ordered" and serial_newer(s.serials[key], view.serial)


def describe(rrset: RRset | None) -> str:
    """An RRset in a few words."""
    return "absent" if rrset is None else f"{', '.join(rrset.values)} (TTL {rrset.ttl})"


def found_there(foreign: ev.Foreign) -> str:
    """What stands where this run's record was, in a few words."""
    return foreign.kind or describe(foreign.found)


def _is_old(edit: Edit, found: RRset | None) -> bool:
    return isinstance(realise(edit, found), Change)


def expectations(s: RunState, step: Step) -> tuple[Expectation, ...]:
    """What resolvers should say while `step` converges; edits that change no data have nothing to show there."""
    accepts = dict(step.accepts)
    out = []
    for edit in step.edits:
        ttl = _new_ttl(edit)
        if not _changes_data(edit):
            continue
        out.append(
            Expectation(
                edit.key,
                edit,
                changed_at=s.exposed_since if s.exposed_since is not None else s.since,
                dead_at=s.dead.get(edit.key, s.since),
                new_ttl=s.book.zone(edit.key.zone).negative_ttl if ttl is None else ttl,
                accept=accepts.get(edit.key),
            )
        )
    return tuple(out)


def _changes_data(edit: Edit) -> bool:
    match edit:
        case SetEdit(_, before, after):
            return (before.values if before else None) != (after.values if after else None)
        case ValueEdit():
            return bool(edit.add or edit.remove)
        case _:
            assert_never(edit)


def _new_ttl(edit: Edit) -> int | None:
    match edit:
        case SetEdit(_, _, after):
            return after.ttl if after else None
        case ValueEdit():
            return edit.ttl
        case _:
            assert_never(edit)


def count_resolvers(s: RunState, step: Step, asked: ResolverRound, now: float) -> ev.Resolvers:
    """Evidence counted per resolver: its worst row counts. Errors are in neither numerator nor denominator."""
    worst: dict[str, Evidence] = {}
    complete = True
    for row in asked.rows:
        name = f"{row.resolver.name} {row.resolver}"
        if name not in worst or ORDER.index(row.evidence) < ORDER.index(worst[name]):
            worst[name] = row.evidence
        if row.at < s.dead.get(row.key, 0.0) and row.evidence is not Evidence.ERROR:
            complete = False
        # Within its life or just stale: the next answer decides.
        complete = complete and row.evidence not in (Evidence.PENDING, Evidence.STALE)
    counts = Counter(worst.values())
    counted = sum(n for e, n in counts.items() if e is not Evidence.ERROR)
    agree = counted - sum(counts[e] for e in CONTRADICT)
    violators = tuple(sorted(n for n, e in worst.items() if e in CONTRADICT))
    listed = tuple((e.value, counts[e]) for e in ORDER if counts[e])
    next_due = asked.next_due if asked.next_due != math.inf else 1e15
    return ev.Resolvers(now, step.id, listed, agree, counted, violators, complete, next_due)
