"""DC3xx: TTLs, and what the waits cannot make good. What only live DNS can tell is in ttl_live."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.checks.moves import replaced
from dns_cutover.plan.models import Stage, TtlConfig
from dns_cutover.plan.places import Path
from dns_cutover.records import Edit, RRset, SetEdit, ValueEdit
from dns_cutover.runbook.model import StepKind
from dns_cutover.runbook.timeline import Moment, timeline
from dns_cutover.runbook.window import may_start
from dns_cutover.timing.lifetime import CachePolicy, lifetime
from dns_cutover.timing.words import bound, duration

DAY = 86400.0
_LIVE = "www 3600 IN A 192.0.2.10\n"


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


def _switch(more: str = "", **top: str) -> str:
    change = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    head = "".join(f"{key}: {value}\n" for key, value in top.items())
    return f"{head}stages:\n  - name: switch\n{more}    changes:\n      - {change}\n"


_SPF = _stage('{name: "@", type: TXT, remove: ["v=spf1 -all"], add: ["v=spf1 mx -all"]}')


def ttl_of(subject: Subject, stage: Stage) -> TtlConfig:
    """The TTLs that hold in the stage."""
    return stage.ttl or subject.loaded.plan.ttl


def policy(subject: Subject, stage: Stage | None = None) -> CachePolicy:
    """What caches and clients add, as the plan says."""
    ttl = subject.loaded.plan.ttl if stage is None else ttl_of(subject, stage)
    return CachePolicy(tuple(ttl.resolver_floor) or (0.0,), ttl.client_floor)


def course(subject: Subject) -> tuple[Moment, ...]:
    """The earliest course of a run that starts now, in seconds UTC; nothing where no runbook could be made."""
    now = subject.now
    try:
        moments = timeline(subject.book, now) if subject.book is not None else ()
    except ValueError:
        return ()  # a stage never fits into its window: DC313 and DC161 say so
    return tuple(Moment(m.step, now + m.start, now + m.end, m.skipped) for m in moments)


def stage_numbers(subject: Subject) -> dict[str, int]:
    """Each stage's place in the plan, by name."""
    return {stage.name: n for n, stage in enumerate(subject.loaded.plan.stages)}


def ttl_path(n: int, stage: Stage, key: str) -> Path:
    """Where a key of `ttl` stands that holds in the stage."""
    return ("stages", n, "ttl", key) if stage.ttl is not None else ("ttl", key)


def clock(at: float, timezone: str) -> str:
    """A moment in a window's own time zone."""
    return datetime.fromtimestamp(at, ZoneInfo(timezone)).strftime("%a %d %b %H:%M")


@check(
    "DC301",
    "warning",
    "the old TTL keeps the stage out of a window",
    why="The stage waits for a later window, although one is open before.",
    hint="start the run earlier, or lower the TTL some days before it",
    source="RFC 1034 section 3.6; DESIGN section 5",
    needs="live",
    fires=Example(
        _switch("    window: {days: mon-thu, from: '09:00', to: '16:00', timezone: UTC}\n"),
        zone="www 172800 IN A 192.0.2.10\n",
        note="Looked at on a Wednesday: 48 hours later the window of Thursday is closed until Monday.",
        facts={"now": 1773244800.0},
    ),
    silent=Example(
        _switch("    window: {days: mon-thu, from: '09:00', to: '16:00', timezone: UTC}\n"),
        zone="www 172800 IN A 192.0.2.10\n",
        note="Looked at on a Tuesday at noon: 48 hours later it is Thursday, and open.",
    ),
)
def window_missed(subject: Subject) -> Iterator[Spot]:
    """A stage may start once its old TTL is dead, and only within its window. TTLs are lowered so that the wait for the
    old TTL ends when a window opens; the first windows may be too early for that, and the stage then waits for days
    that nobody planned.
    """
    if subject.book is None:
        return
    numbers = stage_numbers(subject)
    for m in course(subject):
        w = m.step.window
        if w is None or not m.step.lead or m.skipped:
            continue
        first = may_start(w, subject.book.freezes, subject.book.stage(m.step.stage).needs, m.start)
        ready, starts = m.start + m.step.lead, m.end + m.step.lead
        if starts - ready <= DAY or first >= ready:
            continue
        zone = w.timezone
        yield Spot(
            ("stages", numbers[m.step.stage], "window"),
            f"the old TTL must be lowered {bound(m.step.lead)} before stage {m.step.stage}, which is too late for "
            f"{clock(first, zone)}: the stage waits until {clock(starts, zone)} ({zone})",
            stage=m.step.stage,
        )


