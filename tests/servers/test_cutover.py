"""Whole cutovers on real servers: BIND and NSD hold the zone, Unbound and PowerDNS Recursor hold old answers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.update
import pytest

from .harness import client
from .harness.hierarchy import Hierarchy
from .harness.update_proxy import Passage, Stage, Treatment, UpdateProxy
from .harness.watchers import GapWatcher, OldAnswerWatcher, Watched
from .harness.zones import KEY_SECRET, WRONG_SECRET, Zone

RECORDS = """\
@ 60 MX 10 mx.oldmail.test.
@ 60 TXT "v=spf1 include:spf.oldmail.test -all"
@ 60 TXT "site-verification=3f9a"
www 60 A 192.0.2.10
alias 60 CNAME old-edge.test.
keep 60 A 192.0.2.99
"""
OLD = {
    ("@", "MX"): "10 mx.oldmail.test.",
    ("@", "TXT"): '"v=spf1 include:spf.oldmail.test -all"',
    ("www", "A"): "192.0.2.10",
    ("alias", "CNAME"): "old-edge.test.",
}
NEW = {
    ("@", "MX"): "10 mx.newmail.test.",
    ("@", "TXT"): '"v=spf1 include:spf.oldmail.test include:spf.newmail.test -all"',
    ("www", "A"): "198.51.100.10",
    ("alias", "CNAME"): "new-edge.test.",
}
PLAN = """\
version: 1
name: move
zone: {zone}
provider:
  type: rfc2136
  server: {server}
  key: {{name: cutover-key, algorithm: hmac-sha256, secret: {{env: CUTOVER_TSIG}}}}
lookup:
  bootstrap: [{unbound}]
  resolvers:
    - {{name: unbound, address: {unbound}}}
    - {{name: recursor, address: {recursor}}}
