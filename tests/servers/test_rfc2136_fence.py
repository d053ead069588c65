"""The lock on real servers: races, lost replies, and messages that arrive when nobody expects them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from dns_cutover.providers.interface import ChangeSet, Fence, FenceLost, Receipt, Token, Unreachable, ZoneMoved
from dns_cutover.records import Change

from .harness.hierarchy import Hierarchy
from .harness.primary import Authority
from .harness.update_proxy import Passage, Stage, Treatment, UpdateProxy
from .harness.zones import KEYRING, Zone
from .test_rfc2136_writing import Holder, key, provider_at, rrset, token

ROUNDS = 20
WRITERS = 4


async def test_of_four_that_race_for_the_lock_one_wins_every_round(primary: Authority, zone: Zone) -> None:
    providers = [provider_at(primary.address, zone) for _ in range(WRITERS)]
    for _ in range(ROUNDS):
        guards = await providers[0].guards([])
        assert guards.lock is None
        tokens = [token(f"run{n}") for n in range(WRITERS)]
        results = await asyncio.gather(
            *(p.apply(ChangeSet((), guards.soa), Fence(None, t)) for p, t in zip(providers, tokens, strict=True)),
            return_exceptions=True,
        )
        winner = _only_winner(results)
        assert (await providers[winner].guards([])).lock == tokens[winner]
        await providers[winner].apply(ChangeSet(()), Fence(tokens[winner], None))


async def test_of_four_that_write_with_the_same_token_one_wins_every_round(primary: Authority, zone: Zone) -> None:
    www = key(zone, "www", "A")
    providers = [provider_at(primary.address, zone) for _ in range(WRITERS)]
    holder = Holder(providers[0])
    await holder.take()
    held, before = holder.held, rrset(zone, "A", 60, "192.0.2.10")
    for round_ in range(ROUNDS):
        tokens = [token(f"run{n}", round_ + 2) for n in range(WRITERS)]
        afters = [rrset(zone, "A", 60, f"198.51.{round_}.{n}") for n in range(WRITERS)]
        results = await asyncio.gather(
            *(
                p.apply(ChangeSet((Change(www, before, after),)), Fence(held, t))
                for p, t, after in zip(providers, tokens, afters, strict=True)
            ),
            return_exceptions=True,
        )
        winner = _only_winner(results)
        held, before = tokens[winner], afters[winner]
        guards = await providers[winner].guards([www])
        assert (guards.lock, guards.rrsets[www]) == (held, before)


def _only_winner(results: list[Receipt | BaseException]) -> int:
    winners = [n for n, r in enumerate(results) if isinstance(r, Receipt)]
    losers = [r for r in results if not isinstance(r, Receipt)]
    assert len(winners) == 1, results
    assert all(isinstance(r, FenceLost | ZoneMoved) for r in losers), results
    return winners[0]


@pytest.fixture
def proxy(hierarchy: Hierarchy, primary: Authority) -> Iterator[UpdateProxy]:
    """In front of each of the three primaries in turn."""
    with UpdateProxy(hierarchy.spare_address(), primary.address) as proxy:
        yield proxy


def answered(passage: Passage) -> str:
    assert passage.reply is not None
    reply = dns.message.from_wire(passage.reply, keyring=KEYRING, request_mac=passage.message.mac)
    return dns.rcode.to_text(reply.rcode())


async def hold_one(holder: Holder, proxy: UpdateProxy, change: Change) -> Token:
    """Send a change that the proxy keeps, until the sender gives up. The token that it would have left."""
    proxy.treat(Treatment.HOLD, times=1)
    late, impatient = token(n=2), provider_at(proxy.address, holder.provider.zone, timeout=0.3)
    with pytest.raises(Unreachable) as caught:
        await impatient.apply(ChangeSet((change,)), Fence(holder.held, late))
    assert caught.value.maybe_applied
    return late


async def deliver(proxy: UpdateProxy) -> str:
    proxy.release()
    return answered(await asyncio.to_thread(proxy.wait_for, Stage.ANSWERED))


async def test_a_late_message_is_applied_unless_the_token_was_burned(
    proxy: UpdateProxy, primary: Authority, zone: Zone
) -> None:
    """Why burning is needed: the values match, the lock matches, and the message is written after all."""
    www, holder = key(zone, "www", "A"), Holder(provider_at(primary.address, zone))
    await holder.take()
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.66"))
    late = await hold_one(holder, proxy, change)
    assert await deliver(proxy) == "NOERROR"
    guards = await holder.provider.guards([www])
    assert (guards.lock, guards.rrsets[www]) == (late, change.after)


async def test_a_late_message_is_impossible_after_the_token_was_burned(
    proxy: UpdateProxy, primary: Authority, zone: Zone
) -> None:
    www, holder = key(zone, "www", "A"), Holder(provider_at(primary.address, zone))
    await holder.take()
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.66"))
    await hold_one(holder, proxy, change)
    burned = token(n=3)
    await holder.provider.apply(ChangeSet(()), Fence(holder.held, burned))
    assert await deliver(proxy) == "NXRRSET"
    guards = await holder.provider.guards([www])
    assert (guards.lock, guards.rrsets[www]) == (burned, change.before)


async def test_a_late_taking_of_the_lock_is_impossible_once_the_zone_moved(
    proxy: UpdateProxy, primary: Authority, zone: Zone
) -> None:
    """The lock was taken and given back in between: "name not in use" is true again, the SOA is another."""
    holder = Holder(provider_at(primary.address, zone))
    guards = await holder.provider.guards([])
    proxy.treat(Treatment.HOLD, times=1)
    with pytest.raises(Unreachable):
        await provider_at(proxy.address, zone, timeout=0.3).apply(ChangeSet((), guards.soa), Fence(None, token()))
    await holder.take()
    await holder.release()
    assert await deliver(proxy) == "NXRRSET"
    assert (await holder.provider.guards([])).lock is None


async def test_after_a_lost_reply_the_token_tells_that_it_was_applied(
    proxy: UpdateProxy, primary: Authority, zone: Zone
) -> None:
    www, holder = key(zone, "www", "A"), Holder(provider_at(primary.address, zone))
    await holder.take()
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.99"))
    fence = Fence(holder.held, token(n=2))
    proxy.treat(Treatment.DROP_REPLY, times=1)
    with pytest.raises(Unreachable) as caught:
        await provider_at(proxy.address, zone, timeout=0.3).apply(ChangeSet((change,)), fence)
    assert caught.value.maybe_applied
    # Somebody takes the record back by hand: its value says "not applied", the token knows better.
    foreign = Change(www, change.after, change.before)
    await holder.provider.apply(ChangeSet((foreign,)), None)
    guards = await holder.provider.guards([www])
    assert (guards.lock, guards.rrsets[www]) == (fence.next, change.before)


async def test_the_same_message_again_is_told_as_applied(primary: Authority, zone: Zone) -> None:
    www, holder = key(zone, "www", "A"), Holder(provider_at(primary.address, zone))
    await holder.take()
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.99"))
    fence = Fence(holder.held, token(n=2))
    first = await holder.provider.apply(ChangeSet((change,)), fence)
    assert await holder.provider.apply(ChangeSet((change,)), fence) == first
    release = Fence(fence.next, None)
    await holder.provider.apply(ChangeSet(()), release)
    assert (await holder.provider.apply(ChangeSet(()), release)).ignored == ()


@pytest.mark.parametrize("treatment", [Treatment.CLOSE, Treatment.BLACK_HOLE])
async def test_a_message_that_the_server_never_got_may_still_be_under_way(
    treatment: Treatment, proxy: UpdateProxy, primary: Authority, zone: Zone
) -> None:
    holder = Holder(provider_at(primary.address, zone))
    await holder.take()
    proxy.treat(treatment, times=1)
    with pytest.raises(Unreachable) as caught:
        await provider_at(proxy.address, zone, timeout=0.3).apply(ChangeSet(()), Fence(holder.held, token(n=2)))
    assert caught.value.maybe_applied
    assert (await holder.provider.guards([])).lock == holder.held


async def test_whoever_lost_the_lock_cannot_write(primary: Authority, zone: Zone) -> None:
    www, first, second = key(zone, "www", "A"), *(Holder(provider_at(primary.address, zone), r) for r in ("a1", "b2"))
    await first.take()
    second.held = first.held
    await second.send()
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.66"))
    with pytest.raises(FenceLost) as caught:
        await first.send(change)
    assert caught.value.found == second.held
    assert (await second.provider.read([www]))[www] == change.before
    await second.release()
    with pytest.raises(FenceLost) as caught:
        await first.send(change)
    assert caught.value.found is None
