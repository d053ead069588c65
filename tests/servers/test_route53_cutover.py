"""Whole cutovers on Route 53: ministack behind the rules of AWS holds the zone, BIND and NSD serve it by a bridge, and
Unbound and PowerDNS Recursor hold old answers.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dns_cutover.providers.route53.message import RecordSet

from .harness.hierarchy import Hierarchy
from .harness.ministack import Ministack
from .harness.route53_front import KEY_ID, SECRET, Front, Passage, Treatment
from .harness.watchers import GapWatcher, OldAnswerWatcher, Watched
from .test_cutover import (
    NEW,
    OLD,
    RECORDS,
    Service,
    Tool,
    assert_after,
    assert_before,
    eventually,
    finish,
    full,
    watched,
)

PROVIDER = "provider: {{type: route53, zone_id: {zone_id}, endpoint: '{url}', propagation_bound: 1s}}\n"
TTL = 2


class AwsTool(Tool):
    """The tool with a plan whose zone is on Route 53."""

    front: Front
    zone_id: str

    def write_plan(self, **choices: int | str) -> None:
        super().write_plan(**{"low": 1, "bake": 1, **choices})  # type: ignore[arg-type]
        ours = PROVIDER.format(zone_id=self.zone_id, url=self.front.url)
        text, n = re.subn(r"provider:\n(  .*\n)+", ours, self.plan.read_text())
        assert n == 1
        self.plan.write_text(text)

    def wait_for(self, what: Callable[[dict[str, object]], bool], seconds: float = 90) -> dict[str, object]:
        """As a Tool does, but not in vain: a process that has ended makes no more events."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = self.processes[-1].poll() is not None
            for event in filter(what, self.journal()):
                return event
            if ended:
                raise AssertionError(f"the tool ended: {self.processes[-1].communicate()}")
            time.sleep(0.02)
        raise AssertionError(f"that event did not come; the last: {self.journal()[-1:]}")

    def foreign(self, name: str, ttl: int, rdtype: str, *values: str) -> None:
        self.front.write(self.zone_id, RecordSet(full(self.zone, name), rdtype, ttl, values))

    def there(self, name: str, rdtype: str) -> tuple[str, ...]:
        """What the hosted zone has."""
        found = self.front.sets(self.zone_id).get((full(self.zone, name), rdtype, ""))
        return found.values if found is not None else ()

    def assert_quiet(self, *texts: str) -> None:
        """No credential, signature or signed header is anywhere in what the tool wrote."""
        files = [p.read_bytes() for p in self.folder.iterdir() if p.is_file() and p != self.plan]
        for written in (*map(str.encode, texts), *files):
            for secret in (SECRET, KEY_ID, "Signature=", "AWS4-HMAC-SHA256", "Credential="):
                assert secret.encode() not in written


@pytest.fixture(scope="module")
def aws_server(lab: Hierarchy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """ministack and the front before it, at loopback addresses of this worker."""
    directory = tmp_path_factory.mktemp("ministack")
    with Ministack(directory, lab.spare_address()) as behind, Front(lab.spare_address(), behind.address) as front:
        yield front


@pytest.fixture
def tool(
    tmp_path: Path, world: Hierarchy, aws_server: Front, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsTool]:
    """The tool beside a hosted zone of the test's own, which BIND and NSD serve."""
    for name, value in (("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)):
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / f"no-{name}"))
    aws_server.heal()
    zone = world.publish(RECORDS.replace(" 60 ", f" {getattr(request, 'param', TTL)} "))
    world.settle(zone.origin)
    made = AwsTool(tmp_path, Service(), world, zone)
    made.front, made.zone_id = aws_server, aws_server.create_zone(zone.origin)
    aws_server.mirror(made.zone_id, world, zone)
    made.write_plan()
    yield made
    made.close()
    aws_server.heal()


@pytest.mark.parametrize("tool", [12], indirect=True)
def test_a_whole_move_without_a_gap_and_without_a_late_old_answer(tool: AwsTool) -> None:
    tool.write_plan(low=3, bake=5, deadline=30)
    servers, caches = tool.world.authoritative, tool.world.resolvers
    questions = watched(tool.zone)
    with GapWatcher(servers, questions, 50) as authoritative, OldAnswerWatcher(caches, questions, 10) as users:
        code, err = finish(tool.run())
    assert code == 0, err
    eventually(lambda: assert_after(tool, 12))
    authoritative.assert_no_gap(least=300)
    for (name, rdtype), old in OLD.items():
        question = Watched(full(tool.zone, name), rdtype)
        stopped = authoritative.last_seen(old, question)
        assert stopped is not None
        users.assert_not_after(
            old, question, stopped + 3 + 1.0
        )  # the bridge, and watchers that look some times a second
    assert tool.there("www", "A") == ("198.51.100.10",)
    assert tool.there("_dns-cutover", "TXT") == ()
    asked = [p.path.rpartition("/")[2] for p in tool.front.passages if "/change/" in p.path]
    applied = {str(e["change"]) for e in tool.journal() if e["type"] == "applied" and e["op"] in _written(tool)}
    assert applied <= set(asked)
    tool.assert_quiet(err)


def _written(tool: AwsTool) -> set[object]:
    return {e["op"] for e in tool.journal() if e["type"] == "intent" and e["purpose"] == "write"}


def test_a_probe_that_fails_while_baking_rolls_everything_back(tool: AwsTool) -> None:
    tool.write_plan(bake=60)
    with GapWatcher(tool.world.authoritative, watched(tool.zone), 50) as authoritative:
        process = tool.run()
        tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == "switch/converge")
        tool.service.break_()
        code, err = finish(process)
    assert code == 6, err
    authoritative.assert_no_gap(least=100)
    eventually(lambda: assert_before(tool, TTL))
    tool.assert_quiet(err)


