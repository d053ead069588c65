"""How long a person waits for `--help`: the price of what is imported before anything is asked for."""

from __future__ import annotations

from pathlib import Path

from measure import Comparison, in_turn

ROOT = Path(__file__).parents[2]


def startup(rounds: int) -> Comparison:
    """`dns-cutover --help` beside `octodns-sync --help`, each in an environment of its own."""
    commands = {
        "dns-cutover --help": [str(ROOT / ".venv/bin/dns-cutover"), "--help"],
        "octodns-sync --help": [str(ROOT / ".venv-bench/bin/octodns-sync"), "--help"],
    }
    return Comparison("startup", "time until help is on the screen", in_turn(commands, rounds))
