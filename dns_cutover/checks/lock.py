"""DC42x: the place of the zone's lock, as far as it can be seen without the key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.lookup.views import NameView
from dns_cutover.providers.interface import Token, lock_owner
from dns_cutover.records.name import is_below

_STAGES = """
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
"""
_ZONE = "www 3600 IN A 192.0.2.10\n"


def _provider(lock: str) -> str:
    key = "{name: cutover, secret: {env: CUTOVER_TSIG}}"
    return f"provider: {{type: rfc2136, server: 192.0.2.53, key: {key}, lock: {lock}}}\n{_STAGES}"


def _locks(subject: Subject) -> Iterator[tuple[str, str]]:
    """Zone reference and owner name of each lock that stands in its zone."""
    for ref, config in subject.loaded.plan.all_zones().items():
        if config.provider.type == "rfc2136" and config.provider.lock != "store":
            yield ref, lock_owner(subject.names[ref], config.provider.model_dump(mode="json")["lock"])


def _seen(subject: Subject) -> Iterator[tuple[str, str, NameView]]:
    """The same, with what the zone's servers say about that name."""
    for ref, owner in _locks(subject):
        view = subject.live.names.get((ref, owner)) if subject.live is not None else None
        if view is not None and not view.problem:
            yield ref, owner, view


def _token(view: NameView) -> Token | None:
    found = view.rrsets.get("TXT") if not view.wildcard else None
    return Token.parse(found.values[0].strip('"')) if found is not None and len(found.values) == 1 else None


@check(
    "DC421",
    "error",
    "a name that cannot be the lock's",
    why="Every run has to put its lock there, and take it away again.",
    hint="give the lock an owner name of its own: lock: {name: _lock}",
    source="RFC 2136 section 2.4.5",
    fires=Example(_provider("{name: www}")),
    silent=Example(_provider("{name: _lock}")),
)
def unfit_name(subject: Subject) -> Iterator[Spot]:
    """The lock is a TXT record that comes and goes, and nothing else can stand at its name: not the apex, no wildcard,
    no name of another zone, and none that the plan itself changes.
    """
    for ref, owner in _locks(subject):
        zone = subject.names[ref]
        if owner == zone or not is_below(owner, zone):
            problem = "it is the apex" if owner == zone else f"it is not in {zone}"
        elif owner.startswith("*."):
            problem = "it is a wildcard"
        elif (ref, owner) in subject.first_touch:
            problem = "the plan changes records there"
        else:
            continue
        yield Spot(subject.zone_path(ref, "provider"), f"the lock cannot stand at {owner}: {problem}")


@check(
    "DC422",
    "error",
    "something stands in the lock's place",
    why="No run can take the zone's lock, and so none could write.",
    hint="move it away, or give the lock another name: provider: {lock: {name: _lock}}",
    source="RFC 2136 sections 2.4.5 and 3.4.2.2; RFC 1034 section 3.6.2",
    needs="live",
    fires=Example(_STAGES, zone=f"{_ZONE}_dns-cutover 300 IN CNAME elsewhere.test.\n"),
    silent=Example(_STAGES, zone=f"{_ZONE}*.example.test. 300 IN TXT wildcard\n"),
)
def blocked(subject: Subject) -> Iterator[Spot]:
    """A run takes the lock on condition that its name is not in use, since beside a CNAME or below a delegation a
    server may say yes and store nothing. A wildcard above the name, and names below it, are harmless.
    """
    for ref, owner, view in _seen(subject):
        if view.cut:
            problem = f"{view.cut} is delegated"
        elif view.dname:
            problem = f"there is a DNAME at {view.dname}"
        elif view.wildcard or not view.rrsets or _token(view) is not None:
            continue
        else:
            problem = f"there is {', '.join(sorted(view.rrsets))}"
        yield Spot(subject.zone_path(ref, "provider"), f"the lock cannot stand at {owner}: {problem}")


@check(
    "DC423",
    "info",
    "a run holds the zone",
    why="Another run can begin when that one gives the lock back, or when its time is over.",
    hint="wait for it; if nobody drives that run any more: dns-cutover unlock --plan PLAN LOCK_ID",
    source="DESIGN section 7: lock, token and fence",
    needs="live",
    fires=Example(_STAGES, zone=f'{_ZONE}_dns-cutover 60 IN TXT "v=dc1 run=7f3a n=2 op=9c1e04ab until=1773144600"\n'),
    silent=Example(_STAGES, zone=_ZONE),
)
def held(subject: Subject) -> Iterator[Spot]:
    """The lock in the zone is public: whoever looks sees which run holds it, by which lock, and until when."""
    for ref, owner, view in _seen(subject):
        token = _token(view)
        if token is not None:
            end = datetime.fromtimestamp(token.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            state = "until" if subject.now < token.until else "left behind since"
            text = f"run {token.run} holds the lock at {owner}, {state} {end}, lock id {token.op}"
            yield Spot(subject.zone_path(ref, "provider"), text)


CHECKS = (unfit_name, blocked, held)
