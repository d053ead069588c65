"""The instruments of the harness: watchers and the proxy must show what happens, and must be able to fail."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import dns.exception
import pytest

from .harness import client
from .harness.hierarchy import Hierarchy
from .harness.network import HarnessError
from .harness.update_proxy import Passage, Stage, Treatment, UpdateProxy, touches
from .harness.watchers import GapWatcher, OldAnswerWatcher, Watched, Watcher
from .harness.zones import Zone

OLD, NEW = "192.0.2.10", "192.0.2.99"


def www(zone: Zone) -> Watched:
    return Watched(f"www.{zone.origin}", "A")


def address_at(server: str, zone: Zone) -> tuple[str, ...]:
    return client.ask(server, www(zone).name, "A").values


def seen(watcher: Watcher, value: str, question: Watched) -> None:
    """Wait until every server gave `value`."""
    for server in watcher.servers:
        client.wait_until(lambda: watcher.last_seen(value, question, server) is not None, f"{server} gives {value}")  # noqa: B023 - called at once


# Watchers


def test_gap_watcher_sees_a_replacement_without_a_gap(world: Hierarchy, published: Zone) -> None:
    question = www(published)
    apex = Watched(published.origin, "TXT")
    with GapWatcher(world.authoritative, [question, apex], rate=200) as watcher:
        seen(watcher, OLD, question)
        client.write(world.bind.address, published.origin, "www", 60, "A", NEW)
        seen(watcher, NEW, question)
    watcher.assert_no_gap(least=2)
    watcher.assert_only(question, [frozenset({OLD}), frozenset({NEW})])
    assert watcher.values_seen(question, world.bind.address) == [frozenset({OLD}), frozenset({NEW})]
    assert {span.ttls for span in watcher.spans(question=question)} == {(60, 60)}


def test_gap_watcher_sees_a_gap_made_on_purpose(world: Hierarchy, published: Zone) -> None:
    question = www(published)
    with GapWatcher(world.authoritative, [question], rate=200) as watcher:
        seen(watcher, OLD, question)
        client.erase(world.bind.address, published.origin, "www", "A")
        client.wait_until(lambda: len(watcher.gaps()) == 2, "both servers show the gap")
        client.write(world.bind.address, published.origin, "www", 60, "A", NEW)
        seen(watcher, NEW, question)
    assert {(gap.server, gap.seen.rcode) for gap in watcher.gaps()} == {
        (one, "NXDOMAIN") for one in world.authoritative
    }
    with pytest.raises(AssertionError, match="there were gaps"):
        watcher.assert_no_gap()
    with pytest.raises(AssertionError, match="nobody planned"):
        watcher.assert_only(question, [frozenset({OLD}), frozenset({NEW})])


def test_gap_watcher_that_was_not_answered_proves_nothing(world: Hierarchy, published: Zone) -> None:
    world.nsd.suspend()
    with GapWatcher(world.authoritative, [www(published)], rate=50) as watcher:
        client.wait_until(
            lambda: watcher.unanswered[world.nsd.address] > 0, "the secondary leaves questions unanswered"
        )
    assert watcher.count(world.bind.address) > 0
    with pytest.raises(AssertionError, match=f"{world.nsd.address} answered .* 0 times"):
        watcher.assert_no_gap()


def test_gap_watcher_outlives_a_server_that_is_away(world: Hierarchy, published: Zone) -> None:
    question = www(published)
    with GapWatcher(world.authoritative, [question], rate=100) as watcher:
        seen(watcher, OLD, question)
        world.bind.kill()
        client.wait_until(lambda: watcher.unanswered[world.bind.address] > 0, "the primary is away")
        world.bind.start()
        client.write(world.bind.address, published.origin, "www", 60, "A", NEW)
        seen(watcher, NEW, question)
    watcher.assert_no_gap()


def test_old_answer_watcher_measures_the_tail_of_both_caches(world: Hierarchy) -> None:
    zone = world.publish("www 1 A 192.0.2.10\n")
    question = www(zone)
    with OldAnswerWatcher(world.resolvers, [question], rate=50) as watcher:
        seen(watcher, OLD, question)
        changed = time.time()
        client.write(world.bind.address, zone.origin, "www", 1, "A", NEW)
        world.settle(zone.origin)
        seen(watcher, NEW, question)
        client.wait_until(lambda: time.time() > changed + 2.6, "the predicted moment has passed")
    tails = watcher.tails(OLD, question, changed)
    assert set(tails) == set(world.resolvers)
    watcher.assert_not_after(OLD, question, changed + 2.5)
    with pytest.raises(AssertionError, match="too late"):
        watcher.assert_not_after(OLD, question, changed - 1.0)
    with pytest.raises(AssertionError, match="not watched past the moment"):
        watcher.assert_not_after(OLD, question, changed + 60.0)


# The proxy


def test_proxy_passes_questions_transfers_and_updates(update_proxy: UpdateProxy, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(hierarchy.bind)
    assert address_at(update_proxy.address, zone) == (OLD,)
    client.write(update_proxy.address, zone.origin, "www", 60, "A", NEW)
    assert client.ask(update_proxy.address, www(zone).name, "A", tcp=True).values == (NEW,)
    assert client.contents(client.transfer(update_proxy.address, zone.origin)) == client.contents(
        client.transfer(hierarchy.bind.address, zone.origin)
    )
    passage = update_proxy.wait_for(Stage.ANSWERED)
    assert list(passage.reached) == [Stage.ARRIVED, Stage.FORWARDED, Stage.ANSWERED]
    assert touches(www(zone).name, "A")(passage.message)


@pytest.mark.parametrize(
    ("treatment", "error", "arrives"),
    [
        (Treatment.DROP_REPLY, dns.exception.Timeout, True),
        (Treatment.BLACK_HOLE, dns.exception.Timeout, False),
        (Treatment.CLOSE, (ConnectionError, EOFError), False),
    ],
)
def test_proxy_loses_a_message_or_its_reply(
    treatment: Treatment,
    error: type[Exception] | tuple[type[Exception], ...],
    arrives: bool,
    update_proxy: UpdateProxy,
    hierarchy: Hierarchy,
) -> None:
    zone = hierarchy.fresh_zone(hierarchy.bind)
    update_proxy.treat(treatment, touches(www(zone).name, "A"), times=1)
    client.write(update_proxy.address, zone.origin, "other", 60, "A", NEW)
    with pytest.raises(error):
        client.update(update_proxy.address, zone.origin, lambda m: m.replace("www", 60, "A", NEW), patience=0.3)
    if arrives:
        update_proxy.wait_for(Stage.ANSWERED, 2)
    assert address_at(hierarchy.bind.address, zone) == ((NEW,) if arrives else (OLD,))
    client.write(update_proxy.address, zone.origin, "www", 60, "A", "192.0.2.98")
    assert address_at(hierarchy.bind.address, zone) == ("192.0.2.98",)


def test_proxy_holds_a_message_beyond_the_life_of_its_sender(update_proxy: UpdateProxy, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(hierarchy.bind)
    update_proxy.treat(Treatment.HOLD)
    for _ in range(2):
        with pytest.raises(dns.exception.Timeout):
            client.update(update_proxy.address, zone.origin, lambda m: m.replace("www", 60, "A", NEW), patience=0.2)
    assert address_at(hierarchy.bind.address, zone) == (OLD,)
    update_proxy.release()
    update_proxy.wait_for(Stage.ANSWERED, 2)
    assert address_at(hierarchy.bind.address, zone) == (NEW,)


def test_proxy_can_throw_a_held_message_away(update_proxy: UpdateProxy, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(hierarchy.bind)
    update_proxy.treat(Treatment.HOLD, times=1)
    with pytest.raises(dns.exception.Timeout):
        client.update(update_proxy.address, zone.origin, lambda m: m.replace("www", 60, "A", NEW), patience=0.2)
    update_proxy.discard()
    client.write(update_proxy.address, zone.origin, "other", 60, "A", NEW)
    assert address_at(hierarchy.bind.address, zone) == (OLD,)
    with pytest.raises(HarnessError, match="1 of 2 updates answered"):
        update_proxy.wait_for(Stage.ANSWERED, 2, patience=0.05)


@pytest.mark.parametrize("stage", [Stage.ARRIVED, Stage.ANSWERED])
def test_proxy_ends_the_sender_at_an_exact_moment(
    stage: Stage, update_proxy: UpdateProxy, hierarchy: Hierarchy
) -> None:
    zone = hierarchy.fresh_zone(hierarchy.bind)
    program = (
        "import sys\nfrom tests.servers.harness import client\nsys.stdin.readline()\n"
        f"client.write({update_proxy.address!r}, {zone.origin!r}, 'www', 60, 'A', {NEW!r})\n"
        "print('survived', flush=True)\n"
    )
    arguments = [sys.executable, "-c", program]
    update_proxy.treat(Treatment.BLACK_HOLE if stage is Stage.ARRIVED else Treatment.PASS)
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as sender:

        def end(_: Passage) -> None:
            sender.kill()
            sender.wait()

        update_proxy.hooks[stage] = end
        said, _ = sender.communicate("go\n")
    assert said == ""
    assert sender.returncode == -9
    assert address_at(hierarchy.bind.address, zone) == ((OLD,) if stage is Stage.ARRIVED else (NEW,))
