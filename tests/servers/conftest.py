"""Fixtures: servers that live as long as the session, zones that live as long as a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import network
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.powerdns import PowerDns
from .harness.zones import Zone


@pytest.fixture(scope="session")
def block(worker_id: str) -> network.Block:
    """This worker's loopback addresses."""
    network.require()
    return network.block_of_worker(worker_id)


@pytest.fixture(scope="session")
def lab(block: network.Block, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hierarchy]:
    """All servers, none started yet. Tests that hurt one take `hierarchy` or a server's own fixture."""
    lab = Hierarchy(tmp_path_factory.mktemp("lab"), block)
    yield lab
    lab.stop()


@pytest.fixture
def hierarchy(lab: Hierarchy) -> Iterator[Hierarchy]:
    """The lab; whatever the test did to its servers is repaired afterwards."""
    yield lab
    lab.heal()


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


@pytest.fixture(params=["bind", "knot", "powerdns"])
def primary(request: pytest.FixtureRequest, hierarchy: Hierarchy) -> Bind | Knot | PowerDns:
    """Each of the three primaries in turn."""
    found: Bind | Knot | PowerDns = getattr(hierarchy, request.param)
    hierarchy.ensure(found)
    return found


@pytest.fixture
def zone(hierarchy: Hierarchy, primary: Bind | Knot | PowerDns) -> Zone:
    """A zone of the test's own on `primary`, with the default records."""
    return hierarchy.fresh_zone(primary)
