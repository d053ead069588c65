"""One seed, one story: a random plan in a random world with random faults, and what must hold whatever happens.

A story has a time of chaos, in which processes are killed at any call, replies are lost, messages come late, others
write, secondaries lag, vanish and relapse, clocks are wrong, people steer, and stores fail. Then everything is well
again, an operator answers what still stands, and the run must come to an end that is one of those it promises.

    python -m tests.simulation.seeds 1234        replays one seed, with its story
    python -m tests.simulation.seeds --count N [FIRST]   runs N seeds
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import math
import os
import sys
import time
from typing import Any

from dns_cutover.engine import events as ev
from dns_cutover.engine.driver import create, drive
from dns_cutover.engine.state import RunState
from dns_cutover.errors import CutoverError
from tests.simulation.invariants import judge_end
from tests.simulation.story import Story, story
from tests.simulation.world import NEVER, RUN, Chances

MOST_TURNS = 40_000
MOST_CALLS = 40_000
REAL = 8  # of so many seeds one keeps its journal as JSON, as a real store does


class Process:
    """One driver: its coroutine and when it goes on."""

    def __init__(self, w: Story, state: RunState, number: int, *, wait: bool) -> None:
        self.coroutine: Any = drive(state, w.ports(f"p{number}"), wait=wait)
        self.due = w.now
        self.asleep = False
        self.heard = 0  # how many entries the journal had when it fell asleep


def tell(w: Story) -> RunState:
    """Until the run is over. Raises AssertionError with what went wrong."""
    begin(w)
    return Telling(w).go_on()


def begin(w: Story) -> None:
    """The first entry, which no fault may hit: without it there is no run."""
    chances, w.chances = w.chances, Chances()
    first = ev.Created(w.now, w.plan.json, w.plan.sha256, "sim")
    with contextlib.closing(create(RUN, first, w.ports("p0"))) as creating, contextlib.suppress(StopIteration):
        while True:
            w.advance(creating.send(None))
    w.chances = chances


class Telling:
    """The scheduler of a story: whose turn it is, who is killed, and who begins."""

    def __init__(self, w: Story) -> None:
        self.w = w
        self.processes: list[Process] = []
        self.number = 0
        self.starts = [w.now] * w.supervisors
        w.fuse = self._fuse()

    def _fuse(self) -> float:
        """At which call the next process is killed."""
        p = self.w.chances.kill
        return min(MOST_CALLS, self.w.calls + math.log(1 - self.w.rng.random()) / math.log(1 - p) if p else NEVER)

    def go_on(self) -> RunState:
        w = self.w
        for _ in range(MOST_TURNS):
            state = w.state()
            assert state is not None
            if state.final and not self.processes:
                return state
            if w.now >= w.calm:
                self._calm()
                w.operate()
            current = min(self.processes, key=lambda p: p.due) if self.processes else None
            start = min(self.starts, default=NEVER)
            if not state.final and start <= (current.due if current is not None else NEVER):
                self._start(start)
            elif current is not None:
                self._turn(current)
        step = w.state().step  # type: ignore[union-attr]
        raise AssertionError(f"it does not end: {step.id if step else 'at its end'}")

    def _calm(self) -> None:
        w = self.w
        w.fuse, w.chances.kill = MOST_CALLS, 0.0
        if len(self.starts) > 1:
            self.starts = [min(self.starts)]
        w.tick = max(w.tick, 600.0) if w.tick else 0.0

    def _start(self, when: float) -> None:
        w = self.w
        w.advance(max(0.01, when - w.now))
        if w.now < w.asleep_until:
            self.starts = [max(s, w.asleep_until) for s in self.starts]
            return
        self.starts.remove(when)
        state = w.state()
        assert state is not None
        if state.final:
            return
        self.number += 1
        w.say(f"process {self.number} begins")
        self.processes.append(Process(w, state, self.number, wait=not w.tick))
        if w.tick:  # a cron does not care whether the last one is done
            self.starts.append(w.now + w.tick)

    def _turn(self, current: Process) -> None:
        w = self.w
        if w.now < w.asleep_until:
            for p in self.processes:
                p.due = max(p.due, w.asleep_until)
        due = max(w.now, current.due)
        if current.asleep and w.queue and w.queue[0][0] < due:
            # Whatever happens while it sleeps may be for its ears.
            w.advance(max(0.0, w.queue[0][0] - w.now))
            self._wake()
            return
        w.advance(due - w.now)
        if w.now < w.asleep_until:
            current.due = w.asleep_until
            return
        if w.now >= w.doom:
            w.doom = NEVER
            w.say("killed")
            self._ends(current, w.rng.choice((0.1, 5.0)))
            return
        if w.calls + 1 >= w.fuse:
            assert w.calls < MOST_CALLS, "it does not end"
            w.fuse = self._fuse() if w.chaos else MOST_CALLS
            if w.chaos:
                w.say("killed")
                self._ends(current, w.rng.choice((0.1, 5.0, 700.0)))
                return
        others = min((p.due for p in self.processes if p is not current), default=NEVER)
        w.horizon = min(others, w.doom, min(self.starts, default=NEVER), w.calm if w.chaos else NEVER)
        w.slept = False
        try:
            current.due = w.now + current.coroutine.send(None)
        except StopIteration:
            self._ends(current, 60.0 if w.chaos else 5.0)
        except CutoverError as exc:
            w.say(f"ends: {exc}")
            self._ends(current, w.rng.choice((0.5, 20.0, 300.0)))
        else:
            current.asleep, current.heard = w.slept, len(w.journal)
            self._wake()

    def _wake(self) -> None:
        """A waiting driver looks into the journal each two seconds."""
        w = self.w
        for p in self.processes:
            if p.asleep and p.heard != len(w.journal):
                p.due, p.asleep = min(p.due, w.now + 2.0), False

    def _ends(self, process: Process, pause: float) -> None:
        process.coroutine.close()
        self.processes.remove(process)
        if not self.w.tick:
            self.starts.append(self.w.now + pause)


def check(seed: int) -> tuple[str, list[str]]:
    """The outcome of a seed, and what is wrong with it."""
    w = story(seed)
    with contextlib.nullcontext() if seed % REAL == 0 else w.quick():
        try:
            state = tell(w)
        except Exception as exc:  # whatever the engine raises is a finding
            return "none", [f"{type(exc).__name__}: {exc}", *w.problems]
        return str(state.outcome), judge_end(w, state)


def _share(numbers: range) -> tuple[collections.Counter[str], dict[int, list[str]], float]:
    """One process's share: outcomes, what went wrong by seed, and seconds of CPU."""
    began, outcomes, bad = time.process_time(), collections.Counter[str](), {}
    for seed in numbers:
        outcome, problems = check(seed)
        outcomes[outcome] += 1
        if problems:
            bad[seed] = problems
    return outcomes, bad, time.process_time() - began


