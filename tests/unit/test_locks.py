"""Tokens, where they stand, and names that runs reserve."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from dns_cutover.cli.reserving import REGISTER, refuse_overlap, reserve
from dns_cutover.engine import events as ev
from dns_cutover.engine.fold import fold
from dns_cutover.engine.journal import from_envelope, to_envelope
from dns_cutover.engine.lease import lease_journal
from dns_cutover.errors import LockHeld
from dns_cutover.plan.finding import PlanInvalid
from dns_cutover.plan.loader import parse_plan
from dns_cutover.providers.interface import Token, lock_owner
from dns_cutover.report.guarantees import guarantee_words
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.model import Runbook
from dns_cutover.store.interface import MAX_RUN_ID, Store
from dns_cutover.store.memory import MemoryStore
from tests.simulation.plans import BOOK, PLAN, runbook

TOKEN = Token("7f3a", 4, "9c1e", 1773144000)


def test_a_token_is_its_text():
    assert Token.parse(TOKEN.text()) == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "v=dc1 n=4 run=7f3a op=9c1e until=1773144000",
        "v=dc1 run=7f3a n=4 op=9c1e until=1773144000 ",
        "v=dc1 run=7f3a  n=4 op=9c1e until=1773144000",
        "v=dc1 run=7f3a n=04 op=9c1e until=1773144000",
        "v=dc1 run=7f3a n=4 op=9c1e until=99999999999999999999",
        "v=dc1 run=7f3a n=٤ op=9c1e until=1773144000",
        "v=dc1 run=$(reboot) n=4 op=9c1e until=1773144000",
        "v=dc1 run=7f3a n=4 op=--yes until=1773144000",
        "v=dc1 run=7F3A n=4 op=9c1e until=1773144000",
        "v=dc2 run=7f3a n=4 op=9c1e until=1773144000",
        "v=dc1 run=7f3a n=4 op=9c1e until=-1",
        "v=dc1 run=" + "a" * 65 + " n=4 op=9c1e until=1773144000",
        "",
    ],
)
def test_what_is_not_a_token_to_the_letter_is_none(text):
    """It could not be swapped, and it must not come into a command that people copy."""
    assert Token.parse(text) is None


def test_where_the_lock_stands():
    assert lock_owner("example.test.") == "_dns-cutover.example.test."
    assert lock_owner("example.test.", "store") == "_dns-cutover.example.test."
    assert lock_owner("example.test.", {"name": "_lock.Ops"}) == "_lock.ops.example.test."
    assert lock_owner("example.test.", {"name": "lock.example.test."}) == "lock.example.test."
    assert lock_owner(".") == "_dns-cutover."


def test_a_lease_has_a_journal_of_its_own_per_zone():
    long = ("x" * 60 + ".") * 3
    names = {lease_journal(z) for z in ("example.test.", "example.org.", long, f"a.{long}")}
    assert len(names) == 4
    assert all(len(n) <= MAX_RUN_ID for n in names)
    assert "lock:example.test." in names


def told(lock: object, **promised: object) -> list[str]:
    zone = replace(BOOK.zones[0], provider={"type": "rfc2136", "lock": lock})
    zone = replace(zone, guarantees=replace(zone.guarantees, **promised))
    return [f"{verdict} {name}: {text}" for verdict, name, text in guarantee_words(BOOK, zone)]


def test_guarantees_name_the_lock():
    assert "proved fenced: lock TXT _dns-cutover.example.test in every message" in told("zone")
    assert "proved fenced: lock TXT _lock.example.test in every message" in told({"name": "_lock"})
    leased = told("store", fenced=False)
    assert "mind fenced: no: a lease in the store of runs keeps its runs apart, nothing in DNS does" in leased
    assert any("waits 1m 20s until the message cannot come any more" in line for line in leased)
    assert any("nobody can tell" in line for line in told("store", fenced=False, serial="none"))


def test_the_grace_goes_into_the_runbook():
    assert BOOK.grace == 600
    assert runbook(PLAN.replace(b"safety: {", b"safety: {lock_grace: 30s, ")).grace == 30


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("dns", "write zone, store, or a mapping with the name"),
        ("{}", "name"),
        ("7", "zone, store"),
        ("{name: a..b}", "a..b"),
    ],
)
def test_a_lock_that_is_none_of_these_is_told(lock, said):
    plan = PLAN.replace(b"secret: {env: X}}}", b"secret: {env: X}}, lock: " + lock.encode() + b"}")
    with pytest.raises(PlanInvalid) as caught:
        parse_plan(plan, "plan.yaml", {})
    assert said in caught.value.findings[0].message


# -- reserved names ---------------------------------------------------------------------------------------------------


async def made(store: Store, run_id: str, book: Runbook = BOOK, *, driven: bool = False):
    events: list[ev.Event] = [ev.Created(1.0, runbook_json(book), runbook_sha256(book), "me")]
    events += [ev.Claimed(2.0, "host:1")] if driven else []
    await store.append([to_envelope(run_id, n, e) for n, e in enumerate(events)])
    return fold(run_id, events)


ELSEWHERE = replace(BOOK, zones=(replace(BOOK.zones[0], name="example.org."),))


async def test_of_two_runs_made_at_once_one_has_the_names():
    store = MemoryStore()
    first, second = await made(store, "aa01"), await made(store, "bb02")
    await reserve(store, first, 3.0)
    with pytest.raises(LockHeld, match=r"run aa01 \(sim\) has .*example\.test\. of example\.test\. in its hands"):
        await reserve(store, second, 3.0)
    ended = fold("bb02", [from_envelope(e) for e in await store.load("bb02")])
    assert (ended.outcome, ended.final) == ("locked", True)
    await reserve(store, first, 4.0)  # again, after a crash before its first step
    assert len(await store.load(REGISTER)) == 1


class Racing(MemoryStore):
    """Between looking and entering, somebody else enters."""

    def __init__(self, other: str) -> None:
        super().__init__()
        self.other = other

    async def append(self, envelopes):
        if envelopes[0].run_id == REGISTER and self.other:
            other, self.other = self.other, ""
            await reserve(self, fold(other, [from_envelope(e) for e in await self.load(other)]), 3.0)
        return await super().append(envelopes)


async def test_whoever_enters_second_looks_again():
    store = Racing("bb02")
    first = await made(store, "aa01")
    await made(store, "bb02")
    with pytest.raises(LockHeld, match="run bb02"):
        await reserve(store, first, 3.0)
    assert [json.loads(e.body)["runs"] for e in await store.load(REGISTER)] == [["bb02"]]


async def test_a_run_that_was_driven_holds_its_names_without_being_listed():
    """As runs of another store do that were brought here."""
    store = MemoryStore()
    await made(store, "aa01", driven=True)
    with pytest.raises(LockHeld, match="run aa01"):
        await refuse_overlap(store, BOOK)


async def test_a_run_that_was_only_made_or_is_over_holds_nothing():
    store = MemoryStore()
    await made(store, "aa01")
    over = await made(store, "bb02", driven=True)
    await store.append([to_envelope("bb02", over.seq, ev.Finished(5.0, "succeeded"))])
    await refuse_overlap(store, BOOK)
    later = await made(store, "cc03")
    await reserve(store, later, 6.0)
    assert [json.loads(e.body)["runs"] for e in await store.load(REGISTER)] == [["cc03"]]


async def test_runs_with_other_names_live_side_by_side():
    store = MemoryStore()
    first = await made(store, "aa01", driven=True)
    await reserve(store, first, 3.0)
    await reserve(store, await made(store, "bb02", ELSEWHERE), 4.0)
    assert json.loads((await store.last(REGISTER)).body)["runs"] == ["aa01", "bb02"]


def test_many_at_once_with_the_same_names():
    """Whatever the order in which they come: one has them."""

    async def race() -> list[bool]:
        store = MemoryStore()
        states = [await made(store, f"aa{n:02}") for n in range(5)]

        async def one(state) -> bool:
            try:
                await reserve(store, state, 3.0)
            except LockHeld:
                return False
            return True

        return list(await asyncio.gather(*map(one, states)))

    assert sum(asyncio.run(race())) == 1
