"""The driver: asks `decide`, performs one action through the ports, appends what happened, and asks again.

Every `await` is a call of a port; there are no tasks and no cleanup around them, so that the process may
vanish at any of them (that is what `kill -9` is) and the next one goes on from the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from dns_cutover.engine import events as ev
from dns_cutover.engine.actions import (
    Act,
    Action,
    AskResolvers,
    Baseline,
    Done,
    Emit,
    Lock,
    Observe,
    Probe,
    Resolve,
    Wait,
    Write,
)
from dns_cutover.engine.decide import decide
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.engine.journal import from_envelope, to_envelope
from dns_cutover.engine.observe import count_resolvers, expectations, longer_lived, observed
from dns_cutover.engine.ports import Ports
from dns_cutover.engine.state import RunState
from dns_cutover.engine.write import change_lock, resolve, write_step
from dns_cutover.errors import CutoverError, LockHeld
from dns_cutover.probes.interface import Verdict
from dns_cutover.providers.interface import Guards, Receipt, Refused, Unreachable
from dns_cutover.records import Edit, SetEdit, ValueEdit
from dns_cutover.runbook.model import Step, StepKind
from dns_cutover.store.interface import Store


class UnknownRun(CutoverError):
    """No run of that id is in the store."""

    exit_code = 64


class TakenOver(LockHeld):
    """Another process drives the run."""


@dataclass(slots=True)
class Journal:
    """The run's state and its journal, kept in step. The only mutable thing of a driver."""

    state: RunState
    ports: Ports
    claimed: bool = False
    clock_proved: bool = False

    def prove(self, *readings: Guards) -> bool:
        """Bound our clock by what the provider's servers tell of theirs. Returns whether it was not confirmed before:
        what was decided by it must then be decided again.
        """
        if self.clock_proved or not readings:
            return False
        self.clock_proved = True
        offsets = [g.clock_offset for g in readings if g.clock_offset is not None]
        if offsets:
            self.ports.clock.bound(min(offsets))
        return True

    async def put(self, *events: ev.Event) -> None:
        """Append events. Commands of others are taken in; anything else of others means that they drive now.

        Raises LockHeld, Unavailable.
        """
        now = self.ports.clock.now()
        if not self.claimed:
            events = (ev.Claimed(now, self.ports.runner), *events)
            self.claimed = True
        while True:
            seq = self.state.seq
            envelopes = [to_envelope(self.state.run_id, seq + n, e) for n, e in enumerate(events)]
            if await self.ports.store.append(envelopes):
                for event in events:
                    self._take(event)
                return
            await self.refresh()

    async def refresh(self) -> None:
        """Take in what other processes appended. Raises LockHeld if one of them drives the run now."""
        for envelope in await self.ports.store.load(self.state.run_id, self.state.seq):
            event = from_envelope(envelope)
            if not isinstance(event, ev.Command | ev.Told):
                raise TakenOver(
                    f"another process drives run {self.state.run_id} now; this one stops",
                    "Two processes on one run could act on each other's half-done work.",
                    (f"dns-cutover status {self.state.run_id}   what it is doing",),
                )
            self._take(event)

    def _take(self, event: ev.Event) -> None:
        self.state = evolve(self.state, event)
        if self.ports.watcher is not None:
            self.ports.watcher.event(self.state, event)


async def create(run_id: str, first: ev.Created, ports: Ports) -> RunState:
    """Begin a run: its runbook is the first entry of its journal. Raises Unavailable."""
    if not await ports.store.append([to_envelope(run_id, 0, first)]):
        raise LockHeld(f"a run {run_id} exists already")
    state = fold(run_id, (first,))
    if ports.watcher is not None:
        ports.watcher.event(state, first)
    return state


