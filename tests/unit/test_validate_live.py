"""validate against servers: many plans at once, and what a pull request is shown."""

import asyncio
import json
import re
import sys

import pytest

from dns_cutover.assembly import Request, Setting, examine_all, examining
from dns_cutover.clock import SystemClock
from dns_cutover.errors import Unavailable
from dns_cutover.lab.world import LabWorld
from dns_cutover.plan.loader import parse_plan

PLAN = """\
version: 1
name: {name}
zone: example.test
provider: {{type: rfc2136, server: 127.0.0.1, key: {{name: k, secret: {{env: KEY}}}}}}
lookup: {{authoritative: [{servers}]}}
stages:
  - name: switch
    changes:
      - {{name: {owner}, type: A, from: [{before}], to: [192.0.2.81]}}
    bake: 5m
"""


async def call(*arguments: str, cwd: object) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dns_cutover",
        "validate",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,  # type: ignore[arg-type]
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_a_comment_has_the_preview_of_a_plan_that_fits(tmp_path):
    """Live: the servers are counted; a plan that fits is previewed in the comment, one that drifted is not."""
    async with LabWorld(SystemClock(), resolvers=1) as lab:
        servers = ", ".join(f'"{e}"' for e in lab.authoritative)
        fits = PLAN.format(name="fits", owner="www", servers=servers, before="192.0.2.80")
        drifted = PLAN.format(name="drifted", owner="ns1", servers=servers, before="192.0.2.99")
        (tmp_path / "fits.yaml").write_text(fits)
        (tmp_path / "drifted.yaml").write_text(drifted)
        found = ("--bootstrap", str(lab.resolvers[0]))
        code, out, err = await call("fits.yaml", "drifted.yaml", "--format", "markdown", *found, cwd=tmp_path)
        assert code == 3, err
        assert "2 servers" in err
        first, second = re.split(r"#### [✓✗] ", out)[1:]
        assert "<summary>Preview</summary>" in first
        assert "192.0.2.81" in first
        assert "DC201" in second
        assert "Preview" not in second
        code, out, err = await call("fits.yaml", "--format", "json", *found, cwd=tmp_path)
        assert code == 0, err
        assert json.loads(out)["servers"] == 2


@pytest.fixture
def plans():
    servers = '"192.0.2.1"'
    text = [PLAN.format(name=n, owner=n, servers=servers, before="192.0.2.80") for n in ("a", "b", "c")]
    return [parse_plan(t.encode(), f"{n}.yaml", {}) for n, t in zip("abc", text, strict=True)]


async def test_plans_are_looked_at_at_the_same_time(plans, monkeypatch):
    """Each look-up begins before any ends, with one asker for all; one that fails is an error in its own place."""
    setting, askers = Setting(), []
    everybody = asyncio.Barrier(3)

    async def look(loaded, setting):
        askers.append(setting.asker())
        await everybody.wait()
        raise Unavailable(f"{loaded.plan.name} is out of reach")

    monkeypatch.setattr("dns_cutover.assembly.looking.look", look)
    outcomes = await asyncio.wait_for(examine_all(plans, setting, Request()), 10)
    assert [str(o) for o in outcomes] == [f"{n} is out of reach" for n in "abc"]
    assert len({id(a) for a in askers}) == 1


async def test_what_is_between_plans_is_looked_at_only_where_there_are_several(plans):
    """A plan alone is not said to have been compared with others."""
    alone = await examine_all(plans[:1], Setting(), Request(offline=True))
    several = await examine_all(plans, Setting(), Request(offline=True))
    assert all(isinstance(o, examining.Examined) for o in (*alone, *several))
    assert "DC151" not in alone[0].made
    assert all("DC151" in o.made for o in several)
    assert await examine_all([], Setting(), Request(offline=True)) == ()