def _count(count: int, first: int) -> int:
    jobs = os.cpu_count() or 1
    shares = [range(n, min(n + 250, first + count)) for n in range(first, first + count, 250)]
    outcomes, bad, cpu, began = collections.Counter[str](), 0, 0.0, time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for told, wrong, spent in pool.map(_share, shares):
            outcomes += told
            cpu += spent
            for seed, problems in wrong.items():
                bad += 1
                print(f"seed {seed}: {problems[0]}   replay: python -m tests.simulation.seeds {seed}", flush=True)
    rate, each = count / (time.monotonic() - began), cpu / count * 1000
    print(f"{count} seeds, {bad} bad, {rate:.0f} a second on {jobs} cores, {each:.1f} ms of CPU each")
    print(", ".join(f"{outcome} {n}" for outcome, n in outcomes.most_common()))
    return 1 if bad else 0


def _replay(seed: int) -> int:
    w = story(seed)
    print(f"plan {w.plan.name}, commit {[s.commit for s in w.plan.book.stages]}, {w.plan.book.rollback}")
    print(f"{w.manner}, ordered {w.ordered}, ixfr {w.ixfr}, lags {[s.lag for s in w.secondaries]}, tick {w.tick:g}")
    print(f"{w.chances}, calm from {w.calm:g}")
    try:
        with contextlib.nullcontext() if seed % REAL == 0 else w.quick():
            state = tell(w)
        print(state.outcome, state.why)
        print("\n".join(judge_end(w, state)))
    finally:
        lines = [(float(line.split()[0]), line) for line in w.said]
        lines += [(e.ts, f"{e.ts:9.1f}    {str(event)[:250]}") for e, event in zip(w.journal, w.events(), strict=True)][
            1:
        ]
        for _, line in sorted(lines, key=lambda item: item[0]):
            print(line)
    return 0


def _main(arguments: list[str]) -> int:
    if arguments[:1] == ["--count"]:
        return _count(int(arguments[1]), int((arguments[2:] or ["0"])[0]))
    return _replay(int(arguments[0]))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