ttl: {{lower_to: {low}s, client_floor: 0s}}
propagation: {{deadline: {deadline}s, round_gap: 1s, on_deadline: {{wrong: rollback, unreachable: {unreachable}}}}}
rollback: {{additive: remove}}
stages:
  - name: overlap
    changes:
      - {{name: new, type: A, from: absent, to: [192.0.2.77]}}
      - name: "@"
        type: TXT
        remove: ["v=spf1 include:spf.oldmail.test -all"]
        add: ["v=spf1 include:spf.oldmail.test include:spf.newmail.test -all"]
    bake: 1s
  - name: switch
    changes:
      - {{name: www, type: A, from: [192.0.2.10], to: [198.51.100.10]}}
      - {{name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."]}}
      - {{name: alias, type: CNAME, from: old-edge.test., to: new-edge.test.}}
    unchanged: ["keep/A"]
    probes:
      - {{type: tcp, name: service, target: 127.0.0.1, port: {port}, interval: 500ms, timeout: 1s}}
    bake: {bake}s
"""


def full(zone: Zone, name: str) -> str:
    return zone.origin if name == "@" else f"{name}.{zone.origin}"


def watched(zone: Zone) -> list[Watched]:
    return [Watched(full(zone, name), rdtype) for name, rdtype in OLD]


class Service:
    """A service that probes reach, and that can be broken."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def break_(self) -> None:
        self.socket.close()


class Tool:
    """The command line in a process of its own."""

    def __init__(self, folder: Path, service: Service, world: Hierarchy, zone: Zone) -> None:
        self.folder, self.service, self.world, self.zone = folder, service, world, zone
        self.processes: list[subprocess.Popen[str]] = []
        self.store = folder / "runs.sqlite3"
        self.plan = folder / "plan.yaml"
        self.events = folder / "events.jsonl"

    def write_plan(
        self, *, server: str = "", low: int = 2, bake: int = 2, deadline: int = 15, unreachable: str = "rollback"
    ) -> None:
        unbound, recursor = self.world.resolvers
        text = PLAN.format(
            zone=self.zone.origin.rstrip("."),
            server=server or self.world.bind.address,
            unbound=unbound,
            recursor=recursor,
            low=low,
            bake=bake,
            deadline=deadline,
            unreachable=unreachable,
            port=self.service.port,
        )
        self.plan.write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "dns_cutover", "--store", str(self.store), *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def close(self) -> None:
        """Nothing survives the test."""
        for process in self.processes:
            process.kill()
            process.communicate()
        self.service.break_()

    def call(self, *arguments: str, timeout: float = 200) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def run(self) -> subprocess.Popen[str]:
        return self.start("run", str(self.plan), "--yes", "--events", str(self.events))

    def journal(self) -> list[dict[str, object]]:
        if not self.events.exists():
            return []
        return [json.loads(line) for line in self.events.read_text().splitlines() if line.endswith("}")]

    def wait_for(self, what: Callable[[dict[str, object]], bool], seconds: float = 90) -> dict[str, object]:
        """The first event for which `what` holds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in self.journal():
                if what(event):
                    return event
            time.sleep(0.02)
        raise AssertionError(f"that event did not come; the last: {self.journal()[-1:]}")

    def run_id(self) -> str:
        return str(self.journal()[0]["run_id"])


@pytest.fixture
def tool(
    tmp_path: Path, world: Hierarchy, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tool]:
    """The tool beside a zone of the test's own, whose TTLs die after six seconds unless the test says more."""
    monkeypatch.setenv("CUTOVER_TSIG", KEY_SECRET)
    ttl = getattr(request, "param", 6)
    zone = world.publish(RECORDS.replace(" 60 ", f" {ttl} "))
    world.settle(zone.origin)
    made = Tool(tmp_path, Service(), world, zone)
    made.write_plan()
    yield made
    made.close()


def finish(process: subprocess.Popen[str], seconds: float = 200) -> tuple[int, str]:
    _, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return process.returncode, err


def assert_before(tool: Tool, ttl: int = 6) -> None:
    for server in tool.world.authoritative:
        for (name, rdtype), value in OLD.items():
            found = client.ask(server, full(tool.zone, name), rdtype)
            assert value in found.values
            assert NEW[name, rdtype] not in found.values
            assert found.ttl == ttl
        assert client.ask(server, full(tool.zone, "new"), "A").values == ()
        assert client.ask(server, full(tool.zone, "_dns-cutover"), "TXT").values == ()


def assert_after(tool: Tool, ttl: int = 6) -> None:
    for server in tool.world.authoritative:
        for (name, rdtype), value in NEW.items():
            found = client.ask(server, full(tool.zone, name), rdtype)
            assert value in found.values
            assert OLD[name, rdtype] not in found.values
            assert found.ttl == ttl
        assert client.ask(server, full(tool.zone, "new"), "A").values == ("192.0.2.77",)
        assert '"site-verification=3f9a"' in client.ask(server, tool.zone.origin, "TXT").values
        assert client.ask(server, full(tool.zone, "_dns-cutover"), "TXT").values == ()


def primary(tool: Tool, name: str, rdtype: str) -> client.Answer:
    return client.ask(tool.world.bind.address, full(tool.zone, name), rdtype)


def foreign(tool: Tool, name: str, ttl: int, rdtype: str, *values: str) -> None:
    client.write(tool.world.bind.address, tool.zone.origin, name, ttl, rdtype, *values)


def switches(message: dns.update.UpdateMessage) -> bool:
    """Whether it is the message that puts the new address at www."""
    return any(rdata.to_text() == "198.51.100.10" for rrset in message.update for rdata in rrset)


def eventually(check: Callable[[], None], seconds: float = 10) -> None:
    """The release of the lock is the run's last write: the secondary has it a moment later."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("tool", [60], indirect=True)
def test_a_whole_move_without_a_gap_and_without_a_late_old_answer(tool: Tool) -> None:
    tool.write_plan(low=5, bake=7)
    servers, caches = tool.world.authoritative, tool.world.resolvers
    questions = watched(tool.zone)
    with GapWatcher(servers, questions, 50) as authoritative, OldAnswerWatcher(caches, questions, 10) as users:
        code, err = finish(tool.run())
    assert code == 0, err
    eventually(lambda: assert_after(tool, 60))
    authoritative.assert_no_gap(least=1000)
    for (name, rdtype), old in OLD.items():
        question = Watched(full(tool.zone, name), rdtype)
        stopped = authoritative.last_seen(old, question)
        assert stopped is not None
        # The model: TTL 5 after the last server stopped serving it; both watchers look every so many milliseconds.
        users.assert_not_after(old, question, stopped + 5 + 0.5)


def test_a_probe_that_fails_while_baking_rolls_everything_back(tool: Tool) -> None:
    tool.write_plan(bake=60)
    with GapWatcher(tool.world.authoritative, watched(tool.zone), 50) as authoritative:
        process = tool.run()
        tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == "switch/converge")
        tool.service.break_()
        code, err = finish(process)
    assert code == 6, err
    assert "rolling back" in err
    authoritative.assert_no_gap(least=100)
    eventually(lambda: assert_before(tool))


def test_a_foreign_write_between_preview_and_run_is_left_alone(tool: Tool) -> None:
    book = tool.folder / "runbook.json"
    code, _, err = tool.call("preview", str(tool.plan), "-o", str(book))
    assert code == 0, err
    foreign(tool, "@", 6, "MX", "10 mx.third.test.")
    tool.world.settle(tool.zone.origin)
    code, _, err = tool.call("run", str(book), "--yes")
    assert code == 4, err
    assert "Nothing was written" in err
    assert primary(tool, "@", "MX").values == ("10 mx.third.test.",)


def test_a_foreign_write_between_two_stages_holds_the_run(tool: Tool) -> None:
    process = tool.run()
    tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == "overlap/converge")
    foreign(tool, "@", 2, "MX", "10 mx.third.test.")
    code, err = finish(process)
    assert code == 4, err
    assert "mx.third.test." in err
    assert primary(tool, "@", "MX").values == ("10 mx.third.test.",)
    assert primary(tool, "www", "A").values == ("192.0.2.10",)
    code, _, err = tool.call("rollback", tool.run_id(), "--yes")
    assert code == 7, err
    assert primary(tool, "@", "MX").values == ("10 mx.third.test.",)
    assert NEW["@", "TXT"] not in primary(tool, "@", "TXT").values


def test_a_value_added_by_others_at_an_edited_name_stays(tool: Tool) -> None:
    process = tool.run()
    tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == "overlap/converge")
    foreign(tool, "@", 2, "TXT", *primary(tool, "@", "TXT").values, '"added-by-others"')
    code, err = finish(process)
    assert code == 0, err
    eventually(lambda: assert_after(tool))
    assert '"added-by-others"' in primary(tool, "@", "TXT").values


@pytest.mark.parametrize("moment", ["ttl wait", "before the update", "after the update", "bake"])
def test_killed_at_any_moment_the_run_is_finished_by_resume(tool: Tool, moment: str) -> None:
    with UpdateProxy(tool.world.spare_address(), tool.world.bind.address) as proxy:
        tool.write_plan(server=proxy.address, bake=4)
        process: list[subprocess.Popen[str]] = []
        killed = threading.Event()

        def kill(passage: Passage) -> None:
            if switches(passage.message) and not killed.is_set():
                process[0].kill()
                process[0].wait()
                killed.set()

        match moment:
            case "before the update":
                proxy.treat(Treatment.BLACK_HOLE, switches, times=1)
                proxy.hooks[Stage.ARRIVED] = kill
            case "after the update":
                proxy.treat(Treatment.DROP_REPLY, switches, times=1)
                proxy.hooks[Stage.ANSWERED] = kill
            case _:
                pass
        process.append(tool.run())
        if moment in ("ttl wait", "bake"):
            step = "overlap/lower_ttl/converge" if moment == "ttl wait" else "switch/converge"
            tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == step)
            process[0].kill()
        process[0].wait(120)
        assert process[0].returncode == -signal.SIGKILL
        code, _, err = tool.call("resume", tool.run_id(), "--events", str(tool.events))
        assert code == 0, err
    eventually(lambda: assert_after(tool))
    code, out, _ = tool.call("events", tool.run_id())
    journal = [json.loads(line) for line in out.splitlines()]
    writes = {e["op"] for e in journal if e["type"] == "intent" and e["purpose"] == "write"}
    steps = [e["step"] for e in journal if e["type"] == "applied" and e["op"] in writes]
    # Each step was written once, whichever process it was.
    assert sorted(steps) == sorted(set(steps))
    assert {"overlap/lower_ttl", "overlap/apply", "switch/apply", "switch/restore_ttl"} == set(steps)


def test_a_wait_that_was_interrupted_keeps_its_end(tool: Tool) -> None:
    process = tool.run()
    converged = "overlap/lower_ttl/converge"
    tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == converged)
    process.kill()
    process.wait()
    threading.Event().wait(5)  # the machine is away for a while
    code, _, err = tool.call("resume", tool.run_id())
    assert code == 0, err
    code, out, _ = tool.call("events", tool.run_id())
    journal = [json.loads(line) for line in out.splitlines()]
    began, ended = (_moment(journal, step) for step in (converged, "overlap/wait_ttl"))
    # The old TTL is 6 s: a wait that began anew at the resume would have lasted 11 s and more.
    assert ended - began <= 6 + 4


def _moment(journal: list[dict[str, object]], step: str) -> float:
    found = next(e for e in journal if e["type"] == "step_done" and e["step"] == step)
    return time.mktime(time.strptime(str(found["ts"]), "%Y-%m-%dT%H:%M:%SZ"))


def test_a_reply_that_is_lost_is_told_by_the_token(tool: Tool) -> None:
    with UpdateProxy(tool.world.spare_address(), tool.world.bind.address) as proxy:
        tool.write_plan(server=proxy.address)
        proxy.treat(Treatment.DROP_REPLY, switches, times=1)
        code, err = finish(tool.run())
        assert any(switches(p.message) for p in proxy.passages)
    assert code == 0, err
    eventually(lambda: assert_after(tool))


def test_an_update_that_comes_late_is_refused(tool: Tool) -> None:
    """Held back until after the tool has made it impossible, the message must not be applied any more."""
    with UpdateProxy(tool.world.spare_address(), tool.world.bind.address) as proxy:
        tool.write_plan(server=proxy.address)
        proxy.treat(Treatment.HOLD, switches, times=1)
        process = tool.run()
        tool.wait_for(lambda e: e["type"] == "not_applied" and e["reason"] == "burned")
        proxy.release()
        code, err = finish(process)
    assert code == 0, err
    held = next(p for p in proxy.passages if p.treatment is Treatment.HOLD)
    assert held.reply is not None
    assert held.reply[3] & 0x0F != 0
    eventually(lambda: assert_after(tool))


@pytest.mark.parametrize("choice", ["rollback", "pause"])
def test_a_secondary_that_is_gone_is_named_and_ends_as_the_plan_says(tool: Tool, choice: str) -> None:
    tool.write_plan(deadline=6, unreachable=choice)
    process = tool.run()
    tool.wait_for(lambda e: e["type"] == "applied" and e["step"] == "overlap/apply")
    tool.world.nsd.suspend()
    if choice == "pause":
        held = tool.wait_for(lambda e: e["type"] == "held")
        process.send_signal(signal.SIGINT)
        code, err = finish(process)
        assert code == 130, err
        assert "ns2.nic.test" in str(held["why"])
        assert f"dns-cutover resume {tool.run_id()}" in err
        return
    tool.wait_for(lambda e: e["type"] == "rollback_started" and "ns2.nic.test" in str(e["why"]))
    tool.world.nsd.wake()
    code, err = finish(process)
    assert code == 6, err
    eventually(lambda: assert_before(tool))


def test_a_secondary_that_stays_away_leaves_a_rollback_unproved(tool: Tool) -> None:
    tool.write_plan(deadline=5)
    process = tool.run()
    tool.wait_for(lambda e: e["type"] == "applied" and e["step"] == "overlap/apply")
    tool.world.nsd.suspend()
    code, err = finish(process)
    assert code == 7, err
    assert "ns2.nic.test" in err
    found = primary(tool, "@", "TXT")
    assert OLD["@", "TXT"] in found.values
    assert found.ttl == 6


def test_a_wrong_secret_is_one_clear_message(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTOVER_TSIG", WRONG_SECRET)
    code, _, err = tool.call("run", str(tool.plan), "--yes")
    assert code == 1
    assert "does not accept the TSIG key cutover-key (BADSIG)" in err
    assert WRONG_SECRET[:12] not in err
    assert_before(tool)


def test_a_missing_secret_is_one_clear_message(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUTOVER_TSIG")
    code, _, err = tool.call("run", str(tool.plan), "--yes")
    assert code == 1
    assert "CUTOVER_TSIG is not set" in err


def test_an_unreachable_update_server_is_one_clear_message(tool: Tool) -> None:
    address = tool.world.spare_address()
    tool.write_plan(server=address)
    code, _, err = tool.call("run", str(tool.plan), "--yes")
    assert code == 1
    assert f"{address} cannot be reached for updates" in err
    assert_before(tool)


def test_a_zone_that_the_server_refuses_is_one_clear_message(tool: Tool) -> None:
    tool.write_plan(server=tool.world.knot.address)
    tool.world.ensure(tool.world.knot)
    code, _, err = tool.call("run", str(tool.plan), "--yes")
    assert code == 1
    assert tool.world.knot.address in err
    assert_before(tool)


def test_two_runs_of_one_plan_from_two_stores_one_stands_back(tool: Tool) -> None:
    process = tool.run()
    tool.wait_for(lambda e: e["type"] == "applied" and e["step"] == "overlap/lower_ttl")
    other = Tool(tool.folder, tool.service, tool.world, tool.zone)
    other.processes = tool.processes
    other.store = tool.folder / "other.sqlite3"
    tool.world.settle(tool.zone.origin)
    code, _, err = other.call("run", str(tool.plan), "--yes")
    assert code == 5, err
    code, err = finish(process)
    assert code == 0, err


def test_check_names_the_servers_and_tells_old_from_new(tool: Tool) -> None:
    unbound, recursor = tool.world.resolvers
    common = ["--bootstrap", unbound, "--resolver", unbound, "--resolver", recursor, "--json"]
    name = full(tool.zone, "www")
    code, out, err = tool.call("check", name, "A", *common)
    document = json.loads(out)
    assert code == 0, err
    assert {s["address"] for s in document["authoritative"]} == set(tool.world.authoritative)
    assert {r["address"] for r in document["resolvers"]} == {unbound, recursor}
    code, _, _ = tool.call("check", name, "A", "--expect", "203.0.113.1", *common)
    assert code == 3


def test_no_cache_was_asked_for_the_zones_ns_nor_for_a_name_before_it_existed(tool: Tool) -> None:
    tool.world.unbound.mark_log()
    code, err = finish(tool.run())
    assert code == 0, err
    asked = [(q.name, q.rdtype) for q in tool.world.unbound.questions()]
    assert (full(tool.zone, "www"), "A") in asked
    assert (tool.zone.origin, "NS") not in asked
