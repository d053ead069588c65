"""Shell completion: what is offered, and that offering does nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dns_cutover.checks.registry import all_checks
from dns_cutover.cli.complete import check_ids
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store


def offered(line: str, tmp: Path, **more: str) -> list[str]:
    """What bash is given for the last word of `line`."""
    environ = os.environ | {
        "_DNS_CUTOVER_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "XDG_STATE_HOME": str(tmp),
        **more,
    }
    argv = [sys.executable, "-m", "dns_cutover"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_verbs_are_offered(tmp_path: Path) -> None:
    """All that --help lists, and those that begin as the word does."""
    verbs = offered("dns-cutover ", tmp_path)
    assert {"init", "validate", "preview", "run", "status", "rollback", "check", "schema", "demo"} <= set(verbs)
    assert offered("dns-cutover rol", tmp_path) == ["rollback"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("dns-cutover init example.test --template web", ["web", "web-blue-green"]),
        ("dns-cutover validate --format g", ["github"]),
        ("dns-cutover validate --str", ["--strict"]),
        ("dns-cutover checks DC40", [c.id for c in all_checks() if c.id.startswith("DC40")]),
        # None: bash then offers files by itself, since the script is registered with `-o default`.
        ("dns-cutover validate pl", []),
    ],
)
def test_words_of_options_are_offered(tmp_path: Path, line: str, wanted: list[str]) -> None:
    """Where they come from a list."""
    assert offered(line, tmp_path) == wanted


async def test_runs_of_the_store_are_offered(tmp_path: Path) -> None:
    """Of the store that the command line or the environment names."""
    path = tmp_path / "runs.sqlite3"
    store = open_store(str(path))
    for run in ("ab12", "ab34", "cd56"):
        assert await store.append([Envelope(run, 0, 1.0, "{}")])
    await store.close()
    for line, more in (
        (f"dns-cutover --store {path} status ab", {}),
        (f"dns-cutover --store sqlite:///{path} rollback ab", {}),
        ("dns-cutover events ab", {"DNS_CUTOVER_STORE": str(path)}),
    ):
        assert sorted(await asyncio.to_thread(offered, line, tmp_path, **more)) == ["ab12", "ab34"]


def test_offering_creates_nothing_and_never_fails(tmp_path: Path) -> None:
    """No store yet, a store that is none, one of a kind that there is not."""
    (tmp_path / "text").write_text("no database")
    assert offered("dns-cutover status ", tmp_path) == []
    assert offered(f"dns-cutover --store {tmp_path}/text status ", tmp_path) == []
    assert offered("dns-cutover --store redis://x status ", tmp_path) == []
    assert [p.name for p in tmp_path.iterdir()] == ["text"]


def test_checks_are_offered_with_what_they_find() -> None:
    """So that a shell which shows descriptions explains them."""
    first = all_checks()[0]
    assert (first.id, first.title) in check_ids(first.id[:3])
    assert [i for i, _ in check_ids("dc101")] == ["DC101"]  # those of the loader too, and in small letters
    assert check_ids("nothing") == []


# Which shell it is would be found by looking at the processes above: tests have others.
NO_DETECTION = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@pytest.mark.parametrize(("shell", "word"), [("bash", "COMPREPLY"), ("zsh", "compdef"), ("fish", "--arguments")])
def test_the_scripts_are_shown(shell: str, word: str) -> None:
    """For those who keep their own configuration."""
    argv = [sys.executable, "-m", "dns_cutover", "--show-completion", shell]
    done = subprocess.run(argv, env=os.environ | NO_DETECTION, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_DNS_CUTOVER_COMPLETE" in done.stdout
    assert word in done.stdout


def test_installed_in_bash_it_completes(tmp_path: Path) -> None:
    """What --install-completion writes is read by a new bash, which then offers the verb."""
    environ = os.environ | NO_DETECTION | {"HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "dns_cutover", "--install-completion", "bash"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "dns-cutover").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dns_cutover "$@"\n')
    (tmp_path / "dns-cutover").chmod(0o755)
    script = """
        source "$HOME/.bashrc"
        complete -p dns-cutover
        COMP_WORDS=(dns-cutover roll) COMP_CWORD=1
        _dns_cutover_completion dns-cutover
        echo "${COMPREPLY[@]}"
    """
    environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
    done = subprocess.run(["bash", "--norc", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["complete -o default -F _dns_cutover_completion dns-cutover", "rollback"]