@check(
    "DC302",
    "info",
    "the TTLs are low already",
    why="There is nothing to lower and nothing to wait for, if they have been low for long enough.",
    hint="if somebody lowered them only just now, wait for the TTL that they had before",
    source="RFC 1034 section 3.6; DESIGN section 5",
    needs="live",
    fires=Example(_switch(), zone="www 60 IN A 192.0.2.10\n"),
    silent=Example(_switch(), zone=_LIVE),
)
def low_already(subject: Subject) -> Iterator[Spot]:
    """Caches keep an answer for the TTL that it had when they got it. A TTL that is low now needs no lowering, and the
    run changes the records at once. That is right only if it was low for longer than the TTL that it had before: what
    was lowered by hand a minute ago is still held at the old TTL, and no server tells.
    """
    by_stage: dict[int, list[RRset]] = {}
    for c in subject.changes:
        if c.planned.kind != "ttl" and (rrset := subject.live_rrset(c.key)) is not None:
            by_stage.setdefault(c.n, []).append(rrset)
    for n, there in by_stage.items():
        stage = subject.loaded.plan.stages[n]
        low = ttl_of(subject, stage).lower_to
        if all(r.ttl <= low for r in there):
            ttl = max(r.ttl for r in there)
            what = "the TTL is" if len(there) == 1 else f"all {len(there)} TTLs are at most"
            message = f"{what} {ttl} s already, and lower_to is {low} s: stage {stage.name} has nothing to wait for"
            yield Spot(("stages", n, "name"), message, stage=stage.name)


@check(
    "DC303",
    "error",
    "a TTL below the provider's minimum",
    why="The provider would publish its own minimum, and every wait would be too short.",
    hint="raise lower_to to the provider's minimum",
    source="DESIGN section 8; the provider's own documentation",
    fires=Example(_switch(), facts={"guarantees": {"min_ttl": 120}}),
    silent=Example(_switch(ttl="{lower_to: 120s}"), facts={"guarantees": {"min_ttl": 120}}),
)
def below_minimum(subject: Subject) -> Iterator[Spot]:
    """Some providers lift low TTLs to a minimum of their own without saying so. The run then reads back another TTL
    than it wrote; and what was computed from the lower one, such as the worst case after a change, is wrong.
    """
    seen: set[tuple[Path, str]] = set()
    for c in subject.changes:
        promised = subject.guarantees.get(c.key.zone)
        if promised is None:
            continue
        minimum, low = promised.min_ttl, ttl_of(subject, c.stage).lower_to
        zone = subject.names[c.key.zone]
        path = ttl_path(c.n, c.stage, "lower_to")
        if low < minimum and c.planned.kind != "ttl" and (path, zone) not in seen:
            seen.add((path, zone))
            hint = f"ttl: {{lower_to: {minimum}s}}"
            yield Spot(path, f"lower_to is {low} s, and the provider of {zone} keeps at least {minimum} s", hint)
        if c.planned.ttl is not None and c.planned.ttl < minimum:
            message = f"{c.label} is to have TTL {c.planned.ttl}, and the provider of {zone} keeps at least {minimum} s"
            yield c.spot(message, f"ttl: {minimum}", "ttl")


@check(
    "DC309",
    "warning",
    "raising TTLs before the way back is closed",
    why="Raising the TTL is the commit point: from then on going back reaches users only as their caches expire.",
    hint="bake for longer, or restore later",
    source="DESIGN section 5: raise the TTL not before dead(old) + bake",
    needs="live",
    fires=Example(_SPF, zone='@ 3600 IN TXT "v=spf1 -all"\n'),
    silent=Example(_SPF + "    bake: 30m\n", zone='@ 3600 IN TXT "v=spf1 -all"\n'),
)
def restored_early(subject: Subject) -> Iterator[Spot]:
    """While the TTL is low a rollback reaches everybody within minutes; once it is restored it takes the whole TTL.
    Where the last stage before the restore does not bake, the TTL goes up in the moment in which the change is proved;
    where rollback.until promises a way back for longer, it goes up while somebody may still count on that. What only
    adds names or values is not meant: it stays in place when a run goes back. Nor is a stage that moves users and does
    not bake, which is told by itself.
    """
    if subject.book is None:
        return
    until, numbers, moved = subject.book.rollback.until, stage_numbers(subject), replaced(subject)
    taken: dict[tuple[str, str], int] = {}  # the stage that last took something away at a name
    for m in course(subject):
        if m.step.kind is StepKind.APPLY:
            n = numbers[m.step.stage]
            taken |= {(e.key.zone, e.key.owner): n for e in m.step.edits if _takes_away(e)}
        if m.step.kind is not StepKind.RESTORE_TTL:
            continue
        stage = subject.loaded.plan.stages[numbers[m.step.stage]]
        own = [e for e in m.step.edits if (e.key.zone, e.key.owner) in taken]
        raised = [ttl for e in own if (ttl := _raised_to(e)) is not None]
        last = max((taken[e.key.zone, e.key.owner] for e in own), default=0)
        taken = {}
        if not raised or stage.commit != "never":
            continue
        back = bound(lifetime(max(raised), policy(subject, stage)))
        took = subject.loaded.plan.stages[last]
        if not (took.bake or stage.bake):
            if last in moved:
                continue  # DC150 says so
            yield Spot(
                ("stages", last, "bake"),
                f"stage {took.name} does not bake: TTLs go up once it is proved, and going back then takes {back}",
                "bake: 30m, or commit: after if no way back is wanted",
                took.name,
            )
        elif until is not None and m.start < until:
            early = duration(until - m.start)
            yield Spot(
                ("rollback", "until"),
                f"TTLs go up {early} before the way back ends; from then on going back takes {back}",
                f"bake stage {stage.name} for {bound(stage.bake + until - m.start)}, or end the way back earlier",
                stage.name,
            )


