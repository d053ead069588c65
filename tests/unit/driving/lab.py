"""Real processes on the embedded lab: its servers run in a thread of the test, in real time, with TTLs of seconds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dns_cutover.lab.clock import ScaledClock
from dns_cutover.lab.world import KEY_SECRET, LabWorld

ZONE = """\
@ 60 IN SOA ns1 hostmaster 1 7200 900 1209600 2
@ 60 IN NS ns1
@ 60 IN NS ns2
ns1 60 IN A 127.0.0.1
ns2 60 IN A 127.0.0.1
www {ttl} IN A 192.0.2.10
"""
PLAN = """\
version: 1
name: move
zone: example.test
provider:
  type: rfc2136
  server: {server}
  key: {{name: cutover, algorithm: hmac-sha256, secret: {{env: CUTOVER_TSIG}}}}
lookup: {{bootstrap: [{bootstrap}], authoritative: [{servers}]}}
ttl: {{lower_to: 1s, client_floor: 0s}}
propagation: {{deadline: 60s, round_gap: 200ms}}
{more}
stages:
  - name: switch
    changes:
      - {{name: www, type: A, from: [192.0.2.10], to: [192.0.2.20]}}
    bake: {bake}
"""
LONG = 120.0  # seconds: the machine may be busy


class Lab:
    """The servers, a folder with a plan, and processes of the command line."""

    def __init__(self, world: LabWorld, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.world, self.folder, self.loop = world, folder, loop
        self.processes: list[subprocess.Popen[str]] = []
        self.plan, self.store, self.events = folder / "plan.yaml", folder / "runs.sqlite3", folder / "events.jsonl"
        self.environ = {**os.environ, "CUTOVER_TSIG": KEY_SECRET, "LC_ALL": "C.UTF-8"}

    def write_plan(self, *, bake: str = "300ms", more: str = "") -> None:
        first, second = self.world.authoritative
        self.plan.write_text(
            PLAN.format(server=first, servers=f"'{first}', '{second}'", bootstrap=f"'{first}'", bake=bake, more=more)
        )

    def start(self, *arguments: str, store: str = "", **how: Any) -> subprocess.Popen[str]:
        argv = [*how.pop("before", ()), sys.executable, "-m", "dns_cutover", "--store", store or str(self.store)]
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        process = subprocess.Popen([*argv, *arguments], text=True, **{"env": self.environ, **settings})
        self.processes.append(process)
        return process

    def run(self, *arguments: str, **how: Any) -> subprocess.Popen[str]:
        return self.start("run", str(self.plan), "--yes", *arguments, **how)

    def call(self, *arguments: str, **how: Any) -> tuple[int, str, str]:
        process = self.start(*arguments, **how)
        out, err = process.communicate(timeout=LONG)
        assert "Traceback" not in (err or ""), err
        return process.returncode, out, err

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, err = process.communicate(timeout=LONG)
        assert "Traceback" not in (err or ""), err
        assert "fault of dns-cutover" not in (err or ""), err
        return process.returncode, out, err

    def journal(self, run: str = "", store: str = "") -> list[dict[str, Any]]:
        """The only run's events, or those of `run`, as they are stored."""
        return asyncio.run(stored_events(store or str(self.store), run))

    def wait_for(self, what: Callable[[dict[str, Any]], bool], store: str = "") -> dict[str, Any]:
        """The first stored event for which `what` holds."""
        deadline = time.monotonic() + LONG
        pause = threading.Event()
        while time.monotonic() < deadline:
            found = self.journal(store=store) if store or self.store.exists() else []
            for event in found:
                if what(event):
                    return event
            pause.wait(0.1)
        raise AssertionError(f"that event did not come: {found[-3:]}")

    def run_id(self, store: str = "") -> str:
        return str(self.journal(store=store)[0]["run_id"])

    def values(self, name: str = "www") -> tuple[str, ...]:
        """What the primary has now."""
        rrset = self.world.primary.zone.rrsets.get((f"{name}.example.test.", "A"))
        return rrset.values if rrset is not None else ()

    def locked(self) -> bool:
        return ("_dns-cutover.example.test.", "TXT") in self.world.primary.zone.rrsets

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


async def stored_events(url: str, run: str) -> list[dict[str, Any]]:
    from dns_cutover.store.open import open_store

    store = open_store(url)
    try:
        runs = [e.run_id for e in await store.runs()] if not run else [run]
        return [json.loads(e.body) for e in await store.load(runs[0])] if runs else []
    finally:
        await store.close()


def writes(journal: list[dict[str, Any]]) -> list[str]:
    """The steps that were written, each as often as a message of it was applied."""
    ours = {e["op"] for e in journal if e["type"] == "intent" and e["purpose"] == "write"}
    return [e["step"] for e in journal if e["type"] == "applied" and e["op"] in ours]


def done(step: str) -> Callable[[dict[str, Any]], bool]:
    return lambda e: e["type"] == "step_done" and e["step"] == step


LOWERED = done("switch/lower_ttl/converge")  # from here on the run waits for the old TTL to die
CHANGED = done("switch/converge")  # from here on it bakes


@contextmanager
def lab(folder: Path, *, ttl: int = 3, zone: str = ZONE, environ: Mapping[str, str] | None = None) -> Iterator[Lab]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    world = LabWorld(ScaledClock(1.0), zone_text=zone.format(ttl=ttl), resolvers=0, secondary_lag=0.0)
    asyncio.run_coroutine_threadsafe(world.__aenter__(), loop).result(LONG)
    made = Lab(world, folder, loop)
    made.environ.update(environ or {})
    made.write_plan()
    try:
        yield made
    finally:
        made.close()
        asyncio.run_coroutine_threadsafe(world.__aexit__(None), loop).result(LONG)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
