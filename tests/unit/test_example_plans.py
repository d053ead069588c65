"""The example plans do what they teach: each is validated and previewed, live, against a lab that has its zone."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from dns_cutover.assembly import Request, Setting, examine
from dns_cutover.clock import SystemClock
from dns_cutover.lab.world import LabWorld
from dns_cutover.plan.loader import load_plan
from dns_cutover.plan.yamltext import parse_yaml

PLANS = Path(__file__).parents[2] / "plans"
EXAMPLES = sorted(PLANS.glob("*.yaml"))
# What an example deserves to be told, though it is right. Everything else is a mistake in the example.
DESERVED: dict[str, set[str]] = {}


@dataclass(frozen=True, slots=True)
class Example:
    """A lab that has a plan's zone, and the plan with the lab's servers in the place of its own."""

    lab: LabWorld
    plan: Path
    folder: Path

    async def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "dns_cutover", "--store", str(self.folder / "runs"), *arguments]
        done = await asyncio.to_thread(
            subprocess.run, argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


def in_lab(path: Path, lab: LabWorld) -> str:
    """The plan with the lab's servers, as JSON, which is YAML."""
    data = parse_yaml(path.read_bytes(), str(path)).data
    lookup = data.setdefault("lookup", {})
    lookup["authoritative"] = [str(e) for e in lab.authoritative]
    lookup["bootstrap"] = [str(e) for e in lab.resolvers]
    lookup["resolvers"] = [{"name": e.name, "address": str(e)} for e in lab.resolvers]
    data["provider"]["server"] = str(lab.primary.endpoint)
    return json.dumps(data)


@pytest_asyncio.fixture(params=EXAMPLES, ids=lambda p: p.stem)
async def example(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Example]:
    path: Path = request.param
    zone = (PLANS / "zones" / f"{path.stem}.zone").read_text(encoding="utf-8")
    name = load_plan(path).plan.zones["default"].zone
    async with LabWorld(SystemClock(), zone=name, zone_text=zone, resolvers=1) as lab:
        copy = tmp_path / path.name
        copy.write_text(in_lab(path, lab), encoding="utf-8")
        yield Example(lab, copy, tmp_path)


async def test_live_validation_and_preview_against_the_lab(example: Example) -> None:
    """What the plan expects is what the zone has: no findings but those that it deserves, and a runbook."""
    finders = [f"--bootstrap={e}" for e in example.lab.resolvers]  # those of a plan are not asked by validate
    done = await example.call("validate", "--format", "json", *finders, str(example.plan))
    document = json.loads(done.stdout)
    assert done.returncode == 0, document
    found = {f["id"] for f in document["findings"] if f["severity"] != "info"}
    assert found == DESERVED.get(example.plan.stem, set()), document["findings"]
    book = example.folder / "runbook.json"
    done = await example.call("preview", "-o", str(book), str(example.plan))
    assert done.returncode == 0, done.stderr
    assert json.loads(book.read_text(encoding="utf-8"))["plan"] == example.plan.stem


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
async def test_offline_they_have_no_warnings(path: Path) -> None:
    """An example that CI would refuse under --strict teaches the wrong thing."""
    examined = await examine(load_plan(path), Setting(), Request(offline=True))
    assert [f for f in examined.findings if f.severity != "info"] == []


def test_all_of_them_in_one_call() -> None:
    """As CI does it: no example is in another's way."""
    argv = [sys.executable, "-m", "dns_cutover", "validate", "--offline", "--strict", *map(str, EXAMPLES)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr


def test_a_warning_is_a_failure_under_strict_alone(tmp_path: Path) -> None:
    """Exit codes as documented: 0 with a warning, 3 with --strict, 0 for the example itself."""
    example = PLANS / "mx-move.yaml"
    worse = tmp_path / "worse.yaml"
    worse.write_text(example.read_text(encoding="utf-8").replace("ttl:\n", "variables: {unused: x}\nttl:\n", 1))
    for arguments, code in (([worse], 0), (["--strict", worse], 3), (["--strict", example], 0)):
        argv = [sys.executable, "-m", "dns_cutover", "validate", "--offline", *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == code, done.stderr


def test_a_zone_that_the_plan_does_not_fit_is_refused(tmp_path: Path) -> None:
    """The tests above could not fail if the zone did not matter: with another plan's zone it is exit 3."""

    async def run() -> subprocess.CompletedProcess[str]:
        zone = (PLANS / "zones" / "name-creation.zone").read_text(encoding="utf-8") + "api 300 IN A 192.0.2.40\n"
        async with LabWorld(SystemClock(), zone="platform.test.", zone_text=zone, resolvers=0) as lab:
            copy = tmp_path / "plan.yaml"
            copy.write_text(in_lab(PLANS / "name-creation.yaml", lab), encoding="utf-8")
            return await Example(lab, copy, tmp_path).call("validate", str(copy))

    done = asyncio.run(run())
    assert done.returncode == 3
    assert "DC201" in done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_each_example_teaches(path: Path) -> None:
    """The schema's line for editors comes first, a comment says what the plan is for, and the name is the file's."""
    lines = path.read_text(encoding="utf-8").splitlines()
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", lines[0])
    assert match is not None
    assert (path.parent / match[1]).resolve() == (PLANS / "plan.schema.json").resolve()
    assert lines[1].startswith("# ")
    plan = load_plan(path).plan
    assert plan.name == path.stem
    assert plan.summary
    assert plan.owner


def test_what_is_promised_is_there() -> None:
    """One plan for each kind of move, and a zone for each."""
    wanted = {"mail-to-newmail", "web-blue-green", "cdn-cname", "mx-move", "ttl-only", "name-creation"}
    assert {p.stem for p in EXAMPLES} == wanted
    assert {p.stem for p in (PLANS / "zones").glob("*.zone")} == wanted
