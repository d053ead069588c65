"""A zone in, what a first plan of it begins with out; and the proof that a written plan says what is live."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from dns_cutover.assembly.setting import Setting
from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.lookup.views import LiveView, NameView
    from dns_cutover.plan.finding import Finding
    from dns_cutover.plan.models import LookupConfig
    from dns_cutover.plan.starting import Found, Record

# Every server is asked for these, so that the highest TTL counts; the rest is what one server says.
_EVERYWHERE = ("A", "AAAA", "CNAME", "MX", "TXT")


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a zone's servers say, and notes for people about what they disagree in."""

    found: Found
    notes: tuple[str, ...] = ()


async def survey(
    zone: str, owners: Collection[str], records: Collection[Record], lookup: LookupConfig, setting: Setting
) -> Surveyed:
    """Everything at `owners` (absolute names) and the apex, from the zone's own servers. Writes nothing, reads no
    secret, and asks no cache for any of these names. Raises Unavailable, UsageError.
    """
    from dns_cutover.assembly.looking import zone_servers
    from dns_cutover.lookup.live import take_live_view
    from dns_cutover.records import RRsetKey

    servers = await zone_servers(zone, lookup, setting)
    places = tuple(dict.fromkeys((zone, *owners)))
    keys = {RRsetKey("zone", o, t) for o in places for t in _EVERYWHERE}
    keys |= {RRsetKey("zone", o, t) for o, t in records}
    whole = {("zone", o) for o in places}
    view = await take_live_view({"zone": servers}, sorted(keys), whole, setting.asker(), setting.clock)
    if "zone" not in view.soa:
        raise Unavailable(
            f"the zone {zone} cannot be looked at",
            "; ".join(view.problems) + "." if view.problems else "None of its servers gave a SOA.",
            (
                "for a name inside a zone: dns-cutover init ZONE --record NAME/TYPE",
                "for a private zone: --authoritative ADDRESS[:PORT] lists its servers, --bootstrap ADDRESS finds them",
            ),
        )
    for owner in places:
        _usable(view.names["zone", owner], zone)
    return Surveyed(_found(zone, view), tuple(_notes(view)))


def _usable(name: NameView, zone: str) -> None:
    if name.problem:
        raise Unavailable(f"{name.owner} cannot be looked at", f"{name.problem}.")
    inside = name.cut if name.cut and name.cut != zone else ""
    if inside:
        raise UsageError(
            f"{name.owner} is not in the zone {zone}",
            f"It belongs to {inside}, which is delegated.",
            (f"dns-cutover init {inside}",),
        )
    if name.dname:
        raise UsageError(
            f"{name.owner} does not exist by itself", f"The DNAME at {name.dname} stands for it (RFC 6672)."
        )


def _found(zone: str, view: LiveView) -> Found:
    from dns_cutover.plan.starting import Found

    rrsets = {(k.owner, k.rdtype): r for k, r in view.rrsets.items() if r is not None}
    soa = view.soa["zone"]
    servers = tuple(f"{v.server.name} {v.server}" for v in view.servers if not v.problem)
    wildcards = {owner: n.wildcard for (_, owner), n in view.names.items() if n.wildcard}
    return Found(zone, soa, MappingProxyType(rrsets), MappingProxyType(wildcards), servers)


def _notes(view: LiveView) -> Iterator[str]:
    yield from view.problems
    for d in view.disagreements:
        yield f"the zone's servers disagree about {d.key.owner} {d.key.rdtype}; the plan has what the first one says"


def check_beginning(text: str, file: str, found: Found, setting: Setting) -> tuple[Finding, ...]:
    """Findings of a plan that was just written from `found`, offline. What it says about now must be what was found:
    a text from DNS that changes the plan's meaning must not get into a file.

    Raises PlanInvalid; RuntimeError where the plan says something else than was found.
    """
    import asyncio

    from dns_cutover.assembly.examining import Request, examine
    from dns_cutover.plan.expand import expand_changes
    from dns_cutover.plan.loader import parse_plan

    loaded = parse_plan(text.encode(), file, {})
    seen = set()
    for stage in loaded.plan.stages:
        for p in expand_changes(loaded.plan, stage):
            where = (p.key.owner, p.key.rdtype)
            if where in seen or p.kind != "set":
                continue
            seen.add(where)
            live = found.rrsets.get(where)
            if p.before != (live.values if live is not None else None):
                raise RuntimeError(f"the plan written for {found.zone} does not say what is live at {where[0]}")
    return asyncio.run(examine(loaded, setting, Request(offline=True))).findings
