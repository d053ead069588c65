"""What must hold whatever happens: at every write of ours, after every event, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState
from dns_cutover.providers.interface import Token
from dns_cutover.providers.rfc2136.update import Question
from dns_cutover.records import Change, RRset
from dns_cutover.runbook.model import Step, StepKind
from dns_cutover.runbook.window import window_opens
from tests.simulation import server
from tests.simulation.plans import BASE, LOCK, LOW, SOA, F
from tests.simulation.world import RUN, World

BY_ITSELF = ("probe", "deadline", "violators", "confirm", "inconclusive", "ignored")
SECOND = 1.5  # TSIG tells whole seconds


@dataclass
class Judged(World):
    """A world that notes what must not happen."""

    ever_foreign: set[Question] = field(default_factory=set)  # were somebody else's at some time
    kept: bool = False  # somebody ended it as it was
    unlocked: bool = False  # somebody took a lock away
    began: dict[str, float] = field(default_factory=dict)  # when each step became the current one, in real time
    ended: dict[str, float] = field(default_factory=dict)  # when each was done
    replaced: list[tuple[Question, RRset, str]] = field(default_factory=list)  # what the way back took, of which stage
    before_rollback: RunState | None = None

    def foreign(self, question: Question, rrset: RRset | None) -> None:
        super().foreign(question, rrset)
        if question in self.foreign_keys:
            self.ever_foreign.add(question)

    # -- a message of ours changes the zone -----------------------------------------------------------------------

    def judge_write(self, before: server.Zone, after: server.Zone) -> None:
        changed = [q for q in {*before, *after} if before.get(q) != after.get(q) and q not in (SOA, LOCK)]
        if not changed:
            return
        self._lock(before)
        state = self.state()
        pending = state.pending if state is not None and not state.final else None
        if state is None or pending is None:
            self.problems.append("a write that the journal does not have as pending")
            return
        step = state.step
        meant = {(c.key.owner, c.key.rdtype): c for c in pending.changes}
        for q in changed:
            self._meant(q, meant.get(q), before.get(q), after.get(q))
        if step is None or step.id != pending.step:
            return
        forward = state.back is None
        if forward:
            self._forward(step, changed, before, after)
        else:
            self._backward(state, step, changed, before, after)
        self._no_gap(before, after)

    def locked(self, zone: server.Zone) -> bool:
        """Whether this run holds the lock there."""
        lock = zone.get(LOCK)
        token = Token.parse(lock.values[0].strip('"')) if lock is not None else None
        return token is not None and token.run == RUN

    def _lock(self, before: server.Zone) -> None:
        if not self.locked(before):
            self.problems.append("a write without holding the lock")

    def _meant(self, q: Question, change: Change | None, old: RRset | None, new: RRset | None) -> None:
        # What a server ignores of a message keeps its old values: that is found by reading back.
        if change is None or old != change.before or new != change.after:
            self.problems.append(f"{q} became {new} from {old}; the journal means {change}")

    def _no_gap(self, before: server.Zone, after: server.Zone) -> None:
        """A name that has something before and after the migration has something all the time."""
        for q in self.plan.after:
            owner = q[0]
            stays = any(o == owner for o, _ in BASE) and any(
                r is not None for (o, _), r in self.plan.after.items() if o == owner
            )
            had = any(o == owner for o, _ in before)
            if stays and had and not any(o == owner for o, _ in after):
                self.problems.append(f"a gap: nothing at {owner}")

    def _forward(self, step: Step, changed: list[Question], before: server.Zone, after: server.Zone) -> None:
        for q in changed:
            old, new = before.get(q), after.get(q)
            if old is None or (new is not None and new.values == old.values):
                continue
            # Without a second look in between, nobody lowered it for nothing: the tail would be that of the long TTL.
            if q in self.plan.lowered and (alive := self._alive(q, old.values, LOW)):
                self.problems.append(f"{q} changed at {self.now:.1f}; {alive}")
        # Lowering TTLs ahead of a stage changes nothing that another one stands on.
        earlier = self.plan.stages[: self.plan.stages.index(step.stage)] if step.kind is StepKind.APPLY else ()
        for q, base in BASE.items():
            new = self.plan.after.get(q)
            if self.plan.stage_of.get(q) in earlier and q not in self.ever_foreign:
                gone = new is None or new.values != base.values
                if gone and (alive := self._alive(q, base.values, -1)):
                    self.problems.append(
                        f"{step.id} at {self.now:.1f}: what stage {self.plan.stage_of[q]} replaced lives; {alive}"
                    )

    def _backward(
        self, state: RunState, step: Step, changed: list[Question], before: server.Zone, after: server.Zone
    ) -> None:
        """What a newer stage stood on goes only when no cache holds that stage any more."""
        for q, image, stage in self.replaced if step.kind is StepKind.APPLY and not state.unproven else ():
            if stage == step.stage or q in self.ever_foreign:
                continue
            if alive := self._alive(q, image.values, -1):
                self.problems.append(f"{step.id} at {self.now:.1f}: {q} of stage {stage} lives; {alive}")
        for q in changed:
            old, new = before.get(q), after.get(q)
            if step.kind is StepKind.APPLY and old is not None and (new is None or new.values != old.values):
                self.replaced.append((q, old, step.stage))

    def _alive(self, q: Question, values: tuple[str, ...], above: int) -> str:
        """Whether a cache can hold these values with a TTL above that, by what every server served so far."""
        logs = [self.served, *(s.log for s in self.secondaries)]
        for log in logs:
            for n, (_, version) in enumerate(log):
                rrset = self.versions[version].get(q)
                if rrset is None or rrset.values != values or rrset.ttl <= above:
                    continue
                last = log[n + 1][0] if n + 1 < len(log) else self.now
                if self.now < last + rrset.ttl + F - 1e-6:
                    return f"TTL {rrset.ttl} was served until {last:.1f}"
        for at, version, _ in (seen for s in self.secondaries for seen in s.seen if q in seen[2]):
            rrset = self.versions[version].get(q)
            if rrset is not None and rrset.values == values and rrset.ttl > above and self.now < at + rrset.ttl + F:
                return f"TTL {rrset.ttl} was seen at {at:.1f}"
        return ""

    # -- after every event ----------------------------------------------------------------------------------------

    def witness(self, before: RunState, event: ev.Event, after: RunState) -> None:
        """The journal says applied only if the server has it, and not applied only if it never will."""
        match event:
            case ev.Applied() | ev.NotApplied() if self.unlocked and not (before.pending and before.pending.changes):
                pass  # of a message that was about the lock alone nothing is left to see
            case ev.Applied() if event.op not in self.taken:
                self.problems.append(f"the journal has {event.op} as applied, the server has not")
            case ev.Applied() if before.pending is not None:
                self._wholly(before.pending, event)
            case ev.NotApplied() if event.op in self.taken:
                self.problems.append(f"the journal has {event.op} as not applied ({event.reason}), the server has")
            case ev.RollbackStarted():
                self.before_rollback = before
                self._may_go_back(before, event)
            case ev.Command(verb="keep"):
                self.kept = True
            case ev.Intent(purpose="write"):
                self._in_window(before)
            case ev.StepDone() if before.step is not None:
                self._long_enough(before.step)
            case ev.Observed():
                # What a process saw that lost the run, or died, before it said so, nobody knows.
                for secondary, seen in self.glimpsed.pop(before.runner, ()):
                    secondary.seen.append(seen)
            case ev.Finished():
                if self.locked(self.zone):
                    self.problems.append("finished with the lock in the zone")
            case _:
                pass
        step = after.step
        if step is not None and (before.step is not step or not self.began):
            if before.step is not None:
                self.ended[before.step.id] = self.now
            self.began[step.id] = self.now

    def _wholly(self, intent: ev.Intent, event: ev.Applied) -> None:
        """What the server ignored of a message is not among what the journal has as applied."""
        had = self.effects.get(event.op, frozenset())
        for change in intent.changes:
            q = (change.key.owner, change.key.rdtype)
            meant = change.before != change.after and change.key not in event.ignored
            if meant and q not in had and q not in self.ever_foreign:
                self.problems.append(f"the journal has {q} of {event.op} as applied, the server ignored it")

    def _may_go_back(self, before: RunState, event: ev.RollbackStarted) -> None:
        if event.cause not in BY_ITSELF:
            return
        for stage in self.plan.book.stages:
            steps = enumerate(before.book.steps)
            first = next(n for n, s in steps if s.stage == stage.name and s.kind is StepKind.APPLY)
            if stage.commit == "before" and before.i >= first:
                self.problems.append(
                    f"a rollback by itself ({event.cause}) after stage {stage.name}, which commits, began"
                )

    def _long_enough(self, step: Step) -> None:
        """No clock jump shortens a bake or a pause."""
        if step.kind is StepKind.BAKE and step.id in self.began:
            since = self.began[step.id]
        elif step.kind is StepKind.WAIT and not step.id.endswith(
            "before_lowering"
        ):  # that one is passed if they are low
            baked = [t for name, t in self.ended.items() if name.endswith("/bake")]
            since = max(baked, default=1000.0)
        else:
            return
        if self.now < since + step.seconds - SECOND:
            self.problems.append(f"{step.id} was done after {self.now - since:.1f} s of {step.seconds:g}")

    def _in_window(self, before: RunState) -> None:
        step = before.step
        if step is None or step.kind is not StepKind.APPLY:
            return
        window = next((s.window for s in before.book.steps if s.stage == step.stage and s.window is not None), None)
        begun = any(w.stage == step.stage and w.kind is StepKind.APPLY for w in before.done)
        if window is None or begun:
            return
        if window_opens(window, self.now + SECOND) > self.now + 2 * SECOND:
            self.problems.append(f"{step.id} began outside its window, at {self.now:.1f}")


# -- at the end -------------------------------------------------------------------------------------------------------


def judge_end(w: Judged, state: RunState) -> list[str]:
    """What is wrong with the end of a story."""
    w.advance(20_000)  # what is still under way arrives
    w.state()
    problems = list(w.problems)
    if w.locked(w.zone):
        problems.append("the lock was left behind")
    # What was somebody else's for a while is left alone by a rollback at that time.
    theirs = w.ever_foreign if state.outcome == "rollback_failed" else w.foreign_keys
    if state.outcome == "rollback_failed":
        theirs = theirs | w.ignoring
    # Beside what is ours, or at a name that an alias and data take from each other.
    pairs = {o for o, t in w.plan.after if any((o, other) in w.plan.after for other in ("CNAME", "A") if other != t)}
    owners = {owner for owner, rdtype in theirs if (owner, rdtype) not in w.plan.after or owner in pairs}
    if not w.kept:
        for q, wanted in expected(w, state):
            if q not in theirs and q[0] not in owners and not _is(w, q, wanted):
                problems.append(f"{state.outcome}: {q} is {w.zone.get(q)}, not {wanted}")
    if state.outcome == "rollback_failed" and not (w.ever_foreign or w.ignoring or state.unproven or w.kept):
        problems.append("rollback_failed without a foreign value and without an unreachable server")
    return problems


def expected(w: Judged, state: RunState) -> Iterator[tuple[Question, RRset | None]]:
    """What each RRset of the plan is to be at the end; worked out from what was written, not from the way back."""
    stays = _staying(w, w.before_rollback) if w.before_rollback is not None else lambda q: False
    for q, new in w.plan.after.items():
        yield q, new if state.outcome == "succeeded" or stays(q) else BASE.get(q)


def _staying(w: Judged, before: RunState) -> Callable[[Question], bool]:
    """Which RRsets a rollback that began so leaves as the plan made them."""
    book, names = before.book, w.plan.stages
    written = {(c.key.owner, c.key.rdtype) for d in before.done if d.kind is StepKind.APPLY for c in d.changes}
    closed = -1
    for n, stage in enumerate(book.stages):
        last = max(i for i, s in enumerate(book.steps) if s.stage == stage.name)
        if stage.commit == "after" and before.i > last:
            closed = n
    applied = [names.index(d.stage) for d in before.done if d.kind is StepKind.APPLY]
    oldest = max(applied, default=0) if book.rollback.scope == "stage" else 0

    def stays(q: Question) -> bool:
        if q not in written:
            return False
        if names.index(w.plan.stage_of[q]) <= closed or names.index(w.plan.stage_of[q]) < oldest:
            return True
        # What only adds stays if the plan wants it so, except where an alias and data took each other's place.
        alone = {t for o, t in (*BASE, *w.plan.after) if o == q[0]} == {q[1]}
        return book.rollback.additive == "keep" and q not in BASE and alone

    return stays


def _is(w: Judged, q: Question, wanted: RRset | None) -> bool:
    found = w.zone.get(q)
    if q[1] == "TXT" and found is not None and wanted is not None and '"theirs"' in found.values:
        return {*found.values} - {'"theirs"'} == {*wanted.values} and found.ttl == wanted.ttl
    return found == wanted
