"""DC50x: plans that are validated together, and would meet. Each finding is shown at both plans."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from dns_cutover.checks.interface import Example, Spot, check_between
from dns_cutover.checks.together import Together, Touch, Where
from dns_cutover.plan.expand import unchanged_keys, zone_names
from dns_cutover.plan.finding import Severity
from dns_cutover.plan.places import Path
from dns_cutover.plan.sequence import label
from dns_cutover.providers.interface import lock_owner
from dns_cutover.records import RRsetKey
from dns_cutover.records.targets import targets_of


def _firsts(touches: Sequence[Touch]) -> Mapping[int, list[Touch]]:
    """By plan, in the plans' order; a plan that changes an RRset in several stages has several."""
    out: dict[int, list[Touch]] = defaultdict(list)
    for t in touches:
        out[t.plan].append(t)
    return out


def _others(together: Together, by_plan: Mapping[int, list[Touch]], mine: int) -> str:
    """The first place in another plan, and how many more plans there are."""
    others = [t[0] for n, t in by_plan.items() if n != mine]
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return f"{together.place(others[0])}{more}"


def _plan(change: str, server: str = "192.0.2.53", name: str = "one", more: str = "") -> str:
    return (
        f"name: {name}\nprovider: {{type: rfc2136, server: {server}, key: {{name: cutover, secret: {{env: KEY}}}}}}\n"
        f"stages:\n  - name: switch\n    changes:\n      - {change}\n{more}"
    )


def _a(name: str) -> str:
    return f'{{name: {name}, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}}'


_ONE = _plan(_a("www"))
_ELSEWHERE = _plan(_a("shop"), server="198.51.100.53", name="two")


def _edits_apart(touches: Sequence[Touch]) -> bool:
    """Whether these are value-level edits of different values: each keeps what the other one does."""
    values = [(*t.planned.add, *t.planned.remove) for t in touches]
    kinds = {t.planned.kind for t in touches}
    return kinds == {"values"} and len({v for vs in values for v in vs}) == sum(len(set(vs)) for vs in values)


def _in_order(plans: Sequence[Sequence[Touch]]) -> bool:
    """Whether each plan begins with what the one before it leaves, in one order of the plans or the other."""
    ways = [(ts[0].planned.before, ts[-1].planned.after) for ts in plans if all(t.planned.kind == "set" for t in ts)]
    if len(ways) < len(plans):
        return False
    return any(
        all(a[1] == b[0] for a, b in itertools.pairwise(order)) and order[0][0] != order[-1][1]
        for order in (ways, ways[::-1])
    )


@check_between(
    "DC151",
    "error",
    "two plans change the same RRset",
    why="Whichever runs second finds something else than it expects, and stops half way.",
    hint="put both changes into one plan, as two stages, or run one before the other is written",
    source="RFC 2136 section 2.4",
    fires=Example(_ONE, other=_plan('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.30"]}', name="two")),
    silent=Example(_ONE, other=_ELSEWHERE),
)
def same_rrset(together: Together) -> Iterator[tuple[int, Spot]]:
    """Each plan says what it replaces, and was right when it was written. After the first of two has run, the second
    one's expectation is wrong, and its lowered TTL may be raised under it. Value-level edits of different values leave
    each other's data alone, so that only their TTLs meet, and a plan that begins with what another one leaves is meant
    to follow it: warnings.
    """
    by_key: dict[tuple[Where, str, str], list[Touch]] = defaultdict(list)
    for t in together.touches:
        by_key[t.where, t.owner, t.planned.key.rdtype].append(t)
    for touches in by_key.values():
        by_plan = _firsts(touches)
        if len(by_plan) < 2:
            continue
        apart = _edits_apart(touches)
        order = not apart and _in_order(list(by_plan.values()))
        for number, own in by_plan.items():
            t, other = own[0], _others(together, by_plan, number)
            message = f"{t.label} is changed by {other} too"
            hint = "run them one after the other: both lower and restore its TTL" if apart else ""
            hint = "run them in that order; until the first is over, the second is out of date" if order else hint
            severity: Severity | None = "warning" if apart or order else None
            yield number, Spot(t.path, message, hint, t.stage, t.label, severity)


