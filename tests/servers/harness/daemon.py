"""What all daemons have in common: written, started, waited for, hurt and ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from .network import HarnessError, find

PORT = 53
START_DEADLINE = 20.0  # seconds; a healthy start takes 0.1
STOP_DEADLINE = 5.0
LONGEST_DIRECTORY = 75  # of the 107 octets that a UNIX socket's name may have


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of a daemon's query log. Name lower case with final dot, type as text."""

    name: str
    rdtype: str


class Daemon(ABC):
    """A DNS server as a child process, in the foreground, with everything it writes under `directory`."""

    program: ClassVar[str]
    queries_in_log: ClassVar[re.Pattern[str] | None] = None  # groups `name` and `type`

    def __init__(self, directory: Path, address: str) -> None:
        self.directory = directory
        self.address = address
        self._process: subprocess.Popen[bytes] | None = None
        self._suspended = False
        self._mark = 0

    # What a daemon must say about itself

    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """Configuration files, by path below `directory`."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Command line that keeps it in the foreground."""

    def ready_question(self) -> dns.message.QueryMessage:
        """A question that is answered with NOERROR only when the daemon serves. It plants nothing in caches."""
        return dns.message.make_query("version.bind.", "TXT", "CH")

    def prepare(self) -> None:  # noqa: B027 - most daemons need nothing
        """Whatever must happen once between writing the files and the first start."""

    # Life

    @property
    def running(self) -> bool:
        """Whether the process lives, suspended or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id. Raises HarnessError when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise HarnessError(f"{self.program} does not run")
        return self._process.pid

    def configure(self) -> None:
        """Write the configuration files."""
        for name, text in self.files().items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def launch(self) -> None:
        """Start the process without waiting for it to answer."""
        if self.running:
            return
        if len(os.fspath(self.directory)) > LONGEST_DIRECTORY:
            raise HarnessError(f"control sockets do not fit under a path as long as {self.directory}")
        if not self.directory.exists():
            self.directory.mkdir(parents=True)
            self.configure()
            self.prepare()
        # The kernel ends the daemon when the test process dies, however it dies.
        wrapped = [find("setpriv"), "--pdeathsig", "KILL", find(self.program), *self.command()]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                wrapped,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self._suspended = False

    def start(self) -> None:
        """Start and wait until it answers."""
        self.launch()
        self.wait_until_answering()

    def wait_until_answering(self) -> None:
        """Ask until an answer comes. Raises HarnessError with the log when it dies or stays deaf."""
        question = self.ready_question()
        wire = question.to_wire()
        deadline = time.monotonic() + START_DEADLINE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.1)
            sock.connect((self.address, PORT))
            while time.monotonic() < deadline:
                assert self._process is not None
                try:
                    self._process.wait(0.01)  # paces the loop, and notices a death at once
                    break
                except subprocess.TimeoutExpired:
                    pass
                try:
                    sock.send(wire)
                    reply = sock.recv(65535)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                if reply[:2] == wire[:2] and reply[3] & 0x0F == 0:
                    return
        state = "does not answer" if self.running else "ended at once"
        self.kill()
        raise HarnessError(f"{self.program} at {self.address} {state}. Its log:\n{self.log_text()[-6000:]}")

    def stop(self) -> None:
        """End it in good order, and by force if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL: no time to write anything."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again with the same files; what it stored it still has."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """SIGSTOP: the address stays bound and swallows every question. Returns when nothing runs any more."""
        self._signal(signal.SIGSTOP)
        self._suspended = True
        deadline = time.monotonic() + STOP_DEADLINE
        while set(_thread_states(self.pid)) != {"T"}:
            if time.monotonic() > deadline:
                raise HarnessError(f"{self.program} does not stop")
            os.sched_yield()

    def wake(self) -> None:
        """SIGCONT: whatever was swallowed is answered late."""
        self._signal(signal.SIGCONT)
        self._suspended = False

    def heal(self) -> None:
        """Make it run and answer again, whatever a test did to it."""
        if self.running and not self._suspended:
            return
        if self.running:
            self.wake()
            self.wait_until_answering()
        else:
            self.start()

    def _signal(self, number: int) -> None:
        # To the whole group at once: NSD serves from children and replaces them at every reload.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
            os.killpg(process.pid, signal.SIGCONT)  # it may be suspended, and could not end
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    # What it said

    @property
    def _output(self) -> Path:
        return self.directory / "output.log"

    def log_text(self) -> str:
        """All that it logged since its first start."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def mark_log(self) -> None:
        """Remember where the log ends now, for `log_since_mark`."""
        self._mark = len(self.log_text())

    def log_since_mark(self) -> str:
        """What it logged since then."""
        return self.log_text()[self._mark :]

    def questions(self) -> list[Asked]:
        """The query log. Raises HarnessError for daemons that keep none."""
        if self.queries_in_log is None:
            raise HarnessError(f"{self.program} keeps no query log")
        found = self.queries_in_log.finditer(self.log_text())
        return [Asked(match["name"].lower().rstrip(".") + ".", match["type"]) for match in found]

    def tool(self, program: str, *arguments: str) -> str:
        """Run one of its command-line tools and return what it printed. Raises HarnessError when it fails."""
        result = subprocess.run(
            [find(program), *arguments], capture_output=True, text=True, timeout=STOP_DEADLINE * 2, check=False
        )
        if result.returncode != 0:
            said = (result.stdout + result.stderr).strip()
            raise HarnessError(f"{program} {' '.join(arguments)} failed: {said}")
        return result.stdout


def _thread_states(group: int) -> list[str]:
    """State letters of all threads of all processes in a process group (proc(5))."""
    states: list[str] = []
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return states
