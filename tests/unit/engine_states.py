"""States of a run for tests of decisions: the simulation's runbook, at any step, with anything else as one wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dns_cutover.engine import events as ev
from dns_cutover.engine.fold import fold
from dns_cutover.engine.state import RunState
from dns_cutover.probes.gate import GateState
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.providers.interface import Token
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.model import Convergence, Runbook, Step
from tests.simulation.plans import BOOK

NOW = 10_000.0
HEALTH = ProbeSpec("p", "tcp", "health", {}, interval=10.0)
WAY_BACK = ProbeSpec("old", "tcp", "way_back", {}, interval=10.0)
CONTROL = ProbeSpec("third", "tcp", "control", {}, interval=10.0)


def created(book: Runbook = BOOK, ts: float = 1000.0) -> ev.Created:
    """A run's first event."""
    return ev.Created(ts, runbook_json(book), runbook_sha256(book), "somebody")


def begun(book: Runbook = BOOK) -> RunState:
    """A run `r` that was created at 1000 and has done nothing."""
    return fold("r", [created(book)])


def position(step: str, book: Runbook = BOOK) -> int:
    """Where the step of that id is."""
    return next(n for n, s in enumerate(book.steps) if s.id == step)


def at(step: str, *, since: float = NOW, **fields: Any) -> RunState:
    """The run at that step since `since`. `gate`, `probes`, `seconds` and other fields of a step change the step,
    `rollback` and `stages` the runbook; all else, `resolvers` included, is the state's.
    """
    s = begun()
    i = position(step)
    own = {k: fields.pop(k) for k in list(fields) if k in Step.__dataclass_fields__ and k != "resolvers"}
    steps = list(s.book.steps)
    steps[i] = replace(steps[i], **own)
    books = {k: fields.pop(k) for k in ("rollback", "stages", "grace", "zones") if k in fields}
    book = replace(s.book, steps=tuple(steps), **books)
    return replace(s, book=book, i=i, since=since, **fields)


def gate(**fields: Any) -> Convergence:
    """The simulation's gate with other settings."""
    return replace(BOOK.steps[5].gate, **fields)


def failed(n: int = 3) -> GateState:
    """A probe that failed so often in a row."""
    last = ProbeResult("p", Verdict.FAILURE, NOW, 0.01, "refused")
    return GateState(failures=n, consecutive_failures=n, last=last, last_failure=last)


def unsure(n: int = 6) -> GateState:
    """A probe that could not tell so often in a row."""
    return GateState(errors=n, consecutive_errors=n, last=ProbeResult("p", Verdict.ERROR, NOW, 0.0, "no route"))


def passed(n: int = 1) -> GateState:
    """A probe that succeeded so often in a row."""
    return GateState(successes=n, consecutive_successes=n, last=ProbeResult("p", Verdict.SUCCESS, NOW, 0.01))


def token(until: float = 1e9, n: int = 1, run: str = "r") -> Token:
    """A lock's token."""
    return Token(run, n, f"op{n}", int(until))


def held(kind: Any = "paused", ts: float = NOW, why: str = "because") -> ev.Held:
    """The run stands still."""
    return ev.Held(ts, "", kind, why)
