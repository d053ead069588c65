"""What `export` makes for people: scripts of messages to send by hand, and the runbook as a page."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.cli.common import write_text
from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.cli.export import Direction, Source
    from dns_cutover.report.by_hand_files import Renderer


def print_scripts(source: Source, form: str, stage: str, direction: Direction | None) -> None:
    """One direction as one text on standard output; the tool stops reading it wherever a wait comes."""
    renderer = _renderer(source, form, stage)
    forward, back = renderer.script("forward"), renderer.script("back")
    asked = direction.value if direction is not None else ("forward" if forward or not back else "back")
    text = forward if asked == "forward" else back
    if not text:
        sys.stderr.write(f"Nothing is left to send {asked}.\n")
    write_text(text)


def write_scripts(source: Source, form: str, stage: str, direction: Direction | None, folder: Path) -> None:
    """A file for each message, and one to read first. Raises UsageError, Unavailable."""
    from dns_cutover.cli.files import new_folder

    renderer = _renderer(source, form, stage)
    sheets = renderer.folder(direction.value) if direction is not None else renderer.folder("forward", "back")
    try:
        new_folder(folder, {s.name: s.text for s in sheets})
    except FileExistsError:
        raise UsageError(
            f"{folder} exists already, and is no empty folder",
            "Scripts of two moves in one folder would be mixed up.",
            ("name another folder",),
        ) from None
    except OSError as exc:
        raise Unavailable(f"{folder} cannot be written", f"{exc.strerror or exc}.") from None
    sys.stderr.write(f"{len(sheets)} files in {folder}; read {sheets[0].name} first\n")


def _renderer(source: Source, form: str, stage: str) -> Renderer:
    from dns_cutover.assembly import scripts_for
    from dns_cutover.report.by_hand import from_run, from_runbook
    from dns_cutover.report.by_hand_files import Renderer
    from dns_cutover.runbook.codec import runbook_sha256
    from dns_cutover.runbook.end_state import beginning

    scripts = scripts_for(source.book, form)
    if not scripts:
        raise UsageError(f"no zone of this plan is written in a way that {form} knows", "", ("--format zone",))
    if source.state is not None:
        return Renderer(from_run(source.state, stage, source.live), source.state.sha256, scripts)
    # Before the run, or whenever: what it does is taken back in thought, and what others have added stays.
    start = beginning(source.book, source.live) if source.live is not None else None
    return Renderer(from_runbook(source.book, stage, start), runbook_sha256(source.book), scripts)


def runbook_text(source: Source, stage: str, start: str, now: float) -> str:
    """The runbook for people. Times are for the given start, for the run's own, or for the next full minute."""
    from dns_cutover.report.runbook_page import runbook_page
    from dns_cutover.runbook.codec import runbook_sha256

    state = source.state
    if state is not None:
        return runbook_page(source.book, state.sha256, _time(start) if start else state.started, state.run_id, stage)
    at = _time(start) if start else -(-now // 60) * 60
    return runbook_page(source.book, runbook_sha256(source.book), at, "", stage)


def _time(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is no time", "", ("--start 2026-03-10T09:00Z",)) from None
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
