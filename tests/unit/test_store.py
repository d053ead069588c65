"""Stores: compare-and-swap appends, order, and what a bad file says."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.store.interface import Envelope
from dns_cutover.store.memory import MemoryStore
from dns_cutover.store.open import open_store
from dns_cutover.store.sql import sqlite_store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else sqlite_store(tmp_path / "deep" / "runs.sqlite3")
    yield made
    await made.close()


def entry(seq: int, run: str = "r", ts: float = 1.0) -> Envelope:
    return Envelope(run, seq, ts, f'{{"n":{seq}}}')


async def test_appends_only_at_the_right_place(store):
    assert await store.append([entry(0), entry(1)])
    assert not await store.append([entry(1)])
    assert not await store.append([entry(3)])
    assert await store.append([entry(2)])
    assert [e.seq for e in await store.load("r")] == [0, 1, 2]
    assert [e.seq for e in await store.load("r", 2)] == [2]
    assert await store.load("unknown") == ()


async def test_runs_are_listed_newest_first(store):
    await store.append([entry(0, "a", 1.0)])
    await store.append([entry(0, "b", 2.0), entry(1, "b", 3.0)])
    assert [(r.run_id, r.length, r.created, r.updated) for r in await store.runs()] == [
        ("b", 2, 2.0, 3.0),
        ("a", 1, 1.0, 1.0),
    ]


def _race(path: str, who: int, wins: multiprocessing.Queue) -> None:
    import asyncio

    async def go() -> int:
        store, won = sqlite_store(Path(path)), 0
        for seq in range(60):
            won += await store.append([Envelope("r", seq, 0.0, f'{{"who":{who}}}')])
        await store.close()
        return won

    wins.put(asyncio.run(go()))


async def test_two_processes_never_write_the_same_place(tmp_path):
    path = tmp_path / "runs.sqlite3"
    store = sqlite_store(path)
    context = multiprocessing.get_context("spawn")
    wins = context.Queue()
    racers = [context.Process(target=_race, args=(str(path), n, wins)) for n in range(2)]
    for r in racers:
        r.start()
    for r in racers:
        r.join(60)
    assert sum(wins.get(timeout=5) for _ in racers) == len(await store.load("r"))
    assert [e.seq for e in await store.load("r")] == list(range(len(await store.load("r"))))
    await store.close()


def _forever(path: str) -> None:
    import asyncio

    async def go() -> None:
        store = sqlite_store(Path(path))
        for seq in range(10**6):
            await store.append([Envelope("r", seq, 0.0, "{}" * 100)])

    asyncio.run(go())


async def test_a_process_that_is_killed_leaves_a_readable_store(tmp_path):
    path = tmp_path / "runs.sqlite3"
    process = multiprocessing.get_context("spawn").Process(target=_forever, args=(str(path),))
    process.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_size:
            reader = sqlite_store(path)
            enough = len(await reader.load("r")) > 20
            await reader.close()
            if enough:
                break
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store = sqlite_store(path)
    entries = await store.load("r")
    assert len(entries) > 20
    assert await store.append([entry(len(entries))])
    await store.close()


def test_the_file_is_for_its_user_alone(tmp_path):
    sqlite_store(tmp_path / "private" / "runs.sqlite3")
    assert stat.S_IMODE((tmp_path / "private" / "runs.sqlite3").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700


def test_what_is_no_store_says_so(tmp_path):
    (tmp_path / "x").write_text("text that is long enough to be read as the header of a database file")
    with pytest.raises(Unavailable, match="cannot be used"):
        sqlite_store(tmp_path / "x")
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made"):
        sqlite_store(tmp_path / "file" / "runs.sqlite3")
    with pytest.raises(UsageError, match="redis"):
        open_store("redis://x")
    assert isinstance(open_store("memory:"), MemoryStore)
