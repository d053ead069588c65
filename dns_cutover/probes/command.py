"""An argument list, run without a shell. Only where the user allowed it on the command line.

| the command | verdict |
|---|---|
| exits with 0 | success |
| exits with 75 (EX_TEMPFAIL of sysexits.h) | error: it says itself that it could not tell |
| cannot be started; exits with 126 or 127, which is how env(1) and shells say so | error |
| prints more than 1 MiB | error |
| exits with any other code, is killed by a signal, takes longer than its timeout | failure |
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Annotated

from pydantic import Field, field_validator

from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.kind import Options, Outcome, read_options

MAX_OUTPUT = 1024 * 1024  # bytes until the command is stopped
KEPT_OUTPUT = 4096  # bytes, from the end
_COULD_NOT_TELL = frozenset({os.EX_TEMPFAIL, 126, 127})
_REAP_SECONDS = 1.0  # a process that the kernel holds may outlive SIGKILL: do not wait for it for ever


class CommandOptions(Options):
    """`argv`: the program (a path, or a name looked for in PATH) and its arguments."""

    argv: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=1024)]

    @field_validator("argv")
    @classmethod
    def _runnable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0] or any("\0" in argument for argument in value):
            raise ValueError("the command is empty or holds a NUL")
        return value


class CommandKind:
    """Implements `kind.Kind`. Runs in a session of its own, without input, and with PATH and LC_ALL=C as its whole
    environment: what this program was given, credentials above all, is not for a plan's commands."""

    def __init__(self, *, allow: bool) -> None:
        if not allow:
            raise UsageError(
                "a probe would run a command",
                "Commands of a plan run only if you say so.",
                ("read the plan, then add --allow-commands",),
            )

    def check(self, spec: ProbeSpec) -> None:
        """See `Kind`."""
        read_options(CommandOptions, spec)

    async def probe(self, spec: ProbeSpec) -> Outcome:
        """See `Kind`."""
        argv = read_options(CommandOptions, spec).argv
        # A pipe of our own: asyncio's would keep `wait` waiting for grandchildren that hold it open.
        reading, writing = os.pipe()
        output = _Output()
        transport = None
        try:
            pipe = os.fdopen(reading, "rb", buffering=0)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: output, pipe)
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                start_new_session=True,
            )
            os.close(writing)
            writing = -1
            await _finish(process, output)
        except OSError as exc:
            return Outcome(Verdict.ERROR, f"{argv[0]}: {exc.strerror}")
        finally:
            if writing >= 0:
                os.close(writing)
            if transport is not None:
                transport.close()
            await asyncio.sleep(0)  # the loop needs one turn to close the pipe
        return _judge(process.returncode, output)


class _Output(asyncio.Protocol):
    """The end of what was printed, whether it was too much, and whether all of it is here."""

    def __init__(self) -> None:
        self.tail = b""
        self.size = 0
        self.flooded = asyncio.Event()
        self.complete = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.size += len(data)
        self.tail = (self.tail + data)[-KEPT_OUTPUT:]
        if self.size > MAX_OUTPUT:
            self.flooded.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.complete.set()


async def _finish(process: asyncio.subprocess.Process, output: _Output) -> None:
    """Until it has ended, by itself or by us; when this is cancelled, nothing of it runs on."""
    waiting = {asyncio.ensure_future(process.wait()), asyncio.ensure_future(output.flooded.wait())}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # What it started may outlive it: the whole group goes, whether or not its leader has ended already. Only what
        # moved to a session of its own escapes, and finds nobody to read what it prints.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _REAP_SECONDS)
        for task in waiting:
            task.cancel()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(output.complete.wait(), _REAP_SECONDS)


def _judge(code: int | None, output: _Output) -> Outcome:
    if output.flooded.is_set():
        return Outcome(Verdict.ERROR, "printed more than 1 MiB")
    if code is None:
        return Outcome(Verdict.ERROR, "could not be ended")
    lines = output.tail.decode("utf-8", "replace").strip().splitlines()
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
    detail = f"{how}: {lines[-1]}" if lines else how
    if code == 0:
        return Outcome(Verdict.SUCCESS, detail)
    return Outcome(Verdict.ERROR if code in _COULD_NOT_TELL else Verdict.FAILURE, detail)
