"""One arm, played: by hand, or the plan through the engine."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from importlib.resources import files
from typing import Any

from dns_cutover.assembly import LabOverrides, Setting, look, partitions, ports
from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import append_command, create, drive
from dns_cutover.engine.state import RunState
from dns_cutover.lab.replay.arms import ALARM, FAULT, LOW_TTL, MINUTE, NOTICED, PAGED, TTL, Arm
from dns_cutover.lab.replay.figures import ArmResult, Moment, picture, shown
from dns_cutover.lab.replay.stepping import SteppingClock, run_stepped
from dns_cutover.lab.replay.world import OTHER_TXT, RELAY, SPF_NEW, SPF_OLD, ZONE, ReplayWorld
from dns_cutover.lab.world import KEY_SECRET
from dns_cutover.lab.zone import NameType
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from dns_cutover.probes.interface import Verdict
from dns_cutover.records import RRset
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.store.memory import MemoryStore

LOOK = 15.0  # how soon something that others did is seen
LEAD = 5 * MINUTE  # all is well for so long, before and after
BEFORE, AFTER = 10 * MINUTE, 110 * MINUTE  # what the picture shows, around the switch of the mail


def play(arm: Arm, *, phases: int, seed: int = 1) -> ArmResult:
    """One arm in a world of its own."""
    return run_stepped(lambda clock: _play(arm, phases, seed, clock))


async def _play(arm: Arm, phases: int, seed: int, clock: SteppingClock) -> ArmResult:

    def alarm(now: float) -> bool:
        return arm.alarm and world.new.used_by_users_at is not None and now >= world.new.used_by_users_at + ALARM

    world = ReplayWorld(clock, phases=phases, fault=arm.fault, in_place=arm.by == "hand", alarm=alarm, seed=seed)
    async with world:
        facts = await (_by_hand(world, arm) if arm.by == "hand" else _by_plan(world, arm, clock))
        await world.reach(clock.now() + LEAD)
        return _result(arm, phases, world, facts)


def _result(arm: Arm, phases: int, world: ReplayWorld, facts: dict[str, Any]) -> ArmResult:
    end, zero = world.clock.now(), world.new.used_by_users_at or world.new.used_at or world.began
    receivers = shown(world.subjects, world.deliveries, end)
    over = max((facts.pop("over"), *(r.last for r in receivers if r.last is not None)))
    curve = picture(len(receivers), world.deliveries, zero - BEFORE, min(end, zero + AFTER))
    moments = tuple(sorted(facts.pop("moments"), key=lambda m: m.at))
    return ArmResult(
        arm.name,
        arm.what,
        phases,
        receivers,
        world.began,
        zero,
        over,
        moments=moments,
        picture=curve,
        **facts,
    )


def _records(vendor: str, ttl: int) -> dict[NameType, RRset]:
    """What receivers look up, and the application's relay, all at one vendor."""
    old = vendor == "oldmail"
    return {
        (ZONE, "TXT"): RRset.of("TXT", ttl, SPF_OLD if old else SPF_NEW, OTHER_TXT),
        (f"s1._domainkey.{ZONE}", "CNAME"): RRset(ttl, (f"s1.dkim.{'u17' if old else 'u42'}.{vendor}.test.",)),
        (RELAY, "CNAME"): RRset(LOW_TTL, (f"relay.{vendor}.test.",)),
    }


async def _by_hand(world: ReplayWorld, arm: Arm) -> dict[str, Any]:
    clock, ttl, moments = world.clock, TTL, []
    await world.reach(clock.now() + LEAD)
    if arm.lowered:
        ttl = LOW_TTL
        moments.append(Moment(world.by_hand(_records("oldmail", ttl)), "TTLs lowered"))
        await world.reach(clock.now() + TTL + LEAD)
    changed = world.by_hand(_records("newmail", ttl))
    moments.append(Moment(changed, "records replaced in place"))
    if arm.fault is None:
        await world.reach(changed + TTL)
        return {"over": changed, "outcome": "moved", "moments": moments}
    fault_at = await _fault(world)
    repaired = await world.reach(fault_at + FAULT)
    world.by_hand(_records("oldmail", ttl))
    moments += [Moment(fault_at, "fault begins"), Moment(fault_at + NOTICED, "people notice")]
    moments.append(Moment(repaired, "records put back by hand"))
    await world.reach(repaired + TTL)  # the longest that any of the caches holds anything
    return {
        "over": repaired,
        "outcome": "put back by hand",
        "moments": moments,
        "fault_at": fault_at,
        "detected": fault_at + NOTICED,
        "noticed_by": "people (assumed)",
        "decided": repaired,
        "repaired": repaired,
    }


async def _fault(world: ReplayWorld) -> float:
    """When the fault begins, once that is known."""
    while (at := world.new.fault_at) is None:
        await world.reach(world.clock.now() + LOOK)
    return at


