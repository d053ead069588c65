"""Notifications of real runs: over the death of a process, and with receivers that are of no use."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.driving.lab import LOWERED, Lab, lab
from tests.unit.notify.receivers import Answer, Receiver, closed_port, serving, standard_webhook

KEY = "canary-of-the-signing-secret"
HOOK = 'notify: [{{type: webhook, url: "{url}", secret: {{env: HOOK_SECRET}}}}]'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, ttl=2, environ={"HOOK_SECRET": KEY}) as made:
        yield made


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """(id, kind) in the order of arrival."""
    return [(d["id"], d["kind"]) for d in (json.loads(r.body) for r in receiver.requests)]


def test_a_run_that_is_killed_is_told_of_to_its_end_and_nothing_twice(world):
    with serving(Receiver(standard_webhook(KEY.encode()))) as receiver:
        world.write_plan(more=HOOK.format(url=receiver.url))
        process = world.run()
        world.wait_for(LOWERED)
        # What was told is kept within a second: from then on a death loses nothing and repeats nothing.
        world.wait_for(lambda e: e["type"] == "told" and e["upto"] > 2)
        process.send_signal(signal.SIGKILL)
        world.end(process)
        code, _, err = world.call("resume", world.run_id())
        assert code == 0, err
    kinds = [kind for _, kind in told(receiver)]
    assert kinds[0] == "started"
    assert kinds[-1] == "end"
    assert kinds.count("end") == kinds.count("started") == 1
    steps = [json.loads(r.body)["step"] for r in receiver.requests if json.loads(r.body)["kind"] == "step"]
    assert {"switch/lower_ttl", "switch/apply", "switch/restore_ttl"} <= set(steps)
    # The one message whose answer and mark the death may have come between is the same message again.
    ids = [i for i, _ in told(receiver)]
    assert len(ids) - len(set(ids)) <= 1
    assert KEY not in world.store.read_bytes().decode("latin-1")


def test_a_receiver_that_is_not_there_breaks_nothing(world):
    world.write_plan(more=HOOK.format(url=f"http://127.0.0.1:{closed_port()}/canary"))
    code, _, err = world.end(world.run())
    assert code == 0
    assert world.values() == ("192.0.2.20",)
    assert KEY not in err
    lines = [line for line in err.splitlines() if " notify " in line]
    assert len(lines) <= 2
    assert any("given up" in line or "not delivered yet" in line for line in lines)


def test_a_receiver_that_hangs_delays_nothing(world):
    receiver = Receiver(lambda _: Answer(200))
    held = threading.Event()
    receiver.plan = [held] * 50
    with serving(receiver):
        world.write_plan(more=HOOK.format(url=receiver.url))
        code, _, err = world.end(world.run())
        assert code == 0, err
        held.set()
    assert "some notifications are not delivered yet" in err
    assert len(receiver.requests) <= 3


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        ("notify: [{type: exec, argv: [/bin/true]}]", 64, "--allow-commands"),
        ("notify: [{type: slack, url: {env: NO_SUCH}}]", 1, "notification slack: the environment variable NO_SUCH"),
        ("notify: [{type: slack, url: {env: HOOK_SECRET}}]", 1, "holds no address"),
    ],
)
def test_what_is_wrong_is_told_before_a_run_exists(world, more, code, text):
    world.write_plan(more=more)
    found, _, err = world.end(world.run())
    assert found == code
    assert text in err
    assert KEY not in err
    assert world.journal() == []


def test_a_run_goes_on_where_a_secret_is_missing_and_whoever_has_it_tells(world):
    with serving(Receiver(standard_webhook(KEY.encode()))) as receiver:
        world.write_plan(more=HOOK.format(url=receiver.url))
        code, _, err = world.end(world.run("--no-wait"))
        assert code == 75, err
        without = {k: v for k, v in world.environ.items() if k != "HOOK_SECRET"}
        code, _, err = world.call("resume", world.run_id(), env=without)
        assert code == 0, err
        assert "HOOK_SECRET is not set: the run goes on without it" in err
        assert "end" not in [kind for _, kind in told(receiver)]
        code, _, err = world.call("tick", world.run_id())
        assert code == 0
        assert told(receiver)[-1][1] == "end"
        ids = [i for i, _ in told(receiver)]
        assert len(ids) == len(set(ids))
        before = len(receiver.requests)
        world.call("tick", world.run_id())
        assert len(receiver.requests) == before


def test_validate_reads_no_secret_and_sends_nothing(world):
    with serving(Receiver(lambda _: Answer(200))) as receiver:
        world.write_plan(more=HOOK.format(url=receiver.url))
        without = {k: v for k, v in world.environ.items() if k != "HOOK_SECRET"}
        for verb in (("validate", "--offline"), ("validate",), ("preview",)):
            code, _, err = world.call(*verb, str(world.plan), env=without)
            assert code == 0, err
            assert "HOOK_SECRET" not in err
    assert receiver.requests == []


def test_a_command_is_told_with_permission(world):
    script = world.folder / "tell"
    script.write_text(f'#!/bin/sh\ncat >>"{world.folder}/told"\n')
    script.chmod(0o755)
    world.write_plan(more=f"notify: [{{type: exec, argv: [{script}], on: [started, end]}}]")
    code, _, err = world.end(world.run("--allow-commands"))
    assert code == 0, err
    kinds = [json.loads(line)["kind"] for line in (world.folder / "told").read_text().splitlines()]
    assert kinds == ["started", "end"]
