"""A lock in the store: the message first, then the lease; whoever finds another lease writes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from dns_cutover.engine.lease import LeasedProvider, lease_journal
from dns_cutover.providers.interface import ChangeSet, Fence, FenceLost, Receipt, Token
from dns_cutover.providers.rfc2136.provider import guarantees
from dns_cutover.records import Change, RRset, RRsetKey
from dns_cutover.store.interface import Envelope
from dns_cutover.store.memory import MemoryStore
from tests.unit.engine_ports import Provider, complete, guards
from tests.unit.engine_states import NOW, token

ZONE = "example.test."
KEY = RRsetKey("default", "www.example.test.", "A")
CHANGES = ChangeSet((Change(KEY, None, RRset(60, ("192.0.2.1",))),), "the SOA")
FIRST, SECOND, OTHER = token(NOW + 50, 1), token(NOW + 60, 2), Token("other", 9, "opx", int(NOW) + 5)


class Inner(Provider):
    """A provider that also says what it was asked to read and to divide."""

    async def read(self, keys: Any) -> Any:
        return dict.fromkeys(keys)

    def partition(self, changes: Any) -> Any:
        return (changes, ())


def leased(*held: Token | None, **inner: Any) -> tuple[LeasedProvider, Inner, MemoryStore]:
    """With these leases in the store, one after the other."""
    store, provider = MemoryStore(), Inner(**inner)
    for n, lease in enumerate(held):
        body = json.dumps({"lock": lease.text() if lease else ""})
        assert complete(store.append([Envelope(lease_journal(ZONE), n, NOW, body)]))
    return LeasedProvider(provider, store, ZONE, lambda: NOW), provider, store


def kept(store: MemoryStore) -> list[tuple[int, float, str]]:
    return [(e.seq, e.ts, e.body) for e in complete(store.load(lease_journal(ZONE)))]


def test_each_zone_has_a_journal_of_its_own() -> None:
    assert lease_journal(ZONE) == "lock:example.test."
    fits, long = "a" * 58 + ".", "a" * 59 + "."
    assert lease_journal(fits) == f"lock:{fits}"
    assert lease_journal(long) == "lock:" + hashlib.sha256(long.encode()).hexdigest()[:40]


def test_it_promises_no_fence_and_all_else_as_the_provider_does() -> None:
    provider, inner, _ = leased()
    assert provider.guarantees == replace(guarantees(), fenced=False)
    assert complete(provider.read([KEY])) == {KEY: None}
    assert provider.partition((1, 2)) == ((1, 2), ())
    inner.settles, inner.published = [True], [{KEY: 60}]
    assert complete(provider.settled(Receipt((), 5)))
    assert complete(provider.history(3, [KEY])) == {KEY: 60}
    assert inner.asked == [Receipt((), 5), (3, (KEY,))]


def test_the_lease_is_the_lock_unless_one_stands_in_the_zone() -> None:
    provider, inner, _ = leased(FIRST, SECOND)
    inner.shows = [guards(None, lock_blocked="a CNAME is there", serial=8)]
    assert complete(provider.guards([KEY])) == guards(SECOND, serial=8)
    assert inner.asked == [(KEY,)]
    there = int(OTHER.until)
    for offset, seen in ((there - NOW - 1, OTHER), (there - NOW, SECOND), (None, OTHER)):
        inner.shows = [guards(OTHER, clock_offset=offset)]
        assert complete(provider.guards([])).lock == seen
    for until, seen in ((int(NOW), SECOND), (int(NOW) + 1, replace(OTHER, until=int(NOW) + 1))):
        inner.shows = [guards(replace(OTHER, until=until), clock_offset=None)]
        assert complete(provider.guards([])).lock == seen


@pytest.mark.parametrize("held", [(), (FIRST, None)], ids=["never", "given back"])
def test_a_lease_that_nobody_has(held: Any) -> None:
    provider, inner, _ = leased(*held)
    inner.shows = [guards()]
    assert complete(provider.guards([])).lock is None


def test_the_lease_alone_is_swapped_without_a_message() -> None:
    provider, inner, store = leased()
    assert complete(provider.apply(ChangeSet(()), Fence(None, FIRST))) == Receipt((), 0)
    assert complete(provider.apply(ChangeSet(()), Fence(FIRST, None))) == Receipt((), 0)
    assert kept(store) == [(0, NOW, f'{{"lock":"{FIRST.text()}"}}'), (1, NOW, '{"lock":""}')]
    assert inner.sent == []


def test_a_message_is_sent_first_and_then_the_lease_is_swapped() -> None:
    provider, inner, store = leased(FIRST, replies=[Receipt((KEY,), 9)])
    assert complete(provider.apply(CHANGES, Fence(FIRST, SECOND))) == Receipt((KEY,), 9)
    assert inner.sent == [(CHANGES, None)]
    assert len(kept(store)) == 2
    assert SECOND.text() in kept(store)[1][2]


def test_without_our_lease_nothing_is_sent() -> None:
    provider, inner, store = leased(OTHER)
    for changes in (CHANGES, ChangeSet(())):
        with pytest.raises(FenceLost) as caught:
            complete(provider.apply(changes, Fence(FIRST, SECOND)))
        assert caught.value.found == OTHER
    assert inner.sent == []
    assert len(kept(store)) == 1


def test_a_message_without_a_fence_touches_no_lease() -> None:
    provider, inner, store = leased(OTHER, replies=[Receipt((), 9)])
    assert complete(provider.apply(CHANGES, None)) == Receipt((), 9)
    assert inner.sent == [(CHANGES, None)]
    assert len(kept(store)) == 1


def test_a_swap_that_was_made_already_is_no_loss() -> None:
    provider, _, store = leased(SECOND)
    assert complete(provider.apply(ChangeSet(()), Fence(FIRST, SECOND))) == Receipt((), 0)
    assert len(kept(store)) == 1


def test_whoever_swaps_at_the_same_time_wins_once() -> None:
    provider, _, store = leased(FIRST)

    async def outrun(envelopes: Any) -> bool:
        store._runs[lease_journal(ZONE)].append(Envelope(lease_journal(ZONE), 1, NOW, f'{{"lock":"{OTHER.text()}"}}'))
        return False

    store.append = outrun
    with pytest.raises(FenceLost) as caught:
        complete(provider.apply(ChangeSet(()), Fence(FIRST, SECOND)))
    assert caught.value.found == OTHER
