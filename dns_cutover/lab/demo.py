"""The demo: the plan of the mail move on the lab, once to the end and once with a fault that is rolled back."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dns_cutover.assembly import LabOverrides, Setting, look, partitions, ports
from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import create, drive
from dns_cutover.engine.ports import Watcher
from dns_cutover.engine.state import RunState
from dns_cutover.lab.clock import ScaledClock
from dns_cutover.lab.plan import DEMO_PLAN
from dns_cutover.lab.sampler import Sample
from dns_cutover.lab.world import KEY_SECRET, LabWorld
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.plan.loader import parse_plan
from dns_cutover.records import RRset
from dns_cutover.report.words import duration
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.model import StepKind
from dns_cutover.store.memory import MemoryStore

FACTOR = 240.0  # lab seconds in a real second: an hour of TTL in a quarter of a minute


@dataclass(frozen=True, slots=True)
class Row:
    """Predicted and measured life of an old answer, in lab seconds. `measured` None: no old answer was seen."""

    what: str
    predicted: float
    measured: float | None

    @property
    def holds(self) -> bool:
        """Whether no old answer outlived the prediction."""
        return self.measured is None or self.measured <= self.predicted


@dataclass(frozen=True, slots=True)
class Told:
    """What one run of the demo showed."""

    outcome: str
    rows: tuple[Row, ...]
    detection: float | None = None  # fault -> first failed probe, lab seconds
    repair: float | None = None  # first failed probe -> the old RRset on every server


class _Recorder:
    """Keeps the events, and passes them on."""

    def __init__(self, inner: Watcher) -> None:
        self.inner = inner
        self.events: list[ev.Event] = []

    def event(self, state: RunState, event: ev.Event) -> None:
        self.events.append(event)
        self.inner.event(state, event)

    def waiting(self, state: RunState, wait: Any) -> None:
        self.inner.waiting(state, wait)

    def resolvers(self, state: RunState, rows: Any) -> None:
        self.inner.resolvers(state, rows)


async def demo_run(watcher_of: Callable[[Callable[[], float]], Any], *, fault: bool, factor: float = FACTOR) -> Told:
    """One run on a fresh lab. `watcher_of(now)` makes a context manager that gives the watcher."""
    clock = ScaledClock(factor)
    async with LabWorld(clock) as lab:

        async def resolve(name: str) -> tuple[str, ...]:
            return ("127.0.0.1",)

        setting = Setting(
            clock=clock,
            rng=lab.rng,
            lab=LabOverrides(str(lab.primary.endpoint), lab.authoritative, lab.resolvers, KEY_SECRET),
            resolve=resolve,
            asker_=Asker(Timeouts(udp=1.0, tcp=2.0)),
        )
        loaded = parse_plan(lab_plan(lab).encode(), "plans/mail-to-newmail.yaml", {})
        live = await look(loaded, setting)
        book = compile_runbook(loaded.plan, loaded.sha256, live.facts, partitions(live.facts))
        questions = {(e.key.owner, e.key.rdtype) for s in book.steps if s.kind is StepKind.APPLY for e in s.edits}
        for owner, rdtype in sorted(questions):
            if (owner, rdtype) in lab.primary.zone.rrsets:  # nobody asks for what is not there yet
                _users(lab, owner, rdtype)
        with watcher_of(clock.now) as inner:
            recorder = _Recorder(inner)
            wired = ports(book, MemoryStore(), setting, watcher=recorder)
            first = ev.Created(clock.now(), runbook_json(book), runbook_sha256(book), "demo")
            state = await create(secrets.token_hex(2), first, wired)
            breaking = asyncio.ensure_future(_break(lab)) if fault else None
            state, _ = await drive(state, wired)
            broken_at = await breaking if breaking is not None else None
        await lab.sampler.stop()
        return _tell(state, recorder.events, lab, broken_at)


def lab_plan(lab: LabWorld) -> str:
    """The plan with the lab's ports in the place of port 25."""
    text = DEMO_PLAN.read_text(encoding="utf-8")
    for name, greeter in lab.mail.items():
        text = text.replace(f"target: {name}, port: 25", f"target: {name}, port: {greeter.port}")
    return text


def _users(lab: LabWorld, owner: str, rdtype: str) -> None:
    lab.sampler.watch(lab.resolvers, [(owner, rdtype)], 15.0)
    lab.sampler.watch(lab.authoritative, [(owner, rdtype)], 5.0, recurse=False)


async def _break(lab: LabWorld) -> float:
    """A minute after the switch the new mail host answers 421."""
    mx = (lab.zone, "MX")
    while lab.primary.zone.rrsets[mx].values != ("10 mx.newmail.test.",):
        await lab.clock.sleep_until(lab.clock.now() + 1.0)
    await lab.clock.sleep_until(lab.clock.now() + 60.0)
    lab.mail["mx.newmail.test"].mode = "busy"
    return lab.clock.now()


