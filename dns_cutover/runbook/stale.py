"""Whether what a runbook was made from is still so: the RRsets, TTLs and servers that it depends on. Pure.

A serial alone is no difference: the zone may move elsewhere. By-value edits depend on their own values and the TTL, so
that what others add at the name in the meantime does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dns_cutover.errors import StaleRunbook
from dns_cutover.lookup.interface import Endpoint, ServerView
from dns_cutover.lookup.views import LiveView
from dns_cutover.records import RRset, RRsetKey, ValueEdit
from dns_cutover.runbook.around import around
from dns_cutover.runbook.model import Runbook, Seen, ZoneInfo
from dns_cutover.timing.lifetime import negative_ttl

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was. `where`: the servers that say so, for people; empty: all that is known."""

    what: str
    expected: str
    found: str
    where: str = ""


def keys_of(book: Runbook) -> tuple[RRsetKey, ...]:
    """The plan's own RRsets, changed and unchanged: what is to be asked for, with `around.keys_to_ask`."""
    return tuple(s.key for s in book.seen if s.role in ("changed", "unchanged"))


def differences(book: Runbook, live: LiveView) -> tuple[Difference, ...]:
    """What `live` has otherwise than the live view that the runbook was made from. `live` must have been asked for
    what the first one was asked for: see `keys_of`."""
    out: list[Difference] = []
    for zone in book.zones:
        out += _zone(zone, live)
    by_value = _by_value(book)
    own = {s.key: s for s in book.seen if s.role in ("changed", "unchanged")}
    for key, seen in own.items():
        out += _record(book, seen, by_value.get(key), [v for v in live.servers if v.zone == key.zone])
    out += _around(book, live, own)
    return tuple(out)


def _zone(zone: ZoneInfo, live: LiveView) -> Iterator[Difference]:
    name = zone.name
    known = live.zones.get(zone.ref)
    before, now = _addresses(zone.servers), _addresses(known.endpoints if known is not None else ())
    if before != now:
        gone, come = sorted(before - now), sorted(now - before)
        parts = [f"without {', '.join(gone)}"] if gone else []
        parts += [f"also {', '.join(come)}"] if come else []
        yield Difference(f"the servers of {name}", ", ".join(sorted(before)), "; ".join(parts))
    soa = live.soa.get(zone.ref)
    if soa is not None and negative_ttl(soa) != zone.negative_ttl:
        yield Difference(
            f"the SOA of {name}",
            f"absence is cached for {zone.negative_ttl} s",
            f"absence is cached for {negative_ttl(soa)} s",
        )
    for view in live.servers:
        if view.zone == zone.ref and view.problem:
            yield Difference(f"a server of {name}", "an answer", view.problem, _name(view))


def _addresses(servers: Iterable[Endpoint]) -> set[str]:
    return {str(server) for server in servers}


def _name(view: ServerView) -> str:
    address = str(view.server)
    return address if view.server.name in (address, "") else f"{view.server.name} ({address})"


def _by_value(book: Runbook) -> dict[RRsetKey, frozenset[str]]:
    """The values that edits by value are about, per RRset that is edited only so."""
    values: dict[RRsetKey, set[str]] = {}
    whole = set()
    changed = {s.key for s in book.seen if s.role == "changed"}
    for edit in (e for step in book.steps for e in step.edits if e.key in changed):
        if isinstance(edit, ValueEdit):
            values.setdefault(edit.key, set()).update(edit.remove, edit.add, edit.require, edit.forbid)
        else:
            whole.add(edit.key)
    return {key: frozenset(v) for key, v in values.items() if key not in whole}


def _record(
    book: Runbook, seen: Seen, values: frozenset[str] | None, views: Iterable[ServerView]
) -> Iterator[Difference]:
    """One difference for each other answer that servers give."""
    answers: dict[RRset | None, list[ServerView]] = {}
    asked = 0
    for view in views:
        if seen.key not in view.rrsets:
            continue  # a problem of that server, which is told
        asked += 1
        found = view.rrsets[seen.key]
        if not _same(seen.found, found, values):
            answers.setdefault(found, []).append(view)
    for found, said in answers.items():
        where = f"{len(said)}/{asked} servers" if len(said) > 2 else ", ".join(map(_name, said))
        yield Difference(book.label(seen.key), _text(seen.found), _text(found), where)


def _same(before: RRset | None, now: RRset | None, values: frozenset[str] | None) -> bool:
    if values is None or before is None or now is None:
        return before == now
    return before.ttl == now.ttl and values & set(before.values) == values & set(now.values)


def _text(rrset: RRset | None) -> str:
    if rrset is None:
        return "absent"
    more = f" and {len(rrset.values) - SHOWN} more" if len(rrset.values) > SHOWN else ""
    return f"{', '.join(rrset.values[:SHOWN])}{more} (TTL {rrset.ttl})"


def _around(book: Runbook, live: LiveView, own: dict[RRsetKey, Seen]) -> Iterator[Difference]:
    """Aliases, other types at an alias's name, wildcards: what is there, and at which TTL."""
    names = {z.ref: z.name for z in book.zones}
    before = {s.key: s.found for s in book.seen if s.key not in own}
    after = around([k for k, s in own.items() if s.role == "changed"], live.rrsets, names)
    for key in sorted({*after, *before} - set(own)):
        was, now = before.get(key), after.get(key)
        if (was.ttl if was is not None else None) != (now.ttl if now is not None else None):
            what = "a wildcard" if key.owner.startswith("*.") else "beside it"
            yield Difference(f"{book.label(key)} ({what})", _text(was), _text(now))


def stale(book: Runbook, sha256: str, found: tuple[Difference, ...]) -> StaleRunbook:
    """The refusal: what was expected and what was found, worst first, the rest counted."""
    facts: list[tuple[str, str]] = []
    for d in found[:SHOWN]:
        facts += [
            ("record", d.what),
            ("expected", f"{d.expected}, in runbook {sha256[:12]}"),
            ("found", f"{d.found} at {d.where}" if d.where else d.found),
        ]
    if len(found) > SHOWN:
        facts.append(("", f"and {len(found) - SHOWN} more differences"))
    rest = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return StaleRunbook(
        f"{found[0].what}{rest} changed since this runbook of {book.plan} was made. Nothing was written",
        "What it would do, and how long it would wait, was worked out from what was there before.",
        ("dns-cutover preview PLAN -o RUNBOOK   make a new one, and agree on it again",),
        tuple(facts),
    )
