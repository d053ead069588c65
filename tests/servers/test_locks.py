"""The lock through whole runs of the command line: two of them at once, late messages, lost replies, blocked names."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.update
import pytest

from dns_cutover.providers.interface import Token

from .harness import client
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.primary import Authority
from .harness.update_proxy import Passage, Stage, Treatment, UpdateProxy, touches
from .harness.zones import KEY_NAME, KEY_SECRET, KEYRING, Zone, make_zone
from .test_permission import NO_LOCK, rule, ruled_knot

__all__ = ["ruled_knot"]  # a fixture

KEY = KEY_NAME.rstrip(".")
OLD, NEW = "192.0.2.10", "198.51.100.10"
RECORDS = f"www 3 A {OLD}\nkeep 60 A 192.0.2.99\n"
PLAN = """\
version: 1
name: locks
zone: {zone}
provider:
  type: rfc2136
  server: {server}
  key: {{name: {key}, algorithm: hmac-sha256, secret: {{env: CUTOVER_TSIG}}}}
  lock: {lock}
lookup: {{authoritative: [{authority}]}}
ttl: {{lower_to: 2s, client_floor: 0s}}
propagation: {{deadline: 15s, round_gap: 500ms}}
safety: {{lock_grace: {grace}}}
stages:
  - name: switch
    changes:
      - {{name: www, type: A, from: [192.0.2.10], to: [198.51.100.10]}}
    probes: {probes}
    bake: {bake}
"""


class Runner:
    """The command line with a store and a plan of its own."""

    def __init__(self, folder: Path, zone: Zone, authority: str) -> None:
        folder.mkdir()
        self.zone, self.authority = zone, authority
        self.plan, self.store, self.events = folder / "plan.yaml", folder / "runs.sqlite3", folder / "events.jsonl"
        self.processes: list[subprocess.Popen[str]] = []
        self.write_plan()

    def write_plan(
        self, *, server: str = "", lock: str = "zone", grace: str = "10m", bake: str = "1s", probes: str = "[]"
    ) -> None:
        text = PLAN.format(
            zone=self.zone.origin.rstrip("."),
            server=server or self.authority,
            authority=self.authority,
            key=KEY,
            lock=lock,
            grace=grace,
            bake=bake,
            probes=probes,
        )
        self.plan.write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "dns_cutover", "--store", str(self.store), *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def run(self) -> subprocess.Popen[str]:
        return self.start("run", str(self.plan), "--yes", "--events", str(self.events))

    def call(self, *arguments: str) -> tuple[int, str]:
        return finish(self.start(*arguments))

    def journal(self) -> list[dict[str, Any]]:
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def wait_for(self, what: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """The first event for which `what` holds."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [e for e in self.journal() if what(e)]
            return bool(found)

        client.wait_until(there, f"an event after {self.journal()[-1:]}", seconds)
        return found[0]

    @property
    def run_id(self) -> str:
        return str(self.journal()[0]["run_id"])

    def lock(self) -> Token | None:
        """What stands in the zone."""
        values = client.ask(self.authority, f"_dns-cutover.{self.zone.origin}", "TXT", tcp=True).values
        return Token.parse(values[0].strip('"')) if values else None

    def www(self) -> tuple[tuple[str, ...], int | None]:
        found = client.ask(self.authority, f"www.{self.zone.origin}", "A", tcp=True)
        return found.values, found.ttl

    def close(self) -> None:
        for process in self.processes:
            process.kill()  # a stopped one as well
            process.communicate()


def finish(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str]:
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def puts(value: str) -> Callable[[dns.update.UpdateMessage], bool]:
    """For the proxy: whether a message brings this value."""
    return lambda message: any(d.to_text() == value for rrset in message.update for d in rrset)


def lowers(message: dns.update.UpdateMessage) -> bool:
    """For the proxy: whether it is the message that lowers the TTL."""
    return any(rrset.ttl == 2 and rrset[0].to_text() == OLD for rrset in message.update if len(rrset))


def answered(passage: Passage) -> str:
    assert passage.reply is not None
    reply = dns.message.from_wire(passage.reply, keyring=KEYRING, request_mac=passage.message.mac)
    return dns.rcode.to_text(reply.rcode())


