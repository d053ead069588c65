"""Command probes: real processes, and nothing of them left behind."""

import asyncio
import os
import sys

import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.errors import UsageError
from dns_cutover.probes.command import CommandKind
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.prober import RealProber, check_specs


def spec_of(*argv: str, timeout: float = 20.0) -> ProbeSpec:
    return ProbeSpec("c", "command", "health", {"argv": list(argv)}, timeout=timeout)


async def run(*argv: str, timeout: float = 20.0) -> ProbeResult:
    spec = spec_of(*argv, timeout=timeout)
    check_specs([spec], allow_commands=True)
    (result,) = await RealProber(SystemClock(), allow_commands=True).ask([spec])
    assert len(result.detail) <= 200
    assert result.detail.isprintable()
    return result


@pytest.fixture
def lifeline(tmp_path):
    """A FIFO that a process holds open for as long as it lives, and its reading end."""
    path = tmp_path / "lifeline"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reading
    os.close(reading)


async def read(descriptor: int) -> bytes:
    """What is there to read, once there is something; b"" when the last writer has gone."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await asyncio.wait_for(readable.wait(), 20)
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 4096)


@pytest.mark.parametrize(
    ("script", "verdict", "detail"),
    [
        ("exit 0", Verdict.SUCCESS, "exit 0"),
        ("echo one; echo two", Verdict.SUCCESS, "exit 0: two"),
        ("echo why >&2; exit 1", Verdict.FAILURE, "exit 1: why"),
        ("exit 3", Verdict.FAILURE, "exit 3"),
        ("echo no route >&2; exit 75", Verdict.ERROR, "exit 75: no route"),
        ("exit 126", Verdict.ERROR, "exit 126"),
        ("exit 127", Verdict.ERROR, "exit 127"),
        ("kill -SEGV $$", Verdict.FAILURE, "killed by SIGSEGV"),
        ("printf '\\033[2J\\000\\377%%s\\n'", Verdict.SUCCESS, "exit 0: \\x1b[2J\\x00\N{REPLACEMENT CHARACTER}%s"),
    ],
)
async def test_exit_codes(script, verdict, detail):
    result = await run("/bin/sh", "-c", script)
    assert (result.verdict, result.detail) == (verdict, detail)


async def test_arguments_meet_no_shell(tmp_path):
    result = await run("printf", "%s", f"$HOME; touch {tmp_path}/x `id` *")
    assert result.detail == f"exit 0: $HOME; touch {tmp_path}/x `id` *"[:200]
    assert list(tmp_path.iterdir()) == []


async def test_the_environment_is_path_and_locale(monkeypatch):
    """What this program was given, a TSIG secret say, is not for a plan's commands."""
    monkeypatch.setenv("CUTOVER_TSIG", "geheim")
    result = await run(sys.executable, "-c", "import os; print(sorted(os.environ), os.environ['LC_ALL'])")
    assert result.detail == "exit 0: ['LC_ALL', 'PATH'] C"


async def test_there_is_no_input():
    assert (await run("cat")).detail == "exit 0"


async def test_no_descriptors_are_handed_on(lifeline):
    _, reading = lifeline
    os.set_inheritable(reading, True)
    code = "import os; print([n for n in range(256) if os.path.exists(f'/proc/self/fd/{n}')])"
    assert (await run(sys.executable, "-c", code)).detail == "exit 0: [0, 1, 2]"


@pytest.mark.parametrize("what", ["missing", "folder", "not executable", "no format"])
async def test_what_cannot_be_started(tmp_path, what):
    path = tmp_path / "probe"
    match what:
        case "folder":
            path.mkdir()
        case "not executable":
            path.write_text("#!/bin/sh\n")
        case "no format":
            path.write_text("\x00\x01")
            path.chmod(0o755)
    result = await run(str(path))
    assert result.verdict is Verdict.ERROR
    assert "probe" in result.detail


async def test_a_timeout():
    result = await run("sleep", "1000", timeout=0.2)
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "timed out after 0.2 s")


async def test_grandchildren_die_with_a_probe_that_is_ended(lifeline):
    """As at a timeout: the whole process group is killed, a grandchild that ignores SIGTERM and SIGHUP included."""
    path, reading = lifeline
    script = f"(trap '' TERM HUP; exec 3>{path}; echo up >&3; sleep 1000; sleep 1000) & wait"
    kind = CommandKind(allow=True)
    task = asyncio.create_task(kind.probe(spec_of("/bin/sh", "-c", script)))
    assert await read(reading) == b"up\n"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await read(reading) == b""


async def test_a_grandchild_that_holds_the_output_open(lifeline):
    """The command's own end counts, and what it left behind is ended."""
    path, reading = lifeline
    script = f"exec 3>{path}; sleep 1000 & echo done"
    result = await run("/bin/sh", "-c", script)
    assert (result.verdict, result.detail) == (Verdict.SUCCESS, "exit 0: done")
    assert await read(reading) == b""


async def test_all_output_is_seen():
    """The end of it, however much there is below the bound."""
    result = await run("/bin/sh", "-c", "head -c 1000000 /dev/zero; echo; echo last")
    assert result.detail == "exit 0: last"


async def test_too_much_output():
    result = await run("yes")
    assert (result.verdict, result.detail) == (Verdict.ERROR, "printed more than 1 MiB")


async def test_descriptors_are_given_back():
    await run("true")
    before = len(os.listdir("/proc/self/fd"))
    for argv in (("true",), ("/missing",), ("yes",)):
        await run(*argv)
    await run("sleep", "1000", timeout=0.05)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_not_allowed(tmp_path):
    """Refused when the kind is made, when specs are checked, and once more when it is asked nonetheless."""
    spec = spec_of("touch", str(tmp_path / "x"))
    with pytest.raises(UsageError) as caught:
        CommandKind(allow=False)
    assert any("--allow-commands" in hint for hint in caught.value.hints)
    with pytest.raises(UsageError, match="probe c"):
        check_specs([spec], allow_commands=False)
    (result,) = await RealProber(SystemClock()).ask([spec])
    assert result.verdict is Verdict.ERROR
    assert "run a command" in result.detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"argv": []},
        {"argv": [""]},
        {"argv": ["a\0b"]},
        {"argv": "ls -l"},
        {"argv": ["ls", 1]},
        {"argv": ["ls"], "shell": True},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options):
    with pytest.raises(UsageError, match="probe c: the option"):
        check_specs([ProbeSpec("c", "command", "health", options)], allow_commands=True)