def test_a_foreign_write_between_preview_and_run_is_left_alone(tool: AwsTool) -> None:
    book = tool.folder / "runbook.json"
    code, _, err = tool.call("preview", str(tool.plan), "-o", str(book))
    assert code == 0, err
    tool.foreign("@", TTL, "MX", "10 mx.third.test.")
    tool.world.settle(tool.zone.origin)
    code, _, err = tool.call("run", str(book), "--yes")
    assert code == 4, err
    assert tool.there("@", "MX") == ("10 mx.third.test.",)


def test_a_foreign_write_just_before_the_batch_holds_the_run(tool: AwsTool) -> None:
    """Between the last look and the arrival of the batch: nothing of it is applied, and nothing is overwritten."""
    written = threading.Event()

    def interfere(passage: Passage) -> None:
        if passage.creates("198.51.100.10") and not written.is_set():
            written.set()
            tool.foreign("@", 1, "MX", "10 mx.third.test.")

    tool.front.arrived = interfere
    code, err = finish(tool.run())
    assert code == 4, err
    assert "mx.third.test." in err
    assert tool.there("@", "MX") == ("10 mx.third.test.",)
    assert tool.there("www", "A") == ("192.0.2.10",)
    assert any(p.code == "InvalidChangeBatch" for p in tool.front.passages)
    code, _, err = tool.call("rollback", tool.run_id(), "--yes")
    assert code == 7, err
    assert tool.there("@", "MX") == ("10 mx.third.test.",)
    assert NEW["@", "TXT"] not in tool.there("@", "TXT")


def test_killed_at_four_points_the_run_is_finished_by_resume(tool: AwsTool) -> None:
    """While it waits for the old TTL, before a batch arrives, between the deed and its reply, and while it bakes."""

    def killed(process: subprocess.Popen[str]) -> None:
        process.wait(120)
        assert process.returncode == -signal.SIGKILL
        tool.front.heal()

    def go_on() -> subprocess.Popen[str]:
        return tool.start("resume", tool.run_id(), "--events", str(tool.events))

    def kill(passage: Passage) -> None:
        if passage.creates("198.51.100.10"):
            tool.processes[-1].kill()
            tool.processes[-1].wait()

    tool.write_plan(bake=3)
    process = tool.run()
    tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == "overlap/lower_ttl/converge")
    process.kill()
    killed(process)

    tool.front.arrived = kill
    tool.front.choose = lambda p: Treatment.BLACK_HOLE if p.creates("198.51.100.10") else Treatment.PASS
    killed(go_on())
    assert tool.there("www", "A") == ("192.0.2.10",)

    tool.front.answered = kill
    killed(go_on())
    assert tool.there("www", "A") == ("198.51.100.10",)

    process = go_on()
    tool.wait_for(lambda e: e["type"] == "step_done" and e["step"] == "switch/converge")
    process.kill()
    killed(process)

    code, err = finish(go_on())
    assert code == 0, err
    eventually(lambda: assert_after(tool, TTL))
    code, out, _ = tool.call("events", tool.run_id())
    journal = [json.loads(line) for line in out.splitlines()]
    writes = {e["op"] for e in journal if e["type"] == "intent" and e["purpose"] == "write"}
    steps = [e["step"] for e in journal if e["type"] == "applied" and e["op"] in writes]
    # Each step was written once, whichever process it was.
    assert sorted(steps) == sorted(set(steps))
    assert {"overlap/lower_ttl", "overlap/apply", "switch/apply", "switch/restore_ttl"} == set(steps)
    tool.assert_quiet(err, out)


def test_credentials_that_aws_does_not_take_are_one_clear_message_without_them(
    tool: AwsTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What AWS says about a wrong signature repeats the signed request; with --debug there is a traceback."""
    said = f"The Canonical String should have been 'POST AWS4-HMAC-SHA256 Credential={KEY_ID} Signature=00'"
    monkeypatch.setattr(
        "tests.servers.harness.route53_front.Front.handle",
        lambda *_: (403, _error("SignatureDoesNotMatch", said)),
    )
    process = tool.start("--debug", "run", str(tool.plan), "--yes", "--events", str(tool.events))
    out, err = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "does not accept the signature" in err
    tool.assert_quiet(out, err)


def test_permission_is_asked_for_without_changing_anything(tool: AwsTool, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tool.front.sets(tool.zone_id)
    unbound = tool.world.resolvers[0]
    asking = ("validate", "--probe-write", str(tool.plan), "--bootstrap", unbound)
    _, out, err = tool.call(*asking)
    assert "DC414" not in out + err
    assert any(p.code == "InvalidChangeBatch" for p in tool.front.passages)
    assert tool.front.sets(tool.zone_id) == before
    handle = Front.handle
    denied = (403, _error("AccessDenied", "not authorized to perform: route53:ChangeResourceRecordSets"))
    monkeypatch.setattr(Front, "handle", lambda self, method, *rest: (
        denied if method == "POST" else handle(self, method, *rest)))  # fmt: skip
    code, out, err = tool.call(*asking)
    assert code == 3, out
    assert "DC414" in out + err
    assert "--iam-policy" in out + err


def _error(code: str, message: str) -> bytes:
    from .harness.route53_front import error_xml

    return error_xml(code, (message,))