def ruled_zone(bind: Bind, hierarchy: Hierarchy, policy: str) -> Zone:
    """A zone with a policy of its own, whose TTLs die after three seconds; ORIGIN stands for its name."""
    zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."], RECORDS)
    bind.policies[zone.origin] = policy.replace("ORIGIN", zone.origin)
    bind.add_zone(zone)
    return zone


Make = Callable[[str, Zone, str], Runner]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes runners: name, zone, the authority's address."""
    monkeypatch.setenv("CUTOVER_TSIG", KEY_SECRET)
    made: list[Runner] = []

    def make(name: str, zone: Zone, authority: str) -> Runner:
        made.append(Runner(tmp_path / name, zone, authority))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def zone(hierarchy: Hierarchy, primary: Authority) -> Zone:
    """Its TTLs die after three seconds."""
    return hierarchy.fresh_zone(primary, RECORDS)


@pytest.fixture
def proxy(hierarchy: Hierarchy, primary: Authority) -> Iterator[UpdateProxy]:
    """In front of each of the three primaries in turn."""
    with UpdateProxy(hierarchy.spare_address(), primary.address) as proxy:
        yield proxy


@pytest.fixture
def bind_proxy(hierarchy: Hierarchy, bind: Bind) -> Iterator[UpdateProxy]:
    """In front of BIND."""
    with UpdateProxy(hierarchy.spare_address(), bind.address) as proxy:
        yield proxy


# -- two at once ------------------------------------------------------------------------------------------------------


def test_who_slept_past_the_grace_is_displaced_and_cannot_write(
    bind: Bind, bind_proxy: UpdateProxy, hierarchy: Hierarchy, runner: Make
) -> None:
    """The second one takes over, and BIND refuses what the first one had on the way."""
    zone = hierarchy.fresh_zone(bind, RECORDS)
    first, second = runner("first", zone, bind.address), runner("second", zone, bind.address)
    for one in (first, second):
        one.write_plan(server=bind_proxy.address, grace="2s", bake="4s")
    bind_proxy.treat(Treatment.HOLD, lowers, times=1)
    sleeper = first.run()
    held = bind_proxy.wait_for(Stage.ARRIVED, count=_arrived(bind_proxy, lowers))
    sleeper.send_signal(signal.SIGSTOP)
    lock = first.lock()
    assert lock is not None
    assert lock.run == first.run_id
    client.wait_until(lambda: time.time() > lock.until, "the lock's time is over", 30)
    other = second.run()
    second.wait_for(lambda e: e["type"] == "applied" and e["step"] == "switch/lower_ttl")
    bind_proxy.release()
    client.wait_until(lambda: held.reply is not None, "BIND has answered", 10)
    assert answered(held) == "NXRRSET"
    sleeper.send_signal(signal.SIGCONT)
    code, text = finish(sleeper)
    assert code == 5, text
    assert f"took the lock of {zone.origin} over while this run was away" in text
    code, text = finish(other)
    assert code == 0, text
    assert first.www() == ((NEW,), 3)
    assert first.lock() is None
    writes = {e["op"] for e in first.journal() if e["type"] == "intent" and e["purpose"] == "write"}
    assert writes
    assert not any(e["type"] == "applied" and e["op"] in writes for e in first.journal())


def _arrived(proxy: UpdateProxy, wanted: Callable[[dns.update.UpdateMessage], bool]) -> int:
    """Waits for the first such message; how many messages had come by then."""

    def found() -> int:
        return next((n for n, p in enumerate(proxy.passages, 1) if wanted(p.message)), 0)

    client.wait_until(lambda: bool(found()), "that message comes", 60)
    return found()


# -- late messages and lost replies -----------------------------------------------------------------------------------


def test_an_update_that_arrives_after_a_verified_rollback_is_refused(
    primary: Authority, zone: Zone, proxy: UpdateProxy, runner: Make
) -> None:
    """The records and their TTLs are as the message expects them by then; the token is not."""
    one = runner("one", zone, primary.address)
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]  # nobody listens there any more when the probe comes
    probe = f"[{{type: tcp, name: p, target: 127.0.0.1, port: {port}, interval: 200ms, consecutive_failure_limit: 1}}]"
    one.write_plan(server=proxy.address, bake="30s", probes=probe)
    proxy.treat(Treatment.HOLD_AND_CUT, puts(NEW), times=1)
    code, text = finish(one.run())
    assert code == 6, text
    assert [e["reason"] for e in one.journal() if e["type"] == "not_applied"] == ["burned"]
    before, serial = one.www(), client.serial(primary.address, zone.origin)
    assert before == ((OLD,), 3)
    late = next(p for p in proxy.passages if p.treatment is Treatment.HOLD_AND_CUT)
    proxy.release()
    client.wait_until(lambda: late.reply is not None, "the server has answered", 10)
    assert answered(late) != "NOERROR"
    assert (one.www(), client.serial(primary.address, zone.origin)) == (before, serial)


