"""DC3xx: TTLs of what stands around the changes: other servers, targets, absence, resolvers, the parent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dns_cutover.checks.interface import Example, Located, Spot, Subject, added, check
from dns_cutover.checks.moves import makes_room
from dns_cutover.checks.ttl import policy, ttl_of
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.views import TargetView
from dns_cutover.records import RRset, RRsetKey, SetEdit, ValueEdit
from dns_cutover.records.targets import targets_of
from dns_cutover.runbook.model import Exposure, StepKind
from dns_cutover.timing.exposure import delegation_tail
from dns_cutover.timing.lifetime import lifetime, negative_ttl
from dns_cutover.timing.words import bound

_LIVE = "www 3600 IN A 192.0.2.10\n"
_CNAME = "{name: www, type: CNAME, from: [edge.oldcdn.test.], to: [edge.newcdn.test.]}"
# Types whose target clients go on to; name servers are found by their delegation, and a PTR only names a host.
_FOLLOWED = frozenset({"CNAME", "HTTPS", "MX", "SRV", "SVCB"})
_OLD_ALIAS = "www 3600 IN CNAME edge.oldcdn.test.\n"


def _stage(change: str, more: str = "") -> str:
    return f"stages:\n  - name: switch\n{more}    changes:\n      - {change}\n"


_SWITCH = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


@check(
    "DC304",
    "warning",
    "servers give different TTLs",
    why="Only the highest one says for how long caches hold the old answer.",
    hint="find the server that was not loaded again, or wait for the transfer",
    source="RFC 2181 section 5.2",
    needs="live",
    fires=Example(_SWITCH, zone=_LIVE, secondary="www 86400 IN A 192.0.2.10\n"),
    silent=Example(_SWITCH, zone=_LIVE, secondary=_LIVE),
)
def ttls_differ(subject: Subject) -> Iterator[Spot]:
    """Servers of one zone that have the same data at different TTLs have not finished a transfer, or one of them has a
    TTL of its own. The run counts with the highest TTL; but a server that does not follow a change of the TTL may not
    follow one of the data either.
    """
    assert subject.live is not None
    changes = {c.key: c for c in reversed(subject.changes)}
    for d in subject.live.disagreements:
        if len({r.values if r is not None else None for _, r in d.answers}) > 1:
            continue  # the data differ: another finding
        given = sorted({r.ttl for _, r in d.answers if r is not None})
        change = changes.get(d.key)
        if len(given) > 1 and change is not None:
            highest = ", ".join(_who(e) for e, r in d.answers if r is not None and r.ttl == given[-1])
            ttls = " and ".join(f"{ttl} s" for ttl in given)
            yield change.spot(f"the servers give {change.label} different TTLs: {ttls} (the highest at {highest})")


def _who(endpoint: Endpoint) -> str:
    return str(endpoint) if endpoint.name in ("", str(endpoint)) else f"{endpoint.name} {endpoint}"


@check(
    "DC305",
    "info",
    "a target with a longer TTL than the run lowers to",
    why="An answer is as old as the oldest part of its chain that changes.",
    hint="ask who keeps the target to lower its TTL for the day of the move",
    source="RFC 1034 section 3.6.2; DESIGN section 5: the maximum over what changes, each with its own TTL",
    needs="live",
    fires=Example(_stage(_CNAME), zone=_OLD_ALIAS, elsewhere="edge.newcdn.test. 3600 IN A 198.51.100.7\n"),
    silent=Example(_stage(_CNAME), zone=_OLD_ALIAS, elsewhere="edge.newcdn.test. 60 IN A 198.51.100.7\n"),
)
def longer_target(subject: Subject) -> Iterator[Spot]:
    """A record that points to a host is answered in links, each with a TTL of its own. Going back with the record is
    as quick as the record's own TTL, since only what changes counts. A fault behind the new target is another matter:
    its repair reaches users only when the target's own TTL, or that of an alias on the way, is over. Where the plan
    moves the target as well, and at a longer TTL than the record that points to it, the two take as long as the longer
    one, and that is a warning.
    """
    assert subject.live is not None
    moved: dict[str, dict[str, int]] = {}
    for (owner, rdtype), ttl in _moved(subject).items():
        moved.setdefault(owner, {})[rdtype] = ttl
    for c in subject.changes:
        low = ttl_of(subject, c.stage).lower_to
        if c.key.rdtype not in _FOLLOWED:
            continue
        after = subject.after(c)
        for host in _hosts(c.key.rdtype, after if isinstance(after, tuple) else ()):
            view = subject.live.targets.get(host)
            chain = (host, *(owner for owner, _ in view.links)) if view is not None else (host,)
            slow = [(ttl, owner, t) for owner in chain for t, ttl in moved.get(owner, {}).items() if ttl > low]
            if slow:
                ttl, owner, rdtype = max(slow)
                message = f"{c.label} leads to {owner}, whose {rdtype} the plan moves at TTL {ttl}, not {low}"
                yield c.spot(message, f"lower both alike: ttl: {{lower_to: {low}s}}", severity="warning")
        for host in _hosts(c.key.rdtype, added(subject, c)):
            view = subject.live.targets.get(host)
            if view is not None and host not in moved and not any(owner in moved for owner, _ in view.links):
                yield from _longer(c, view, low)


def _hosts(rdtype: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t for v in values for t in targets_of(rdtype, v)))


def _longer(c: Located, view: TargetView, low: int) -> Iterator[Spot]:
    links = [(ttl, f"the alias {owner} has TTL {ttl}") for owner, ttl in view.links]
    if view.addresses and view.ttl is not None:
        links.append((view.ttl, f"the addresses of {view.owner} have TTL {view.ttl}"))
    ttl, what = max(links, default=(0, ""))
    if ttl > low:
        yield c.spot(f"{c.label} points to {view.owner}: {what}, longer than {low} s, so a repair there is as slow")


def _moved(subject: Subject) -> dict[tuple[str, str], int]:
    """The TTL at which the run changes the data of addresses and aliases, by (owner, type): what caches then hold."""
    out: dict[tuple[str, str], int] = {}
    for step in subject.book.steps if subject.book is not None else ():
        if step.kind is not StepKind.APPLY:
            continue
        for edit in step.edits:
            place = (edit.key.owner, edit.key.rdtype)
            if place[1] not in ("A", "AAAA", "CNAME"):
                continue
            match edit:
                case SetEdit(_, before, after):
                    changes = before is not None and not before.same_data(after)
                    ttl = before.ttl if changes and before is not None else 0
                case ValueEdit():
                    ttl = edit.ttl_before or 0
            out[place] = max(out.get(place, 0), ttl)
    return out


@check(
    "DC306",
    "info",
    "a new name that caches may deny for longer than the low TTL",
    why="Who asks for a name before it is there gets a no, and the no is cached.",
    hint="create names a stage before anybody is sent to them, and let nobody ask early",
    source="RFC 2308 section 5",
    needs="live",
    fires=Example(_stage('{name: new, type: A, from: absent, to: ["192.0.2.20"]}')),
    silent=Example(_SWITCH, zone=_LIVE),
)
def denied_at_first(subject: Subject) -> Iterator[Spot]:
    """A name, or a new type at an old name, is usable at once where nobody asked before. Where somebody did, its
    absence lives for N = min(TTL of the SOA, its MINIMUM), which the run cannot lower, and the run waits for that long
    before it goes on. In signed zones a cache may deny even what nobody asked for (RFC 8198).
    """
    makes_room = {(c.n, c.key.zone, c.key.owner) for c in subject.changes if subject.after(c) is None}
    for c in subject.changes:
        if c.planned.kind == "ttl" or subject.before(c) is not None or subject.after(c) in (None, "unknown"):
            continue
        if (c.n, c.key.zone, c.key.owner) in makes_room:
            continue  # another type makes room: everybody had an answer until then
        n, low = _negative(subject, c.key), ttl_of(subject, c.stage).lower_to
        if n is not None and n > low:
            wait = bound(lifetime(n, policy(subject, c.stage)))
            message = f"{c.label} is new: who asked for it before waits up to {wait}, its absence is cached for {n} s"
            yield c.spot(message)


def _negative(subject: Subject, key: RRsetKey) -> int | None:
    soa = subject.live.soa.get(key.zone) if subject.live is not None else None
    return negative_ttl(soa) if soa is not None else None


@check(
    "DC307",
    "warning",
    "undoing a deletion is slow",
    why="What was deleted can be put back at once, and is denied by caches all the same.",
    hint="delete in a last stage with commit: before, long after nobody asks for it any more",
    source="RFC 2308 section 5",
    needs="live",
    fires=Example(
        "safety: {allow: [delete]}\n" + _stage('{name: www, type: A, from: ["192.0.2.10"], to: absent}'), zone=_LIVE
    ),
    silent=Example(
        "safety: {allow: [delete]}\n"
        + _stage('{name: www, type: A, from: ["192.0.2.10"], to: absent}', "    commit: before\n"),
        zone=_LIVE,
    ),
)
def slow_undo(subject: Subject) -> Iterator[Spot]:
    """Lowering the TTL of a record makes leaving it quick, not coming back to it: once it is gone caches keep its
    absence for the negative TTL of the zone. A stage with commit: before does not go back by itself, and is not meant;
    nor is a record that makes room for another type at its name, since the name is never without an answer.
    """
    undo = _undo(subject)
    for c in subject.changes:
        if c.planned.kind == "ttl" or c.stage.commit == "before" or makes_room(subject, c):
            continue
        if subject.after(c) is not None or subject.before(c) in (None, "unknown"):
            continue
        usual = lifetime(ttl_of(subject, c.stage).lower_to, policy(subject, c.stage))
        found = undo.get((c.stage.name, c.key))
        if found is not None and found.undo_s > usual:
            message = f"{c.label} is deleted: going back from that takes up to {bound(found.undo_s)}"
            yield c.spot(f"{message} ({found.undo_why})")


def _undo(subject: Subject) -> dict[tuple[str, RRsetKey], Exposure]:
    steps = subject.book.steps if subject.book is not None else ()
    return {(s.stage, x.key): x for s in steps if s.kind is StepKind.APPLY for x in s.exposures}


@check(
    "DC308",
    "warning",
    "a resolver that keeps answers for another time than their TTL",
    why="The run counts with TTLs: who keeps answers for longer is still on the old side when it goes on.",
    hint="name the minimum under ttl.resolver_floor",
    source="RFC 2181 section 8 allows a maximum; a minimum breaks the TTL's promise (RFC 1035 section 3.2.1)",
    needs="live",
    fires=Example(
        _SWITCH,
        zone="www 60 IN A 192.0.2.10\n",
        note="With --resolver: it gives www A with TTL 300, and the zone's servers have 60.",
        facts={"clamps": {("office 10.0.0.53", RRsetKey("default", "www.example.test.", "A")): 300}},
    ),
    silent=Example(
        "ttl: {resolver_floor: [300s]}\n" + _SWITCH,
        zone="www 60 IN A 192.0.2.10\n",
        facts={"clamps": {("office 10.0.0.53", RRsetKey("default", "www.example.test.", "A")): 300}},
    ),
)
def clamped(subject: Subject) -> Iterator[Spot]:
    """Some resolvers lift low TTLs to a minimum. Their users get the old answer for that long, whatever the zone says;
    with ttl.resolver_floor the waits count with it. A resolver that got its answer before the TTL was lowered looks
    the same, and is right. The opposite, a maximum, harms nobody; but such a resolver shows the new answer earlier than
    others do, and proves nothing about them.
    """
    told: set[str] = set()
    changes = {c.key: c for c in reversed(subject.changes)}
    for (resolver, key), ttl in sorted(subject.world.clamps.items()):
        rrset, change = subject.live_rrset(key), changes.get(key)
        if rrset is None or change is None:
            continue
        ours = policy(subject, change.stage)
        if ttl > max(rrset.ttl, ours.first_floor) + sum(ours.resolver_floor[1:]) and resolver not in told:
            told.add(resolver)
            hint = f"ttl: {{resolver_floor: [{ttl}s]}}, unless the TTL was lowered only just now: then ask again later"
            message = f"the resolver {resolver} keeps {change.label} for {ttl} s, longer than its TTL of {rrset.ttl} s"
            yield change.spot(message, hint)
    there = [(r.ttl, c.label, c) for c in subject.changes if (r := subject.live_rrset(c.key)) is not None]
    ttl, label, slowest = max(there, key=lambda item: item[:2], default=(0, "", None))
    for resolver, cap in sorted(subject.world.caps.items()):
        if slowest is not None and ttl > cap:
            message = f"the resolver {resolver} keeps nothing for more than {cap} s, and {label} has TTL {ttl}"
            hint = "ask resolvers without a maximum, too: this one has the new answer before they have"
            yield slowest.spot(message, hint, severity="info")


@check(
    "DC310",
    "warning",
    "the parent's NS TTL, which the run does not lower",
    why="Resolvers find the zone by the parent's copy of NS, and keep that for the parent's TTL.",
    hint="keep the old servers running, with the same contents, for that long after the parent has changed",
    source="RFC 2181 section 5.4.1; RFC 9199 section 3.6",
    needs="live",
    fires=Example(
        "safety: {allow: [apex_ns]}\n"
        + _stage(
            '{name: "@", type: NS, from: [ns1.example.test., ns2.example.test.], to: [ns1.new.test., ns2.new.test.]}'
        ),
        facts={"parent_ns_ttl": 172800},
    ),
    silent=Example(_SWITCH, zone=_LIVE, facts={"parent_ns_ttl": 172800}),
)
def parent_ttl(subject: Subject) -> Iterator[Spot]:
    """The NS set of a zone has two copies: the zone's own, which a plan for the zone changes, and the parent's, which a
    registrar changes. Resolvers that follow the parent hold its copy for the parent's TTL, often two days. As long as
    the old servers give the old set out themselves, both lives add up. Where the plan changes the parent's copy too, it
    lowers that TTL, and this is silent.
    """
    assert subject.live is not None
    for c in subject.changes:
        zone = subject.live.zones.get(c.key.zone)
        if c.key.rdtype != "NS" or c.planned.kind == "ttl" or c.key.owner != subject.names[c.key.zone]:
            continue
        ours = any(
            o.key.owner == c.key.owner
            and o.key.rdtype == "NS"
            and o.key.zone != c.key.zone
            and subject.names[o.key.zone] != c.key.owner
            for o in subject.changes
        )
        low = ttl_of(subject, c.stage).lower_to
        if ours or zone is None or zone.parent_ns_ttl is None or zone.parent_ns_ttl <= low:
            continue
        own: RRset | None = subject.live_rrset(c.key)
        child = own.ttl if own is not None else zone.child_ns_ttl or low
        rules = policy(subject, c.stage)
        after = delegation_tail(zone.parent_ns_ttl, low, False, rules)
        before = delegation_tail(zone.parent_ns_ttl, child, True, rules)
        yield c.spot(
            f"the parent gives the NS of {c.key.owner} with TTL {zone.parent_ns_ttl}: resolvers follow the old servers "
            f"for up to {bound(after.seconds)} after the parent has changed, and for {bound(before.seconds)} if "
            "the old servers still give out the old set then"
        )


CHECKS = (ttls_differ, longer_target, denied_at_first, slow_undo, clamped, parent_ttl)