def _takes_away(edit: Edit) -> bool:
    match edit:
        case SetEdit(_, before, after):
            return before is not None and not before.same_data(after)
        case ValueEdit():
            return bool(edit.remove)


def _raised_to(edit: Edit) -> int | None:
    """The TTL that the edit raises to, None if it does not raise."""
    match edit:
        case SetEdit(_, before, after):
            return after.ttl if before is not None and after is not None and after.ttl > before.ttl else None
        case ValueEdit():
            return edit.ttl if edit.ttl_before is not None and edit.ttl > edit.ttl_before else None


@check(
    "DC311",
    "info",
    "low TTLs after the run",
    why="Low TTLs cost every user a lookup more, and an outage of the servers is felt sooner.",
    hint="ttl: {restore: original}, or a duration",
    source="RFC 9199 section 3.5: longer TTLs whenever possible",
    fires=Example(_switch(ttl="{restore: keep}")),
    silent=Example(_switch(ttl="{restore: original}")),
)
def never_restored(subject: Subject) -> Iterator[Spot]:
    """A run lowers TTLs and gives them back in the end. With restore: keep nobody does, unless somebody remembers it.
    That can be meant, for a name that moves again next week.
    """
    seen: set[Path] = set()
    for n, stage in enumerate(subject.loaded.plan.stages):
        path = ttl_path(n, stage, "restore")
        ttl = ttl_of(subject, stage)
        if ttl.restore == "keep" and path not in seen:
            seen.add(path)
            yield Spot(path, f"restore: keep leaves the TTLs at {ttl.lower_to} s or less after the run")


@check(
    "DC312",
    "error",
    "the way back ends before the change can be made",
    why="The change would be made at a time from which nobody can go back.",
    hint="set rollback.until later, or start earlier",
    source="DESIGN section 5: the earliest safe change is when the old TTL is dead",
    needs="live",
    fires=Example(
        _switch(rollback='{until: "2026-03-10T12:30:00Z"}'),
        zone=_LIVE,
        note="Looked at on 10 March at 12:00 UTC: the old TTL of an hour ends after 13:00.",
    ),
    silent=Example(_switch(rollback='{until: "2026-03-12T12:00:00Z"}'), zone=_LIVE),
)
def way_back_gone(subject: Subject) -> Iterator[Spot]:
    """rollback.until is when the way back is gone: an old certificate expires, an old contract ends. The wait for the
    old TTL, earlier stages and windows can take longer than that. A stage with commit: before gives up its way back
    by itself, and is not meant.
    """
    if (late := first_late(subject)) is not None:
        stage, seconds = late
        message = f"stage {stage.name} can change its records {duration(seconds)} after the way back has ended, at the "
        yield Spot(("rollback", "until"), f"{message}earliest", stage=stage.name)


def first_late(subject: Subject) -> tuple[Stage, float] | None:
    """The first stage that can change its records only after rollback.until, and how late that is in seconds."""
    until = subject.loaded.plan.rollback.until
    if subject.book is None or until is None:
        return None
    numbers = stage_numbers(subject)
    for m in course(subject):
        stage = subject.loaded.plan.stages[numbers[m.step.stage]]
        if m.step.kind is StepKind.APPLY and m.start > until.timestamp() and stage.commit != "before":
            return stage, m.start - until.timestamp()
    return None


CHECKS = (window_missed, low_already, below_minimum, restored_early, never_restored, way_back_gone)