def test_a_lost_reply_and_a_foreign_revert_are_told_by_the_token(
    primary: Authority, zone: Zone, proxy: UpdateProxy, runner: Make
) -> None:
    """A, then B, then A again: the records say "not applied". What was applied is not written over the revert."""
    one = runner("one", zone, primary.address)
    one.write_plan(server=proxy.address)
    proxy.treat(Treatment.CUT_REPLY, puts(NEW), times=1)

    def revert(passage: Passage) -> None:
        if passage.treatment is Treatment.CUT_REPLY:
            client.write(primary.address, zone.origin, "www", 2, "A", OLD)

    proxy.hooks[Stage.ANSWERED] = revert
    code, text = finish(one.run())
    assert code == 6, text
    applied = [e for e in one.journal() if e["type"] == "applied" and e["step"] == "switch/apply"]
    assert [[k["owner"] for k in e["ignored"]] for e in applied] == [[f"www.{zone.origin}"]]
    assert sum(puts(NEW)(p.message) for p in proxy.passages) == 1
    assert one.www()[0] == (OLD,)
    assert one.lock() is None


# -- the lock's name --------------------------------------------------------------------------------------------------

BLOCKS = {
    "alias": ("_dns-cutover 60 CNAME elsewhere.test.\n", "CNAME"),
    "delegation": ("_dns-cutover 60 NS ns.elsewhere.test.\n", "delegat"),
    "text": ('_dns-cutover 60 TXT "v=spf1 -all"\n', "TXT"),
}


@pytest.mark.parametrize("server", ["bind", "knot"])
@pytest.mark.parametrize("blocker", BLOCKS)
def test_what_stands_in_the_locks_place_is_found_before_anything_is_written(
    blocker: str, server: str, hierarchy: Hierarchy, request: pytest.FixtureRequest, runner: Make
) -> None:
    """By `validate` and `run` from what DNS shows, and by a run of a runbook that was made before."""
    primary: Authority = request.getfixturevalue(server)
    record, said = BLOCKS[blocker]
    name, ttl, rdtype, value = record.split(None, 3)
    zone = hierarchy.fresh_zone(primary, RECORDS)
    one = runner("one", zone, primary.address)
    book = one.plan.with_name("book.json")
    code, text = one.call("preview", str(one.plan), "-o", str(book))
    assert code == 0, text
    client.write(primary.address, zone.origin, name, int(ttl), rdtype, value.strip())
    serial = client.serial(primary.address, zone.origin)
    code, text = one.call("run", str(book), "--yes")
    assert (code, "Nothing was written" in text, said in text) == (1, True, True), text
    assert f"_dns-cutover.{zone.origin}" in text
    code, text = one.call("run", str(one.plan), "--yes")
    assert (code, "DC422" in text, said in text) == (3, True, True), text
    assert client.serial(primary.address, zone.origin) == serial


def test_bind_that_forbids_the_locks_name_gets_the_line_to_add_or_another_name(
    bind: Bind, hierarchy: Hierarchy, runner: Make
) -> None:
    """Nothing is written first, and the key's own name for the lock serves as well."""
    zone = ruled_zone(bind, hierarchy, NO_LOCK)
    one = runner("one", zone, bind.address)
    serial = client.serial(bind.address, zone.origin)
    code, text = one.call("run", str(one.plan), "--yes")
    assert code == 1, text
    assert f"update-policy {{ grant {KEY} name _dns-cutover.{zone.origin} TXT; }};" in text
    assert "Nothing was written" in text
    assert client.serial(bind.address, zone.origin) == serial
    one.write_plan(lock="{name: _lock}")
    process = one.run()
    one.wait_for(lambda e: e["type"] == "applied" and e["step"] == "switch/lower_ttl")
    found = client.ask(bind.address, f"_lock.{zone.origin}", "TXT").values
    assert found
    assert found[0].startswith(f'"v=dc1 run={one.run_id} ')
    code, text = finish(process)
    assert code == 0, text
    assert client.ask(bind.address, f"_lock.{zone.origin}", "TXT").values == ()