def _tell(state: RunState, events: list[ev.Event], lab: LabWorld, broken_at: float | None) -> Told:
    rows: list[Row] = []
    resolvers = {r.name for r in lab.resolvers}
    # Until when the servers served what a write replaced, and when the write was.
    writes = [e for e in events if isinstance(e, ev.Intent) and e.purpose in ("write", "undo") and e.changes]
    applied = {e.op: e.ts for e in events if isinstance(e, ev.Applied)}
    exposures = {(s.id, x.key): x for s in (*state.book.steps, *(state.back or ())) for x in s.exposures}
    for intent in writes:
        if intent.op not in applied or "restore_ttl" in intent.step:
            continue
        worst = None
        predicted = 0.0
        settled = _settled(events, intent.step, applied[intent.op])
        for change in intent.changes:
            exposure = exposures.get((intent.step, change.key))
            if exposure is None or change.before is None:
                continue
            predicted = max(predicted, settled - applied[intent.op] + exposure.old_s)
            since = applied[intent.op]
            # From the next write of the same RRset on the old version may live again: from when it is sent, that is.
            later = [w.ts for w in writes if any(c.key == change.key for c in w.changes)]
            until = min((t for t in later if t > since), default=float("inf"))
            question = (change.key.owner, change.key.rdtype)
            is_old = partial(_is_old, before=change.before, after=change.after)
            tail = lab.sampler.tail(question, is_old, changed=since, until=until, who=resolvers)
            if tail is not None:
                worst = max(worst or 0.0, tail)
        if predicted:
            rows.append(Row(intent.step.replace("/", " ").replace("_", " "), predicted, worst))
    detection = repair = None
    if broken_at is not None:
        failed = next(
            (e.ts for e in events if isinstance(e, ev.Probed) and e.verdict != "success" and e.ts >= broken_at), None
        )
        undone = next((e for e in writes if e.purpose == "undo"), None)
        if failed is not None and undone is not None:
            detection = failed - broken_at
            repair = _settled(events, undone.step, applied[undone.op]) - failed
    return Told(state.outcome or "", tuple(rows), detection, repair)


def _settled(events: list[ev.Event], step: str, applied: float) -> float:
    """When the first round saw every server with the change."""
    stage = step.rsplit("/", 1)[0] if not step.startswith("undo:") else step.removeprefix("undo:").rsplit("/", 1)[0]
    for e in events:
        if isinstance(e, ev.Observed) and e.ts >= applied and not e.trouble and stage in e.step:
            return e.ts
    return applied


def _is_old(sample: Sample, before: RRset, after: RRset | None) -> bool:
    if after is not None and before.values == after.values:
        return sample.values == before.values and sample.ttl > after.ttl
    return sample.values == before.values


def table(good: Told, bad: Told, seconds: float) -> str:
    """What the demo ends with."""
    out = [
        "",
        f"{'old answers':<34}{'predicted':>12}{'measured':>12}   in lab time, as {8} resolvers gave them to users",
    ]
    for title, told in (("to the end", good), ("with a fault", bad)):
        out.append(f"{title}: {told.outcome}")
        for row in told.rows:
            measured = duration(row.measured) if row.measured is not None else "none seen"
            mark = "✓" if row.holds else "✗"
            out.append(f"  {mark} {row.what:<30}{duration(row.predicted):>12}{measured:>12}")
    if bad.detection is not None and bad.repair is not None:
        out.append(f"fault to first failed probe          {duration(bad.detection):>9}")
        out.append(f"from there to the old MX everywhere  {duration(bad.repair):>9}")
    if not all(row.holds for told in (good, bad) for row in told.rows):
        out.append("✗ an old answer was measured past its prediction. On a machine under load, run the demo again;")
        out.append("  if it comes back, please report it with the output above.")
    out.append(f"Both runs took {seconds:.0f} s of real time, {FACTOR:.0f} times faster than life.")
    return "\n".join(out) + "\n"


async def demo(watcher_of: Callable[[Callable[[], float]], Any]) -> bool:
    """Both runs and the table. True if everything ended as it should and no answer outlived the model."""
    started = time.monotonic()
    sys.stdout.write("1. The move, to its end.\n")
    good = await demo_run(watcher_of, fault=False)
    sys.stdout.write("\n2. The same, but the new mail host breaks a minute after the switch.\n")
    bad = await demo_run(watcher_of, fault=True)
    sys.stdout.write(table(good, bad, time.monotonic() - started))
    holds = all(r.holds for r in (*good.rows, *bad.rows)) and bool(good.rows) and bad.repair is not None
    return holds and good.outcome == "succeeded" and bad.outcome == "rolled_back"
