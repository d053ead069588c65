"""ministack (PyPI), the server that stands for AWS: in an environment of its own, on loopback only.

Its exact DELETE, its batches that are applied whole or not at all, and PENDING before INSYNC are as at AWS; what it
lets pass that AWS refuses is `route53_front`'s matter.
"""

from __future__ import annotations

import http.client
import os
import subprocess
from pathlib import Path
from typing import Self

from . import client
from .daemon import STOP_DEADLINE
from .network import HarnessError, find

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-aws/bin/python"
PORT = 4566


class Ministack:
    """One process at one loopback address."""

    def __init__(self, directory: Path, address: str) -> None:
        self.directory = directory
        self.address = address
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not PYTHON.exists():
            raise HarnessError(f"ministack is not installed in {PYTHON.parents[1]}. Hint: make aws")
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = {"BIND_HOST": self.address, "GATEWAY_PORT": str(PORT), "SERVICES": "route53,sts"}
        wrapped = [find("setpriv"), "--pdeathsig", "KILL", str(PYTHON), "-m", "ministack"]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                wrapped,
                cwd=self.directory,
                env={**os.environ, **settings, "TMPDIR": str(self.directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        client.wait_until(self._answers, "ministack answers", 30)
        return self

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise HarnessError(f"ministack ended at once. Its log:\n{(self.directory / 'log').read_text()[-4000:]}")
        connection = http.client.HTTPConnection(self.address, PORT, timeout=2)
        try:
            connection.request("GET", "/2013-04-01/hostedzone")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
