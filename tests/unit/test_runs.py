"""`runs`: what a store has, and from one store into another, whole, undamaged and only once."""

from __future__ import annotations

import asyncio
import io
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dns_cutover.assembly import import_runs
from dns_cutover.cli.main import main
from dns_cutover.engine import events as ev
from dns_cutover.engine.journal import from_envelope, to_envelope
from dns_cutover.errors import LockHeld
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.store.interface import Envelope
from dns_cutover.store.memory import MemoryStore
from dns_cutover.store.open import open_store
from dns_cutover.store.portable import MAX_LINE, BadRuns, Journal, read_runs, runs_text
from tests.simulation.play import play
from tests.simulation.world import World
from tests.unit.preview_world import mail


def journal(run_id: str = "7f3a", *, events: int = 999) -> tuple[Envelope, ...]:
    """A run that was made from a runbook that makes sense, and went on as one of the simulation's."""
    world = World(random.Random(1))
    play(world)
    book = mail()
    first = ev.Created(1000.0, runbook_json(book), runbook_sha256(book), "me")
    told = [first, *(from_envelope(e) for e in world.journal[1:])]
    return tuple(to_envelope(run_id, n, e) for n, e in enumerate(told[:events]))


RUN = journal()


def put(path: Path, *journals: tuple[Envelope, ...]) -> str:
    async def keep() -> None:
        store = open_store(str(path))
        for one in journals:
            assert await store.append(one)
        await store.close()

    asyncio.run(keep())
    return str(path)


def entries(path: str, run_id: str = "7f3a") -> tuple[Envelope, ...]:
    async def load() -> tuple[Envelope, ...]:
        store = open_store(path)
        try:
            return await store.load(run_id)
        finally:
            await store.close()

    return asyncio.run(load())


def call(capsys: pytest.CaptureFixture[str], store: str, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["--store", store, "runs", *arguments])
    said = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, said.out, said.err


def text(*envelopes: tuple[Envelope, ...]) -> list[bytes]:
    return [t.encode() for t in runs_text(Journal(e[0].run_id, e) for e in envelopes)]


# -- from store to store -----------------------------------------------------------------------------------------------


def test_there_and_back(tmp_path: Path, capsys) -> None:
    """Whole, entry by entry; a second time adds nothing; the run is in the list of the other store."""
    one = put(tmp_path / "one", RUN, journal("beef"))
    other, file = str(tmp_path / "other"), str(tmp_path / "runs.jsonl")
    assert call(capsys, one, "export", "--all", "-o", file)[0] == 0
    code, out, err = call(capsys, other, "import", file)
    assert (code, out) == (0, "")
    assert f"run 7f3a: {len(RUN)} entries added\n" in err
    assert entries(other) == RUN
    assert entries(other, "beef") == journal("beef")
    code, _, err = call(capsys, other, "import", file)
    assert (code, err.count("nothing to add")) == (0, 2)
    code, out, _ = call(capsys, other, "list")
    assert (code, "7f3a" in out, "beef" in out) == (0, True, True)
    code, out, _ = call(capsys, other, "list", "--format", "json")
    assert {r["run_id"] for r in json.loads(out)["runs"]} == {"7f3a", "beef"}


