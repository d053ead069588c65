"""Stores that are full or read-only: the run stops before it acts, nothing is half done, and it goes on later."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.driving.holding import holding
from tests.unit.driving.lab import LOWERED, Lab, lab, writes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, ttl=2) as made:
        yield made


def fill(pid: int) -> None:
    """From now on the process can write nothing to files: SQLite gets what a full disk gives, an incomplete write."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))


def test_a_store_that_is_full_stops_the_run_before_it_acts(world):
    process = world.run()
    world.wait_for(LOWERED)
    before = len(world.journal())
    fill(process.pid)
    code, _, err = world.end(process)
    assert code == 1
    run = world.run_id()
    assert "cannot be used" in err
    assert f"dns-cutover resume {run}" in err
    assert "nobody watches it" in err
    assert len(world.journal()) == before
    assert world.values() == ("192.0.2.10",)
    code, _, err = world.call("resume", run)
    assert code == 0, err
    assert world.values() == ("192.0.2.20",)
    assert sorted(writes(world.journal())) == sorted(set(writes(world.journal())))


def test_full_between_a_message_and_what_came_of_it(world):
    """The server has it, the journal does not say so: the next process finds out, and sends nothing twice."""
    with holding(world) as proxy:
        process = world.run()
        world.wait_for(LOWERED)
        proxy.hold = True
        assert proxy.held.wait(60)
        fill(process.pid)
        proxy.let_go()
        code, _, err = world.end(process)
        assert code == 1, err
        assert world.journal()[-1]["type"] == "intent"
        code, _, err = world.call("resume", world.run_id())
        assert code == 0, err
    assert world.values() == ("192.0.2.20",)
    assert sorted(writes(world.journal())) == sorted(set(writes(world.journal())))
    assert not world.locked()


def powerless() -> tuple[str, ...]:
    """Root without its privileges obeys the modes of files."""
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()


def test_a_store_that_is_read_only_is_told_before_anything_is_done_and_can_be_looked_at(world):
    code, _, err = world.end(world.run("--no-wait"))
    assert code == 75, err
    run, before = world.run_id(), len(world.journal())
    for path in world.folder.glob("runs.sqlite3*"):
        path.chmod(0o444)
    world.folder.chmod(0o555)
    try:
        code, out, err = world.call("status", run, before=powerless())
        assert code == 0, err
        assert run in out
        for verb in (("resume", run), ("tick", run), ("pause", run), ("run", str(world.plan), "--yes")):
            code, _, err = world.call(*verb, before=powerless())
            assert code == 1, (verb, err)
            assert "cannot be used" in err
            assert "Hint:" in err
    finally:
        world.folder.chmod(0o755)
        for path in world.folder.glob("runs.sqlite3*"):
            path.chmod(0o644)
    assert len(world.journal()) == before
    assert world.values() == ("192.0.2.10",)
