"""The lagging secondary: NOTIFY, transfers with a key, the SOA's timers on the lab's clock, restarts."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import dns.asyncquery
import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest

from dns_cutover.lab.keys import LabKey
from dns_cutover.lab.secondary import Secondary
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion

ZONE = "example.test."
KEY = LabKey("transfer", "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB0aGUgbGFi")
TEXT = "@ 60 IN SOA ns1 host 1 100 10 1000 30\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.53\nwww 60 IN A 192.0.2.1\n"


class SteppedClock:
    """Stands still until told; wakes the sleepers that are due."""

    def __init__(self):
        self.time = 1_000_000.0
        self.sleepers = []
        self.changed = asyncio.Event()

    def now(self):
        return self.time

    async def sleep_until(self, when):
        if when > self.time:
            woken = asyncio.get_running_loop().create_future()
            self.sleepers.append((when, woken))
            self.changed.set()
            await woken

    def step(self, seconds):
        self.time += seconds
        for when, woken in self.sleepers:
            if when <= self.time and not woken.done():
                woken.set_result(None)
        self.sleepers = [(w, f) for w, f in self.sleepers if not f.done()]

    async def until_sleeping_at(self, when):
        while when not in [w for w, f in self.sleepers if not f.done()]:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def pair(key=KEY, lag=2.0):
    clock = SteppedClock()
    version = ZoneVersion.from_text(ZONE, TEXT)
    async with AsyncExitStack() as stack:
        primary = Authoritative("ns1", version, [KEY])
        await primary.start()
        stack.push_async_callback(primary.stop)
        secondary = Secondary("ns2", version, primary.endpoint, key, clock, lag)
        await secondary.start()
        stack.push_async_callback(secondary.stop)
        primary.notify.append(secondary.endpoint)
        yield primary, secondary, clock


def changed(version, address):
    return ZoneVersion.from_text(
        ZONE, TEXT.replace("192.0.2.1\n", f"{address}\n").replace("host 1 ", f"host {version.serial + 1} ")
    )


async def www(server):
    query = dns.message.make_query(f"www.{ZONE}", "A")
    return await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=5)


async def published(server, serial):
    """Wait for the transfer that is under way."""
    done = asyncio.get_running_loop().create_future()
    publish = server.publish

    def noticed(version):
        publish(version)
        if version.serial == serial and not done.done():
            done.set_result(None)

    server.publish = noticed
    if server.zone.serial != serial:
        await asyncio.wait_for(done, 10)


async def test_a_change_is_served_after_the_lag():
    async with pair() as (primary, secondary, clock):
        start = clock.now()
        await clock.until_sleeping_at(start + 100)  # the refresh timer
        primary.publish(changed(primary.zone, "192.0.2.2"))
        await clock.until_sleeping_at(start + 2)  # NOTIFY came
        clock.step(1.9)
        assert (await www(primary)).answer[0][0].address == "192.0.2.2"
        assert (await www(secondary)).answer[0][0].address == "192.0.2.1"
        clock.step(0.1)
        await published(secondary, 2)
        assert (await www(secondary)).answer[0][0].address == "192.0.2.2"
        assert secondary.zone.rrsets == primary.zone.rrsets


async def test_without_notify_the_refresh_timer_finds_it():
    async with pair() as (primary, secondary, clock):
        await clock.until_sleeping_at(clock.now() + 100)
        primary.notify.clear()
        primary.publish(changed(primary.zone, "192.0.2.2"))
        clock.step(100)
        await published(secondary, 2)
        assert secondary.zone.serial == 2


async def test_transfers_that_fail_are_tried_again_and_the_zone_expires():
    async with pair() as (primary, secondary, clock):
        start = clock.now()
        await clock.until_sleeping_at(start + 100)
        secondary.hold = True
        assert await secondary.refresh() is False
        primary.notify.clear()
        primary.publish(changed(primary.zone, "192.0.2.2"))
        clock.step(100)
        await clock.until_sleeping_at(start + 110)  # retry
        assert (await www(secondary)).answer[0][0].address == "192.0.2.1"
        clock.step(900.5)
        got = await www(secondary)
        assert (got.rcode(), got.answer) == (dns.rcode.SERVFAIL, [])
        secondary.hold = False
        assert await secondary.refresh() is True
        assert (await www(secondary)).answer[0][0].address == "192.0.2.2"


@pytest.mark.parametrize("secret", ["d3Jvbmc=", KEY.secret])
async def test_a_primary_that_refuses_or_is_gone_leaves_the_old_version(secret):
    async with pair(LabKey("transfer", secret)) as (primary, secondary, _):
        primary.notify.clear()
        primary.publish(changed(primary.zone, "192.0.2.2"))
        if secret == KEY.secret:
            await primary.stop()
        assert await secondary.refresh() is False
        assert secondary.zone.serial == 1


async def test_a_dead_secondary_catches_up_when_it_is_started_again():
    async with pair() as (primary, secondary, _):
        await secondary.stop()
        primary.notify.clear()
        primary.publish(changed(primary.zone, "192.0.2.2"))
        assert secondary.zone.serial == 1
        await secondary.start()
        await published(secondary, 2)
        assert (await www(secondary)).answer[0][0].address == "192.0.2.2"


async def test_many_changes_within_one_lag_come_in_order():
    async with pair() as (primary, secondary, clock):
        start = clock.now()
        for n in range(2, 5):
            primary.publish(changed(primary.zone, f"192.0.2.{n}"))
        await clock.until_sleeping_at(start + 2)
        clock.step(2)
        await published(secondary, 4)
        assert secondary.zone.rrsets == primary.zone.rrsets
        assert await secondary.refresh() is True  # nothing new
        assert secondary.zone.serial == 4


async def test_a_secondary_takes_no_updates():
    async with pair() as (_, secondary, _):
        update = dns.update.UpdateMessage(ZONE)
        update.add("x", 60, "A", "192.0.2.9")
        got = await dns.asyncquery.tcp(update, "127.0.0.1", port=secondary.port, timeout=5)
        assert got.rcode() == dns.rcode.NOTAUTH