def test_only_what_is_missing_is_added(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that has the beginning gets the rest; one that is ahead keeps what it has."""
    one = put(tmp_path / "one", RUN)
    other = put(tmp_path / "other", RUN[:5])
    _, out, _ = call(capsys, one, "export", "7f")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out.encode())))
    code, _, err = call(capsys, other, "import", "-")
    assert (code, f"{len(RUN) - 5} entries added" in err) == (0, True)
    assert entries(other) == RUN
    early = tmp_path / "early.jsonl"
    early.write_bytes(b"".join(text(RUN[:5])))
    code, _, err = call(capsys, other, "import", str(early))
    assert (code, f"nothing to add; the store has {len(RUN) - 5} more" in err) == (0, True)
    assert entries(other) == RUN


def test_another_run_of_that_id_is_refused_and_nothing_is_taken(tmp_path: Path, capsys) -> None:
    """Also of the other runs in the file."""
    other = put(tmp_path / "other", (*RUN[:5], replace(RUN[5], ts=RUN[5].ts + 1)))
    file = tmp_path / "runs.jsonl"
    file.write_bytes(b"".join(text(journal("beef"), RUN)))
    code, _, err = call(capsys, other, "import", str(file))
    assert code == 4
    assert "the store has a run 7f3a already, and it is another one. Nothing was imported." in err
    assert entries(other, "beef") == ()
    assert len(entries(other)) == 6


def test_a_run_that_is_not_over_is_to_be_driven_once(tmp_path: Path, capsys) -> None:
    one = put(tmp_path / "one", RUN[:5], journal("beef"))
    file = str(tmp_path / "runs.jsonl")
    for arguments in (("export", "--all", "-o", file), ("import", file)):
        _, _, err = call(capsys, one, *arguments)
        assert "not over: 7f3a. Drive it from one store only" in err


async def test_a_run_that_goes_on_meanwhile() -> None:
    class Quicker(MemoryStore):
        async def append(self, envelopes: object) -> bool:
            return False

    with pytest.raises(LockHeld, match="went on in the store meanwhile"):
        await import_runs(Quicker(), read_runs(text(RUN)))


@pytest.mark.parametrize("arguments", [("export",), ("export", "7f3a", "--all")])
def test_export_wants_runs_or_all(tmp_path: Path, capsys, arguments: tuple[str, ...]) -> None:
    code, _, err = call(capsys, put(tmp_path / "one", RUN), *arguments)
    assert (code, "--all" in err) == (64, True)


def test_files_that_cannot_be(tmp_path: Path, capsys) -> None:
    """A file that is there is never overwritten; one that is not there is said to be so."""
    one = put(tmp_path / "one", RUN)
    (tmp_path / "there").write_text("mine")
    code, _, err = call(capsys, one, "export", "7f3a", "-o", str(tmp_path / "there"))
    assert (code, "exists already" in err, (tmp_path / "there").read_text()) == (64, True, "mine")
    code, _, err = call(capsys, one, "export", "7f3a", "-o", str(tmp_path / "no" / "x"))
    assert (code, "cannot be written" in err) == (1, True)
    code, _, err = call(capsys, one, "import", str(tmp_path / "no"))
    assert (code, "cannot be read" in err) == (1, True)
    assert call(capsys, one, "export", "dead")[0] == 64


# -- damaged and hostile files -----------------------------------------------------------------------------------------


def changed(line: int, old: str, new: str) -> list[bytes]:
    lines = text(RUN)
    assert old.encode() in lines[line - 1], lines[line - 1]
    return [t.replace(old.encode(), new.encode(), 1) if n == line else t for n, t in enumerate(lines, 1)]


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([], 1, "no JSON"),
        ([b"\xff\n"], 1, "no JSON"),
        ([b"[" * 100_000], 1, "no JSON"),
        ([b"[]\n"], 1, "no JSON object"),
        ([b"{}\n"], 0, "does not say dns-cutover/runs/1"),
        ([b'{"schema":"dns-cutover/runs/1"}\n'], 1, "list of runs"),
        ([b'{"schema":"dns-cutover/runs/1","runs":[{"run_id":"..","entries":1,"sha256":""}]}\n'], 1, "list of runs"),
        ([b'{"schema":"dns-cutover/runs/1","runs":[{"run_id":"x","entries":true,"sha256":""}]}\n'], 1, "list of runs"),
        ([b'{"schema":"dns-cutover/runs/1","runs":[{"run_id":"x","entries":0,"sha256":""}]}\n'], 1, "list of runs"),
        (text(RUN)[:-1], 0, "cut off"),
        (text(RUN)[:1], 0, "cut off"),
        ([*text(RUN), b"{}\n"], len(RUN) + 2, "does not know of it"),
        ([*text(RUN)[:3], *text(RUN)[4:]], 4, "Entry 2 of run 7f3a is expected"),
        (changed(3, '"seq":1', '"seq":true'), 3, "Entry 1 of run 7f3a is expected"),
        (changed(3, '"ts":', '"ts":NaN,"x":'), 3, "no time"),
        (changed(3, '"ts":', '"ts":"a","x":'), 3, "no time"),
        (changed(3, '"body":"', '"body":7,"x":"'), 3, "no text"),
        (changed(3, "claimed", "clbimed"), 2, "SHA-256"),
        ([text(RUN)[0], b"x" * (MAX_LINE + 1)], 2, "longer than any entry"),
    ],
)
def test_a_damaged_file_is_told_by_its_line(lines: list[bytes], line: int, why: str) -> None:
    with pytest.raises(BadRuns) as caught:
        read_runs(lines)
    assert caught.value.line == line
    assert why in caught.value.why
    assert (f"line {line} " in caught.value.what) == bool(line)


def other_body(seq: int, old: str, new: str) -> tuple[Envelope, ...]:
    """A file whose sums are right and whose entry is not: it was made by hand."""
    assert old in RUN[seq].body
    return tuple(replace(e, body=e.body.replace(old, new)) if n == seq else e for n, e in enumerate(RUN))


@pytest.mark.parametrize(
    ("run", "line", "why"),
    [
        (other_body(1, '"claimed"', '"invented"'), 3, "does not know such an event"),
        (other_body(1, '"run_id":"7f3a"', '"run_id":"beef"'), 3, "not that of entry 1"),
        (other_body(1, "{", "["), 3, "does not know such an event"),
        (tuple(replace(e, body="[]") if e.seq == 1 else e for e in RUN), 3, "does not know such an event"),
        (other_body(0, "mail-to-newmail", "mail-to-oldmail"), 2, "not the one that was agreed on"),
        (other_body(0, '\\"plan\\":', '\\"plan_\\":'), 2, "makes no sense"),
        (tuple(replace(e, seq=n) for n, e in enumerate(RUN[1:3])), 2, "body is not that of entry 0"),
        ((to_envelope("7f3a", 0, from_envelope(RUN[1])),), 2, "begins with its runbook"),
        ((RUN[0], to_envelope("7f3a", 1, from_envelope(RUN[0]))), 3, "begins with its runbook, once"),
    ],
)
async def test_a_journal_that_makes_no_sense_is_not_taken(run: tuple[Envelope, ...], line: int, why: str) -> None:
    """Not by halves either: the store is as it was."""
    store = MemoryStore()
    with pytest.raises(BadRuns) as caught:
        await import_runs(store, read_runs(text(journal("beef"), run)))
    assert caught.value.line == line + len(RUN)
    assert why in caught.value.why
    assert await store.runs() == ()


def test_a_damaged_file_is_one_message(tmp_path: Path, capsys) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_bytes(b"".join(changed(3, "claimed", "cl\x1bimed"[:7])))
    store = str(tmp_path / "store")
    code, out, err = call(capsys, store, "import", str(file))
    assert (code, out) == (3, "")
    assert "Nothing was imported" in err
    assert "Traceback" not in err


def test_the_same_runs_are_the_same_file(tmp_path: Path, capsys) -> None:
    """No time and no place of the export is in it: two of them can be compared."""
    one, other = put(tmp_path / "one", RUN), put(tmp_path / "other", RUN)
    assert call(capsys, one, "export", "7f3a")[1] == call(capsys, other, "export", "--all")[1]