class _Recorder:
    """Keeps a run's events."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []

    def event(self, state: RunState, event: ev.Event) -> None:
        self.events.append(event)

    def waiting(self, state: RunState, wait: Any) -> None:
        """Nothing to keep."""

    def resolvers(self, state: RunState, rows: Any) -> None:
        """Nothing to keep."""


def load(arm: Arm, canary_port: int) -> LoadedPlan:
    """The replay's plan, as the arm has it."""
    text = files("dns_cutover.lab.replay").joinpath("plan.yaml").read_text(encoding="utf-8")
    text = text.replace("target: canary.example.test,", f"target: canary.example.test, port: {canary_port},")
    if not arm.automatic:
        text += "\nrollback: {automatic: false}\n"
    if not arm.probes:
        text = "\n".join(x for x in text.splitlines() if "probes:" not in x and "{type: smtp" not in x) + "\n"
    return parse_plan(text.encode(), "plan.yaml", {})


async def _by_plan(world: ReplayWorld, arm: Arm, steps: SteppingClock) -> dict[str, Any]:
    clock, lab = world.clock, world.lab

    async def resolve(name: str) -> tuple[str, ...]:
        return ("127.0.0.1",)

    setting = Setting(
        clock=steps,
        rng=lab.rng,
        lab=LabOverrides(str(lab.primary.endpoint), lab.authoritative, lab.resolvers, KEY_SECRET),
        resolve=resolve,
        asker_=Asker(Timeouts(udp=1.0, tcp=2.0)),
    )
    loaded = load(arm, world.canary.host.port)
    live = await look(loaded, setting)
    book = compile_runbook(loaded.plan, loaded.sha256, live.facts, partitions(live.facts))
    recorder, store = _Recorder(), MemoryStore()
    wired = replace(ports(book, store, setting, watcher=recorder), poll=LOOK)
    first = ev.Created(clock.now(), runbook_json(book), runbook_sha256(book), "replay")
    state = await create(secrets.token_hex(2), first, wired)
    person = asyncio.ensure_future(_person(world, arm, recorder, state, store))
    try:
        state, _ = await drive(state, wired)
    finally:
        person.cancel()
        await asyncio.gather(person, return_exceptions=True)
    return _told(world, arm, recorder.events, state.outcome or "held")


async def _person(world: ReplayWorld, arm: Arm, recorder: _Recorder, state: RunState, store: MemoryStore) -> None:
    """Rolls back: some time after a page, or when refused mail has made its way to somebody who acts."""
    if not arm.automatic:
        while (held := _first(recorder.events, ev.Held)) is None:
            await world.reach(world.clock.now() + LOOK)
        await world.reach(held.ts + PAGED)
    elif arm.fault is not None and (arm.fault.blind or not arm.probes):
        await world.reach(await _fault(world) + FAULT)
    else:
        return
    await append_command(state, store, "rollback", "on-call", "", world.clock.now())


def _first(events: list[ev.Event], kind: type[Any], since: float = 0.0) -> Any:
    return next((e for e in events if isinstance(e, kind) and e.ts >= since), None)


def _told(world: ReplayWorld, arm: Arm, events: list[ev.Event], outcome: str) -> dict[str, Any]:
    """What the journal says."""
    fault_at = world.new.fault_at
    if arm.alarm and world.new.used_by_users_at is not None:
        fault_at = world.new.used_by_users_at + ALARM
    back, held = _first(events, ev.RollbackStarted), _first(events, ev.Held)
    noticed = held or (back if back is not None and back.cause == "probe" else None)
    detected, by = (noticed.ts, "the canary") if noticed is not None else (None, "")
    if noticed is None and fault_at is not None:
        detected, by = fault_at + NOTICED, "people (assumed)"
    undone = next((e for e in events if isinstance(e, ev.Intent) and e.purpose == "undo"), None)
    repaired = None
    if undone is not None:
        applied = next(e.ts for e in events if isinstance(e, ev.Applied) and e.op == undone.op)
        clean = (e.ts for e in events if isinstance(e, ev.Observed) and e.ts >= applied and not e.trouble)
        repaired = next(clean, None)
    failing = [
        e
        for e in events
        if isinstance(e, ev.Probed) and e.verdict is Verdict.FAILURE and noticed is not None and e.ts <= noticed.ts
    ]
    moments = [Moment(e.ts, f"{e.step}: written") for e in events if isinstance(e, ev.Applied) and e.step]
    moments += [Moment(fault_at, "false alarm begins" if arm.alarm else "fault begins")] if fault_at is not None else []
    moments += [Moment(detected, f"noticed by {by}")] if detected is not None else []
    moments += [Moment(back.ts, "rollback begins")] if back is not None else []
    moments += [Moment(repaired, "old records on every server")] if repaired is not None else []
    well = world.new.fault is None or (back is not None and (fault_at is None or back.ts < fault_at))
    return {
        "over": world.clock.now(),
        "outcome": outcome.replace("_", " "),
        "moments": moments,
        "fault_at": fault_at,
        "detected": detected,
        "noticed_by": by,
        "decided": back.ts if back is not None else None,
        "repaired": repaired,
        "failures": len(failing),
        "false_rollbacks": int(back is not None and well),
        "why": back.why if back is not None else "",
    }
