"""An argument list, run without a shell. Only where the user allowed it on the command line.

Exit code 0 is success; 75 (EX_TEMPFAIL), 126 and 127 (it could not be started) are errors: it could not tell. Any other
code, a signal and a timeout are failures.
"""

from __future__ import annotations

import asyncio
import os
import signal

from dns_cutover.probes.interface import ProbeSpec, Verdict

MAX_OUTPUT = 4096
_COULD_NOT_TELL = frozenset({75, 126, 127})


async def probe(spec: ProbeSpec) -> tuple[Verdict, str]:
    """Runs in a process group of its own, without input, with PATH and a plain locale as its whole environment."""
    argv = [str(a) for a in spec.options["argv"]]
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as exc:
        return Verdict.ERROR, f"{argv[0]}: {exc.strerror}"
    try:
        assert process.stdout is not None
        output = b""
        while chunk := await process.stdout.read(4096):
            output = (output + chunk)[:MAX_OUTPUT]
        code = await process.wait()
    finally:
        # What it started may outlive it: the whole group goes.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        else:
            await process.wait()
    lines = output.decode("utf-8", "replace").strip().splitlines()
    detail = f"exit {code}" + (f": {lines[-1]}" if lines else "")
    if code == 0:
        return Verdict.SUCCESS, detail
    return (Verdict.ERROR if code in _COULD_NOT_TELL else Verdict.FAILURE), detail
