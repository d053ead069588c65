"""Fixtures: servers that live as long as the session, zones that live as long as a test."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from .harness import network
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.powerdns import PowerDns
from .harness.primary import Authority
from .harness.update_proxy import UpdateProxy
from .harness.zones import Zone

LOG_TAIL = 4000  # characters of each server's log that a failed test shows


@pytest.fixture(scope="session")
def block(worker_id: str) -> network.Block:
    """This worker's loopback addresses."""
    network.require()
    return network.block_of_worker(worker_id)


@pytest.fixture(scope="session")
def lab(block: network.Block) -> Iterator[Hierarchy]:
    """All servers, none started yet. Tests use `hierarchy`, `world` or `primary`, which repair what they did."""
    # Not pytest's own directory: names of UNIX sockets must be short.
    with tempfile.TemporaryDirectory(prefix="lab-") as directory, Hierarchy(Path(directory), block) as lab:
        yield lab


@pytest.fixture
def hierarchy(lab: Hierarchy) -> Iterator[Hierarchy]:
    """The lab, with nothing started on its behalf; whatever the test does to its servers is repaired afterwards."""
    lab.mark_logs()
    yield lab
    lab.heal()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers logged during a test that failed."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("hierarchy")
    if report.failed and isinstance(lab, Hierarchy):
        report.sections += [
            (f"Log of {name}", text[-LOG_TAIL:]) for name, text in lab.logs_since_mark().items() if text
        ]
    return report


@pytest.fixture
def bind(hierarchy: Hierarchy) -> Bind:
    """BIND, primary for example.test."""
    hierarchy.ensure(hierarchy.bind)
    return hierarchy.bind


@pytest.fixture
def knot(hierarchy: Hierarchy) -> Knot:
    """Knot, primary for knot.test."""
    hierarchy.ensure(hierarchy.knot)
    return hierarchy.knot


@pytest.fixture
def powerdns(hierarchy: Hierarchy) -> PowerDns:
    """PowerDNS, primary for pdns.test."""
    hierarchy.ensure(hierarchy.powerdns)
    return hierarchy.powerdns


@pytest.fixture
def world(hierarchy: Hierarchy) -> Hierarchy:
    """The lab with root, registry, BIND, NSD and both caches running."""
    hierarchy.ensure_world()
    return hierarchy


@pytest.fixture
def published(world: Hierarchy) -> Zone:
    """A zone of the test's own on BIND and NSD, resolvable through the caches, with the default records."""
    return world.publish()


@pytest.fixture(params=["bind", "knot", "powerdns"])
def primary(request: pytest.FixtureRequest, hierarchy: Hierarchy) -> Authority:
    """Each of the three primaries in turn."""
    found: Authority = getattr(hierarchy, request.param)
    hierarchy.ensure(found)
    return found


@pytest.fixture
def zone(hierarchy: Hierarchy, primary: Authority) -> Zone:
    """A zone of the test's own on `primary` alone, with the default records."""
    return hierarchy.fresh_zone(primary)


@pytest.fixture
def update_proxy(hierarchy: Hierarchy) -> Iterator[UpdateProxy]:
    """A proxy in front of BIND, passing everything until told otherwise."""
    hierarchy.ensure(hierarchy.bind)
    with UpdateProxy(hierarchy.spare_address(), hierarchy.bind.address) as proxy:
        yield proxy
