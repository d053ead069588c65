"""The scripts that take a run back by hand are there before they are needed, of the present moment, and harmless."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from dns_cutover.assembly import scripts_for
from dns_cutover.cli.break_glass import BreakGlass
from dns_cutover.cli.common import Globals
from dns_cutover.cli.driving import drive_run, session
from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState
from dns_cutover.report.block import View, five_lines
from dns_cutover.report.by_hand import from_run
from dns_cutover.report.by_hand_files import Kept, Renderer, Sheet
from dns_cutover.report.status import status_document
from dns_cutover.report.summary import kept_text, summary_text
from dns_cutover.store.open import beside, default_path, open_store
from tests.unit.test_by_hand import MX, failed, states

PROVIDER = {"type": "rfc2136", "server": "192.0.2.53", "key": {"name": "k", "algorithm": "hmac-sha256"}}


def written(state: RunState) -> RunState:
    """The state, with a zone that scripts are known for."""
    zones = tuple(replace(z, provider=PROVIDER) for z in state.book.zones)
    return replace(state, book=replace(state.book, zones=zones))


def content(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "break-glass" / "7f3a"


def test_there_from_the_start_and_for_this_user_alone(folder: Path) -> None:
    glass = BreakGlass(folder)
    glass.write(written(states()[0]))
    assert list(content(folder)) == ["README.txt"]
    for path in (folder.parent, folder.resolve()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "README.txt").stat().st_mode) == 0o600
    assert glass.complaint() == ""
    assert glass.mention() == f"by hand       {folder}   scripts to go back without this tool\n"


def test_every_moment_has_its_own(folder: Path) -> None:
    """Written anew after what changes the way back, in one piece; only one version is kept."""
    glass = BreakGlass(folder)
    seen: set[tuple[str, ...]] = set()
    for state in map(written, states()):
        glass.event(state, ev.Intent(0, "", "", "", (), None, None, "", 0, "write"))
        seen.add(tuple(sorted(content(folder))))
        assert glass.kept is not None
        assert {s.name: s.text for s in glass.kept.sheets} == content(folder)
        assert len(list(folder.parent.iterdir())) == 2
    assert ("README.txt",) in seen
    assert any("00-unlock.nsupdate" in names for names in seen)
    assert any("back-01-undo-two-apply.nsupdate" in names for names in seen)


def test_what_is_reused_is_what_would_be_made_anew(folder: Path) -> None:
    """Where only a lock changed nothing else is made again, and it is the same to the letter."""
    for broken in (False, True):
        glass = BreakGlass(folder)
        for state in map(written, states(broken=broken)):
            glass.write(state)
            assert glass.kept is not None
            fresh = Renderer(from_run(state), state.sha256, scripts_for(state.book)).folder("back")
            assert glass.kept.sheets in (fresh, ())


def test_other_events_change_nothing(folder: Path) -> None:
    glass = BreakGlass(folder)
    glass.event(written(states()[0]), ev.Observed(0, "", 1, ()))
    assert not folder.exists()


def test_gone_when_nothing_is_left_to_take_back(folder: Path) -> None:
    """A run that was rolled back leaves no scripts; one that succeeded does: its way back."""
    glass = BreakGlass(folder)
    for state in map(written, states(broken=True)):
        glass.write(state)
    assert list(folder.parent.iterdir()) == []
    assert glass.mention() == ""
    other = BreakGlass(folder)
    other.write(written(states()[-1]))
    assert "back-01-undo-two-apply.nsupdate" in content(folder)


def test_what_a_crash_left_is_taken_over(folder: Path) -> None:
    """Another process goes on with the run: the link leads to what it writes, and the old folder is gone."""
    BreakGlass(folder).write(written(states()[20]))
    BreakGlass(folder).write(written(states()[-1]))
    assert len(list(folder.parent.iterdir())) == 2


def test_a_provider_that_nothing_is_known_for(folder: Path) -> None:
    state = written(states()[0])
    odd = replace(state.book, zones=tuple(replace(z, provider={"type": "manual"}) for z in state.book.zones))
    glass = BreakGlass(folder)
    glass.write(replace(state, book=odd))
    assert not folder.exists()
    assert (glass.complaint(), glass.mention()) == ("", "")


def test_a_full_disk_stops_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, the version before stays as it was, and the next one is tried again."""
    glass = BreakGlass(folder)
    glass.write(written(states()[0]))
    before = content(folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        glass.write(written(states()[-1]))
    assert content(folder) == before
    assert len(list(folder.parent.iterdir())) == 2
    assert f"in {folder}: No space left on device\n" in glass.complaint()
    assert "dns-cutover export r --format nsupdate --direction back -o DIR" in glass.complaint()
    glass.write(written(states()[-1]))
    assert glass.complaint() == ""
    assert content(folder) != before


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_place_that_is_taken_stops_nothing(folder: Path, place: str) -> None:
    """Whatever stands there is not ours, and stays."""
    if place == "file":
        folder.parent.write_text("mine")
    else:
        folder.mkdir(parents=True)
        (folder / "mine").touch()
    glass = BreakGlass(folder)
    glass.write(written(states()[0]))
    assert "no scripts to go back" in glass.complaint()
    assert folder.parent.read_text() == "mine" if place == "file" else (folder / "mine").exists()


def test_a_link_of_somebody_else_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """What it leads to is not ours to take away."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    folder.parent.mkdir()
    folder.symlink_to(elsewhere)
    BreakGlass(folder).write(written(states()[0]))
    assert (elsewhere / "mine").exists()
    assert "README.txt" in content(folder)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "7f3a"])
def test_where_they_are(tmp_path: Path, name: str) -> None:
    """Beside the store; no run's id leads out of there."""
    place = Globals(str(tmp_path / "runs.sqlite3"), debug=False).scripts(name)
    assert place.parent == tmp_path / "break-glass"
    assert place.name not in ("..", ".", "")


def test_beside_which_store(tmp_path: Path) -> None:
    assert beside(None) == beside("s3://b/p") == beside("memory:") == default_path().parent
    assert beside("postgresql://u@h/d") == default_path().parent
    assert beside(f"sqlite:///{tmp_path}/runs") == tmp_path
    assert beside(str(tmp_path / "runs")) == tmp_path


# -- the last words ----------------------------------------------------------------------------------------------------


def test_exit_7_says_what_is_left_and_how(folder: Path) -> None:
    """Which record, what it was and is, where the scripts are, and the command for each."""
    state = written(failed())
    glass = BreakGlass(folder)
    glass.write(state)
    text = summary_text(state, None, glass.kept)
    assert "record        @ MX is no longer ours, so it was left alone\n" in text
    assert "should be     10 old.test. (TTL 300)\n" in text
    assert f"is            {MX[1].values[0]} (TTL 30)\n" in text
    assert f"by hand       cd {folder}   README.txt says it all\n" in text
    assert "nsupdate -v -k KEYFILE left-01-left-example.test.nsupdate   1 record, example.test.\n" in text


def test_exit_7_without_scripts_says_how_to_make_them() -> None:
    state = written(failed())
    again = "dns-cutover export r --format nsupdate --direction back -o DIR"
    assert f"by hand       {again}   what is left\n" in summary_text(state, None)
    trouble = summary_text(state, None, Kept("/x", again, (), "Read-only file system"))
    assert "in /x: Read-only file system\n" in trouble
    assert f"{again}   writes them elsewhere\n" in trouble


def test_exit_7_of_what_could_not_be_verified_says_what_to_ask() -> None:
    """Everything was written, and some server did not show it: which records, and what they should be."""
    state = replace(states(broken=True)[-1], outcome="rollback_failed", unproven=True)
    text = summary_text(state, None)
    line = (
        "dns-cutover check www.example.test. A --expect 192.0.2.1 --authoritative 192.0.2.1 --authoritative 192.0.2.2\n"
    )
    assert line in text


def test_exit_7_of_what_the_server_ignored() -> None:
    last = states(broken=True)[-1]
    key = next(iter(last.done[0].changes)).key
    state = replace(last, outcome="rollback_failed", unproven=True, ignored=(key,))
    assert "was not changed by the server" in summary_text(state, None)


def test_a_long_list_is_cut_and_counted() -> None:
    sheets = tuple(Sheet(f"{n}", "", "1 record", f"nsupdate {n}") for n in range(12))
    text = summary_text(written(failed()), None, Kept("/x y", "r", sheets))
    assert "cd '/x y'" in text
    assert "and 4 more, in README.txt" in text


def test_hostile_text_of_a_disk_is_escaped() -> None:
    assert "\x1b" not in kept_text(Kept("/\x1b[2J", "r", (), "\x1b"))


def test_status_of_a_rollback_that_failed(tmp_path: Path) -> None:
    """What is next is not to read what was done, and programs get what should be."""
    state = written(failed())
    document = status_document(state, None)
    (left,) = document["left"]
    assert left["record"] == "@ MX"
    assert (left["found"], left["should_be"]) == ("5 foreign.test. (TTL 30)", "10 old.test. (TTL 300)")
    view = View(state, None, (), 0.0, UTC, 100, 24, ascii_only=True)
    assert any("finish by hand   dns-cutover export r --format nsupdate" in t.plain for t in five_lines(view))
    zones = tuple(replace(z, provider={"type": "manual"}) for z in state.book.zones)
    odd = replace(state, book=replace(state.book, zones=zones))
    assert "dns-cutover export r --format zone --direction back   what is left\n" in summary_text(odd, None)


async def test_a_driver_writes_them_before_it_does_anything(tmp_path: Path) -> None:
    """Without a key nothing can be driven; the scripts are there all the same."""
    from dns_cutover.assembly import Setting
    from dns_cutover.errors import Unavailable

    state = written(states()[0])
    keyed = {**PROVIDER, "key": {"name": "k", "algorithm": "hmac-sha256", "secret": {"env": "NOT_SET_ANYWHERE"}}}
    book = replace(state.book, zones=tuple(replace(z, provider=keyed) for z in state.book.zones))
    store = open_store("memory:")
    place = tmp_path / "break-glass" / "r"
    with (
        session(None, allow_commands=False, scripts=lambda run: place.parent / run) as one,
        pytest.raises(Unavailable, match="NOT_SET_ANYWHERE"),
    ):
        await drive_run(replace(state, book=book), store, Setting(), one, wait=False)
    assert "README.txt" in content(place)
