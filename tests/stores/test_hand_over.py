"""Runs that go from one machine to another by their store, while runners are killed."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dns_cutover.assembly import Setting, look, partitions
from dns_cutover.engine import events as ev
from dns_cutover.engine.journal import to_envelope
from dns_cutover.plan.loader import load_plan
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store
from tests.unit.driving.lab import LOWERED, Lab, lab, writes

WAITING = 497
MOVING = 3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as made:
        yield made


class Machine:
    """Another computer, as far as a process can tell: a host name and a home of its own."""

    def __init__(self, world: Lab, name: str) -> None:
        self.world, self.name = world, name
        self.home = world.folder / name
        self.home.mkdir()
        environ = {k: v for k, v in {**os.environ, **world.environ}.items() if not k.startswith("XDG_")}
        self.environ = {**environ, "HOME": str(self.home)}

    def start(self, store: str, *arguments: str) -> subprocess.Popen[str]:
        rename = f'echo {self.name} >/proc/sys/kernel/hostname && exec "$@"'
        before = ("unshare", "--map-root-user", "--uts", "sh", "-c", rename, "sh")
        return self.world.start(*arguments, store=store, env=self.environ, before=before, cwd=self.home)


def runners(journal: list[dict[str, Any]]) -> list[str]:
    """The hosts that drove the run, each time that one took it."""
    return [str(e["runner"]).split(":")[0] for e in journal if e["type"] == "claimed"]


def test_a_run_of_a_machine_that_died_is_finished_by_tick_on_another(world: Lab, s3_url: str) -> None:
    one, two = Machine(world, "runner-one"), Machine(world, "runner-two")
    process = one.start(s3_url, "run", str(world.plan), "--yes")
    world.wait_for(LOWERED, s3_url)
    process.kill()  # and with it everything that is not in the bucket
    process.communicate()
    run = world.run_id(s3_url)
    pause = threading.Event()
    for _ in range(200):
        code, _, err = world.end(two.start(s3_url, "tick", run, "--detailed-exitcode"))
        if code != 75:
            break
        pause.wait(0.3)
    assert code == 0, err
    journal = world.journal(store=s3_url)
    assert runners(journal)[0] == "runner-one"
    assert set(runners(journal)[1:]) == {"runner-two"}
    assert writes(journal) == ["switch/lower_ttl", "switch/apply", "switch/restore_ttl"]
    assert world.values() == ("192.0.2.20",)
    assert not world.locked()
    assert socket.gethostname() not in runners(journal)


# Four runners and five hundred runs


def count_questions(world: Lab) -> list[bool]:
    """One entry for each message that the lab's primary gets from now on."""
    primary, asked = world.world.primary, []
    respond = primary.respond

    async def counting(wire: bytes, *, tcp: bool) -> Any:
        asked.append(tcp)
        return await respond(wire, tcp=tcp)

    primary.respond = counting  # type: ignore[method-assign]
    return asked


async def begin(world: Lab, url: str, run: str) -> None:
    """A run of the lab's plan, created as `run` creates it."""
    setting = Setting(environ=world.environ)
    loaded = load_plan(world.plan, {})
    live = await look(loaded, setting)
    book = compile_runbook(loaded.plan, loaded.sha256, live.facts, partitions(live.facts))
    # Between its writes a run gives the lock back at once, so that a runner's death keeps nobody waiting for long.
    book = replace(book, grace=2.0)
    first = ev.Created(setting.clock.now(), runbook_json(book), runbook_sha256(book), "test")
    store = open_store(url)
    # Driven before, by somebody who is gone: its names are its own already (all labs have the same ones).
    driven = ev.Claimed(setting.clock.now(), "gone:1:0")
    assert await store.append([to_envelope(run, 0, first), to_envelope(run, 1, driven)])
    await store.close()


