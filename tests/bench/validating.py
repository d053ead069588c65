"""How long `validate` takes for large plans and for many, beside octoDNS where it does the same."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import Comparison, Series, in_turn

from plans import CHANGES, big_plan, big_zone, octodns_zone, ordinary_plan

ROOT = Path(__file__).parents[2]
OURS = str(ROOT / ".venv/bin/dns-cutover")
OCTODNS = str(ROOT / ".venv-bench/bin/octodns-sync")
# A child tells what it took: seconds and memory of this process say nothing about another one.
_WEIGHED = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL, check=True); "
_WEIGHED += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def large(rounds: int) -> Comparison:
    """A plan of 10,000 changes, offline. The second subject is what is allowed; beside it, octoDNS reads as many."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "plan.yaml").write_text(big_plan())
        commands = {
            "dns-cutover validate --offline": [OURS, "validate", "--offline", str(folder / "plan.yaml")],
            "octodns-sync, YAML to YAML": [OCTODNS, "--quiet", "--config-file", str(_octodns(folder, None))],
        }
        times = in_turn(commands, rounds)
        weights = tuple(Series(f"{s}, memory", "MiB", _weights(command)) for s, command in commands.items())
    allowed = Series("allowed", "ms", (2000.0, 2000.0))
    question = f"a plan of {CHANGES} changes, offline (at most 2 s and 200 MB)"
    return Comparison("large", question, (times[0], allowed, times[1], *weights))


def _weights(command: Sequence[str]) -> tuple[float, ...]:
    runs = (
        subprocess.run([sys.executable, "-c", _WEIGHED, *command], capture_output=True, text=True) for _ in range(2)
    )
    return tuple(int(run.stdout.split()[-1]) / 1024 for run in runs)


def live(rounds: int) -> Comparison:
    """A plan that changes all 10,000 records of a zone, against octoDNS planning the same from the same server."""
    with _server() as world:
        folder, address, asked = world.folder, world.server, world.asked
        (folder / "plan.yaml").write_text(big_plan(address))
        octodns = [OCTODNS, "--quiet", "--force", "--config-file"]
        commands = {
            "dns-cutover validate": [OURS, "validate", "--bootstrap", world.resolver, str(folder / "plan.yaml")],
            "octodns-sync, 10,000 updates": [*octodns, str(_octodns(folder, address))],
            "octodns-sync, AXFR into nothing": [*octodns, str(_octodns_read(folder, address))],
        }
        before = asked()
        subprocess.run(commands["dns-cutover validate"], check=True, capture_output=True)
        questions = asked() - before
        times = in_turn(commands, rounds, cpu=True)
    count = Series("questions that dns-cutover asked", "questions", (float(questions), float(questions)))
    return Comparison("live", f"validate a change of all {CHANGES} records of a zone on BIND", (*times, count))


def some(rounds: int) -> Comparison:
    """An ordinary plan for a large zone: twenty of its 10,000 records change. octoDNS compares the whole zone."""
    with _server() as world:
        folder, address = world.folder, world.server
        (folder / "plan.yaml").write_text(big_plan(address, 20))
        commands = {
            "dns-cutover validate": [OURS, "validate", "--bootstrap", world.resolver, str(folder / "plan.yaml")],
            "octodns-sync": [OCTODNS, "--quiet", "--force", "--config-file", str(_octodns(folder, address))],
        }
        times = in_turn(commands, rounds, cpu=True)
    return Comparison("some", f"validate a change of 20 of the {CHANGES} records of a zone on BIND", times)


def many(rounds: int) -> Comparison:
    """Twenty ordinary plans in one call, against one of them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        files = [Path(name) / f"{n}.yaml" for n in range(20)]
        for n, file in enumerate(files):
            file.write_text(ordinary_plan(n))
        one = [OURS, "validate", "--offline"]
        times = in_turn({"twenty plans": [*one, *map(str, files)], "one plan": [*one, str(files[0])]}, rounds)
    return Comparison("many", "twenty ordinary plans in one call (at most three times one plan)", times)


@contextmanager
def _server() -> Iterator[World]:
    """BIND with the zone, which it gives to everybody, on port 53 of a network of our own; how often it was asked."""
    sys.path.insert(0, str(ROOT))
    from tests.servers.harness import network
    from tests.servers.harness.bind import Bind
    from tests.servers.harness.hierarchy import Hierarchy
    from tests.servers.harness.zones import make_zone

    network.enter()
    network.require()
    # Root, registry and a cache as on the internet: `validate` looks for the hosts that records point to.
    block = network.block_of_worker("master")
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Hierarchy(Path(name), block) as lab:
        zone = make_zone("example.test.", ["ns1.nic.test."], big_zone())
        server = Bind(Path(name) / "big", lab.spare_address(), [zone], open_transfers=True)
        lab.ensure(lab.root, lab.registry, lab.unbound)
        server.start()
        try:
            yield World(Path(name), server.address, lab.unbound.address, lambda: server.log_text().count(" query: "))
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class World:
    """A folder, the server with the zone, a recursive resolver, and how many questions the server was asked."""

    folder: Path
    server: str
    resolver: str
    asked: Callable[[], int]


def _octodns(folder: Path, server: str | None) -> Path:
    """octoDNS's configuration: the records wanted from YAML, the present ones from the server, or from no file."""
    target = f"{{class: octodns_bind.Rfc2136Provider, host: {server}}}" if server else _yaml(folder / "empty")
    return _write(folder, "wanted", {"from": _yaml(folder / "wanted"), "to": target})


def _octodns_read(folder: Path, server: str) -> Path:
    """The other way round: the present ones from the server, nothing wanted before."""
    source = f"{{class: octodns_bind.AxfrSource, host: {server}}}"
    return _write(folder, "read", {"from": source, "to": _yaml(folder / "empty")})


def _yaml(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    if folder.name == "wanted":
        (folder / "example.test.yaml").write_text(octodns_zone())
    return f"{{class: octodns.provider.yaml.YamlProvider, directory: {folder}, default_ttl: 300, enforce_order: false}}"


def _write(folder: Path, name: str, providers: Mapping[str, str]) -> Path:
    lines = ["providers:\n", *(f"  {key}: {value}\n" for key, value in providers.items())]
    lines.append("zones:\n  example.test.: {sources: [from], targets: [to]}\n")
    path = folder / f"{name}.yaml"
    path.write_text("".join(lines))
    return path
