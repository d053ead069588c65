"""Scripts for the AWS command line, run by a real shell with something that stands for `aws`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dns_cutover.providers.interface import ChangeSet, Token
from dns_cutover.providers.route53.awscli import AwsScripts, change_batch
from dns_cutover.providers.route53.batch import build
from dns_cutover.records import Change, RRset, RRsetKey

ZONE = "example.test."
WWW = Change(RRsetKey("z", f"www.{ZONE}", "A"), RRset(60, ("192.0.2.1",)), RRset(300, ("192.0.2.2",)))
EVIL = Change(
    RRsetKey("z", f"t.{ZONE}", "TXT"),
    None,
    RRset(60, (r'"$(touch pwned) `touch pwned` \"; touch pwned #" "END-OF-CHANGE-BATCH\010touch pwned"',)),
)
AWS = """\
import json, os, sys
call = {"arguments": sys.argv[1:]}
if "change-resource-record-sets" in sys.argv:
    call["batch"] = json.load(open("/dev/stdin"))
with open("calls", "a") as log:
    log.write(json.dumps(call) + "\\n")
if "list-resource-record-sets" in sys.argv:
    print(os.environ.get("HELD", "None"))
"""


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A folder in which `aws` writes down how it was called."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "aws.py").write_text(AWS)
    aws = tmp_path / "bin/aws"
    aws.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/aws.py "$@"\n')
    aws.chmod(0o755)
    return tmp_path


def run(folder: Path, text: str, **environ: str) -> tuple[int, list[dict[str, object]], str]:
    (folder / "script.sh").write_text(text)
    path = f"{folder}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "script.sh"], cwd=folder, env={"PATH": path, **environ}, capture_output=True, text=True, check=False
    )
    calls = folder / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return done.returncode, [json.loads(line) for line in lines], done.stderr


def test_a_message_looks_for_a_run_and_sends_one_batch(shell: Path) -> None:
    scripts = AwsScripts(ZONE, {"zone_id": "Z1", "profile": "prod's"})
    code, calls, err = run(shell, scripts.message(["a note"], (WWW,)))
    assert (code, err) == (0, "")
    look, send = calls
    assert "_dns-cutover.example.test." in look["arguments"]  # type: ignore[operator]
    assert send["arguments"][:6] == [  # type: ignore[index]
        *("route53", "change-resource-record-sets", "--profile", "prod's", "--hosted-zone-id", "Z1"),
    ]
    assert send["batch"] == change_batch(build(ZONE, "", ChangeSet((WWW,)), None, {}))
    actions = [(c["Action"], c["ResourceRecordSet"]["TTL"]) for c in send["batch"]["Changes"]]  # type: ignore[index]
    assert actions == [("DELETE", 60), ("CREATE", 300)]


def test_a_zone_that_a_run_holds_is_left_alone(shell: Path) -> None:
    code, calls, err = run(shell, AwsScripts(ZONE, {"zone_id": "Z1"}).message([], (WWW,)), HELD="v=dc1 run=r")
    assert code == 1
    assert "a run holds the zone: v=dc1 run=r" in err
    assert len(calls) == 1


def test_text_from_dns_is_data_and_nothing_else(shell: Path) -> None:
    code, calls, _ = run(shell, AwsScripts(ZONE, {"zone_id": "Z1"}).message([], (EVIL,)))
    assert code == 0
    assert not (shell / "pwned").exists()
    batch = calls[1]["batch"]
    assert batch == change_batch(build(ZONE, "", ChangeSet((EVIL,)), None, {}))


def test_the_zone_must_be_given_where_the_plan_has_no_id(shell: Path) -> None:
    text = AwsScripts(ZONE, {}).message([], (WWW,))
    code, calls, err = run(shell, text)
    assert code != 0
    assert not calls
    assert "the id of the hosted zone" in err
    assert "list-hosted-zones-by-name --dns-name example.test" in text
    code, calls, _ = run(shell, text, ZONE_ID="Z7")
    assert code == 0
    assert "Z7" in calls[1]["arguments"]  # type: ignore[operator]


def test_giving_back_a_lock_deletes_exactly_that_one(shell: Path) -> None:
    token = Token("r1", 3, "op", 99)
    code, calls, _ = run(shell, AwsScripts(ZONE, {"zone_id": "Z1"}).unlock(["note"], token))
    assert code == 0
    (change,) = calls[0]["batch"]["Changes"]  # type: ignore[index]
    assert change["Action"] == "DELETE"
    assert change["ResourceRecordSet"]["ResourceRecords"] == [{"Value": f'"{token.text()}"'}]


def test_a_pause_ends_the_shells_reading(shell: Path) -> None:
    scripts = AwsScripts(ZONE, {"zone_id": "Z1"})
    code, calls, _ = run(shell, scripts.message([], (WWW,)) + scripts.pause() + scripts.message([], (EVIL,)))
    assert code == 0
    assert len(calls) == 2