async def drive(state: RunState, ports: Ports, *, wait: bool = True) -> tuple[RunState, Wait | None]:
    """Do everything that is due; with `wait`, also wait, until the run ends or a hold needs a person.

    Returns the state and, unless the run is over, what it waits for. Raises LockHeld, Unavailable, and what
    `ports.pulse` raises.
    """
    journal = Journal(state, ports)
    if not state.final:
        await _bound_clock(journal)
    while True:
        if ports.pulse is not None:
            ports.pulse()
        action = decide(journal.state, ports.clock.now())
        if ports.clock.disturbed():
            journal.clock_proved = False
        if not journal.clock_proved and _needs_the_time(journal.state, action):
            if (missed := await _bound_clock(journal)) is not None:
                # It counts as any other call does that the provider did not answer: no run waits for ever.
                await journal.put(_untimed(journal.state, missed, ports.clock.now()))
            continue
        match action:
            case Done():
                return journal.state, None
            case Wait():
                if ports.watcher is not None:
                    ports.watcher.waiting(journal.state, action)
                if not wait or _needs_a_person(journal.state, action) or _displaced(journal.state, action):
                    return journal.state, action
                await ports.clock.sleep_until(min(action.until, ports.clock.now() + ports.poll))
                await journal.refresh()
            case _:
                await _perform(journal, action)


def _needs_a_person(state: RunState, wait: Wait) -> bool:
    """Whether there is nothing to do here until somebody decides; where users are exposed, probes are watched on."""
    watched = state.exposed_since is not None and state.step is not None and bool(state.step.probes)
    return wait.kind == "conflict" and not watched


def _displaced(state: RunState, wait: Wait) -> bool:
    """Whether somebody else took the zone over, and nobody needs to be watched for: then a person should know."""
    lost = wait.kind == "lock" or (state.hold is not None and state.hold.kind == "lock")
    return lost and state.back is None and state.exposed_since is None


async def _bound_clock(journal: Journal) -> CutoverError | None:
    """Any answer of the provider tells its clock; no clock jump of ours may shorten a wait. Why none came, if none."""
    readings: list[Guards] = []
    missed: CutoverError | None = None
    for provider in journal.ports.providers.values():
        try:
            readings.append(await provider.guards(()))
        except CutoverError as exc:
            missed = exc
    journal.prove(*readings)
    return None if readings else missed


def _untimed(state: RunState, why: CutoverError, now: float) -> ev.Event:
    """Nobody confirms our clock. Once something was written, and perhaps watched, a refusal ends no watching."""
    step = state.step.id if state.step else ""
    if isinstance(why, Refused) and not state.done:
        return ev.Denied(now, step, why.what, why.why, why.hints, why.facts)
    return ev.Missed(now, step, why.what, why.why, why.hints)


def _needs_the_time(state: RunState, action: Action) -> bool:
    """Whether the action follows from the passing of time, or tells when something was: with a clock that is behind,
    the last look at an old version would count as earlier than it was, and the wait for it would end too soon; with
    one that is ahead, what resolvers say now would count as said after it.
    """
    step = state.step
    timed = step is not None and step.kind in (StepKind.WAIT_TTL, StepKind.WAIT, StepKind.CONVERGE, StepKind.BAKE)
    over = timed and isinstance(action, Emit) and isinstance(action.event, ev.StepDone)
    return over or isinstance(action, (Observe, AskResolvers))


async def _perform(journal: Journal, action: Act) -> None:
    ports = journal.ports
    match action:
        case Emit(event):
            await journal.put(event)
        case Write(step, undo):
            await write_step(journal, step, undo)
        case Lock(zone, purpose):
            await change_lock(journal, zone, purpose)
        case Resolve():
            await resolve(journal)
        case Observe(step, before):
            await _observe(journal, step, before=before)
        case Baseline(step):
            await _baseline(journal, step)
        case AskResolvers(step):
            asked = await ports.lookup.resolvers(expectations(journal.state, step))
            if ports.watcher is not None:
                ports.watcher.resolvers(journal.state, asked.rows)
            await journal.put(count_resolvers(journal.state, step, asked, ports.clock.now()))
        case Probe(step, probes):
            results = await ports.prober.ask(probes)
            await journal.put(
                *(ev.Probed(ports.clock.now(), step.id, r.name, r.verdict, r.latency, r.detail) for r in results)
            )
        case _:
            assert_never(action)


