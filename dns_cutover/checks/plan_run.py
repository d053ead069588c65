"""DC137-DC139, DC148-DC150: settings of the run that do not do what they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.checks.moves import replaced
from dns_cutover.plan.expand import unchanged_keys
from dns_cutover.plan.models import DEFAULT_ZONE, PropagationConfig
from dns_cutover.plan.places import Path
from dns_cutover.plan.types import as_written

_DAY = 86400
_PROVIDER = "{type: rfc2136, server: 192.0.2.53, key: {name: cutover, secret: {env: CUTOVER_TSIG}}}"
_ZONES = (
    "zones:\n"
    f"  public: {{zone: example.test, provider: {_PROVIDER}}}\n"
    f"  private: {{zone: example.test, provider: {_PROVIDER}}}\n"
)


def _stage(change: str, rest: str = "") -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n{rest}"


_IN = '{in: [%s], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')
_CONFIRM = "    confirm: [{id: ready, who: Support, says: The account is open., timeout: %s}]\n"


@check(
    "DC137",
    "warning",
    "a zone that no stage touches",
    why="Whoever listed it expected it to change.",
    hint="name it under in of the changes that are meant, or take it out of zones",
    source="the plan format, zones",
    fires=Example(_ZONES + _stage(_IN % "public")),
    silent=Example(_ZONES + _stage(_IN % "public, private")),
)
def unused_zone(subject: Subject) -> Iterator[Spot]:
    """A zone under zones that nothing changes and nothing asserts is, as a rule, the view of a split name that was
    forgotten under in: its users would stay on the old side for good.
    """
    used = {c.key.zone for c in subject.changes}
    if len(subject.names) == len(used):
        return
    used |= {key.zone for stage in subject.loaded.plan.stages for key in unchanged_keys(subject.loaded.plan, stage)}
    for ref, zone in subject.names.items():
        if ref not in used:
            yield Spot(subject.zone_path(ref), f"no stage touches the zone {ref} ({zone.removesuffix('.')})")


@check(
    "DC138",
    "warning",
    "a final TTL that is hardly meant",
    why="It stays after the run, and nobody looks at it again.",
    hint="write the TTL with its unit, such as 5m or 1h",
    source="RFC 1912 section 2.2",
    fires=Example(_stage("{name: www, type: A, ttl: 5}")),
    silent=Example(_stage("{name: www, type: A, ttl: 5m}")),
)
def odd_ttl(subject: Subject) -> Iterator[Spot]:
    """A TTL without a unit is in seconds, so that 5, meant as minutes, sends every user to the servers all the time;
    with more than a week the next change of the name needs weeks. The TTL of the run itself is lower_to: it decides
    how long every wait and every way back is.
    """
    plan = subject.loaded.plan
    for w in subject.written:
        if w.change.ttl is not None and (what := _ttl_trouble(w.change.ttl)):
            yield Spot((*w.path, "ttl"), *what)
    places: list[tuple[Path, int, int | str]] = [(("ttl",), plan.ttl.lower_to, plan.ttl.restore)]
    places += [(("stages", n, "ttl"), s.ttl.lower_to, s.ttl.restore) for n, s in enumerate(plan.stages) if s.ttl]
    for path, low, restore in places:
        if isinstance(restore, int) and (what := _ttl_trouble(restore)):
            yield Spot((*path, "restore"), *what)
        if low > 3600 and subject.loaded.document.has((*path, "lower_to")):
            message = f"lower_to is {as_written(low)}: each change and each way back takes at least that long"
            yield Spot((*path, "lower_to"), message, "write lower_to: 60s")


def _ttl_trouble(ttl: int) -> tuple[str, str] | None:
    if ttl <= 10:
        return f"a final TTL of {ttl} seconds", f"if minutes are meant: {ttl or 5}m"
    if ttl > 7 * _DAY:
        return f"a final TTL of {ttl // _DAY} days", "write 1d or less: most caches cut it to a day or a week"
    return None


@check(
    "DC139",
    "warning",
    "resolvers are to agree, and none is listed",
    why="A share of nothing is always reached, so that users' answers are never looked at.",
    hint="lookup: {resolvers: [{preset: public}]}",
    source="the plan format, propagation",
    fires=Example("propagation: {resolvers: 95%}\n" + _REPLACE),
    silent=Example("propagation: {resolvers: 95%}\nlookup: {resolvers: [{preset: public}]}\n" + _REPLACE),
)
def no_resolvers(subject: Subject) -> Iterator[Spot]:
    """propagation.resolvers and propagation.violators speak of the resolvers under lookup.resolvers. Where none is
    listed the run proves its changes at the authoritative servers only, and waits for the rest by arithmetic.
    """
    if any(config.lookup.resolvers for config in subject.loaded.plan.all_zones().values()):
        return
    for path, _ in _propagations(subject):
        for key in ("resolvers", "violators"):
            if subject.loaded.document.has((*path, key)):
                yield Spot((*path, key), f"propagation.{key} is given, and lookup.resolvers lists none")


def _propagations(subject: Subject) -> Iterator[tuple[Path, PropagationConfig]]:
    plan, doc = subject.loaded.plan, subject.loaded.document
    if doc.has(("propagation",)):
        yield ("propagation",), plan.propagation
    for n, stage in enumerate(plan.stages):
        if stage.propagation is not None:
            yield ("stages", n, "propagation"), stage.propagation


@check(
    "DC148",
    "error",
    "a confirmation that nobody can give in time",
    why="The run gives up before anybody could have answered.",
    hint="give people a day: timeout: 24h",
    source="the plan format, confirm",
    fires=Example(_stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}', _CONFIRM % "0s")),
    silent=Example(_stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}', _CONFIRM % "24h")),
)
def no_time_to_confirm(subject: Subject) -> Iterator[Spot]:
    """When the timeout of a confirmation ends the run goes back. With no time at all it always does, and with less
    than five minutes it does unless the person sits beside it.
    """
    for n, stage in enumerate(subject.loaded.plan.stages):
        for m, item in enumerate(stage.confirm):
            if item.timeout is None or item.timeout >= (300 if item.by == "person" else 1):
                continue
            message = f"{item.who} has {as_written(item.timeout)} to confirm {item.id}"
            at = ("stages", n, "confirm", m, "timeout")
            yield Spot(at, message, stage=stage.name, severity=None if item.timeout < 1 else "warning")


@check(
    "DC149",
    "warning",
    "a deadline that the servers may not be able to meet",
    why="A change that goes well would be taken back for being as slow as it always is.",
    hint="lengthen propagation.deadline",
    source="the plan format, propagation",
    fires=Example("propagation: {deadline: 10s}\n" + _REPLACE),
    silent=Example("propagation: {deadline: 5m}\n" + _REPLACE),
)
def short_deadline(subject: Subject) -> Iterator[Spot]:
    """A change counts as published when two rounds, round_gap apart, find every server right. A deadline before the
    second round, or before the time that the provider itself takes (propagation_bound), makes the first late secondary
    a failure.
    """
    plan = subject.loaded.plan
    bounds = {ref: g.propagation_bound for ref, g in subject.guarantees.items()}
    slowest = max(bounds, key=lambda ref: bounds[ref], default=DEFAULT_ZONE)
    bound = bounds.get(slowest, 0.0)
    places = [*_propagations(subject)]
    if ("propagation",) not in {path for path, _ in places}:
        places.append((("propagation",), plan.propagation))
    for path, p in places:
        key: Path = (*path, "deadline")
        if p.deadline < p.round_gap:
            message = f"the deadline of {as_written(p.deadline)} ends before the second round, "
            message += f"{as_written(p.round_gap)} later"
            yield Spot(key, message, f"write deadline: {as_written(max(60.0, 3 * p.round_gap))} or more")
        elif p.deadline < bound:
            message = f"the deadline of {as_written(p.deadline)} ends before the provider has published, which may "
            message += f"take {as_written(bound)}"
            where = key if path != ("propagation",) or subject.loaded.document.has(key) else None
            place = where or subject.zone_path(slowest, "provider", "propagation_bound")
            yield Spot(place, message, f"write deadline: {as_written(2 * bound)} or more")


@check(
    "DC150",
    "warning",
    "a stage that moves users has no bake",
    why="Nobody looks any more when the last users arrive, and raising the TTLs closes the quick way back.",
    hint="write bake: 15m, or as long as it takes until a fault would show",
    source="the plan format, bake",
    fires=Example(_REPLACE),
    silent=Example(_REPLACE + "    bake: 15m\n"),
)
def no_bake(subject: Subject) -> Iterator[Spot]:
    """A stage ends when the last old answer is dead. Without a bake the next stage follows at that moment, or the TTLs
    return to what they were; a fault that only the full load shows is then found at the long TTL, where going back
    takes as long as if nothing had been lowered.
    """
    for n, changes in replaced(subject).items():
        stage = changes[0].stage
        if stage.bake or stage.commit == "before":
            continue
        last = n == len(subject.loaded.plan.stages) - 1
        then = "the TTLs go up again" if last else f"stage {subject.loaded.plan.stages[n + 1].name} follows"
        message = f"stage {stage.name} moves {changes[0].label}, and {then} as soon as old answers are dead"
        key = "bake" if subject.loaded.document.has(("stages", n, "bake")) else "name"
        yield Spot(("stages", n, key), message, stage=stage.name)


CHECKS = (unused_zone, odd_ttl, no_resolvers, no_time_to_confirm, short_deadline, no_bake)
