"""The RFC 2136 provider against BIND, Knot and PowerDNS: each trap that real servers set."""

from __future__ import annotations

import asyncio
import time

import pytest

from dns_cutover.providers.interface import (
    ChangeSet,
    Conflict,
    Fence,
    FenceLost,
    Refused,
    Token,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
from dns_cutover.providers.rfc2136.transport import DnsTransport, TsigKey
from dns_cutover.providers.secret import Secret
from dns_cutover.records import Change, RRset, RRsetKey

from .harness import client
from .harness.primary import Authority
from .harness.zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, WRONG_SECRET, Zone


def provider_of(primary: Authority, zone: Zone, secret: str = KEY_SECRET, address: str = "") -> Rfc2136Provider:
    key = TsigKey(KEY_NAME, KEY_ALGORITHM, Secret(secret, "the test"))
    transport = DnsTransport(zone.origin, address or primary.address, 53, key, timeout=15.0)
    return Rfc2136Provider("z", zone.origin, transport, time.time)


@pytest.fixture
def provider(primary: Authority, zone: Zone) -> Rfc2136Provider:
    return provider_of(primary, zone)


def key(zone: Zone, name: str, rdtype: str) -> RRsetKey:
    return RRsetKey.of("z", name, rdtype, zone.origin)


def token(n: int, op: str = "aa", run: str = "r1") -> Token:
    return Token(run, n, op, 2_000_000_000)


async def write(p: Rfc2136Provider, *changes: Change, fence: Fence | None = None) -> None:
    guards = await p.guards([c.key for c in changes])
    receipt = await p.apply(ChangeSet(changes, guards.soa), fence)
    assert receipt.ignored == ()


async def test_the_lock_is_taken_swapped_burned_and_given_back(provider: Rfc2136Provider) -> None:
    first, second = token(1), token(2, "bb")
    guards = await provider.guards([])
    assert (guards.lock, guards.lock_blocked) == (None, "")
    await provider.apply(ChangeSet((), guards.soa), Fence(None, first))
    assert (await provider.guards([])).lock == first
    with pytest.raises(FenceLost):
        await provider.apply(ChangeSet((), (await provider.guards([])).soa), Fence(None, token(1, "cc", "r2")))
    await provider.apply(ChangeSet(()), Fence(first, second))
    with pytest.raises(FenceLost):
        await provider.apply(ChangeSet(()), Fence(first, token(3)))
    await provider.apply(ChangeSet(()), Fence(second, None))
    assert (await provider.guards([])).lock is None


async def test_an_absence_that_came_back_is_another_absence(provider: Rfc2136Provider) -> None:
    old = await provider.guards([])
    await provider.apply(ChangeSet((), old.soa), Fence(None, token(1)))
    await provider.apply(ChangeSet(()), Fence(token(1), None))
    with pytest.raises(ZoneMoved):
        await provider.apply(ChangeSet((), old.soa), Fence(None, token(1, "dd")))


async def test_replace_ttl_only_create_and_delete(provider: Rfc2136Provider, zone: Zone) -> None:
    www, new = key(zone, "www", "A"), key(zone, "fresh", "TXT")
    before = (await provider.read([www]))[www]
    assert before is not None
    await write(provider, Change(www, before, before.with_ttl(7)))
    assert (await provider.read([www]))[www] == before.with_ttl(7)
    after = RRset(9, ("198.51.100.1", "198.51.100.2"))
    text = RRset(5, ('"a" "b"', '"x"'))
    await write(provider, Change(www, before.with_ttl(7), after), Change(new, None, text))
    assert await provider.read([www, new]) == {www: after, new: text}
    await write(provider, Change(new, text, None))
    assert (await provider.read([new]))[new] is None


async def test_somebody_elses_value_is_a_conflict_and_stays(
    provider: Rfc2136Provider, zone: Zone, primary: Authority
) -> None:
    www, mx = key(zone, "www", "A"), key(zone, "@", "MX")
    found = await provider.read([www, mx])
    before, other = found[www], found[mx]
    assert before is not None
    assert other is not None
    client.write(primary.address, zone.origin, "www", 60, "A", "203.0.113.9")
    with pytest.raises(Conflict) as caught:
        await provider.apply(
            ChangeSet((Change(www, before, RRset(5, ("198.51.100.1",))), Change(mx, other, other.with_ttl(5)))), None
        )
    assert [m.key for m in caught.value.mismatches] == [www]
    assert await provider.read([www, mx]) == {www: RRset(60, ("203.0.113.9",)), mx: other}


async def test_a_zone_that_moved_elsewhere_is_told_from_a_conflict(
    provider: Rfc2136Provider, zone: Zone, primary: Authority
) -> None:
    www = key(zone, "www", "A")
    guards = await provider.guards([www])
    client.write(primary.address, zone.origin, "unrelated", 60, "A", "203.0.113.9")
    with pytest.raises(ZoneMoved):
        await provider.apply(
            ChangeSet((Change(www, guards.rrsets[www], RRset(5, ("198.51.100.1",))),), guards.soa), None
        )


async def test_a_cname_comes_and_goes_in_one_message(provider: Rfc2136Provider, zone: Zone) -> None:
    a, cname = key(zone, "www", "A"), key(zone, "www", "CNAME")
    before = (await provider.read([a]))[a]
    alias = RRset(5, ("edge.elsewhere.test.",))
    await write(provider, Change(a, before, None), Change(cname, None, alias))
    assert await provider.read([a, cname]) == {a: None, cname: alias}
    await write(provider, Change(cname, alias, None), Change(a, None, before))
    assert await provider.read([a, cname]) == {a: before, cname: None}


async def test_a_cname_beside_other_data_is_refused_not_ignored(provider: Rfc2136Provider, zone: Zone) -> None:
    cname, a = key(zone, "www", "CNAME"), key(zone, "alias", "A")
    with pytest.raises(Conflict):
        await provider.apply(ChangeSet((Change(cname, None, RRset(5, ("x.test.",))),)), None)
    with pytest.raises(Conflict):
        await provider.apply(ChangeSet((Change(a, None, RRset(5, ("192.0.2.1",))),)), None)


async def test_the_apex_ns_set_changes_and_its_ttl_alone(provider: Rfc2136Provider, zone: Zone) -> None:
    ns = key(zone, "@", "NS")
    before = (await provider.read([ns]))[ns]
    assert before is not None
    after = RRset(before.ttl, ("ns-a.elsewhere.test.", "ns-b.elsewhere.test."))
    await write(provider, Change(ns, before, after))
    assert (await provider.read([ns]))[ns] == after
    await write(provider, Change(ns, after, after.with_ttl(77)))
    assert (await provider.read([ns]))[ns] == after.with_ttl(77)
    await write(provider, Change(ns, after.with_ttl(77), before))
    assert (await provider.read([ns]))[ns] == before


async def test_a_wrong_secret_and_an_unknown_zone_say_what_to_do(primary: Authority, zone: Zone) -> None:
    with pytest.raises(Refused) as caught:
        await provider_of(primary, zone, WRONG_SECRET).guards([])
    assert WRONG_SECRET not in str(caught.value.what) + str(caught.value.why) + str(caught.value.facts)
    assert caught.value.hints
    with pytest.raises(Refused):
        await provider_of(primary, Zone("nowhere.test.", "")).guards([])


async def test_nobody_there_is_unreachable_and_was_not_applied(primary: Authority, zone: Zone) -> None:
    with pytest.raises(Unreachable) as caught:
        await provider_of(primary, zone, address="127.0.0.1").apply(
            ChangeSet((), ". . 1 1 1 1 1"), Fence(None, token(1))
        )
    assert caught.value.maybe_applied is False


async def test_of_racing_writers_one_wins_each_round(provider: Rfc2136Provider, zone: Zone) -> None:
    www = key(zone, "www", "A")
    for n in range(8):
        guards = await provider.guards([www])
        wanted = [RRset(30, (f"198.51.100.{10 * n + m}",)) for m in range(4)]
        changes = [ChangeSet((Change(www, guards.rrsets[www], w),), guards.soa) for w in wanted]
        results = await asyncio.gather(*(provider.apply(c, None) for c in changes), return_exceptions=True)
        winners = [w for w, r in zip(wanted, results, strict=True) if not isinstance(r, Exception)]
        assert len(winners) == 1
        assert (await provider.read([www]))[www] == winners[0]
        assert all(isinstance(r, Conflict | ZoneMoved) for r in results if isinstance(r, Exception))


async def test_the_history_tells_the_highest_ttl_since_or_that_it_cannot(provider: Rfc2136Provider, zone: Zone) -> None:
    www = key(zone, "www", "A")
    guards = await provider.guards([www])
    before = guards.rrsets[www]
    assert before is not None
    await write(provider, Change(www, before, before.with_ttl(900)))
    await write(provider, Change(www, before.with_ttl(900), before.with_ttl(5)))
    told = await provider.history(guards.serial, [www])
    assert told is None or told == {www: 900}
