"""What can go wrong, as one tree. Every error says what, why, and the next command.

CutoverError
├── UsageError            64  the command line does not make sense
├── PlanError              3  the plan file is not valid
├── StaleRunbook           4  what the runbook was made from has changed: nothing was written
├── LockHeld               5  another run holds the zone, or took this run
├── Declined               8  a person said no
└── Unavailable            1  a server or file that is needed cannot be used
"""

from __future__ import annotations


class CutoverError(Exception):
    """An error meant for a person under stress.

    `what` and `why` are one sentence each; `hints` are next commands or acts; `facts` are labelled
    lines (for example ("expected", "10 mx.oldmail.test.")). None of them contains a secret.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        why: str = "",
        hints: tuple[str, ...] = (),
        facts: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hints = hints
        self.facts = facts


class UsageError(CutoverError):
    """The command line does not make sense."""

    exit_code = 64


class PlanError(CutoverError):
    """The plan file is not valid."""

    exit_code = 3


class StaleRunbook(CutoverError):
    """What the runbook was made from has changed; nothing was written."""

    exit_code = 4


class LockHeld(CutoverError):
    """Another run holds the zone's lock, or another process drives this run."""

    exit_code = 5


class Declined(CutoverError):
    """A person declined, or a confirmation expired."""

    exit_code = 8


class Unavailable(CutoverError):
    """A server, a file or a credential that is needed cannot be used."""

    exit_code = 1
