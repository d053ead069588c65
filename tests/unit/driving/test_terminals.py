"""Terminals that die, pipes that are closed, disks that are full: the run goes on and its journal is whole."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dns_cutover.cli.outlets import EventsOut, open_events
from dns_cutover.errors import Unavailable
from dns_cutover.report.stream import LossyStream
from tests.unit.driving.lab import Lab, lab

PLANS = Path(__file__).parent.parent.parent.parent / "plans"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, ttl=1) as made:
        yield made


def finished(world: Lab) -> None:
    assert world.journal()[-1] | {"outcome": "succeeded"} == world.journal()[-1]
    assert world.values() == ("192.0.2.20",)


def test_whoever_reads_what_is_said_goes_away(world):
    """`dns-cutover run … 2>&1 | head -1`"""
    reading, writing = os.pipe()
    process = world.run("--events", "-", stdout=writing, stderr=writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.readline()
    code, _, _ = world.end(process)
    assert code == 0
    finished(world)


def test_a_terminal_dies_without_a_signal(world):
    """A connection that broke: the terminal is gone, and every write gives EIO."""
    master, slave = pty.openpty()
    environ = {**world.environ, "TERM": "xterm-256color"}
    process = world.run(stderr=slave, stdout=slave, env=environ, start_new_session=True)
    os.close(slave)
    world.wait_for(lambda e: e["type"] == "applied")
    os.close(master)
    code, _, _ = world.end(process)
    assert code == 0
    finished(world)


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
def test_descriptors_that_are_closed_from_the_beginning(world, closed):
    """What is opened later must not become standard output: events would be written into the store."""
    process = world.run("--events", "-", before=("/bin/sh", "-c", f'exec "$@" {closed}', "sh"))
    code, _, _ = world.end(process)
    assert code == 0
    finished(world)


def test_a_full_disk_under_what_is_said_and_under_the_events(world):
    with open("/dev/full", "w") as full:
        process = world.run("--events", "/dev/full", stdout=full, stderr=full)
        code, _, _ = world.end(process)
    assert code == 0
    finished(world)


def test_events_that_cannot_be_written_are_told_once_and_the_run_goes_on(world):
    process = world.run("--events", "/dev/full")
    code, _, err = world.end(process)
    assert code == 0
    assert err.count("events cannot be written to /dev/full: no space left on device") == 1
    finished(world)


def test_a_file_for_events_that_cannot_be_opened_is_told_before_anything_is_done(world):
    code, _, err = world.end(world.run("--events", str(world.folder / "nowhere" / "events")))
    assert code == 1
    assert "cannot be opened for the events" in err
    assert world.journal() == []
    assert world.values() == ("192.0.2.10",)


# Without a run


def call(*arguments: str, **how: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "dns_cutover", *arguments]
    return subprocess.run(argv, text=True, check=False, stderr=subprocess.PIPE, **how)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("arguments", [("schema",), ("checks",), ("--help",), ("--version",)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_on_a_full_disk_is_told_and_is_no_fault_of_the_program(arguments, unbuffered):
    with open("/dev/full", "w") as full:
        done = call(*arguments, stdout=full, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Error:        the output could not be written."
    assert "No space left on device" in done.stderr
    assert "fault" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_nothing_to_tell():
    """`dns-cutover checks --format json | head -c 1`: more than a pipe holds is still to be written."""
    argv = [sys.executable, "-m", "dns_cutover", "checks", "--format", "json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_usage_errors_are_told_through_a_dead_stream_as_well(tmp_path):
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-m", "dns_cutover", "validate", "nowhere.yaml", "--offline"]
        assert subprocess.run(argv, stderr=full, check=False).returncode == 1
        assert subprocess.run([*argv[:3], "nonsense"], stderr=full, check=False).returncode == 64


def test_lines_of_events_that_were_torn_by_a_full_disk_end_before_the_next(tmp_path, monkeypatch):
    path = tmp_path / "events"
    told: list[str] = []
    out = open_events(path)
    assert isinstance(out, EventsOut)
    out.told = told.append
    room = [1000]
    write = os.write

    def scarce(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = write(descriptor, data[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", scarce)
    out.write('{"seq":1}\n')
    room[0] = 4
    out.write('{"seq":2}\n')
    out.write('{"seq":3}\n')
    room[0] = 1000
    out.write('{"seq":4}\n')
    monkeypatch.undo()
    out.close()
    assert path.read_text().splitlines() == ['{"seq":1}', '{"se', '{"seq":4}']
    assert len(told) == 1
    assert [json.loads(x)["seq"] for x in path.read_text().splitlines() if x.endswith("}")] == [1, 4]


def test_a_lossy_stream_says_why_and_works_again():
    class Inner:
        broken = True
        text = ""

        def write(self, text: str) -> int:
            if self.broken:
                raise OSError(5, "Input/output error")
            self.text += text
            return len(text)

        def flush(self) -> None:
            """Nothing is kept back."""

        def isatty(self) -> bool:
            raise ValueError("I/O operation on closed file")

    inner = Inner()
    stream = LossyStream(inner)  # type: ignore[arg-type]
    assert stream.write("a") == 1
    assert stream.trouble == "Input/output error"
    assert not stream.isatty()
    inner.broken = False
    stream.writelines(["b", "c"])
    assert stream.trouble == ""
    assert inner.text == "bc"


@pytest.mark.parametrize("name", ["nowhere/events", "a\0b", "."])
def test_names_that_cannot_be_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unavailable, match="cannot be opened for the events"):
        open_events(Path(name))