async def copy(url: str, journal: list[dict[str, Any]], runs: list[str]) -> None:
    """The same journal under other names."""
    store = open_store(url)
    for run in runs:
        rows = [{**e, "run_id": run} for e in journal]
        assert await store.append([Envelope(run, e["seq"], e["ts"], json.dumps(e)) for e in rows])
    await store.close()


class Books:
    """The store as the test looks at it, over one connection."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._store = open_store(url)

    def journal(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(e.body) for e in self._loop.run_until_complete(self._store.load(run))]

    def lengths(self) -> dict[str, int]:
        return {e.run_id: e.length for e in self._loop.run_until_complete(self._store.runs())}

    def close(self) -> None:
        self._loop.run_until_complete(self._store.close())
        self._loop.close()


def test_four_runners_and_five_hundred_runs_of_which_one_runner_is_killed(tmp_path: Path, postgresql_url: str) -> None:
    """The moving ones are finished, each written once; the waiting ones are left alone, their servers too."""
    url, names = postgresql_url, [f"m{n}" for n in range(MOVING)]
    with ExitStack() as stack:
        worlds = []
        for n in range(MOVING + 1):
            folder = tmp_path / str(n)
            folder.mkdir()
            # What has a low TTL already is changed without lowering; the last one waits for two hours.
            worlds.append(stack.enter_context(lab(folder, ttl=1 if n < MOVING else 7200)))
        *moving, slow = worlds
        books = Books(url)
        stack.callback(books.close)
        wait_for_old_ttl(slow, url, books)
        waiting = books.lengths()
        assert len(waiting) == WAITING
        asked = count_questions(slow)
        for world, name in zip(moving, names, strict=True):
            asyncio.run(begin(world, url, name))
        done = threading.Event()
        errors: list[str] = []

        def runner() -> None:
            while not done.is_set():
                process = slow.start("tick", "--all", "--detailed-exitcode", store=url)
                _, err = process.communicate()
                if process.returncode not in (0, 75) or "Traceback" in err:
                    errors.append(f"{process.returncode}: {err}")

        threads = [threading.Thread(target=runner) for _ in range(3)]
        victim = slow.start("tick", "--all", "--detailed-exitcode", store=url)
        for thread in threads:
            thread.start()
        kill_while_it_writes(victim, books, names)
        pause = threading.Event()
        for _ in range(1200):
            if all(books.journal(name)[-1]["type"] == "finished" for name in names) or errors:
                break
            pause.wait(0.2)
        done.set()
        for thread in threads:
            thread.join()
        assert errors == []
        for name in names:
            journal = books.journal(name)
            assert journal[-1] | {"type": "finished", "outcome": "succeeded"} == journal[-1], name
            assert [e["seq"] for e in journal] == list(range(len(journal)))
            assert writes(journal) == ["switch/apply"]
        for world in moving:
            assert world.values() == ("192.0.2.20",)
            assert not world.locked()
        after = books.lengths()
        assert {run: after[run] for run in waiting} == waiting
        assert asked == []


def wait_for_old_ttl(world: Lab, url: str, books: Books) -> None:
    """All but the moving runs: each as one that was begun by the command line, and now waits for two hours."""
    code, _, err = world.call("run", str(world.plan), "--yes", "--no-wait", store=url)
    assert code == 75, err
    run = next(iter(books.lengths()))
    while not any(LOWERED(e) for e in books.journal(run)):
        code, _, err = world.call("tick", run, "--detailed-exitcode", store=url)
        assert code == 75, err
    asyncio.run(copy(url, books.journal(run), [f"w{n:03d}" for n in range(WAITING - 1)]))


def kill_while_it_writes(process: subprocess.Popen[str], books: Books, names: list[str]) -> None:
    """As soon as a journal has an intent of its own, or at the latest after its first pass."""
    for name in itertools.cycle(names):
        journal = books.journal(name)
        claims = [e["runner"] for e in journal if e["type"] == "claimed"]
        if process.poll() is not None or (journal[-1]["type"] == "intent" and f":{process.pid}:" in claims[-1]):
            break
    process.kill()
    process.communicate()
