"""A command of the plan's: an argument list without a shell, the notification as JSON on its standard input."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Collection, Sequence

from dns_cutover.notify.interface import ATTEMPT_S, Failed, Notification, document
from dns_cutover.plan.notify_models import Kind

_TEMPFAIL = 75  # EX_TEMPFAIL of sysexits.h: try again


class ExecSender:
    """Implements `interface.Sender`. It runs in a session of its own, with PATH and LC_ALL=C.UTF-8 as its whole
    environment: what this program was given, credentials above all, is not for a plan's commands. What it prints is
    dropped. Exit code 0 is a delivery, 75 asks for another attempt.
    """

    def __init__(self, name: str, argv: Sequence[str], on: Collection[str], path: str) -> None:
        self._name = name
        self._argv = tuple(argv)
        self._on = frozenset(on)
        self._path = path

    def wants(self, kind: Kind) -> bool:
        """See the interface."""
        return kind in self._on

    def send(self, notification: Notification) -> None:
        """See the interface."""
        text = json.dumps(document(notification), ensure_ascii=True) + "\n"
        try:
            process = subprocess.Popen(  # noqa: S603 - only with --allow-commands, and without a shell
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": self._path, "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            number = getattr(exc, "errno", None)
            reason = os.strerror(number).lower() if number else "it is no command"
            raise Failed(f"{self._name}: {self._argv[0]}: {reason}", again=False) from None
        try:
            process.communicate(text.encode(), ATTEMPT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self._name}: the command did not end in {ATTEMPT_S:g} s", again=True) from None
        finally:
            # What it started may outlive it: the whole group goes.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode != 0:
            how = f"exit {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            raise Failed(f"{self._name}: the command ended with {how}", again=process.returncode == _TEMPFAIL)