async def _settled(journal: Journal, step: Step) -> bool:
    """Whether providers that can tell say that all of their servers have the step's writes: an anycast address shows
    one server of many.
    """
    ports, s = journal.ports, journal.state
    for zone in dict.fromkeys(e.key.zone for e in step.edits):
        provider = ports.providers[zone]
        if not provider.guarantees.sync_wait:
            continue
        try:
            settled = await provider.settled(Receipt((), 0, s.changes.get(zone, "")))
        except (Unreachable, Refused) as exc:
            await journal.put(ev.Missed(ports.clock.now(), step.id, exc.what, exc.why, exc.hints))
            return False
        if not settled:
            name = f"the provider of {s.book.zone(zone).name}"
            late = ev.ServerTrouble(name, "", False, "has not brought the change to all of its servers yet")
            await journal.put(ev.Observed(ports.clock.now(), step.id, s.servers, (late,)))
            return False
    return True


async def _observe(journal: Journal, step: Step, *, before: bool) -> None:
    ports = journal.ports
    if not before and not await _settled(journal, step):
        return
    looked = await ports.lookup.authoritative([e.key for e in step.edits])
    if ports.clock.disturbed():
        return  # when that was cannot be told
    now = ports.clock.now()
    longer = longer_lived(journal.state, step, looked, now)
    await journal.put(*longer, observed(journal.state, step, looked, now, before=before))


async def _baseline(journal: Journal, step: Step) -> None:
    ports = journal.ports
    unasked = tuple(p for p in step.probes if p.name not in journal.state.gates)
    if unasked:
        results = await ports.prober.ask(unasked)
        await journal.put(
            *(ev.Probed(ports.clock.now(), step.id, r.name, r.verdict, r.latency, r.detail) for r in results)
        )
        if any(r.verdict is not Verdict.SUCCESS for r in results):
            return  # `decide` judges them first
    existing = [x for x in expectations(journal.state, step) if _exists(x.edit)]
    if existing:
        asked = await ports.lookup.baseline(existing)
        if ports.watcher is not None:
            ports.watcher.resolvers(journal.state, asked.rows)
    await journal.put(ev.StepDone(ports.clock.now(), step.id, "every server has what the plan expects"))


def _exists(edit: Edit) -> bool:
    """Never ask a recursive resolver for what is not there yet: that would plant a negative answer."""
    match edit:
        case SetEdit(_, before, _):
            return before is not None
        case ValueEdit():
            return edit.ttl_before is not None
        case _:
            assert_never(edit)


async def load_events(run_id: str, store: Store) -> tuple[ev.Event, ...]:
    """All events of a run. Raises Unavailable; UnknownEvent for a journal of a newer version."""
    return tuple(from_envelope(e) for e in await store.load(run_id))


async def append_command(
    state: RunState,
    store: Store,
    verb: ev.Verb,
    by: str,
    subject: str,
    now: float,
    *,
    runbook: str = "",
    stage: str = "",
    host: str = "",
    user: str = "",
    origin: str = "",
) -> RunState:
    """Append a command from any process; whoever drives the run takes it in. Raises Unavailable."""
    while True:
        event = ev.Command(now, verb, by, subject, runbook, host, user, origin, stage)
        if await store.append([to_envelope(state.run_id, state.seq, event)]):
            return evolve(state, event)
        state = fold(state.run_id, await load_events(state.run_id, store))


async def append_told(run_id: str, store: Store, seq: int, told: Sequence[ev.Told]) -> int:
    """Append what was told, from any process; the journal has at least `seq` entries. Returns how many it has then.

    Raises Unavailable.
    """
    while True:
        if await store.append([to_envelope(run_id, seq + n, e) for n, e in enumerate(told)]):
            return seq + len(told)
        seq += len(await store.load(run_id, seq))


async def reopen(state: RunState, store: Store, event: ev.Reopened) -> RunState:
    """Begin to take back a run that is over. Whoever was first does it. Raises Unavailable, LockHeld."""
    if not await store.append([to_envelope(state.run_id, state.seq, event)]):
        raise LockHeld(f"somebody else takes back run {state.run_id} already")
    return evolve(state, event)
