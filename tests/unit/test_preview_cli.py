"""`preview` and `run RUNBOOK` as commands, on the lab's servers: files, hashes, exit codes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.lab.world import KEY_SECRET, LabWorld
from dns_cutover.records import RRset
from dns_cutover.runbook.codec import parse_runbook, runbook_file, runbook_sha256
from tests.unit.preview_lab import ORIGIN, ZONE, LabPlan


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass
class Bench(LabPlan):
    """The lab, a plan for it, and the command."""

    tmp: Path

    @property
    def plan(self) -> Path:
        return self.tmp / "plan.yaml"

    @property
    def book(self) -> Path:
        return self.tmp / "mail.runbook.json"

    async def call(self, *arguments: object, **environ: str) -> Done:
        argv = ["-m", "dns_cutover", "--store", str(self.tmp / "runs.sqlite3"), *map(str, arguments)]
        env = {**os.environ, "LAB_KEY": KEY_SECRET, **environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, stdout=-1, stderr=-1, stdin=asyncio.subprocess.DEVNULL, env=env
        )
        out, err = await process.communicate()
        assert b"Traceback" not in err, err.decode()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def stale(self) -> str:
        """The runbook does not start: what is said about it."""
        done = await self.call("run", self.book, "--yes", "--no-wait")
        assert done.code == 4, done.err
        assert "Nothing was written" in done.err
        assert (f"_dns-cutover.{ORIGIN}", "TXT") not in self.lab.primary.zone.rrsets
        return done.err


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with LabWorld(SystemClock(), zone_text=ZONE, resolvers=0) as lab:
        made = Bench(lab, tmp_path)
        made.plan.write_text(made.text)
        yield made


async def test_the_runbook_is_a_file_whose_hash_is_the_one_shown(bench: Bench) -> None:
    done = await bench.call("preview", bench.plan, "-o", bench.book)
    assert done.code == 0, done.err
    data = bench.book.read_bytes()
    assert f"sha256 {hashlib.sha256(data).hexdigest()}" in done.out
    assert f"dns-cutover run {bench.book}" in done.out
    book = parse_runbook(data.decode())
    assert runbook_file(book) == data
    assert runbook_sha256(book) == hashlib.sha256(data).hexdigest()
    assert done.out.isascii()
    assert not [p for p in bench.tmp.iterdir() if p.name.startswith(".")]


async def test_the_same_plan_and_live_view_give_the_same_bytes(bench: Bench) -> None:
    seen = set()
    for seed in ("0", "1", "4711"):
        out = bench.tmp / f"{seed}.json"
        assert (await bench.call("preview", bench.plan, "-o", out, PYTHONHASHSEED=seed)).code == 0
        seen.add(out.read_bytes())
    assert len(seen) == 1
    bench.publish({(f"elsewhere.{ORIGIN}", "A"): RRset(60, ("192.0.2.3",))})
    await bench.call("preview", bench.plan, "-o", bench.book)
    assert bench.book.read_bytes() not in seen  # the serial has moved


async def test_a_file_of_something_else_is_never_overwritten_by_accident(bench: Bench) -> None:
    bench.book.write_text("something that somebody needs")
    done = await bench.call("preview", bench.plan, "-o", bench.book)
    assert done.code == 64
    assert "left as it is" in done.err
    assert bench.book.read_text() == "something that somebody needs"
    assert (await bench.call("preview", bench.plan, "-o", bench.book, "--force")).code == 0
    first = bench.book.read_bytes()
    bench.publish({(f"elsewhere.{ORIGIN}", "A"): RRset(60, ("192.0.2.3",))})
    assert (await bench.call("preview", bench.plan, "-o", bench.book)).code == 0  # an older one of the same plan
    assert bench.book.read_bytes() != first
    other = bench.tmp / "other.yaml"
    other.write_text(bench.plan.read_text().replace("name: mail", "name: other"))
    assert (await bench.call("preview", other, "-o", bench.book)).code == 64
    assert (await bench.call("preview", bench.plan, "-o", bench.tmp / "no" / "such.json")).code == 1
    assert (await bench.call("preview", bench.plan, "-o", bench.tmp, "--force")).code == 64


async def test_exit_codes_tell_changes_from_none_and_from_a_plan_that_is_not_valid(bench: Bench) -> None:
    assert (await bench.call("preview", bench.plan)).code == 0
    assert (await bench.call("preview", bench.plan, "--detailed-exitcode")).code == 2
    text = bench.plan.read_text()
    head = text[: text.index("stages:")]
    bench.plan.write_text(head + "stages: [{name: s, changes: [{name: www, type: A, ttl: 300}]}]\n")
    done = await bench.call("preview", bench.plan, "--detailed-exitcode")
    assert (done.code, "0 changes" in done.out) == (0, True), done.err
    bench.plan.write_text(text.replace("10 mx.oldmail.test.", "10 mx.other.test."))
    done = await bench.call("preview", bench.plan, "--detailed-exitcode", "-o", bench.book)
    assert (done.code, done.out, bench.book.exists()) == (3, "", False)


async def test_formats_are_alone_on_standard_output(bench: Bench) -> None:
    done = await bench.call("preview", bench.plan, "--format", "json")
    assert json.loads(done.out)["schema"] == "dns-cutover/preview/1"
    done = await bench.call("preview", bench.plan, "--format", "markdown")
    assert done.out.startswith("### Preview of `mail`\n")


async def test_a_runbook_runs_once(bench: Bench) -> None:
    await bench.call("preview", bench.plan, "-o", bench.book)
    # What others change elsewhere, and beside an edit by value, is no reason to refuse.
    texts = bench.lab.primary.zone.rrsets[ORIGIN, "TXT"]
    added = RRset(texts.ttl, tuple(sorted((*texts.values, '"their-verification=1"'))))
    bench.publish({(f"elsewhere.{ORIGIN}", "A"): RRset(60, ("192.0.2.3",)), (ORIGIN, "TXT"): added})
    bench.lab.secondary.hold = False
    done = await bench.call("run", bench.book, "--yes", "--no-wait")
    assert done.code == 75, done.err
    assert bench.lab.primary.zone.rrsets[ORIGIN, "MX"].ttl == 60
    done = await bench.call("run", bench.book, "--yes", "--no-wait")
    assert done.code == 4
    assert "was used already" in done.err


async def test_one_server_is_enough_and_it_is_named(bench: Bench) -> None:
    await bench.call("preview", bench.plan, "-o", bench.book)
    bench.publish_at(bench.lab.secondary, {(ORIGIN, "MX"): RRset(3600, ("10 mx.third.test.",))})
    told = await bench.stale()
    assert f"10 mx.third.test. (TTL 3600) at {bench.lab.secondary.endpoint}" in told
    assert "10 mx.oldmail.test. (TTL 3600), in runbook" in told


async def test_a_server_that_is_silent_now_makes_it_stale(bench: Bench) -> None:
    await bench.call("preview", bench.plan, "-o", bench.book)
    await bench.lab.secondary.stop()
    assert "a server of example.test." in await bench.stale()


async def test_a_runbook_that_was_edited_is_one_error(bench: Bench) -> None:
    await bench.call("preview", bench.plan, "-o", bench.book)
    whole = bench.book.read_text()
    for text, code, said in (
        (whole.replace("mx.newmail.test.", "MX.newmail.test."), 3, "not written as they must be"),
        (whole.replace("{", "{ ", 1), 3, "was changed after preview wrote it"),
        (whole[: len(whole) // 2], 3, "not a runbook"),
        (whole.replace("dns-cutover/runbook/1", "dns-cutover/runbook/2"), 3, "another version"),
        ("{}", 3, "not a runbook"),
    ):
        bench.book.write_text(text)
        done = await bench.call("run", bench.book, "--yes", "--no-wait")
        assert (done.code, said in done.err) == (code, True), done.err
        assert done.err.count("Error:") == 1


async def test_output_is_whole_where_the_locale_has_no_utf_8(bench: Bench) -> None:
    """Documents are UTF-8 whatever the locale is; text is ASCII off a terminal. Neither is a fault of the program."""
    done = await bench.call("preview", bench.plan, "--format", "markdown", PYTHONIOENCODING="ascii:surrogateescape")
    assert done.code == 0, done.err
    assert "→" in done.out
    server, *_ = map(str, bench.lab.authoritative)
    where = ("--zone", ORIGIN, "--authoritative", server, "--resolver", server)
    done = await bench.call("check", f"www.{ORIGIN}", "A", *where, PYTHONIOENCODING="ascii")
    assert "192.0.2.80 - TTL 300" in done.out
    assert done.out.isascii()