@check_between(
    "DC152",
    "info",
    "two plans change the same zone",
    why="Their runs wait for each other around every write.",
    hint="nothing to do, if they may run at the same time; give their runs the same --store",
    source="RFC 2136 section 2.4",
    fires=Example(_ONE, other=_plan(_a("shop"), name="two")),
    silent=Example(_ONE, other=_ELSEWHERE),
)
def same_zone(together: Together) -> Iterator[tuple[int, Spot]]:
    """A run reserves the names that it touches for as long as it lives, and holds the zone's lock only around its
    writes. Two plans with different names in one zone can therefore run at the same time, and their writes queue at
    the lock: a TXT record in the zone where the provider can compare and swap, else a lease in the store. Plans that
    name different locks do not meet at all.
    """
    by_zone: dict[Where, list[Touch]] = defaultdict(list)
    for t in together.touches:
        by_zone[t.where].append(t)
    for touches in by_zone.values():
        by_plan = _firsts(touches)
        if len(by_plan) < 2:
            continue
        zone = touches[0].zone
        locks = {number: _lock(together, own[0]) for number, own in by_plan.items()}
        for number, own in by_plan.items():
            other, ref = _others(together, by_plan, number), own[0].planned.key.zone
            if len(set(locks.values())) == 1:
                message = f"{zone} is changed by {other} too: their runs meet at the lock, {locks[number]}"
                yield number, Spot(("zones", ref, "zone"), message)
                continue
            message = f"{zone} is changed by {other} too, with another lock: {', '.join(sorted(set(locks.values())))}"
            yield number, Spot(("zones", ref, "zone"), message, "give both the same provider.lock", severity="warning")


def _lock(together: Together, touch: Touch) -> str:
    """Where a plan keeps the lock of a zone."""
    provider = together.plans[touch.plan].plan.all_zones()[touch.planned.key.zone].provider
    if provider.type != "rfc2136" or provider.lock == "store":
        return "a lease in their store"
    place = provider.lock if isinstance(provider.lock, str) else provider.lock.model_dump()
    return f"{lock_owner(touch.zone, place)} TXT"


@check_between(
    "DC153",
    "warning",
    "two plans touch the same name",
    why="A run reserves its names for as long as it lives, so that the second one is refused until the first is over.",
    hint="plan one after the other, or put both into one plan",
    source="RFC 1034 section 3.6",
    fires=Example(_ONE, other=_plan('{name: www, type: AAAA, from: absent, to: ["2001:db8::1"]}', name="two")),
    silent=Example(_ONE, other=_plan(_a("shop"), name="two")),
)
def same_name(together: Together) -> Iterator[tuple[int, Spot]]:
    """Names are reserved and not RRsets, since a CNAME or a negative answer concerns all types at a name. This holds
    for the public and the private view of a zone as well.
    """
    by_name: dict[tuple[str, str], list[Touch]] = defaultdict(list)
    for t in together.touches:
        by_name[t.zone, t.owner].append(t)
    for touches in by_name.values():
        by_plan = _firsts(touches)
        for number, own in by_plan.items():
            mine = {(t.where, t.planned.key.rdtype) for t in own}
            theirs = [t for n, ts in by_plan.items() if n != number for t in ts]
            # The same RRset, or an alias beside something else, is said by DC151 and DC154.
            if not theirs or any((t.where, t.planned.key.rdtype) in mine for t in theirs):
                continue
            if any(_at_odds(a, b) for a in own for b in theirs):
                continue
            t, other = own[0], together.place(theirs[0])
            yield number, Spot(t.path, f"{t.owner} is touched by {other} too", "", t.stage, t.label)


def _at_odds(a: Touch, b: Touch) -> bool:
    """Whether one leaves an alias and the other something else at a name of the same zone."""
    kept = all(t.planned.kind != "set" or t.planned.after is not None for t in (a, b))
    return kept and a.where == b.where and (a.planned.key.rdtype == "CNAME") != (b.planned.key.rdtype == "CNAME")


@check_between(
    "DC154",
    "error",
    "one plan makes a name an alias, another one gives it data",
    why="A name with a CNAME can have no other data, and servers drop one of the two without a word.",
    hint="decide which of the two the name is to be",
    source="RFC 1034 section 3.6.2",
    fires=Example(
        _plan("{name: www, type: CNAME, from: absent, to: [edge.newcdn.test.]}"),
        other=_plan('{name: www, type: AAAA, from: absent, to: ["2001:db8::1"]}', name="two"),
    ),
    silent=Example(_ONE, other=_plan('{name: www, type: AAAA, from: absent, to: ["2001:db8::1"]}', name="two")),
)
def alias_and_data(together: Together) -> Iterator[tuple[int, Spot]]:
    """Each of the two plans is right by itself. Together they ask for a CNAME beside another type, which some servers
    refuse and others accept by ignoring what comes second.
    """
    by_name: dict[tuple[Where, str], list[Touch]] = defaultdict(list)
    for t in together.touches:
        by_name[t.where, t.owner].append(t)
    for touches in by_name.values():
        by_plan = _firsts(touches)
        for number, own in by_plan.items():
            theirs = [t for n, ts in by_plan.items() if n != number for t in ts]
            pair = next(((a, b) for a in own for b in theirs if _at_odds(a, b)), None)
            if pair is not None:
                a, b = pair
                rdtype = b.planned.key.rdtype
                message = f"{a.label} meets the {rdtype} that {together.place(b)} puts at the same name"
                yield number, Spot(a.path, message, "", a.stage, a.label)


