"""Signals: the first one finishes the call in flight and stores what happened, the second one stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.driving.holding import holding
from tests.unit.driving.lab import LOWERED, Lab, lab, writes

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, ttl=2) as made:
        yield made


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_in_a_wait_the_run_is_kept_and_goes_on(world, number):
    process = world.run()
    world.wait_for(LOWERED)
    process.send_signal(number)
    code, _, err = world.end(process)
    assert code == 128 + number
    run = world.run_id()
    assert f"by {number.name}" in err
    for command in (f"resume {run}", f"rollback {run}", f"abort {run} --keep"):
        assert f"dns-cutover {command}" in err
    assert "nothing rolls back by itself" in err
    assert world.values() == ("192.0.2.10",)
    code, _, err = world.call("resume", run)
    assert code == 0, err
    assert world.values() == ("192.0.2.20",)
    assert len(writes(world.journal())) == 3
    assert not world.locked()


def test_the_first_signal_finishes_the_message_in_flight_and_begins_nothing_else(world):
    with holding(world) as proxy:
        process = world.run()
        world.wait_for(LOWERED)
        proxy.hold = True
        assert proxy.held.wait(60)
        process.send_signal(signal.SIGTERM)
        proxy.let_go()
        code, _, err = world.end(process)
        assert code == 143, err
        journal = world.journal()
        # The reply came, and what it says is stored; nothing was asked or written after it.
        assert journal[-1]["type"] == "applied"
        code, _, err = world.call("resume", world.run_id())
        assert code == 0, err
        assert len(writes(world.journal())) == 3


def test_the_second_signal_stops_at_once_and_is_safe(world):
    with holding(world) as proxy:
        process = world.run()
        world.wait_for(LOWERED)
        proxy.hold = True
        assert proxy.held.wait(60)
        process.send_signal(signal.SIGINT)
        # Two of the same kind at one moment are one for the kernel: the second one is of another kind.
        process.send_signal(signal.SIGTERM)
        code, _, _ = world.end(process)
        assert code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        assert world.journal()[-1]["type"] == "intent"
        proxy.let_go()
        code, _, err = world.call("resume", world.run_id())
        assert code == 0, err
        assert sorted(writes(world.journal())) == sorted(set(writes(world.journal())))
        assert world.values() == ("192.0.2.20",)


@pytest.mark.parametrize(("name", "number"), [("HUP", signal.SIGHUP), ("INT", signal.SIGINT)])
def test_what_is_ignored_stays_ignored(world, name, number):
    """nohup ignores SIGHUP for what it starts, a shell SIGINT for what it puts into the background."""
    process = world.run(before=("/bin/sh", "-c", f'trap "" {name}; exec "$@"', "sh"))
    world.wait_for(LOWERED)
    os.kill(process.pid, number)
    code, _, err = world.end(process)
    assert code == 0, err
    assert world.values() == ("192.0.2.20",)


def test_stopped_and_continued_a_wait_ends_by_its_absolute_time(world):
    """A suspended machine: nothing is shortened, nothing begins anew, and nothing is taken for a failure."""
    process = world.run()
    began = world.wait_for(LOWERED)
    process.send_signal(signal.SIGSTOP)
    threading.Event().wait(3)  # longer than the wait of 2 s
    process.send_signal(signal.SIGCONT)
    code, _, err = world.end(process)
    assert code == 0, err
    journal = world.journal()
    ended = next(e for e in journal if e["type"] == "step_done" and e["step"] == "switch/wait_ttl")
    assert ended["ts"] - began["ts"] >= 2
    assert not [e for e in journal if e["type"] in ("held", "rollback_started", "missed")]


def test_tick_all_stops_after_the_call_in_flight(world):
    with holding(world) as proxy:
        code, _, err = world.end(world.run("--no-wait"))
        assert code == 75, err
        while not any(map(LOWERED, world.journal())):
            assert world.call("tick", "--all", "--detailed-exitcode")[0] == 75
        threading.Event().wait(2)  # the old TTL
        proxy.hold = True
        process = world.start("tick", "--all", "--detailed-exitcode")
        assert proxy.held.wait(60)
        process.send_signal(signal.SIGTERM)
        proxy.let_go()
        code, _, err = world.end(process)
        assert code == 143, err
        assert world.journal()[-1]["type"] == "applied"
        assert "by SIGTERM" in err
