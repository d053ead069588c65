"""Off a terminal: one plain ASCII line per event, UTC, no colour, no cropping; heartbeats while waiting."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TextIO

from dns_cutover.engine.actions import Wait
from dns_cutover.engine.events import Event
from dns_cutover.engine.journal import event_data
from dns_cutover.engine.state import RunState
from dns_cutover.lookup.interface import ResolverRow
from dns_cutover.report.narrate import narrate
from dns_cutover.report.words import duration, safe, utc

# CI systems end jobs that say nothing for ten minutes.
HEARTBEATS = (60.0, 120.0, 300.0)


class PlainWatcher:
    """Writes a line per event, and while waiting a first line with why, until and unblock, then heartbeats.

    Implements `engine.ports.Watcher`. `now` gives seconds UTC.
    """

    def __init__(self, out: TextIO, now: Callable[[], float]) -> None:
        self._out = out
        self._now = now
        self._reason = ""
        self._since = 0.0
        self._beats = 0

    def _line(self, ts: float, run: str, level: str, tag: str, text: str) -> None:
        line = f"{utc(ts)} {run} {level:<5} {safe(tag, ascii_only=True):<12} {safe(text, ascii_only=True)}"
        self._out.write(line.rstrip() + "\n")
        self._out.flush()

    def event(self, state: RunState, event: Event) -> None:
        """One line for the event, if people need to see it."""
        line = narrate(state, event)
        if line is not None:
            self._line(event.ts, state.run_id, line.level, line.tag, line.text)

    def waiting(self, state: RunState, wait: Wait) -> None:
        """The first line of a wait, then a heartbeat after 1, 2 and 5 minutes and every 5 from then on."""
        now = self._now()
        step = state.step.id if state.step else ""
        reason = f"{step} {wait.kind} {wait.why if wait.kind != 'convergence' else ''}"
        if reason != self._reason:
            self._reason, self._since, self._beats = reason, now, 0
        else:
            due = HEARTBEATS[self._beats] if self._beats < 3 else 300.0 * (self._beats - 1)
            if now - self._since < due:
                return
            self._beats += 1
        left = ""
        if wait.deadline is not None:
            left = f"until {utc(wait.deadline)}, {duration(wait.deadline - now)} left: "
        unblock = "; ".join(command for command, _ in wait.unblock) or "nothing to do"
        level = "NEED" if wait.kind in ("confirm", "paused", "conflict") else "WAIT"
        self._line(now, state.run_id, level, step.replace("/", ": ", 1), f"{left}{wait.why}; unblock: {unblock}")

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """Nothing: the counts are in the convergence lines."""

    def note(self, run_id: str, tag: str, text: str) -> None:
        """A warning that is no event of the run."""
        self._line(self._now(), run_id, "WARN", tag, text)


class JsonLinesWatcher:
    """`--events`: the journal as JSON lines, with level and message for readers."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def event(self, state: RunState, event: Event) -> None:
        """One JSON object per line."""
        self._out.write(event_line(state, event) + "\n")
        self._out.flush()

    def waiting(self, state: RunState, wait: Wait) -> None:
        """Nothing: a wait is no event."""

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """Nothing: the journal has the counts."""


def event_line(state: RunState, event: Event) -> str:
    """The event as one JSON object: the envelope of DESIGN section 7, then the event's own fields."""
    line = narrate(state, event)
    token = next(iter(state.tokens.values()), None)
    own = event_data(event)
    data = {
        "type": own.pop("type"),
        "ts": utc(own.pop("ts")),
        "seq": state.seq - 1,
        "run_id": state.run_id,
        "step": own.pop("step", state.step.id if state.step else ""),
        "level": line.level.lower() if line is not None else "debug",
        "message": line.text if line is not None else "",
        "fence": token.n if token is not None else None,
        **own,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
