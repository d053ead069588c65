"""DC4xx: acts that must be deliberate, and what the provider cannot do."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Located, Spot, Subject, check

_WHY = "Acts that are hard to take back are named in the plan."


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


def _deliberate(change: Located, what: str, word: str) -> Spot:
    return change.spot(f"{change.label} {what}", f"if that is meant: safety: {{allow: [{word}]}}")


@check(
    "DC401",
    "error",
    "an RRset is deleted",
    why=_WHY,
    hint="if that is meant: safety: {allow: [delete]}",
    source="RFC 2308 section 5",
    fires=Example(_stage('{name: old, type: A, from: ["192.0.2.10"], to: absent}')),
    silent=Example(_REPLACE),
)
def deletion(subject: Subject) -> Iterator[Spot]:
    """A deletion leaves users without an answer for as long as nobody puts it back, and then for the negative TTL. A
    deletion that makes room for another type at the same name in the same stage is a replacement, and not meant
    here.
    """
    if "delete" in subject.loaded.plan.safety.allow:
        return
    come = {(c.n, c.key.zone, c.key.owner) for c in subject.changes if c.planned.kind == "set" and c.planned.after}
    for c in subject.changes:
        if c.planned.kind == "set" and c.planned.after is None and (c.n, c.key.zone, c.key.owner) not in come:
            yield _deliberate(c, "is deleted", "delete")


@check(
    "DC403",
    "error",
    "too many changes",
    why="A plan that touches more than anybody reads is one that nobody has read.",
    hint="raise safety.max_changes, if that is meant",
    source="safety.max_changes",
    fires=Example("safety: {max_changes: 1}\n" + _stage('{names: [a, b], type: A, from: absent, to: ["192.0.2.1"]}')),
    silent=Example(_REPLACE),
)
def too_many(subject: Subject) -> Iterator[Spot]:
    """safety.max_changes is the number of RRsets that the plan's authors expect to change at most. A pattern or a list
    of names that grew by itself stops here, and not in production.
    """
    total, limit = len(subject.changes), subject.loaded.plan.safety.max_changes
    if total > limit:
        hint = f"if that is meant: safety: {{max_changes: {total}}}"
        yield Spot(("safety", "max_changes"), f"{total} changes, more than safety.max_changes ({limit})", hint)


@check(
    "DC404",
    "error",
    "the changes of a stage do not fit one atomic message",
    why="Between two messages users could see one half of the change.",
    hint="split the stage, or allow: [split] under safety",
    source="RFC 2136 section 2",
    needs="live",
    fires=Example(
        _stage('{names: [a, b], type: A, from: absent, to: ["192.0.2.20"]}'),
        note="The same with 2,000 names.",
        facts={"too_large": True},
    ),
    silent=Example(_REPLACE, zone="www 3600 IN A 192.0.2.10\n"),
)
def too_large(subject: Subject) -> Iterator[Spot]:
    """A DNS UPDATE message has at most 65,535 octets, and a stage is atomic only as one message. A stage that needs
    more is written in several, and a fault between two of them leaves half of it published.
    """
    for d in subject.drifts:
        if d.reason == "too_large":
            n = next((n for n, s in enumerate(subject.loaded.plan.stages) if s.name == d.stage), 0)
            message = f"{d.expected} of stage {d.stage} do not fit one atomic message"
            yield Spot(("stages", n), message, stage=d.stage)


@check(
    "DC405",
    "error",
    "a wildcard changes",
    why=_WHY,
    hint="if that is meant: safety: {allow: [wildcard]}",
    source="RFC 4592",
    fires=Example(_stage('{name: "*.apps", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
    silent=Example(_REPLACE),
)
def wildcard(subject: Subject) -> Iterator[Spot]:
    """A wildcard answers for every name that is not there, so that its change reaches names that nobody lists and
    nobody watches.
    """
    if "wildcard" not in subject.loaded.plan.safety.allow:
        for c in subject.changes:
            if c.key.owner.startswith("*."):
                yield _deliberate(c, "answers for names that nobody lists", "wildcard")


@check(
    "DC406",
    "error",
    "the provider is not available in this version",
    why="A plan that cannot be run is found now, and not on the day.",
    hint="available: rfc2136",
    source="DNS UPDATE, RFC 2136",
    fires=Example("provider: {type: manual}\n" + _REPLACE),
    silent=Example(_REPLACE),
)
def no_such_provider(subject: Subject) -> Iterator[Spot]:
    """The plan file knows more providers than this version can write to. Such a plan may be written and reviewed, but a
    run of it could not begin."""
    for ref, config in subject.loaded.plan.all_zones().items():
        if ref not in subject.guarantees:
            message = f"the provider {config.provider.type} is not available in this version"
            yield Spot(subject.zone_path(ref, "provider", "type"), message)


CHECKS = (deletion, too_many, too_large, wildcard, no_such_provider)
