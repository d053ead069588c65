"""Asking many questions: ours, dnsperf, and what is found on PyPI, on one NSD in turn. Nothing leaves loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Comparison, Series

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS = ROOT / ".venv-bench" / "bin" / "python"
PORT = 53  # in a network of our own: not every peer can be told another
ZONE = "bench.test."
NAMES = 2_000
IN_FLIGHT = 1_000
QUESTIONS = {"dns-cutover": 200_000, "aiodns": 30_000, "asyncquery": 5_000, "dnspropagation": 200}
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


class Missing(Exception):
    """A program that the benchmark needs is not there."""


def program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Missing(f"{name} is needed: apt-get install --no-install-recommends $(cat tests/bench/packages.txt)")
    return found


def zone_text(count: int = NAMES) -> str:
    head = f"$ORIGIN {ZONE}\n$TTL 300\n@ SOA ns host 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
    return head + "".join(f"n{n} A 192.0.{n // 250}.{n % 250 + 1}\n" for n in range(count))


def own_network() -> None:
    """Port 53 without touching the host."""
    sys.path.insert(0, str(ROOT))
    from tests.servers.harness import network

    network.enter()
    network.require()


@contextmanager
def nsd(text: str, addresses: int = 1) -> Iterator[None]:
    """One process of NSD on 127.0.0.1 and the addresses after it, serving the zone, while in the block."""
    own_network()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        here = Path(directory)
        (here / "bench.zone").write_text(text)
        listen = "".join(f" ip-address: 127.0.0.{n + 1}@{PORT}\n" for n in range(addresses))
        (here / "nsd.conf").write_text(
            f'server:\n{listen} username: ""\n chroot: ""\n zonesdir: "{here}"\n'
            f' zonelistfile: "{here}/zone.list"\n database: ""\n xfrdfile: "{here}/xfrd"\n xfrdir: "{here}"\n'
            f' pidfile: "{here}/pid"\n server-count: 1\n rrl-ratelimit: 0\n'
            f'zone:\n name: "{ZONE}"\n zonefile: "bench.zone"\n'
        )
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [program("nsd"), "-d", "-c", str(here / "nsd.conf")], stdin=quiet, stdout=quiet, stderr=quiet
        )
        try:
            _wait_for(process)
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    import dns.exception
    import dns.message
    import dns.query

    query = dns.message.make_query(ZONE, "SOA")
    for _ in range(100):
        if process.poll() is not None:
            raise Missing("nsd ended at once")
        try:
            dns.query.udp(query, "127.0.0.1", port=PORT, timeout=0.1)
        except (dns.exception.Timeout, OSError):
            time.sleep(0.05)
        else:
            return
    raise Missing("nsd does not answer")


def client(python: Path | str, subject: str, *arguments: str) -> dict[str, float]:
    """What one client tells about its run."""
    argv = [str(python), str(HERE / "asking_client.py"), subject, str(PORT), *arguments]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    out: dict[str, float] = json.loads(done.stdout)
    return out


def dnsperf(seconds: float = 2.0) -> float:
    """Answers per second."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as queries:
        queries.write("".join(f"n{n}.{ZONE} A\n" for n in range(NAMES)))
        queries.flush()
        argv = [program("dnsperf"), "-s", "127.0.0.1", "-p", str(PORT), "-d", queries.name]
        argv += ["-q", str(IN_FLIGHT), "-l", str(seconds), "-c", "1", "-T", "1"]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Queries per second:\s+([0-9.]+)", said)
    assert found is not None, said
    return float(found[1])


def asking(rounds: int) -> Comparison:
    """Throughput for unchanged answers, 1,000 in flight; the median of the rounds, each subject once a round."""
    rates: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    wrong = 0.0
    rounds = min(rounds, 7)
    with nsd(zone_text()):
        for _ in range(rounds):
            runs = {
                "dns-cutover, uvloop": (sys.executable, "dns-cutover", "uvloop", str(QUESTIONS["dns-cutover"])),
                "dns-cutover, asyncio": (sys.executable, "dns-cutover", "asyncio", str(QUESTIONS["dns-cutover"])),
                "aiodns": (PEERS, "aiodns", "asyncio", str(QUESTIONS["aiodns"])),
                "dnspython asyncquery": (PEERS, "asyncquery", "asyncio", str(QUESTIONS["asyncquery"])),
                "dnspropagation": (PEERS, "dnspropagation", "asyncio", str(QUESTIONS["dnspropagation"])),
            }
            for subject, (python, *words) in runs.items():
                got = client(python, *words)
                rates.setdefault(subject, []).append(got["rate"])
                cpu.setdefault(subject, []).append(got["cpu_us"])
                losses.setdefault(subject, []).append(got["lost"])
                wrong += got["wrong"]
            rates.setdefault("dnsperf", []).append(dnsperf())
    if wrong:
        raise AssertionError(f"{wrong:.0f} answers were matched to the wrong question")
    series = [Series(s, "answers/s", tuple(v)) for s, v in rates.items()]
    series += [Series(s, "us of CPU per answer", tuple(v)) for s, v in cpu.items()]
    series += [Series(s, "lost", tuple(v)) for s, v in losses.items()]
    return Comparison("asking", f"how many unchanged answers come in, {IN_FLIGHT} questions in flight?", tuple(series))


