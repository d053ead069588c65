"""The command line: exit codes, messages, and what is printed where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLANS = Path(__file__).parent.parent.parent / "plans"
TWELVE = """\
version: 1
name: twelve
zone: example.test
provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: plaintext}}
ttl: {lower_to: 60x}
stages:
  - name: one
    changes:
      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.300]}
      - {name: www2, type: A, from: [192.0.2.1], to: [192.0.2.1]}
      - {name: "@", type: CNAME, from: absent, to: x}
      - {name: other.test., type: A, from: absent, to: [192.0.2.1]}
      - {name: bad..name, type: A, from: absent, to: [192.0.2.1]}
      - {name: x, type: NOPE, from: absent, to: [192.0.2.1]}
      - {name: y, type: A, from: absent}
      - {name: z, type: A, from: absent, to: ["192.0.2.1"], expct: {}}
      - {name: v, type: TXT, add: ["${nope}"]}
    probes: [{type: tcp, name: p, target: x, port: 25, intervall: 3s}]
"""


def call(*arguments: str, tmp: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "dns_cutover", "--store", str(tmp / "runs.sqlite3"), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_help_and_version(tmp_path):
    done = call("--help", tmp=tmp_path)
    assert done.returncode == 0
    for verb in (
        "validate",
        "preview",
        "run",
        "status",
        "events",
        "resume",
        "abort",
        "rollback",
        "check",
        "checks",
        "export",
        "schema",
        "demo",
    ):
        assert verb in done.stdout
    assert call("--version", tmp=tmp_path).stdout.startswith("dns-cutover ")


def test_a_plan_with_twelve_mistakes_gives_twelve_lines_and_exit_3(tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(TWELVE)
    done = call("validate", str(plan), "--offline", tmp=tmp_path)
    assert done.returncode == 3
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"{plan}:")]
    assert len(lines) == 12
    assert "12 errors" in done.stderr
    assert "plaintext" not in done.stderr
    done = call("validate", str(plan), "--offline", "--format", "json", tmp=tmp_path)
    document = json.loads(done.stdout)
    assert document["schema"] == "dns-cutover/validate/1"
    assert document["counts"]["error"] == 12
    assert all({"id", "severity", "message", "hint", "file", "line", "column"} <= set(f) for f in document["findings"])
    done = call("validate", str(plan), "--offline", "--format", "github", tmp=tmp_path)
    assert sum(line.startswith("::error file=") for line in done.stdout.splitlines()) == 12


def test_example_plans_validate_offline(tmp_path):
    """Each by itself: they are examples of one zone, and not meant to run together."""
    for plan in sorted(PLANS.glob("*.yaml")):
        done = call("validate", str(plan), "--offline", tmp=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{plan.stem} is valid" in done.stderr


def test_the_schema_is_json_on_standard_output(tmp_path):
    assert json.loads(call("schema", tmp=tmp_path).stdout)["title"]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["run", str(PLANS / "mail-to-newmail.yaml")], 64, "--yes"),
        (["status", "ffff"], 64, "there is no run ffff"),
        (["resume", "ffff"], 64, "there is no run ffff"),
        (["validate", "nope.yaml", "--offline"], 1, "cannot be read"),
        (["nonsense"], 64, "nonsense"),
        (["run"], 64, "PLAN"),
        (["--store", "redis://x", "status"], 64, "no store of the kind redis"),
        (["confirm", "ffff", "x"], 64, "--by"),
        (["check", "a..b", "A"], 64, "empty label"),
        (["check", "a.test", "NOPE"], 64, "not a record type"),
        (["validate", str(PLANS / "mail-to-newmail.yaml"), "--offline", "--var", "x"], 64, "NAME=VALUE"),
    ],
)
def test_usage_errors_are_one_message_and_their_exit_code(tmp_path, arguments, code, text):
    done = call(*arguments, tmp=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert done.stdout == ""


def test_an_empty_store_says_what_to_do(tmp_path):
    done = call("status", tmp=tmp_path)
    assert done.returncode == 0
    assert "No runs yet" in done.stdout


def test_whoever_only_looks_leaves_no_store_behind(tmp_path):
    done = call("status", "--format", "json", tmp=tmp_path)
    assert json.loads(done.stdout) == {"schema": "dns-cutover/status-list/1", "runs": []}
    assert call("events", "ffff", tmp=tmp_path).returncode == 64
    assert not list(tmp_path.rglob("runs.sqlite3*"))


def test_a_store_that_is_no_database_is_one_message(tmp_path):
    (tmp_path / "runs.sqlite3").write_text("this is no database, it is a text that somebody put there")
    done = call("status", tmp=tmp_path)
    assert done.returncode == 1
    assert "cannot be used" in done.stderr


def test_a_runbook_that_is_none_is_one_message(tmp_path):
    book = tmp_path / "book.json"
    book.write_text('{"schema": "something else"}')
    done = call("run", str(book), "--yes", tmp=tmp_path)
    assert done.returncode == 3
    assert "not a runbook" in done.stderr
