"""`status --watch` and `events --follow`: a reader beside the driver sees the same journal, and writes nothing."""

import asyncio
import io
import json
import random

import pytest

from dns_cutover.cli import following
from dns_cutover.cli.following import follow, replay
from dns_cutover.report.plain import JsonLinesWatcher, PlainWatcher
from dns_cutover.store.interface import Envelope
from dns_cutover.store.memory import MemoryStore
from tests.simulation.play import play
from tests.simulation.world import World


@pytest.fixture(scope="module")
def journal() -> tuple[Envelope, ...]:
    """A whole run that was rolled back."""
    world = World(random.Random(1), broken=True)
    play(world)
    return tuple(world.journal)


class Reader(MemoryStore):
    """A store that others fill while it is read: each look finds two envelopes more. It refuses to be written."""

    def __init__(self, rows: tuple[Envelope, ...], there: int) -> None:
        super().__init__()
        self.rows = rows
        self.there = there
        self.looks = 0

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        self.looks += 1
        if self.looks > 1:
            self.there += 2
        return tuple(self.rows[start : self.there])

    async def append(self, envelopes: object) -> bool:
        raise AssertionError("a reader writes")


class Still:
    """A clock at one moment."""

    def now(self) -> float:
        return 0.0

    async def sleep_until(self, when: float) -> None:
        raise AssertionError("nobody waits by it")


async def test_a_follower_sees_every_event_once_and_ends_with_the_run(journal, monkeypatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0)
    whole, grown = io.StringIO(), io.StringIO()
    run_id = journal[0].run_id
    end = await replay(run_id, Reader(journal, len(journal)), JsonLinesWatcher(whole))
    state = await asyncio.wait_for(follow(run_id, Reader(journal, 3), JsonLinesWatcher(grown), Still()), 30)
    assert state == end
    assert state.outcome == "rolled_back"
    assert grown.getvalue() == whole.getvalue()
    seqs = [json.loads(line)["seq"] for line in whole.getvalue().splitlines()]
    assert seqs == list(range(len(journal)))


async def test_what_is_past_may_be_left_out(journal, monkeypatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0)
    out = io.StringIO()
    await follow(journal[0].run_id, Reader(journal, 5), JsonLinesWatcher(out), Still(), past=False)
    assert [json.loads(line)["seq"] for line in out.getvalue().splitlines()] == list(range(5, len(journal)))


async def test_a_wait_is_told_while_nothing_happens(journal, monkeypatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0)
    out = io.StringIO()
    await follow(journal[0].run_id, Reader(journal, 1), PlainWatcher(out, Still().now), Still())
    assert " WAIT " in out.getvalue()
    assert "unblock: nothing to do" in out.getvalue()