def crowded(rounds: int) -> Comparison:
    """Memory: 20,000 names at one server, and 500 names at 40; asked twice, so that answers are recognised as well."""
    many: list[float] = []
    wide: list[float] = []
    with nsd(zone_text(20_000), addresses=40):
        for _ in range(max(2, min(rounds, 3))):
            for into, *numbers in ((many, "20000", "1"), (wide, "500", "40")):
                got = client(sys.executable, "memory", "uvloop", *numbers)
                if got["wrong"]:
                    raise AssertionError(f"{got['wrong']:.0f} of {got['rows']:.0f} caches gave no right answer")
                into.append(got["mb"])
    return Comparison(
        "crowded",
        "how much memory do a great many questions take?",
        (Series("20,000 names x 1", "MB", tuple(many)), Series("500 names x 40", "MB", tuple(wide))),
    )


@contextmanager
def world(*words: str) -> Iterator[object]:
    """Servers of asking_world.py, and what they tell of themselves."""
    argv = [sys.executable, str(HERE / "asking_world.py"), *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def losing(rounds: int) -> Comparison:
    """5 % of all datagrams are lost, each way: one question in ten goes unanswered the first time."""
    lost = []
    with nsd(zone_text()), world("lossy", "0.05"):
        for _ in range(max(2, min(rounds, 3))):
            got = client(sys.executable, "lossy", "uvloop", "5000")
            if got["wrong"]:
                raise AssertionError("answers were matched to the wrong question")
            lost.append(got["lost"])
    return Comparison("losing", "how many answers never come?", (Series("of 5,000", "lost", tuple(lost)),))


def converging(rounds: int) -> Comparison:
    """Caches of random age at TTL 60, in real time; the rounds run side by side, each with caches of its own."""
    caches, seed, ttl = 10, 7, 60
    with nsd(zone_text()), world("caches", str(seed), str(rounds), str(caches), str(ttl)) as ends:
        got: Any = client(sys.executable, "converging", "uvloop", str(rounds), str(caches), str(seed))
    assert isinstance(ends, list)
    late = tuple(at - end for at, end in zip(got["at"], ends, strict=True))
    if min(late) < 0:
        raise AssertionError("converged was said while a cache still had the old answer")
    question = f"{caches} caches at TTL {ttl}: how late is `converged` said, at what price?"
    asked = tuple(float(n) for n in got["asked"])
    return Comparison(
        "converging",
        question,
        (
            Series("after the last cache expired", "s", late),
            Series("questions to a resolver, at most", "questions", asked),
            Series("a poller of 2 s", "questions", (30.0, 30.0)),
        ),
    )


def verdicts(comparisons: Sequence[Comparison]) -> list[str]:
    """Whether the figures that were promised hold, in words."""
    found = {(c.name, s.subject, s.unit): s.median for c in comparisons for s in c.series}
    out = []

    def say(what: str, value: float, holds: bool, bound: str) -> None:
        out.append(f"{'holds' if holds else 'FAILS'}  {what}: {value:,.1f} ({bound})")

    ours = found.get(("asking", "dns-cutover, uvloop", "answers/s"))
    if ours is not None:
        perf = found["asking", "dnsperf", "answers/s"]
        least = min(80_000.0, 0.6 * perf)
        say(
            "answers/s with uvloop",
            ours,
            ours >= least,
            f"at least {least:,.0f}: 80,000, or 0.6 x dnsperf's {perf:,.0f}",
        )
        used = found["asking", "dns-cutover, uvloop", "us of CPU per answer"]
        say("us of CPU per answer", used, used <= 15, "at most 15")
        ratio = (
            found["asking", "dns-cutover, asyncio", "answers/s"] / found["asking", "dnspython asyncquery", "answers/s"]
        )
        say("asyncio / asyncquery", ratio, ratio >= 3, "at least 3")
    if (lost := found.get(("losing", "of 5,000", "lost"))) is not None:
        say("answers lost of 5,000", lost, lost == 0, "none, under 5 % of loss each way")
    for subject in ("20,000 names x 1", "500 names x 40"):
        if (mb := found.get(("crowded", subject, "MB"))) is not None:
            say(f"MB for {subject}", mb, mb < 120, "below 120")
    if (late := found.get(("converging", "after the last cache expired", "s"))) is not None:
        say("s until converged is said", late, late <= 1.5, "at most 1.5")
        most = found["converging", "questions to a resolver, at most", "questions"]
        say("questions to a resolver", most, most <= 4, "at most 4")
    return out