def test_knot_that_forbids_the_locks_name_gets_the_rule_to_add(
    ruled_knot: Callable[[str], tuple[Knot, Zone]], runner: Make
) -> None:
    knot, zone = ruled_knot(rule("writers", "www"))
    one = runner("one", zone, knot.address)
    serial = client.serial(knot.address, zone.origin)
    code, text = one.call("run", str(one.plan), "--yes")
    assert code == 1, text
    assert f"Knot: one acl rule for the lock and all records, with key: {KEY}, action: update" in text
    assert f"update-owner-name, add [_dns-cutover.{zone.origin}]" in text
    assert client.serial(knot.address, zone.origin) == serial


# -- locks that nobody gives back -------------------------------------------------------------------------------------


def test_a_lock_that_was_left_behind_is_taken_away_by_its_id(bind: Bind, hierarchy: Hierarchy, runner: Make) -> None:
    zone = hierarchy.fresh_zone(bind, RECORDS)
    dead, other = runner("dead", zone, bind.address), runner("other", zone, bind.address)
    process = dead.run()
    dead.wait_for(lambda e: e["type"] == "applied" and e["step"] == "switch/lower_ttl")
    process.kill()
    process.wait()
    lock = dead.lock()
    assert lock is not None
    code, text = dead.call("status", dead.run_id, "--format", "json")
    assert [(k["lock_id"], k["unlock"]) for k in json.loads(text)["locks"]] == [
        (lock.op, f"dns-cutover unlock {lock.run} {lock.op}")
    ]
    code, text = other.call("run", str(other.plan), "--yes")
    assert (code, f"dns-cutover unlock {lock.run} {lock.op}" in text) == (5, True), text
    assert f"run {lock.run} holds the lock of {zone.origin} until " in text
    code, text = other.call("unlock", lock.run, lock.op)
    assert (code, f"unlock --plan PLAN {lock.op}" in text) == (64, True), text
    code, text = other.call("unlock", "--plan", str(other.plan), "0123456789abcdef", "--yes")
    assert (code, lock.op in text) == (5, True), text
    code, text = dead.call("unlock", lock.run, lock.op)
    assert (code, "may be alive" in text) == (64, True), text
    assert dead.lock() == lock
    code, text = dead.call("unlock", lock.run, lock.op, "--yes", "--by", "ops")
    assert (code, dead.lock()) == (0, None), text
    code, text = dead.call("unlock", lock.run, lock.op, "--yes")
    assert (code, "No lock is there" in text) == (0, True), text
    code, text = dead.call("resume", lock.run)
    assert code == 0, text
    assert dead.www() == ((NEW,), 3)
    commands = [e for e in map(json.loads, dead.call("events", lock.run)[1].splitlines()) if e["type"] == "command"]
    assert [(e["verb"], e["by"], e["subject"]) for e in commands] == [("unlock", "ops", lock.op)]


def test_a_lease_in_the_store_leaves_nothing_in_the_zone(
    bind: Bind, bind_proxy: UpdateProxy, hierarchy: Hierarchy, runner: Make
) -> None:
    """For a key that may change no name for a lock. A reply that is lost is told by the records."""
    zone = ruled_zone(bind, hierarchy, f"grant {KEY_NAME} name www.ORIGIN A;")
    one = runner("one", zone, bind.address)
    one.write_plan(server=bind_proxy.address, lock="store")
    bind_proxy.treat(Treatment.CUT_REPLY, puts(NEW), times=1)
    code, text = one.call("validate", str(one.plan))
    assert (code, "only a lease in the store keeps two runs apart" in text) == (0, True), text
    process = one.run()
    one.wait_for(lambda e: e["type"] == "applied" and e["step"] == "switch/apply", 90)
    code, text = one.call("run", str(one.plan), "--yes")
    assert code in (3, 5), text  # the records are changed by now, or the names are in the first run's hands
    code, text = finish(process)
    assert code == 0, text
    assert one.www()[0] == (NEW,)
    lock = touches(f"_dns-cutover.{zone.origin}", "TXT")
    assert not any(lock(p.message) for p in bind_proxy.passages)
