"""The servers of the harness: what the other tests lean on must be true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.tsig
import dns.tsigkeyring
import pytest

from .harness import client, network
from .harness.bind import Bind
from .harness.caches import Cache, CacheLimits
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.network import HarnessError
from .harness.powerdns import PowerDns
from .harness.primary import Authority
from .harness.zones import KEY_ALGORITHM, KEY_NAME, WRONG_SECRET, Timers, Zone, make_zone

CACHES = ["unbound", "recursor"]


@pytest.fixture
def second_lab(block: network.Block) -> Iterator[Path]:
    """Directory for a lab beside the session's, which has the block 100 further on."""
    network.require()
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:
        yield Path(directory)


def test_signed_update_reaches_a_primary(primary: Authority, zone: Zone) -> None:
    before = client.serial(primary.address, zone.origin)
    client.write(primary.address, zone.origin, "www", 5, "A", "192.0.2.99")
    answer = client.ask(primary.address, f"www.{zone.origin}", "A")
    after = client.serial(primary.address, zone.origin)
    assert (answer.values, answer.ttl, answer.authoritative) == (("192.0.2.99",), 5, True)
    assert before is not None
    assert after is not None
    assert after > before


def test_primary_serves_the_default_records_as_written(primary: Authority, zone: Zone) -> None:
    assert client.contents(client.transfer(primary.address, zone.origin)) == client.contents(zone.parsed())


def test_reset_undoes_whatever_was_written(primary: Authority, zone: Zone) -> None:
    client.write(primary.address, zone.origin, "new", 5, "A", "192.0.2.99")
    client.write(primary.address, zone.origin, "www", 5, "A", "192.0.2.10")
    client.erase(primary.address, zone.origin, "@", "MX")
    client.reset(primary.address, zone)
    assert client.contents(client.transfer(primary.address, zone.origin)) == client.contents(zone.parsed())


def test_primary_refuses_a_wrong_secret(primary: Authority, zone: Zone) -> None:
    keyring = dns.tsigkeyring.from_text({KEY_NAME: (KEY_ALGORITHM, WRONG_SECRET)})
    with pytest.raises((dns.tsig.PeerBadSignature, dns.exception.FormError)):
        client.update(primary.address, zone.origin, lambda m: m.delete("www", "A"), keyring=keyring)
    assert client.ask(primary.address, f"www.{zone.origin}", "A").values


def test_primary_keeps_updates_when_killed_and_started_again(primary: Authority, zone: Zone) -> None:
    client.write(primary.address, zone.origin, "www", 5, "A", "192.0.2.99")
    primary.kill()
    primary.start()
    client.wait_until(lambda: client.serial(primary.address, zone.origin) is not None, "the zone is served again")
    assert client.ask(primary.address, f"www.{zone.origin}", "A").values == ("192.0.2.99",)


def test_frozen_zone_refuses_updates_until_thawed(bind: Bind, hierarchy: Hierarchy) -> None:
    origin = hierarchy.fresh_zone(bind).origin
    bind.freeze(origin)
    assert client.update(bind.address, origin, lambda m: m.delete("www", "A")) == "REFUSED"
    bind.thaw(origin)
    assert client.update(bind.address, origin, lambda m: m.delete("www", "A")) == "NOERROR"