@check_between(
    "DC155",
    "warning",
    "a plan changes what another one asserts to be unchanged",
    why="The stage that asserts it fails as soon as the other plan has run.",
    hint="remove it from unchanged, or run the plans one after the other",
    source="the plan's unchanged",
    fires=Example(_plan(_a("shop"), more='    unchanged: ["www/A"]\n'), other=_plan(_a("www"), name="two")),
    silent=Example(_plan(_a("shop"), more='    unchanged: ["mail/A"]\n'), other=_plan(_a("www"), name="two")),
)
def not_unchanged(together: Together) -> Iterator[tuple[int, Spot]]:
    """`unchanged` is looked at before and after a stage. A change that another plan makes in between looks like
    interference by somebody else, and stops a run that has done nothing wrong.
    """
    changed: dict[tuple[Where, str, str], list[Touch]] = defaultdict(list)
    for t in together.touches:
        changed[t.where, t.owner, t.planned.key.rdtype].append(t)
    for number, loaded in enumerate(together.plans):
        plan, names, zones = loaded.plan, zone_names(loaded.plan), together.zones[number]
        for n, stage in enumerate(plan.stages):
            for key in unchanged_keys(plan, stage):
                other = next((t for t in changed[zones[key.zone], key.owner, key.rdtype] if t.plan != number), None)
                if other is not None:
                    yield number, _asserted(together, other, key, ("stages", n, "unchanged"), stage.name, names)


def _asserted(
    together: Together, other: Touch, key: RRsetKey, path: Path, stage: str, names: Mapping[str, str]
) -> Spot:
    name = label(key, names)
    return Spot(path, f"{name} is asserted to be unchanged, and {together.place(other)} changes it", "", stage, name)


@check_between(
    "DC156",
    "warning",
    "two plans have the same name",
    why="Runs, reports and the store speak of a plan by its name.",
    hint="give each plan a name of its own",
    source="the plan's name",
    fires=Example(_ONE, other=_ELSEWHERE.replace("name: two", "name: one")),
    silent=Example(_ONE, other=_ELSEWHERE),
)
def same_plan_name(together: Together) -> Iterator[tuple[int, Spot]]:
    """A plan is often copied to make the next one. In a list of runs, in a pull request's comment and in a report, two
    plans of one name cannot be told apart.
    """
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, loaded in enumerate(together.plans):
        by_name[loaded.plan.name].append(number)
    for name, numbers in by_name.items():
        for number in numbers if len(numbers) > 1 else ():
            other = next(n for n in numbers if n != number)
            at = together.plans[other].position(("name",)).line
            yield number, Spot(("name",), f"{together.plans[other].file}:{at} is named {name} too")


@check_between(
    "DC157",
    "warning",
    "a plan points to a host whose address another one removes",
    why="Once both have run, the name leads nowhere.",
    hint="point to a host that stays, or keep the address in the other plan",
    source="RFC 1034 section 3.6.2",
    fires=Example(
        _plan("{name: shop, type: CNAME, from: [edge.oldcdn.test.], to: [www]}"),
        other=_plan(
            '{name: www, type: A, from: ["192.0.2.10"], to: absent}', name="two", more="safety: {allow: [delete]}\n"
        ),
    ),
    silent=Example(
        _plan("{name: shop, type: CNAME, from: [edge.oldcdn.test.], to: [www]}"), other=_plan(_a("www"), name="two")
    ),
)
def removed_target(together: Together) -> Iterator[tuple[int, Spot]]:
    """Each plan may be checked by itself, and its targets resolve at that moment. A host that another plan retires
    takes with it whatever the first one has moved there: aliases, mail, services.
    """
    addresses = [t for t in together.touches if t.planned.key.rdtype in ("A", "AAAA", "CNAME")]
    # Something else that comes at the same name replaces what goes.
    stays = {(t.zone, t.owner) for t in addresses if t.planned.kind != "set" or t.planned.after is not None}
    gone = {t.owner: t for t in addresses if (t.zone, t.owner) not in stays}
    for t in together.touches:
        values = (*(t.planned.after or ()), *t.planned.add)
        for host in dict.fromkeys(h for v in values for h in targets_of(t.planned.key.rdtype, v)):
            other = gone.get(host)
            if other is not None and other.plan != t.plan:
                message = f"{t.label} points to {host}, whose address {together.place(other)} removes"
                yield t.plan, Spot(t.path, message, "", t.stage, t.label)


CHECKS = (same_rrset, same_zone, same_name, alias_and_data, not_unchanged, same_plan_name, removed_target)
