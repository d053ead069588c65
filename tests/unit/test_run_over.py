"""Runs that are over: nothing is done to them any more, and people are told what is next."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from dns_cutover.cli.main import main
from dns_cutover.engine import events as ev
from dns_cutover.engine.journal import to_envelope
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store
from tests.simulation.play import play
from tests.simulation.world import World
from tests.unit.engine_states import created
from tests.unit.preview_world import mail


def run_over(path: Path, *, broken: bool) -> str:
    """A store with one run that has ended, as `succeeded` or as `rolled_back`."""
    world = World(random.Random(1), broken=broken)
    play(world)

    async def keep() -> None:
        store = open_store(str(path))
        assert await store.append(world.journal)
        await store.close()

    asyncio.run(keep())
    return str(path)


def call(capsys: pytest.CaptureFixture[str], store: str, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(["--store", store, *arguments])
    said = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, said.out + said.err


@pytest.mark.parametrize("verb", [("rollback", "--yes"), ("abort", "--yes"), ("retry",), ("pause",)])
def test_a_run_that_succeeded_is_not_steered_any_more(tmp_path, capsys, verb) -> None:
    code, text = call(capsys, run_over(tmp_path / "runs", broken=False), verb[0], "r", *verb[1:])
    assert code == 64
    assert "run r is over: succeeded. Nothing was done" in text
    assert "dns-cutover events r" in text


def test_what_was_rolled_back_already_is_no_mistake(tmp_path, capsys) -> None:
    code, text = call(capsys, run_over(tmp_path / "runs", broken=True), "rollback", "r", "--yes")
    assert code == 6
    assert "over: rolled_back" in text


def test_the_end_state_of_a_run_that_was_rolled_back_is_not_exported(tmp_path, capsys) -> None:
    code, text = call(capsys, run_over(tmp_path / "runs", broken=True), "export", "r", "--format", "zone")
    assert code == 64
    assert "192.0.2.9" not in text
    assert "its end state never came" in text


def test_status_of_a_run_that_is_over_says_what_is_next(tmp_path, capsys) -> None:
    code, text = call(capsys, run_over(tmp_path / "runs", broken=False), "status", "r")
    assert code == 0
    assert "it is over" in text
    assert "dns-cutover export r --format zone" in text
    assert "goes on by itself" not in text


def test_tick_all_has_nothing_to_do_where_every_run_is_over(tmp_path, capsys) -> None:
    assert call(capsys, run_over(tmp_path / "runs", broken=False), "tick", "--all") == (0, "")


@pytest.mark.parametrize("arguments", [("tick",), ("tick", "r", "--all")])
def test_tick_wants_a_run_or_all(tmp_path, capsys, arguments) -> None:
    code, text = call(capsys, str(tmp_path / "runs"), *arguments)
    assert code == 64
    assert "dns-cutover tick --all" in text


def test_watch_wants_a_run_where_none_is_under_way(tmp_path, capsys) -> None:
    code, text = call(capsys, run_over(tmp_path / "runs", broken=False), "status", "--watch")
    assert code == 64
    assert "no run is under way" in text


def test_a_run_of_a_newer_version_keeps_no_other_run_waiting(tmp_path: Path, capsys, monkeypatch) -> None:
    path = run_over(tmp_path / "runs.db", broken=False)
    now = time.time()
    newer = Envelope("aaaa", 1, now, '{"type": "hologram", "ts": 1, "seq": 1, "run_id": "aaaa"}')

    async def keep() -> None:
        store = open_store(path)
        assert await store.append([to_envelope("aaaa", 0, created(ts=now)), newer])
        for run, ts in (("9999", now - 60), ("bbbb", now + 60)):
            begun = (created(mail(), ts=ts), ev.Claimed(ts, "elsewhere:1:1"), ev.Command(ts, "keep", "me"))
            assert await store.append([to_envelope(run, n, e) for n, e in enumerate(begun)])
        await store.close()

    asyncio.run(keep())
    monkeypatch.setattr("dns_cutover.cli.ticking.FRESH", -3600.0)
    code, said = call(capsys, path, "tick", "--all")
    assert code == 1
    assert "entry 1 in the journal of run aaaa cannot be read by this version" in said
    assert "fault of dns-cutover" not in said
    assert said.count("CUTOVER_TSIG") >= 2, "the other two runs were gone on with"
    assert call(capsys, path, "status", "aaaa")[0] == 1
