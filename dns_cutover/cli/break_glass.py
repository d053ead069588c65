"""The scripts that take a run back by hand are on disk before they are needed, and are those of the present moment."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.engine import events as ev

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from dns_cutover.engine.actions import Wait
    from dns_cutover.engine.state import RunState
    from dns_cutover.lookup.interface import ResolverRow
    from dns_cutover.report.by_hand_files import Kept, Renderer

# After these the way back may be another one than before.
_MOVES = (
    ev.Intent,
    ev.Burning,
    ev.Applied,
    ev.NotApplied,
    ev.LockLost,
    ev.Conflicted,
    ev.StepDone,
    ev.RollbackStarted,
    ev.Finishing,
    ev.Finished,
)


class BreakGlass:
    """Keeps the scripts of one run in `folder`; implements `engine.ports.Watcher`.

    `folder` is a link to a folder of this user's alone, and is put in the place of the one before at once: whoever
    looks sees all scripts of one moment. What cannot be written stops no run; `kept.trouble` says it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: Mapping[str, str] | None = None
        self._made: tuple[Hashable, Renderer] | None = None
        self.kept: Kept | None = None

    def event(self, state: RunState, event: ev.Event) -> None:
        """See Watcher: written anew after whatever changes the way back; `state` includes the event."""
        if isinstance(event, _MOVES):
            self.write(state)

    def waiting(self, state: RunState, wait: Wait) -> None:
        """Nothing: waiting changes nothing."""

    def resolvers(self, state: RunState, rows: tuple[ResolverRow, ...]) -> None:
        """Nothing."""

    def write(self, state: RunState) -> None:
        """The scripts of the present moment, or nothing where nothing is left to do. Never raises for a disk."""
        from dns_cutover.assembly import scripts_for
        from dns_cutover.report.by_hand import finish_by_hand, from_run, locked, position
        from dns_cutover.report.by_hand_files import Kept, Renderer

        scripts = scripts_for(state.book)
        if not scripts:
            return
        where, made = position(state), self._made
        if made is not None and made[0] == where:  # a lock was prolonged: of many records the rest takes its time
            renderer = Renderer(locked(made[1].found, state), state.sha256, scripts, made[1].sent)
        else:
            renderer = Renderer(from_run(state), state.sha256, scripts)
        self._made = where, renderer
        sheets = renderer.folder("back") if renderer.needed(over=state.final) else ()
        files = {s.name: s.text for s in sheets}
        trouble = ""
        try:
            if files != self._written:
                _replace(self._folder, files)
                self._written = files
        except OSError as exc:
            trouble = exc.strerror or str(exc)
        self.kept = Kept(str(self._folder), finish_by_hand(state), sheets, trouble)

    def complaint(self) -> str:
        """What to say of scripts that could not be written; else empty."""
        from dns_cutover.report.summary import kept_text

        return kept_text(self.kept) if self.kept is not None and self.kept.trouble else ""

    def mention(self) -> str:
        """Where they are, or why not; empty where there are none."""
        from dns_cutover.report.summary import kept_text

        return kept_text(self.kept) if self.kept is not None and self.kept.sheets else ""


def _replace(link: Path, files: Mapping[str, str]) -> None:
    """Let `link` lead to a new folder with these files, or to none, and take the old one away. Raises OSError."""
    old = _target(link)
    if not files:
        link.unlink(missing_ok=True)
    else:
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = link.parent / f".{link.name}-{secrets.token_hex(4)}"
        new.mkdir(mode=0o700)
        try:
            for name, text in files.items():
                _write(new / name, text)
            way = new.with_suffix(".link")
            way.symlink_to(new.name, target_is_directory=True)
            way.replace(link)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            with contextlib.suppress(OSError):
                new.with_suffix(".link").unlink()
            raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _target(link: Path) -> Path | None:
    """The folder that the link leads to, if it is one of ours."""
    try:
        name = os.readlink(link)
    except OSError:
        return None
    return link.parent / name if name.startswith(f".{link.name}-") and "/" not in name else None


def _write(path: Path, text: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