def test_policy_of_one_zone_can_forbid_a_name(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."])
    bind.policies[zone.origin] = f"grant {KEY_NAME} name www.{zone.origin} A;"
    bind.add_zone(zone)
    address = bind.address
    assert client.update(address, zone.origin, lambda m: m.replace("www", 5, "A", "192.0.2.99")) == "NOERROR"
    assert client.update(address, zone.origin, lambda m: m.add("new", 5, "A", "192.0.2.99")) == "REFUSED"


def test_update_reaches_the_secondary(world: Hierarchy, published: Zone) -> None:
    # The first may still come with the whole zone: NSD asks twice for a zone that is new to it.
    for value in ("192.0.2.98", "192.0.2.99"):
        client.write(world.bind.address, published.origin, "www", 5, "A", value)
        world.settle(published.origin)
    answer = client.ask(world.nsd.address, f"www.{published.origin}", "A")
    assert (answer.values, answer.ttl, answer.authoritative) == (("192.0.2.99",), 5, True)
    assert "IXFR" in {asked.rdtype for asked in world.bind.questions() if asked.name == published.origin}


def test_stopped_secondary_catches_up_when_started(world: Hierarchy, published: Zone) -> None:
    world.nsd.stop()
    client.write(world.bind.address, published.origin, "www", 5, "A", "192.0.2.99")
    with pytest.raises(HarnessError, match="one serial"):
        world.settle(published.origin, patience=0.1)
    world.nsd.start()
    world.settle(published.origin)
    assert client.ask(world.nsd.address, f"www.{published.origin}", "A").values == ("192.0.2.99",)


def test_secondary_with_quick_timers_notices_by_itself(world: Hierarchy) -> None:
    zone = world.publish(timers=Timers.quick())

    def refreshes() -> int:
        return sum(one.name == zone.origin and one.rdtype in {"SOA", "IXFR"} for one in world.bind.questions())

    before = refreshes()
    client.wait_until(lambda: refreshes() > before, "the secondary refreshes without NOTIFY")


@pytest.mark.parametrize("which", CACHES)
def test_cache_resolves_from_the_root_and_counts_down(which: str, world: Hierarchy, published: Zone) -> None:
    cache: Cache = getattr(world, which)
    name = f"www.{published.origin}"
    first = client.ask(cache.address, name, "A")
    assert (first.values, first.ttl, first.authoritative) == (("192.0.2.10",), 60, False)
    client.wait_until(lambda: (client.ask(cache.address, name, "A").ttl or 60) < 60, "the TTL counts down")
    assert name in {asked.name for asked in cache.questions()}


@pytest.mark.parametrize("which", CACHES)
def test_cache_keeps_the_old_answer_until_flushed(which: str, world: Hierarchy, published: Zone) -> None:
    cache: Cache = getattr(world, which)
    name = f"www.{published.origin}"
    client.ask(cache.address, name, "A")
    client.write(world.bind.address, published.origin, "www", 60, "A", "192.0.2.99")
    world.settle(published.origin)
    assert client.ask(cache.address, name, "A").values == ("192.0.2.10",)
    cache.flush(published.origin)
    assert client.ask(cache.address, name, "A").values == ("192.0.2.99",)


@pytest.mark.parametrize("which", ["extra_unbound", "extra_recursor"])
def test_cache_limits_are_honoured(which: str, world: Hierarchy, published: Zone) -> None:
    cache: Cache = getattr(world, which)(CacheLimits(min_ttl=70, max_ttl=90))
    assert (client.ask(cache.address, f"www.{published.origin}", "A").ttl or 0) == 70
    assert (client.ask(cache.address, f"api.{published.origin}", "A").ttl or 0) == 90


def test_caches_find_zones_on_every_primary(world: Hierarchy, knot: Knot, powerdns: PowerDns) -> None:
    for resolver in world.resolvers:
        for origin in ("example.test.", knot.zones[0].origin, powerdns.zones[0].origin):
            assert client.ask(resolver, f"www.{origin}", "A").values == ("192.0.2.10",)


def test_suspended_server_is_silent_and_answers_again_when_woken(world: Hierarchy) -> None:
    for daemon, name in ((world.nsd, "example.test."), (world.bind, "example.test.")):
        daemon.suspend()
        with pytest.raises(dns.exception.Timeout):
            client.ask(daemon.address, name, "SOA", timeout=0.1)
        daemon.wake()
        daemon.wait_until_answering()
        # A secondary that an earlier test had ended may still be fetching this zone.
        client.wait_until(lambda d=daemon, n=name: bool(client.ask(d.address, n, "SOA").values), f"{name} is served")


def test_daemon_that_cannot_start_shows_its_log(hierarchy: Hierarchy, second_lab: Path) -> None:
    bind = Bind(
        second_lab / "bind", hierarchy.spare_address(), [Zone("broken.test.", "this is no zone")], policy="nonsense"
    )
    with pytest.raises(HarnessError, match=r"named at .* ended at once") as caught:
        bind.start()
    assert "nonsense" in str(caught.value)
    assert not bind.running


def test_missing_program_is_an_error_that_names_the_packages() -> None:
    with pytest.raises(HarnessError, match=r"apt-get install .*bind9.*unbound"):
        network.find("no-such-daemon")


def test_without_a_network_of_its_own_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(network.MARK)
    with pytest.raises(HarnessError, match="No private network"):
        network.require()


def test_plain_pytest_with_workers_makes_its_network_and_report(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", network.MARK))}
    report = tmp_path / "report.xml"
    node = f"{Path(__file__).name}::test_signed_update_reaches_a_primary"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", f"--junitxml={report}", "-p", "no:cacheprovider", node],
        cwd=Path(__file__).parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert 'tests="3"' in report.read_text()


def test_everything_ends_with_the_lab(block: network.Block, second_lab: Path) -> None:
    with Hierarchy(second_lab, network.Block(block.number + 100)) as second:
        second.ensure_world()
        second.ensure(second.knot, second.powerdns)
        second.extra_unbound(CacheLimits())
        assert len(_processes_under(second_lab)) >= 9
        second.nsd.suspend()
    assert _processes_under(second_lab) == {}


def test_everything_ends_when_the_test_process_is_killed(block: network.Block, second_lab: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.servers.harness.hierarchy import Hierarchy\nfrom tests.servers.harness.network import Block\n"
        "lab = Hierarchy(Path(sys.argv[1]), Block(int(sys.argv[2])))\nlab.ensure_world()\n"
        "print('up', flush=True)\nsys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", program, str(second_lab), str(block.number + 100)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(arguments, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert len(_processes_under(second_lab)) >= 7
        os.kill(process.pid, signal.SIGKILL)
    client.wait_until(lambda: not _processes_under(second_lab), "the daemons have ended")


def _processes_under(directory: Path) -> dict[int, str]:
    """Living processes whose working directory is at or below `directory`, with their command lines."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            where = (entry / "cwd").readlink()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
        if where.is_relative_to(directory):
            found[int(entry.name)] = command
    return found
