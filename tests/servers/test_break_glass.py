"""When the tool is gone: the scripts that it left on disk put everything back, sent by the real nsupdate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import client
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone

RECORDS = """\
@ 2 MX 10 mx.oldmail.test.
@ 2 TXT "v=spf1 -all"
www 2 A 192.0.2.10
"""
PLAN = """\
version: 1
name: move
zone: {zone}
provider: {{type: rfc2136, server: "{server}", key: {{name: cutover-key, secret: {{env: CUTOVER_TSIG}}}}}}
lookup: {{authoritative: ["{server}"]}}
ttl: {{lower_to: 1s, client_floor: 0s}}
propagation: {{deadline: 20s, round_gap: 100ms}}
safety: {{ignore: [{{check: DC904, because: "a zone of a test"}}]}}
stages:
  - name: one
    changes:
      - {{name: "@", type: TXT, remove: ["v=spf1 -all"], add: ["v=spf1 a -all"]}}
    bake: 100ms
  - name: two
    changes:
      - {{name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."]}}
      - {{name: www, type: A, from: [192.0.2.10], to: [198.51.100.10]}}
    bake: 1h
"""


class Tool:
    """The command line in processes of their own, and its folder."""

    def __init__(self, folder: Path, bind: Bind, zone: Zone) -> None:
        self.folder, self.bind, self.zone = folder, bind, zone
        self.processes: list[subprocess.Popen[str]] = []
        (folder / "plan.yaml").write_text(PLAN.format(zone=zone.origin, server=bind.address))
        self.key = folder / "key"
        name = KEY_NAME.rstrip(".")
        self.key.write_text(f'key "{name}" {{ algorithm {KEY_ALGORITHM}; secret "{KEY_SECRET}"; }};\n')

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "dns_cutover", "--store", str(self.folder / "runs"), *arguments]
        environ = {**os.environ, "CUTOVER_TSIG": KEY_SECRET}
        process = subprocess.Popen(
            command, cwd=self.folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.processes.append(process)
        return process

    def until_baking(self) -> None:
        """A run whose second stage is live and being watched."""
        process = self.start("run", "plan.yaml", "--yes", "--events", "events.jsonl")
        events = self.folder / "events.jsonl"

        def baking() -> bool:
            if process.poll() is not None:
                raise AssertionError(process.communicate())
            return events.exists() and '"step":"two/converge"' in events.read_text().rpartition('"step_done"')[2]

        client.wait_until(baking, "the second stage is baking", 40)

    def kill(self) -> None:
        """Nobody drives the run any more: of two processes that do, either may be the one that goes on."""
        self.processes[0].send_signal(signal.SIGKILL)
        self.processes[0].communicate()

    @property
    def scripts(self) -> Path:
        (link,) = [p for p in (self.folder / "break-glass").iterdir() if not p.name.startswith(".")]
        return link

    def send(self, name: str) -> str:
        """One script by the command that the README gives for it; what nsupdate said."""
        readme = (self.scripts / "README.txt").read_text()
        (line,) = [t for t in readme.splitlines() if f" {name}   " in t]
        command = line.strip().partition("   ")[0].replace("KEYFILE", str(self.key))
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.scripts, capture_output=True, text=True, timeout=20, check=False
        )
        return (done.stdout + done.stderr).strip()

    def contents(self) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
        return client.contents(client.transfer(self.bind.address, self.zone.origin))


@pytest.fixture
def tool(tmp_path: Path, hierarchy: Hierarchy, bind: Bind) -> Iterator[Tool]:
    tool = Tool(tmp_path, bind, hierarchy.fresh_zone(bind, RECORDS))
    yield tool
    for process in tool.processes:
        process.kill()
        process.communicate()


def test_the_tool_dies_and_its_scripts_put_everything_back(tool: Tool) -> None:
    """Killed while it watches: the lock is given back first, then stage by stage; nothing is left behind."""
    begin = tool.contents()
    tool.until_baking()
    tool.kill()
    assert (f"_dns-cutover.{tool.zone.origin}", "TXT") in tool.contents()
    names = sorted(p.name for p in tool.scripts.iterdir() if p.name.endswith(".nsupdate"))
    assert names[0] == "00-unlock.nsupdate"
    assert tool.send(names[1]) == "update failed: YXRRSET"
    assert [tool.send(n) for n in names] == [""] * len(names)
    assert tool.contents() == begin


def test_a_rollback_that_cannot_finish_leaves_the_exact_rest(tool: Tool) -> None:
    """Somebody else has changed the MX: exit 7 names the script, which puts it back as long as it is still that one."""
    begin = tool.contents()
    tool.until_baking()
    tool.kill()
    client.write(tool.bind.address, tool.zone.origin, "@", 5, "MX", "10 mx.elsewhere.test.")
    rollback = tool.start("rollback", tool.scripts.name, "--yes")
    _, said = rollback.communicate(timeout=40)
    assert rollback.returncode == 7, said
    assert "@ MX is no longer ours" in said
    assert "should be     10 mx.oldmail.test. (TTL 2)" in said
    assert f"cd {tool.scripts}" in said
    (name,) = [p.name for p in tool.scripts.iterdir() if p.name.endswith(".nsupdate")]
    assert f"nsupdate -v -k KEYFILE {name}" in said
    client.write(tool.bind.address, tool.zone.origin, "@", 5, "MX", "10 mx.third.test.")
    assert tool.send(name) == "update failed: NXRRSET"
    client.write(tool.bind.address, tool.zone.origin, "@", 5, "MX", "10 mx.elsewhere.test.")
    assert tool.send(name) == ""
    assert tool.contents() == begin
