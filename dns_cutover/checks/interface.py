"""What a check is, what it looks at, and what it says. A family is one module with a tuple `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from dns_cutover.checks.history import Values, images
from dns_cutover.checks.together import Together
from dns_cutover.checks.world import World
from dns_cutover.checks.written import Written, written_changes
from dns_cutover.lookup.views import LiveView, NameView
from dns_cutover.plan.expand import PlannedChange, expand_changes, zone_names
from dns_cutover.plan.finding import PLAN_CHECKS, Severity
from dns_cutover.plan.loader import LoadedPlan
from dns_cutover.plan.models import Stage
from dns_cutover.plan.places import Path
from dns_cutover.plan.sequence import label
from dns_cutover.providers.interface import Guarantees
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.runbook.compiling import Drift
from dns_cutover.runbook.model import Runbook

T = TypeVar("T")

Needs = Literal["plan", "plans", "live", "probe", "probe-write", "owner-file"]
"""What a check looks at beside the plan: nothing, other plans given in the same call, live DNS, and what only runs when
it is asked for by an option.
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A situation in which a check speaks, or one in which it is silent. Tests run it, and the documentation shows it.

    `plan` is YAML that replaces or adds top-level keys of a standard plan for example.test (`stages` above all); with
    `whole` it is the whole file.
    `zone` is zone text (origin example.test.) that every server has beside SOA and NS. `secondary` is the zone text of
    a second server that differs. `elsewhere` is zone text (absolute names) of what other authorities serve: targets,
    and what the parent has for example.test. (NS, DS). `facts` is what no zone text can say, by the names of
    `tests/unit/checks/situation.py`; `note` says the same for readers. `other` is a second plan given in the same call,
    of the same form as `plan`.
    """

    plan: str
    zone: str = ""
    secondary: str = ""
    elsewhere: str = ""
    note: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    other: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """One thing that a check found: the place in the plan, and what is wrong there, in one sentence.

    `hint` and `severity` replace the check's own. `stage` and `record` say what it is about; where they are empty the
    path tells. `note` is what a reader wants beside the very words in the file, such as "live: also 20 mx2.old.test.".
    """

    path: Path
    message: str
    hint: str = ""
    stage: str = ""
    record: str = ""
    severity: Severity | None = None
    note: str = ""


Find = Callable[["Subject"], Iterable[Spot]]
FindBetween = Callable[[Together], Iterable[tuple[int, Spot]]]
"""Looks at all plans of one call; each spot with the number of the plan that it lies in, from 0."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    `title` says what it finds, without a final dot. `why` is the one sentence under a finding, `rationale` the
    paragraph for readers, `hint` the next act. `source` is the standard's section or the page that the rule comes from.
    `find` is None where the loader finds it while reading the plan, or where `between` looks at several plans.
    `ignorable`: whether `safety.ignore` may name it.
    """

    id: str
    severity: Severity
    title: str
    why: str
    rationale: str
    hint: str
    source: str
    fires: Example
    silent: Example
    needs: Needs = "plan"
    find: Find | None = None
    between: FindBetween | None = None
    ignorable: bool = True


def check(
    id: str,  # noqa: A002 - the word people use for it
    severity: Severity,
    title: str,
    *,
    why: str,
    hint: str,
    source: str,
    fires: Example,
    silent: Example,
    needs: Needs = "plan",
    ignorable: bool = True,
) -> Callable[[Find], Check]:
    """Make the function below a check; its docstring is the rationale."""

    def make(find: Find) -> Check:
        rationale = " ".join((find.__doc__ or "").split())
        return Check(id, severity, title, why, rationale, hint, source, fires, silent, needs, find, ignorable=ignorable)

    return make


def check_between(
    id: str,  # noqa: A002 - the word people use for it
    severity: Severity,
    title: str,
    *,
    why: str,
    hint: str,
    source: str,
    fires: Example,
    silent: Example,
) -> Callable[[FindBetween], Check]:
    """Make the function below a check of several plans; its docstring is the rationale."""

    def make(find: FindBetween) -> Check:
        rationale = " ".join((find.__doc__ or "").split())
        return Check(id, severity, title, why, rationale, hint, source, fires, silent, "plans", between=find)

    return make


def loader_check(
    id: str,  # noqa: A002 - the word people use for it
    severity: Severity,
    rationale: str,
    *,
    why: str,
    hint: str,
    source: str,
    fires: Example,
    silent: Example,
) -> Check:
    """A check that the loader makes while it reads the plan; its title is the one in `PLAN_CHECKS`."""
    title = PLAN_CHECKS[id]
    return Check(id, severity, title, why, " ".join(rationale.split()), hint, source, fires, silent)


@dataclass(frozen=True, slots=True)
class Located:
    """One planned change with its stage and its place in the plan. `n` counts stages from 0; `label` is for people."""

    planned: PlannedChange
    stage: Stage
    n: int
    path: Path
    label: str

    @property
    def key(self) -> RRsetKey:
        """Which RRset."""
        return self.planned.key

    def spot(self, message: str, hint: str = "", attribute: str = "", severity: Severity | None = None) -> Spot:
        """A spot at the change, or at one of its keys such as "to"."""
        path = (*self.path, attribute) if attribute else self.path
        return Spot(path, message, hint, self.stage.name, self.label, severity)


@dataclass(frozen=True)
class Subject:
    """All that checks look at. `live` is None offline; `book` is None offline and where the plan does not fit
    (`drifts`). `now` is seconds UTC. `guarantees` are those of each zone's provider, by zone reference; a provider that
    this version cannot write to has none. `world` is what only options bring.
    """

    loaded: LoadedPlan
    now: float
    live: LiveView | None = None
    book: Runbook | None = None
    drifts: tuple[Drift, ...] = ()
    guarantees: Mapping[str, Guarantees] = field(default_factory=dict)
    world: World = field(default_factory=World)

    @cached_property
    def _known(self) -> dict[Callable[[Subject], Any], Any]:
        return {}

    def once(self, make: Callable[[Subject], T]) -> T:
        """`make(self)`, worked out once however many checks ask for it; nobody may change it."""
        if make not in self._known:
            self._known[make] = make(self)
        found: T = self._known[make]
        return found

    @cached_property
    def names(self) -> dict[str, str]:
        """Zone reference -> absolute zone name."""
        return zone_names(self.loaded.plan)

    @cached_property
    def changes(self) -> tuple[Located, ...]:
        """Every planned change, in the plan's order."""
        return tuple(
            Located(p, stage, n, ("stages", n, "changes", p.index), label(p.key, self.names))
            for n, stage in enumerate(self.loaded.plan.stages)
            for p in expand_changes(self.loaded.plan, stage)
        )

    @cached_property
    def first_touch(self) -> Mapping[tuple[str, str], int]:
        """(zone reference, owner) -> the number of the first stage that changes something there."""
        out: dict[tuple[str, str], int] = {}
        for c in self.changes:
            out.setdefault((c.key.zone, c.key.owner), c.n)
        return out

    @cached_property
    def arrivals(self) -> frozenset[tuple[int, str, str]]:
        """Where a stage sets an RRset, by (n, zone reference, owner)."""
        sets = (c for c in self.changes if c.planned.kind == "set" and c.planned.after)
        return frozenset((c.n, c.key.zone, c.key.owner) for c in sets)

    @cached_property
    def removed_types(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The types that the plan takes away at each name, by (zone reference, owner)."""
        out: dict[tuple[str, str], set[str]] = {}
        for c in self.changes:
            if c.planned.kind == "set" and c.planned.after is None:
                out.setdefault((c.key.zone, c.key.owner), set()).add(c.key.rdtype)
        return {where: frozenset(types) for where, types in out.items()}

    @cached_property
    def touched(self) -> frozenset[RRsetKey]:
        """Every RRset that some stage changes."""
        return frozenset(c.key for c in self.changes)

    @cached_property
    def written(self) -> tuple[Written, ...]:
        """Every change as it is written, in the plan's order."""
        return tuple(written_changes(self.loaded.plan, self.names))

    @cached_property
    def images(self) -> Sequence[Mapping[RRsetKey, Values]]:
        """What each touched RRset is before stage n (and, at the last stage's number + 1, in the end): values, or None
        for absence. Left out where it cannot be known: offline without `from`, or where the plan does not fit.
        """
        live = {k: r.values if r is not None else None for k, r in self.live.rrsets.items()} if self.live else {}
        return images(live, [(c.n, c.planned) for c in self.changes], len(self.loaded.plan.stages))

    def before(self, change: Located) -> tuple[str, ...] | Literal["unknown"] | None:
        """The values before the change."""
        p = change.planned
        if p.kind == "set" and p.before != "live":
            return p.before
        return self.images[change.n].get(p.key, "unknown")

    def after(self, change: Located) -> tuple[str, ...] | Literal["unknown"] | None:
        """The values after the change."""
        if change.planned.kind == "set":
            return change.planned.after
        return self.images[change.n + 1].get(change.key, "unknown")

    def live_rrset(self, key: RRsetKey) -> RRset | None:
        """What is live now; None is absence, and nothing is known offline."""
        return self.live.rrsets.get(key) if self.live is not None else None

    def name_at(self, change: Located) -> NameView | None:
        """What the zone's servers say about the change's owner; None offline, and where that could not be learned."""
        found = self.live.names.get((change.key.zone, change.key.owner)) if self.live is not None else None
        return found if found is not None and not found.problem else None

    @cached_property
    def planned_types(self) -> Mapping[tuple[int, str, str], frozenset[str]]:
        """The types that each stage touches at each name, by (n, zone reference, owner)."""
        out: dict[tuple[int, str, str], set[str]] = {}
        for c in self.changes:
            out.setdefault((c.n, c.key.zone, c.key.owner), set()).add(c.key.rdtype)
        return {where: frozenset(types) for where, types in out.items()}

    @cached_property
    def known_types(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The types that were looked at, or are touched, at each name, by (zone reference, owner)."""
        out: dict[tuple[str, str], set[str]] = {}
        live = self.live.rrsets if self.live is not None else ()
        for key in (*live, *(c.key for c in self.changes)):
            out.setdefault((key.zone, key.owner), set()).add(key.rdtype)
        return {where: frozenset(types) for where, types in out.items()}

    def allow(self, word: str) -> str:
        """The hint that names a deliberate act; a second `safety:` would be a key twice."""
        if self.loaded.document.has(("safety", "allow")):
            return f"if that is meant: add {word} to safety.allow"
        if self.loaded.document.has(("safety",)):
            return f"if that is meant: allow: [{word}] under safety"
        return f"if that is meant: safety: {{allow: [{word}]}}"

    def zone_path(self, ref: str, *more: str | int) -> Path:
        """The place of a key of a zone: "zone", "provider", "lookup" and below."""
        return ("zones", ref, *more)


def added(subject: Subject, change: Located) -> Iterator[str]:
    """The values that the change brings: canonical RDATA that was not there before, as far as is known."""
    p = change.planned
    if p.kind == "values":
        yield from p.add
    elif p.kind == "set" and p.after is not None:
        before = subject.before(change)
        yield from (v for v in p.after if before in (None, "unknown") or v not in before)
