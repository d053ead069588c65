"""`init` on the lab's servers: what it writes, what it asks, and that it never overwrites."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dns_cutover.clock import SystemClock
from dns_cutover.lab.world import DEMO_ZONE, LabWorld

ZONE = DEMO_ZONE + (
    "www 300 IN AAAA 2001:db8::80\n*.apps 600 IN A 192.0.2.81\nalias 600 IN CNAME www\n"
    "sub 300 IN NS ns.elsewhere.test.\nold 300 IN DNAME new.test.\n"
    'say 300 IN TXT "${name}\\010stages: []" "\\195\\188 \\226\\128\\174"\n'
)


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[LabWorld]:
    async with LabWorld(SystemClock(), zone_text=ZONE, resolvers=0) as world:
        yield world


async def call(lab: LabWorld, tmp: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in `tmp`, without a terminal; `init` gets the lab's servers."""
    argv = [sys.executable, "-m", "dns_cutover", "--store", str(tmp / "runs"), *arguments]
    if arguments[0] == "init":
        argv += [f"--authoritative={e}" for e in lab.authoritative]
    done = await asyncio.to_thread(
        subprocess.run, argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=tmp, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


async def test_the_whole_way_from_a_zone_to_a_preview(lab: LabWorld, tmp_path: Path) -> None:
    """init, then the commands that it ends with, as they are printed."""
    answers = ("--set=new_v4=192.0.2.99", "--set=new_v6=2001:db8::99", "--set=key=cutover")
    done = await call(lab, tmp_path, "init", "example.test", "--template=web", *answers)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "example.test-web.yaml is written" in done.stderr
    for line in (line.strip() for line in done.stderr.splitlines() if line.startswith("  dns-cutover ")):
        after = await call(lab, tmp_path, *line.split()[1:])
        assert after.returncode == 0, after.stderr
    assert (tmp_path / "example.test-web.runbook.json").exists()
    text = (tmp_path / "example.test-web.yaml").read_text()
    assert 'from: ["2001:db8::80"]' in text
    assert "# TTL now: 300 s (5 minutes)." in text


async def test_text_from_dns_stays_text(lab: LabWorld, tmp_path: Path) -> None:
    """A TXT with a variable, a line break and an override of direction is one value, and validates against itself."""
    done = await call(
        lab,
        tmp_path,
        "init",
        "example.test",
        "--record=say/TXT",
        "--set=say/TXT=new ${x}",
        "--set=key=k",
        "-o",
        "p.yaml",
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "p.yaml").read_text()
    assert "stages: []" not in text.splitlines()
    assert "\u202e" not in text
    assert 'to: ["new $${x}"]' in text
    after = await call(lab, tmp_path, "validate", "p.yaml")
    assert after.returncode == 0, after.stderr


async def test_missing_answers_are_told_all_at_once_with_their_flags(lab: LabWorld, tmp_path: Path) -> None:
    """Off a terminal nothing is asked, and nothing is written."""
    done = await call(lab, tmp_path, "init", "example.test", "--template=web")
    assert done.returncode == 64
    assert "3 answers are missing" in done.stderr
    for flag in ("--set new_v4=192.0.2.20", "--set new_v6=2001:db8::20", "--set key=cutover"):
        assert flag in done.stderr
    wrong = ("--set=new_v4=nonsense", "--set=nwe_v6=2001:db8::1", "--set=server=a:b:")
    done = await call(lab, tmp_path, "init", "example.test", "--template=web", *wrong)
    assert done.returncode == 64
    assert "did you mean new_v6?" in done.stderr
    assert "nonsense" in done.stderr
    assert os.listdir(tmp_path) == []


async def test_nothing_is_ever_overwritten(lab: LabWorld, tmp_path: Path) -> None:
    """Neither a file nor what a link points to."""
    arguments = ("init", "example.test", "--template=ttl-only", "--set=key=k", "--set=ttl=2m")
    (tmp_path / "example.test-ttl-only.yaml").write_text("mine")
    done = await call(lab, tmp_path, *arguments)
    assert done.returncode == 64
    assert "example.test-ttl-only.yaml is there already" in done.stderr
    assert "-o FILE" in done.stderr
    assert (tmp_path / "example.test-ttl-only.yaml").read_text() == "mine"
    (tmp_path / "link.yaml").symlink_to(tmp_path / "target.yaml")
    done = await call(lab, tmp_path, *arguments, "-o", "link.yaml")
    assert done.returncode == 64
    assert not (tmp_path / "target.yaml").exists()
    # Told before anything is asked, and not after the last answer.
    done = await call(lab, tmp_path, "init", "example.test", "-o", "no/such/folder.yaml")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["www.example.test"], 1, "for a name inside a zone"),
        (["other.test"], 1, "cannot be looked at"),
        (["example.test", "--record", "x.sub/A"], 64, "dns-cutover init sub.example.test."),
        (["example.test", "--record", "x.old/A"], 64, "DNAME"),
        (["example.test", "--record", "www"], 64, "www/A"),
        (["example.test", "--record", "@/SOA"], 64, "SOA"),
        (["example.test", "--template", "mail"], 64, "fastmail"),
        (["example.test", "--set", "x"], 64, "NAME=VALUE"),
        (["example.test", "--bootstrap", "name"], 64, "IP address"),
        (["a..b"], 64, "empty label"),
        (["example.test", "--template", "web", "--record", "alias/A"], 64, "alias of www.example.test."),
        (["example.test", "--record", "www/A", "--set", "www/A=192.0.2.80", "--set", "key=k"], 64, "already"),
        (["example.test", "--template", "ttl", "--set", "key=k", "--set", "algorithm=rot13"], 64, "rot13"),
    ],
)
async def test_what_cannot_be_is_one_message(
    lab: LabWorld, tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    """With its exit code, and nothing is written."""
    done = await call(lab, tmp_path, "init", *arguments)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []


async def test_a_name_under_a_wildcard_has_no_data_of_its_own(lab: LabWorld, tmp_path: Path) -> None:
    """What the wildcard gives is not written under `from`."""
    done = await call(
        lab, tmp_path, "init", "example.test", "--template=create", "--record=new.apps/A", "--set=new.apps/A=192.0.2.1",
        "--set=key=k", "-o", "p.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "p.yaml").read_text()
    assert "from: absent" in text
    assert "The wildcard *.apps answers for this name today" in text


async def test_on_a_terminal_it_asks_and_asks_again(lab: LabWorld, tmp_path: Path) -> None:
    """An answer that cannot be used is asked for again; Enter takes the default."""
    master, terminal = os.openpty()
    argv = [sys.executable, "-m", "dns_cutover", "init", "example.test", "--template=mx", "-o", "p.yaml"]
    argv += [f"--authoritative={e}" for e in lab.authoritative]
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=terminal, stdout=asyncio.subprocess.DEVNULL, stderr=terminal, cwd=tmp_path
    )
    os.close(terminal)
    os.write(master, b"nonsense\n10 mx1.new.example, 20 mx2.new.example.\n\ncutover\n")
    said = await asyncio.to_thread(_read_all, master)
    assert await child.wait() == 0, said
    assert "the new MX of @" in said
    assert "is not MX data" in said
    text = (tmp_path / "p.yaml").read_text()
    assert 'to: ["10 mx1.new.example.", "20 mx2.new.example."]' in text
    assert "server: ns1.example.test\n" in text


def _read_all(master: int) -> str:
    out = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # how Linux says that nobody has the other side open any more
            break
        if not piece:
            break
        out += piece
    os.close(master)
    return out.decode()


def test_the_templates_are_listed(tmp_path: Path) -> None:
    """Without a zone, and without asking DNS."""
    argv = [sys.executable, "-m", "dns_cutover", "init", "--list-templates"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "generic", "web", "web-blue-green", "cdn-cname", "mx", "sendgrid", "mailgun", "ses", "postmark", "google",
        "microsoft365", "fastmail", "proton", "ttl-only", "create-name",
    ]  # fmt: skip
